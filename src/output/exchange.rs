//! `commit = "exchange"`: the whole tree is made in staging, what stays in it as hard links, and changes places with `out/` in one
//! step of the system. What then lies in staging is the old tree, which is taken apart.
//!
//! Which of the two is which is told by the folder itself: the journal names the inode of the new tree, and a folder keeps its
//! inode when it is moved. Files of the user's are linked like unchanged ones; those that came up after that are moved over from
//! the old tree, never deleted with it.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use walkdir::WalkDir;

use super::error::OutputError;
use super::folder::Folder;
use super::ground::Ground;
use super::path::LIST;
use super::staging::{self, FLAT, JOURNAL, Staging, TREE};

/// Finds out, before anything else is done, whether folders can be exchanged and files linked where `out/` lies.
pub(super) fn probe(folder: &Folder) -> Result<(), OutputError> {
    let root = folder.staging();
    let (one, other) = (root.join(TREE), root.join(FLAT));
    let made = staging::make_private(root).and_then(|()| {
        staging::make_folder(&one)?;
        staging::make_folder(&other)?;
        fs::write(one.join("file"), "")
    });
    let tried = made.map_err(|cause| OutputError::io("create", root, cause)).and_then(|()| {
        exchange(&one, &other).map_err(|source| refused("exchange folders beside", folder, "", source))?;
        fs::hard_link(other.join("file"), one.join("file"))
            .map_err(|source| refused("make hard links beside", folder, "", source))
    });
    let deleted = staging::delete_leftover(folder);
    tried.and(deleted)
}

/// Completes the staged tree: the list, a link for every file of `out/` but those that `goes` names, folders with mode and owner as
/// there. Gives the inode of the tree.
pub(super) fn complete(
    folder: &Folder,
    staging: &Staging,
    goes: impl Fn(&str) -> bool,
    list: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<u64, OutputError> {
    staging.ensure()?;
    let tree = folder.staging().join(TREE);
    let made = staging::make_folder(&tree).and_then(|()| staging::write_synced(&tree.join(LIST), list));
    made.map_err(|cause| OutputError::io("write", tree.join(LIST), cause))?;
    let out = folder.path("");
    for entry in WalkDir::new(&out).contents_first(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            // Deleted while we looked, or a first build.
            Err(cause) if cause.io_error().is_some_and(staging::is_gone) => continue,
            Err(cause) => return Err(OutputError::io("read", folder.shown(""), cause.into())),
        };
        let below = entry.path().strip_prefix(&out).unwrap_or(entry.path());
        let shown = || below.to_string_lossy();
        if entry.file_type().is_dir() {
            let metadata =
                entry.metadata().map_err(|cause| OutputError::io("read", folder.shown(&shown()), cause.into()))?;
            take_over(entry.path(), &tree.join(below), &metadata)
                .map_err(|cause| OutputError::io("create", folder.shown(&shown()), cause))?;
        } else if !below.to_str().is_some_and(|path| path == LIST || goes(path)) {
            link(entry.path(), &tree.join(below)).map_err(|cause| refused("link", folder, &shown(), cause))?;
        }
    }
    let tree = identity(&tree).map_err(|cause| OutputError::io("read", &tree, cause))?;
    tree.ok_or_else(|| OutputError::io("read", folder.staging(), io::ErrorKind::NotFound.into()))
}

/// Puts the staged tree, whose inode is `tree`, into the place of `out/`; false if it stands there already. If the system refuses, the
/// commit is given up: nothing has changed yet.
pub(super) fn swap(folder: &Folder, tree: u64) -> Result<bool, OutputError> {
    let (staged, out) = (folder.staging().join(TREE), folder.path(""));
    let interrupted = |source| OutputError::Interrupted { path: folder.shown(""), source };
    let there = identity(&out).map_err(interrupted)?;
    if there == Some(tree) {
        return Ok(false);
    }
    let journal = folder.staging().join(JOURNAL);
    if identity(&staged).map_err(interrupted)? != Some(tree) {
        let why = "neither the output folder nor the staged one is the folder that it names".to_owned();
        return Err(OutputError::Journal { path: journal, why });
    }
    let swapped = match there {
        Some(_) => exchange(&staged, &out),
        None => fs::rename(&staged, &out),
    };
    match swapped {
        Ok(()) => Ok(true),
        Err(source) => {
            fs::remove_file(&journal).map_err(interrupted)?;
            staging::delete_leftover(folder)?;
            Err(refused("exchange folders beside", folder, "", source))
        }
    }
}

