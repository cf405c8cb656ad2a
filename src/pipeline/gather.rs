//! First stroke: every call walked, every item placed. Bodies leave memory as soon as they are kept on disk; an entry of about
//! 200 bytes an item and route stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tera::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::walk::{Walked, walk};
use super::{Export, Stop};
use crate::aem::Aem;
use crate::output::Staged;
use crate::plan::{self, PlannedCall};
use crate::report::{Diagnostic, Event, Reporter, Stage, codes};
use crate::shape::{Entry, Evaluator, Location, Outer, Page, PageSource, RouteEntries, parse_item};
use crate::site::{Query, Root, Route, Shape, Site};
use crate::state::{AnswerId, CallRecord, Manifest, State};

/// One call of this build.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Its number, in the order of planning.
    pub(super) number: u32,
    /// What is asked.
    pub(super) call: PlannedCall,
    /// Every root with items is wanted, not only those of routes: a template asks.
    pub(super) all_roots: bool,
}

/// What every walk holds.
pub(super) struct Gatherer {
    pub(super) site: Arc<Site>,
    pub(super) aem: Aem,
    pub(super) evaluators: Arc<Vec<Evaluator>>,
    state: Arc<State>,
    reporter: Arc<dyn Reporter>,
    answers: Mutex<Vec<AnswerId>>,
    done: AtomicU64,
    /// Names of the queries being asked, by number; the first has waited longest.
    waiting: Mutex<BTreeMap<u32, String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gatherer {
    pub(super) fn query(&self, run: &Run) -> &Query {
        self.site.queries.get(&run.call.query).expect("a planned call names a query that exists")
    }

    /// The roots whose items are taken.
    pub(super) fn roots<'q>(&self, run: &Run, query: &'q Query) -> Vec<&'q Root> {
        let all = run.all_roots || run.call.whole || !run.call.outer_of.is_empty();
        let wanted: Vec<&str> = run
            .call
            .routes
            .iter()
            .filter_map(|route| query.items_root(self.site.routes[*route].from.as_deref()))
            .map(|root| root.key.as_str())
            .collect();
        query
            .roots
            .iter()
            .filter(|root| root.shape != Shape::Other && (all || wanted.contains(&root.key.as_str())))
            .collect()
    }

    /// Keeps a body on disk; gives its number in this build.
    pub(super) fn keep(&self, body: &[u8]) -> Result<u32, Diagnostic> {
        let id = self.state.answers().keep(body).map_err(|error| error.diagnostic())?;
        let mut answers = lock(&self.answers);
        answers.push(id);
        u32::try_from(answers.len() - 1).map_err(|_| Diagnostic::error(codes::TOO_LARGE, "more than 4 billion answers"))
    }

    pub(super) fn progress(&self, items: usize) {
        let done = self.done.fetch_add(items as u64, Ordering::Relaxed) + items as u64;
        let slow = lock(&self.waiting).values().next().cloned();
        self.reporter.emit(Event::Progress { stage: Stage::Fetch, done, total: None, slow });
    }

    pub(super) fn detail(&self, text: String) {
        self.reporter.emit(Event::Detail(text));
    }

    fn read(&self, at: Location) -> Result<Vec<u8>, Diagnostic> {
        let id = lock(&self.answers)[at.answer as usize];
        let mut bytes = Vec::new();
        self.state
            .answers()
            .read_at(&id, u64::from(at.start), at.len as usize, &mut bytes)
            .map_err(|error| error.diagnostic())?;
        Ok(bytes)
    }

    /// Runs calls at the same time, no more of them than keep the client busy, since each may hold a body; results come back
    /// in the order of `runs`.
    async fn run_all(self: &Arc<Self>, runs: Vec<(Run, Option<Outer>)>) -> Result<Vec<(Run, Walked)>, Vec<Diagnostic>> {
        let walks = Arc::new(Semaphore::new(self.aem.connection().concurrency.clamp(1, 1024) * 2));
        let mut tasks = JoinSet::new();
        for (position, (run, outer)) in runs.into_iter().enumerate() {
            let (gatherer, walks) = (self.clone(), walks.clone());
            tasks.spawn(async move {
                let _permit = walks.acquire().await.expect("nobody closes the semaphore");
                lock(&gatherer.waiting).insert(run.number, run.call.query.clone());
                let walked = walk(&gatherer, &run, outer.as_ref()).await;
                lock(&gatherer.waiting).remove(&run.number);
                (position, run, walked)
            });
        }
        let mut results = BTreeMap::new();
        let mut problems = Vec::new();
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok((position, run, Ok(walked))) => {
                    results.insert(position, (run, walked));
                }
                Ok((_, _, Err(found))) => problems.extend(found),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        if problems.is_empty() {
            return Ok(results.into_values().collect());
        }
        problems.extend(results.into_values().flat_map(|(_, walked)| walked.problems));
        Err(problems)
    }
}

