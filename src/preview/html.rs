//! Html of our own, written piece by piece: markup is what stands in the source of this program, and everything else is text. Content is
//! hostile; there is no way to put it in unescaped.

use std::fmt::Write as _;

/// A piece of html.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn new() -> Self {
        Html::default()
    }

    /// Markup of ours.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text of anybody's, in an element or in an attribute with double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(letter),
                // What cannot be seen, or turns the line around, is shown as what it is.
                letter if is_hidden(letter) => _ = write!(self.0, "\\u{{{:x}}}", u32::from(letter)),
                letter => self.0.push(letter),
            }
        }
        self
    }

    /// A number.
    pub(super) fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        _ = write!(self.0, "{}", number.into());
        self
    }

    /// Another piece.
    pub(super) fn add(&mut self, other: &Html) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// `<a href="…">…</a>` to a place on this server.
    pub(super) fn link(&mut self, href: &str, text: &str) -> &mut Self {
        self.raw("<a href=\"").text(href).raw("\">").text(text).raw("</a>")
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A value for the query of an address.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A whole page of the tool's own: title, what stands in it, and which of its pages it is.
pub(super) fn document(title: &str, body: &Html) -> String {
    let mut html = Html::new();
    html.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n<title>")
        .text(title)
        .raw("</title>\n<link rel=\"icon\" href=\"data:,\">\n")
        .raw("<link rel=\"stylesheet\" href=\"/_aem-static/style.css\">\n</head>\n<body>\n")
        .add(body)
        .raw("\n</body>\n</html>\n");
    html.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup_and_none_hides() {
        let mut html = Html::new();
        html.link("/x\" onclick=\"alert(1)", "<script>'&\u{202e}\u{0}</script>");
        let expected =
            "<a href=\"/x&quot; onclick=&quot;alert(1)\">&lt;script&gt;&#39;&amp;\\u{202e}\\u{0}&lt;/script&gt;</a>";
        assert_eq!(html.into_string(), expected);
    }

    #[test]
    fn values_of_a_query_are_encoded() {
        assert_eq!(encoded("/a b?&#é"), "%2Fa%20b%3F%26%23%C3%A9");
    }
}
