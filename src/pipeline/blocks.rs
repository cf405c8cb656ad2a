//! What the routes of a call make of one answer, as a value that can be kept: an answer that is known is not taken apart again,
//! and costs its digest (design §8).
//!
//! A block is found by everything that it was made from: the answer, the query, the routes with their settings, the locale, the
//! outer item. One that holds a problem is not kept, so that problems are found anew by every build.

use serde::{Deserialize, Serialize};

use super::gather::{Gatherer, Run};
use crate::shape::{Entry, GroupValue, Location, Outer, Slice, Tie};
use crate::site::{Query, Root, Route};
use crate::state::{AnswerId, Key};
use crate::text::order;

/// One answer, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Block {
    /// By root, in the order of the walk's roots.
    pub(super) roots: Vec<RootBlock>,
}

/// What an answer holds for one root.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RootBlock {
    pub(super) turn: Turn,
    pub(super) items: Vec<ItemRow>,
}

/// What decides about the next page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) has_next_page: Option<bool>,
    pub(super) next: Option<String>,
    /// Items, nulls included.
    pub(super) count: usize,
}

impl Turn {
    pub(super) fn of(slice: &Slice) -> Self {
        Turn { has_next_page: slice.has_next_page, next: slice.next.clone(), count: slice.items.len() + slice.nulls }
    }
}

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ItemRow {
    pub(super) start: u32,
    pub(super) len: u32,
    /// Digest of its bytes.
    pub(super) digest: Key,
    /// Its `_path`; empty if that was not read.
    pub(super) fragment: String,
    /// `_variation`.
    pub(super) variation: String,
    /// What each of the root's evaluators made of it; `None` is filtered out.
    pub(super) entries: Vec<Option<EntryRow>>,
}

/// An entry without what is another in every build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct EntryRow {
    variation: Option<Box<str>>,
    path: Option<Box<str>>,
    sort: Box<[order::Key]>,
    groups: Box<[GroupValue]>,
    counterpart: Option<Tie>,
}

impl EntryRow {
    pub(super) fn new(entry: Entry) -> Self {
        let Entry { variation, path, sort, groups, counterpart, .. } = entry;
        EntryRow { variation, path, sort, groups, counterpart }
    }

    pub(super) fn entry(self, at: Location, call: u32, outer: Option<&Outer>) -> Entry {
        let EntryRow { variation, path, sort, groups, counterpart } = self;
        Entry { at, call, outer: outer.map(|outer| outer.at), variation, path, sort, groups, counterpart }
    }
}

/// What all blocks of a walk have in common.
pub(super) struct Maker(blake3::Hasher);

impl Maker {
    pub(super) fn new(gatherer: &Gatherer, run: &Run, query: &Query, roots: &[&Root], outer: Option<&Outer>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        let site = &gatherer.site;
        part(env!("CARGO_PKG_VERSION"));
        part(&query.sent);
        roots.iter().for_each(|root| part(&root.key));
        part(&format!("{:?}", site.config.site));
        part(&format!("{:?}", run.call.locale));
        for route in &run.call.routes {
            part(&meaning(&site.routes[*route]));
        }
        // The outer item's bytes would do as well; its value is what is at hand.
        part(&outer.map(|outer| serde_json::to_string(&outer.value).unwrap_or_default()).unwrap_or_default());
        Maker(hasher)
    }

    /// The key of the block of one answer. Of later pages only the paged root is taken.
    pub(super) fn key(&self, id: &AnswerId, is_first: bool) -> Key {
        let mut hasher = self.0.clone();
        hasher.update(id.digest()).update(&[u8::from(is_first)]);
        hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
    }
}

/// What of a route has a part in its entries.
fn meaning(route: &Route) -> String {
    let Route { kind, path, from, group_by, filter, sort, .. } = route;
    format!("{:?}", (kind, path, from, group_by, filter, sort))
}
