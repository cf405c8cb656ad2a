//! What one build tells the next, in `manifest-v2.json`.
//!
//! JSON: at 20,000 files it is read and written in well under a tenth of the time of creating them, it needs no crate that is
//! not here already, and a person can look into it. A format with another meaning gets another file name, so that two versions of the tool do
//! not read each other's; fields may be added, and one that is missing has its default.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AnswerId, StateError, ignore_missing, make_private, replace};

const FORMAT: u32 = 2;
const FILE: &str = "manifest-v2.json";
const DRAFT: &str = "manifest-v2.json.new";

/// What one build tells the next. It is a guide to doing less, never a source of content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// The version of the tool that wrote it.
    pub tool: String,
    /// By query name and digest of the variables: what was asked and answered.
    pub calls: BTreeMap<String, CallRecord>,
    /// By kind, path and name of the route: how many items it had.
    pub routes: BTreeMap<String, u64>,
    /// By asset path in AEM.
    pub assets: BTreeMap<String, AssetRecord>,
    /// The modification times of the files of `out/`.
    pub files: FileTimes,
}

/// When the files of one commit were written, for `Output::with_stamps`. In the order of `out/.aem-static`, which has their
/// paths, so that they are not kept twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileTimes {
    /// The id of the commit.
    pub commit: String,
    /// Nanoseconds since 1970.
    pub times: Vec<u64>,
}

/// One call: a query with one set of variables, walked to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallRecord {
    /// How many items it had.
    pub items: u64,
    /// Its answers, page by page.
    pub answers: Vec<AnswerId>,
}

/// One asset that was downloaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetRecord {
    /// Its output path.
    pub path: String,
    /// BLAKE3 of its bytes, hex.
    pub digest: String,
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

/// The file's outer form: the format first, so that it is known before anything else has to fit.
#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
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
        let parsed = serde_json::from_slice(&bytes)
            .and_then(|Format { format }| Ok((format, serde_json::from_slice::<Manifest>(&bytes)?)));
        Ok(match parsed {
            Ok((FORMAT, manifest)) => (manifest, None),
            Ok((format, _)) => (
                Manifest::default(),
                Some(format!("the manifest has format {format}, known is {FORMAT}: everything is done anew")),
            ),
            Err(cause) => {
                (Manifest::default(), Some(format!("the manifest is broken ({cause}): everything is done anew")))
            }
        })
    }

    pub(super) fn save(&self, state: &Path) -> Result<(), StateError> {
        let path = state.join(FILE);
        let written = Written { format: FORMAT, manifest: self };
        make_private(state)
            .and_then(|()| replace(&path, &state.join(DRAFT), |to| Ok(serde_json::to_writer(to, &written)?)))
            .map_err(|cause| StateError::io("write", path, cause))
    }
}

/// Removes the manifest.
pub(super) fn delete(state: &Path) -> Result<(), StateError> {
    for name in [FILE, DRAFT, "manifest-v1.json"] {
        let path = state.join(name);
        ignore_missing(fs::remove_file(&path)).map_err(|cause| StateError::io("remove", path, cause))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::super::State;
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            tool: "0.1.0".to_owned(),
            calls: BTreeMap::from([(
                "tours|00".to_owned(),
                CallRecord { items: 3, answers: vec![AnswerId::of(b"one"), AnswerId::of(b"two")] },
            )]),
            routes: BTreeMap::from([("tours".to_owned(), 3)]),
            assets: BTreeMap::from([(
                "/content/dam/a.png".to_owned(),
                AssetRecord { path: "assets/a.png".to_owned(), width: Some(40), ..AssetRecord::default() },
            )]),
            files: FileTimes { commit: "00ff".to_owned(), times: vec![1_764_000_000_123_456_789] },
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
        for text in ["", "{\"format\":2,\"calls\":[", "{\"format\":9}", "{\"tool\":\"x\"}", "\u{0}"] {
            fs::write(&file, text).unwrap();
            let state = State::open(site.path()).unwrap();
            assert_eq!(state.manifest(), &Manifest::default());
            assert!(state.note().is_some_and(|note| note.ends_with("everything is done anew")), "{text:?}");
            state.save(&Manifest::default()).unwrap();
            assert_eq!(State::open(site.path()).unwrap().note(), None);
        }
    }

    #[test]
    fn unknown_and_missing_fields_are_fine() {
        let site = tempfile::tempdir().unwrap();
        let state = site.path().join(".aem-static");
        fs::create_dir(&state).unwrap();
        fs::write(state.join(FILE), r#"{"format":2,"tool":"0.9.0","pages":{"x":1}}"#).unwrap();
        let state = State::open(site.path()).unwrap();
        assert_eq!((state.manifest().tool.as_str(), state.note()), ("0.9.0", None));
    }

    #[test]
    fn clean_leaves_only_the_lock() {
        let site = tempfile::tempdir().unwrap();
        State::clean(site.path()).unwrap();
        let _lock = super::super::lock(site.path(), "clean", std::time::Duration::ZERO).unwrap();
        let state = State::open(site.path()).unwrap();
        state.save(&manifest()).unwrap();
        state.answers().keep(b"body").unwrap();
        State::clean(site.path()).unwrap();
        let left: Vec<_> =
            fs::read_dir(site.path().join(".aem-static")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
}
