//! AEM's answers, each kept once under the digest of its bytes: `answers/v1/ab/<digest>`.
//!
//! A file an answer, not one an item: creating files is the dearest thing the program does, and an item is read back as a range
//! of its answer.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{StateError, ignore_missing, make_private, replace};

/// How many answers stay open for reading.
const OPEN_FILES: usize = 32;
const FOLDER: &str = "answers";
const VERSION: &str = "v1";
const DRAFT: &str = "draft-";

/// The name of a kept answer: BLAKE3 of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnswerId([u8; 32]);

impl AnswerId {
    /// The id that this body has, kept or not.
    pub fn of(body: &[u8]) -> Self {
        AnswerId(*blake3::hash(body).as_bytes())
    }

    /// The digest itself.
    pub fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for AnswerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl FromStr for AnswerId {
    type Err = blake3::HexError;

    fn from_str(hex: &str) -> Result<Self, Self::Err> {
        Ok(AnswerId(*blake3::Hash::from_hex(hex)?.as_bytes()))
    }
}

/// The kept answers; used from many threads.
#[derive(Debug)]
pub struct Answers {
    root: PathBuf,
    drafts: AtomicU64,
    open: Mutex<VecDeque<(AnswerId, Arc<File>)>>,
}

impl Answers {
    pub(super) fn new(state: &Path) -> Self {
        Answers { root: state.join(FOLDER).join(VERSION), drafts: AtomicU64::new(0), open: Mutex::default() }
    }

