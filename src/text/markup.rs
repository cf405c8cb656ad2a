//! Small transformations of text that templates ask for: plain text of html, Markdown, encodings, absolute URLs.
//!
//! Nothing here trusts its input: what comes out as html holds no script that went in.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

mod entities;
mod plain;

pub use entities::decode_entities;
pub use plain::plain_text;

/// RFC 3986 "unreserved", and `/`, so that a path stays readable; a query takes it as well.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// `text` with every byte percent-encoded that a URL does not take as it is; `/` stays.
pub fn urlencode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// `text` as it stands in html, in an element or in an attribute with quotes of either kind.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    escape_html_into(text, &mut out);
    out
}

/// As [`escape_html`], at the end of `out`.
pub fn escape_html_into(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// The address of `path` on the site at `base` (`[site] base_url`, which may have a path of its own).
///
/// What has a scheme or begins with `//` is absolute already and returned as it is.
pub fn absolute_url(base: &str, path: &str) -> String {
    if path.starts_with("//") || scheme(path).is_some() {
        return path.to_owned();
    }
    let base = base.trim_end_matches('/');
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{base}{slash}{path}")
}

/// The scheme before the first `:`, if there is one: `https`, `mailto`.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.');
    (scheme.starts_with(|char: char| char.is_ascii_alphabetic()) && scheme.chars().all(plain)).then_some(scheme)
}

/// Whether following `url` would run code or show a document made from the URL itself: `javascript:`, `vbscript:`,
/// `data:`, in the spellings that browsers take (any case, control characters and blanks before and between). `url` is
/// decoded text, not an attribute's source.
pub fn runs_code(url: &str) -> bool {
    // Browsers drop tabs and newlines anywhere, blanks and control characters at the beginning.
    let meant: String = url.chars().filter(|char| !char.is_control() && !char.is_whitespace()).take(12).collect();
    let meant = meant.to_ascii_lowercase();
    ["javascript:", "vbscript:", "data:"].iter().any(|refused| meant.starts_with(refused))
}

/// As [`runs_code`], for a picture: `data:image/…` is one.
pub fn runs_code_in_image(url: &str) -> bool {
    let is_picture = url.trim_start().get(..11).is_some_and(|start| start.eq_ignore_ascii_case("data:image/"));
    runs_code(url) && !is_picture
}

/// The html of a Markdown text: CommonMark with tables, footnotes, strike-through and task lists.
///
/// Html in the text is shown as it was written, not taken over: the field is text by its type, and whoever edits it may
/// not write scripts into the site. Links that run code lead nowhere.
pub fn markdown(text: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut html = String::with_capacity(text.len() * 3 / 2);
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(text, options).map(without_code));
    html
}

fn without_code(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) if runs_code(&dest_url) => {
            Event::Start(Tag::Link { link_type, dest_url: "".into(), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) if runs_code_in_image(&dest_url) => {
            Event::Start(Tag::Image { link_type, dest_url: "".into(), title, id })
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
