//! What routes made of answers, so that an answer that is known need not be taken apart again: `index-v1`, blocks of bytes by key.
//!
//! Only the directory is in memory; a block is read when it is asked for. A build writes the blocks that it used into a new file
//! beside the old one, as they come, and puts it in its place when it has committed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::answers::read_exact_at;
use super::pages::Key;
use super::{StateError, make_private, remove};

const FILE: &str = "index-v1";
const DRAFT: &str = "index-v1.new";
/// The version of the tool is in it: another one may make something else of an answer.
const MAGIC: &str = concat!("aem-static index 1 ", env!("CARGO_PKG_VERSION"), "\n");
/// Key, offset, length.
const ROW: usize = 16 + 8 + 4;
/// Offset of the directory, number of its rows, and a digest over both and the directory.
const TAIL: usize = 8 + 8 + 16;

/// The blocks of the last build.
#[derive(Debug, Default)]
pub struct Index {
    file: Option<File>,
    directory: HashMap<Key, (u64, u32)>,
}

impl Index {
    /// Opens the index; an empty one if there is none that can be used.
    pub(super) fn open(state: &Path) -> Self {
        Self::try_open(state).ok().flatten().unwrap_or_default()
    }

    fn try_open(state: &Path) -> io::Result<Option<Self>> {
        let file = File::open(state.join(FILE))?;
        let len = file.metadata()?.len();
        let mut magic = Vec::new();
        let mut tail = vec![0; TAIL];
        let Some(tail_at) = len.checked_sub(TAIL as u64).filter(|at| *at >= MAGIC.len() as u64) else {
            return Ok(None);
        };
        magic.resize(MAGIC.len(), 0);
        read_exact_at(&file, &mut magic, 0)?;
        read_exact_at(&file, &mut tail, tail_at)?;
        let number = |at: usize| tail[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        let (start, rows) = (number(0), number(8));
        let size = rows.checked_mul(ROW as u64);
        if magic != MAGIC.as_bytes() || size.and_then(|size| start.checked_add(size)) != Some(tail_at) {
            return Ok(None);
        }
        let mut directory = vec![0; usize::try_from(tail_at - start).map_err(io::Error::other)?];
        read_exact_at(&file, &mut directory, start)?;
        if digest(&directory, start, rows) != tail[16..] {
            return Ok(None);
        }
        let row = |row: &[u8]| {
            let key: Key = row.get(..16)?.try_into().ok()?;
            let offset = u64::from_le_bytes(row.get(16..24)?.try_into().ok()?);
            Some((key, (offset, u32::from_le_bytes(row.get(24..28)?.try_into().ok()?))))
        };
        let directory = directory.chunks(ROW).filter_map(row).collect();
        Ok(Some(Index { file: Some(file), directory }))
    }

    /// A block, checked against the digest that it carries; `None` if it is not there or not whole.
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let (offset, len) = self.directory.get(key)?;
        let mut block = vec![0; *len as usize];
        read_exact_at(self.file.as_ref()?, &mut block, *offset).ok()?;
        let (body, sum) = block.split_at_checked(block.len().checked_sub(16)?)?;
        let whole = blake3::hash(body).as_bytes()[..16] == *sum;
        block.truncate(block.len() - 16);
        whole.then_some(block)
    }

    fn has_exactly<'k>(&self, mut keys: impl ExactSizeIterator<Item = &'k Key>) -> bool {
        self.directory.len() == keys.len() && keys.all(|key| self.directory.contains_key(key))
    }
}

fn digest(directory: &[u8], start: u64, rows: u64) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(directory).update(&start.to_le_bytes()).update(&rows.to_le_bytes());
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Writes the blocks of this build. Dropped without [`IndexWriter::finish`] it leaves nothing.
#[derive(Debug)]
pub struct IndexWriter {
    root: PathBuf,
    finished: bool,
    file: BufWriter<File>,
    at: u64,
    directory: HashMap<Key, (u64, u32)>,
    /// A write failed: the file is worth nothing.
    failed: bool,
}

