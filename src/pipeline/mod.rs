//! `export`: gather, index, publish. The only room with threads and a runtime, and the only way to build: a cold build, a
//! keystroke and a publish event differ in what they hand in, not in the way they take.

mod assets;
mod blocks;
mod cancel;
mod contents;
mod doctor;
mod failures;
mod gather;
mod gathered;
mod guards;
mod incidents;
mod index;
mod kept;
mod keys;
mod locked;
mod merge;
mod needs;
mod paging;
mod pass;
mod publish;
pub mod queries;
mod reach;
mod request;
mod sift;
mod survey;
mod versions;
mod walk;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::aem::{Aem, Connection, SetupError, Tier};
use crate::output::{Adopt, Changed, Class, Mode, Output, Staged, Stamps};
use crate::report::{Diagnostic, Event, FileChange, Reporter, Stage, StageTime, Summary, codes};
use crate::shape::Evaluator;
use crate::site::Site;
use crate::state::{self, FileTimes, Manifest, State};

pub use cancel::Cancel;
pub use doctor::{Diagnosed, Inquiry, diagnose};
pub use reach::{Reach, Way, reach};
pub use survey::{RouteSurvey, Surveyed, survey};
pub use versions::Versions;

use index::Known;
use publish::{Noted, Published};

/// Threads only ever add to what they share, so that a panic in one leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a build is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Write, or find out what would change.
    pub mode: Mode,
    /// Whether files in `out/` that the tool did not make may be replaced and removed.
    pub adopt: Adopt,
    /// Removes however much is to be removed.
    pub allow_removals: bool,
    /// Fragments that publish events called gone: removals of their pages are expected, and no reason to stop.
    pub withdrawn: BTreeSet<String>,
    /// Compares every file of `out/` byte for byte, trusting nothing that earlier builds wrote down.
    pub full: bool,
    /// What another text in AEM than a file's is, and another answer than the last build's.
    pub versions: Versions,
    /// Whether anybody is asked.
    pub answers: AnswersFrom,
    /// Render threads; 0 is one a core.
    pub workers: usize,
    /// Where the content comes from, for the summary.
    pub source: String,
}

impl Options {
    /// For commands that write nothing.
    fn reading(answers: AnswersFrom) -> Self {
        Options {
            mode: Mode::DryRun,
            adopt: Adopt::No,
            allow_removals: true,
            withdrawn: BTreeSet::new(),
            full: false,
            versions: Versions::Warned,
            answers,
            workers: 0,
            source: String::new(),
        }
    }
}

/// Where answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswersFrom {
    /// AEM.
    Aem,
    /// The last build kept them: nobody is asked.
    Kept,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Committed (or, in a dry run, found out).
    Done(Box<Summary>),
    /// Stopped by problems, which were all reported; `out/` is as it was, unless its commit broke off.
    Failed {
        /// Errors reported.
        errors: u64,
        /// Warnings reported.
        warnings: u64,
        /// The worst of the problems.
        worst: Worst,
        /// The commit had begun: the next command finishes it.
        broke_off: bool,
    },
    /// Cancelled before the commit began; `out/` is as it was.
    Interrupted,
}

/// What kind of problem stopped a build; decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worst {
    /// Content or templates.
    Content,
    /// Configuration, the output folder, a lock.
    Setup,
    /// AEM is unreachable or refuses access.
    Access,
}

impl Worst {
    /// The kind of a diagnostic, by its code.
    pub fn of(diagnostic: &Diagnostic) -> Self {
        match diagnostic.code.id {
            "E0501" | "E0502" | "E0503" | "E0504" | "E0506" | "E0507" | "E0512" | "E0513" => Worst::Access,
            id if id.starts_with("E01") => Worst::Setup,
            // But not E0603, which asks about content that would go.
            "E0601" | "E0602" | "E0604" | "E0605" | "E0606" | "E0607" | "E0608" => Worst::Setup,
            _ => Worst::Content,
        }
    }
}

/// A build in progress, handed from step to step.
struct Export<'a> {
    site: Arc<Site>,
    aem: Aem,
    options: &'a Options,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
    state: Arc<State>,
    stages: Vec<StageTime>,
    /// Output paths whose removal events told of.
    expected: BTreeSet<String>,
}

/// Everything that can stop a build.
enum Stop {
    Problems(Vec<Diagnostic>),
    Interrupted,
}

