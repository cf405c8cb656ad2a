//! What is wrong with a content file: said once, with its place, while everything else is served.

use std::path::{Path, PathBuf};

use super::place::{At, Way};

/// One mistake in a file below `content/` or among the query files. What it is about is left out; the rest is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as reached from the directory in [`Options`](crate::origin::Options).
    pub file: PathBuf,
    /// Line from 1; 0 is unknown.
    pub line: usize,
    /// Column in characters from 1; 0 is unknown.
    pub column: usize,
    /// The part of a fragment or model that is left out. Without one, it is the whole fragment, model or query.
    pub field: Option<String>,
    /// What is wrong, lower-case and without a full stop.
    pub message: String,
}

/// A content file while it is read: knows where its values stand and collects what is wrong.
pub(in crate::origin) struct Page<'a> {
    pub file: &'a Path,
    pub text: &'a str,
    pub problems: &'a mut Vec<Problem>,
}

impl Page<'_> {
    /// A problem of the whole file.
    pub fn problem(&mut self, message: impl Into<String>) {
        self.push((0, 0), None, message.into());
    }

    /// A problem that leaves out the fragment or model, at the value that is to blame.
    pub fn at(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.push(at.way().value_in(self.text), None, message.into());
    }

    /// A problem of one field, at the value that is to blame.
    pub fn field(&mut self, at: &At<'_>, field: &str, message: impl Into<String>) {
        self.push(at.way().value_in(self.text), Some(field), message.into());
    }

    /// A problem of one field, at the name before the value.
    pub fn field_name(&mut self, at: &At<'_>, field: &str, message: impl Into<String>) {
        self.push(at.way().name_in(self.text), Some(field), message.into());
    }

    /// A problem found when the values were gone; without a field it leaves out the fragment or model.
    pub fn way(&mut self, way: &Way, field: Option<&str>, message: impl Into<String>) {
        self.push(way.value_in(self.text), field, message.into());
    }

    /// The file is not JSON.
    pub fn syntax(&mut self, error: &serde_json::Error) {
        // The place is said apart, so it is cut from the words.
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        self.push((error.line(), error.column()), None, format!("not readable as JSON: {words}"));
    }

    fn push(&mut self, (line, column): (usize, usize), field: Option<&str>, message: String) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line,
            column,
            field: field.map(str::to_owned),
            message,
        });
    }
}

/// `; did you mean …?` where one of the known names is near, else nothing.
pub(in crate::origin) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let most = (name.chars().count() / 3).max(1);
    let distances =
        known.map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known));
    let near = distances.filter(|(distance, _)| *distance <= most).min();
    near.map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_near_names_are_offered() {
        let known = ["title", "price", "steps"];
        assert_eq!(nearest("titel", known.into_iter()), "; did you mean `title`?");
        assert_eq!(nearest("Price", known.into_iter()), "; did you mean `price`?");
        assert_eq!(nearest("colour", known.into_iter()), "");
    }
}
