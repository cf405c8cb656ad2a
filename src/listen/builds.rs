//! One build after another: what causes one, and what follows from it. An event is settled when a build has shown its effect and the
//! result is deployed, not before.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::coalesce::{Coalesce, patience};
use super::delivery::Kind;
use super::deploy::Deployment;
use super::heard::{Heard, Kept};
use super::ledger::Ledger;
use super::pending::{Pending, Weighed};
use super::queue::{Held, Id};
use super::status::{BuildNote, Topic, log, now, time};
use super::{App, Prepared, Settings, Source, Stop};
use crate::pipeline::{self, Outcome};
use crate::report::{Diagnostic, Event, Reporter as _, Summary};

/// Why a build is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Start,
    Events,
    /// The last one failed, or did not show what events said.
    Again,
    Reconciliation,
}

/// The one who builds.
pub(super) struct Builds {
    app: Arc<App>,
    source: Arc<dyn Source>,
    ledger: Arc<Ledger>,
    deployment: Deployment,
    dir: PathBuf,
    reconcile: Option<Duration>,
    coalesce: Coalesce,
    pending: Pending,
    /// Files that changed and could not be written down.
    unannounced: Vec<String>,
    failures: usize,
    deploy_failures: usize,
    again: Option<Instant>,
    deploy_again: Option<Instant>,
    reconcile_next: Option<Instant>,
}

impl Builds {
    pub(super) fn new(
        app: Arc<App>,
        source: Arc<dyn Source>,
        ledger: Arc<Ledger>,
        deployment: Deployment,
        settings: &Settings,
    ) -> Self {
        let listen = &settings.listen;
        Builds {
            app,
            source,
            ledger,
            deployment,
            dir: settings.dir.clone(),
            reconcile: listen.reconcile,
            coalesce: Coalesce::new(listen.quiet, listen.longest),
            pending: Pending::new(settings.tier, listen.ask_again.clone(), now()),
            unannounced: Vec::new(),
            failures: 0,
            deploy_failures: 0,
            again: None,
            deploy_again: None,
            reconcile_next: None,
        }
    }

    /// Builds until stopped, the first time at once: what happened while nobody listened is in no event.
    pub(super) async fn run(mut self, stop: &Stop, cancel: &Stop) {
        let dir = self.dir.clone();
        tokio::task::block_in_place(|| self.pending.begin(&dir));
        let mut next = Some(Cause::Start);
        loop {
            if let Some(cause) = next.take() {
                self.build(cause, cancel).await;
                if !stop.is_set() {
                    self.deploy(cancel).await;
                }
            }
            if stop.is_set() {
                return;
            }
            let app = self.app.clone();
            let (due, again, reconcile, deploy) =
                (self.coalesce.due(), self.again, self.reconcile_next, self.deploy_again);
            next = tokio::select! {
                biased;
                () = stop.wait() => return,
                () = app.check_everything.notified() => Some(Cause::Reconciliation),
                () = until(reconcile) => Some(Cause::Reconciliation),
                () = until(due.map(Instant::from_std)) => Some(Cause::Events),
                () = until(again) => Some(Cause::Again),
                () = until(deploy) => {
                    self.deploy(cancel).await;
                    None
                }
                // Last, so that a storm does not keep a build that is due from beginning.
                () = app.queue.arrived() => {
                    self.coalesce.arrived(std::time::Instant::now());
                    None
                }
            };
        }
    }

    async fn build(&mut self, cause: Cause, cancel: &Stop) {
        self.coalesce.taken();
        self.again = None;
        let held = self.app.queue.waiting();
        let (began, started) = (now(), Instant::now());
        self.app.status.change(|known| known.building = Some(began));
        let (made, kept) = self.export(withdrawn(&held), cancel).await;
        if kept.unannounced {
            self.unannounced.extend(kept.changes.iter().cloned());
        }
        if matches!(cause, Cause::Start | Cause::Reconciliation) {
            self.reconcile_next = self.reconcile.map(|every| Instant::now() + every);
        }
        let elapsed = started.elapsed();
        match made {
            Ok(summary) => self.done(cause, &held, (began, elapsed), &summary, &kept).await,
            Err(Failed::Interrupted) => {}
            Err(Failed::Problem(problem)) => {
                // The log has them all; whoever looks at the status wants to know what to look for.
                let problem = kept.problem.unwrap_or(problem);
                self.failed(cause, &held, (began, elapsed), problem, kept.removals);
            }
        }
        let next = self.reconcile_next.map(|at| now() + millis(at.saturating_duration_since(Instant::now())));
        self.app.status.change(|known| {
            known.building = None;
            known.next_reconciliation = next;
        });
    }

