//! What the last build that changed anything did to the files of `out/`, in `changes-v1`, for `diff`.
//!
//! ```text
//! aem-static changes 1 <version of the tool>
//! <length> <head>                       when, from which commit to which
//! <length> <row> [<replaced bytes>]     a file each, sorted by path
//! 0 <digest over head and rows>
//! ```
//!
//! Replaced bytes are there only before a commit, and the commit may be cut off. So the record is written as a draft first, names the
//! commit that it tells of, and is put into place afterwards; whoever reads takes the one of the two that tells of the commit in
//! `out/`, and none if there is none. Only the last record is kept: what was replaced by one build is forgotten by the next that
//! changes anything.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::answers::read_exact_at;
use super::{FOLDER, StateError, make_private, remove};
use crate::report::FileChange;

const FILE: &str = "changes-v1";
const DRAFT: &str = "changes-v1.new";
/// The version of the tool is in it, since postcard does not tell fields apart.
const MAGIC: &str = concat!("aem-static changes 1 ", env!("CARGO_PKG_VERSION"), "\n");
/// Bytes of a head or row at most.
const BLOCK: u32 = 1 << 20;

/// The changes of one build.
#[derive(Debug)]
pub struct Changes {
    file: File,
    head: Head,
    rows: Vec<ChangedFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    at: String,
    /// Every file of the commit was created, and no row is written.
    is_first: bool,
    commit: String,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Output path.
    pub path: String,
    /// Created, updated or removed.
    pub change: FileChange,
    /// Why, in a few words.
    pub reason: String,
    replaced: Placed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Placed {
    None,
    At { offset: u64, len: usize, digest: [u8; 32] },
    Missing(String),
}

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    path: &'a str,
    change: u8,
    reason: &'a str,
    replaced: Kept<'a>,
}

#[derive(Serialize, Deserialize)]
enum Kept<'a> {
    None,
    Here(u64, [u8; 32]),
    #[serde(borrow)]
    Missing(&'a str),
}

/// The bytes that a file had before it was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced<B> {
    /// There were none, or nobody reads them: it was created or removed, or is an asset.
    None,
    /// These.
    Bytes(B),
    /// They were not kept, for this reason.
    Missing(String),
}

/// Nothing is known of the last changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoChanges {
    /// There is no record of the commit in `out/`.
    #[error("there is no record of it")]
    Absent,
    /// There is one that cannot be read.
    #[error("its record is broken")]
    Broken,
}

const CHANGES: [FileChange; 4] = [FileChange::Created, FileChange::Updated, FileChange::Unchanged, FileChange::Removed];

impl Changes {
    /// The record of the commit with this id.
    ///
    /// # Errors
    ///
    /// [`NoChanges`].
    pub fn open(site_dir: &Path, commit: &str) -> Result<Changes, NoChanges> {
        let root = site_dir.join(FOLDER);
        let mut found = NoChanges::Absent;
        for name in [FILE, DRAFT] {
            match read(&root.join(name)) {
                Ok(Some(changes)) if changes.head.commit == commit => return Ok(changes),
                // A draft that is not whole was never finished.
                Ok(None) if name == FILE => found = NoChanges::Broken,
                Err(cause) if name == FILE && cause.kind() != io::ErrorKind::NotFound => found = NoChanges::Broken,
                Ok(_) | Err(_) => {}
            }
        }
        Err(found)
    }

    /// When the build was: RFC 3339, UTC, whole seconds.
    pub fn at(&self) -> &str {
        &self.head.at
    }