impl IndexWriter {
    pub(super) fn create(root: &Path) -> Result<Self, StateError> {
        let path = root.join(DRAFT);
        let made = make_private(root).and_then(|()| File::create(&path)).and_then(|file| {
            let mut file = BufWriter::with_capacity(64 << 10, file);
            file.write_all(MAGIC.as_bytes())?;
            Ok(file)
        });
        let file = made.map_err(|cause| StateError::io("write", path, cause))?;
        let at = MAGIC.len() as u64;
        Ok(IndexWriter { root: root.to_owned(), finished: false, file, at, directory: HashMap::new(), failed: false })
    }

    /// Adds a block. What cannot be written is left out: it costs the next build time.
    pub fn put(&mut self, key: Key, block: &[u8]) {
        let Ok(len) = u32::try_from(block.len() + 16) else { return };
        if self.failed || self.directory.contains_key(&key) {
            return;
        }
        let written =
            self.file.write_all(block).and_then(|()| self.file.write_all(&blake3::hash(block).as_bytes()[..16]));
        match written {
            Ok(()) => {
                let at = self.at;
                self.directory.insert(key, (at, len));
                self.at += u64::from(len);
            }
            Err(_) => self.failed = true,
        }
    }

    /// Puts the new index in place of the old one; if both have the same blocks, the old one stays.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`].
    pub fn finish(mut self) -> Result<(), StateError> {
        let path = self.root.join(FILE);
        let root = self.root.clone();
        if self.failed || Index::open(&root).has_exactly(self.directory.keys()) {
            return Ok(());
        }
        let mut rows: Vec<(Key, (u64, u32))> = self.directory.iter().map(|(key, row)| (*key, *row)).collect();
        rows.sort_unstable();
        let mut directory = Vec::with_capacity(rows.len() * ROW);
        for (key, (offset, len)) in &rows {
            directory.extend(key);
            directory.extend(offset.to_le_bytes());
            directory.extend(len.to_le_bytes());
        }
        let (start, count) = (self.at, rows.len() as u64);
        let file = &mut self.file;
        let mut end = || {
            file.write_all(&directory)?;
            file.write_all(&start.to_le_bytes())?;
            file.write_all(&count.to_le_bytes())?;
            file.write_all(&digest(&directory, start, count))?;
            file.flush()?;
            fs::rename(root.join(DRAFT), &path)
        };
        let ended = end();
        self.finished = ended.is_ok();
        ended.map_err(|cause| StateError::io("write", path, cause))
    }
}

impl Drop for IndexWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(self.root.join(DRAFT));
        }
    }
}

/// Removes the index.
pub(super) fn delete(state: &Path) -> Result<(), StateError> {
    remove(state, &[FILE, DRAFT])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn written(state: &Path) {
        let mut writer = IndexWriter::create(state).unwrap();
        writer.put([1; 16], b"one");
        writer.put([2; 16], b"");
        writer.finish().unwrap();
    }

    #[test]
    fn blocks_come_back_and_others_are_absent() {
        let state = tempfile::tempdir().unwrap();
        written(state.path());
        let index = Index::open(state.path());
        assert_eq!(index.get(&[1; 16]).as_deref(), Some(&b"one"[..]));
        assert_eq!(index.get(&[2; 16]).as_deref(), Some(&b""[..]));
        assert_eq!(index.get(&[3; 16]), None);
        assert!(!state.path().join(DRAFT).exists());
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_gives_no_wrong_block() {
        let state = tempfile::tempdir().unwrap();
        written(state.path());
        let whole = fs::read(state.path().join(FILE)).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            for bytes in [&whole[..at], &changed] {
                fs::write(state.path().join(FILE), bytes).unwrap();
                let block = Index::open(state.path()).get(&[1; 16]);
                assert!(block.is_none() || block.as_deref() == Some(b"one"), "{at}");
            }
        }
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_the_old_index() {
        let state = tempfile::tempdir().unwrap();
        written(state.path());
        let mut writer = IndexWriter::create(state.path()).unwrap();
        writer.put([9; 16], b"nine");
        drop(writer);
        let index = Index::open(state.path());
        assert_eq!((index.get(&[9; 16]), index.get(&[1; 16]).is_some()), (None, true));
    }
}
