//! First stroke: every call walked, every item placed. Bodies leave memory as soon as they are kept on disk; an entry an
//! item and route stays.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tera::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::gathered::{CallInfo, Gathered};
use super::hold::{Held, Instead, answered};
use super::kept::Digests;
use super::walk::Walked;
use super::{AnswersFrom, Export, Stop, Versions, lock};
use crate::aem::Aem;
use crate::output::Mode;
use crate::plan::{self, PlannedCall};
use crate::report::{Diagnostic, Event, Reporter, Stage, codes};
use crate::shape::{Evaluator, Location, Outer, RouteEntries, parse_item};
use crate::site::{OnError, Query, Root, Route, Shape, Site};
use crate::state::{AnswerId, AnswerRecord, CallRecord, IndexWriter, Key, Manifest, State};
use crate::text::texts::Texts;

/// One call of this build.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Its number, in the order of planning.
    pub(super) number: u32,
    /// What is asked.
    pub(super) call: PlannedCall,
    /// Every root with items is wanted, not only those of routes: a template asks.
    pub(super) all_roots: bool,
    pub(super) answers_from: AnswersFrom,
}

/// What every walk holds.
pub(super) struct Gatherer {
    pub(super) site: Arc<Site>,
    pub(super) aem: Aem,
    pub(super) evaluators: Arc<Vec<Evaluator>>,
    pub(super) state: Arc<State>,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) answers: Mutex<Vec<AnswerRecord>>,
    /// By answer: its items' starts and digests, in order.
    pub(super) digests: Mutex<Vec<Digests>>,
    /// What the last build was answered, by what it asked.
    pub(super) known: HashMap<Key, AnswerRecord>,
    /// For the blocks of this build; `None` in one that writes nothing.
    pub(super) writer: Mutex<Option<IndexWriter>>,
    /// Nothing that earlier builds noted is used.
    pub(super) full: bool,
    /// The last build asked the same host.
    pub(super) is_same_host: bool,
    pub(super) answers_from: AnswersFrom,
    pub(super) versions: Versions,
    pub(super) on_error: OnError,
    /// What templates asked and is held.
    held: Mutex<Held>,
    /// What templates asked besides, by [`super::gathered::stable_key`].
    asked: Mutex<BTreeMap<String, CallRecord>>,
    /// What entries say, until pages are made of them.
    texts: Mutex<Texts>,
    done: AtomicU64,
    /// Names of the queries being asked, by number; the first has waited longest.
    waiting: Mutex<BTreeMap<u32, String>>,
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

    fn run(&self, number: u32, call: PlannedCall) -> Run {
        Run { number, call, all_roots: false, answers_from: self.answers_from }
    }

    /// Holds what a template asked in vain: what the last build kept stands in for it, or nothing.
    ///
    /// # Errors
    /// Its problems, where nothing does.
    pub(super) fn hold(&self, run: &Run, walked: &mut Walked) -> Result<(), Vec<Diagnostic>> {
        if walked.instead == Some(Instead::Nothing) {
            return Err(std::mem::take(&mut walked.problems));
        }
        lock(&self.held).take(run, walked);
        Ok(())
    }

    /// What is held of what templates asked.
    pub(super) fn held(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut lock(&self.held).problems)
    }

    /// Remembers what a template asked.
    pub(super) fn record(&self, key: String, items: u64, numbers: &[u32]) {
        let answers = lock(&self.answers);
        let answers = numbers.iter().filter_map(|number| answers.get(*number as usize).cloned()).collect();
        lock(&self.asked).insert(key, CallRecord { items, answers });
    }

    /// What templates asked so far.
    pub(super) fn asked(&self) -> MutexGuard<'_, BTreeMap<String, CallRecord>> {
        lock(&self.asked)
    }

    /// The texts of entries; locked for as long as it is held.
    pub(super) fn texts(&self) -> MutexGuard<'_, Texts> {
        lock(&self.texts)
    }

    pub(super) fn progress(&self, items: usize) {
        let done = self.done.fetch_add(items as u64, Ordering::Relaxed) + items as u64;
        let slow = lock(&self.waiting).values().next().cloned();
        self.reporter.emit(Event::Progress { stage: Stage::Fetch, done, total: None, slow });
    }

    pub(super) fn detail(&self, text: String) {
        self.reporter.emit(Event::Detail(text));
    }

    /// The bytes of an item.
    pub(super) fn read(&self, at: Location, into: &mut Vec<u8>) -> Result<(), Diagnostic> {
        let id = lock(&self.answers)[at.answer as usize].id;
        self.read_from(&id, at, into)
    }

    /// The bytes of an item of an answer whose id is known.
    pub(super) fn read_from(&self, id: &AnswerId, at: Location, into: &mut Vec<u8>) -> Result<(), Diagnostic> {
        let read = self.state.answers().read_at(id, u64::from(at.start), at.len as usize, into);
        read.map_err(|error| error.diagnostic())
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
                let walked = answered(&gatherer, &run, outer.as_ref()).await;
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
        problems.extend(results.into_values().flat_map(|(_, walked)| [walked.problems, walked.misplaced]).flatten());
        Err(problems)
    }
}

