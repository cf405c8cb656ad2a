//! What one build tells the next, in `manifest-v5`.
//!
//! Postcard behind a line that names the format: a build reads all of it, and at 20,000 files that takes a few milliseconds. What
//! is there once a file lies packed in rows ([`super::PageRecords`]). A format with another meaning gets another file name, so that
//! two versions of the tool do not read each other's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AnswerId, PageRecords, StateError, make_private, remove, replace};

const FILE: &str = "manifest-v5";
const DRAFT: &str = "manifest-v5.new";
/// The first bytes of the file. The version of the tool is in it, since postcard does not tell fields apart.
const MAGIC: &str = concat!("aem-static manifest 5 ", env!("CARGO_PKG_VERSION"), "\n");

/// What one build tells the next. It is a guide to doing less, never a source of content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// How many builds have been committed since the state was made, this one included.
    pub build: u32,
    /// When the last of them was, RFC 3339, UTC, whole seconds.
    pub built_at: String,
    /// Whose answers and assets are kept: tier and host.
    pub host: String,
    /// By query name and digest of the variables: what was asked and answered.
    pub calls: BTreeMap<String, CallRecord>,
    /// By kind, path and name of the route: how many items it had.
    pub routes: BTreeMap<String, u64>,
    /// By location in AEM.
    pub assets: BTreeMap<String, AssetRecord>,
    /// The modification times of the files of `out/`.
    pub files: FileTimes,
    /// What each file of `out/` was made from.
    pub pages: PageRecords,
}

/// When the files of one commit were written, for `Output::with_stamps`. In the order of `out/.aem-static`, which has their
/// paths, so that they are not kept twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTimes {
    /// The id of the commit.
    pub commit: String,
    /// Nanoseconds since 1970.
    pub times: Vec<u64>,
}

/// One call: a query with one set of variables, walked to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// How many items it had.
    pub items: u64,
    /// Its answers, page by page.
    pub answers: Vec<AnswerRecord>,
}

/// One answer of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// Its name among the kept answers.
    pub id: AnswerId,
    /// What it answered: a digest of the query as it was sent, of its name and configuration, and of all variables.
    pub asked: [u8; 16],
    /// `ETag`, as AEM sent it.
    pub etag: Option<String>,
    /// `Last-Modified`, as AEM sent it.
    pub last_modified: Option<String>,
    /// Which page of a walk it is.
    pub start: Start,
    /// Errors came with it, and it was kept because the build was told to keep partial data.
    pub partial: bool,
}

/// Where a page of a walk begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// The first page, or the only one.
    First,
    /// Behind this cursor.
    Cursor(String),
    /// Behind so many items.
    Offset(u64),
}

/// One asset that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetRecord {
    /// Its name among the kept answers, and the digest of its bytes.
    pub id: AnswerId,
    /// Its output path.
    pub path: String,
    /// `ETag`, as AEM sent it.
    pub etag: Option<String>,
    /// `Last-Modified`, as AEM sent it.
    pub last_modified: Option<String>,
    /// Media type.
    pub mime: String,
    /// Pixels, if it is an image.
    pub width: Option<u32>,
    /// Pixels, if it is an image.
    pub height: Option<u32>,
}

impl Manifest {
    /// Reads the manifest; an empty one with the reason if the one there cannot be used.
    pub(super) fn load(state: &Path) -> Result<(Self, Option<String>), StateError> {
        let path = state.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok((Manifest::default(), None));
            }
            Err(cause) => return Err(StateError::io("read", path, cause)),
        };
        let note = match bytes.strip_prefix(MAGIC.as_bytes()) {
            None => "the manifest is that of another version",
            Some(rest) => match postcard::from_bytes::<Manifest>(rest) {
                Ok(manifest) if manifest.pages.is_sound() => return Ok((manifest, None)),
                _ => "the manifest is broken",
            },
        };
        Ok((Manifest::default(), Some(format!("{note}: everything is done anew"))))
    }

    pub(super) fn save(&self, state: &Path) -> Result<(), StateError> {
        let path = state.join(FILE);
        let written = |to: &mut dyn io::Write| {
            to.write_all(MAGIC.as_bytes())?;
            let mut to = io::BufWriter::with_capacity(64 << 10, to);
            postcard::to_io(self, &mut to).map_err(io::Error::other)?;
            to.flush()
        };
        make_private(state)
            .and_then(|()| replace(&path, &state.join(DRAFT), written))
            .map_err(|cause| StateError::io("write", path, cause))
    }
}

/// Removes the manifest, of any version.
pub(super) fn delete(state: &Path) -> Result<(), StateError> {
    remove(state, &[FILE, DRAFT, "manifest-v4", "manifest-v3", "manifest-v2.json", "manifest-v1.json"])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::super::State;
    use super::*;

    fn manifest() -> Manifest {
        let answer = |body: &[u8]| AnswerRecord {
            id: AnswerId::of(body),
            asked: [7; 16],
            etag: Some("\"a\"".to_owned()),
            last_modified: None,
            start: Start::Cursor("c".to_owned()),
            partial: false,
        };
        Manifest {
            build: 3,
            calls: BTreeMap::from([(
                "tours|00".to_owned(),
                CallRecord { items: 3, answers: vec![answer(b"one"), answer(b"two")] },
            )]),
            routes: BTreeMap::from([("tours".to_owned(), 3)]),
            files: FileTimes { commit: "00ff".to_owned(), times: vec![1_764_000_000_123_456_789] },
            ..Manifest::default()
        }
    }

    #[test]
    fn saved_and_read_back_and_not_written_when_equal() {
        let site = tempfile::tempdir().unwrap();
        let state = State::open(site.path()).unwrap();
        assert!(!site.path().join(".aem-static").exists(), "opening writes nothing");
        state.save(&manifest()).unwrap();
        let state = State::open(site.path()).unwrap();
        assert_eq!((state.manifest(), state.note()), (&manifest(), None));
        let file = site.path().join(".aem-static").join(FILE);
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        state.save(&manifest()).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn broken_or_foreign_manifest_is_ignored_with_a_note_and_replaced() {
        let site = tempfile::tempdir().unwrap();
        State::open(site.path()).unwrap().save(&manifest()).unwrap();
        let file = site.path().join(".aem-static").join(FILE);
        let whole = fs::read(&file).unwrap();
        for cut in 0..whole.len() {
            fs::write(&file, &whole[..cut]).unwrap();
            let state = State::open(site.path()).unwrap();
            assert_eq!(state.manifest(), &Manifest::default(), "{cut}");
            assert!(state.note().is_some_and(|note| note.ends_with("everything is done anew")), "{cut}");
        }
        State::open(site.path()).unwrap().save(&Manifest::default()).unwrap();
        assert_eq!(State::open(site.path()).unwrap().note(), None);
    }

    #[test]
    fn clean_leaves_only_the_lock() {
        let site = tempfile::tempdir().unwrap();
        State::clean(site.path()).unwrap();
        let _lock = super::super::lock(site.path(), "clean", std::time::Duration::ZERO).unwrap();
        let state = State::open(site.path()).unwrap();
        state.save(&manifest()).unwrap();
        state.answers().keep(b"body").unwrap();
        state.index_writer().unwrap().finish().unwrap();
        state.changes_writer(None, "00ff", true).unwrap().finish().unwrap().put().unwrap();
        State::clean(site.path()).unwrap();
        let left: Vec<_> =
            fs::read_dir(site.path().join(".aem-static")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
}
