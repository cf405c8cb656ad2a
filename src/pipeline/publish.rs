//! Second stroke: every page rendered into staging. Workers are plain threads; each owns an engine. Pages that turn out to need
//! an asset or a query are rendered again when it has been fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tera::{Tera, Value};

use super::assets::{self, Written, values};
use super::gather::Gathered;
use super::{Cancel, Export, Stop};
use crate::output::{Class, Output, Staged};
use crate::render::{self, Content, Needs, Paginated, QueryRequest, Rendered, Worker, World};
use crate::report::{Diagnostic, Event, Reporter, Stage, codes};
use crate::shape::{Entry, Location, Page, PageSource, Pages, parse_item};
use crate::site::Site;
use crate::text::permalink::Claims;

/// Rounds of rendering at most: a page whose needs never end is a bug of its template.
const ROUNDS: usize = 8;
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
struct Shared {
    gathered: Gathered,
    pages: Arc<Pages>,
    output: Arc<Output>,
    engine: Tera,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
    rendered: AtomicU64,
    /// Whether any template reads `group_items`: all of a group are read only then.
    reads_groups: bool,
    /// A file could not be written: more would only repeat it.
    broken: AtomicBool,
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
            broken: AtomicBool::new(false),
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
        problems.extend(self.put_rest(&output, &pages, &static_files, &written, &mut claims));
        if problems.iter().any(Diagnostic::is_error) {
            return Err(Stop::Problems(problems));
        }
        drop(shared);
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
        world.assets.extend(fetched);
        self.stage_finished(Stage::Assets, total, started);
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
        pages: &Pages,
        named: &BTreeSet<String>,
        written: &Written,
        claims: &mut Claims,
    ) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut claim = |path: &str, what: &str| {
            let conflict = claims.insert(path, u32::MAX);
            conflict.map(|_| {
                Diagnostic::error(codes::SAME_PATH, format!("{what} and a page or file of yours have one output path"))
                    .note("path", path)
                    .help("move the other one")
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
        let own_sitemap = pages.pages.iter().any(|page| &*page.path == "/sitemap.xml")
            || self.site.static_files.0.contains_key("sitemap.xml");
        if !own_sitemap {
            for (path, bytes) in render::sitemaps(&self.site, pages) {
                problems.extend(claim(&path, "the sitemap"));
                if let Err(error) = output.put(&path, Class::Index, &bytes) {
                    problems.push(error.diagnostic());
                }
            }
        }
        problems
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
        problem = problem.note("page", format!("{} (templates/{template})", page.path));
    }
    problem
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

fn render_all(shared: &Shared, world: &Arc<World>, todo: &[u32], workers: usize) -> Pass {
    let next = AtomicUsize::new(0);
    let pass = Mutex::new(Pass::default());
    std::thread::scope(|scope| {
        for _ in 0..workers.min(todo.len().div_ceil(CHUNK)).max(1) {
            scope.spawn(|| {
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
        }
    });
    let mut pass = pass.into_inner().unwrap_or_else(PoisonError::into_inner);
    pass.again.sort_unstable();
    pass
}

#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    /// The group read last: its pages stand one after another and share their entries.
    group: Option<(Arc<[u32]>, Value)>,
}

fn one(shared: &Shared, world: &World, worker: &mut Worker, scratch: &mut Scratch, number: u32, mine: &mut Pass) {
    let page = &shared.pages.pages[number as usize];
    let route = &world.site.routes[page.route as usize];
    let document = match &route.template {
        None => json(shared, world, page, scratch),
        Some(template) => match content(shared, world, page, scratch) {
            Ok(content) => match worker.render(page, template, &content) {
                Rendered::Document { bytes, reads } => {
                    let told = |note: &String| Diagnostic::warning(codes::RICH_TEXT, format!("rich text: {note}"));
                    mine.problems.extend(reads.notes.iter().map(|note| match &content.fragment {
                        Some(fragment) => told(note).fragment(fragment),
                        None => told(note).note("page", page.path.to_string()),
                    }));
                    mine.static_files.extend(reads.static_files);
                    Ok(bytes)
                }
                Rendered::Needs(needs) => {
                    mine.needs.merge(needs);
                    mine.again.push(number);
                    return;
                }
                Rendered::Failed(problem) => Err(*problem),
            },
            Err(problem) => Err(problem),
        },
    };
    let class = if matches!(page.source, PageSource::Each(_)) { Class::Page } else { Class::List };
    let put = document.and_then(|bytes| {
        shared.output.put(page.permalink().output(), class, &bytes).map_err(|error| {
            shared.broken.store(true, Ordering::Relaxed);
            error.diagnostic()
        })
    });
    if let Err(problem) = put {
        mine.problems.push(problem);
    }
    let done = shared.rendered.fetch_add(1, Ordering::Relaxed) + 1;
    if done.is_multiple_of(64) || done == shared.pages.pages.len() as u64 {
        let total = Some(shared.pages.pages.len() as u64);
        shared.reporter.emit(Event::Progress { stage: Stage::Render, done, total, slow: Some(route.name.clone()) });
    }
}

fn read_value(shared: &Shared, at: Location, scratch: &mut Scratch) -> Result<Value, Diagnostic> {
    shared.gathered.read(at, &mut scratch.bytes)?;
    parse_item(&scratch.bytes)
        .map_err(|error| Diagnostic::error(codes::NOT_JSON, format!("an item cannot be read: {error}")))
}

fn entry_of<'g>(shared: &'g Shared, page: &Page, number: u32) -> Option<&'g Entry> {
    shared.gathered.entries_of(page).get(number as usize)
}

/// What a template sees of its own page.
fn content(shared: &Shared, world: &World, page: &Page, scratch: &mut Scratch) -> Result<Content, Diagnostic> {
    let mut content = Content::default();
    let variables = |call: u32| shared.gathered.calls.get(call as usize).map(|info| info.variables.clone());
    match &page.source {
        PageSource::Each(each) => {
            let Some(entry) = entry_of(shared, page, each.entry) else {
                return Ok(content);
            };
            content.item = Some(read_value(shared, entry.at, scratch)?);
            content.fragment = Some(entry.fragment.to_string());
            if let Some(outer) = entry.outer {
                content.parent = Some(read_value(shared, outer, scratch)?);
            }
            if let Some(variables) = variables(entry.call) {
                content.variables = variables;
            }
        }
        PageSource::List(list) => {
            let items = list_items(shared, page, list.on_page())?;
            if list.group.is_some() && shared.reads_groups {
                let all = list.on_page().len() == list.entries.len();
                content.group_items =
                    Some(if all { items.clone() } else { group_items(shared, page, &list.entries, scratch)? });
            }
            content.items = Some(items);
            let first = list.entries.first().and_then(|number| entry_of(shared, page, *number));
            if let Some(variables) = first.and_then(|entry| variables(entry.call)) {
                content.variables = variables;
            }
        }
        PageSource::Whole => {
            if let Some(info) = shared.gathered.whole_call(page) {
                content.data =
                    Some(parse_item(&whole_data(shared, world, info)?).map_err(|error| {
                        Diagnostic::error(codes::NOT_JSON, format!("`data` cannot be read: {error}"))
                    })?);
                content.variables = info.variables.clone();
            }
        }
    }
    Ok(content)
}

fn list_items(shared: &Shared, page: &Page, numbers: &[u32]) -> Result<Value, Diagnostic> {
    let locations: Vec<Location> =
        numbers.iter().filter_map(|number| Some(entry_of(shared, page, *number)?.at)).collect();
    values(&shared.gathered, &locations).map(Value::from)
}

fn group_items(shared: &Shared, page: &Page, entries: &Arc<[u32]>, scratch: &mut Scratch) -> Result<Value, Diagnostic> {
    if let Some((known, items)) = &scratch.group
        && Arc::ptr_eq(known, entries)
    {
        return Ok(items.clone());
    }
    let items = list_items(shared, page, entries)?;
    scratch.group = Some((entries.clone(), items.clone()));
    Ok(items)
}

/// `data` of a call; a paged root holds the items of all its pages.
fn whole_data(shared: &Shared, world: &World, info: &super::gather::CallInfo) -> Result<Vec<u8>, Diagnostic> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: &'a serde_json::value::RawValue,
    }
    let unreadable =
        |error: serde_json::Error| Diagnostic::error(codes::NOT_JSON, format!("`data` cannot be read: {error}"));
    let Some(first) = info.answers.first() else {
        return Ok(b"{}".to_vec());
    };
    let body = shared.gathered.body(*first)?;
    let data = serde_json::from_slice::<Body<'_>>(&body).map_err(unreadable)?.data.get();
    if info.answers.len() == 1 {
        return Ok(data.as_bytes().to_vec());
    }
    let mut data: serde_json::Value = serde_json::from_str(data).map_err(unreadable)?;
    let query = world.site.queries.get(&info.call.query);
    for root in query.into_iter().flat_map(|query| &query.roots).filter(|root| root.paging != crate::site::Paging::None)
    {
        let locations = info.by_root.get(&root.key).cloned().unwrap_or_default();
        let mut bytes = Vec::new();
        let mut items = Vec::with_capacity(locations.len());
        for at in locations {
            shared.gathered.read(at, &mut bytes)?;
            let item: serde_json::Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
            items.push(match root.to_items.get(1) {
                Some(node) => serde_json::json!({ node.as_str(): item }),
                None => item,
            });
        }
        if let Some(holder) = root.to_items.first().and_then(|key| data.get_mut(&root.key)?.get_mut(key)) {
            *holder = serde_json::Value::Array(items);
        }
    }
    serde_json::to_vec(&data).map_err(unreadable)
}

