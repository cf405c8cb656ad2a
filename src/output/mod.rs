//! Documents and files into `out/`: the only room that writes there, and it never writes outside of it and of the staging
//! folder beside it.
//!
//! A build opens an [`Output`], puts every file of the site into it from any thread, finishes it, looks at what would change
//! ([`Staged`]), and commits or discards. Until the commit `out/` is not touched; a file is staged only if its digest differs
//! from what the last build left. The commit is a list of renames behind a journal: killed anywhere, it is finished by
//! the next [`Output::open`]. ([`Output::exchanging`] makes it a single exchange of whole trees.) Replacing files is dear and deleting a tree to write it anew is ten times dearer, so
//! nothing that is equal is ever written, and a first build moves whole folders into place.
//!
//! Only files named in `out/.aem-static` are removed, and a file of the user's is never overwritten, unless
//! [`Adopt::Yes`] is given.

mod clean;
mod commit;
mod error;
mod exchange;
mod files;
mod folder;
mod ground;
mod journal;
mod listing;
mod path;
mod plan;
mod reading;
mod staged;
mod staging;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::report::FileChange;

pub use clean::{Cleaned, clean};
pub use error::OutputError;
pub use listing::{Class, Entry, Listing, Stamps};
pub use staged::{Changed, Staged};

use commit::Commit;
use files::Files;
use folder::Folder;
use listing::Listed;
use staging::{Laid, Layout, Staging};

/// Whether a build writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Stage, and commit when asked to.
    Write,
    /// Find out what would change. Nothing is staged; only an interrupted commit is finished, since half of it is no state
    /// to compare with.
    DryRun,
    /// As [`Mode::DryRun`], but pages that would be updated are staged, so that they can be read beside those that they would
    /// replace ([`Staged::before`], [`Staged::after`]).
    Compare,
}

/// What becomes of files in `out/` that the tool did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt {
    /// They are left alone, and never overwritten.
    No,
    /// All that the build does not make is removed, except what lies under a top-level name starting with `.`.
    Yes,
}

/// How a commit puts its files into place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// File by file, behind a journal.
    Renames,
    /// All at once: the whole tree changes places with `out/`.
    Exchange,
}

/// One build's output. Made by [`Output::open`], ended by [`Output::finish`]; dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct Output {
    folder: Folder,
    mode: Mode,
    way: Way,
    recovered: Option<usize>,
    listing: Listing,
    /// Files of the user's that this build takes over, paths as in the listing.
    adopted: BTreeSet<String>,
    staging: Staging,
    book: Mutex<Book>,
}

/// What was put so far.
#[derive(Debug, Default)]
struct Book {
    made: Files,
    /// The first path whose `put` failed: such a build is never finished.
    failed: Option<String>,
}

/// The mark of a file that was put without one.
pub const UNMARKED: u32 = u32::MAX;

/// One file that was put.
#[derive(Debug, Clone)]
struct Made {
    entry: Entry,
    /// The caller's number for it.
    mark: u32,
    change: FileChange,
    /// Changed or deleted by hand since the last build, and mended by this one.
    repaired: bool,
    /// Where its new bytes are, if they had to be written, and the time they carry.
    laid: Option<Laid>,
}

/// A file in `out/` as it is now.
struct OnDisk {
    digest: [u8; 32],
    stamp: u64,
}

impl Output {
    /// Opens `out` for one build. The caller holds the site's lock.
    ///
    /// Finishes an interrupted commit first ([`Output::recovered`]), deletes the staging of a failed build (not in
    /// [`Mode::DryRun`]), and reads `out/.aem-static`. `out` need not exist; it may be a symbolic link, which is resolved once.
    ///
    /// # Errors
    ///
    /// [`OutputError::NotOurs`] if the folder has files but no list and [`Adopt::No`] is given (names starting with `.` do not
    /// count), [`OutputError::List`] if the list is broken, and whatever the file system says.
    pub fn open(out: &Path, mode: Mode, adopt: Adopt) -> Result<Output, OutputError> {
        let folder = Folder::resolve(out)?;
        let recovered = Commit::recover(&folder)?;
        if mode != Mode::DryRun {
            staging::delete_leftover(&folder)?;
        }
        let listing = Listing::read(&folder)?;
        let adopted = match adopt {
            Adopt::Yes => folder.foreign_files(&listing)?,
            Adopt::No if listing.is_absent() => {
                folder.refuse_foreign()?;
                BTreeSet::new()
            }
            Adopt::No => BTreeSet::new(),
        };
        let layout = if listing.is_empty() && adopted.is_empty() { Layout::Tree } else { Layout::Flat };
        let staging = Staging::new(&folder, layout, mode);
        Ok(Output { folder, mode, way: Way::Renames, recovered, listing, adopted, staging, book: Mutex::default() })
    }