/// Everything that was gathered; immutable from here on.
#[derive(Clone)]
pub(super) struct Gathered {
    /// For asking more later: what templates need.
    pub(super) gatherer: Arc<Gatherer>,
    /// Entries by route and locale.
    pub(super) entries: Arc<Vec<RouteEntries>>,
    /// By call number: what was asked, how many items came, in which answers.
    pub(super) calls: Arc<Vec<CallInfo>>,
    /// Ids of all answers by number.
    answers: Arc<Vec<AnswerId>>,
    /// By (route, locale): number of the call whose `data` a `page` route shows.
    whole: Arc<BTreeMap<(usize, Option<u16>), u32>>,
    /// By [`PlannedCall::key`]: the number of a call whose items were kept.
    kept: Arc<BTreeMap<String, usize>>,
}

/// One call and what it brought.
#[derive(Debug, Clone)]
pub(super) struct CallInfo {
    pub(super) call: PlannedCall,
    pub(super) items: u64,
    pub(super) answers: Vec<u32>,
    /// The variables, as templates see them.
    pub(super) variables: Value,
    /// Items by root, for templates and `page` routes.
    pub(super) by_root: BTreeMap<String, Vec<Location>>,
}

impl Export<'_> {
    /// Asks AEM everything that routes and templates name.
    pub(super) async fn gather(&mut self, evaluators: &Arc<Vec<Evaluator>>) -> Result<Gathered, Stop> {
        let started = self.stage_started(Stage::Fetch, None);
        let gatherer = Arc::new(Gatherer {
            site: self.site.clone(),
            aem: self.aem.clone(),
            evaluators: evaluators.clone(),
            state: self.state.clone(),
            reporter: self.reporter.clone(),
            answers: Mutex::default(),
            done: AtomicU64::new(0),
            waiting: Mutex::default(),
        });
        let cancel = self.cancel.clone();
        let gathered = tokio::select! {
            gathered = collect(gatherer) => gathered.map_err(Stop::Problems)?,
            () = cancel.wait() => return Err(Stop::Interrupted),
        };
        self.stage_finished(Stage::Fetch, gathered.items(), started);
        Ok(gathered)
    }
}

async fn collect(gatherer: Arc<Gatherer>) -> Result<Gathered, Vec<Diagnostic>> {
    let site = gatherer.site.clone();
    let mut problems = Vec::new();
    let planned = plan::calls(&site, &mut problems);
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let runs =
        planned.calls.into_iter().zip(0u32..).map(|(call, number)| (Run { number, call, all_roots: false }, None));
    let mut collector = Collector {
        entries: vec![RouteEntries::new(); site.routes.len()],
        calls: Vec::new(),
        whole: BTreeMap::new(),
        named: site.templates.literal_queries().into_iter().map(str::to_owned).collect(),
        problems,
    };
    collector.add(&site, gatherer.run_all(runs.collect()).await?);
    let inner = inner_runs(&gatherer, &mut collector)?;
    if !inner.is_empty() {
        match gatherer.run_all(inner).await {
            Ok(results) => collector.add(&site, results),
            Err(problems) => collector.problems.extend(problems),
        }
    }
    collector.fill_locales(&site);
    if collector.problems.iter().any(Diagnostic::is_error) {
        return Err(collector.problems);
    }
    let answers = lock(&gatherer.answers).clone();
    let kept = collector.calls.iter().enumerate().filter(|(_, info)| !info.by_root.is_empty());
    Ok(Gathered {
        kept: Arc::new(kept.map(|(number, info)| (info.call.key(), number)).collect()),
        gatherer,
        entries: Arc::new(collector.entries),
        calls: Arc::new(collector.calls),
        answers: Arc::new(answers),
        whole: Arc::new(collector.whole),
    })
}