impl Stop {
    /// Not alone: with the problems found before.
    fn with(self, mut before: Vec<Diagnostic>) -> Self {
        match self {
            Stop::Problems(found) => {
                before.extend(found);
                Stop::Problems(before)
            }
            Stop::Interrupted => Stop::Interrupted,
        }
    }
}

impl From<Diagnostic> for Stop {
    fn from(problem: Diagnostic) -> Self {
        Stop::Problems(vec![problem])
    }
}

/// Exports the site: the one way to build.
///
/// Every problem goes to `reporter`, once. `out/` changes only in the commit at the end, or not at all.
///
/// # Errors
/// When no client can be made of the connection: its own setting is wrong.
pub async fn export(
    site: Arc<Site>,
    connection: Connection,
    options: &Options,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
) -> Result<Outcome, SetupError> {
    let started = Instant::now();
    let aem = Aem::observed(connection, incidents::observer(&reporter))?;
    let mut problems = merge::Told::new(reporter.clone());
    problems.tell(site.warnings.clone());
    let outcome = run(&site, aem.clone(), options, &reporter, cancel, &mut problems).await;
    let concessions = aem.concessions();
    problems.tell(versions::sent_directly(&site, &concessions));
    Ok(match outcome {
        Ok(mut summary) => {
            let counts = aem.counts();
            summary.partial = concessions.partial.into_iter().collect();
            summary.requests = counts.requests;
            summary.retries = counts.retries;
            summary.bytes = counts.bytes;
            summary.age = counts.max_age;
            summary.waited = counts.waited;
            summary.exchanges = counts.exchanges;
            summary.warnings = problems.warnings;
            summary.elapsed = started.elapsed();
            reporter.emit(Event::Finished(summary.clone()));
            Outcome::Done(Box::new(summary))
        }
        Err(Stop::Interrupted) => Outcome::Interrupted,
        Err(Stop::Problems(found)) => {
            let broke_off = found.iter().any(|problem| problem.code == codes::COMMIT_INTERRUPTED);
            problems.tell(found);
            Outcome::Failed { errors: problems.errors, warnings: problems.warnings, worst: problems.worst, broke_off }
        }
    })
}

async fn run(
    site: &Arc<Site>,
    aem: Aem,
    options: &Options,
    reporter: &Arc<dyn Reporter>,
    cancel: Cancel,
    problems: &mut merge::Told,
) -> Result<Summary, Stop> {
    let _lock = state::lock(&site.dir, "build", Duration::ZERO).map_err(|error| error.diagnostic())?;
    let state = Arc::new(State::open(&site.dir).map_err(|error| error.diagnostic())?);
    if let Some(note) = state.note() {
        reporter.emit(Event::Note(note.to_owned()));
    }
    let stamps = match options.full {
        true => Stamps::default(),
        false => {
            let FileTimes { commit, times } = state.manifest().files.clone();
            Stamps { commit, times }
        }
    };
    let output = Output::open(&site.out_dir(), options.mode, options.adopt).map_err(|error| error.diagnostic())?;
    if let Some(files) = output.recovered() {
        reporter.emit(Event::Note(format!("finished an interrupted commit ({files} files)")));
    }
    let expected = guards::expected(output.listing(), state.manifest(), &options.withdrawn);
    let output = Arc::new(output.with_stamps(stamps));
    let mut export = Export {
        site: site.clone(),
        aem,
        options,
        reporter: reporter.clone(),
        cancel,
        state,
        stages: Vec::new(),
        expected,
    };
    let (aem, versions) = (export.aem.clone(), options.versions);
    let compared = async {
        match options.answers {
            AnswersFrom::Aem => Ok(versions::compared(site, &aem, versions, &**reporter).await),
            AnswersFrom::Kept => Ok(Vec::new()),
        }
    };
    let (mut known, other_texts) = tokio::try_join!(export.known(), compared)?;
    known.problems.extend(other_texts);
    // All that the commit needs of it; the rest is dropped before the commit is planned.
    let (mut manifest, items) = (known.gathered.manifest(site), known.gathered.items());
    let Published { staged, warnings, mut noted } = export.publish(output, known).await?;
    problems.tell(warnings);
    // Where a route and a template ask the same, it is the route's.
    std::mem::take(&mut noted.asked).into_iter().for_each(|(key, record)| {
        manifest.calls.entry(key).or_insert(record);
    });
    export.commit(staged, manifest, noted, items).await
}

