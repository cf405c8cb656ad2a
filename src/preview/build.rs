//! One build after another, each for the last state of things.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pending::Causes;
use super::shown::{self, Failed, Good};
use super::watcher::Watcher;
use super::{Changes, Desk, Loaded, Options, Pending};
use crate::output::{Adopt, Mode};
use crate::pipeline::{self, AnswersFrom, Cancel, Facts, Folders, Outcome, Versions};
use crate::report::{Diagnostic, Event, FileChange, Reporter, Stage, StageTime, Summary, codes};
use crate::site::OnError;

/// Makes every build of a preview.
pub(super) struct Builder<D> {
    pub(super) desk: Arc<D>,
    pub(super) options: Arc<Options>,
    pub(super) stage: Arc<shown::Stage>,
    pub(super) pending: Arc<Pending>,
    pub(super) watcher: Watcher,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) cancel: Cancel,
    /// Where the answers of the next build may come from: AEM, until a build has succeeded with what it said.
    pub(super) answers: AnswersFrom,
}

/// What a build said.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) problems: Vec<Diagnostic>,
    pub(super) files: Vec<(FileChange, String)>,
    /// Pages that were rendered.
    pub(super) rendered: u64,
    pub(super) summary: Summary,
}

/// Keeps what a build says, instead of a terminal: of every build only what is new is told to people.
#[derive(Debug, Default)]
struct Keeper(Mutex<Told>);

impl Reporter for Keeper {
    fn emit(&self, event: Event) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Diagnostic(problem) => told.problems.push(problem),
            Event::File { change, path, .. } if change != FileChange::Unchanged => told.files.push((change, path)),
            Event::StageFinished { stage: Stage::Render, done, .. } => told.rendered = done,
            Event::Finished(summary) => told.summary = summary,
            _ => {}
        }
    }
}

/// A build that came to an end.
struct Built {
    made: Result<Good, Vec<Diagnostic>>,
    changed: bool,
    parts: Vec<String>,
}

impl<D: Desk> Builder<D> {
    /// Builds until cancelled.
    pub(super) async fn run(mut self) {
        let mut told = Vec::new();
        let mut causes = Causes::default();
        while !self.cancel.is_set() {
            let started = Instant::now();
            if Watcher::concerns_folders(causes.files.iter()) {
                self.watcher.again();
            }
            if !causes.leave_content() {
                self.answers = AnswersFrom::Aem;
            }
            if let Some(built) = self.build().await {
                let succeeded = built.made.is_ok();
                self.show(built, &causes, started.elapsed(), &mut told);
                if succeeded && self.content_is_told() {
                    self.answers = AnswersFrom::KeptFirst;
                }
            }
            self.pending.settle(&causes);
            let cancel = self.cancel.clone();
            causes = tokio::select! {
                causes = self.pending.next() => causes,
                () = cancel.wait() => return,
            };
        }
    }

    /// Whether a change of the content is told or asked for by itself. If it is not, every build has to ask.
    fn content_is_told(&self) -> bool {
        self.options.poll.is_some() || self.stage.now().good.as_ref().is_some_and(|good| good.changes == Changes::Told)
    }