    /// The commit shall exchange `out/` and a whole new tree in one step, instead of file by file: a visitor meets the old site or the
    /// new one, never some of both. Costs a link for every file that stays. To be said before anything is put.
    ///
    /// # Errors
    ///
    /// [`OutputError::NoExchange`] where system or file system cannot do it; in [`Mode::Write`] it is tried at once.
    pub fn exchanging(mut self) -> Result<Output, OutputError> {
        if self.mode == Mode::Write {
            exchange::probe(&self.folder)?;
        }
        self.way = Way::Exchange;
        self.staging = Staging::new(&self.folder, Layout::Tree, self.mode);
        Ok(self)
    }

    /// Gives the modification times ([`Staged::stamps`]) that the last build kept in its manifest. A file with the listed
    /// size and this time is taken as untouched; any other is read and compared, so these save time and decide nothing. Those
    /// of another commit than the one in `out/` are passed over.
    #[must_use]
    pub fn with_stamps(mut self, stamps: Stamps) -> Output {
        self.listing.stamp(stamps);
        self
    }

    /// How many files were put into place or removed to finish an interrupted commit; `None` if there was none.
    pub fn recovered(&self) -> Option<usize> {
        self.recovered
    }

    /// What the last build made.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Puts one file; callable from any thread. `path` is relative to `out/`, with `/`. The bytes are staged only if they
    /// are not in `out/` already; a file that somebody changed or deleted there is made anew ([`Staged::repaired`]).
    ///
    /// # Errors
    ///
    /// [`OutputError::Unsafe`] for a path that could leave `out/`, [`OutputError::Clash`] if the path was put before and that is
    /// seen already ([`Output::finish`] sees it always), and whatever the file system says. After any error [`Output::finish`] fails too.
    pub fn put(&self, path: &str, class: Class, bytes: &[u8]) -> Result<FileChange, OutputError> {
        self.put_marked(path, class, bytes, UNMARKED)
    }

    /// Puts one file under a number that [`Staged::marks`] gives back; else as [`Output::put`].
    ///
    /// # Errors
    ///
    /// As [`Output::put`].
    pub fn put_marked(&self, path: &str, class: Class, bytes: &[u8], mark: u32) -> Result<FileChange, OutputError> {
        let made = path::check(path).and_then(|()| {
            let entry = Entry { digest: *blake3::hash(bytes).as_bytes(), size: bytes.len() as u64, class };
            let mut made = self.compare(path, entry)?;
            if self.must_stage(&made) {
                made.laid = Some(self.staging.write(path, bytes)?);
            }
            made.mark = mark;
            Ok(made)
        });
        self.record(path, made)
    }

    /// Keeps a file of the last build as it is, if `out/` still holds the bytes that the list names; false if not, and then
    /// nothing is recorded. `digest`, where it is given, is what these bytes have to be.
    ///
    /// # Errors
    ///
    /// As [`Output::put`].
    pub fn keep(&self, path: &str, class: Class, digest: Option<&[u8; 32]>, mark: u32) -> Result<bool, OutputError> {
        let Some(before) = self.listing.get(path) else { return Ok(false) };
        if digest.is_some_and(|digest| *digest != before.entry.digest) {
            return Ok(false);
        }
        let Some(seen) = self.look(path, Some(&before))?.filter(|seen| seen.digest == before.entry.digest) else {
            return Ok(false);
        };
        let entry = Entry { class, ..before.entry };
        let laid = Some(Laid::in_place(seen.stamp));
        let made = Made { entry, mark, change: FileChange::Unchanged, repaired: false, laid };
        self.record(path, Ok(made)).map(|_| true)
    }

    /// Puts a copy of the file `source`, streamed, whatever its size; else as [`Output::put`]. The digest is that of the bytes
    /// copied, so a source that changes meanwhile cannot make the list lie.
    ///
    /// # Errors
    ///
    /// As [`Output::put`]; also if `source` cannot be read.
    pub fn put_copy(&self, path: &str, class: Class, source: &Path) -> Result<FileChange, OutputError> {
        let made = path::check(path).and_then(|()| self.copy(path, class, source));
        self.record(path, made)
    }

