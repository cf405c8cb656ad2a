//! Second stroke: every page rendered into staging. Workers are plain threads; each owns an engine. Pages that turn out to need
//! an asset or a query are rendered again when it has been fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tera::Tera;

use super::assets::{self, Written};
use super::contents::{Items, Scratch, content, json};
use super::gathered::Gathered;
use super::{Cancel, Export, Stop, merge};
use crate::output::{Class, Output, Staged};
use crate::render::{self, Needs, QueryRequest, Rendered, Worker, World};
use crate::report::{Diagnostic, Event, Reporter, Stage, codes};
use crate::shape::{ItemReader, Page, PageSource, Pages};
use crate::site::{Kind, Route, Site};
use crate::text::permalink::{Claims, Permalink};

/// Rounds of rendering at most: a page whose needs never end is a bug of its template.
const ROUNDS: usize = 8;
/// Items on a page from which on it is rendered alone: some 10 KB of memory each.
const HEAVY: usize = 2_000;
/// Pages a worker takes at a time.
const CHUNK: usize = 16;

/// What one pass over pages brought.
#[derive(Default)]
struct Pass {
    needs: Needs,
    again: Vec<u32>,
    problems: Vec<Diagnostic>,
    static_files: BTreeSet<String>,
}

/// What every worker of a pass shares.
pub(super) struct Shared {
    pub(super) gathered: Gathered,
    pages: Arc<Pages>,
    output: Arc<Output>,
    engine: Tera,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
    rendered: AtomicU64,
    /// Whether any template reads `group_items`: all of a group are read only then.
    pub(super) reads_groups: bool,
    /// By list route: what its template can read of items, where that is known.
    pub(super) readers: BTreeMap<u32, ItemReader>,
    /// Reads whole items.
    pub(super) whole: ItemReader,
    /// A file could not be written: more would only repeat it.
    broken: AtomicBool,
    /// Held while a list of very many items is rendered: its items are all in memory, and one such list at a time is enough.
    heavy: Mutex<()>,
}

