//! One pass over pages: plain threads, each with an engine of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tera::Tera;

use super::contents::{Items, Scratch, content, json};
use super::gathered::Gathered;
use super::keys::{self, Results};
use super::{Cancel, Facts, lock, merge};
use crate::output::{Class, Output};
use crate::render::{Needs, Reads, Rendered, Worker, World};
use crate::report::{Diagnostic, Event, Reporter, Stage};
use crate::shape::{ItemReader, Page, PageSource, Pages};
use crate::site::Site;
use crate::state::{Key, Recording};
use crate::text::permalink::Permalink;

/// Items on a page from which on it is rendered alone: some 10 KB of memory each.
const HEAVY: usize = 2_000;
/// Pages a worker takes at a time.
const CHUNK: usize = 16;

/// What rendering is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Documents.
    Documents,
    /// More problems: there are some already, so nothing is put.
    Problems,
}

/// What one pass over pages brought.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) needs: Needs,
    pub(super) again: Vec<u32>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) static_files: BTreeSet<String>,
    /// Locations of assets that documents show.
    pub(super) assets: BTreeSet<String>,
    /// Documents made: page, digest of the results of its reads, number of their set.
    pub(super) made: Vec<(u32, Key, u32)>,
    /// What was found and told, by page.
    pub(super) notes: BTreeMap<u32, Vec<String>>,
    /// With `on_error = "hold"`: pages that could not be made.
    pub(super) failed: BTreeSet<u32>,
    /// Keys of results that were read, had items in the last build, and have none.
    pub(super) emptied: BTreeSet<String>,
}

/// What every worker of a pass shares.
pub(super) struct Shared {
    pub(super) site: Arc<Site>,
    /// What documents read, numbered.
    pub(super) recording: Mutex<Recording>,
    /// Nothing that earlier builds noted is used.
    pub(super) full: bool,
    /// How many pages are rendered in all.
    pub(super) total: AtomicU64,
    pub(super) gathered: Gathered,
    pub(super) pages: Arc<Pages>,
    pub(super) output: Arc<Output>,
    pub(super) purpose: Purpose,
    pub(super) engine: Tera,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) cancel: Cancel,
    pub(super) rendered: AtomicU64,
    /// Whether any template reads `group_items`: all of a group are read only then.
    pub(super) reads_groups: bool,
    /// By list route: what its template can read of items, where that is known.
    pub(super) readers: BTreeMap<u32, ItemReader>,
    /// Reads whole items.
    pub(super) whole: ItemReader,
    /// A file could not be written: more would only repeat it.
    pub(super) broken: AtomicBool,
    /// Takes down what pages were made of, and how long it took.
    pub(super) facts: Facts,
    /// Held while a list of very many items is rendered: its items are all in memory, and one such list at a time is enough.
    pub(super) heavy: Mutex<()>,
}

/// Tera calls itself for every include, and its own limit is none: 500 templates that include each other overflow the usual
/// 2 MiB. This is address space, not memory, until it is used.
const RENDER_STACK: usize = 64 << 20;

/// Renders pages with some threads.
pub(super) fn render_all(
    shared: &Shared,
    world: &Arc<World>,
    queries: &BTreeMap<String, Key>,
    todo: &[u32],
    workers: usize,
) -> Pass {
    let next = AtomicUsize::new(0);
    let pass = Mutex::new(Pass::default());
    std::thread::scope(|scope| {
        for _ in 0..workers.min(todo.len().div_ceil(CHUNK)).max(1) {
            let thread = std::thread::Builder::new().stack_size(RENDER_STACK);
            let started = thread.spawn_scoped(scope, || {
                let mut worker = Worker::new(world.clone(), shared.engine.clone());
                let mut mine = Pass::default();
                let mut scratch = Scratch::default();
                loop {
                    let start = next.fetch_add(CHUNK, Ordering::Relaxed);
                    let stop = shared.cancel.is_set() || shared.broken.load(Ordering::Relaxed);
                    let Some(chunk) = todo.get(start..(start + CHUNK).min(todo.len())).filter(|_| !stop) else {
                        break;
                    };
                    for number in chunk {
                        one(shared, world, queries, &mut worker, &mut scratch, *number, &mut mine);
                    }
                }
                let mut pass = pass.lock().unwrap_or_else(PoisonError::into_inner);
                pass.add(mine);
            });
            started.expect("the system starts a thread");
        }
    });
    let mut pass = pass.into_inner().unwrap_or_else(PoisonError::into_inner);
    pass.again.sort_unstable();
    pass
}

