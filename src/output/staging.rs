//! The staging folder, `.out.staging/` beside `out/`: what this build wrote and nobody sees yet.
//!
//! A first build stages the tree as it will stand, so that whole folders can be moved into place. A later build stages
//! numbered files in one folder: it replaces files here and there, and making and deleting the folders around each of them
//! would cost more than the files.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use super::Mode;
use super::error::OutputError;
use super::folder::Folder;

/// The journal of a commit that has begun.
pub(super) const JOURNAL: &str = "journal";
/// The journal while it is written.
pub(super) const JOURNAL_DRAFT: &str = "journal.new";
/// The new `out/.aem-static`.
pub(super) const NEW_LIST: &str = "list";
/// Staged files at their output paths.
pub(super) const TREE: &str = "tree";
/// Staged files by number.
pub(super) const FLAT: &str = "flat";

/// How staged files are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// At their output paths.
    Tree,
    /// By number.
    Flat,
}

/// Where the bytes of one file are, and the modification time they carry, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laid {
    number: Option<u64>,
    pub(super) stamp: u64,
}

impl Laid {
    /// Already in `out/`.
    pub(super) fn in_place(stamp: u64) -> Self {
        Laid { number: None, stamp }
    }
}

/// The staging of one build; made when the first file is written, deleted when dropped unless a journal stands in it.
#[derive(Debug)]
pub(super) struct Staging {
    root: PathBuf,
    layout: Layout,
    next: AtomicU64,
    fate: Fate,
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Delete,
    Keep,
}

impl Staging {
    /// Nothing is made yet. A dry run that stages nothing keeps its hands off what lies there.
    pub(super) fn new(folder: &Folder, layout: Layout, mode: Mode) -> Self {
        Staging {
            root: folder.staging().to_owned(),
            layout,
            next: AtomicU64::new(0),
            fate: match mode {
                Mode::Write | Mode::Compare => Fate::Delete,
                Mode::DryRun => Fate::Keep,
            },
        }
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// The commit has begun: from now on the journal decides.
    pub(super) fn keep(mut self) {
        self.fate = Fate::Keep;
    }

    /// Makes the staging folder itself.
    pub(super) fn ensure(&self) -> Result<(), OutputError> {
        make_private(&self.root).map_err(|cause| OutputError::io("create", &self.root, cause))
    }

    /// Where a laid file is, relative to the staging folder.
    pub(super) fn name_of(&self, path: &str, laid: Laid) -> String {
        match (self.layout, laid.number) {
            (Layout::Flat, Some(number)) => format!("{FLAT}/{number}"),
            _ => format!("{TREE}/{path}"),
        }
    }

    /// Stages `bytes` as the new content of the output path.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<Laid, OutputError> {
        let (mut file, number, at) = self.create(path)?;
        let written = file.write_all(bytes).and_then(|()| file.metadata());
        let metadata = written.map_err(|cause| self.failed("write", &at, cause))?;
        Ok(Laid { number: Some(number), stamp: stamp(&metadata) })
    }

