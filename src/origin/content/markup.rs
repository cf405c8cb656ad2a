//! Bounds for stored html. Building a tree of html takes time that grows with the square of its nesting, so what nests
//! without end is refused when content is read, not when a query wants its text.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use html5ever::{LocalName, local_name};

/// Bytes one stored text may have.
const MOST_BYTES: usize = 1024 * 1024;
/// Elements that may stand open at once.
const DEEPEST: usize = 200;

/// Whether a stored text is fit to be taken apart.
///
/// # Errors
/// What is too much of it.
pub(in crate::origin) fn check(text: &str, mime: Option<&str>) -> Result<(), String> {
    if text.len() > MOST_BYTES {
        return Err(format!("a text of {} bytes; {MOST_BYTES} are the most", text.len()));
    }
    let markup = match mime {
        Some("text/plain") => return Ok(()),
        // What nests in Markdown shows in what it becomes; each level takes a sign of its own.
        Some("text/x-markdown" | "text/markdown") if text.len() > DEEPEST => {
            let mut html = String::new();
            pulldown_cmark::html::push_html(&mut html, pulldown_cmark::Parser::new(text));
            html
        }
        // Too few tags for it: nearly every text ends here.
        _ if text.bytes().filter(|byte| *byte == b'<').count() <= DEEPEST => return Ok(()),
        _ => text.to_owned(),
    };
    if deepest(&markup) > DEEPEST {
        return Err(format!("html that nests deeper than {DEEPEST} elements"));
    }
    Ok(())
}

/// How many elements stand open at most, counted by their tags. Where tags cross each other it is rather too many.
fn deepest(html: &str) -> usize {
    let tokenizer = Tokenizer::new(Depth::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    // The sink never asks for a pause.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.deepest.get()
}

#[derive(Default)]
struct Depth {
    open: RefCell<HashMap<LocalName, usize>>,
    now: Cell<usize>,
    deepest: Cell<usize>,
}

impl TokenSink for Depth {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else {
            return TokenSinkResult::Continue;
        };
        if closes_itself(&tag.name) {
            return TokenSinkResult::Continue;
        }
        let mut open = self.open.borrow_mut();
        let count = open.entry(tag.name.clone()).or_default();
        match tag.kind {
            TagKind::StartTag => {
                *count += 1;
                self.now.set(self.now.get() + 1);
                self.deepest.set(self.deepest.get().max(self.now.get()));
            }
            TagKind::EndTag if *count > 0 => {
                *count -= 1;
                self.now.set(self.now.get() - 1);
            }
            TagKind::EndTag => {}
        }
        match tag.name {
            _ if tag.kind == TagKind::EndTag => TokenSinkResult::Continue,
            local_name!("script") => TokenSinkResult::RawData(RawKind::ScriptData),
            local_name!("style")
            | local_name!("iframe")
            | local_name!("noembed")
            | local_name!("noframes")
            | local_name!("xmp") => TokenSinkResult::RawData(RawKind::Rawtext),
            local_name!("textarea") | local_name!("title") => TokenSinkResult::RawData(RawKind::Rcdata),
            local_name!("plaintext") => TokenSinkResult::Plaintext,
            _ => TokenSinkResult::Continue,
        }
    }
}

/// Elements that hold nothing, and those whose end tag may be left out: the next of their kind closes them, and what they
/// nest in counts.
fn closes_itself(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "source"
            | "track"
            | "wbr"
            | "p"
            | "li"
            | "dt"
            | "dd"
            | "td"
            | "th"
            | "tr"
            | "thead"
            | "tbody"
            | "tfoot"
            | "colgroup"
            | "option"
            | "optgroup"
            | "rp"
            | "rt"
            | "html"
            | "head"
            | "body"
            | "frame"
            | "image"
            | "param"
    )
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, MOST_BYTES, check, deepest};

    #[test]
    fn nesting_is_counted_by_open_elements() {
        assert_eq!(deepest("<p>a<p>b<br><ul><li><b>x</b><li>y</ul>"), 2);
        assert_eq!(deepest("<div><!-- <b><b> --><a href='<i>'></a></div>"), 2);
        assert_eq!(deepest("<style><b><b></style><b></b>"), 1);
        assert_eq!(deepest("<a><div></a><a><div></a>"), 3, "crossing tags stay open");
    }

    #[test]
    fn only_the_pathological_is_refused() {
        let flat = "<p>one <b>two</b></p>\n".repeat(5_000);
        assert_eq!(check(&flat, None), Ok(()));
        let list = "<ul><li>".repeat(DEEPEST) + "x";
        assert_eq!(check(&list, Some("text/html")), Ok(()));
        assert!(check(&format!("<ul>{list}"), Some("text/html")).is_err());
        assert!(check(&"<b a=1>".repeat(DEEPEST + 1), None).is_err());
        assert!(check(&format!("{} x", "> ".repeat(DEEPEST + 1)), Some("text/x-markdown")).is_err());
        assert_eq!(check(&"<div>".repeat(DEEPEST + 1), Some("text/plain")), Ok(()), "is no html");
        assert!(check(&"x".repeat(MOST_BYTES + 1), None).is_err());
    }
}
