//! Rich text in AEM's html: references rewritten, code removed, everything else byte for byte as the editor stored it.

use std::cell::Cell;

use lol_html::errors::RewritingError;
use lol_html::html_content::{Comment, ContentType, Element, TextChunk, TextType};
use lol_html::{HtmlRewriter, Settings, doc_comments, doc_text, element};

use super::link::{self, Link};
use super::{Image, Note, RichText, Targets, beginning};
use crate::text::markup::{decode_entities, escape_html, plain_text, runs_code, runs_code_in_image};

mod plain_markup;

use plain_markup::is_plain;

/// Attributes that name something to load, to go to or to run; those of SVG's animations set such attributes.
const URLS: &[&str] = &[
    "href",
    "src",
    "xlink:href",
    "action",
    "formaction",
    "poster",
    "data",
    "background",
    "cite",
    "longdesc",
    "ping",
    "to",
    "from",
    "by",
    "values",
    "srcset",
];

/// Elements that run code or speak for the whole page.
const REMOVED: &[&str] = &["script", "style", "noscript", "base", "meta", "link", "template"];

/// Renders `html`, the value of an `html` field. Html that would swallow the page after it becomes plain text.
pub fn from_html(html: &str, targets: &mut dyn Targets) -> RichText {
    if is_plain(html) {
        return RichText { html: html.to_owned(), notes: Vec::new() };
    }
    let mut notes = RichText::default();
    match rewrite(html, targets, &mut notes) {
        Ok(Some(rewritten)) if notes.notes.is_empty() || is_stable(&rewritten) => {
            RichText { html: rewritten, notes: notes.notes }
        }
        Ok(_) | Err(_) => {
            notes.note(Note::Broken);
            RichText { html: escape_html(&plain_text(html)), notes: notes.notes }
        }
    }
}

/// Whether `html`, from which something was removed, is still understood as it was. What an element held can have been
/// what ended another (`<math><script></p></script>`), and then the rest means something else.
fn is_stable(html: &str) -> bool {
    let mut notes = RichText::default();
    matches!(rewrite(html, &mut Unchanged, &mut notes), Ok(Some(again)) if again == html && notes.notes.is_empty())
}

/// Leaves every reference where it leads: a second look at what was resolved already.
struct Unchanged;

impl Targets for Unchanged {
    fn page(&mut self, fragment_path: &str) -> Option<String> {
        Some(fragment_path.to_owned())
    }

    fn asset(&mut self, dam_path: &str) -> Option<Image> {
        Some(Image { src: dam_path.to_owned(), width: None, height: None, mime: String::new() })
    }
}

/// The rewritten html; `None` if it is not closed at its end.
///
/// A comment is written after it: if it does not arrive as one, it is inside of an unfinished tag, comment or text area,
/// and so would be the page around this text.
fn rewrite(html: &str, targets: &mut dyn Targets, notes: &mut RichText) -> Result<Option<String>, RewritingError> {
    let closed = Cell::new(false);
    let mut out = Vec::with_capacity(html.len() + html.len() / 8);
    let settings = Settings::new()
        .append_element_content_handler(element!("*", |element| {
            rewrite_element(element, targets, notes);
            Ok(())
        }))
        .append_document_content_handler(doc_text!(|chunk| {
            escape_signs(chunk);
            Ok(())
        }))
        .append_document_content_handler(doc_comments!(|comment| {
            if is_end(comment, html) {
                closed.set(true);
                comment.remove();
            }
            Ok(())
        }));
    let mut rewriter = HtmlRewriter::new(settings, |chunk: &[u8]| out.extend_from_slice(chunk));
    rewriter.write(html.as_bytes())?;
    rewriter.write(b"<!-- -->")?;
    rewriter.end()?;
    Ok(closed.get().then(|| String::from_utf8_lossy(&out).into_owned()))
}

fn is_end(comment: &Comment<'_>, html: &str) -> bool {
    comment.source_location().bytes().start == html.len()
}

/// A lone `<` could become a tag with the text behind an element that is removed: `<<script></script>script>`.
fn escape_signs(chunk: &mut TextChunk<'_>) {
    if chunk.text_type() == TextType::Data && chunk.as_str().contains('<') {
        let escaped = chunk.as_str().replace('<', "&lt;");
        chunk.set_str(escaped);
    }
}

