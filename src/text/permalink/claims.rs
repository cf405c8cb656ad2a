//! Which file of `out/` belongs to which source, and where two of them collide.
//!
//! Every file of `out/` takes part, whatever it comes from. A site of a million pages costs about 45 bytes a path: kept
//! are digests, not texts. The caller knows the paths of its sources and says them in the message.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// The paths claimed so far.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    files: HashMap<Digest, Claim>,
    /// Folders, but for those that hold an `index.html`: these are found by it.
    folders: HashMap<Digest, u32>,
}

/// 96 bits of a digest of the path in folded case: among a million paths, two different ones meet with a probability
/// below 10⁻¹⁶.
type Digest = [u32; 3];

#[derive(Debug, Clone, Copy)]
struct Claim {
    source: u32,
    /// 32 bits of a digest of the path as it is, to tell "equal" from "equal but for case".
    exact: u32,
}

/// Two sources that cannot both have what they want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// In which way they collide.
    pub kind: ConflictKind,
    /// The source that claimed first: the number given to [`Claims::insert`].
    pub other: u32,
}

/// The ways in which two paths collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// Both are one path.
    Equal,
    /// They differ in case only: one file on macOS and Windows.
    EqualButForCase,
    /// The new path is a file where the other needs a folder.
    FileIsFolder,
    /// The new path needs a folder where the other is a file.
    FolderIsFile,
}

impl Claims {
    /// No path claimed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Claims `output`, an output path as of [`super::Permalink::output`] or a file of `static/`, for `source`.
    ///
    /// On a conflict the first claim stays and nothing is recorded for the new one.
    pub fn insert(&mut self, output: &str, source: u32) -> Option<Conflict> {
        let folded = fold(output);
        let conflict = |kind, other| Some(Conflict { kind, other });
        let exact = exact_digest(output);
        let key = digest(&folded);
        if let Some(claim) = self.files.get(&key) {
            let kind = if claim.exact == exact { ConflictKind::Equal } else { ConflictKind::EqualButForCase };
            return conflict(kind, claim.source);
        }
        if let Some(other) = self.folder(&folded, key) {
            return conflict(ConflictKind::FileIsFolder, other);
        }
        if let Some(claim) = ancestors(&folded).find_map(|folder| self.files.get(&digest(folder))) {
            return conflict(ConflictKind::FolderIsFile, claim.source);
        }
        self.files.insert(key, Claim { source, exact });
        self.record_folders(&folded, source);
        None
    }

    /// How many paths are claimed.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether no path is claimed.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn folder(&self, folded: &str, key: Digest) -> Option<u32> {
        let index = || self.files.get(&digest(&format!("{folded}/index.html")));
        self.folders.get(&key).copied().or_else(|| index().map(|claim| claim.source))
    }

    fn record_folders(&mut self, folded: &str, source: u32) {
        let own = usize::from(folded.ends_with("/index.html"));
        for folder in ancestors(folded).skip(own) {
            match self.folders.entry(digest(folder)) {
                // Its own ancestors were recorded with it.
                Entry::Occupied(_) => break,
                Entry::Vacant(entry) => entry.insert(source),
            };
        }
    }
}

/// `a/b/c` → `a/b`, `a`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |folder| parent(folder))
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(folder, _)| folder)
}

/// The form in which paths are equal on a disk that does not tell cases apart.
fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    // Letter by letter, since `str::to_lowercase` looks at the word for its final sigma, and a disk does not.
    let lowered = path.nfc().flat_map(char::to_lowercase).map(|char| if char == 'ς' { 'σ' } else { char });
    lowered.collect::<String>().nfc().collect()
}

fn digest(folded: &str) -> Digest {
    let hash = blake3::hash(folded.as_bytes());
    let bytes = hash.as_bytes();
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [word(0), word(4), word(8)]
}

fn exact_digest(output: &str) -> u32 {
    if is_nfc(output) {
        return digest(output)[0];
    }
    digest(&output.nfc().collect::<String>())[0]
}
