//! Where the output stands.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error::OutputError;
use super::listing::Listing;

/// `out/` and its staging folder: as the user named them, for messages, and resolved once, for work.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    shown: PathBuf,
    real: PathBuf,
    staging: PathBuf,
}

impl Folder {
    /// Resolves `out`, which need not exist; its links are followed here and nowhere else.
    pub(super) fn resolve(out: &Path) -> Result<Self, OutputError> {
        let failed = |cause| OutputError::io("read", out, cause);
        let not_a_folder = || OutputError::NotAFolder { path: out.to_owned() };
        let real = match fs::symlink_metadata(out) {
            Ok(_) => {
                let real = fs::canonicalize(out).map_err(failed)?;
                if !fs::metadata(&real).map_err(failed)?.is_dir() {
                    return Err(not_a_folder());
                }
                real
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let absolute = std::path::absolute(out).map_err(failed)?;
                match absolute.parent().map(fs::canonicalize) {
                    Some(Ok(parent)) => parent.join(absolute.file_name().ok_or_else(not_a_folder)?),
                    _ => absolute,
                }
            }
            Err(cause) => return Err(failed(cause)),
        };
        let name = real.file_name().ok_or_else(not_a_folder)?;
        let mut staging_name = OsString::from(".");
        staging_name.push(name);
        staging_name.push(".staging");
        let folder = Folder { shown: out.to_owned(), staging: real.with_file_name(staging_name), real };
        folder.refuse_mount_point()?;
        Ok(folder)
    }

    /// The real path of an output path; `out/` itself for the empty one.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        join(&self.real, path)
    }

    /// The path to show for an output path.
    pub(super) fn shown(&self, path: &str) -> PathBuf {
        join(&self.shown, path)
    }

    /// The staging folder.
    pub(super) fn staging(&self) -> &Path {
        &self.staging
    }

    #[cfg(unix)]
    fn refuse_mount_point(&self) -> Result<(), OutputError> {
        use std::os::unix::fs::MetadataExt as _;
        let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
        match (device(&self.real), self.real.parent().and_then(device)) {
            (Some(own), Some(above)) if own != above => {
                Err(OutputError::OtherFileSystem { path: self.shown.clone(), staging: self.staging.clone() })
            }
            _ => Ok(()),
        }
    }

    #[cfg(not(unix))]
    fn refuse_mount_point(&self) -> Result<(), OutputError> {
        Ok(())
    }

    /// Refuses a folder in which anything stands but names starting with `.` (`.git`, `.nojekyll`).
    pub(super) fn refuse_foreign(&self) -> Result<(), OutputError> {
        let mut names = BTreeSet::new();
        let failed = |cause| OutputError::io("read", &self.shown, cause);
        let entries = match fs::read_dir(&self.real) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(failed(cause)),
        };
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.insert(name);
            }
        }
        match names.pop_first() {
            None => Ok(()),
            Some(example) => Err(OutputError::NotOurs { path: self.shown.clone(), example }),
        }
    }

    /// Every file in `out/` that is not in `listing`, except below top-level names starting with `.`. Links are files here.
    ///
    /// A folder with a site directory in it is refused: one wrong `--out` would remove somebody's work.
    pub(super) fn foreign_files(&self, listing: &Listing) -> Result<BTreeSet<String>, OutputError> {
        let mut files = BTreeSet::new();
        if !self.real.exists() {
            return Ok(files);
        }
        let is_hidden =
            |entry: &walkdir::DirEntry| entry.depth() == 1 && entry.file_name().to_string_lossy().starts_with('.');
        for entry in walkdir::WalkDir::new(&self.real).into_iter().filter_entry(|entry| !is_hidden(entry)) {
            let entry = entry.map_err(|cause| OutputError::io("read", &self.shown, cause.into()))?;
            if entry.file_type().is_dir() {
                continue;
            }
            let path = self.relative(entry.path())?;
            if entry.file_name() == "aem-static.toml" {
                return Err(OutputError::SiteInside { path: self.shown.clone(), config: self.shown(&path) });
            }
            if listing.get(&path).is_none() {
                files.insert(path);
            }
        }
        Ok(files)
    }

    /// The output path of a file below `out/`. A name that no output path can have is the user's, and to be moved by hand.
    pub(super) fn relative(&self, file: &Path) -> Result<String, OutputError> {
        let below = file.strip_prefix(&self.real).unwrap_or(file);
        let segments: Option<Vec<&str>> = below.iter().map(|segment| segment.to_str()).collect();
        segments
            .map(|segments| segments.join("/"))
            .filter(|path| super::path::objection(path).is_none())
            .ok_or_else(|| OutputError::UserFile { path: self.shown.join(below), wanted: String::new() })
    }
}

fn join(base: &Path, path: &str) -> PathBuf {
    if path.is_empty() { base.to_owned() } else { base.join(path) }
}
