//! The steps of a commit, from what was put and what stands in `out/`. Reads `out/`, changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, io};

use crate::report::FileChange;

use super::error::OutputError;
use super::files::SortedFiles;
use super::folder::Folder;
use super::ground::{Ground, Standing};
use super::journal::Step;
use super::listing::Class;
use super::path::{ancestors, parent};
use super::staging::{self, Layout, Staging, TREE};
use super::{Made, Way};

/// What a plan is made from.
pub(super) struct Plan<'a> {
    pub(super) folder: &'a Folder,
    pub(super) staging: &'a Staging,
    pub(super) files: &'a SortedFiles,
    /// Files to go: of the last build, and adopted ones.
    pub(super) removals: BTreeSet<&'a str>,
    pub(super) list_differs: bool,
    pub(super) way: Way,
    /// Nothing in `out/` is of an earlier build, or adopted.
    pub(super) is_first: bool,
}

impl Plan<'_> {
    /// The steps in order: assets, pages, lists, indexes, removals, the list.
    pub(super) fn steps(&self, is_ours: impl Fn(&str) -> bool) -> Result<Vec<Step>, OutputError> {
        self.refuse_clashes()?;
        let mut ground = Ground::new(self.folder.clone());
        let clearings = self.clearings(&mut ground, is_ours)?;
        let mut steps = Vec::new();
        match (self.way, self.staging.layout()) {
            (Way::Renames, Layout::Tree) => self.place_whole(&mut ground, &mut steps)?,
            _ => self.place_each(clearings, &mut steps),
        }
        self.remove(&mut steps);
        if self.list_differs {
            steps.push(Step::List);
        }
        self.refuse_read_only(&mut ground, &steps)?;
        match self.way {
            Way::Exchange if !steps.is_empty() => Ok(self.exchange()),
            _ => Ok(steps),
        }
    }

    /// In place of all these steps. What a first build meets in `out/` is none of ours.
    fn exchange(&self) -> Vec<Step> {
        let changed = self.changed().map(|(path, _)| path);
        let files = (self.changed().count() + self.removals.len()) as u64;
        let replaced = match self.is_first {
            true => Vec::new(),
            false => changed.chain(self.removals.iter().copied()).map(str::to_owned).collect(),
        };
        // The tree is known once it is complete.
        vec![Step::Exchange { tree: 0, files }, Step::Drain(replaced)]
    }

    fn changed(&self) -> impl Iterator<Item = (&str, &Made)> {
        self.files.iter().filter(|(_, made)| made.change != FileChange::Unchanged)
    }

    /// A file cannot be where another needs a folder.
    fn refuse_clashes(&self) -> Result<(), OutputError> {
        let mut checked = "";
        for (path, _) in self.files.iter() {
            let folder = parent(path);
            if folder == checked {
                continue;
            }
            if let Some(file) = ancestors(path).find(|above| self.files.contains(above)) {
                return Err(OutputError::Clash { path: file.to_owned(), with: path.to_owned() });
            }
            checked = folder;
        }
        Ok(())
    }

    /// What has to go before a file can be placed: a removed file where its folder shall be, a folder of removed files
    /// where it shall be itself. Anything else in the way is the user's.
    fn clearings(
        &self,
        ground: &mut Ground,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Vec<Step>>, OutputError> {
        let mut clearings = BTreeMap::new();
        for (path, made) in self.changed() {
            match self.at(ground, parent(path))? {
                Standing::Missing => {}
                Standing::Blocked(file) if self.removals.contains(file.as_str()) => {
                    clearings.insert(path.to_owned(), vec![Step::Remove(file)]);
                }
                Standing::Blocked(file) => return Err(self.user_file(&file, path)),
                // An updated file was seen to be a file, and is in the list.
                Standing::Folder | Standing::ReadOnly if made.change == FileChange::Updated => {}
                Standing::Folder | Standing::ReadOnly => match fs::symlink_metadata(self.folder.path(path)) {
                    Ok(metadata) if metadata.is_dir() => {
                        clearings.insert(path.to_owned(), self.clear_folder(path)?);
                    }
                    Ok(_) if is_ours(path) => {}
                    Ok(_) => return Err(self.user_file(path, path)),
                    Err(cause) if staging::is_gone(&cause) => {}
                    Err(cause) => return Err(self.unreadable(path, cause)),
                },
            }
        }
        Ok(clearings)
    }

    /// The steps that take away the folder where the file `wanted` shall be.
    fn clear_folder(&self, wanted: &str) -> Result<Vec<Step>, OutputError> {
        let mut steps = Vec::new();
        for entry in walkdir::WalkDir::new(self.folder.path(wanted)).contents_first(true).sort_by_file_name() {
            let entry = entry.map_err(|cause| self.unreadable(wanted, cause.into()))?;
            let path = self.folder.relative(entry.path())?;
            if entry.file_type().is_dir() {
                steps.push(Step::Prune(path));
            } else if self.removals.contains(path.as_str()) {
                steps.push(Step::Remove(path));
            } else {
                return Err(self.user_file(&path, wanted));
            }
        }
        Ok(steps)
    }

    /// A first build: the topmost folders that `out/` does not have go as wholes, folders first, since what lies at the top
    /// (the home page, the sitemap) points into them.
    fn place_whole(&self, ground: &mut Ground, steps: &mut Vec<Step>) -> Result<(), OutputError> {
        let mut units: Vec<(Class, String, u64)> = Vec::new();
        for (path, made) in self.changed() {
            let class = made.entry.class;
            if let Some((unit_class, unit, files)) = units.last_mut()
                && (unit.is_empty() || path.strip_prefix(unit.as_str()).is_some_and(|rest| rest.starts_with('/')))
            {
                *unit_class = class.max(*unit_class);
                *files += 1;
                continue;
            }
            let mut unit = path;
            for above in std::iter::once("").chain(ancestors(path)) {
                if self.at(ground, above)? == Standing::Missing {
                    unit = above;
                    break;
                }
            }
            units.push((class, unit.to_owned(), 1));
        }
        units.sort_by(|(a_class, a, _), (b_class, b, _)| {
            let rank = |class: &Class, unit: &str| (*class != Class::Asset && self.files.contains(unit), *class);
            rank(a_class, a).cmp(&rank(b_class, b)).then_with(|| a.cmp(b))
        });
        steps.extend(units.into_iter().map(|(_, path, files)| Step::Place {
            staged: if path.is_empty() { TREE.to_owned() } else { format!("{TREE}/{path}") },
            path,
            files,
        }));
        Ok(())
    }

    /// A later build: file by file in the order of their classes.
    fn place_each(&self, mut clearings: BTreeMap<String, Vec<Step>>, steps: &mut Vec<Step>) {
        let mut changed: Vec<(&str, &Made)> = self.changed().collect();
        changed.sort_by_key(|(path, made)| (made.entry.class, *path));
        for (path, made) in changed {
            // Nothing is laid in a dry run, whose steps nobody takes.
            let Some(laid) = made.laid else { continue };
            steps.extend(clearings.remove(path).unwrap_or_default());
            steps.push(Step::Place { staged: self.staging.name_of(path, laid), path: path.to_owned(), files: 1 });
        }
    }

    /// Removals that were not needed earlier, then the folders they leave empty, innermost first.
    fn remove(&self, steps: &mut Vec<Step>) {
        let mut done = BTreeSet::new();
        for step in steps.iter() {
            if let Step::Remove(path) = step {
                done.insert(path.clone());
            }
        }
        let left = self.removals.iter().filter(|path| !done.contains(**path));
        steps.extend(left.map(|path| Step::Remove((*path).to_owned())));

        let mut emptied: BTreeSet<&str> = self.removals.iter().flat_map(|path| ancestors(path)).collect();
        if emptied.is_empty() {
            return;
        }
        for (path, _) in self.files.iter() {
            emptied.remove(path);
            for folder in ancestors(path) {
                emptied.remove(folder);
            }
        }
        // A folder sorts before all that lies in it.
        steps.extend(emptied.into_iter().rev().map(|folder| Step::Prune(folder.to_owned())));
    }

    /// Better told now than in the middle of the commit.
    fn refuse_read_only(&self, ground: &mut Ground, steps: &[Step]) -> Result<(), OutputError> {
        for step in steps {
            let mut folder = match step {
                Step::Place { path, .. } | Step::Remove(path) => parent(path),
                Step::List | Step::Prune(_) | Step::Exchange { .. } | Step::Drain(_) => "",
            };
            while !folder.is_empty() && self.at(ground, folder)? == Standing::Missing {
                folder = parent(folder);
            }
            if self.at(ground, folder)? == Standing::ReadOnly {
                return Err(OutputError::ReadOnly {
                    path: self.folder.shown(folder),
                    source: io::Error::new(io::ErrorKind::PermissionDenied, "the folder has no write permission"),
                });
            }
        }
        Ok(())
    }

    fn at(&self, ground: &mut Ground, folder: &str) -> Result<Standing, OutputError> {
        ground.at(folder).map_err(|cause| self.unreadable(folder, cause))
    }

    fn unreadable(&self, path: &str, cause: io::Error) -> OutputError {
        OutputError::io("read", self.folder.shown(path), cause)
    }

    fn user_file(&self, path: &str, wanted: &str) -> OutputError {
        OutputError::UserFile { path: self.folder.shown(path), wanted: wanted.to_owned() }
    }
}