impl Export<'_> {
    /// Asks AEM everything that routes and templates name.
    /// What came with problems that leave the rest usable; any other problem ends it.
    pub(super) async fn gather(
        &mut self,
        evaluators: &Arc<Vec<Evaluator>>,
    ) -> Result<(Gathered, Held, Vec<Diagnostic>), Stop> {
        let started = self.stage_started(Stage::Fetch, None);
        let gatherer = Arc::new(Gatherer {
            site: self.site.clone(),
            aem: self.aem.clone(),
            evaluators: evaluators.clone(),
            state: self.state.clone(),
            reporter: self.reporter.clone(),
            answers: Mutex::default(),
            digests: Mutex::default(),
            is_same_host: self.state.manifest().host == super::host(&self.aem),
            answers_from: self.options.answers,
            versions: self.options.versions,
            on_error: self.options.on_error,
            held: Mutex::default(),
            known: known(self.state.manifest()),
            writer: Mutex::new(match self.options.mode {
                Mode::Write => Some(self.state.index_writer().map_err(|error| error.diagnostic())?),
                Mode::DryRun | Mode::Compare => None,
            }),
            full: self.options.full,
            asked: Mutex::default(),
            texts: Mutex::default(),
            done: AtomicU64::new(0),
            waiting: Mutex::default(),
        });
        let cancel = self.cancel.clone();
        let (gathered, held, problems) = tokio::select! {
            gathered = collect(gatherer) => gathered.map_err(Stop::Problems)?,
            () = cancel.wait() => return Err(Stop::Interrupted),
        };
        self.stage_finished(Stage::Fetch, gathered.items(), started);
        Ok((gathered, held, problems))
    }
}

fn known(manifest: &Manifest) -> HashMap<Key, AnswerRecord> {
    let answers = manifest.calls.values().flat_map(|call| &call.answers);
    answers.map(|answer| (answer.asked, answer.clone())).collect()
}

