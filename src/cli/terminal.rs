//! The only writer to stdout and stderr. Results go to stdout, everything else to stderr; with `--format json` every event
//! goes to stdout, one a line. Bars on a terminal, plain lines elsewhere. A reader of stdout that has gone away is no failure.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aem_static::report::{Check, CheckOutcome, Diagnostic, Event, FileChange, Reporter, Stage, Summary};
use serde_json::Value;

use super::args::{Format, Global};
use super::colour::{Paint, Surroundings};
use super::outcome::Status;
use super::progress::Progress;
use super::{json, show, summary, visible};

/// With `--format json`, a stage tells its progress this often at most.
const PACE: Duration = Duration::from_millis(100);

/// How much is told to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// `-q`: only errors and results.
    Quiet,
    /// Notes, warnings, stages, the summary.
    Normal,
    /// `-v`: details and files as well.
    Verbose,
}

/// What `Event::File` is to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// A detail, told with `-v` on stderr.
    Detail,
    /// The result of the command (`build --dry-run`), on stdout; unchanged ones are not listed.
    Result,
    /// Told on stderr, with reasons (`build --explain`); unchanged ones are not listed.
    Reasons,
}

/// How the terminal writes; decided once.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// For people or for machines.
    pub format: Format,
    /// How much.
    pub verbosity: Verbosity,
    /// What files are.
    pub files: Files,
    /// Colour on stdout.
    pub out: Paint,
    /// Colour on stderr.
    pub err: Paint,
    /// Stdout is a terminal, so that results are written without control characters.
    pub out_is_terminal: bool,
}

/// The terminal of this process. Shared between threads; every line is written whole.
pub struct Terminal {
    manner: Manner,
    inner: Mutex<Inner>,
}

struct Inner {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    out_failure: Option<io::Error>,
    progress: Progress,
    paced: BTreeMap<Stage, Instant>,
    /// Held files told.
    held: u64,
}