    /// One build; `None` if it was cancelled.
    async fn build(&self) -> Option<Built> {
        let started = Instant::now();
        let loaded = match self.desk.load().await {
            Ok(loaded) => loaded,
            Err(problems) => return Some(Built { made: Err(problems), changed: true, parts: Vec::new() }),
        };
        let load = StageTime { stage: Stage::Load, elapsed: started.elapsed() };
        let folders = if self.options.write { Folders::of(&loaded.site) } else { Folders::preview(&loaded.site) };
        let facts = Facts::wanted();
        let options = pipeline::Options {
            folders: folders.clone(),
            mode: Mode::Write,
            adopt: Adopt::No,
            // In a folder of its own nothing is lost.
            allow_removals: !self.options.write,
            full: false,
            versions: Versions::Warned,
            answers: self.answers,
            // What fails is shown in the page.
            on_error: OnError::Stop,
            withdrawn: BTreeSet::new(),
            workers: loaded.site.config.build.workers,
            dump: true,
            facts: facts.clone(),
            source: loaded.source.clone(),
        };
        let keeper = Arc::new(Keeper::default());
        let (site, connection) = (loaded.site.clone(), loaded.connection.clone());
        let (reporter, cancel): (Arc<dyn Reporter>, _) = (keeper.clone(), self.cancel.clone());
        let task = tokio::spawn(async move { pipeline::export(site, connection, &options, reporter, cancel).await });
        let outcome = match task.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                let problem = Diagnostic::error(codes::CONFIG_VALUE, error.to_string());
                return Some(Built { made: Err(vec![problem]), changed: true, parts: Vec::new() });
            }
            Err(broken) => {
                return Some(Built { made: Err(vec![broke(broken)]), changed: true, parts: Vec::new() });
            }
        };
        let mut told = std::mem::take(&mut *keeper.0.lock().unwrap_or_else(PoisonError::into_inner));
        told.problems.splice(0..0, loaded.warnings.iter().cloned());
        told.summary.stages.insert(0, load);
        match outcome {
            Outcome::Interrupted => None,
            Outcome::Failed { .. } => Some(Built { made: Err(told.problems), changed: true, parts: Vec::new() }),
            Outcome::Done(_) => Some(self.done(&loaded, folders, told, &facts)),
        }
    }

    fn done(&self, loaded: &Loaded, folders: Folders, mut told: Told, facts: &Facts) -> Built {
        let before = self.stage.now();
        // Where AEM was not asked, what it was told of holds on.
        let of_answers = [codes::OTHER_TEXT, codes::NOT_PERSISTED, codes::PARTIAL];
        let known =
            before.good.iter().filter(|_| self.answers == AnswersFrom::KeptFirst).flat_map(|good| &good.warnings);
        for warning in known.filter(|warning| of_answers.contains(&warning.code)) {
            if !told.problems.contains(warning) {
                told.problems.push(warning.clone());
            }
        }
        let made = facts.take();
        let outputs: BTreeSet<&str> = made.pages.iter().map(|page| page.output.as_str()).collect();
        let is_part = |path: &str| !outputs.contains(path) || !(path.ends_with(".html") || path.ends_with(".htm"));
        let parts = told.files.iter().filter(|(change, path)| *change != FileChange::Removed && is_part(path));
        let parts: Vec<String> = parts.map(|(_, path)| path.clone()).collect();
        let changed = !told.files.is_empty() || told.rendered > 0;
        Built { made: Ok(Good::new(loaded, folders, told, made, &before)), changed, parts }
    }

    /// Tells people and browsers. That AEM was asked and nothing had changed is no news.
    fn show(&self, built: Built, causes: &Causes, elapsed: Duration, told: &mut Vec<Diagnostic>) {
        let before = self.stage.now();
        let (problems, made) = match built.made {
            Ok(good) => (good.warnings.clone(), Ok(Arc::new(good))),
            Err(problems) => (problems.clone(), Err(Failed { dir: self.options.dir.clone(), problems })),
        };
        let same = problems == *told && before.failed.is_some() == made.is_err();
        if causes.only_asked() && same && (made.is_err() || !built.changed) {
            if let Some(good) = made.ok().filter(|good| !before.is_of(&good.made)) {
                self.stage.refresh(good);
            }
            return;
        }
        for problem in problems.iter().filter(|problem| !told.contains(problem)) {
            self.reporter.emit(Event::Diagnostic(problem.clone()));
        }
        *told = problems;
        let cause = causes.described();
        match &made {
            Ok(good) if before.build == 0 => self.reporter.emit(Event::Finished(good.summary.clone())),
            Ok(good) => {
                let Summary { created, updated, removed, assets, .. } = good.summary;
                self.reporter.emit(Event::Note(format!(
                    "{cause}: {} rendered, {created} created, {updated} updated, {removed} removed, {assets} assets, in {:.2} s",
                    good.rendered,
                    elapsed.as_secs_f64()
                )));
            }
            Err(failed) => {
                let errors = failed.problems.iter().filter(|problem| problem.is_error()).count();
                let errors = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
                let kept = if before.good.is_some() { "; what was good before is kept" } else { "" };
                self.reporter.emit(Event::Note(format!("{cause}: {errors}{kept}")));
            }
        }
        self.stage.show(made, cause, elapsed, built.parts);
    }
}

/// A build that panicked: a mistake of ours, and no reason to stop serving.
fn broke(error: tokio::task::JoinError) -> Diagnostic {
    let said = match error.try_into_panic() {
        Ok(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast::<&str>().map_or_else(|_| "no message".to_owned(), |text| (*text).to_owned()),
        },
        Err(error) => error.to_string(),
    };
    let said = said.lines().next().unwrap_or_default().to_owned();
    Diagnostic::error(codes::BUILD_BROKE, format!("the build broke off: {said}"))
        .help("change anything to build again, and please report this")
}
