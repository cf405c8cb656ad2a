//! What earlier builds left, in `.aem-static/` of the site directory: AEM's answers, the manifest, what the
//! last build changed, the lock.
//!
//! A cache: deleting it when no command runs loses only time, so nothing here is ever fatal to read: a manifest that is broken or of
//! another version is ignored with a note. Answers are kept as AEM sent them, therefore mode 0700. It never looks at
//! `out/`, and never decides what a build does.

mod answers;
mod changes;
mod index;
mod lock;
mod manifest;
mod pages;

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::report::{Diagnostic, codes};

pub use answers::{AnswerId, Answers};
pub use changes::{ChangedFile, Changes, ChangesDraft, ChangesWriter, NoChanges, Replaced};
pub use index::{Index, IndexWriter};
pub use lock::{LockError, Owner, SiteLock, lock};
pub use manifest::{AnswerRecord, AssetRecord, CallRecord, FileTimes, Manifest, Start};
pub use pages::{Key, NONE, PageRecord, PageRecords, Read, Reason, Recording, Setup};

/// The state folder's name in the site directory.
const FOLDER: &str = ".aem-static";

/// The state could not be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A kept answer is gone or shorter than it was.
    #[error("the kept answer {} is not whole", path.display())]
    Answer {
        /// Its file.
        path: PathBuf,
    },
}

impl StateError {
    fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        StateError::Io { doing, path: path.into(), source }
    }

    /// This error as something to show, with its code and what to do next.
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::error(codes::STATE_IO, self.to_string()).help(
            "state is a cache: mend the cause, or delete .aem-static/ when no command runs and build again; the output is untouched",
        )
    }
}

/// The state of one site, as the last build left it.
#[derive(Debug)]
pub struct State {
    root: PathBuf,
    answers: Answers,
    index: Index,
    manifest: Manifest,
    note: Option<String>,
}

impl State {
    /// Opens the state of the site directory. Writes nothing: the folder is made when something is kept.
    ///
    /// # Errors
    ///
    /// None that content could cause: only if the manifest is there and cannot be read at all.
    pub fn open(site_dir: &Path) -> Result<State, StateError> {
        let root = site_dir.join(FOLDER);
        let (manifest, note) = Manifest::load(&root)?;
        Ok(State { answers: Answers::new(&root), index: Index::open(&root), root, manifest, note })
    }

    /// AEM's answers.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// What routes made of the last build's answers.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// For what they make of this build's.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn index_writer(&self) -> Result<IndexWriter, StateError> {
        IndexWriter::create(&self.root)
    }

    /// For what this build is going to change: from the commit `before`, if there is one, to `commit`. With `is_first` every file is
    /// new, and none is added.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn changes_writer(
        &self,
        before: Option<&str>,
        commit: &str,
        is_first: bool,
    ) -> Result<ChangesWriter, StateError> {
        ChangesWriter::create(&self.root, before, commit, is_first)
    }

    /// Forgets what was changed: nothing known is better than something wrong.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn forget_changes(&self) -> Result<(), StateError> {
        changes::delete(&self.root)
    }

    /// What the last build wrote down; empty if there was none or it could not be used ([`State::note`]).
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Why the manifest that was found is not used, for people.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Writes the manifest of this build in place of the last one's, whole or not at all; nothing is written if they are equal.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn save(&self, manifest: &Manifest) -> Result<(), StateError> {
        if self.note.is_none() && *manifest == self.manifest {
            return Ok(());
        }
        manifest.save(&self.root)
    }

    /// Removes what previews of the site left: state and output are in a folder of their own, where nothing is anybody else's.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn clean_preview(site_dir: &Path) -> Result<(), StateError> {
        let folder = site_dir.join(FOLDER).join("preview");
        ignore_missing(fs::remove_dir_all(&folder)).map_err(|cause| StateError::io("remove", folder, cause))
    }

    /// Removes answers, manifests and what the last build changed. The lock file stays: the caller holds it.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn clean(site_dir: &Path) -> Result<(), StateError> {
        let root = site_dir.join(FOLDER);
        answers::delete(&root)?;
        changes::delete(&root)?;
        index::delete(&root)?;
        manifest::delete(&root)
    }
}

/// Where `listen` keeps its events and what is not deployed. Unlike the rest of the state it is no cache, and `clean` leaves it.
#[cfg(feature = "listen")]
pub(crate) fn listen_folder(site_dir: &Path) -> PathBuf {
    site_dir.join(FOLDER).join("listen")
}

/// Makes a folder that only its owner may read, and the folders above it.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // It may have been there: brought back by a CI cache, copied by hand. Somebody else's is left as it is.
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode & !0o077));
        }
    }
    Ok(())
}

/// Writes a file whole or not at all, by way of `draft` in the same folder. Not synced: after a power cut a cache may be short.
fn replace(path: &Path, draft: &Path, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = io::BufWriter::with_capacity(64 << 10, fs::File::create(draft)?);
    write(&mut file)
        .and_then(|()| file.into_inner().map_err(io::IntoInnerError::into_error))
        .and_then(|_| fs::rename(draft, path))
        .inspect_err(|_| {
            // The first error is the one to tell.
            let _ = fs::remove_file(draft);
        })
}

/// Takes "not there" as done.
/// Removes files of the state, those that are there.
fn remove(state: &Path, names: &[&str]) -> Result<(), StateError> {
    names.iter().try_for_each(|name| {
        let path = state.join(name);
        ignore_missing(fs::remove_file(&path)).map_err(|cause| StateError::io("remove", path, cause))
    })
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
