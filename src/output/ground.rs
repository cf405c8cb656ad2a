//! What stands at the folders of `out/`: looked up once each, never through a link.

use std::collections::BTreeMap;
use std::{fs, io};

use super::folder::Folder;
use super::path::parent;
use super::staging;

/// What stands at a folder's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing, also above it.
    Missing,
    /// A real folder, and real folders above it.
    Folder,
    /// A folder without any write permission.
    ReadOnly,
    /// A file or a link at this path, which is the folder itself or one above it.
    Blocked(String),
}

/// The folders of `out/` as far as they were asked for.
#[derive(Debug)]
pub(super) struct Ground {
    folder: Folder,
    known: BTreeMap<String, Standing>,
}

impl Ground {
    pub(super) fn new(folder: Folder) -> Self {
        Ground { folder, known: BTreeMap::new() }
    }

    /// What stands at the folder `path`; empty means `out/` itself.
    pub(super) fn at(&mut self, path: &str) -> io::Result<Standing> {
        if let Some(standing) = self.known.get(path) {
            return Ok(standing.clone());
        }
        let above = if path.is_empty() { Standing::Folder } else { self.at(parent(path))? };
        let standing = match above {
            Standing::Folder | Standing::ReadOnly => self.look(path)?,
            nothing => nothing,
        };
        self.known.insert(path.to_owned(), standing.clone());
        Ok(standing)
    }

    /// Makes the folder `path` and those above it, unless something else stands there.
    pub(super) fn make(&mut self, path: &str) -> io::Result<()> {
        match self.at(path)? {
            Standing::Folder | Standing::ReadOnly => Ok(()),
            Standing::Blocked(_) => {
                Err(io::Error::new(io::ErrorKind::NotADirectory, "a file or a link stands where a folder is needed"))
            }
            Standing::Missing => {
                if !path.is_empty() {
                    self.make(parent(path))?;
                }
                staging::make_folder(&self.folder.path(path))?;
                self.known.insert(path.to_owned(), Standing::Folder);
                Ok(())
            }
        }
    }

    /// Something was moved to `path` or removed there: look again next time.
    pub(super) fn forget(&mut self, path: &str) {
        if path.is_empty() {
            self.known.clear();
            return;
        }
        self.known.remove(path);
        let (first, last) = (format!("{path}/"), format!("{path}0"));
        let below: Vec<String> = self.known.range(first..last).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.known.remove(&path);
        }
    }

    fn look(&self, path: &str) -> io::Result<Standing> {
        match fs::symlink_metadata(self.folder.path(path)) {
            Ok(metadata) if !metadata.is_dir() => Ok(Standing::Blocked(path.to_owned())),
            Ok(metadata) if metadata.permissions().readonly() => Ok(Standing::ReadOnly),
            Ok(_) => Ok(Standing::Folder),
            Err(cause) if staging::is_gone(&cause) => Ok(Standing::Missing),
            Err(cause) => Err(cause),
        }
    }
}