impl Export<'_> {
    /// Renders everything; gives the finished staging and the warnings on the way.
    pub(super) async fn publish(
        &mut self,
        output: Arc<Output>,
        gathered: Gathered,
        pages: Arc<Pages>,
        mut claims: Claims,
    ) -> Result<(Staged, Vec<Diagnostic>), Stop> {
        let total = pages.pages.len() as u64;
        let started = self.stage_started(Stage::Render, Some(total));
        let shared = Arc::new(Shared {
            gathered: gathered.clone(),
            pages: pages.clone(),
            output: output.clone(),
            engine: render::engine(&self.site).map_err(|problem| Stop::Problems(vec![*problem]))?,
            reporter: self.reporter.clone(),
            cancel: self.cancel.clone(),
            rendered: AtomicU64::new(0),
            reads_groups: self.site.templates.iter().any(|(_, source)| source.contains("group_items")),
            readers: readers(&self.site),
            whole: ItemReader::of(None),
            broken: AtomicBool::new(false),
            heavy: Mutex::new(()),
        });
        let written: Written = Arc::default();
        let mut world =
            World { site: self.site.clone(), pages: pages.clone(), results: BTreeMap::new(), assets: BTreeMap::new() };
        let first = literal_needs(&self.site, &pages);
        let cancel = self.cancel.clone();
        world.results = tokio::select! {
            results = assets::ask(&self.site, &gathered, &first) => results.map_err(Stop::Problems)?,
            () = cancel.wait() => return Err(Stop::Interrupted),
        };
        let mut todo: Vec<u32> = (0..u32::try_from(pages.pages.len()).unwrap_or(u32::MAX)).collect();
        let mut problems = Vec::new();
        let mut static_files = BTreeSet::new();
        let mut fetched = 0;
        for round in 0.. {
            let pass = self.pass(shared.clone(), Arc::new(world.clone()), todo).await?;
            problems.extend(pass.problems);
            static_files.extend(pass.static_files);
            if pass.needs.is_empty() {
                break;
            }
            if round == ROUNDS {
                problems.push(endless(&self.site, &pages, &pass.again));
                break;
            }
            fetched += pass.needs.assets.len() as u64;
            if let Err(stop) = self.meet(&pass.needs, &mut world, &gathered, &output, &written).await {
                return Err(stop.with(problems));
            }
            todo = pass.again;
        }
        if self.cancel.is_set() {
            return Err(Stop::Interrupted);
        }
        self.stage_finished(Stage::Render, total, started);
        if fetched > 0 {
            self.reporter.emit(Event::Detail(format!("{fetched} assets fetched")));
        }
        problems.extend(self.put_rest(&output, &gathered, &pages, &static_files, &written, &mut claims));
        if problems.iter().any(Diagnostic::is_error) {
            return Err(Stop::Problems(problems));
        }
        // Planning the commit takes memory of its own, so what the renders needed goes first.
        drop((shared, world, gathered, pages, claims));
        let output = Arc::try_unwrap(output).map_err(|_| {
            Stop::Problems(vec![Diagnostic::error(codes::OUTPUT_IO, "the staging is still in use, which is a bug")])
        })?;
        let staged = output.finish().map_err(|error| error.diagnostic())?;
        Ok((staged, problems))
    }

    async fn meet(
        &mut self,
        needs: &Needs,
        world: &mut World,
        gathered: &Gathered,
        output: &Arc<Output>,
        written: &Written,
    ) -> Result<(), Stop> {
        let cancel = self.cancel.clone();
        let total = needs.assets.len() as u64;
        let started = self.stage_started(Stage::Assets, Some(total));
        let meet = async {
            let results = assets::ask(&self.site, gathered, needs).await?;
            let fetched = assets::fetch(&self.aem, output, written, &self.reporter, needs.assets.iter().cloned()).await;
            Ok((results, fetched))
        };
        let (results, fetched) = tokio::select! {
            met = meet => met.map_err(Stop::Problems)?,
            () = cancel.wait() => return Err(Stop::Interrupted),
        };
        world.results.extend(results);
        let copied = fetched.values().filter(|asset| asset.is_ok()).count() as u64;
        world.assets.extend(fetched);
        self.stage_finished(Stage::Assets, copied, started);
        Ok(())
    }

    async fn pass(&self, shared: Arc<Shared>, world: Arc<World>, todo: Vec<u32>) -> Result<Pass, Stop> {
        let workers = match self.options.workers {
            0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            workers => workers,
        };
        let passed = tokio::task::spawn_blocking(move || render_all(&shared, &world, &todo, workers)).await;
        match passed {
            Ok(pass) => Ok(pass),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// static/, its digest-named copies, and the sitemap.
    fn put_rest(
        &self,
        output: &Output,
        gathered: &Gathered,
        pages: &Pages,
        named: &BTreeSet<String>,
        written: &Written,
        claims: &mut Claims,
    ) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut claim = |path: &str, what: &str| {
            let conflict = claims.insert(path, u32::MAX);
            conflict.map(|conflict| {
                let (other, fragment) = self.source_name(pages, gathered, conflict.other);
                let message = format!("{what} and a page or file of yours have one output path");
                let mut problem = Diagnostic::error(codes::SAME_PATH, message)
                    .note("path", format!("/{path}"))
                    .note("first", other)
                    .note("second", what)
                    .help("move the first one");
                problem.fragments.extend(fragment);
                problem
            })
        };
        for path in written.lock().unwrap_or_else(PoisonError::into_inner).keys() {
            problems.extend(claim(path, "the copy of an asset"));
        }
        for file in self.site.static_files.0.values() {
            let copies =
                std::iter::once(file.output.clone()).chain(named.contains(&file.output).then(|| file.with_digest()));
            for path in copies {
                if path != file.output {
                    problems.extend(claim(&path, "the digest-named copy of a static file"));
                }
                if let Err(error) = output.put_copy(&path, Class::Asset, &file.source) {
                    problems.push(error.diagnostic());
                }
            }
        }
        let own_sitemap = pages.pages.iter().any(|page| pages.path(page) == "/sitemap.xml")
            || self.site.static_files.0.contains_key("sitemap.xml");
        if !own_sitemap {
            for (path, bytes) in render::sitemaps(&self.site, pages) {
                if let Some(problem) = claim(&path, "the sitemap") {
                    problems.push(problem);
                } else if let Err(error) = output.put(&path, Class::Index, &bytes) {
                    problems.push(error.diagnostic());
                }
            }
        }
        problems
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

/// Pages whose every render asks for something new.
fn endless(site: &Site, pages: &Pages, again: &[u32]) -> Diagnostic {
    let mut problem = Diagnostic::error(
        codes::TEMPLATE_RENDER,
        format!("pages still need more after {ROUNDS} rounds of rendering"),
    )
    .help(
        "a template computes the arguments of `query` or `image` from the result of the one before: shorten the chain",
    );
    for page in again.iter().take(5).map(|number| &pages.pages[*number as usize]) {
        let template = site.routes[page.route as usize].template.as_deref().unwrap_or_default();
        problem = problem.note("page", format!("{} (templates/{template})", pages.path(page)));
    }
    problem
}

/// What the templates of list routes can read of items.
fn readers(site: &Site) -> BTreeMap<u32, ItemReader> {
    let reader = |route: &Route| {
        let fields = site.templates.item_fields(route.template.as_deref()?)?;
        Some((u32::try_from(route.index).ok()?, ItemReader::of(Some(fields))))
    };
    site.routes.iter().filter(|route| route.kind == Kind::List).filter_map(reader).collect()
}

/// The queries that templates name literally, in every locale that pages have.
fn literal_needs(site: &Site, pages: &Pages) -> Needs {
    let mut needs = Needs::default();
    let page_locales: BTreeSet<Option<u16>> = pages.pages.iter().map(|page| page.locale).collect();
    for name in site.templates.literal_queries() {
        let Some(query) = site.queries.get(name) else { continue };
        // One that takes variables of the template's is asked for when the template is known to need it.
        if query.variables.iter().any(|variable| variable.required && variable.name != "locale") {
            continue;
        }
        for locale in &page_locales {
            let localized = query.variable("locale").is_some() && !site.config.site.locales.is_empty();
            let locale = locale.or(Some(0)).filter(|_| localized);
            let request = QueryRequest { name: name.to_owned(), variables: serde_json::Map::new(), locale, from: None };
            needs.queries.insert(request.key(), request);
        }
    }
    needs
}

/// Tera calls itself for every include, and its own limit is none: 500 templates that include each other overflow the usual
/// 2 MiB. This is address space, not memory, until it is used.
const RENDER_STACK: usize = 64 << 20;

fn render_all(shared: &Shared, world: &Arc<World>, todo: &[u32], workers: usize) -> Pass {
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
    let document = match &route.template {
        None => json(shared, world, page, scratch),
        Some(template) => match rendered(shared, world, worker, scratch, page, template) {
            Ok((Rendered::Document { bytes, reads }, fragment)) => {
                let told = |note: &String| Diagnostic::warning(codes::RICH_TEXT, format!("rich text: {note}"));
                mine.problems.extend(reads.notes.iter().map(|note| match &fragment {
                    Some(fragment) => told(note).fragment(fragment),
                    None => told(note).note("page", shared.pages.path(page)),
                }));
                mine.static_files.extend(reads.static_files);
                Ok(bytes)
            }
            Ok((Rendered::Needs(needs), _)) => {
                mine.needs.merge(needs);
                mine.again.push(number);
                return;
            }
            Ok((Rendered::Failed(problem), _)) => Err(*problem),
            Err(problem) => Err(problem),
        },
    };
    let permalink = shared.pages.permalink(page);
    let class = class_of(page, &permalink);
    let put = document.and_then(|bytes| {
        shared.output.put(permalink.output(), class, &bytes).map_err(|error| {
            shared.broken.store(true, Ordering::Relaxed);
            error.diagnostic()
        })
    });
    if let Err(problem) = put {
        merge::add(&mut mine.problems, problem);
    }
    let done = shared.rendered.fetch_add(1, Ordering::Relaxed) + 1;
    if done.is_multiple_of(64) || done == shared.pages.pages.len() as u64 {
        let total = Some(shared.pages.pages.len() as u64);
        shared.reporter.emit(Event::Progress { stage: Stage::Render, done, total, slow: Some(route.name.clone()) });
    }
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
        Rendered::Failed(_) if shared.readers.contains_key(&page.route) => {
            let whole = content(shared, world, page, Items::Whole, scratch)?;
            Ok((worker.render(page, template, &whole), whole.fragment))
        }
        rendered => Ok((rendered, read.fragment)),
    }
}
