//! The persisted queries of this moment: those of the query files, and over them what clients created, changed and deleted
//! while the origin runs. The latter live in memory only.

use std::collections::BTreeMap;

use super::caching::CacheSettings;
use super::persisted::Queries;

/// A persisted query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::origin) struct PersistedQuery {
    pub text: String,
    pub cache: CacheSettings,
}

/// Where a persisted query is: the two segments of its short path (protocol §3.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::origin) struct ShortPath {
    pub configuration: String,
    pub name: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::origin) struct Store {
    files: Queries,
    /// What clients did to a path; `None` is a deletion.
    changes: BTreeMap<ShortPath, Option<PersistedQuery>>,
}

impl Store {
    /// The queries of the files, none changed.
    pub fn new(files: Queries) -> Self {
        Self { files, changes: BTreeMap::new() }
    }

    /// Other query files; what clients did stays.
    pub fn set_files(&mut self, files: Queries) {
        self.files = files;
    }

    /// Whether a query file belongs to the configuration.
    pub fn has_files_of(&self, configuration: &str) -> bool {
        self.files.configurations().any(|(known, _)| known == configuration)
    }

    /// The query at a path.
    pub fn get(&self, path: &ShortPath) -> Option<PersistedQuery> {
        match self.changes.get(path) {
            Some(change) => change.clone(),
            None => self.files.text(&path.configuration, &path.name).map(from_file),
        }
    }

    /// Creates or replaces the query at a path; both last until the origin stops.
    pub fn put(&mut self, path: ShortPath, query: PersistedQuery) {
        self.changes.insert(path, Some(query));
    }

    /// Removes the query at a path.
    pub fn remove(&mut self, path: ShortPath) {
        self.changes.insert(path, None);
    }

    /// Every query by configuration and name.
    pub fn all(&self) -> BTreeMap<ShortPath, PersistedQuery> {
        let files = self.files.configurations().flat_map(|(configuration, queries)| {
            queries.iter().map(move |(name, text)| {
                let path = ShortPath { configuration: configuration.to_owned(), name: name.clone() };
                (path, from_file(text))
            })
        });
        let mut all: BTreeMap<ShortPath, PersistedQuery> = files.collect();
        for (path, change) in &self.changes {
            match change {
                Some(query) => all.insert(path.clone(), query.clone()),
                None => all.remove(path),
            };
        }
        all
    }
}

fn from_file(text: impl Into<String>) -> PersistedQuery {
    PersistedQuery { text: text.into(), cache: CacheSettings::default() }
}