async fn collect(gatherer: Arc<Gatherer>) -> Result<(Gathered, Held, Vec<Diagnostic>), Vec<Diagnostic>> {
    let site = gatherer.site.clone();
    let mut problems = Vec::new();
    let planned = plan::calls(&site, &mut problems);
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let runs = planned.calls.into_iter().zip(0u32..).map(|(call, number)| (gatherer.run(number, call), None));
    let mut collector = Collector {
        entries: site.routes.iter().map(|_| RouteEntries::new()).collect(),
        calls: Vec::new(),
        whole: BTreeMap::new(),
        named: site.templates.literal_queries().into_iter().map(str::to_owned).collect(),
        problems,
        held: (gatherer.on_error == OnError::Hold).then(Held::default),
    };
    collector.add(&site, all_but_all_failed(gatherer.run_all(runs.collect()).await?)?);
    let inner = inner_runs(&gatherer, &mut collector)?;
    if !inner.is_empty() {
        match gatherer.run_all(inner).await {
            Ok(results) => collector.add(&site, results),
            Err(problems) => {
                collector.problems.extend(problems);
                return Err(collector.problems);
            }
        }
    }
    collector.fill_locales(&site);
    let answers = gatherer.answers().into_iter().map(|record| record.id).collect();
    let kept = collector.calls.iter().enumerate().filter(|(_, info)| !info.by_root.is_empty());
    let gathered = Gathered {
        kept: Arc::new(kept.map(|(number, info)| (info.call.key(), number)).collect()),
        gatherer,
        entries: Arc::new(collector.entries),
        calls: Arc::new(collector.calls),
        answers: Arc::new(answers),
        whole: Arc::new(collector.whole),
    };
    Ok((gathered, collector.held.unwrap_or_default(), collector.problems))
}

struct Collector {
    entries: Vec<RouteEntries>,
    calls: Vec<CallInfo>,
    whole: BTreeMap<(usize, Option<u16>), u32>,
    /// Queries that templates name: what a route asked already is not asked again, so that both show the same content.
    named: BTreeSet<String>,
    problems: Vec<Diagnostic>,
    /// With `on_error = "hold"`.
    held: Option<Held>,
}

/// A build whose every call failed has nothing to hold on to.
fn all_but_all_failed(results: Vec<(Run, Walked)>) -> Result<Vec<(Run, Walked)>, Vec<Diagnostic>> {
    match !results.is_empty() && results.iter().all(|(_, walked)| walked.instead.is_some()) {
        true => Err(results.into_iter().flat_map(|(_, walked)| walked.problems).collect()),
        false => Ok(results),
    }
}

impl Collector {
    fn add(&mut self, site: &Site, results: Vec<(Run, Walked)>) {
        for (run, mut walked) in results {
            let items = walked.count();
            let failed = walked.instead == Some(Instead::Nothing);
            let spoiled = failed || walked.problems.iter().chain(&walked.misplaced).any(Diagnostic::is_error);
            if let Some(held) = &mut self.held {
                held.take(&run, &mut walked);
            }
            let Walked { items: by_root, entries, answers, problems, misplaced, .. } = walked;
            self.problems.extend(problems);
            self.problems.extend(misplaced);
            for (route, entries) in entries {
                self.entries[route].entry(run.call.locale).or_default().append(entries);
            }
            for route in &run.call.routes {
                if site.routes[*route].kind == crate::site::Kind::Page && !failed {
                    self.whole.insert((*route, run.call.locale), run.number);
                }
            }
            let keep_items = run.call.whole || !run.call.outer_of.is_empty() || self.named.contains(&run.call.query);
            self.calls.push(CallInfo {
                items,
                answers,
                failed,
                spoiled,
                variables: crate::shape::from_json(&serde_json::Value::Object(run.call.variables.clone())),
                by_root: if keep_items { by_root } else { BTreeMap::new() },
                call: run.call,
            });
        }
    }

    /// A list has its first page in every locale that it runs in, even without items.
    fn fill_locales(&mut self, site: &Site) {
        for call in self.calls.iter().filter(|call| !call.failed) {
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
    let mut json = Vec::new();
    let mut number = u32::try_from(collector.calls.len()).unwrap_or(u32::MAX);
    for route in site.routes.iter().filter(|route| route.for_each.is_some()) {
        let mut seen = BTreeSet::new();
        for info in collector.calls.iter().filter(|info| info.call.outer_of.contains(&route.index)) {
            let Some(root) = site.queries.get(&info.call.query).and_then(|query| query.items_root(None)) else {
                continue;
            };
            let locales = plan::inner_locales(site, route, info.call.locale);
            for at in info.by_root.get(&root.key).into_iter().flatten() {
                gatherer.read(*at, &mut json).map_err(|problem| vec![problem])?;
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
                            runs.push((gatherer.run(number, call), Some(outer)));
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
