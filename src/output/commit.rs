//! A commit under way: follows its journal step by step, and can begin anew at any of them.

use std::path::Path;
use std::{fs, io};

use super::error::OutputError;
use super::exchange;
use super::folder::Folder;
use super::ground::{Ground, Standing};
use super::journal::{self, Step};
use super::path::{LIST, parent};
use super::staging::{self, JOURNAL, NEW_LIST, Staging};

/// A commit whose journal is on the disk.
#[derive(Debug)]
pub(super) struct Commit {
    folder: Folder,
    ground: Ground,
    pub(super) steps: Vec<Step>,
    /// Files put into place or removed so far.
    done: u64,
}

impl Commit {
    /// Writes list and journal. Until this returns, `out/` is untouched; from then on the commit is finished, by this command
    /// or by the next.
    pub(super) fn begin(
        folder: Folder,
        staging: Staging,
        steps: Vec<Step>,
        list: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<Self, OutputError> {
        staging.ensure()?;
        let root = folder.staging();
        let failed = |cause| OutputError::io("write", root.join(JOURNAL), cause);
        staging::write_synced(&root.join(NEW_LIST), list).map_err(failed)?;
        Commit::journaled(folder, staging, steps)
    }

    /// Writes the journal, for steps whose list is staged.
    pub(super) fn journaled(folder: Folder, staging: Staging, steps: Vec<Step>) -> Result<Self, OutputError> {
        let root = folder.staging();
        journal::write(root, &steps).map_err(|cause| OutputError::io("write", root.join(JOURNAL), cause))?;
        staging.keep();
        Ok(Commit::over(folder, steps))
    }

    /// Finishes the commit whose journal is found; tells how many files were still to be placed or removed.
    pub(super) fn recover(folder: &Folder) -> Result<Option<usize>, OutputError> {
        let Some(steps) = journal::read(folder.staging())? else {
            return Ok(None);
        };
        let mut commit = Commit::over(folder.clone(), steps);
        commit.run(usize::MAX, &|_| {})?;
        let done = commit.done;
        commit.close()?;
        Ok(Some(usize::try_from(done).unwrap_or(usize::MAX)))
    }

    fn over(folder: Folder, steps: Vec<Step>) -> Self {
        Commit { ground: Ground::new(folder.clone()), folder, steps, done: 0 }
    }

    /// Takes the first `limit` steps; `progress` hears how many files are done.
    pub(super) fn run(&mut self, limit: usize, progress: &(dyn Fn(u64) + Sync)) -> Result<(), OutputError> {
        let steps = std::mem::take(&mut self.steps);
        let result = steps.iter().take(limit).try_for_each(|step| {
            let before = self.done;
            self.take(step)?;
            if self.done != before {
                progress(self.done);
            }
            Ok(())
        });
        self.steps = steps;
        result
    }

    /// The end: without its journal the commit is done.
    pub(super) fn close(self) -> Result<(), OutputError> {
        let root = self.folder.staging();
        fs::remove_file(root.join(JOURNAL))
            .map_err(|source| OutputError::Interrupted { path: root.join(JOURNAL), source })?;
        // What is left is empty folders; if they cannot go now, the next build deletes them or says why not.
        let _ = staging::delete(root);
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), OutputError> {
        let (path, result) = match step {
            Step::Exchange { tree, files } => return self.exchange(*tree, *files),
            Step::Drain(replaced) => return exchange::drain(&self.folder, &mut self.ground, replaced),
            Step::Place { staged, path, files } => (path.as_str(), self.place(staged, path, *files)),
            Step::Remove(path) => (path.as_str(), self.remove(path)),
            Step::Prune(path) => (path.as_str(), self.prune(path)),
            Step::List => (LIST, self.install_list()),
        };
        result.map_err(|source| OutputError::Interrupted { path: self.folder.shown(path), source })
    }

    fn exchange(&mut self, tree: u64, files: u64) -> Result<(), OutputError> {
        if exchange::swap(&self.folder, tree)? {
            self.done += files;
            self.ground.forget("");
        }
        Ok(())
    }

    /// Moves a staged file or folder; not there means that it was moved before. A folder that meets a folder goes child by
    /// child. A rename replaces a link and never follows it, and `make` refuses links above.
    fn place(&mut self, staged: &str, path: &str, files: u64) -> io::Result<()> {
        let from = self.folder.staging().join(staged);
        let to = self.folder.path(path);
        if !path.is_empty() {
            self.ground.make(parent(path))?;
        }
        match fs::rename(&from, &to) {
            Ok(()) => self.done += files,
            Err(_) if stands(&from)?.is_none() => return Ok(()),
            Err(_) if stands(&from)? == Some(Kind::Folder) && stands(&to)? == Some(Kind::Folder) => {
                return self.place_children(staged, path);
            }
            Err(cause) => return Err(cause),
        }
        self.ground.forget(path);
        Ok(())
    }

    fn place_children(&mut self, staged: &str, path: &str) -> io::Result<()> {
        for entry in fs::read_dir(self.folder.staging().join(staged))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| io::ErrorKind::InvalidFilename)?;
            let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let files = u64::from(!entry.file_type()?.is_dir());
            self.place(&format!("{staged}/{name}"), &below, files)?;
        }
        Ok(())
    }

    /// Removes a file that really lies in `out/`: behind a link, or where a folder stands by now, it is not ours.
    fn remove(&mut self, path: &str) -> io::Result<()> {
        if !self.is_folder(parent(path))? {
            return Ok(());
        }
        let at = self.folder.path(path);
        if stands(&at)? == Some(Kind::File) {
            fs::remove_file(at)?;
            self.done += 1;
            self.ground.forget(path);
        }
        Ok(())
    }

    fn prune(&mut self, path: &str) -> io::Result<()> {
        if !self.is_folder(path)? {
            return Ok(());
        }
        self.ground.forget(path);
        match fs::remove_dir(self.folder.path(path)) {
            Err(cause) if cause.kind() != io::ErrorKind::DirectoryNotEmpty && !staging::is_gone(&cause) => Err(cause),
            _ => Ok(()),
        }
    }

    fn is_folder(&mut self, path: &str) -> io::Result<bool> {
        Ok(matches!(self.ground.at(path)?, Standing::Folder | Standing::ReadOnly))
    }

    fn install_list(&mut self) -> io::Result<()> {
        let from = self.folder.staging().join(NEW_LIST);
        if stands(&from)?.is_none() {
            return Ok(());
        }
        self.ground.make("")?;
        fs::rename(from, self.folder.path(LIST))
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// Also a link.
    File,
    Folder,
}

fn stands(path: &Path) -> io::Result<Option<Kind>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(Some(Kind::Folder)),
        Ok(_) => Ok(Some(Kind::File)),
        Err(cause) if staging::is_gone(&cause) => Ok(None),
        Err(cause) => Err(cause),
    }
}