struct Collector {
    entries: Vec<RouteEntries>,
    calls: Vec<CallInfo>,
    whole: BTreeMap<(usize, Option<u16>), u32>,
    /// Queries that templates name: what a route asked already is not asked again, so that both show the same content.
    named: BTreeSet<String>,
    problems: Vec<Diagnostic>,
}

impl Collector {
    fn add(&mut self, site: &Site, results: Vec<(Run, Walked)>) {
        for (run, walked) in results {
            let Walked { items, entries, answers, problems } = walked;
            self.problems.extend(problems);
            for (route, entries) in entries {
                self.entries[route].entry(run.call.locale).or_default().extend(entries);
            }
            for route in &run.call.routes {
                if site.routes[*route].kind == crate::site::Kind::Page {
                    self.whole.insert((*route, run.call.locale), run.number);
                }
            }
            let keep_items = run.call.whole || !run.call.outer_of.is_empty() || self.named.contains(&run.call.query);
            self.calls.push(CallInfo {
                items: items.values().map(|list| list.len() as u64).sum(),
                answers,
                variables: crate::shape::from_json(&serde_json::Value::Object(run.call.variables.clone())),
                by_root: if keep_items { items } else { BTreeMap::new() },
                call: run.call,
            });
        }
    }

    /// A list has its first page in every locale that it runs in, even without items.
    fn fill_locales(&mut self, site: &Site) {
        for call in &self.calls {
            for route in &call.call.routes {
                if site.routes[*route].kind != crate::site::Kind::Page {
                    self.entries[*route].entry(call.call.locale).or_default();
                }
            }
            for route in &call.call.outer_of {
                for locale in plan::inner_locales(site, &site.routes[*route], call.call.locale) {
                    self.entries[*route].entry(locale).or_default();
                }
            }
        }
    }
}

/// The calls that `for_each` makes of outer items: once per distinct set of variables, in outer order.
fn inner_runs(gatherer: &Gatherer, collector: &mut Collector) -> Result<Vec<(Run, Option<Outer>)>, Vec<Diagnostic>> {
    let site = &gatherer.site;
    let mut runs = Vec::new();
    let mut number = u32::try_from(collector.calls.len()).unwrap_or(u32::MAX);
    for route in site.routes.iter().filter(|route| route.for_each.is_some()) {
        let mut seen = BTreeSet::new();
        for info in collector.calls.iter().filter(|info| info.call.outer_of.contains(&route.index)) {
            let Some(root) = site.queries.get(&info.call.query).and_then(|query| query.items_root(None)) else {
                continue;
            };
            let locales = plan::inner_locales(site, route, info.call.locale);
            for at in info.by_root.get(&root.key).into_iter().flatten() {
                let json = gatherer.read(*at).map_err(|problem| vec![problem])?;
                let value = match parse_item(&json) {
                    Ok(value) => value,
                    Err(error) => {
                        collector.problems.push(outer_problem(site, route, &Value::none(), error.to_string()));
                        continue;
                    }
                };
                for locale in &locales {
                    match plan::inner_call(site, route, &value, *locale) {
                        Ok(call) if seen.insert(call.key()) => {
                            let outer = Outer { at: *at, value: value.clone() };
                            runs.push((Run { number, call, all_roots: false }, Some(outer)));
                            number = number.saturating_add(1);
                        }
                        Ok(_) => {}
                        Err(message) => collector.problems.push(outer_problem(site, route, &value, message)),
                    }
                }
            }
        }
    }
    Ok(runs)
}

