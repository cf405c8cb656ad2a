//! One pass over pages: plain threads, each with an engine of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tera::Tera;

use super::contents::{Items, Scratch, content, json};
use super::gathered::Gathered;
use super::{Cancel, Facts, facts, merge};
use crate::output::{Class, Output};
use crate::render::{Needs, Reads, Rendered, Worker, World};
use crate::report::{Diagnostic, Event, Reporter, Stage, codes};
use crate::shape::{ItemReader, Page, PageSource, Pages};
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
    /// Keys of results that were read, had items in the last build, and have none.
    pub(super) emptied: BTreeSet<String>,
}

/// What every worker of a pass shares.
pub(super) struct Shared {
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
    /// Takes down what pages were made of.
    pub(super) facts: Facts,
    /// Held while a list of very many items is rendered: its items are all in memory, and one such list at a time is enough.
    pub(super) heavy: Mutex<()>,
}

/// Tera calls itself for every include, and its own limit is none: 500 templates that include each other overflow the usual
/// 2 MiB. This is address space, not memory, until it is used.
const RENDER_STACK: usize = 64 << 20;

/// Renders pages with some threads.
pub(super) fn render_all(shared: &Shared, world: &Arc<World>, todo: &[u32], workers: usize) -> Pass {
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
                        one(shared, world, &mut worker, &mut scratch, *number, &mut mine);
                    }
                }
                let mut pass = pass.lock().unwrap_or_else(PoisonError::into_inner);
                pass.needs.merge(mine.needs);
                pass.again.extend(mine.again);
                pass.problems.extend(mine.problems);
                pass.static_files.extend(mine.static_files);
                pass.emptied.extend(mine.emptied);
            });
            started.expect("the system starts a thread");
        }
    });
    let mut pass = pass.into_inner().unwrap_or_else(PoisonError::into_inner);
    pass.again.sort_unstable();
    pass
}

fn one(shared: &Shared, world: &World, worker: &mut Worker, scratch: &mut Scratch, number: u32, mine: &mut Pass) {
    let page = &shared.pages.pages[number as usize];
    let route = &world.site.routes[page.route as usize];
    let many = matches!(&page.source, PageSource::List(list) if list.on_page().len() > HEAVY);
    let _alone = many.then(|| shared.heavy.lock().unwrap_or_else(PoisonError::into_inner));
    let started = Instant::now();
    let note = |reads: Reads| {
        shared.facts.add(|| facts::of(&shared.gathered, world, page, reads, started.elapsed()));
    };
    let document = match &route.template {
        None => json(shared, world, page, scratch).map(Some).inspect(|_| note(Reads::default())),
        Some(template) => match rendered(shared, world, worker, scratch, page, template) {
            Ok((Rendered::Document { bytes, reads }, fragment)) => {
                let told = |note: &String| Diagnostic::warning(codes::RICH_TEXT, format!("rich text: {note}"));
                mine.problems.extend(reads.notes.iter().map(|note| match &fragment {
                    Some(fragment) => told(note).fragment(fragment),
                    None => told(note).note("page", shared.pages.path(page)),
                }));
                mine.static_files.extend(reads.static_files.iter().cloned());
                mine.emptied.extend(reads.emptied.iter().cloned());
                note(reads);
                Ok(Some(bytes))
            }
            Ok((Rendered::Needs(needs), _)) => {
                mine.needs.merge(needs);
                mine.again.push(number);
                return;
            }
            // It misses what is told to have become empty.
            Ok((Rendered::Failed { reads, .. }, _)) if !reads.emptied.is_empty() => {
                mine.emptied.extend(reads.emptied);
                Ok(None)
            }
            Ok((Rendered::Failed { problem, .. }, _)) => Err(*problem),
            Err(problem) => Err(problem),
        },
    };
    if let Err(problem) = document.and_then(|document| put(shared, page, document)) {
        merge::add(&mut mine.problems, problem);
    }
    let done = shared.rendered.fetch_add(1, Ordering::Relaxed) + 1;
    if done.is_multiple_of(64) || done == shared.pages.pages.len() as u64 {
        let total = Some(shared.pages.pages.len() as u64);
        shared.reporter.emit(Event::Progress { stage: Stage::Render, done, total, slow: Some(route.name.clone()) });
    }
}

/// Puts a page's document, if documents are what is wanted.
fn put(shared: &Shared, page: &Page, document: Option<Vec<u8>>) -> Result<(), Diagnostic> {
    let Some(bytes) = document.filter(|_| shared.purpose == Purpose::Documents) else {
        return Ok(());
    };
    let permalink = shared.pages.permalink(page);
    let put = shared.output.put(permalink.output(), class_of(page, &permalink), &bytes);
    put.map(|_| ()).map_err(|error| {
        shared.broken.store(true, Ordering::Relaxed);
        error.diagnostic()
    })
}

/// Renders a page, and tells which content fragment it shows.
fn rendered(
    shared: &Shared,
    world: &World,
    worker: &mut Worker,
    scratch: &mut Scratch,
    page: &Page,
    template: &str,
) -> Result<(Rendered, Option<String>), Diagnostic> {
    let read = content(shared, world, page, Items::AsRead, scratch)?;
    match worker.render(page, template, &read) {
        // The message says which fields there are.
        Rendered::Failed { .. } if shared.readers.contains_key(&page.route) => {
            let whole = content(shared, world, page, Items::Whole, scratch)?;
            Ok((worker.render(page, template, &whole), whole.fragment))
        }
        rendered => Ok((rendered, read.fragment)),
    }
}

/// When a page is put into place: what links to others comes after them. A feed and a page of its own, such as the home
/// page, link to pages and lists.
fn class_of(page: &Page, permalink: &Permalink) -> Class {
    match page.source {
        PageSource::Each(_) => Class::Page,
        PageSource::List(_) if permalink.is_html() => Class::List,
        PageSource::List(_) | PageSource::Whole => Class::Index,
    }
}