/// Whose answers are kept: those of another host are not taken for this one's. The built-in origin has another port every time.
fn host(aem: &Aem) -> String {
    let connection = aem.connection();
    match connection.tier {
        Tier::Local => "local".to_owned(),
        tier => format!("{} {}", tier.name(), connection.base),
    }
}

impl Export<'_> {
    /// First stroke: everything gathered, every permalink known.
    async fn known(&mut self) -> Result<Known, Stop> {
        let site = &self.site;
        let evaluators: Arc<Vec<Evaluator>> =
            Arc::new((0..site.routes.len()).map(|index| Evaluator::new(site.clone(), index)).collect());
        let (gathered, problems) = self.gather(&evaluators).await?;
        Ok(self.index(&evaluators, gathered, problems))
    }

    fn stage_started(&self, stage: Stage, total: Option<u64>) -> Instant {
        self.reporter.emit(Event::StageStarted { stage, total });
        Instant::now()
    }

    fn stage_finished(&mut self, stage: Stage, done: u64, started: Instant) {
        let elapsed = started.elapsed();
        match self.stages.iter_mut().find(|time| time.stage == stage) {
            Some(time) => time.elapsed += elapsed,
            None => self.stages.push(StageTime { stage, elapsed }),
        }
        self.reporter.emit(Event::StageFinished { stage, done, elapsed });
    }

    async fn commit(mut self, staged: Staged, manifest: Manifest, noted: Noted, items: u64) -> Result<Summary, Stop> {
        let mut summary = Summary {
            items,
            source: self.options.source.clone(),
            out: self.site.config.build.out.clone(),
            dry_run: self.options.mode == Mode::DryRun,
            unchanged: staged.unchanged_pages() as u64,
            ..Summary::default()
        };
        for Changed { change, class, path, mark } in staged.changes() {
            match change {
                _ if class == Class::Asset => summary.assets += 1,
                FileChange::Created => summary.created += 1,
                FileChange::Updated => summary.updated += 1,
                FileChange::Removed => summary.removed += 1,
                FileChange::Unchanged => {}
            }
            let reason = noted.reason(change, mark);
            self.reporter.emit(Event::File { change, path: path.to_owned(), reason });
        }
        for path in staged.repaired() {
            self.reporter.emit(Event::Note(format!("{path} was changed or deleted by hand and is made anew")));
        }
        if !self.options.allow_removals
            && let Some(problem) = guards::removals(&self.site, &staged, &self.expected)
        {
            return Err(problem.into());
        }
        if self.cancel.is_set() {
            return Err(Stop::Interrupted);
        }
        if self.options.mode == Mode::Write {
            self.write(staged, manifest, noted).await?;
        }
        summary.stages = self.stages;
        Ok(summary)
    }

    async fn write(&mut self, staged: Staged, mut manifest: Manifest, mut noted: Noted) -> Result<(), Stop> {
        let total = staged.change_count() as u64;
        let started = self.stage_started(Stage::Write, Some(total));
        let Stamps { commit, times } = staged.stamps();
        manifest.files = FileTimes { commit, times };
        manifest.build = self.state.manifest().build.saturating_add(u32::from(noted.is_new(&staged, &self.state)));
        manifest.assets = std::mem::take(&mut noted.assets);
        manifest.host = host(&self.aem);
        let index = noted.index.take();
        manifest.pages = noted.pages(&staged);
        let reporter = self.reporter.clone();
        let state = self.state.clone();
        let written = tokio::task::spawn_blocking(move || {
            let progress = |done: u64| {
                reporter.emit(Event::Progress { stage: Stage::Write, done, total: Some(total), slow: None });
            };
            staged.commit(&progress).map_err(|error| error.diagnostic())?;
            // What follows is a cache: a failure costs time, not content.
            let kept = state.save(&manifest).and_then(|()| {
                index.map_or(Ok(()), state::IndexWriter::finish)?;
                let answers = manifest.calls.values().flat_map(|call| call.answers.iter().map(|answer| answer.id));
                state.answers().retain(&answers.chain(manifest.assets.values().map(|asset| asset.id)).collect())
            });
            if let Err(error) = kept {
                reporter.emit(Event::Note(format!("the state could not be saved: {error}")));
            }
            Ok::<(), Diagnostic>(())
        })
        .await;
        match written {
            Ok(Ok(())) => {
                self.stage_finished(Stage::Write, total, started);
                Ok(())
            }
            Ok(Err(problem)) => Err(problem.into()),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}
