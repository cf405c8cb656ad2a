//! What was put, packed: a row a file and its path, end to end with the others. There is one for every file of the site, from its
//! `put` to the end of the commit.

use super::Made;
use super::error::OutputError;
use super::path;
use crate::text::texts::{Text, Texts};

/// The files of one build.
#[derive(Debug, Default)]
pub(super) struct Files {
    paths: Texts,
    rows: Vec<(Text, Made)>,
}

impl Files {
    /// Adds a file, in any order.
    pub(super) fn push(&mut self, path: &str, made: Made) -> Result<(), OutputError> {
        let Some(text) = self.paths.push(path) else {
            return Err(OutputError::Unsafe { path: path.to_owned(), why: path::TOO_LONG });
        };
        self.rows.push((text, made));
        Ok(())
    }

    /// Puts the files in the order of their paths.
    pub(super) fn sort(mut self) -> Result<SortedFiles, OutputError> {
        let paths = &self.paths;
        self.rows.sort_unstable_by(|(a, _), (b, _)| paths.get(*a).cmp(paths.get(*b)));
        let twice = self.rows.array_windows().find(|[(a, _), (b, _)]| paths.get(*a) == paths.get(*b));
        match twice {
            Some([(path, _), _]) => {
                let path = paths.get(*path).to_owned();
                Err(OutputError::Clash { with: path.clone(), path })
            }
            None => Ok(SortedFiles(self)),
        }
    }
}

/// The files of one build, sorted by path, each once.
#[derive(Debug)]
pub(super) struct SortedFiles(Files);

impl SortedFiles {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Made)> {
        self.0.rows.iter().map(|(path, made)| (self.0.paths.get(*path), made))
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    pub(super) fn get(&self, path: &str) -> Option<&Made> {
        let row = self.0.rows.binary_search_by(|(other, _)| self.0.paths.get(*other).cmp(path)).ok()?;
        Some(&self.0.rows[row].1)
    }
}