    /// Keeps a response body. One that is kept already is not written again.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn keep(&self, body: &[u8]) -> Result<AnswerId, StateError> {
        let id = AnswerId::of(body);
        let path = self.path(&id);
        // The length tells an answer that a power cut left short.
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == body.len() as u64) {
            return Ok(id);
        }
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = self.root.join(format!("{DRAFT}{}-{number}", std::process::id()));
        replace(&path, &draft, |to| to.write_all(body))
            .or_else(|cause| match cause.kind() {
                io::ErrorKind::NotFound => {
                    make_private(path.parent().unwrap_or(&self.root))?;
                    replace(&path, &draft, |to| to.write_all(body))
                }
                _ => Err(cause),
            })
            .map_err(|cause| StateError::io("write", path, cause))?;
        Ok(id)
    }

    /// Reads `len` bytes of an answer from `offset` (both in bytes); `into` then holds exactly these.
    ///
    /// # Errors
    ///
    /// [`StateError::Answer`] if the answer is gone or too short, else [`StateError::Io`].
    pub fn read_at(&self, id: &AnswerId, offset: u64, len: usize, into: &mut Vec<u8>) -> Result<(), StateError> {
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => StateError::Answer { path: self.path(id) },
            _ => StateError::io("read", self.path(id), cause),
        };
        let file = self.file(id).map_err(failed)?;
        into.resize(len, 0);
        read_exact_at(&file, into, offset).map_err(failed)
    }

    /// Reads an answer as a whole.
    ///
    /// # Errors
    ///
    /// As [`Answers::read_at`].
    pub fn read(&self, id: &AnswerId) -> Result<Vec<u8>, StateError> {
        let path = self.path(id);
        match std::fs::read(&path) {
            Ok(body) if AnswerId::of(&body) == *id => Ok(body),
            Ok(_) => Err(StateError::Answer { path }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(StateError::Answer { path }),
            Err(cause) => Err(StateError::io("read", path, cause)),
        }
    }

    /// Forgets all answers but these, and the drafts of killed builds; tells how many answers went. Not while another
    /// thread keeps any.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn retain(&self, used: &BTreeSet<AnswerId>) -> Result<usize, StateError> {
        self.open().retain(|(id, _)| used.contains(id));
        let mut forgotten = 0;
        for entry in walkdir::WalkDir::new(&self.root).min_depth(1).max_depth(2) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(cause) if cause.io_error().is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound) => {
                    continue;
                }
                Err(cause) => return Err(StateError::io("read", &self.root, cause.into())),
            };
            let name = entry.file_name().to_string_lossy();
            let id = name.parse::<AnswerId>().ok();
            let is_unused = id.is_some_and(|id| !used.contains(&id));
            if entry.file_type().is_file() && (is_unused || name.starts_with(DRAFT)) {
                ignore_missing(fs::remove_file(entry.path()))
                    .map_err(|cause| StateError::io("remove", entry.path(), cause))?;
                forgotten += usize::from(is_unused);
            }
        }
        Ok(forgotten)
    }

    /// Whether an answer is kept, by the look of it.
    pub fn has(&self, id: &AnswerId) -> bool {
        self.path(id).is_file()
    }

    /// The file of an answer.
    pub fn path(&self, id: &AnswerId) -> PathBuf {
        let hex = id.to_string();
        self.root.join(&hex[..2]).join(hex)
    }

    /// The open file of an answer; the ones read last stay open.
    fn file(&self, id: &AnswerId) -> io::Result<Arc<File>> {
        let mut open = self.open();
        if let Some(at) = open.iter().position(|(known, _)| known == id)
            && let Some(entry) = open.remove(at)
        {
            let file = Arc::clone(&entry.1);
            open.push_front(entry);
            return Ok(file);
        }
        drop(open);
        let file = Arc::new(File::open(self.path(id))?);
        let mut open = self.open();
        open.truncate(OPEN_FILES - 1);
        open.push_front((*id, Arc::clone(&file)));
        Ok(file)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, VecDeque<(AnswerId, Arc<File>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes every answer, of any version.
pub(super) fn delete(state: &Path) -> Result<(), StateError> {
    let path = state.join(FOLDER);
    ignore_missing(fs::remove_dir_all(&path)).map_err(|cause| StateError::io("remove", path, cause))
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut into: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !into.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, into, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        into = &mut into[read..];
        offset += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn kept_once_and_read_in_ranges() {
        let state = tempfile::tempdir().unwrap();
        let answers = Answers::new(state.path());
        let id = answers.keep(b"{\"data\":{}}").unwrap();
        let written = fs::metadata(answers.path(&id)).unwrap().modified().unwrap();
        assert_eq!(answers.keep(b"{\"data\":{}}").unwrap(), id);
        assert_eq!(fs::metadata(answers.path(&id)).unwrap().modified().unwrap(), written);
        let mut range = vec![9; 40];
        answers.read_at(&id, 2, 4, &mut range).unwrap();
        assert_eq!(range, b"data");
        answers.read_at(&id, 0, 11, &mut range).unwrap();
        assert_eq!(range, b"{\"data\":{}}");
        assert_eq!(id.to_string().parse::<AnswerId>().unwrap(), id);
    }

    #[test]
    fn short_or_missing_answer_is_told() {
        let state = tempfile::tempdir().unwrap();
        let answers = Answers::new(state.path());
        let id = answers.keep(b"whole").unwrap();
        let mut range = Vec::new();
        assert!(matches!(answers.read_at(&id, 3, 9, &mut range), Err(StateError::Answer { .. })));
        let unknown = AnswerId::of(b"never kept");
        assert!(matches!(answers.read_at(&unknown, 0, 1, &mut range), Err(StateError::Answer { .. })));
        fs::write(answers.path(&id), b"wh").unwrap();
        assert_eq!(answers.keep(b"whole").unwrap(), id);
        Answers::new(state.path()).read_at(&id, 0, 5, &mut range).unwrap();
        assert_eq!(range, b"whole");
    }

    #[test]
    fn retain_forgets_the_others_and_drafts() {
        let state = tempfile::tempdir().unwrap();
        let answers = Answers::new(state.path());
        assert_eq!(answers.retain(&BTreeSet::new()).unwrap(), 0);
        let kept = answers.keep(b"one").unwrap();
        let gone = answers.keep(b"two").unwrap();
        let draft = answers.root.join("draft-1-1");
        fs::write(&draft, b"half").unwrap();
        assert_eq!(answers.retain(&BTreeSet::from([kept])).unwrap(), 1);
        let mut range = Vec::new();
        answers.read_at(&kept, 0, 3, &mut range).unwrap();
        assert!(answers.read_at(&gone, 0, 3, &mut range).is_err());
        assert!(!draft.exists());
    }

    #[test]
    fn many_threads_and_more_answers_than_open_files() {
        let state = tempfile::tempdir().unwrap();
        let answers = Answers::new(state.path());
        let bodies: Vec<String> = (0..100).map(|number| format!("answer {number:04}")).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut range = Vec::new();
                    for body in &bodies {
                        let id = answers.keep(body.as_bytes()).unwrap();
                        answers.read_at(&id, 7, 4, &mut range).unwrap();
                        assert_eq!(range, body.as_bytes()[7..]);
                    }
                });
            }
        });
        assert!(answers.open().len() <= OPEN_FILES);
    }
}
