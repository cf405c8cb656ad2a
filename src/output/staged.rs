//! What a build would change, ready to be committed or dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use crate::report::FileChange;

use super::commit::Commit;
use super::error::OutputError;
use super::folder::Folder;
use super::journal::Step;
use super::listing::Class;
use super::plan::Plan;
use super::staging::Staging;
use super::{Mode, Output, listing};

/// A finished output that is not in `out/` yet. Dropped without a commit it leaves nothing behind.
#[derive(Debug)]
pub struct Staged {
    folder: Folder,
    mode: Mode,
    staging: Staging,
    changes: Vec<Changed>,
    removals: Vec<String>,
    repaired: Vec<String>,
    unchanged: usize,
    unchanged_pages: usize,
    previous: usize,
    previous_pages: usize,
    removed_pages: Vec<String>,
    stamps: BTreeMap<String, u64>,
    list: String,
    id: String,
    steps: Vec<Step>,
}

/// One file that a commit creates, updates or removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What becomes of it.
    pub change: FileChange,
    /// What it is; a file of somebody else that is removed counts as an asset.
    pub class: Class,
    /// Output path.
    pub path: String,
}

impl Staged {
    pub(super) fn from_output(output: Output) -> Result<Self, OutputError> {
        let book = output.book.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = book.failed {
            return Err(OutputError::Incomplete { path });
        }
        let (made, listing, adopted) = (book.made, output.listing, output.adopted);
        let listed = listing.iter().map(|(path, _)| path);
        let removals: BTreeSet<&str> =
            listed.chain(adopted.iter().map(String::as_str)).filter(|path| !made.contains_key(*path)).collect();
        let (list, id) = listing::write(made.iter().map(|(path, made)| (path.as_str(), &made.entry)));
        let plan = Plan {
            folder: &output.folder,
            staging: &output.staging,
            made: &made,
            removals: removals.clone(),
            list_differs: listing.commit() != Some(&id),
        };
        let steps = plan.steps(|path| listing.get(path).is_some() || adopted.contains(path))?;

        let is_page = |path: &str| listing.get(path).is_some_and(|entry| entry.class != Class::Asset);
        let removed_pages = removals.iter().filter(|path| is_page(path)).map(|path| (*path).to_owned()).collect();
        let removals: Vec<String> = removals.into_iter().map(str::to_owned).collect();
        let changed = made.iter().filter(|(_, made)| made.change != FileChange::Unchanged);
        let mut changes: Vec<_> = changed
            .map(|(path, made)| Changed { change: made.change, class: made.entry.class, path: path.clone() })
            .collect();
        let unchanged = made.len() - changes.len();
        let same = |made: &&super::Made| made.change == FileChange::Unchanged && made.entry.class != Class::Asset;
        let unchanged_pages = made.values().filter(same).count();
        // What a user had there is no page of ours.
        let class_of = |path: &str| listing.get(path).map_or(Class::Asset, |entry| entry.class);
        let removed =
            |path: &String| Changed { change: FileChange::Removed, class: class_of(path), path: path.clone() };
        changes.extend(removals.iter().map(removed));
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        let stamps = made.iter().filter_map(|(path, made)| Some((path.clone(), made.laid?.stamp)));
        Ok(Staged {
            stamps: stamps.collect(),
            repaired: made.iter().filter(|(_, made)| made.repaired).map(|(path, _)| path.clone()).collect(),
            previous: listing.len(),
            previous_pages: listing.iter().filter(|(_, entry)| entry.class != Class::Asset).count(),
            removed_pages,
            folder: output.folder,
            mode: output.mode,
            staging: output.staging,
            changes,
            removals,
            unchanged,
            unchanged_pages,
            list,
            id,
            steps,
        })
    }

    /// Every file that would be created, updated or removed, sorted by path; unchanged ones are left out.
    pub fn changes(&self) -> &[Changed] {
        &self.changes
    }

    /// How many pages, lists and indexes stay as they are.
    pub fn unchanged_pages(&self) -> usize {
        self.unchanged_pages
    }

    /// How many files stay as they are.
    pub fn unchanged(&self) -> usize {
        self.unchanged
    }

    /// The files that would be removed, sorted: those of the last build that this one does not make, and adopted ones.
    pub fn removals(&self) -> &[String] {
        &self.removals
    }

    /// How many files the last build made, adopted ones not counted.
    pub fn previous(&self) -> usize {
        self.previous
    }

    /// How many pages, lists and indexes the last build made: its files without assets and static files.
    pub fn previous_pages(&self) -> usize {
        self.previous_pages
    }

    /// Those of [`Staged::removals`] that are pages, lists or indexes of the last build.
    pub fn removed_pages(&self) -> &[String] {
        &self.removed_pages
    }

    /// The files of the last build that were changed or deleted by hand and are made anew, sorted.
    pub fn repaired(&self) -> &[String] {
        &self.repaired
    }

    /// The id that `out/.aem-static` bears after the commit: a digest over all files.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The modification times of all files after the commit, in nanoseconds since 1970: for the manifest, and in the next
    /// build for [`Output::with_stamps`]. In a dry run only those of unchanged files.
    pub fn stamps(&self) -> &BTreeMap<String, u64> {
        &self.stamps
    }

    /// The same, taken out: a large site's need not be in memory twice.
    pub fn take_stamps(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.stamps)
    }

    /// Puts everything into place: assets, pages, lists, indexes, then removals, then the list. `progress` hears how many
    /// files are done. Without any change nothing at all is written; a dry run never writes.
    ///
    /// # Errors
    ///
    /// [`OutputError::Interrupted`] once the journal stands: the next [`Output::open`] goes on. Before that `out/` is untouched.
    pub fn commit(self, progress: &(dyn Fn(u64) + Sync)) -> Result<(), OutputError> {
        match self.begin()? {
            None => Ok(()),
            Some(mut commit) => {
                commit.run(usize::MAX, progress)?;
                commit.close()
            }
        }
    }

    /// Deletes the staging; `out/` stays as it was. Dropping does the same.
    pub fn discard(self) {}

    /// Writes the journal; `None` if there is nothing to do.
    pub(super) fn begin(self) -> Result<Option<Commit>, OutputError> {
        if self.mode == Mode::DryRun || self.steps.is_empty() {
            return Ok(None);
        }
        Commit::begin(self.folder, self.staging, self.steps, &self.list).map(Some)
    }
}
