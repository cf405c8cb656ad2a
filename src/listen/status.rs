//! What a listener tells of itself: numbers, the last builds, and whether it is ready.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::queue::Depth;
use crate::report::Logged;

/// Builds that are remembered.
const BUILDS: usize = 20;

/// What is known at this moment.
#[derive(Debug, Default)]
pub struct Status {
    known: Mutex<Known>,
}

/// Everything that is told.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// When it was started, in milliseconds since 1970.
    pub started: i64,
    /// Answers, by address and status.
    pub answers: BTreeMap<(&'static str, u16), u64>,
    /// New events, by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Events that had come before.
    pub repeated: u64,
    /// Events that are not followed.
    pub ignored: u64,
    /// Deliveries refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// When the last event came, in milliseconds since 1970.
    pub last_event: Option<i64>,
    /// Builds that came to their end, and the time they took.
    pub built: (u64, Duration),
    /// Builds that did not.
    pub failed: u64,
    /// The last builds, the newest first.
    pub builds: VecDeque<BuildNote>,
    /// A build is under way, since then, in milliseconds since 1970.
    pub building: Option<i64>,
    /// When everything is checked next, in milliseconds since 1970.
    pub next_reconciliation: Option<i64>,
    /// Files that reconciliation changed, which no event had told of.
    pub caught: u64,
    /// Events that the site did not show after all repetitions.
    pub stale: u64,
    /// Deployments that succeeded and that failed.
    pub deployed: (u64, u64),
    /// Files that wait to be deployed.
    pub undeployed: usize,
    /// Journal entries read, and what is wrong with reading it.
    pub journal: Option<JournalNote>,
    /// What keeps it from being ready, by topic.
    pub troubles: BTreeMap<Topic, String>,
}

/// What can keep a listener from being ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// No build yet, or the last one failed.
    Build,
    /// Pages could not be made anew, and are as they were.
    Held,
    /// More is to be removed than allowed.
    Removals,
    /// The last deployment failed.
    Deploy,
    /// Events cannot be written down.
    Queue,
}

impl Topic {
    /// What everybody may know.
    pub fn word(self) -> &'static str {
        match self {
            Topic::Held => "pages held",
            Topic::Build => "build",
            Topic::Removals => "removals held",
            Topic::Deploy => "deploy",
            Topic::Queue => "queue",
        }
    }
}

/// One build.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BuildNote {
    /// When it began, RFC 3339.
    pub at: String,
    /// Why it was made.
    pub cause: String,
    /// `done` or `failed`.
    pub outcome: &'static str,
    /// Pages.
    pub created: u64,
    /// Pages.
    pub updated: u64,
    /// Pages.
    pub removed: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// The first problem of one that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How reading the journal goes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JournalNote {
    /// Entries read since the start.
    pub entries: u64,
    /// When it last answered, in milliseconds since 1970.
    pub answered: Option<i64>,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Status {
    /// At the start: nothing is built.
    pub fn new() -> Self {
        let status = Status::default();
        status.change(|known| {
            known.started = now();
            known.troubles.insert(Topic::Build, "no build yet".to_owned());
        });
        status
    }

    /// Takes notice of something.
    pub fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known())
    }

    /// What is known at this moment.
    pub fn now(&self) -> Known {
        self.known().clone()
    }

    /// What keeps it from being ready, in words that everybody may read.
    pub fn troubles(&self) -> Vec<&'static str> {
        self.known().troubles.keys().map(|topic| topic.word()).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Says what is wrong with a topic, or that nothing is.
    pub fn trouble(&mut self, topic: Topic, trouble: Option<String>) {
        match trouble {
            Some(text) => drop(self.troubles.insert(topic, text)),
            None => drop(self.troubles.remove(&topic)),
        }
    }

    /// Adds a build to the last ones.
    pub fn add(&mut self, build: BuildNote) {
        self.builds.push_front(build);
        self.builds.truncate(BUILDS);
    }

    /// For how long the oldest event that waits for a build has waited.
    pub fn lag(depth: &Depth) -> Duration {
        let since = depth.oldest.map_or(0, |at| now().saturating_sub(at));
        Duration::from_millis(u64::try_from(since).unwrap_or(0))
    }
}

/// A line of the log, with its time for machines: people's logs have it from whoever keeps them.
pub fn log(name: &'static str, text: impl Into<String>) -> Logged {
    Logged::new(name, text).text("at", time(now()))
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A time for people and machines: RFC 3339, UTC, whole seconds.
pub fn time(milliseconds: i64) -> String {
    let seconds = Timestamp::from_second(milliseconds.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH);
    seconds.to_string()
}
