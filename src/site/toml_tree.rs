//! aem-static.toml as a tree whose every node knows where it came from: a place in the file, or the setting that overrode it.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::template::nearest;
use crate::report::{Code, Diagnostic, Place, codes};

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A byte range of aem-static.toml.
    File(Range<usize>),
    /// A flag or environment variable, by name.
    Setting(String),
}

impl Origin {
    /// The place, for a value that stands in the file.
    pub(super) fn place(&self, text: &str) -> Option<Place> {
        match self {
            Origin::File(range) => Some(Place::in_text(super::CONFIG_FILE, text, range.start, range.end)),
            Origin::Setting(_) => None,
        }
    }
}

/// A value with its origin.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// The kinds of TOML values.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Array(Vec<Node>),
    Table(Table),
}

/// A table; `keys` remembers where each key stands, for "unknown key".
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<String, Node>,
    pub(super) keys: BTreeMap<String, Origin>,
    /// Keys in the order of the file.
    pub(super) order: Vec<String>,
}

impl Table {
    /// Sets a key, replacing what was there.
    pub(super) fn insert(&mut self, key: &str, origin: Origin, node: Node) {
        if self.entries.insert(key.to_owned(), node).is_none() {
            self.order.push(key.to_owned());
        }
        self.keys.insert(key.to_owned(), origin);
    }

    /// Lays `other` over this table, tables key by key.
    pub(super) fn merge(&mut self, other: Table) {
        let Table { mut entries, mut keys, order } = other;
        for key in order {
            let (Some(node), Some(origin)) = (entries.remove(&key), keys.remove(&key)) else {
                continue;
            };
            match (self.entries.get_mut(&key).map(|mine| &mut mine.value), node.value) {
                (Some(Value::Table(mine)), Value::Table(theirs)) => mine.merge(theirs),
                (_, value) => self.insert(&key, origin, Node { value, origin: node.origin }),
            }
        }
    }

    /// Sets `dotted.key` to a value that came from outside the file.
    pub(super) fn set(&mut self, dotted: &str, value: Value, setting: &str) {
        let origin = Origin::Setting(setting.to_owned());
        match dotted.split_once('.') {
            None => self.insert(dotted, origin.clone(), Node { value, origin }),
            Some((first, rest)) => {
                if !matches!(self.entries.get(first), Some(Node { value: Value::Table(_), .. })) {
                    let empty = Node { value: Value::Table(Table::default()), origin: origin.clone() };
                    self.insert(first, origin, empty);
                }
                if let Some(Node { value: Value::Table(inner), .. }) = self.entries.get_mut(first) {
                    inner.set(rest, value, setting);
                }
            }
        }
    }
}

/// Parses the file; a syntax error is the only one that hides the others.
pub(super) fn parse(text: &str) -> Result<Table, Diagnostic> {
    match DeTable::parse(text) {
        Ok(table) => Ok(table_from(table.get_ref())),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().replace('\n', ", ");
            Err(Diagnostic::error(codes::CONFIG_SYNTAX, format!("aem-static.toml is not valid TOML: {message}"))
                .at(Place::in_text(super::CONFIG_FILE, text, span.start, span.end)))
        }
    }
}

fn table_from(table: &DeTable<'_>) -> Table {
    let mut out = Table::default();
    for (key, value) in table.iter() {
        out.insert(key.get_ref(), Origin::File(key.span()), node_from(value));
    }
    out
}

fn node_from(value: &Spanned<DeValue<'_>>) -> Node {
    let origin = Origin::File(value.span());
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).map_or_else(|_| Value::Text(digits), Value::Integer)
        }
        DeValue::Float(number) => Value::Float(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(node_from).collect()),
        DeValue::Table(table) => Value::Table(table_from(table)),
    };
    Node { value, origin }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// As JSON, for `[site.params]` and variables.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.clone().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => serde_json::Number::from_f64(*number).map_or(serde_json::Value::Null, Into::into),
            Value::Bool(flag) => (*flag).into(),
            Value::Array(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Value::Table(table) => table.to_json(),
        }
    }
}

impl Table {
    /// As JSON, keys in the order of the file.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let members = self.order.iter().filter_map(|key| Some((key.clone(), self.entries.get(key)?.value.to_json())));
        serde_json::Value::Object(members.collect())
    }
}

