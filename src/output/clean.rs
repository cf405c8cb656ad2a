//! `aem-static clean`: takes away what the tool made, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use super::commit::Commit;
use super::error::OutputError;
use super::folder::Folder;
use super::ground::{Ground, Standing};
use super::listing::Listing;
use super::path::{LIST, ancestors, parent};
use super::staging;

/// What [`clean`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleaned {
    /// Files; the list not counted.
    pub files: usize,
    /// Folders that were left empty.
    pub folders: usize,
}

/// Removes the files in `out/.aem-static`, then the folders they leave empty, then the list. `out/` itself stays. An interrupted
/// commit is finished first, since only then the list is true; a clean that was interrupted can be repeated.
///
/// # Errors
///
/// [`OutputError::NoList`] without a list, [`OutputError::List`] with a broken one, and whatever the file system says.
pub fn clean(out: &Path) -> Result<Cleaned, OutputError> {
    let folder = Folder::resolve(out)?;
    Commit::recover(&folder)?;
    staging::delete_leftover(&folder)?;
    let listing = Listing::read(&folder)?;
    if listing.is_absent() {
        return Err(OutputError::NoList { path: folder.shown("") });
    }
    let mut ground = Ground::new(folder.clone());
    let mut cleaned = Cleaned { files: 0, folders: 0 };
    for (path, _) in listing.iter() {
        let removed = remove(&folder, &mut ground, path);
        cleaned.files += usize::from(removed.map_err(|cause| OutputError::io("remove", folder.shown(path), cause))?);
    }
    let emptied: BTreeSet<&str> = listing.iter().flat_map(|(path, _)| ancestors(path)).collect();
    // A folder sorts before all that lies in it, so this goes from the inside out.
    for path in emptied.into_iter().rev() {
        let pruned = prune(&folder, &mut ground, path);
        cleaned.folders += usize::from(pruned.map_err(|cause| OutputError::io("remove", folder.shown(path), cause))?);
    }
    fs::remove_file(folder.path(LIST)).map_err(|cause| OutputError::io("remove", folder.shown(LIST), cause))?;
    Ok(cleaned)
}

fn is_folder(ground: &mut Ground, path: &str) -> io::Result<bool> {
    Ok(matches!(ground.at(path)?, Standing::Folder | Standing::ReadOnly))
}

/// Whether there was a file to remove; behind a link or as a folder it is not ours.
fn remove(folder: &Folder, ground: &mut Ground, path: &str) -> io::Result<bool> {
    if !is_folder(ground, parent(path))? {
        return Ok(false);
    }
    let at = folder.path(path);
    match fs::symlink_metadata(&at) {
        Ok(metadata) if !metadata.is_dir() => fs::remove_file(at).map(|()| true),
        Ok(_) => Ok(false),
        Err(cause) if staging::is_gone(&cause) => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Whether the folder was empty and is gone.
fn prune(folder: &Folder, ground: &mut Ground, path: &str) -> io::Result<bool> {
    if !is_folder(ground, path)? {
        return Ok(false);
    }
    match fs::remove_dir(folder.path(path)) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::DirectoryNotEmpty || staging::is_gone(&cause) => Ok(false),
        Err(cause) => Err(cause),
    }
}
