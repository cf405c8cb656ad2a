//! `export`: gather, index, publish. The only room with threads and a runtime, and the only way to build: a cold build, a
//! keystroke and a publish event differ in what they hand in, not in the way they take.

mod ahead;
mod assets;
mod blocks;
mod cancel;
mod changes;
mod commit;
mod contents;
mod doctor;
mod facts;
mod failures;
mod folders;
mod gather;
mod gathered;
mod guards;
mod hold;
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
use crate::output::{Adopt, Mode, Output, Stamps};
use crate::report::{Diagnostic, Event, Reporter, Stage, StageTime, Summary, codes};
use crate::shape::Evaluator;
use crate::site::{CommitBy, OnError, Site};
use crate::state::{self, FileTimes, State};

pub use cancel::Cancel;
pub use doctor::{Diagnosed, Inquiry, diagnose};
pub use facts::{Facts, Made, PageFacts, Piece};
pub use folders::Folders;
pub use reach::{Reach, Way, reach};
pub use survey::{RouteSurvey, Surveyed, survey};
pub use versions::Versions;

use index::Known;
use publish::Published;

/// Threads only ever add to what they share, so that a panic in one leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a build is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the state and the output stand.
    pub folders: Folders,
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
    /// Who is asked.
    pub answers: AnswersFrom,
    /// What becomes of a build in which something fails.
    pub on_error: OnError,
    /// Render threads; 0 is one a core.
    pub workers: usize,
    /// Whether templates may show what they see, by `dump()`: preview.
    pub dump: bool,
    /// Takes down what every page was made of, if that is wanted.
    pub facts: Facts,
    /// Where the content comes from, for the summary.
    pub source: String,
}

impl Options {
    /// For commands that write nothing.
    pub fn reading(answers: AnswersFrom, folders: Folders) -> Self {
        Options {
            folders,
            mode: Mode::DryRun,
            adopt: Adopt::No,
            allow_removals: true,
            withdrawn: BTreeSet::new(),
            full: false,
            versions: Versions::Warned,
            answers,
            on_error: OnError::Stop,
            workers: 0,
            dump: false,
            facts: Facts::default(),
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
    /// The last build kept them; AEM is asked what it has not: whoever builds knows that no content has changed since.
    KeptFirst,
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
    /// These pages cannot be made and never were, for these reasons; what links to them has to be rendered without.
    Unmade(BTreeSet<u32>, Vec<Diagnostic>),
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
            other => other,
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
            summary.errors = problems.errors;
            summary.elapsed = started.elapsed();
            reporter.emit(Event::Finished(summary.clone()));
            Outcome::Done(Box::new(summary))
        }
        Err(Stop::Interrupted | Stop::Unmade(..)) => Outcome::Interrupted,
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
    let folders = &options.folders;
    let _lock = state::lock(&folders.home, "build", Duration::ZERO).map_err(|error| error.diagnostic())?;
    let state = Arc::new(State::open(&folders.home).map_err(|error| error.diagnostic())?);
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
    let output = opened(site, options)?;
    if let Some(files) = output.recovered() {
        reporter.emit(Event::Note(format!("finished an interrupted commit ({files} files)")));
    }
    let expected = guards::expected(output.listing(), state.manifest(), &options.withdrawn);
    let output = Arc::new(output.with_stamps(stamps.clone()));
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
            AnswersFrom::Kept | AnswersFrom::KeptFirst => Ok(Vec::new()),
        }
    };
    let (mut known, other_texts) = tokio::try_join!(export.known(Some(&output)), compared)?;
    known.problems.extend(other_texts);
    // All that the commit needs of it; the rest is dropped before the commit is planned.
    let (mut manifest, items) = (known.gathered.manifest(site), known.gathered.items());
    let Published { staged, warnings, mut noted } = export.publish_without_unmade(output, stamps, known).await?;
    problems.tell(warnings);
    // Where a route and a template ask the same, it is the route's.
    std::mem::take(&mut noted.asked).into_iter().for_each(|(key, record)| {
        manifest.calls.entry(key).or_insert(record);
    });
    export.commit(staged, manifest, noted, items).await
}

/// The output of this build, committed as the site wants it; that of a preview, which has no visitors, file by file.
fn opened(site: &Site, options: &Options) -> Result<Output, Diagnostic> {
    let out = &options.folders.out;
    let output = Output::open(out, options.mode, options.adopt);
    let output = output.and_then(|output| match site.config.build.commit {
        CommitBy::Exchange if *out == site.out_dir() => output.exchanging(),
        _ => Ok(output),
    });
    output.map_err(|error| error.diagnostic())
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
    async fn known(&mut self, before: Option<&Output>) -> Result<Known, Stop> {
        let site = &self.site;
        let evaluators: Arc<Vec<Evaluator>> =
            Arc::new((0..site.routes.len()).map(|index| Evaluator::new(site.clone(), index)).collect());
        let (gathered, held, problems) = self.gather(&evaluators).await?;
        Ok(self.index(&evaluators, gathered, held, problems, before))
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

    /// The second stroke; again, without them, if pages turn out to be absent.
    async fn publish_without_unmade(
        &mut self,
        mut output: Arc<Output>,
        stamps: Stamps,
        mut known: Known,
    ) -> Result<Published, Stop> {
        loop {
            if self.options.on_error == OnError::Stop {
                return self.publish(output, known).await;
            }
            match self.publish(output, known.clone()).await {
                Err(Stop::Unmade(pages, problems)) => {
                    known.held.unmade.extend(pages);
                    known.held.problems.extend(problems);
                }
                other => return other,
            }
            output = Arc::new(opened(&self.site, self.options)?.with_stamps(stamps.clone()));
        }
    }
}