/// Takes apart the old tree, which lies in staging since the exchange. Gone are the list, what this commit replaced or removed, and every
/// second link; any other file is the user's and came up meanwhile: it moves to where it was.
pub(super) fn drain(folder: &Folder, ground: &mut Ground, replaced: &[String]) -> Result<(), OutputError> {
    let old = folder.staging().join(TREE);
    let replaced: BTreeSet<&str> = replaced.iter().map(String::as_str).collect();
    for entry in WalkDir::new(&old).contents_first(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(cause) if cause.io_error().is_some_and(staging::is_gone) => continue,
            Err(cause) => return Err(OutputError::Interrupted { path: old, source: cause.into() }),
        };
        let at = entry.path();
        let below = at.strip_prefix(&old).unwrap_or(at);
        let now = folder.path("").join(below);
        let is_ours = || below.to_str().is_some_and(|path| path == LIST || replaced.contains(path));
        let result = if entry.file_type().is_dir() {
            insist(at, || fs::remove_dir(at))
        } else if is_ours() || is_same(at, &now) {
            insist(at, || fs::remove_file(at))
        } else {
            let above = below.parent().and_then(Path::to_str).ok_or_else(|| io::ErrorKind::InvalidFilename.into());
            above.and_then(|above| ground.make(above)).and_then(|()| insist(at, || fs::rename(at, &now)))
        };
        match result {
            Err(cause) if !staging::is_gone(&cause) => {
                return Err(OutputError::Interrupted { path: folder.shown(&below.to_string_lossy()), source: cause });
            }
            _ => {}
        }
    }
    Ok(())
}

fn refused(doing: &'static str, folder: &Folder, path: &str, source: io::Error) -> OutputError {
    match OutputError::io(doing, folder.shown(path), source) {
        OutputError::Io { doing, path, source } => OutputError::NoExchange { doing, path, source },
        // Where there are no hard links, or not of other people's files, the answer is a refusal, too.
        OutputError::ReadOnly { path, source } => OutputError::NoExchange { doing, path, source },
        other => other,
    }
}

/// Makes in the tree what a folder of `out/` needs: what lies in it is linked already. One that the removals leave empty is not made, an
/// empty one of the user's is.
fn take_over(from: &Path, to: &Path, metadata: &Metadata) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(made) if made.is_dir() => resemble(to, &made, metadata),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && fs::read_dir(from)?.next().is_none() => {
            staging::make_folders(to)?;
            resemble(to, &fs::symlink_metadata(to)?, metadata)
        }
        // A page stands where an empty folder was.
        Ok(_) => Ok(()),
        Err(cause) if staging::is_gone(&cause) => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// A link to what stands at `from`, links included; nothing if it was deleted while we looked.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    let linked = fs::hard_link(from, to).or_else(|cause| match (cause.kind(), to.parent()) {
        (io::ErrorKind::NotFound, Some(above)) => staging::make_folders(above).and_then(|()| fs::hard_link(from, to)),
        _ => Err(cause),
    });
    match linked {
        Err(cause)
            if staging::is_gone(&cause) && fs::symlink_metadata(from).is_err_and(|cause| staging::is_gone(&cause)) =>
        {
            Ok(())
        }
        linked => linked,
    }
}

#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux exchanges two folders in one step"))
}

/// The inode of a folder; `None` if there is none.
#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Option<u64>> {
    use std::os::unix::fs::MetadataExt as _;
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir().then(|| metadata.ino())),
        Err(cause) if staging::is_gone(&cause) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Whether both names are of one file.
#[cfg(unix)]
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let which = |path| fs::symlink_metadata(path).ok().map(|metadata: Metadata| (metadata.dev(), metadata.ino()));
    which(one).is_some_and(|file| which(other) == Some(file))
}

/// Gives the folder `path` mode and owner of another.
#[cfg(unix)]
fn resemble(path: &Path, now: &Metadata, wanted: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if (now.uid(), now.gid()) != (wanted.uid(), wanted.gid()) {
        std::os::unix::fs::chown(path, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    // After the owner, whose change takes bits away.
    if now.mode() != wanted.mode() { fs::set_permissions(path, wanted.permissions()) } else { Ok(()) }
}

/// Does something to what lies in a folder of the old tree, without write permission there too: nobody sees that folder any more.
fn insist(at: &Path, act: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match (act(), at.parent()) {
        (Err(cause), Some(above)) if cause.kind() == io::ErrorKind::PermissionDenied => {
            staging::make_writable(above)?;
            act()
        }
        (result, _) => result,
    }
}

#[cfg(not(unix))]
fn identity(_path: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(not(unix))]
fn is_same(_one: &Path, _other: &Path) -> bool {
    false
}

#[cfg(not(unix))]
fn resemble(_path: &Path, _now: &Metadata, _wanted: &Metadata) -> io::Result<()> {
    Ok(())
}
