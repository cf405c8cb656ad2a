//! What a command says while it runs: one closed enum, so that one can see everything that can ever be said.

use std::time::Duration;

use super::{Check, Diagnostic, Fact};

/// A stage of the river that has a bar of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Reading the site directory.
    Load,
    /// Requests to AEM; counted in items.
    Fetch,
    /// Pages through Tera, and writing them to staging; counted in pages.
    Render,
    /// Asset downloads; counted in files.
    Assets,
    /// The commit: files put into place; counted in files.
    Write,
}

impl Stage {
    /// The word for people and for JSON events.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Load => "load",
            Stage::Fetch => "fetch",
            Stage::Render => "render",
            Stage::Assets => "assets",
            Stage::Write => "write",
        }
    }
}

/// What becomes of one file of `out/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileChange {
    /// It was not there.
    Created,
    /// It was there with other bytes.
    Updated,
    /// It was there with the same bytes and is not touched.
    Unchanged,
    /// It is no longer made.
    Removed,
}

impl FileChange {
    /// The word for people and for JSON events.
    pub fn name(self) -> &'static str {
        match self {
            FileChange::Created => "created",
            FileChange::Updated => "updated",
            FileChange::Unchanged => "unchanged",
            FileChange::Removed => "removed",
        }
    }
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A fact worth a line: which origin was started, which variable named the host.
    Note(String),
    /// A fact for `-v`.
    Detail(String),
    /// A line of a log, with the same for machines.
    Logged(Logged),
    /// A problem; errors are told once, where they are found.
    Diagnostic(Diagnostic),
    /// A link of the way to AEM was looked at; remedies of a failed one follow as diagnostics.
    Check(Check),
    /// A stage begins; `total` when it is known beforehand.
    StageStarted {
        /// Which stage.
        stage: Stage,
        /// How many units it will have, if known.
        total: Option<u64>,
    },
    /// A stage has come to `done`; `slow` names what it waits for longest.
    Progress {
        /// Which stage.
        stage: Stage,
        /// Units done so far.
        done: u64,
        /// Units in all, if known by now.
        total: Option<u64>,
        /// What it is waiting for, for the bar's message.
        slow: Option<String>,
    },
    /// A stage is over.
    StageFinished {
        /// Which stage.
        stage: Stage,
        /// Units done.
        done: u64,
        /// Wall time.
        elapsed: Duration,
    },
    /// One file's fate, told by `--dry-run` and `-v` and to machines.
    File {
        /// What becomes of it.
        change: FileChange,
        /// Output path relative to `out/`.
        path: String,
        /// Why, in a few words.
        reason: &'static str,
    },
    /// What visitors would see change on a page (`diff --dry-run --text`); its [`Event::File`] follows.
    Text {
        /// Output path relative to `out/`.
        path: String,
        /// A unified diff, empty if they would see no change; or why there is none.
        diff: Result<String, &'static str>,
    },
    /// A file that could not be made anew (`on_error = "hold"`).
    Held {
        /// Output path relative to `out/`.
        path: String,
        /// It never was made; else its last good version stays.
        is_absent: bool,
    },
    /// The last event of a build.
    Finished(Summary),
}

/// A line of the log of a command that runs on: `listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// What happened, for machines: `built`, `deployed`.
    pub name: &'static str,
    /// One line for people.
    pub text: String,
    /// The same for machines.
    pub facts: Vec<(&'static str, Fact)>,
}

impl Logged {
    /// A line without facts.
    pub fn new(name: &'static str, text: impl Into<String>) -> Self {
        Logged { name, text: text.into(), facts: Vec::new() }
    }

    /// Adds a number for machines.
    pub fn number(mut self, name: &'static str, number: u64) -> Self {
        self.facts.push((name, Fact::Number(number)));
        self
    }

    /// Adds a text for machines.
    pub fn text(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.facts.push((name, Fact::Text(text.into())));
        self
    }
}

impl From<Logged> for Event {
    fn from(logged: Logged) -> Self {
        Event::Logged(logged)
    }
}

/// Wall time of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageTime {
    /// Which stage.
    pub stage: Stage,
    /// How long it took.
    pub elapsed: Duration,
}

/// The last lines of a build. Counting is over before it is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pages that were not there before; lists, feeds and the sitemap are pages, too.
    pub created: u64,
    /// Pages whose bytes changed.
    pub updated: u64,
    /// Pages left as they were.
    pub unchanged: u64,
    /// Pages no longer made.
    pub removed: u64,
    /// Copies of assets and static files that were created, updated or removed.
    pub assets: u64,
    /// Content fragments read.
    pub items: u64,
    /// HTTP requests, retries included.
    pub requests: u64,
    /// Bytes of response bodies after decompression.
    pub bytes: u64,
    /// Requests sent again after a fault.
    pub retries: u64,
    /// For how long requests were held back because AEM asked for it.
    pub waited: Duration,
    /// Access tokens asked for.
    pub exchanges: u64,
    /// The greatest `Age` header seen, in seconds.
    pub age: Option<u64>,
    /// Where the content came from: tier and host, and which setting named it.
    pub source: String,
    /// Where the result is, as the user named it.
    pub out: String,
    /// Nothing was written (`--dry-run`).
    pub dry_run: bool,
    /// Wall time of each stage.
    pub stages: Vec<StageTime>,
    /// Wall time of the whole build.
    pub elapsed: Duration,
    /// Files that could not be made anew: they stay as they were, or absent.
    pub held: u64,
    /// Errors told that stopped nothing (`on_error = "hold"`).
    pub errors: u64,
    /// Warnings told.
    pub warnings: u64,
    /// Queries of which partial data was kept (`--allow-partial`).
    pub partial: Vec<String>,
}

/// Whoever listens: the terminal, a log, a test. Called from many threads.
pub trait Reporter: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// A reporter that drops everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn emit(&self, _event: Event) {}
}