    /// Stages a copy of `source`; gives the digest and the length of the bytes copied.
    pub(super) fn copy(&self, path: &str, source: &Path) -> Result<(Laid, [u8; 32], u64), OutputError> {
        let unreadable = |cause| OutputError::io("read", source, cause);
        let mut reader = File::open(source).map_err(unreadable)?;
        let (mut file, number, at) = self.create(path)?;
        let unwritable = |cause| self.failed("write", &at, cause);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(unreadable(cause)),
            };
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(unwritable)?;
        }
        let metadata = file.metadata().map_err(unwritable)?;
        let laid = Laid { number: Some(number), stamp: stamp(&metadata) };
        Ok((laid, *hasher.finalize().as_bytes(), hasher.count()))
    }

    /// A new file for the output path. Other folders are made when they turn out to be missing: asking first would cost every file.
    fn create(&self, path: &str) -> Result<(File, u64, PathBuf), OutputError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let laid = Laid { number: Some(number), stamp: 0 };
        let at = self.root.join(self.name_of(path, laid));
        if self.layout == Layout::Tree && path.ends_with("/index.html") {
            // Nearly always the first file of a folder of its own: looking in vain costs more than making it.
            let _ = make_folder(at.parent().unwrap_or(&self.root));
        }
        let opened = create_new(&at).or_else(|cause| match cause.kind() {
            io::ErrorKind::NotFound => self.make_folder_of(&at).and_then(|()| create_new(&at)),
            _ => Err(cause),
        });
        match opened {
            Ok(file) => Ok((file, number, at)),
            Err(cause) if matches!(cause.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) => {
                Err(OutputError::Clash { path: path.to_owned(), with: path.to_owned() })
            }
            Err(cause) => Err(self.failed("create", &at, cause)),
        }
    }

    /// What has nothing to do with this file is told of the staging folder: the same for all files, and so once.
    fn failed(&self, doing: &'static str, at: &Path, cause: io::Error) -> OutputError {
        match OutputError::io(doing, at, cause) {
            OutputError::Full { source, .. } => {
                OutputError::Full { doing: "write to", path: self.root.clone(), source }
            }
            OutputError::ReadOnly { source, .. } => OutputError::ReadOnly { path: self.root.clone(), source },
            other => other,
        }
    }

    fn make_folder_of(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(&self.root);
        match make_folder(folder) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                make_private(&self.root)?;
                make_folders(folder)
            }
            made => made,
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.fate == Fate::Delete {
            // What cannot be deleted now is deleted by the next build, which then says why it cannot.
            let _ = delete(&self.root);
        }
    }
}

/// Deletes what a failed build left in staging. The caller has looked for a journal.
pub(super) fn delete_leftover(folder: &Folder) -> Result<(), OutputError> {
    delete(folder.staging()).map_err(|cause| OutputError::io("delete", folder.staging(), cause))
}

/// Deletes the staging folder. Only names of ours are deleted in it; anything else there makes it fail.
pub(super) fn delete(root: &Path) -> io::Result<()> {
    match fs::symlink_metadata(root) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder")),
        Err(cause) if is_gone(&cause) => return Ok(()),
        Err(cause) => return Err(cause),
    }
    for name in [TREE, FLAT] {
        ignore_gone(delete_tree(&root.join(name)))?;
    }
    for name in [JOURNAL, JOURNAL_DRAFT, NEW_LIST] {
        ignore_gone(fs::remove_file(root.join(name)))?;
    }
    ignore_gone(fs::remove_dir(root))
}

/// Also where folders have no write permission, as those that an exchange copies from `out/`.
fn delete_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            // A folder comes before what is in it.
            for entry in walkdir::WalkDir::new(path) {
                let entry = entry?;
                if entry.file_type().is_dir() {
                    make_writable(entry.path())?;
                }
            }
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

/// Lets the owner work in a folder of the staging folder.
#[cfg(unix)]
pub(super) fn make_writable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

#[cfg(not(unix))]
pub(super) fn make_writable(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// BLAKE3 and length of a file, read as a stream.
pub(super) fn digest_file(path: &Path) -> io::Result<([u8; 32], u64)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok((*hasher.finalize().as_bytes(), hasher.count()))
}

/// The modification time in nanoseconds since 1970; 0 where there is none.
pub(super) fn stamp(metadata: &Metadata) -> u64 {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    modified.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// Whether the error says that nothing is there; a file where a folder would have to be means the same.
pub(super) fn is_gone(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Makes one folder that visitors may read; it may be there already.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    match public_builder().create(path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Makes a folder that visitors may read, and those above it.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    public_builder().recursive(true).create(path)
}

/// Writes a file and waits until it is on the disk.
pub(super) fn write_synced(path: &Path, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(64 << 10, File::create(path)?);
    write(&mut file)?;
    file.into_inner()?.sync_all()
}

fn ignore_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if is_gone(&cause) => Ok(()),
        result => result,
    }
}

/// Makes the staging folder, which nobody else may read.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn public_builder() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are a matter of Unix"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    options.open(path)
}