/// Reads one table key by key, collecting problems; [`Reader::finish`] reports the keys nobody asked for.
pub(super) struct Reader<'a> {
    /// `site`, `aem.hosts`, `route`; empty for the top level.
    name: &'a str,
    table: Table,
    pub(super) text: &'a str,
    known: Vec<&'static str>,
    pub(super) problems: &'a mut Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(name: &'a str, table: Table, text: &'a str, problems: &'a mut Vec<Diagnostic>) -> Self {
        Reader { name, table, text, known: Vec::new(), problems }
    }

    /// Takes the value of `key`, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        self.table.entries.remove(key)
    }

    /// Reports that `node` is not what `key` takes.
    pub(super) fn wrong(&mut self, key: &str, node: &Node, expected: &str) {
        let shown = match &node.value {
            Value::Text(text) => format!("`{text}`"),
            Value::Integer(number) => number.to_string(),
            other => other.kind().to_owned(),
        };
        let from = match &node.origin {
            Origin::Setting(setting) => format!(" (from {setting})"),
            Origin::File(_) => String::new(),
        };
        let message = format!("`{}` takes {expected}, not {shown}{from}", self.dotted(key));
        self.problems.push(Diagnostic::error(codes::CONFIG_VALUE, message).at_opt(node.origin.place(self.text)));
    }

    pub(super) fn problem(&mut self, code: Code, origin: &Origin, message: String) {
        self.problems.push(Diagnostic::error(code, message).at_opt(origin.place(self.text)));
    }

    fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    pub(super) fn text_node(&mut self, key: &'static str) -> Option<(String, Origin)> {
        let node = self.take(key)?;
        match node.value {
            Value::Text(text) => Some((text, node.origin)),
            _ => {
                self.wrong(key, &node, "a text");
                None
            }
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.text_node(key).map(|(text, _)| text)
    }

    pub(super) fn bool(&mut self, key: &'static str) -> Option<bool> {
        let node = self.take(key)?;
        match &node.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) if matches!(node.origin, Origin::Setting(_)) && text.parse::<bool>().is_ok() => {
                text.parse().ok()
            }
            _ => {
                self.wrong(key, &node, "true or false");
                None
            }
        }
    }

    /// A whole number of at least `least`.
    pub(super) fn count(&mut self, key: &'static str, least: i64) -> Option<u64> {
        let node = self.take(key)?;
        let number = match &node.value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) if matches!(node.origin, Origin::Setting(_)) => text.parse().ok(),
            _ => None,
        };
        match number.filter(|number| *number >= least).and_then(|number| u64::try_from(number).ok()) {
            Some(number) => Some(number),
            None => {
                self.wrong(key, &node, &format!("a whole number of at least {least}"));
                None
            }
        }
    }

    /// A list of texts; a setting gives it separated by commas.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let node = self.take(key)?;
        match &node.value {
            Value::Text(text) if matches!(node.origin, Origin::Setting(_)) => {
                Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
            }
            Value::Array(items) if items.iter().all(|item| matches!(item.value, Value::Text(_))) => Some(
                items
                    .iter()
                    .filter_map(|item| if let Value::Text(text) = &item.value { Some(text.clone()) } else { None })
                    .collect(),
            ),
            _ => {
                self.wrong(key, &node, "a list of texts");
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let node = self.take(key)?;
        if let Value::Text(text) = &node.value
            && let Some((_, value)) = words.iter().find(|(word, _)| word == text)
        {
            return Some(*value);
        }
        let expected: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        self.wrong(key, &node, &expected.join(" or "));
        None
    }

    /// A table inside this one.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Table> {
        let node = self.take(key)?;
        match node.value {
            Value::Table(table) => Some(table),
            _ => {
                self.wrong(key, &node, "a table");
                None
            }
        }
    }

    /// Reports what is left as unknown keys, each with the nearest known one.
    pub(super) fn finish(self) {
        for key in &self.table.order {
            if !self.table.entries.contains_key(key) {
                continue;
            }
            let origin = &self.table.keys[key];
            let dotted = self.dotted(key);
            let mut diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key `{dotted}`"))
                .at_opt(origin.place(self.text));
            diagnostic = match nearest(key, self.known.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{}`?", self.dotted(near))),
                None => diagnostic.help(format!("known keys here: {}", self.known.join(", "))),
            };
            self.problems.push(diagnostic);
        }
    }
}
