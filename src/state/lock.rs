//! One command at a time works on a site.
//!
//! The lock is the operating system's on the open file `.aem-static/lock`, so it ends with its process and cannot go stale; the
//! text in the file only says who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::report::{Diagnostic, codes};

use super::{FOLDER, make_private};

/// How often a waiting command looks again.
const PAUSE: Duration = Duration::from_millis(25);

/// How long the holder of a lock is given to say who it is: until then the file names nobody, or one that was killed.
const INTRODUCTION: Duration = Duration::from_millis(100);

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// The command, as `build`.
    pub command: String,
    /// When it took the lock: RFC 3339, UTC, whole seconds.
    pub since: String,
}

/// The lock could not be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another command holds it and did not let go in time.
    #[error("another command is at work on this site{}", described(owner.as_ref()))]
    Held {
        /// Who; `None` if it has not said so yet.
        owner: Option<Owner>,
    },
    /// The lock file could not be made or locked.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn described(owner: Option<&Owner>) -> String {
    owner.map_or_else(String::new, |owner| {
        format!(": `{}`, process {}, since {}", owner.command, owner.pid, owner.since)
    })
}

impl LockError {
    /// This error as something to show, with its code and what to do next.
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            LockError::Held { .. } => {
                Diagnostic::error(codes::LOCKED, self.to_string()).help("wait until it has finished, or stop it")
            }
            LockError::Io { .. } => Diagnostic::error(codes::STATE_IO, self.to_string())
                .help("the site directory has to be writable: .aem-static/ is made in it"),
        }
    }
}

/// The lock of a site; let go when dropped, or when the process ends.
#[derive(Debug)]
pub struct SiteLock {
    file: File,
}

impl Drop for SiteLock {
    fn drop(&mut self) {
        // Closing lets go; a name left in the file would do no harm, it is only tidier without.
        let _ = self.file.set_len(0);
    }
}

/// Takes the lock of the site directory for `command`, waiting at most `wait`. Blocks the calling thread.
///
/// # Errors
///
/// [`LockError::Held`] with its owner, or [`LockError::Io`].
pub fn lock(site_dir: &Path, command: &str, wait: Duration) -> Result<SiteLock, LockError> {
    let path = site_dir.join(FOLDER).join("lock");
    let begun = Instant::now();
    let wait = wait.max(INTRODUCTION);
    loop {
        match try_lock(&path) {
            Ok(Some(file)) => {
                // Nobody depends on the text, so a full disk must not keep a build from being tried.
                let _ = introduce(&file, command);
                return Ok(SiteLock { file });
            }
            Ok(None) if begun.elapsed() >= wait => {
                let text = fs::read(&path).unwrap_or_default();
                return Err(LockError::Held { owner: serde_json::from_slice(&text).ok() });
            }
            Ok(None) => std::thread::sleep(PAUSE.min(wait.saturating_sub(begun.elapsed()))),
            Err(source) => return Err(LockError::Io { path, source }),
        }
    }
}

/// The locked file; `None` if somebody else has it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    if let Some(folder) = path.parent() {
        make_private(folder)?;
    }
    let file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) if is_still_there(&file, path) => Ok(Some(file)),
        // Somebody deleted the folder in between: a lock on a file without a name keeps nobody out.
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(cause)) => Err(cause),
    }
}

#[cfg(unix)]
fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still_there(_file: &File, _path: &Path) -> bool {
    // An open file cannot be deleted there.
    true
}

fn introduce(mut file: &File, command: &str) -> io::Result<()> {
    let now = jiff::Timestamp::now();
    let owner = Owner {
        pid: std::process::id(),
        command: command.to_owned(),
        since: jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string(),
    };
    file.set_len(0)?;
    file.write_all(&serde_json::to_vec(&owner)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn second_lock_names_the_owner_and_first_lets_go_when_dropped() {
        let site = tempfile::tempdir().unwrap();
        let first = lock(site.path(), "build", Duration::ZERO).unwrap();
        let refused = lock(site.path(), "clean", Duration::from_millis(30)).unwrap_err();
        let LockError::Held { owner: Some(owner) } = &refused else { panic!("expected an owner: {refused:?}") };
        assert_eq!((owner.pid, owner.command.as_str()), (std::process::id(), "build"));
        assert!(refused.to_string().contains(&format!("`build`, process {}, since ", owner.pid)));
        assert!(owner.since.ends_with('Z'), "{}", owner.since);
        drop(first);
        lock(site.path(), "clean", Duration::ZERO).unwrap();
    }

    #[test]
    fn waiting_command_gets_the_lock() {
        let site = tempfile::tempdir().unwrap();
        let first = lock(site.path(), "build", Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| lock(site.path(), "routes", Duration::from_secs(20)));
            drop(first);
            assert!(second.join().unwrap().is_ok());
        });
    }

    #[cfg(unix)]
    #[test]
    fn deleted_lock_file_is_made_anew_and_state_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let site = tempfile::tempdir().unwrap();
        let first = lock(site.path(), "build", Duration::ZERO).unwrap();
        fs::remove_dir_all(site.path().join(FOLDER)).unwrap();
        let _second = lock(site.path(), "build", Duration::from_secs(1)).unwrap();
        drop(first);
        assert!(matches!(lock(site.path(), "build", Duration::ZERO), Err(LockError::Held { owner: Some(_) })));
        let mode = fs::metadata(site.path().join(FOLDER)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn site_directory_that_is_a_file_is_an_error() {
        let site = tempfile::NamedTempFile::new().unwrap();
        let refused = lock(site.path(), "build", Duration::ZERO).unwrap_err();
        assert!(matches!(refused, LockError::Io { .. }));
    }
}