fn outer_problem(site: &Site, route: &Route, outer: &Value, message: String) -> Diagnostic {
    let problem = Diagnostic::error(codes::VARIABLE, message).at(route.places.place(&site.config_text, "for_each"));
    match outer.get_from_path("_path").and_then(Value::as_str) {
        Some(fragment) => problem.fragment(fragment),
        None => problem,
    }
}

impl Gathered {
    /// Items read in all.
    pub(super) fn items(&self) -> u64 {
        self.calls.iter().map(|call| call.items).sum()
    }

    /// The locales a `page` route runs in.
    pub(super) fn whole_locales(&self, route: &Route) -> Vec<Option<u16>> {
        if route.query.is_none() {
            return vec![None];
        }
        self.whole.keys().filter(|(index, _)| *index == route.index).map(|(_, locale)| *locale).collect()
    }

    /// The call whose `data` a `page` route shows.
    pub(super) fn whole_call(&self, page: &Page) -> Option<&CallInfo> {
        let number = self.whole.get(&(page.route as usize, page.locale))?;
        self.calls.get(*number as usize)
    }

    /// The entries that a page chooses from.
    pub(super) fn entries_of(&self, page: &Page) -> &[Entry] {
        self.entries[page.route as usize].get(&page.locale).map_or(&[], Vec::as_slice)
    }

    /// The content fragment of an `each` page.
    pub(super) fn fragment_of(&self, page: &Page) -> Option<String> {
        match &page.source {
            PageSource::Each(each) => Some(self.entries_of(page).get(each.entry as usize)?.fragment.to_string()),
            _ => None,
        }
    }

    /// The bytes of an item.
    pub(super) fn read(&self, at: Location, into: &mut Vec<u8>) -> Result<(), Diagnostic> {
        into.clear();
        let id = match self.answers.get(at.answer as usize) {
            Some(id) => *id,
            // Asked for by a template after the gathering.
            None => lock(&self.gatherer.answers)[at.answer as usize],
        };
        self.gatherer
            .state
            .answers()
            .read_at(&id, u64::from(at.start), at.len as usize, into)
            .map_err(|error| error.diagnostic())
    }

    /// The whole body of an answer.
    pub(super) fn body(&self, number: u32) -> Result<Vec<u8>, Diagnostic> {
        let id = &self.answers[number as usize];
        self.gatherer.state.answers().read(id).map_err(|error| error.diagnostic())
    }

    /// The items below one root field of a template's call. What a route asked already is taken from there.
    pub(super) async fn ask(&self, call: PlannedCall, root: &str) -> Result<Vec<Location>, Vec<Diagnostic>> {
        let kept = self.kept.get(&call.key()).and_then(|number| self.calls[*number].by_root.get(root));
        if let Some(items) = kept {
            return Ok(items.clone());
        }
        let run = Run { number: u32::MAX, call, all_roots: true };
        let mut walked = walk(&self.gatherer, &run, None).await?;
        if walked.problems.iter().any(Diagnostic::is_error) {
            return Err(walked.problems);
        }
        Ok(walked.items.remove(root).unwrap_or_default())
    }

    /// What the next build is told.
    pub(super) fn manifest(&self, site: &Site, staged: &Staged) -> Manifest {
        let calls = self.calls.iter().map(|info| {
            let answers =
                info.answers.iter().filter_map(|number| self.answers.get(*number as usize).cloned()).collect();
            (self.call_key(site, info), CallRecord { items: info.items, answers })
        });
        let routes = site.routes.iter().map(|route| {
            let entries: usize = self.entries[route.index].values().map(Vec::len).sum();
            (super::guards::route_key(route), entries as u64)
        });
        Manifest {
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            calls: calls.collect(),
            routes: routes.collect(),
            assets: BTreeMap::new(),
            files: staged.stamps().clone(),
        }
    }

    /// A call's name from build to build.
    pub(super) fn call_key(&self, site: &Site, info: &CallInfo) -> String {
        let locale = site.locale_code(info.call.locale).unwrap_or("-");
        let key = info.call.key();
        let variables = key.splitn(3, '|').nth(2).unwrap_or_default();
        format!("{}|{locale}|{variables}", info.call.query)
    }
}