    /// One export of the site as it is now; events that come meanwhile are noticed.
    async fn export(&mut self, withdrawn: BTreeSet<String>, cancel: &Stop) -> (Result<Summary, Failed>, Kept) {
        let heard = Arc::new(Heard::new(self.app.reporter.clone(), self.ledger.clone()));
        let (source, reporter, cancel) = (self.source.clone(), heard.clone(), cancel.clone());
        let export = async move {
            let prepared = source.prepare().await.map_err(|problems| told(&reporter, problems))?;
            let Prepared { site, connection, mut options, warnings, keep } = prepared;
            options.withdrawn = withdrawn;
            warnings.into_iter().for_each(|warning| reporter.emit(Event::Diagnostic(warning)));
            let outcome = pipeline::export(site, connection, &options, reporter.clone(), cancel).await;
            drop(keep);
            match outcome {
                Ok(Outcome::Done(summary)) => Ok(*summary),
                Ok(Outcome::Interrupted) => Err(Failed::Interrupted),
                Ok(Outcome::Failed { errors, .. }) => Err(Failed::Problem(format!("{errors} errors"))),
                Err(error) => Err(Failed::Problem(error.to_string())),
            }
        };
        let mut export = std::pin::pin!(export);
        let app = self.app.clone();
        let made = loop {
            tokio::select! {
                made = export.as_mut() => break made,
                () = app.queue.arrived() => self.coalesce.arrived(std::time::Instant::now()),
            }
        };
        (made, heard.take())
    }

