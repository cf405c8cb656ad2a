//! What a build would change, ready to be committed or dropped.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use crate::report::FileChange;

use super::commit::Commit;
use super::error::OutputError;
use super::exchange;
use super::files::SortedFiles;
use super::folder::Folder;
use super::journal::Step;
use super::listing::{Class, Stamps};
use super::plan::Plan;
use super::staging::Staging;
use super::{Made, Mode, Output, UNMARKED, listing};

/// A finished output that is not in `out/` yet. Dropped without a commit it leaves nothing behind.
#[derive(Debug)]
pub struct Staged {
    pub(super) folder: Folder,
    mode: Mode,
    pub(super) staging: Staging,
    pub(super) files: SortedFiles,
    /// Sorted.
    removals: Vec<(Class, String)>,
    /// Files created, updated or removed.
    changes: usize,
    unchanged_pages: usize,
    previous_pages: usize,
    /// The id of the last build's commit, if `out/` has a list.
    previous: Option<String>,
    id: String,
    steps: Vec<Step>,
}

/// One file that a commit creates, updates or removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed<'a> {
    /// What becomes of it.
    pub change: FileChange,
    /// What it is; a file of somebody else that is removed counts as an asset.
    pub class: Class,
    /// Output path.
    pub path: &'a str,
    /// The number that it was put under; [`UNMARKED`](super::UNMARKED) for what is removed.
    pub mark: u32,
}

impl Staged {
    pub(super) fn from_output(output: Output) -> Result<Self, OutputError> {
        let book = output.book.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = book.failed {
            return Err(OutputError::Incomplete { path });
        }
        let (files, listing, adopted) = (book.made.sort()?, output.listing, output.adopted);
        let listed = listing.iter().map(|(path, _)| path);
        let removals: BTreeSet<&str> =
            listed.chain(adopted.iter().map(String::as_str)).filter(|path| !files.contains(path)).collect();
        let id = listing::id(&files);
        // What a user had there is no page of ours.
        let class_of = |path: &str| listing.get(path).map_or(Class::Asset, |listed| listed.entry.class);
        let gone = removals.iter().map(|path| (class_of(path), (*path).to_owned())).collect();
        let plan = Plan {
            folder: &output.folder,
            staging: &output.staging,
            files: &files,
            removals,
            list_differs: listing.commit() != Some(&id),
            way: output.way,
            is_first: listing.is_empty() && adopted.is_empty(),
        };
        let steps = plan.steps(|path| listing.get(path).is_some() || adopted.contains(path))?;
        let mut staged = Staged {
            folder: output.folder,
            mode: output.mode,
            staging: output.staging,
            files,
            removals: gone,
            changes: 0,
            unchanged_pages: 0,
            previous_pages: listing.iter().filter(|(_, entry)| entry.class != Class::Asset).count(),
            previous: listing.commit().map(str::to_owned),
            id,
            steps,
        };
        staged.changes = staged.changes().count();
        let same = |made: &Made| made.change == FileChange::Unchanged && made.entry.class != Class::Asset;
        staged.unchanged_pages = staged.files.iter().filter(|(_, made)| same(made)).count();
        Ok(staged)
    }

    /// Every file that would be created, updated or removed, sorted by path; unchanged ones are left out.
    pub fn changes(&self) -> impl Iterator<Item = Changed<'_>> {
        let made = self.files.iter().filter(|(_, made)| made.change != FileChange::Unchanged);
        let mut made = made
            .map(|(path, made)| Changed { change: made.change, class: made.entry.class, path, mark: made.mark })
            .peekable();
        let mut removals = self.removals.iter().peekable();
        std::iter::from_fn(move || {
            let removal_first = match (made.peek(), removals.peek()) {
                (Some(made), Some((_, removed))) => removed.as_str() < made.path,
                (made, _) => made.is_none(),
            };
            match removal_first {
                false => made.next(),
                true => removals.next().map(|(class, path)| Changed {
                    change: FileChange::Removed,
                    class: *class,
                    path,
                    mark: UNMARKED,
                }),
            }
        })
    }

    /// How many files that is.
    pub fn change_count(&self) -> usize {
        self.changes
    }

    /// The ids of the commit that is in `out/`, if there is one, and of this one. They are equal if all files are.
    pub fn commits(&self) -> (Option<&str>, &str) {
        (self.previous.as_deref(), &self.id)
    }

    /// How many pages, lists and indexes stay as they are.
    pub fn unchanged_pages(&self) -> usize {
        self.unchanged_pages
    }

    /// How many pages, lists and indexes the last build made: its files without assets and static files.
    pub fn previous_pages(&self) -> usize {
        self.previous_pages
    }

    /// The pages, lists and indexes of the last build that would be removed, sorted.
    pub fn removed_pages(&self) -> impl Iterator<Item = &str> {
        self.removals.iter().filter(|(class, _)| *class != Class::Asset).map(|(_, path)| path.as_str())
    }

    /// The files of the last build that were changed or deleted by hand and are made anew, sorted.
    pub fn repaired(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter(|(_, made)| made.repaired).map(|(path, _)| path)
    }

    /// The modification times of all files after the commit: for the manifest, and in the next build for
    /// [`Output::with_stamps`]. In a dry run only those of unchanged files are known.
    pub fn stamps(&self) -> Stamps {
        let times = self.files.iter().map(|(_, made)| made.laid.map_or(0, |laid| laid.stamp));
        Stamps { commit: self.id.clone(), times: times.collect() }
    }

    /// The number that each file was put under, in the order of the list; [`UNMARKED`](super::UNMARKED) is none.
    pub fn marks(&self) -> impl Iterator<Item = u32> {
        self.files.iter().map(|(_, made)| made.mark)
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
        if self.mode != Mode::Write || self.steps.is_empty() {
            return Ok(None);
        }
        let write = |to: &mut dyn std::io::Write| listing::write(&self.files, &self.id, to);
        let mut steps = self.steps;
        if let Some(Step::Exchange { tree, .. }) = steps.first_mut() {
            let goes = |path: &str| match self.files.get(path) {
                Some(made) => made.change != FileChange::Unchanged,
                None => self.removals.binary_search_by(|(_, removed)| removed.as_str().cmp(path)).is_ok(),
            };
            *tree = exchange::complete(&self.folder, &self.staging, goes, write)?;
            return Commit::journaled(self.folder, self.staging, steps).map(Some);
        }
        Commit::begin(self.folder, self.staging, steps, write).map(Some)
    }
}
