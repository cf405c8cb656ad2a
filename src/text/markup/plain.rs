//! Html without its tags, for descriptions, search indexes and feeds.

use super::decode_entities;

/// The text of `html` as people read it: tags, comments, scripts and styles removed, character references decoded, runs
/// of white space one blank, blocks and line breaks on lines of their own.
///
/// The result is text, not html: it must be escaped like every other where it is inserted.
pub fn plain_text(html: &str) -> String {
    let mut text = Text { out: String::with_capacity(html.len()), gap: Gap::None };
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push(&rest[..at]);
        rest = &rest[at..];
        rest = match Markup::read(rest) {
            Markup::Tag { name, end } => {
                text.gap = text.gap.max(Gap::of(&name));
                after_contents(&name, &rest[end..])
            }
            Markup::Other { end } => &rest[end..],
            Markup::Sign => {
                text.push("<");
                &rest[1..]
            }
        };
    }
    text.push(rest);
    text.out
}

/// What a `<` begins.
enum Markup {
    /// An opening tag, or a closing one with `/` before the name; `end` is the first byte after it.
    Tag { name: String, end: usize },
    /// A comment or declaration.
    Other { end: usize },
    /// Nothing: "less than".
    Sign,
}

impl Markup {
    fn read(text: &str) -> Self {
        let after = |mark: &str| text.find(mark).map_or(text.len(), |at| at + mark.len());
        if text.starts_with("<!--") {
            return Self::Other { end: after("-->") };
        }
        if text.starts_with("<!") || text.starts_with("<?") {
            return Self::Other { end: after(">") };
        }
        let slash = usize::from(text.starts_with("</"));
        let inner = &text[1 + slash..];
        if !inner.starts_with(|char: char| char.is_ascii_alphabetic()) {
            return Self::Sign;
        }
        let length = inner.find(|char: char| char.is_ascii_whitespace() || matches!(char, '/' | '>'));
        let name_end = 1 + slash + length.unwrap_or(inner.len());
        Self::Tag { name: text[1..name_end].to_ascii_lowercase(), end: name_end + tag_rest(&text[name_end..]) }
    }
}

/// Bytes up to and with the `>` of a tag whose name has been read; a quoted value may hold one. All, if there is none.
fn tag_rest(text: &str) -> usize {
    let mut quote = None;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (None, _) => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    text.len()
}

/// What follows the contents of elements that are not text for people.
fn after_contents<'a>(name: &str, rest: &'a str) -> &'a str {
    if !matches!(name, "script" | "style" | "template" | "noscript" | "iframe") {
        return rest;
    }
    let closing = |at: usize| {
        let tail = rest.get(at + 2..at + 2 + name.len());
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(name))
    };
    rest.match_indices("</").map(|(at, _)| at).find(|&at| closing(at)).map_or("", |at| &rest[at..])
}

/// What stands between two words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Blank,
    Line,
}

impl Gap {
    fn of(tag: &str) -> Self {
        match tag.trim_start_matches('/') {
            "td" | "th" | "img" => Self::Blank,
            "address" | "article" | "aside" | "blockquote" | "body" | "br" | "caption" | "dd" | "details" | "div"
            | "dl" | "dt" | "fieldset" | "figcaption" | "figure" | "footer" | "form" | "h1" | "h2" | "h3" | "h4"
            | "h5" | "h6" | "header" | "hr" | "li" | "main" | "nav" | "ol" | "p" | "pre" | "section" | "summary"
            | "table" | "tbody" | "tfoot" | "thead" | "tr" | "ul" => Self::Line,
            _ => Self::None,
        }
    }
}

struct Text {
    out: String,
    gap: Gap,
}

impl Text {
    fn push(&mut self, source: &str) {
        for char in decode_entities(source).chars() {
            if char.is_whitespace() {
                self.gap = self.gap.max(Gap::Blank);
                continue;
            }
            match std::mem::replace(&mut self.gap, Gap::None) {
                Gap::Blank if !self.out.is_empty() => self.out.push(' '),
                Gap::Line if !self.out.is_empty() => self.out.push('\n'),
                _ => {}
            }
            self.out.push(char);
        }
    }
}
