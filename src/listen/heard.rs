//! What a build tells, listened to on its way to the reporter: which files change, before they do; why it failed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ledger::Ledger;
use crate::report::{Event, FileChange, Reporter, Stage, codes};

/// The reporter of one build.
pub(super) struct Heard {
    reporter: Arc<dyn Reporter>,
    ledger: Arc<Ledger>,
    kept: Mutex<Kept>,
}

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Files that the commit creates, updates or removes.
    pub(super) changes: Vec<String>,
    /// They could not be written down before the commit.
    pub(super) unannounced: bool,
    /// The first error.
    pub(super) problem: Option<String>,
    /// More was to be removed than allowed.
    pub(super) removals: bool,
}

impl Heard {
    pub(super) fn new(reporter: Arc<dyn Reporter>, ledger: Arc<Ledger>) -> Self {
        Heard { reporter, ledger, kept: Mutex::default() }
    }

    /// What was heard so far.
    pub(super) fn take(&self) -> Kept {
        std::mem::take(&mut *self.kept())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Heard {
    fn emit(&self, event: Event) {
        let event = match event {
            Event::File { change: FileChange::Unchanged, .. } => return,
            Event::File { change, path, reason } => {
                self.kept().changes.push(path.clone());
                Event::File { change, path, reason }
            }
            // The commit begins when this returns: from here on a crash may leave files changed that nobody has deployed.
            Event::StageStarted { stage: Stage::Write, .. } => {
                let mut kept = self.kept();
                kept.unannounced = self.ledger.announce(kept.changes.iter().cloned()).is_err();
                return;
            }
            Event::Diagnostic(diagnostic) => {
                if diagnostic.is_error() {
                    let mut kept = self.kept();
                    kept.removals |= diagnostic.code == codes::TOO_MANY_REMOVALS;
                    kept.problem.get_or_insert_with(|| format!("{}: {}", diagnostic.code.id, diagnostic.message));
                }
                Event::Diagnostic(diagnostic)
            }
            Event::Note(text) => Event::Detail(text),
            // A log has one line for a build.
            Event::StageStarted { .. } | Event::Progress { .. } | Event::StageFinished { .. } | Event::Finished(_) => {
                return;
            }
            event => event,
        };
        self.reporter.emit(event);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;
    use crate::report::{Diagnostic, Silent};

    #[test]
    fn files_are_written_down_before_the_commit_and_unchanged_ones_never() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let ledger = Arc::new(Ledger::open(&dir.path().join("listen"), &out).unwrap());
        let heard = Heard::new(Arc::new(Silent), ledger.clone());
        let file = |change, path: &str| Event::File { change, path: path.to_owned(), reason: "" };
        heard.emit(file(FileChange::Updated, "a.html"));
        heard.emit(file(FileChange::Unchanged, "b.html"));
        heard.emit(file(FileChange::Removed, "c.html"));
        assert!(ledger.is_empty());
        heard.emit(Event::StageStarted { stage: Stage::Write, total: None });
        assert_eq!(ledger.undeployed(&out).removed, ["a.html", "c.html"]);
        assert_eq!(heard.take().changes, ["a.html", "c.html"]);
    }

    #[test]
    fn the_first_error_is_kept_and_the_guard_of_removals_known() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::open(&dir.path().join("listen"), &dir.path().join("out")).unwrap());
        let heard = Heard::new(Arc::new(Silent), ledger);
        heard.emit(Event::Diagnostic(Diagnostic::warning(codes::UNSORTED, "w")));
        heard.emit(Event::Diagnostic(Diagnostic::error(codes::TOO_MANY_REMOVALS, "one")));
        heard.emit(Event::Diagnostic(Diagnostic::error(codes::REFUSED, "two")));
        let kept = heard.take();
        assert_eq!((kept.problem.as_deref(), kept.removals), (Some("E0603: one"), true));
    }
}