impl Terminal {
    /// The terminal on the streams of this process, as the flags and the streams ask for it.
    pub fn standard(global: &Global, files: Files) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let around = |terminal| Surroundings {
            terminal,
            no_color: set("NO_COLOR").is_some(),
            force: set("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            dumb: set("TERM").is_some_and(|value| value == "dumb"),
        };
        let verbosity = match global {
            Global { quiet: true, .. } => Verbosity::Quiet,
            Global { verbose: true, .. } => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        let manner = Manner {
            format: global.format,
            verbosity,
            files,
            out: Paint::decide(global.color, around(out.is_terminal())),
            err: Paint::decide(global.color, around(err.is_terminal())),
            out_is_terminal: out.is_terminal(),
        };
        let bars =
            err.is_terminal() && !around(true).dumb && global.format == Format::Human && verbosity != Verbosity::Quiet;
        let progress = if bars { Progress::bars() } else { Progress::none() };
        Terminal::new(manner, Box::new(out), Box::new(err), progress)
    }

    /// A terminal on any two writers.
    pub fn new(manner: Manner, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, progress: Progress) -> Self {
        let inner = Inner { out, err, out_failure: None, progress, paced: BTreeMap::new(), held: 0 };
        Terminal { manner, inner: Mutex::new(inner) }
    }

    /// Writes the result of a command: `text` to people, byte for byte unless stdout is a terminal, and an event called
    /// `name` with `fields` to machines.
    pub fn result(&self, text: &str, name: &str, fields: &[(&str, Value)]) {
        let mut inner = self.inner();
        match self.manner.format {
            Format::Json => inner.write_out(&json_line(&json::named(name, fields))),
            Format::Human if self.manner.out_is_terminal => inner.write_out(&visible::block(text)),
            Format::Human => inner.write_out(text),
        }
    }

    /// Asks a question that is answered by yes or no, no being what silence means. `None`: there is nobody to ask, since stdin or
    /// stderr is no terminal, or a machine reads the output.
    pub fn ask(&self, question: &str) -> Option<bool> {
        if self.manner.format == Format::Json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        self.inner().write_err(&format!("{} [y/N] ", visible::line(question)));
        let mut line = String::new();
        // Not under the lock: whoever is asked may take long.
        io::stdin().read_line(&mut line).ok()?;
        Some(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Says why the command failed: the last line, `error: …`. One line, lower-case, no full stop.
    pub fn failure(&self, message: &str) {
        let mut inner = self.inner();
        inner.progress.clear();
        match self.manner.format {
            Format::Json => inner.write_out(&json_line(&json::named("failed", &[("message", message.into())]))),
            Format::Human => {
                let line = format!("{}: {}\n", self.manner.err.error("error"), visible::line(message));
                inner.write_err(&line);
            }
        }
    }

    /// Ends the output and says what the run came to: `status`, unless a result could not be written.
    pub fn close(&self, status: Status) -> Status {
        let mut inner = self.inner();
        inner.progress.clear();
        if let Err(error) = inner.out.flush() {
            inner.keep_failure(error);
        }
        match inner.out_failure.take() {
            // Whoever read the output has seen enough: `aem-static routes | head`.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => status,
            Some(error) => {
                inner.write_err(&format!("{}: stdout cannot be written: {error}\n", self.manner.err.error("error")));
                if status == Status::Done { Status::Problems } else { status }
            }
            None => status,
        }
    }

    /// A panic in another thread while it wrote must not silence this one.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn emit_json(&self, event: &Event) {
        let mut inner = self.inner();
        if let Event::Progress { stage, .. } = event {
            let now = Instant::now();
            if inner.paced.get(stage).is_some_and(|last| now.duration_since(*last) < PACE) {
                return;
            }
            inner.paced.insert(*stage, now);
        }
        inner.write_out(&json_line(&json::event(event)));
    }

    fn emit_human(&self, event: Event) {
        let verbosity = self.manner.verbosity;
        let mut inner = self.inner();
        match event {
            Event::Note(text) if verbosity != Verbosity::Quiet => {
                inner.write_err(&format!("{}\n", visible::line(&text)))
            }
            Event::Detail(text) if verbosity == Verbosity::Verbose => {
                inner.write_err(&format!("{}\n", visible::line(&text)));
            }
            Event::Logged(logged) if verbosity != Verbosity::Quiet => {
                inner.write_err(&format!("{}\n", visible::line(&logged.text)));
            }
            // Texts are for the command that asks for them, and are told by it.
            Event::Note(_) | Event::Detail(_) | Event::Logged(_) | Event::Text { .. } => (),
            Event::Held { path, is_absent } => self.held(&mut inner, &path, is_absent),
            Event::Diagnostic(diagnostic) => self.diagnostic(&mut inner, &diagnostic),
            Event::Check(check) => self.check(&mut inner, &check),
            Event::StageStarted { stage, total } => inner.progress.start(stage, total),
            Event::Progress { stage, done, total, slow } => inner.progress.update(stage, done, total, slow.as_deref()),
            Event::StageFinished { stage, done, elapsed } => {
                inner.progress.finish(stage);
                // After a bar the summary is enough; a log has seen nothing yet.
                if verbosity != Verbosity::Quiet && !inner.progress.draws() {
                    inner.write_err(&summary::stage_line(stage, done, elapsed));
                }
            }
            Event::File { change, path, reason } => self.file(&mut inner, change, &path, reason),
            Event::Finished(summary) => self.finished(&mut inner, &summary),
        }
    }

    fn diagnostic(&self, inner: &mut Inner, diagnostic: &Diagnostic) {
        if diagnostic.is_error() || self.manner.verbosity != Verbosity::Quiet {
            inner.write_err(&format!("{}\n", show::draw(diagnostic, self.manner.err)));
        }
    }

    /// Checks are the result of their command. Signs are for a terminal; a log reads the same in words.
    fn check(&self, inner: &mut Inner, check: &Check) {
        let paint = self.manner.out;
        let sign = match (check.outcome, self.manner.out_is_terminal) {
            (CheckOutcome::Passed, true) => paint.added("✓"),
            (CheckOutcome::Passed, false) => paint.added("ok      "),
            (CheckOutcome::Failed, true) => paint.error("✗"),
            (CheckOutcome::Failed, false) => paint.error("failed  "),
            (CheckOutcome::LeftOut, true) => "–".to_owned(),
            (CheckOutcome::LeftOut, false) => "left out".to_owned(),
        };
        let (title, detail) = (visible::line(&check.title()), visible::line(&check.detail));
        inner.write_out(&format!("{sign} {}: {detail}\n", paint.label(&title)));
    }

    fn file(&self, inner: &mut Inner, change: FileChange, path: &str, reason: &str) {
        let path = visible::line(path);
        match self.manner.files {
            Files::Result | Files::Reasons if change == FileChange::Unchanged => (),
            Files::Result => inner.write_out(&format!("{} {path} ({reason})\n", sign(change, self.manner.out))),
            Files::Reasons => inner.write_err(&format!("{} {path} ({reason})\n", sign(change, self.manner.err))),
            Files::Detail if self.manner.verbosity == Verbosity::Verbose => {
                inner.write_err(&format!("{} {path}\n", sign(change, self.manner.err)));
            }
            Files::Detail => (),
        }
    }

    /// The first of them, or all with `-v`; how many there are stands in the summary.
    fn held(&self, inner: &mut Inner, path: &str, is_absent: bool) {
        const FIRST: u64 = 20;
        inner.held += 1;
        let path = visible::line(path);
        let why = if is_absent { "absent: it never was made" } else { "held: its last good version stays" };
        match self.manner.verbosity {
            Verbosity::Quiet => (),
            Verbosity::Normal if inner.held == FIRST + 1 => inner.write_err("= and others: -v lists all\n"),
            Verbosity::Normal if inner.held > FIRST => (),
            Verbosity::Normal | Verbosity::Verbose => inner.write_err(&format!("= {path} ({why})\n")),
        }
    }

    fn finished(&self, inner: &mut Inner, summary: &Summary) {
        inner.progress.clear();
        if self.manner.verbosity != Verbosity::Quiet {
            inner.write_err(&summary::draw(summary));
        }
    }
}

impl Reporter for Terminal {
    fn emit(&self, event: Event) {
        match self.manner.format {
            Format::Json => self.emit_json(&event),
            Format::Human => self.emit_human(event),
        }
    }
}

impl Inner {
    /// Writes to stdout at once, with the bars out of the way; after a failure nothing more.
    fn write_out(&mut self, text: &str) {
        if self.out_failure.is_some() {
            return;
        }
        let Inner { out, progress, .. } = self;
        let written = progress.aside(|| out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        if let Err(error) = written {
            self.keep_failure(error);
        }
    }

    /// Writes to stderr; a failure there has nowhere to be told.
    fn write_err(&mut self, text: &str) {
        let Inner { err, progress, .. } = self;
        let _ = progress.aside(|| err.write_all(text.as_bytes()).and_then(|()| err.flush()));
    }

    fn keep_failure(&mut self, error: io::Error) {
        self.out_failure.get_or_insert(error);
    }
}

fn json_line(value: &Value) -> String {
    format!("{value}\n")
}

fn sign(change: FileChange, paint: Paint) -> String {
    match change {
        FileChange::Created => paint.added("+"),
        FileChange::Updated => paint.warning("~"),
        FileChange::Unchanged => "=".to_owned(),
        FileChange::Removed => paint.error("-"),
    }
}

#[cfg(test)]
#[path = "terminal_tests.rs"]
mod tests;
