//! The file of events: lines that are only ever added to, each with a digest, until it is written anew and small. A line that was
//! cut off by a crash was never acknowledged to anybody, and is taken away; a line that is damaged costs itself and no other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::book::{Book, Record};

const NAME: &str = "events-v1";
const DRAFT: &str = "events-v1.new";
/// Hexadecimal digits of the digest before each line, and a space.
const MARK: usize = 17;
/// A file below this size is left alone.
const SMALL: u64 = 1 << 20;

/// The open file.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    file: File,
    len: u64,
    /// How long it was when it was written anew.
    base: u64,
}

/// What was found in the file.
#[derive(Debug, Default)]
pub struct Found {
    /// What it says.
    pub book: Book,
    /// Lines that could not be used, the one that was cut off not among them.
    pub damaged: usize,
}

impl Log {
    /// Opens the file in `folder`, or makes it.
    pub fn open(folder: &Path) -> io::Result<(Log, Found)> {
        // What was not finished was never the file.
        let _ = fs::remove_file(folder.join(DRAFT));
        let path = folder.join(NAME);
        let fresh = !path.exists();
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let (found, len) = read(&file)?;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        if fresh {
            sync_folder(folder)?;
        }
        Ok((Log { folder: folder.to_owned(), file, len, base: 0 }, found))
    }

    /// Adds lines; when it returns, they are on the disk.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let lines = records.iter().map(line).collect::<io::Result<Vec<_>>>()?.concat();
        self.file.write_all(&lines)?;
        self.file.sync_data()?;
        self.len += lines.len() as u64;
        Ok(())
    }

    /// Whether most of the file is about the past.
    pub fn is_long(&self) -> bool {
        self.len > SMALL.max(self.base.saturating_mul(4))
    }

    /// Writes the file anew: what the book says and no more. Also the way out after an error, when nobody knows what the end of
    /// the file looks like.
    pub fn rewrite(&mut self, book: &Book) -> io::Result<()> {
        let draft = self.folder.join(DRAFT);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&draft)?;
        let lines = book.records().iter().map(line).collect::<io::Result<Vec<_>>>()?.concat();
        file.write_all(&lines)?;
        file.sync_all()?;
        fs::rename(&draft, self.folder.join(NAME))?;
        sync_folder(&self.folder)?;
        self.file = file;
        self.len = lines.len() as u64;
        self.base = self.len;
        Ok(())
    }
}

fn line(record: &Record) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(record)?;
    let mut line = mark(&json);
    line.extend(json);
    line.push(b'\n');
    Ok(line)
}

fn mark(json: &[u8]) -> Vec<u8> {
    let digest = blake3::hash(json).to_hex();
    let mut mark = digest.as_bytes()[..MARK - 1].to_vec();
    mark.push(b' ');
    mark
}

/// What the file says, and where its last good line ends.
fn read(file: &File) -> io::Result<(Found, u64)> {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let (mut found, mut at, mut good, mut bad) = (Found::default(), 0, 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok((found, good));
        }
        at += read as u64;
        match parsed(&line) {
            Some(record) => {
                found.book.apply(&record);
                // Those before a good line were not cut off, but damaged.
                found.damaged += std::mem::take(&mut bad);
                good = at;
            }
            None => bad += 1,
        }
    }
}

fn parsed(line: &[u8]) -> Option<Record> {
    let (given, json) = line.strip_suffix(b"\n")?.split_at_checked(MARK)?;
    if mark(json) != given {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// Makes a new name in the folder last.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