/// A page without a template.
fn json(shared: &Shared, world: &World, page: &Page, scratch: &mut Scratch) -> Result<Vec<u8>, Diagnostic> {
    let unreadable = |error: serde_json::Error| {
        let problem = Diagnostic::error(codes::NOT_JSON, format!("the content of a page cannot be read: {error}"));
        match shared.gathered.fragment_of(page) {
            Some(fragment) => problem.fragment(fragment),
            None => problem.note("page", page.path.to_string()),
        }
    };
    match &page.source {
        PageSource::Each(each) => {
            let Some(entry) = entry_of(shared, page, each.entry) else {
                return Ok(Vec::new());
            };
            shared.gathered.read(entry.at, &mut scratch.bytes)?;
            render::each_json(&scratch.bytes).map_err(unreadable)
        }
        PageSource::List(list) => {
            let mut items: Vec<Vec<u8>> = Vec::new();
            for number in list.on_page() {
                if let Some(entry) = entry_of(shared, page, *number) {
                    let mut bytes = Vec::new();
                    shared.gathered.read(entry.at, &mut bytes)?;
                    items.push(bytes);
                }
            }
            render::list_json(items.iter().map(Vec::as_slice), &Paginated::new(&world.site, list)).map_err(unreadable)
        }
        PageSource::Whole => match shared.gathered.whole_call(page) {
            Some(info) => {
                let data = whole_data(shared, world, info)?;
                render::without_author_urls(&data).map(std::borrow::Cow::into_owned).map_err(unreadable)
            }
            None => Ok(b"{}".to_vec()),
        },
    }
}
