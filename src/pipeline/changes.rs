//! What a build changes, for `diff`: told with texts by a comparison, written down with the replaced bytes before a commit.

use super::Export;
use super::publish::Noted;
use crate::output::{Changed, Class, Staged};
use crate::report::{Event, FileChange};
use crate::state::{ChangesDraft, Replaced, State, StateError};
use crate::text::revision;

/// Replaced bytes that are kept at most, and those of one file that are compared at all.
const KEPT: u64 = 64 << 20;
/// The size of a file that is compared at most.
pub(super) const COMPARED: u64 = 8 << 20;

impl Export<'_> {
    /// Tells what visitors would see change on a page.
    pub(super) fn compared(&self, staged: &Staged, changed: Changed<'_>) {
        let Changed { change: FileChange::Updated, path, class: Class::Page | Class::List | Class::Index, .. } =
            changed
        else {
            return;
        };
        let read = |bytes: Result<Option<Vec<u8>>, _>| bytes.ok().flatten();
        let diff = match (read(staged.before(path, COMPARED)), read(staged.after(path, COMPARED))) {
            (Some(before), Some(after)) => revision::diff(path, &before, &after),
            _ => Err("it is too large, or cannot be read"),
        };
        self.reporter.emit(Event::Text { path: path.to_owned(), diff });
    }
}

/// Writes down what the commit is going to change; `None` if that is nothing. After an error nothing is written down: neither half
/// a record, for which the disk may be too full, nor that of the build before.
///
/// # Errors
/// [`StateError::Io`].
pub(super) fn record(
    state: &State,
    staged: &Staged,
    noted: &Noted,
    keeps: bool,
) -> Result<Option<ChangesDraft>, StateError> {
    written(state, staged, noted, keeps).or_else(|error| state.forget_changes().and(Err(error)))
}

fn written(state: &State, staged: &Staged, noted: &Noted, keeps: bool) -> Result<Option<ChangesDraft>, StateError> {
    let (before, commit) = staged.commits();
    if staged.change_count() == 0 && before == Some(commit) {
        return Ok(None);
    }
    let is_first = before.is_none() && staged.changes().all(|changed| changed.change == FileChange::Created);
    let mut writer = state.changes_writer(before, commit, is_first)?;
    let mut kept = 0;
    // Of a first build everything is new: the list in out/ says it as well.
    for changed in staged.changes().filter(|_| !is_first) {
        let replaced = replaced(staged, changed, keeps, &mut kept);
        writer.add(changed.path, changed.change, noted.reason(changed.change, changed.mark), &replaced)?;
    }
    writer.finish().map(Some)
}

/// The bytes that a page has until the commit. Of what is removed nothing is kept: it was withdrawn.
fn replaced(staged: &Staged, changed: Changed<'_>, keeps: bool, kept: &mut u64) -> Replaced<Vec<u8>> {
    let missing = |why: &str| Replaced::Missing(why.to_owned());
    if changed.change != FileChange::Updated || changed.class == Class::Asset {
        return Replaced::None;
    }
    if !keeps {
        return missing("its old text was not kept: [build] keep_replaced is false");
    }
    let Ok(Some(bytes)) = staged.before(changed.path, COMPARED) else {
        return missing("its old text was not kept: it is too large, or could not be read");
    };
    if *kept + bytes.len() as u64 > KEPT {
        return missing("its old text was not kept: more than 64 MiB were replaced");
    }
    *kept += bytes.len() as u64;
    Replaced::Bytes(bytes)
}
