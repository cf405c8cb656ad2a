//! static/: copied to out/ as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Dotted, files_below};
use crate::report::{Diagnostic, Place, codes};

/// One file of static/.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticFile {
    /// Where it is.
    pub source: PathBuf,
    /// Output path, relative to `out/`: the path below static/.
    pub output: String,
    /// The first twelve hex digits of the blake3 digest of its bytes, for `static_url`.
    pub digest: String,
}

impl StaticFile {
    /// The output path with the digest before the extension: `css/site.0123456789ab.css`.
    pub fn with_digest(&self) -> String {
        let (folder, name) =
            self.output.rsplit_once('/').map_or(("", self.output.as_str()), |(folder, name)| (folder, name));
        let named = match name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
            Some((stem, extension)) => format!("{stem}.{}.{extension}", self.digest),
            None => format!("{name}.{}", self.digest),
        };
        if folder.is_empty() { named } else { format!("{folder}/{named}") }
    }
}

/// All of static/, by output path.
#[derive(Debug, Clone, Default)]
pub struct StaticFiles(pub BTreeMap<String, StaticFile>);

/// Lists static/ and digests its files.
pub(super) fn load(dir: &Path, problems: &mut Vec<Diagnostic>) -> StaticFiles {
    let mut files = StaticFiles::default();
    for file in files_below(dir, "static", Dotted::Take, problems) {
        let source = dir.join(&file);
        let output = file["static/".len()..].to_owned();
        let mut hasher = blake3::Hasher::new();
        let read = std::fs::File::open(&source).and_then(|opened| hasher.update_reader(opened).map(|_| ()));
        match read {
            Ok(()) => {
                let digest = hasher.finalize().to_hex()[..12].to_owned();
                files.0.insert(output.clone(), StaticFile { source, output, digest });
            }
            Err(error) => problems.push(
                Diagnostic::error(codes::OUTPUT_IO, format!("{file} cannot be read: {error}")).at(Place::file(file)),
            ),
        }
    }
    files
}
