//! What is wrong with a content file: said once, with its place, while everything else is served.

use std::path::{Path, PathBuf};

/// One mistake in a file below `content/` or among the query files. The file, or the field, is left out; the rest is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as reached from the directory in [`Options`](super::Options).
    pub file: PathBuf,
    /// Line from 1; 0 is unknown.
    pub line: usize,
    /// Column in characters from 1; 0 is unknown.
    pub column: usize,
    /// The field of the fragment or model, where one is to blame.
    pub field: Option<String>,
    /// What is wrong, lower-case and without a full stop.
    pub message: String,
}

/// A content file while it is read: knows where its words stand and collects what is wrong.
pub(in crate::origin) struct Page<'a> {
    pub file: &'a Path,
    pub text: &'a str,
    pub problems: &'a mut Vec<Problem>,
}

impl Page<'_> {
    /// A problem of the whole file.
    pub fn problem(&mut self, message: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: 0,
            column: 0,
            field: None,
            message: message.into(),
        });
    }

    /// A problem of one field; its place is where the field's name first stands as a JSON string value.
    pub fn field_problem(&mut self, field: &str, message: impl Into<String>) {
        let (line, column) = place_of_field(self.text, field);
        let file = self.file.to_owned();
        self.problems.push(Problem { file, line, column, field: Some(field.to_owned()), message: message.into() });
    }

    /// The file is not JSON.
    pub fn syntax(&mut self, error: &serde_json::Error) {
        let (line, column) = (error.line(), error.column());
        // The place is said apart, so it is cut from the words.
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        let message = format!("not readable as JSON: {words}");
        self.problems.push(Problem { file: self.file.to_owned(), line, column, field: None, message });
    }
}

/// Line and column of `"name": "<field>"`, else of the first `"<field>"`, else zeros.
fn place_of_field(text: &str, field: &str) -> (usize, usize) {
    let quoted = format!("\"{field}\"");
    let named = text.match_indices(&quoted).find(|(at, _)| {
        let before = text[..*at].trim_end();
        before.strip_suffix(':').is_some_and(|before| before.trim_end().ends_with("\"name\""))
    });
    match named.or_else(|| text.match_indices(&quoted).next()) {
        Some((at, _)) => line_and_column(text, at),
        None => (0, 0),
    }
}

/// Line and column (characters), both from 1, of a byte offset.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
