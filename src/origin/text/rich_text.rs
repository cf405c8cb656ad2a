//! Multi line text in its four formats (protocol §4.6), computed from the stored one.
//!
//! Rich text is stored as html and delivered as stored. For the other two what AEM answers is not documented; here Markdown
//! (`text/x-markdown`) is rendered to html and the rest computed from that; plain text (`text/plain`) becomes one paragraph
//! for each block of lines, and its `markdown` is the text itself.

use std::borrow::Cow;

use apollo_compiler::response::{JsonMap, JsonValue};

use super::super::content::repository::Repository;
use super::dom::{self, Node};
use super::markdown;
use super::rich_text_json;

/// How a text is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Html,
    Markdown,
    Plain,
}

/// A stored multi line text.
#[derive(Debug, Clone, Copy)]
pub(in crate::origin) struct Text<'a> {
    stored: &'a str,
    format: Stored,
}

impl<'a> Text<'a> {
    /// A text with its `mimeType`; none means html.
    pub fn new(stored: &'a str, mime: Option<&str>) -> Self {
        let format = match mime.map(|mime| mime.split(';').next().unwrap_or("").trim()) {
            Some("text/x-markdown" | "text/markdown") => Stored::Markdown,
            Some("text/plain") => Stored::Plain,
            _ => Stored::Html,
        };
        Self { stored, format }
    }

    /// `html`.
    pub fn html(&self) -> Cow<'a, str> {
        match self.format {
            Stored::Html => Cow::Borrowed(self.stored),
            Stored::Markdown => {
                let mut html = String::new();
                pulldown_cmark::html::push_html(&mut html, pulldown_cmark::Parser::new(self.stored));
                Cow::Owned(html)
            }
            Stored::Plain => Cow::Owned(plain_to_html(self.stored)),
        }
    }

    /// `markdown`.
    pub fn markdown(&self) -> Cow<'a, str> {
        match self.format {
            Stored::Html => Cow::Owned(markdown::markdown(&dom::parse(self.stored))),
            Stored::Markdown | Stored::Plain => Cow::Borrowed(self.stored),
        }
    }

    /// `plaintext`.
    pub fn plaintext(&self) -> Cow<'a, str> {
        match self.format {
            Stored::Plain => Cow::Borrowed(self.stored),
            Stored::Html | Stored::Markdown => Cow::Owned(markdown::plaintext(&dom::parse(&self.html()))),
        }
    }

    /// `json` (protocol §6).
    pub fn json(&self, repository: &Repository) -> JsonValue {
        JsonValue::Array(rich_text_json::blocks(&dom::parse(&self.html()), repository))
    }

    /// Paths below `/content/` that the text links or embeds, in order, each once.
    pub fn references(&self) -> Vec<String> {
        // Most texts have none, and parsing is the dear part.
        if self.format != Stored::Plain && self.stored.contains("/content/") {
            let mut paths = Vec::new();
            dom::parse(&self.html()).iter().for_each(|node| collect_references(node, &mut paths));
            paths
        } else {
            Vec::new()
        }
    }
}

fn collect_references(node: &Node, paths: &mut Vec<String>) {
    for attribute in ["href", "src", "data-path"] {
        if let Some(path) = node.attribute(attribute).and_then(content_path)
            && !paths.contains(&path)
        {
            paths.push(path);
        }
    }
    node.children().iter().for_each(|child| collect_references(child, paths));
}

/// The repository path in a link: without query and fragment, percent-decoded.
pub(in crate::origin) fn content_path(link: &str) -> Option<String> {
    let path = link.split(['?', '#']).next().filter(|path| path.starts_with("/content/"))?;
    Some(percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned())
}

fn plain_to_html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("\r\n", "\n");
    let blocks = escaped.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.is_empty());
    blocks.map(|block| format!("<p>{}</p>\n", block.replace('\n', "<br>"))).collect()
}

/// A JSON object of the given members.
pub(in crate::origin) fn object<const N: usize>(members: [(&'static str, JsonValue); N]) -> JsonValue {
    let mut object = JsonMap::new();
    for (name, value) in members {
        object.insert(name, value);
    }
    JsonValue::Object(object)
}

#[cfg(test)]
mod tests {
    use super::Text;
    use crate::origin::content::repository::Repository;

    #[test]
    fn documented_sample_in_all_formats() {
        let text = Text::new("<p>Mix <b>well</b>.</p>\n", Some("text/html"));
        assert_eq!(text.html(), "<p>Mix <b>well</b>.</p>\n");
        assert_eq!(text.markdown(), "Mix **well**.\n\n ");
        assert_eq!(text.plaintext(), "Mix well.");
        assert_eq!(
            text.json(&Repository::default()).to_string(),
            r#"[{"nodeType":"paragraph","content":[{"nodeType":"text","value":"Mix "},{"nodeType":"text","value":"well","format":{"variants":["bold"]}},{"nodeType":"text","value":"."}]}]"#
        );
    }

    #[test]
    fn other_stored_formats() {
        let text = Text::new("# Hi\n\n*there*", Some("text/x-markdown"));
        assert_eq!(text.html(), "<h1>Hi</h1>\n<p><em>there</em></p>\n");
        assert_eq!(text.plaintext(), "Hi\nthere");
        let text = Text::new("a < b\nc\n\nd", Some("text/plain"));
        assert_eq!(text.html(), "<p>a &lt; b<br>c</p>\n<p>d</p>\n");
        assert_eq!(text.markdown(), "a < b\nc\n\nd");
    }

    #[test]
    fn references_are_found_once_and_decoded() {
        let text = Text::new(
            r##"<p><a href="/content/dam/a%20b.pdf#x">x</a><img src="/content/dam/c.jpg"><img src="/content/dam/c.jpg"></p>"##,
            None,
        );
        assert_eq!(text.references(), ["/content/dam/a b.pdf", "/content/dam/c.jpg"]);
    }

    #[test]
    fn deep_html_does_not_overflow() {
        let html = "<div>".repeat(1_000) + "deep";
        let text = Text::new(&html, None);
        assert!(text.plaintext().contains("deep"));
        assert!(text.markdown().contains("deep"));
        assert!(text.json(&Repository::default()).to_string().contains("deep"));
    }
}