impl Pass {
    /// Adds what another thread or round brought.
    pub(super) fn add(&mut self, other: Pass) {
        self.needs.merge(other.needs);
        self.again.extend(other.again);
        self.problems.extend(other.problems);
        self.static_files.extend(other.static_files);
        self.assets.extend(other.assets);
        self.made.extend(other.made);
        self.notes.extend(other.notes);
        self.failed.extend(other.failed);
        self.emptied.extend(other.emptied);
    }

    /// Takes up a document that was made.
    fn record(&mut self, shared: &Shared, results: &Results<'_>, number: u32, reads: &Reads) {
        let recorded = keys::recorded(reads);
        let key = results.of_all(&recorded);
        let set = lock(&shared.recording).set(recorded);
        self.made.push((number, key, set));
        self.static_files.extend(reads.static_files.iter().cloned());
        self.assets.extend(reads.assets.iter().map(|asset| asset.location.clone()));
        self.emptied.extend(reads.emptied.iter().cloned());
        if !reads.notes.is_empty() {
            self.notes.insert(number, reads.notes.iter().cloned().collect());
        }
    }
}

fn one(
    shared: &Shared,
    world: &World,
    queries: &BTreeMap<String, Key>,
    worker: &mut Worker,
    scratch: &mut Scratch,
    number: u32,
    mine: &mut Pass,
) {
    let page = &shared.pages.pages[number as usize];
    let route = &world.site.routes[page.route as usize];
    let many = matches!(&page.source, PageSource::List(list) if list.on_page().len() > HEAVY);
    let _alone = many.then(|| lock(&shared.heavy));
    let started = Instant::now();
    let results = Results { world, queries };
    let document = match &route.template {
        None => json(shared, world, page, scratch).map(|bytes| {
            mine.record(shared, &results, number, &Reads::default());
            Some(bytes)
        }),
        Some(template) => match rendered(shared, world, worker, scratch, page, template) {
            Ok(Rendered::Document { bytes, reads }) => {
                mine.record(shared, &results, number, &reads);
                Ok(Some(bytes))
            }
            Ok(Rendered::Needs(needs)) => {
                mine.needs.merge(needs);
                mine.again.push(number);
                return;
            }
            // It misses what is told to have become empty.
            Ok(Rendered::Failed { reads, .. }) if !reads.emptied.is_empty() => {
                mine.emptied.extend(reads.emptied);
                mine.failed.insert(number);
                Ok(None)
            }
            Ok(Rendered::Failed { problem, .. }) => Err(*problem),
            Err(problem) => Err(problem),
        },
    };
    let put = match document {
        Ok(document) => put(shared, number, document),
        Err(problem) => {
            mine.failed.insert(number);
            Err(problem)
        }
    };
    shared.facts.rendered(number, started.elapsed());
    if let Err(problem) = put {
        merge::add(&mut mine.problems, problem);
    }
    let done = shared.rendered.fetch_add(1, Ordering::Relaxed) + 1;
    let total = shared.total.load(Ordering::Relaxed);
    if done.is_multiple_of(64) || done == total {
        let total = Some(total);
        shared.reporter.emit(Event::Progress { stage: Stage::Render, done, total, slow: Some(route.name.clone()) });
    }
}

/// Puts a page's document, if documents are what is wanted.
fn put(shared: &Shared, number: u32, document: Option<Vec<u8>>) -> Result<(), Diagnostic> {
    let Some(bytes) = document.filter(|_| shared.purpose == Purpose::Documents) else {
        return Ok(());
    };
    let page = &shared.pages.pages[number as usize];
    let permalink = shared.pages.permalink(page);
    let put = shared.output.put_marked(permalink.output(), class_of(page, &permalink), &bytes, number);
    put.map(|_| ()).map_err(|error| {
        shared.broken.store(true, Ordering::Relaxed);
        error.diagnostic()
    })
}

fn rendered(
    shared: &Shared,
    world: &World,
    worker: &mut Worker,
    scratch: &mut Scratch,
    page: &Page,
    template: &str,
) -> Result<Rendered, Diagnostic> {
    let read = content(shared, world, page, Items::AsRead, scratch)?;
    match worker.render(page, template, &read) {
        // The message says which fields there are.
        Rendered::Failed { .. } if shared.readers.contains_key(&page.route) => {
            let whole = content(shared, world, page, Items::Whole, scratch)?;
            Ok(worker.render(page, template, &whole))
        }
        rendered => Ok(rendered),
    }
}

/// When a page is put into place: what links to others comes after them. A feed and a page of its own, such as the home
/// page, link to pages and lists.
pub(super) fn class_of(page: &Page, permalink: &Permalink) -> Class {
    match page.source {
        PageSource::Each(_) => Class::Page,
        PageSource::List(_) if permalink.is_html() => Class::List,
        PageSource::List(_) | PageSource::Whole => Class::Index,
    }
}
