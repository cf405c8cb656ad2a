//! What one render reads, and what it needs that is not there yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::Unavailable;

/// An asset as a template asks for it: where it is in AEM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssetRequest {
    /// DAM path, a host-less delivery URL with its parameters (protocol §10.2), or an address on another host.
    pub location: String,
}

impl AssetRequest {
    /// An asset below `/content/dam/`, or a delivery URL below `/adobe/`; nothing else of the host, since requests carry
    /// credentials and locations come from content. Or an http(s) address, whose host the client judges by what is configured.
    pub fn new(location: &str) -> Option<Self> {
        let path = location.split(['?', '#']).next().unwrap_or_default();
        let plain = path.split('/').all(|segment| !climbs(segment));
        let absolute = ["https://", "http://"].iter().any(|scheme| path.starts_with(scheme));
        let allowed = absolute || path.starts_with("/content/dam/") || path.starts_with("/adobe/");
        (allowed && plain).then(|| AssetRequest { location: location.to_owned() })
    }
}

/// Whether a segment is, or hides, a step to another folder: `..`, `%2e%2e` (which URL parsers read as `..`), `..%2f`,
/// `..;x` (which some servers do).
fn climbs(segment: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
    decoded.split(['/', '\\']).any(|part| matches!(part.split(';').next(), Some("." | "..")))
}

/// A `query(…)` of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryRequest {
    /// The query's name.
    pub name: String,
    /// Variables given in the template.
    pub variables: Map<String, Json>,
    /// The locale it runs in.
    pub locale: Option<u16>,
    /// The root field, where there are several.
    pub from: Option<String>,
}

impl QueryRequest {
    /// What makes two requests the same.
    pub fn key(&self) -> String {
        let call = crate::plan::call_key(&self.name, self.locale, &self.variables);
        format!("{call}|{}", self.from.as_deref().unwrap_or_default())
    }
}

/// A link as a template asks for it: the page of a content fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkRequest {
    /// The content fragment's path.
    pub fragment: String,
    /// Only the route of this name.
    pub route: Option<String>,
    /// Only this variation.
    pub variation: Option<String>,
    /// The locale of the page that links.
    pub locale: Option<u16>,
}

/// What has to be fetched before a page can be rendered.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Assets.
    pub assets: BTreeSet<AssetRequest>,
    /// Queries, by key.
    pub queries: BTreeMap<String, QueryRequest>,
}

impl Needs {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty() && self.queries.is_empty()
    }

    /// Adds another page's needs.
    pub fn merge(&mut self, other: Needs) {
        self.assets.extend(other.assets);
        self.queries.extend(other.queries);
    }
}

/// What a page read besides its own content; "nothing there" is a read, too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reads {
    /// Queries, by key.
    pub queries: BTreeMap<String, QueryRequest>,
    /// Of these, keys of results that had items in the last build and have none, where that is not said to be right.
    pub emptied: BTreeSet<String>,
    /// Pages of content fragments that were asked for.
    pub links: BTreeSet<LinkRequest>,
    /// Assets.
    pub assets: BTreeSet<AssetRequest>,
    /// What `rich_text` found and could not show as it is.
    pub notes: BTreeSet<String>,
    /// Files of static/ whose digest stands in the page, by output path.
    pub static_files: BTreeSet<String>,
}

/// One worker's recorder, drained after each render.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) locale: Option<u16>,
    pub(super) needs: Needs,
    pub(super) reads: Reads,
    /// Why the function that failed did: Tera's errors carry only text.
    pub(super) failure: Option<Unavailable>,
}

impl Recorder {
    pub(super) fn begin(&mut self, locale: Option<u16>) {
        *self = Recorder { locale, ..Recorder::default() };
    }

    pub(super) fn finish(&mut self) -> (Needs, Reads, Option<Unavailable>) {
        let Recorder { needs, reads, failure, .. } = std::mem::take(self);
        (needs, reads, failure)
    }
}

/// The recorder is one worker's alone; a poisoned lock only means that a render panicked before.
pub(super) fn lock(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_cannot_climb_out_of_its_folder_in_any_spelling() {
        for location in [
            "/content/dam/../../bin/x.json",
            "/content/dam/%2e%2e/%2E%2e/bin/x.json",
            "/content/dam/.%2e/bin",
            "/content/dam/%2e/x",
            "/content/dam/..%2f..%2fbin",
            "/content/dam/..;a/bin",
            "/content/dam/..%5cbin",
            "/bin/querybuilder.json",
        ] {
            assert!(AssetRequest::new(location).is_none(), "{location}");
        }
        for location in ["/content/dam/a b/x.y..jpg", "/content/dam/%C3%A4.png", "/adobe/dynamicmedia/x?width=1"] {
            assert!(AssetRequest::new(location).is_some(), "{location}");
        }
    }
}