    async fn done(
        &mut self,
        cause: Cause,
        held: &[Held],
        (began, elapsed): (i64, Duration),
        summary: &Summary,
        kept: &Kept,
    ) {
        self.failures = if summary.held > 0 { self.failures + 1 } else { 0 };
        let dir = self.dir.clone();
        let full_check = cause == Cause::Reconciliation;
        let Weighed { given_up, again } =
            tokio::task::block_in_place(|| self.pending.weigh(&dir, began, held, full_check));
        // Held pages are tried again, whether an event comes or not.
        let held_again = self.failures.checked_sub(1).map(|before| Instant::now() + patience(before));
        self.again = again.into_iter().chain(held_again).min();
        let files = kept.changes.len() as u64;
        // What no event had told of.
        let unheard = held.iter().all(|held| held.stale);
        let caught = if cause == Cause::Reconciliation && unheard { files } else { 0 };
        let cause = described(cause, held);
        let text = format!(
            "built ({cause}): {} created, {} updated, {} removed, {} held pages, {files} files, {:.2} s",
            summary.created,
            summary.updated,
            summary.removed,
            summary.held,
            elapsed.as_secs_f64()
        );
        let told = log("built", text)
            .text("cause", cause.clone())
            .number("created", summary.created)
            .number("updated", summary.updated)
            .number("removed", summary.removed)
            .number("held", summary.held)
            .number("files", files)
            .number("elapsed_ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.app.status.change(|known| {
            known.built.0 += 1;
            known.built.1 += elapsed;
            known.caught += caught;
            known.stale += given_up.len() as u64;
            known.trouble(Topic::Build, None);
            known.trouble(Topic::Removals, None);
            known.trouble(Topic::Held, (summary.held > 0).then(|| format!("{} pages", summary.held)));
            known.add(BuildNote {
                at: time(began),
                cause: cause.clone(),
                outcome: "done",
                created: summary.created,
                updated: summary.updated,
                removed: summary.removed,
                elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                problem: None,
            });
        });
        self.app.reporter.emit(told.into());
        if caught > 0 {
            let text = format!("reconciliation caught {caught} files that no event had told of");
            self.app.reporter.emit(log("caught", text).number("files", caught).into());
        }
        self.give_up(&given_up).await;
    }

    async fn give_up(&mut self, given_up: &[&Held]) {
        if given_up.is_empty() {
            return;
        }
        // Of a storm about one fragment one line is enough.
        let told: BTreeSet<(&str, &str)> = given_up
            .iter()
            .map(|held| (held.event.fragment.as_deref().unwrap_or_default(), held.event.kind.word()))
            .collect();
        told.into_iter().for_each(|(fragment, kind)| self.report_stale(fragment, kind));
        let ids = given_up.iter().map(|held| Id::of(&held.event.id)).collect();
        if self.app.queue.stale(ids).await.is_err() {
            self.again.get_or_insert(Instant::now() + patience(0));
        }
    }

    fn report_stale(&self, fragment: &str, kind: &'static str) {
        let text = format!("AEM's answers do not show that {fragment} was {kind}; it stays open until reconciliation");
        self.app.reporter.emit(log("stale", text).text("fragment", fragment).text("kind", kind).into());
    }

    fn failed(
        &mut self,
        cause: Cause,
        held: &[Held],
        (began, elapsed): (i64, Duration),
        problem: String,
        removals: bool,
    ) {
        let pause = patience(self.failures);
        self.failures += 1;
        self.again = Some(Instant::now() + pause);
        let cause = described(cause, held);
        let text = format!(
            "build failed ({cause}): {problem}; again in {} s, events that wait: {}",
            pause.as_secs(),
            held.len()
        );
        let told = log("build-failed", text).text("cause", cause.clone()).text("problem", problem.clone());
        self.app.status.change(|known| {
            known.failed += 1;
            known.trouble(Topic::Removals, removals.then(|| problem.clone()));
            known.trouble(Topic::Build, (!removals).then(|| problem.clone()));
            known.add(BuildNote {
                at: time(began),
                cause,
                outcome: "failed",
                elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                problem: Some(problem),
                ..BuildNote::default()
            });
        });
        // Whoever reads the log finds the status as it says.
        self.app.reporter.emit(told.number("waiting", held.len() as u64).into());
    }

    /// Deploys what waits, and settles the events whose effect that is.
    async fn deploy(&mut self, cancel: &Stop) {
        self.deploy_again = None;
        let announced = self.ledger.announce(self.unannounced.iter().cloned());
        let result = match announced {
            Err(error) => Err(format!("what changed could not be written down: {error}")),
            Ok(()) => {
                self.unannounced.clear();
                tokio::select! {
                    result = self.deployment.run(&self.ledger) => result,
                    // The command is killed, and runs again after the next start.
                    () = cancel.wait() => return,
                }
            }
        };
        self.app.status.change(|known| known.undeployed = self.ledger.len());
        match result {
            Ok(deployed) => {
                self.deploy_failures = 0;
                let did = deployed.files + deployed.purged > 0;
                self.app.status.change(|known| {
                    known.trouble(Topic::Deploy, None);
                    known.deployed.0 += u64::from(did);
                });
                if did {
                    let text = format!("deployed: {} files, {} URLs purged", deployed.files, deployed.purged);
                    let told = log("deployed", text).number("files", deployed.files as u64);
                    self.app.reporter.emit(told.number("purged", deployed.purged as u64).into());
                }
                if !deployed.said.is_empty() {
                    self.app.reporter.emit(Event::Detail(deployed.said));
                }
                self.settle().await;
            }
            Err(problem) => {
                let pause = patience(self.deploy_failures);
                self.deploy_failures += 1;
                self.deploy_again = Some(Instant::now() + pause);
                self.app.status.change(|known| {
                    known.deployed.1 += 1;
                    known.trouble(Topic::Deploy, Some(problem.clone()));
                });
                let text = format!("deployment failed: {problem}; again in {} s", pause.as_secs());
                self.app.reporter.emit(log("deploy-failed", text).text("problem", problem).into());
            }
        }
    }

    async fn settle(&mut self) {
        let shown = self.pending.shown();
        if shown.is_empty() {
            return;
        }
        match self.app.queue.settle(shown).await {
            Ok(()) => self.pending.settled(),
            Err(problem) => {
                self.app.status.change(|known| known.trouble(Topic::Queue, Some(problem.to_string())));
                self.deploy_again = Some(Instant::now() + patience(1));
            }
        }
    }
}

/// Why there is no new site.
enum Failed {
    Interrupted,
    Problem(String),
}

fn told(reporter: &Arc<Heard>, problems: Vec<Diagnostic>) -> Failed {
    let count = problems.iter().filter(|problem| problem.is_error()).count();
    problems.into_iter().for_each(|problem| reporter.emit(Event::Diagnostic(problem)));
    Failed::Problem(format!("{count} errors"))
}

fn described(cause: Cause, held: &[Held]) -> String {
    let waiting = held.iter().filter(|held| !held.stale).count();
    match cause {
        Cause::Start => "start".to_owned(),
        Cause::Reconciliation => "reconciliation".to_owned(),
        Cause::Events if waiting == 1 => "1 event".to_owned(),
        Cause::Events => format!("{waiting} events"),
        Cause::Again => "asked again".to_owned(),
    }
}

/// Fragments that events called gone.
fn withdrawn(held: &[Held]) -> BTreeSet<String> {
    let gone = held.iter().filter(|held| matches!(held.event.kind, Kind::Unpublished | Kind::Deleted | Kind::Moved));
    gone.filter_map(|held| held.event.fragment.clone()).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
