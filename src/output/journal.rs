//! The journal of a commit: what is to be done, in order, written and synced before the first of it is done.
//!
//! One JSON value a line: a header, then the steps. It is renamed into place when it is whole, so a journal that is there is
//! complete.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::OutputError;
use super::path;
use super::staging::{self, JOURNAL, JOURNAL_DRAFT};

const FORMAT: u32 = 1;

/// One step of a commit. Each can be repeated without harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Moves a staged file or folder to an output path; the empty path is `out/` itself.
    Place {
        /// Relative to the staging folder.
        staged: String,
        /// Relative to `out/`.
        path: String,
        /// How many files that is.
        files: u64,
    },
    /// Removes a file, if it is one.
    Remove(String),
    /// Removes a folder, if it is empty.
    Prune(String),
    /// Puts the new list in place of the old one.
    List,
    /// Exchanges `out/` and the staged tree.
    Exchange {
        /// The inode of the staged tree, wherever it stands by now.
        tree: u64,
        /// How many files that creates, updates or removes.
        files: u64,
    },
    /// Takes the old tree apart. These files of it are not the user's: they were replaced or removed.
    Drain(Vec<String>),
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    steps: usize,
}

/// Writes the journal below the staging folder and waits until it is on the disk.
pub(super) fn write(root: &Path, steps: &[Step]) -> io::Result<()> {
    let header = Header { format: FORMAT, steps: steps.len() };
    staging::write_synced(&root.join(JOURNAL_DRAFT), |to| {
        serde_json::to_writer(&mut *to, &header)?;
        for step in steps {
            to.write_all(b"\n")?;
            serde_json::to_writer(&mut *to, step)?;
        }
        to.write_all(b"\n")
    })?;
    fs::rename(root.join(JOURNAL_DRAFT), root.join(JOURNAL))?;
    sync_folder(root)
}

/// Reads the journal; `None` if no commit was interrupted.
pub(super) fn read(root: &Path) -> Result<Option<Vec<Step>>, OutputError> {
    let at = root.join(JOURNAL);
    let text = match fs::read_to_string(&at) {
        Ok(text) => text,
        Err(cause) if staging::is_gone(&cause) => return Ok(None),
        Err(cause) => return Err(OutputError::io("read", at, cause)),
    };
    parse(&text).map(Some).map_err(|why| OutputError::Journal { path: at, why })
}

fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut lines = text.lines();
    let header: Header = serde_json::from_str(lines.next().unwrap_or_default()).map_err(|cause| cause.to_string())?;
    if header.format != FORMAT {
        return Err(format!("its format is {}, known is {FORMAT}", header.format));
    }
    let steps: Vec<Step> =
        lines.map(serde_json::from_str).collect::<Result<_, _>>().map_err(|cause| cause.to_string())?;
    if steps.len() != header.steps {
        return Err(format!("it has {} of {} steps", steps.len(), header.steps));
    }
    match steps.iter().find_map(objection) {
        None => Ok(steps),
        Some(why) => Err(format!("a step is unsafe: {why}")),
    }
}

/// A journal is followed blindly, so it is read like input.
fn objection(step: &Step) -> Option<&'static str> {
    match step {
        Step::Place { staged, path, .. } if path.is_empty() => path::objection(staged),
        Step::Place { staged, path, .. } => path::objection(staged).or_else(|| path::objection(path)),
        Step::Remove(path) | Step::Prune(path) => path::objection(path),
        Step::Drain(replaced) => replaced.iter().find_map(|path| path::objection(path)),
        Step::List | Step::Exchange { .. } => None,
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
