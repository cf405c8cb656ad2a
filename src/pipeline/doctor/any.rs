//! The Dispatcher's configuration language, as far as filters need it: blocks, quoted values, includes, comments. Pure.

/// Something in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// `/name value` or `/name { … }`.
    Property(Property),
    /// `$include "file"`.
    Include(Include),
}

/// `$include "file"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Include {
    /// The file as it is written, relative to the including one.
    pub path: String,
    /// Byte offset.
    pub at: usize,
}

/// A name and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    /// Without its slash.
    pub name: String,
    /// Byte range, from the slash to the end of the value.
    pub start: usize,
    pub end: usize,
    pub value: Value,
}

/// What a name has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// In double quotes, or in none: a glob.
    Glob(String),
    /// In single quotes: a regular expression.
    Regex(String),
    /// In braces.
    Block(Vec<Item>),
    /// Nothing.
    Missing,
}

/// Reads a file. What it does not understand it passes over, since the Dispatcher has more than filters.
pub(super) fn parse(text: &str) -> Vec<Item> {
    let mut reader = Reader { text, at: 0 };
    let mut items = Vec::new();
    while reader.at < text.len() {
        items.extend(reader.items(0));
        // A brace that closes nothing.
        reader.at += 1;
    }
    items
}

/// Deeper blocks are nobody's.
const DEEPEST: usize = 32;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// Everything up to a closing brace, which is left, or the end.
    fn items(&mut self, depth: usize) -> Vec<Item> {
        let mut items = Vec::new();
        loop {
            self.space();
            let start = self.at;
            match self.peek() {
                None | Some('}') => return items,
                Some('/') => items.push(Item::Property(self.property(start, depth))),
                Some('$') => {
                    if self.word() == "$include" {
                        self.space();
                        if let Value::Glob(path) | Value::Regex(path) = self.value(depth) {
                            items.push(Item::Include(Include { path, at: start }));
                        }
                    }
                }
                Some(_) => drop(self.value(depth)),
            }
        }
    }

    fn property(&mut self, start: usize, depth: usize) -> Property {
        let name = self.word()[1..].to_owned();
        let mut end = self.at;
        self.space();
        let value = match self.peek() {
            None | Some('/' | '}' | '$') => Value::Missing,
            Some(_) => {
                let value = self.value(depth);
                end = self.at;
                value
            }
        };
        Property { name, start, end, value }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.peek() {
            Some('"') => Value::Glob(self.quoted('"')),
            Some('\'') => Value::Regex(self.quoted('\'')),
            Some('{') if depth < DEEPEST => {
                self.at += 1;
                let items = self.items(depth + 1);
                self.at = (self.at + 1).min(self.text.len());
                Value::Block(items)
            }
            Some('{') => {
                self.at += 1;
                Value::Missing
            }
            _ => Value::Glob(self.word().to_owned()),
        }
    }

    fn quoted(&mut self, quote: char) -> String {
        let rest = &self.text[self.at + 1..];
        let length = rest.find(quote).unwrap_or(rest.len());
        self.at = (self.at + length + 2).min(self.text.len());
        rest[..length].to_owned()
    }

    /// At least one character, up to white space or something that ends a word.
    fn word(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let ends = |letter: char| letter.is_whitespace() || matches!(letter, '{' | '}' | '"' | '\'' | '#');
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let length = rest[first..].find(ends).map_or(rest.len(), |length| first + length);
        self.at += length;
        &rest[..length]
    }

    /// White space and comments.
    fn space(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules_includes_and_comments() {
        let text = "# a \"comment\" {\n$include \"./default_filters.any\"\n/0101 { /type \"allow\" /method '(GET|POST)'\n  # inside\n  /url \"/a#b*\" }\n/x 1";
        let items = parse(text);
        assert_eq!(items.len(), 3);
        assert!(matches!(&items[0], Item::Include(Include { path, at: 16 }) if path == "./default_filters.any"));
        let Item::Property(Property { name, start, end, value: Value::Block(inside) }) = &items[1] else {
            panic!("{items:?}")
        };
        assert_eq!((name.as_str(), &text[*start..*end][..5]), ("0101", "/0101"));
        assert!(text[*start..*end].ends_with('}'));
        let values: Vec<_> = inside
            .iter()
            .map(|item| match item {
                Item::Property(Property { name, value, .. }) => (name.as_str(), value.clone()),
                Item::Include(include) => panic!("{include:?}"),
            })
            .collect();
        let glob = |text: &str| Value::Glob(text.to_owned());
        let expected =
            [("type", glob("allow")), ("method", Value::Regex("(GET|POST)".to_owned())), ("url", glob("/a#b*"))];
        assert_eq!(values, expected);
        assert!(matches!(&items[2], Item::Property(Property { value, .. }) if *value == glob("1")));
    }

    proptest! {
        #[test]
        fn whatever_it_is_reading_ends(text in "[/{}\"'#$a-z \n\u{e4}]{0,200}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let _ = parse(&"/a {".repeat(100_000));
    }
}