    /// Whether every file of the commit was created by it. Then there are no rows: the list in `out/` has them.
    pub fn is_first(&self) -> bool {
        self.head.is_first
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &[ChangedFile] {
        &self.rows
    }

    /// What a file was before.
    pub fn replaced(&self, file: &ChangedFile) -> Replaced<Vec<u8>> {
        match &file.replaced {
            Placed::None => Replaced::None,
            Placed::Missing(why) => Replaced::Missing(why.clone()),
            Placed::At { offset, len, digest } => {
                let mut bytes = vec![0; *len];
                match read_exact_at(&self.file, &mut bytes, *offset) {
                    Ok(()) if blake3::hash(&bytes).as_bytes() == digest => Replaced::Bytes(bytes),
                    _ => Replaced::Missing("its old text was damaged".to_owned()),
                }
            }
        }
    }
}

/// Reads head and rows, and passes over the bytes between them; `None` if it is not whole.
fn read(path: &Path) -> io::Result<Option<Changes>> {
    let mut reader = BufReader::with_capacity(64 << 10, File::open(path)?);
    let size = reader.get_ref().metadata()?.len();
    Ok(match parse(&mut reader, size) {
        Ok(Some((head, rows))) => Some(Changes { file: reader.into_inner(), head, rows }),
        Ok(None) => None,
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => None,
        Err(cause) => return Err(cause),
    })
}

fn parse(reader: &mut BufReader<File>, size: u64) -> io::Result<Option<(Head, Vec<ChangedFile>)>> {
    let mut block = vec![0; MAGIC.len()];
    reader.read_exact(&mut block)?;
    if block != MAGIC.as_bytes() {
        return Ok(None);
    }
    let mut at = MAGIC.len() as u64;
    let (mut head, mut rows) = (None, Vec::new());
    let mut hasher = blake3::Hasher::new();
    loop {
        let mut len = [0; 4];
        reader.read_exact(&mut len)?;
        let len = u32::from_le_bytes(len);
        if len == 0 {
            let mut digest = [0; 32];
            reader.read_exact(&mut digest)?;
            let is_whole = hasher.finalize() == digest && at + 36 == size;
            return Ok(head.filter(|_| is_whole).map(|head| (head, rows)));
        }
        if len > BLOCK {
            return Ok(None);
        }
        block.resize(len as usize, 0);
        reader.read_exact(&mut block)?;
        hasher.update(&block);
        at += 4 + u64::from(len);
        if head.is_none() {
            let Ok(read) = postcard::from_bytes::<Head>(&block) else { return Ok(None) };
            head = Some(read);
            continue;
        }
        let Some((row, bytes)) = row(&block, at, size) else { return Ok(None) };
        rows.push(row);
        reader.seek_relative(i64::try_from(bytes).map_err(io::Error::other)?)?;
        at += bytes;
    }
}

/// A row, and how many bytes follow it.
fn row(block: &[u8], at: u64, size: u64) -> Option<(ChangedFile, u64)> {
    let row = postcard::from_bytes::<Row<'_>>(block).ok()?;
    let (replaced, bytes) = match row.replaced {
        Kept::None => (Placed::None, 0),
        Kept::Missing(why) => (Placed::Missing(why.to_owned()), 0),
        Kept::Here(len, digest) => {
            at.checked_add(len).filter(|end| *end <= size)?;
            (Placed::At { offset: at, len: usize::try_from(len).ok()?, digest }, len)
        }
    };
    let change = *CHANGES.get(usize::from(row.change))?;
    Some((ChangedFile { path: row.path.to_owned(), change, reason: row.reason.to_owned(), replaced }, bytes))
}

/// Writes a record as a draft, while the replaced bytes are still there.
#[derive(Debug)]
pub struct ChangesWriter {
    root: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
}

/// A whole record that is not in place yet. Dropped it stays a draft, which is found if its commit is in `out/` all the same.
#[derive(Debug)]
pub struct ChangesDraft {
    root: PathBuf,
}

impl ChangesWriter {
    /// Begins the record of `commit`, which is about to take the place of `before`.
    pub(super) fn create(root: &Path, before: Option<&str>, commit: &str, is_first: bool) -> Result<Self, StateError> {
        let draft = root.join(DRAFT);
        let tells = |name| read(&root.join(name)).ok().flatten().map(|changes| changes.head.commit);
        // The last build was killed before it could put its record into place.
        if before.is_some() && tells(DRAFT).as_deref() == before && tells(FILE).as_deref() != before {
            let _ = fs::rename(&draft, root.join(FILE));
        }
        let now = jiff::Timestamp::now();
        let at = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
        let failed = |cause| StateError::io("write", &draft, cause);
        let file = make_private(root).and_then(|()| File::create(&draft)).map_err(failed)?;
        let file = BufWriter::with_capacity(256 << 10, file);
        let mut writer = ChangesWriter { root: root.to_owned(), file, hasher: blake3::Hasher::new() };
        let head = Head { at, is_first, commit: commit.to_owned() };
        writer.file.write_all(MAGIC.as_bytes()).and_then(|()| writer.block(&head)).map_err(failed)?;
        Ok(writer)
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn add(
        &mut self,
        path: &str,
        change: FileChange,
        reason: &str,
        replaced: &Replaced<Vec<u8>>,
    ) -> Result<(), StateError> {
        let number = CHANGES.iter().position(|known| *known == change).unwrap_or_default();
        let (kept, bytes): (_, &[u8]) = match replaced {
            Replaced::None => (Kept::None, &[]),
            Replaced::Missing(why) => (Kept::Missing(why), &[]),
            Replaced::Bytes(bytes) => (Kept::Here(bytes.len() as u64, *blake3::hash(bytes).as_bytes()), bytes),
        };
        let row = Row { path, change: u8::try_from(number).unwrap_or_default(), reason, replaced: kept };
        let written = self.block(&row).and_then(|()| self.file.write_all(bytes));
        written.map_err(|cause| StateError::io("write", self.root.join(DRAFT), cause))
    }

    /// Ends the record.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn finish(mut self) -> Result<ChangesDraft, StateError> {
        let digest = self.hasher.finalize();
        let written = self.file.write_all(&[0; 4]).and_then(|()| self.file.write_all(digest.as_bytes()));
        let written = written.and_then(|()| self.file.flush());
        written.map_err(|cause| StateError::io("write", self.root.join(DRAFT), cause))?;
        Ok(ChangesDraft { root: self.root })
    }

    fn block(&mut self, value: &impl Serialize) -> io::Result<()> {
        let bytes = postcard::to_stdvec(value).map_err(io::Error::other)?;
        let len = u32::try_from(bytes.len()).ok().filter(|len| *len <= BLOCK).ok_or(io::ErrorKind::InvalidData)?;
        self.hasher.update(&bytes);
        self.file.write_all(&len.to_le_bytes())?;
        self.file.write_all(&bytes)
    }
}

impl ChangesDraft {
    /// Puts the record into the place of the last one, once its commit is in `out/`.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn put(self) -> Result<(), StateError> {
        let path = self.root.join(FILE);
        fs::rename(self.root.join(DRAFT), &path).map_err(|cause| StateError::io("write", path, cause))
    }
}

/// Removes the record.
pub(super) fn delete(state: &Path) -> Result<(), StateError> {
    remove(state, &[FILE, DRAFT])
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
