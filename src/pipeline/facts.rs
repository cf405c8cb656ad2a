//! What each page was made of, taken down while it is rendered, for whoever asks: preview's inspector.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::gathered::{CallInfo, Gathered};
use crate::render::{Reads, World};
use crate::shape::{Entries, Location, Page, PageSource};
use crate::state::AnswerId;

/// Items of a list whose content is remembered; more than anybody reads.
const PIECES: usize = 100;

/// A book that a build writes [`PageFacts`] into; without one nothing is taken down.
#[derive(Debug, Clone, Default)]
pub struct Facts(Option<Arc<Mutex<Vec<PageFacts>>>>);

impl Facts {
    /// A book to be filled.
    pub fn wanted() -> Self {
        Facts(Some(Arc::default()))
    }

    /// What stands in it, by path; it is empty afterwards.
    pub fn take(&self) -> Vec<PageFacts> {
        let Some(book) = &self.0 else { return Vec::new() };
        let mut facts = std::mem::take(&mut *book.lock().unwrap_or_else(PoisonError::into_inner));
        facts.sort_by(|one, other| one.path.cmp(&other.path));
        facts
    }

    pub(super) fn add(&self, make: impl FnOnce() -> PageFacts) {
        if let Some(book) = &self.0 {
            let facts = make();
            book.lock().unwrap_or_else(PoisonError::into_inner).push(facts);
        }
    }
}

/// What one page was made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageFacts {
    /// Its path: `/tours/x/`.
    pub path: String,
    /// Its file below the output folder.
    pub output: String,
    /// Its URL, below the path of `base_url`.
    pub url: String,
    /// Index of its route.
    pub route: usize,
    /// Its locale.
    pub locale: Option<String>,
    /// The template.
    pub template: Option<String>,
    /// The query that gave its content, if it has any.
    pub query: Option<String>,
    /// The variables that query was run with.
    pub variables: Map<String, Json>,
    /// The content fragments that it shows, as paths, in order.
    pub fragments: Vec<String>,
    /// The variation of its content fragment; empty is the base.
    pub variation: String,
    /// Where its content lies in the answers; of a list the first hundred items.
    pub pieces: Vec<Piece>,
    /// What it read besides.
    pub reads: Reads,
    /// How long its rendering took.
    pub elapsed: Duration,
}

/// Bytes of a kept answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The answer.
    pub answer: AnswerId,
    /// Where they begin.
    pub start: u64,
    /// How many; 0 is all of the answer.
    pub len: usize,
}

/// The facts of one page that was rendered.
pub(super) fn of(gathered: &Gathered, world: &World, page: &Page, reads: Reads, elapsed: Duration) -> PageFacts {
    let permalink = world.pages.permalink(page);
    let route = &world.site.routes[page.route as usize];
    let mut facts = PageFacts {
        path: world.pages.path(page).to_owned(),
        output: permalink.output().to_owned(),
        url: world.public_url(permalink.url()),
        route: route.index,
        locale: world.site.locale_code(page.locale).map(str::to_owned),
        template: route.template.clone(),
        reads,
        elapsed,
        ..PageFacts::default()
    };
    let call = match &page.source {
        PageSource::Whole => {
            let call = gathered.whole_call(page);
            let answers = call.into_iter().flat_map(|call| &call.answers);
            facts.pieces = answers.filter_map(|number| whole(gathered, *number)).collect();
            call
        }
        PageSource::Each(each) => gathered.entries_of(page).and_then(|entries| {
            let variation = entries.variation(each.entry).map(|name| world.pages.texts.get(name));
            facts.variation = variation.unwrap_or_default().to_owned();
            content(&mut facts, gathered, world, entries, &[each.entry])
        }),
        PageSource::List(list) => {
            gathered.entries_of(page).and_then(|entries| content(&mut facts, gathered, world, entries, list.on_page()))
        }
    };
    facts.query = call.map(|call| call.call.query.clone()).or_else(|| route.query.clone());
    facts.variables = call.map(|call| call.call.variables.clone()).unwrap_or_default();
    facts
}

/// Takes down the entries a page shows; gives the call of the first.
fn content<'g>(
    facts: &mut PageFacts,
    gathered: &'g Gathered,
    world: &World,
    entries: &Entries,
    shown: &[u32],
) -> Option<&'g CallInfo> {
    facts.fragments = shown.iter().map(|entry| world.pages.texts.get(entries.fragment(*entry)).to_owned()).collect();
    let locations = shown.iter().take(PIECES).filter_map(|entry| entries.at(*entry));
    facts.pieces = locations.filter_map(|at| piece(gathered, at)).collect();
    gathered.calls.get(entries.origin(*shown.first()?)?.call as usize)
}

fn piece(gathered: &Gathered, at: Location) -> Option<Piece> {
    let answer = *gathered.answers.get(at.answer as usize)?;
    Some(Piece { answer, start: u64::from(at.start), len: at.len as usize })
}

fn whole(gathered: &Gathered, number: u32) -> Option<Piece> {
    Some(Piece { answer: *gathered.answers.get(number as usize)?, start: 0, len: 0 })
}
