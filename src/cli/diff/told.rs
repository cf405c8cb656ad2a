//! What is told of each file, for people, for a pull request, and for machines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aem_static::report::{Event, FileChange, Reporter};
use serde_json::Value;

use super::super::args::DiffArgs;
use super::super::summary::counted;
use super::super::terminal::Terminal;
use super::super::visible;
use super::markdown::Markdown;

/// One file that is created, updated or removed.
pub struct ToldFile<'a> {
    pub change: FileChange,
    /// Output path.
    pub path: &'a str,
    pub reason: &'a str,
    /// What visitors see change, or why that is not known; `None` where it was not asked for or makes no sense.
    pub text: Option<Result<String, String>>,
}

/// Whose changes are told.
pub enum Which {
    /// Those of the last build that changed anything.
    Last { at: String, is_first: bool },
    /// Those that a build would make.
    Next,
}

/// Takes the files one by one and tells them.
pub struct Told {
    terminal: Arc<Terminal>,
    /// Output paths, none for all.
    only: Vec<String>,
    with_text: bool,
    markdown: Option<Markdown>,
    counts: Counts,
}

/// How many files were told.
#[derive(Default)]
struct Counts {
    created: u64,
    updated: u64,
    removed: u64,
}

impl Counts {
    /// `2 files created, 1 updated, 0 removed`.
    fn text(&self) -> String {
        let created = counted(self.created, "file");
        format!("{created} created, {} updated, {} removed", self.updated, self.removed)
    }
}

impl Told {
    /// Nothing is told yet.
    pub fn new(args: &DiffArgs, terminal: Arc<Terminal>) -> Self {
        let mut only = Vec::new();
        for path in &args.paths {
            let path = path.trim_start_matches('/');
            only.extend([path, path.strip_prefix("out/").unwrap_or(path)].map(str::to_owned));
        }
        let markdown = args.markdown.then(Markdown::default);
        Told { terminal, only, with_text: args.text, markdown, counts: Counts::default() }
    }

    /// Whether a file is one of those asked for.
    pub fn wants(&self, path: &str) -> bool {
        let is_below = |only: &String| {
            let folder = only.trim_end_matches('/');
            let rest = path.strip_prefix(folder);
            folder.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.only.is_empty() || self.only.iter().any(is_below)
    }

    /// Tells a file, if it is one of those asked for.
    pub fn file(&mut self, file: ToldFile<'_>) {
        match file.change {
            _ if !self.wants(file.path) => return,
            FileChange::Created => self.counts.created += 1,
            FileChange::Updated => self.counts.updated += 1,
            FileChange::Removed => self.counts.removed += 1,
            FileChange::Unchanged => return,
        }
        match &mut self.markdown {
            Some(markdown) => markdown.file(&file),
            None => self.terminal.result(&lines(&file), "file", &self.fields(&file)),
        }
    }

    /// The end: what it comes to.
    pub fn end(&mut self, which: &Which) {
        let counts = self.counts.text();
        let head = match which {
            Which::Last { is_first: true, at } => format!("the first build, at {at}: everything is new, {counts}"),
            Which::Last { at, .. } => format!("the last build that changed anything, at {at}: {counts}"),
            Which::Next => format!("a build would change: {counts}"),
        };
        match self.markdown.take() {
            Some(markdown) => self.terminal.result(&markdown.end(&head), "diff", &[]),
            None => {
                let (at, is_first) = match which {
                    Which::Last { at, is_first } => (Some(at.as_str()), *is_first),
                    Which::Next => (None, false),
                };
                let Counts { created, updated, removed } = self.counts;
                self.terminal.result(
                    "",
                    "diff",
                    &[
                        ("built_at", at.into()),
                        ("first", is_first.into()),
                        ("created", created.into()),
                        ("updated", updated.into()),
                        ("removed", removed.into()),
                    ],
                );
                self.terminal.emit(Event::Note(head));
            }
        }
    }

    fn fields(&self, file: &ToldFile<'_>) -> Vec<(&'static str, Value)> {
        let mut fields =
            vec![("change", file.change.name().into()), ("path", file.path.into()), ("reason", file.reason.into())];
        if self.with_text {
            let text = file.text.as_ref();
            fields.push(("diff", text.and_then(|text| text.as_ref().ok()).map(String::as_str).into()));
            fields.push(("diff_missing", text.and_then(|text| text.as_ref().err()).map(String::as_str).into()));
        }
        fields
    }
}

/// What a text says where it is no diff.
pub fn instead(text: &Result<String, String>) -> Option<String> {
    match text {
        Ok(diff) if diff.is_empty() => Some("the text is the same: markup, links or images differ".to_owned()),
        Ok(_) => None,
        Err(why) => Some(format!("no diff of the text: {why}")),
    }
}

/// The file, as a dry run lists it; its text stands below and further to the right, so that it cannot pass for a file.
fn lines(file: &ToldFile<'_>) -> String {
    let sign = match file.change {
        FileChange::Created => "+",
        FileChange::Removed => "-",
        FileChange::Updated | FileChange::Unchanged => "~",
    };
    let mut text = format!("{sign} {} ({})\n", visible::line(file.path), file.reason);
    let below = match &file.text {
        Some(text) => instead(text).or_else(|| text.as_ref().ok().cloned()).unwrap_or_default(),
        None => String::new(),
    };
    for line in below.split_terminator('\n') {
        text.push_str(format!("    {}", visible::block(line)).trim_end());
        text.push('\n');
    }
    text
}

/// Listens to a dry run: files and texts are told here, everything else by the terminal.
pub struct Listener {
    terminal: Arc<Terminal>,
    heard: Mutex<Heard>,
}

struct Heard {
    told: Told,
    /// The text that belongs to the next file.
    text: Option<Result<String, String>>,
}

impl Listener {
    /// Before the dry run.
    pub fn new(told: Told, terminal: Arc<Terminal>) -> Self {
        Listener { terminal, heard: Mutex::new(Heard { told, text: None }) }
    }

    /// After it.
    pub fn end(&self) {
        self.heard().told.end(&Which::Next);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Listener {
    fn emit(&self, event: Event) {
        match event {
            Event::Text { diff, .. } => self.heard().text = Some(diff.map_err(str::to_owned)),
            Event::File { change, path, reason } => {
                let mut heard = self.heard();
                let text = heard.text.take();
                heard.told.file(ToldFile { change, path: &path, reason, text });
            }
            event => self.terminal.emit(event),
        }
    }
}
