//! What each page was made of, rendered now or kept, for whoever asks: preview's inspector.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::gathered::{CallInfo, Gathered};
use super::lock;
use super::needs::Met;
use crate::render::{QueryRequest, World};
use crate::shape::{Entries, Location, Page, PageSource};
use crate::state::{AnswerId, PageRecord, Read, Reason, Recording};

/// Items of a list whose content is remembered; more than anybody reads.
const PIECES: usize = 100;

/// A book that a build writes [`Made`] into; without one nothing is taken down.
#[derive(Debug, Clone, Default)]
pub struct Facts(Option<Arc<Mutex<Book>>>);

#[derive(Debug, Default)]
struct Book {
    /// By number of the page: how long its rendering took.
    elapsed: BTreeMap<u32, Duration>,
    made: Made,
}

impl Facts {
    /// A book to be filled.
    pub fn wanted() -> Self {
        Facts(Some(Arc::default()))
    }

    /// What stands in it; it is empty afterwards.
    pub fn take(&self) -> Made {
        self.0.as_ref().map(|book| std::mem::take(&mut *lock(book)).made).unwrap_or_default()
    }

    pub(super) fn rendered(&self, number: u32, elapsed: Duration) {
        if let Some(book) = &self.0 {
            lock(book).elapsed.insert(number, elapsed);
        }
    }

    pub(super) fn note(&self, make: impl FnOnce(&BTreeMap<u32, Duration>) -> Made) {
        if let Some(book) = &self.0 {
            let mut book = lock(book);
            book.made = make(&book.elapsed);
        }
    }
}

/// What the pages of a build were made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    /// By path.
    pub pages: Vec<PageFacts>,
    reads: Vec<Read>,
    sets: Vec<Vec<u32>>,
    /// By number of a read that is a query: where its result lies.
    results: BTreeMap<u32, Vec<Piece>>,
}

impl Made {
    /// What a page read besides its own content when it was rendered last.
    pub fn reads_of(&self, page: &PageFacts) -> impl Iterator<Item = &Read> {
        let set = self.sets.get(page.reads as usize).map_or(&[][..], Vec::as_slice);
        set.iter().filter_map(|read| self.reads.get(*read as usize))
    }

    /// Where the results of templates' queries lie, by number of the read.
    pub fn results(&self) -> impl Iterator<Item = (u32, &Piece)> {
        self.results.iter().flat_map(|(read, pieces)| pieces.iter().map(|piece| (*read, piece)))
    }

    /// Whether a page has read one of these, by number, when it was rendered last.
    pub fn has_read(&self, page: &PageFacts, reads: &BTreeSet<u32>) -> bool {
        self.sets.get(page.reads as usize).is_some_and(|set| set.iter().any(|read| reads.contains(read)))
    }
}

/// What one page was made of.
#[derive(Debug, Clone, PartialEq)]
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
    /// Why it was rendered last.
    pub reason: Reason,
    /// The build that did, as the state counts them.
    pub build: u32,
    /// How long its rendering took, if this build rendered it.
    pub elapsed: Option<Duration>,
    /// Number of the set of its reads.
    reads: u32,
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

/// The facts of all pages of a build.
pub(super) fn of_all(
    gathered: &Gathered,
    met: &Met,
    records: &[PageRecord],
    recording: &Recording,
    elapsed: &BTreeMap<u32, Duration>,
) -> Made {
    let world = &met.world;
    let (reads, sets) = recording.reads();
    let numbered = (0..).zip(world.pages.pages.iter().zip(records));
    let facts =
        numbered.map(|(number, (page, record))| of(gathered, world, page, record, elapsed.get(&number).copied()));
    let mut pages: Vec<PageFacts> = facts.collect();
    pages.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    let located = (0..).zip(&reads).filter_map(|(number, read)| Some((number, result(gathered, met, read)?)));
    let results = located.collect();
    Made { pages, reads, sets, results }
}

/// Where the result of a query lies that a template asked.
fn result(gathered: &Gathered, met: &Met, read: &Read) -> Option<Vec<Piece>> {
    let Read::Query(request) = read else { return None };
    let request: QueryRequest = serde_json::from_str(request).ok()?;
    Some(met.result(&request.key())?.iter().filter_map(|at| piece(gathered, *at)).collect())
}

fn of(gathered: &Gathered, world: &World, page: &Page, record: &PageRecord, elapsed: Option<Duration>) -> PageFacts {
    let permalink = world.pages.permalink(page);
    let route = &world.site.routes[page.route as usize];
    let mut facts = PageFacts {
        path: world.pages.path(page).to_owned(),
        output: permalink.output().to_owned(),
        url: world.public_url(permalink.url()),
        route: route.index,
        locale: world.site.locale_code(page.locale).map(str::to_owned),
        template: route.template.clone(),
        query: None,
        variables: Map::new(),
        fragments: Vec::new(),
        variation: String::new(),
        pieces: Vec::new(),
        reason: record.reason,
        build: record.build,
        elapsed,
        reads: record.reads,
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
