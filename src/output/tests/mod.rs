//! The room from outside: builds in a row, and what stands in `out/` after each.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod builds;
mod danger;
mod exchange;
mod interrupted;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A scratch site directory with an `out/` that may or may not be there.
struct Site {
    dir: tempfile::TempDir,
    out: PathBuf,
    way: Way,
}

/// The files of one build: path and content. The class follows from the name.
type Files<'a> = &'a [(&'a str, &'a str)];

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        Site { dir, out, way: Way::Renames }
    }

    /// A site whose commits exchange whole trees.
    #[cfg(target_os = "linux")]
    fn exchanging() -> Self {
        Site { way: Way::Exchange, ..Site::new() }
    }

    /// A site that was built once.
    fn built(files: Files) -> Self {
        let site = Site::new();
        site.build(files);
        site
    }

    fn open(&self) -> Result<Output, OutputError> {
        self.open_as(Adopt::No)
    }

    fn open_as(&self, adopt: Adopt) -> Result<Output, OutputError> {
        let output = Output::open(&self.out, Mode::Write, adopt)?;
        if self.way == Way::Exchange { output.exchanging() } else { Ok(output) }
    }

    fn stage(&self, files: Files) -> Result<Staged, OutputError> {
        put_all(self.open()?, files)
    }

    fn build(&self, files: Files) -> Vec<String> {
        let staged = self.stage(files).unwrap();
        let changes = told(&staged);
        staged.commit(&|_| {}).unwrap();
        assert!(!self.staging().exists(), "a commit leaves no staging");
        changes
    }

    fn staging(&self) -> PathBuf {
        self.dir.path().join(".out.staging")
    }

    fn write(&self, path: &str, text: &str) {
        let at = self.out.join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }

    /// Everything in `out/`: files with their text, links with their target, folders with a `/`.
    fn tree(&self) -> BTreeMap<String, String> {
        tree(&self.out)
    }

    /// Only the files that a build made, without the list.
    fn pages(&self) -> Vec<(String, String)> {
        let is_page = |(path, _): &(String, String)| path != ".aem-static" && !path.ends_with('/');
        self.tree().into_iter().filter(is_page).collect()
    }
}

fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if entry.file_type().is_dir() {
            found.insert(format!("{path}/"), String::new());
        } else if entry.path_is_symlink() {
            found.insert(path, format!("-> {}", fs::read_link(entry.path()).unwrap().display()));
        } else {
            found.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
    found
}

fn class(path: &str) -> Class {
    match path {
        _ if path.ends_with(".png") => Class::Asset,
        _ if path.ends_with(".xml") => Class::Index,
        _ if path.contains("list") => Class::List,
        _ => Class::Page,
    }
}

fn put_all(output: Output, files: Files) -> Result<Staged, OutputError> {
    for (path, text) in files {
        output.put(path, class(path), text.as_bytes())?;
    }
    output.finish()
}

/// The changes as lines.
fn told(staged: &Staged) -> Vec<String> {
    staged.changes().map(|changed| format!("{} {}", changed.change.name(), changed.path)).collect()
}

fn owned(files: Files) -> Vec<(String, String)> {
    let mut files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    files.sort();
    files
}