fn rewrite_element(element: &mut Element<'_, '_>, targets: &mut dyn Targets, notes: &mut RichText) {
    let name = element.tag_name();
    // In SVG, names have a prefix without a meaning of their own.
    let is_removed = REMOVED.contains(&name.rsplit(':').next().unwrap_or(&name));
    if is_removed || (name == "iframe" && element.has_attribute("srcdoc")) {
        notes.note(Note::Removed(format!("<{name}>")));
        element.remove();
        return;
    }
    remove_code(element, &name, notes);
    match name.as_str() {
        "a" => rewrite_anchor(element, targets, notes),
        "img" => rewrite_image(element, targets, notes),
        _ => rewrite_others(element, targets, notes),
    }
}

/// Removes event handlers and addresses that run code.
fn remove_code(element: &mut Element<'_, '_>, tag: &str, notes: &mut RichText) {
    let mut removed = Vec::new();
    for attribute in element.attributes() {
        let name = attribute.name();
        if name.starts_with("on") || name == "srcdoc" {
            notes.note(Note::Removed(beginning(&name)));
            removed.push(name);
        } else if URLS.contains(&name.as_str()) {
            let source = attribute.value();
            let value = decode_entities(&source);
            let runs = if (tag, name.as_str()) == ("img", "src") { runs_code_in_image } else { runs_code };
            // `values` lists several.
            if runs(&value) || (name == "values" && value.split(';').any(runs)) {
                notes.note(Note::CodeLink(beginning(&value)));
                removed.push(name);
            }
        }
    }
    for name in removed {
        element.remove_attribute(&name);
    }
}

fn rewrite_anchor(element: &mut Element<'_, '_>, targets: &mut dyn Targets, notes: &mut RichText) {
    let Some(href) = decoded(element, "href") else { return };
    match link::resolve(&href, targets) {
        Link::To(url) => set(element, "href", &url),
        Link::Nowhere => {
            notes.note(Note::NoTarget(beginning(&href)));
            element.remove_and_keep_content();
        }
        Link::Keep | Link::Code => {}
    }
}

fn rewrite_image(element: &mut Element<'_, '_>, targets: &mut dyn Targets, notes: &mut RichText) {
    if decoded(element, "srcset").is_some_and(|srcset| srcset.contains("/content/dam/")) {
        element.remove_attribute("srcset");
    }
    let Some(src) = decoded(element, "src").filter(|src| link::is_dam(src)) else {
        return;
    };
    let Some(image) = link::resolve_file(&src, targets) else {
        notes.note(Note::NoImage(beginning(&src)));
        let alt = decoded(element, "alt").unwrap_or_default();
        element.replace(&alt, ContentType::Text);
        return;
    };
    set(element, "src", &image.src);
    // One of them alone was the author's choice; the other with it would distort the picture.
    if !element.has_attribute("width") && !element.has_attribute("height") {
        for (name, length) in [("width", image.width), ("height", image.height)] {
            if let Some(length) = length {
                set(element, name, &length.to_string());
            }
        }
    }
    for (name, value) in [("alt", ""), ("loading", "lazy")] {
        if !element.has_attribute(name) {
            set(element, name, value);
        }
    }
}

/// Videos, downloads in frames and the like: the site's file, or no attribute.
fn rewrite_others(element: &mut Element<'_, '_>, targets: &mut dyn Targets, notes: &mut RichText) {
    for name in ["href", "src", "poster", "data", "srcset"] {
        let Some(url) = decoded(element, name).filter(|url| link::is_dam(url)) else {
            continue;
        };
        match link::resolve_file(&url, targets) {
            Some(file) => set(element, name, &file.src),
            None => {
                notes.note(Note::NoTarget(beginning(&url)));
                element.remove_attribute(name);
            }
        }
    }
}

fn decoded(element: &Element<'_, '_>, name: &str) -> Option<String> {
    element.get_attribute(name).map(|source| decode_entities(&source).into_owned())
}

/// Sets an attribute whose name is one of ours, which the rewriter never refuses.
fn set(element: &mut Element<'_, '_>, name: &str, value: &str) {
    let set = element.set_attribute(name, &escape_html(value));
    debug_assert!(set.is_ok(), "{name} is a name of an attribute");
}