    /// Ends the putting and finds out what a commit would do. Touches nothing.
    ///
    /// # Errors
    ///
    /// [`OutputError::Incomplete`] if a `put` failed, [`OutputError::Clash`] if a path was put twice or one file stands where another needs a folder,
    /// [`OutputError::UserFile`] if something the tool did not make stands in the way, [`OutputError::ReadOnly`] if a folder
    /// concerned may not be written to.
    pub fn finish(self) -> Result<Staged, OutputError> {
        Staged::from_output(self)
    }

    fn copy(&self, path: &str, class: Class, source: &Path) -> Result<Made, OutputError> {
        let before = self.listing.get(path);
        let size = std::fs::metadata(source).map_err(|cause| OutputError::io("read", source, cause))?.len();
        // Reading is cheap and writing is not: where the file may well be unchanged, look before copying.
        let may_be_same = before.map_or(self.adopted.contains(path), |before| before.entry.size == size);
        if may_be_same || self.mode != Mode::Write {
            let (digest, size) =
                staging::digest_file(source).map_err(|cause| OutputError::io("read", source, cause))?;
            let made = self.compare(path, Entry { digest, size, class })?;
            if !self.must_stage(&made) {
                return Ok(made);
            }
        }
        let (laid, digest, size) = self.staging.copy(path, source)?;
        let mut made = self.compare(path, Entry { digest, size, class })?;
        made.laid = Some(laid);
        if made.change == FileChange::Unchanged {
            // The source changed back while we looked: place the copy all the same, it has the right bytes.
            made.change = FileChange::Updated;
        }
        Ok(made)
    }

    fn must_stage(&self, made: &Made) -> bool {
        match self.mode {
            Mode::Write => made.change != FileChange::Unchanged,
            Mode::DryRun => false,
            Mode::Compare => made.change == FileChange::Updated && made.entry.class != Class::Asset,
        }
    }

    /// What becomes of `path` if its new content is `entry`.
    fn compare(&self, path: &str, entry: Entry) -> Result<Made, OutputError> {
        let before = self.listing.get(path);
        let on_disk =
            if before.is_some() || self.adopted.contains(path) { self.look(path, before.as_ref())? } else { None };
        let (change, laid) = match &on_disk {
            None => (FileChange::Created, None),
            Some(seen) if seen.digest == entry.digest => (FileChange::Unchanged, Some(Laid::in_place(seen.stamp))),
            Some(_) => (FileChange::Updated, None),
        };
        let untouched = before.map(|before| before.entry.digest) == on_disk.map(|seen| seen.digest);
        Ok(Made {
            entry,
            mark: UNMARKED,
            change,
            repaired: before.is_some() && !untouched && change != FileChange::Unchanged,
            laid,
        })
    }

    /// The file at `path`; `None` if nothing or a folder is there. A link is no file of ours: it has no digest to be equal to.
    fn look(&self, path: &str, before: Option<&Listed>) -> Result<Option<OnDisk>, OutputError> {
        let at = self.folder.path(path);
        let failed = |cause| OutputError::io("read", self.folder.shown(path), cause);
        let metadata = match std::fs::symlink_metadata(&at) {
            Ok(metadata) => metadata,
            Err(cause) if staging::is_gone(&cause) => return Ok(None),
            Err(cause) => return Err(failed(cause)),
        };
        if metadata.is_dir() {
            return Ok(None);
        }
        let stamp = staging::stamp(&metadata);
        let digest = match before {
            _ if !metadata.is_file() => [0; 32],
            Some(before) if before.entry.size == metadata.len() && before.stamp == Some(stamp) => before.entry.digest,
            _ => staging::digest_file(&at).map_err(failed)?.0,
        };
        Ok(Some(OnDisk { digest, stamp }))
    }

    fn record(&self, path: &str, made: Result<Made, OutputError>) -> Result<FileChange, OutputError> {
        let mut book = self.book();
        let result = made.and_then(|made| {
            let change = made.change;
            book.made.push(path, made).map(|()| change)
        });
        if result.is_err() && book.failed.is_none() {
            book.failed = Some(path.to_owned());
        }
        result
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
