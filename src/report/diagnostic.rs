//! A diagnostic is data: what happened, where, why, and what to do next.

use super::Code;

/// How bad it is. An error keeps a build from its commit, a warning does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The build (or the page, with `on_error = "hold"`) fails.
    Error,
    /// The build goes on.
    Warning,
}

/// A place in one of the user's files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Path relative to the site directory, with `/`.
    pub file: String,
    /// Line, from 1. 0 when only the file is known.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters the caret underlines; at least 1.
    pub length: usize,
    /// The text of that line, for the excerpt; empty when there is none to show.
    pub source: String,
}

impl Place {
    /// A whole file, without a line.
    pub fn file(file: impl Into<String>) -> Self {
        Place { file: file.into(), line: 0, column: 0, length: 1, source: String::new() }
    }

    /// The place of the byte range `start..end` in `text`. Out-of-range offsets are clamped; a range over several lines is cut
    /// at the end of its first.
    pub fn in_text(file: impl Into<String>, text: &str, start: usize, end: usize) -> Self {
        let start = floor_char_boundary(text, start.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor_char_boundary(text, end.clamp(start, line_end));
        Place {
            file: file.into(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            length: text[start..end].chars().count().max(1),
            source: text[line_start..line_end].trim_end_matches('\r').to_owned(),
        }
    }

    /// The place of `line` and `column` (both from 1, column in characters) in `text`.
    pub fn at(file: impl Into<String>, text: &str, line: usize, column: usize, length: usize) -> Self {
        let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
        Place { file: file.into(), line, column: column.max(1), length: length.max(1), source }
    }
}

fn floor_char_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One problem, told so that it can be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code; `aem-static explain CODE` tells more.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// What happened: lower-case, one line, no full stop.
    pub message: String,
    /// Where, if it is in a file.
    pub place: Option<Place>,
    /// The content fragments concerned, as paths.
    pub fragments: Vec<String>,
    /// Further facts, as (label, text): `("page", "/adventures/")`, `("host", …)`, `("also", "templates/base.html:3:4")`.
    pub notes: Vec<(&'static str, String)>,
    /// What to do next.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with this code.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            place: None,
            fragments: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// A warning with this code.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    /// Adds the place.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds the place, if one is known.
    pub fn at_opt(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// Adds a content fragment by its path.
    pub fn fragment(mut self, path: impl Into<String>) -> Self {
        self.fragments.push(path.into());
        self
    }

    /// Adds a fact with its label.
    pub fn note(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.notes.push((label, text.into()));
        self
    }

    /// Says what to do next.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
