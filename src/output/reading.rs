//! The bytes of files before and after a commit, for whoever compares them.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::error::OutputError;
use super::{Output, Staged, staging};

impl Output {
    /// The bytes of a file of the last build; `None` if it is not in the list, if `out/` holds other bytes by now, or if they are
    /// more than `limit`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn made(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, OutputError> {
        let Some(before) = self.listing().get(path) else { return Ok(None) };
        let read = read(&self.folder.path(path), limit);
        let bytes = read.map_err(|cause| OutputError::io("read", self.folder.shown(path), cause))?;
        Ok(bytes.filter(|bytes| *blake3::hash(bytes).as_bytes() == before.entry.digest))
    }
}

impl Staged {
    /// The bytes that `out/` has at an output path until the commit; `None` if no plain file is there, or one of more than
    /// `limit` bytes.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn before(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, OutputError> {
        read(&self.folder.path(path), limit).map_err(|cause| OutputError::io("read", self.folder.shown(path), cause))
    }

    /// The bytes that it shall have, if they are staged; `None` if not, or if they are more than `limit`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn after(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, OutputError> {
        let Some(laid) = self.files.get(path).and_then(|made| made.laid) else { return Ok(None) };
        let at = self.folder.staging().join(self.staging.name_of(path, laid));
        read(&at, limit).map_err(|cause| OutputError::io("read", at, cause))
    }
}

/// Links are not followed: what they lead to is somebody else's.
fn read(at: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let metadata = match fs::symlink_metadata(at) {
        Ok(metadata) => metadata,
        Err(cause) if staging::is_gone(&cause) => return Ok(None),
        Err(cause) => return Err(cause),
    };
    if !metadata.is_file() || metadata.len() > limit {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    File::open(at)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
}
