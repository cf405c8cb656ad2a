//! What can go wrong with the output, each with what was in the way and the way out.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::report::{Diagnostic, codes};

/// The output could not be made. Unless it is [`OutputError::Interrupted`], `out/` is as it was.
#[derive(Debug, Error)]
pub enum OutputError {
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
    /// The disk or the quota is full.
    #[error("the disk is full: cannot {doing} {}", path.display())]
    Full {
        /// `write`, `create`, …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder or file system that may not be written to.
    #[error("cannot write to {}: {source}", path.display())]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `out` is there and is not a folder, or has no name (`/`).
    #[error("{} cannot be an output folder: it is not a folder with a name", path.display())]
    NotAFolder {
        /// The output folder as named.
        path: PathBuf,
    },
    /// `out` is a mount point: staging beside it would lie on another file system, and no rename crosses.
    #[error("{} is on another file system than its staging folder {}", path.display(), staging.display())]
    OtherFileSystem {
        /// The output folder.
        path: PathBuf,
        /// Where its staging would be.
        staging: PathBuf,
    },
    /// `commit = "exchange"` where the system or the file system cannot do it.
    #[error("`commit = \"exchange\"` cannot be done: cannot {doing} {}: {source}", path.display())]
    NoExchange {
        /// What was tried.
        doing: &'static str,
        /// The output folder, or the file in it that cannot be linked.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `out` has files but no list.
    #[error("{} holds files of somebody else, `{example}` for one", path.display())]
    NotOurs {
        /// The output folder.
        path: PathBuf,
        /// A name in it.
        example: String,
    },
    /// Adopting would remove a site directory.
    #[error("{} holds a site directory ({}): it cannot be adopted", path.display(), config.display())]
    SiteInside {
        /// The output folder.
        path: PathBuf,
        /// The configuration found in it.
        config: PathBuf,
    },
    /// Something the tool did not make stands in the way.
    #[error("a file of yours stands where the build wants to write: {}", path.display())]
    UserFile {
        /// What stands there: a file, a link, a folder with files.
        path: PathBuf,
        /// The output path that needs the place.
        wanted: String,
    },
    /// A path that is not plainly below `out/`.
    #[error("unsafe output path `{}`: {why}", path.escape_debug())]
    Unsafe {
        /// The path as given.
        path: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// Two puts that cannot both be: the same path, or a file where another needs a folder.
    #[error("two files claim `{path}` and `{with}`, which cannot both be")]
    Clash {
        /// One path.
        path: String,
        /// The other; equal to `path` if it was put twice.
        with: String,
    },
    /// A put failed, so what is staged is not the whole site.
    #[error("`{path}` could not be put, the output is not complete")]
    Incomplete {
        /// The first path that failed.
        path: String,
    },
    /// The list of the tool's files cannot be trusted.
    #[error("{}:{line}: {why}", path.display())]
    List {
        /// `out/.aem-static`.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nothing to clean: there is no list.
    #[error("{} has no list of the tool's files (.aem-static), so nothing in it can be removed", path.display())]
    NoList {
        /// The output folder.
        path: PathBuf,
    },
    /// A commit has begun and could not go on; its journal stays.
    #[error("the commit was interrupted at {}: {source}", path.display())]
    Interrupted {
        /// The file it stopped at.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The journal of an interrupted commit cannot be followed.
    #[error("cannot follow the journal {}: {why}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl OutputError {
    /// Sorts a failed operation under the variant that tells people most.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OutputError::Full { doing, path, source },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied if doing != "read" => {
                OutputError::ReadOnly { path, source }
            }
            _ => OutputError::Io { doing, path, source },
        }
    }

    /// This error as something to show, with its code and what to do next.
    pub fn diagnostic(&self) -> Diagnostic {
        let (code, help) = match self {
            OutputError::Io { .. } => (codes::OUTPUT_IO, "nothing in the output folder was changed"),
            OutputError::Full { .. } => {
                (codes::OUTPUT_IO, "nothing in the output folder was changed; free some space and build again")
            }
            OutputError::ReadOnly { .. } => (
                codes::OUTPUT_IO,
                "nothing in the output folder was changed; give write permission, or choose another folder",
            ),
            OutputError::NotAFolder { .. } => (codes::OUTPUT_IO, "choose another folder"),
            OutputError::OtherFileSystem { .. } => (
                codes::OUTPUT_IO,
                "a commit moves files and cannot cross file systems: build into a folder below the mount point",
            ),
            OutputError::NoExchange { .. } => (
                codes::OUTPUT_IO,
                "nothing in the output folder was changed; set `[build] commit = \"journal\"`, or build where folders can be \
                 exchanged and files linked: Linux, with ext4, XFS, Btrfs or tmpfs",
            ),
            OutputError::NotOurs { .. } => (
                codes::NOT_OURS,
                "choose another folder, or build with `--adopt`: then everything the build does not make is removed",
            ),
            OutputError::SiteInside { .. } => (codes::NOT_OURS, "choose another output folder"),
            OutputError::UserFile { .. } => (
                codes::USER_FILE,
                "move it, change the route, or build with `--adopt`: then everything the build does not make is removed",
            ),
            OutputError::Unsafe { .. } => (codes::UNSAFE_PATH, "change the route or the name of the file"),
            OutputError::Clash { .. } => (codes::SAME_PATH, "nothing in the output folder was changed"),
            OutputError::Incomplete { .. } => (codes::OUTPUT_IO, "nothing in the output folder was changed"),
            OutputError::List { .. } => (
                codes::BROKEN_LIST,
                "restore the file; or delete it and build with `--adopt`: then everything the build does not make is removed",
            ),
            OutputError::NoList { .. } => (codes::NOT_OURS, "remove the files by hand if they are yours"),
            OutputError::Interrupted { .. } => (
                codes::COMMIT_INTERRUPTED,
                "every file is wholly old or wholly new; mend the cause, the next command finishes the commit",
            ),
            OutputError::Journal { .. } => (
                codes::COMMIT_INTERRUPTED,
                "finish with the version that began the commit; or delete the staging folder and build again",
            ),
        };
        let diagnostic = Diagnostic::error(code, self.to_string()).help(help);
        match self {
            OutputError::UserFile { wanted, .. } => diagnostic.note("page", wanted.clone()),
            _ => diagnostic,
        }
    }
}
