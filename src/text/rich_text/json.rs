//! Rich text in AEM's JSON: a tree of nodes, rendered by the "rules for a renderer" (protocol §6).

use std::fmt::Write as _;

use serde_json::Value;

use super::link::{self, Link};
use super::{Image, Note, RichText, Targets, beginning};
use crate::text::markup::{escape_html_into, runs_code};

/// How deep nodes may be nested: more than any editor makes, and little enough for every stack.
pub(super) const MAX_DEPTH: usize = 100;

/// Renders `nodes`, the value of a `json` field, at the end of `out`. Null renders as nothing.
pub fn from_json(nodes: &Value, targets: &mut dyn Targets, out: &mut RichText) {
    let mut renderer = Renderer { targets, out };
    match nodes {
        Value::Null => {}
        Value::Array(nodes) => renderer.nodes(nodes, 0),
        node => renderer.node(node, 0),
    }
}

struct Renderer<'a> {
    targets: &'a mut dyn Targets,
    out: &'a mut RichText,
}

impl Renderer<'_> {
    fn nodes(&mut self, nodes: &[Value], depth: usize) {
        if depth > MAX_DEPTH {
            self.out.note(Note::TooDeep);
            return;
        }
        for node in nodes {
            self.node(node, depth);
        }
    }

    fn node(&mut self, node: &Value, depth: usize) {
        let Some(node_type) = node.get("nodeType").and_then(Value::as_str) else {
            self.out.note(Note::NotANode);
            return;
        };
        match node_type {
            "paragraph" => self.element("p", node, depth),
            "header" => self.header(node, depth),
            "unordered-list" => self.element("ul", node, depth),
            "ordered-list" => self.element("ol", node, depth),
            "list-item" => self.element("li", node, depth),
            "table" => self.element("table", node, depth),
            "table-body" => self.element("tbody", node, depth),
            "table-row" => self.element("tr", node, depth),
            "table-data" => self.element("td", node, depth),
            "line-break" => self.raw("<br>"),
            "text" => self.marked(node, depth),
            "link" => self.link(node, depth),
            "reference" => self.reference(node, depth),
            unknown => {
                self.out.note(Note::UnknownNode(beginning(unknown)));
                self.contents(node, depth);
            }
        }
    }

    fn element(&mut self, tag: &str, node: &Value, depth: usize) {
        self.raw("<");
        self.raw(tag);
        self.raw(">");
        self.contents(node, depth);
        self.raw("</");
        self.raw(tag);
        self.raw(">");
    }

    fn header(&mut self, node: &Value, depth: usize) {
        let style = node.get("style").and_then(Value::as_str).unwrap_or_default();
        match style {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.element(style, node, depth),
            unknown => {
                self.out.note(Note::UnknownHeader(beginning(unknown)));
                self.element("p", node, depth);
            }
        }
    }

    /// The children of `node`, or its `value` if it has none.
    fn contents(&mut self, node: &Value, depth: usize) {
        match node.get("content").and_then(Value::as_array) {
            Some(nodes) if !nodes.is_empty() => self.nodes(nodes, depth + 1),
            _ => self.text(text_of(node, "value")),
        }
    }

    /// The contents of `node` in its marks: the first is the innermost.
    fn marked(&mut self, node: &Value, depth: usize) {
        let mut tags = Vec::new();
        for mark in node.pointer("/format/variants").and_then(Value::as_array).into_iter().flatten() {
            match mark.as_str().map(|mark| (mark, tag_of(mark))) {
                Some((_, Some(tag))) if !tags.contains(&tag) => tags.push(tag),
                Some((mark, None)) => self.out.note(Note::UnknownMark(beginning(mark))),
                _ => {}
            }
        }
        for tag in tags.iter().rev() {
            self.raw("<");
            self.raw(tag);
            self.raw(">");
        }
        self.contents(node, depth);
        for tag in &tags {
            self.raw("</");
            self.raw(tag);
            self.raw(">");
        }
    }

    fn link(&mut self, node: &Value, depth: usize) {
        let href = data(node, "href");
        match link::resolve(href, self.targets) {
            Link::Keep if href.is_empty() => self.marked(node, depth),
            Link::Keep => self.anchor(href, node, |renderer| renderer.marked(node, depth)),
            Link::To(url) => self.anchor(&url, node, |renderer| renderer.marked(node, depth)),
            Link::Nowhere => {
                self.out.note(Note::NoTarget(beginning(href)));
                self.marked(node, depth);
            }
            Link::Code => {
                self.out.note(Note::CodeLink(beginning(href)));
                self.marked(node, depth);
            }
        }
    }

    fn anchor(&mut self, href: &str, node: &Value, contents: impl FnOnce(&mut Self)) {
        self.raw("<a");
        self.attribute("href", href);
        let (target, title, rel) = (data(node, "target"), data(node, "title"), data(node, "rel"));
        if !target.is_empty() {
            self.attribute("target", target);
        }
        // A page that opens in a window of its own must not reach back into ours.
        let opens = !matches!(target, "" | "_self" | "_parent" | "_top");
        match (opens && !rel.split_whitespace().any(|word| word == "noopener"), rel) {
            (true, "") => self.attribute("rel", "noopener"),
            (true, rel) => self.attribute("rel", &format!("{rel} noopener")),
            (false, "") => {}
            (false, rel) => self.attribute("rel", rel),
        }
        if !title.is_empty() {
            self.attribute("title", title);
        }
        self.raw(">");
        contents(self);
        self.raw("</a>");
    }

    fn reference(&mut self, node: &Value, depth: usize) {
        let (path, href) = (data(node, "path"), data(node, "href"));
        match (path, href) {
            ("", "") => self.marked(node, depth),
            ("", href) => self.fragment(href, node, depth),
            (path, _) if data(node, "type") == "fragment" => self.fragment(path, node, depth),
            (path, _) => self.asset(path, node, depth),
        }
    }

    fn fragment(&mut self, path: &str, node: &Value, depth: usize) {
        match self.targets.page(path) {
            Some(url) => self.anchor(&url, node, |renderer| renderer.named(path, node, depth)),
            None => {
                self.out.note(Note::NoTarget(beginning(path)));
                self.marked(node, depth);
            }
        }
    }

    fn asset(&mut self, path: &str, node: &Value, depth: usize) {
        let image = match link::is_dam(path) {
            true => link::resolve_file(path, self.targets),
            false => elsewhere(path),
        };
        let said = data(node, "mimetype");
        match image {
            Some(image) if is_picture(said, &image) => self.picture(&image, node),
            Some(file) => self.anchor(&file.src, node, |renderer| renderer.named(path, node, depth)),
            None => {
                let is_picture = said.starts_with("image/");
                let note = if is_picture { Note::NoImage } else { Note::NoTarget };
                self.out.note(note(beginning(path)));
                self.marked(node, depth);
            }
        }
    }

    fn picture(&mut self, image: &Image, node: &Value) {
        self.raw("<img");
        self.attribute("src", &image.src);
        for (name, length) in [("width", image.width), ("height", image.height)] {
            if let Some(length) = length {
                // Writing to a string cannot fail.
                let _ = write!(self.out.html, " {name}=\"{length}\"");
            }
        }
        let alt = [data(node, "alt"), text_of(node, "value")].into_iter().find(|alt| !alt.is_empty());
        self.attribute("alt", alt.unwrap_or_default());
        self.raw(" loading=\"lazy\">");
    }

    /// The contents of a link to `path`; the last segment of the path if there are none, as a link needs a name.
    fn named(&mut self, path: &str, node: &Value, depth: usize) {
        let before = self.out.html.len();
        self.marked(node, depth);
        if self.out.html.len() == before {
            self.text(path.rsplit('/').next().unwrap_or_default());
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.raw(" ");
        self.raw(name);
        self.raw("=\"");
        self.text(value);
        self.raw("\"");
    }

    fn text(&mut self, text: &str) {
        escape_html_into(text, &mut self.out.html);
    }

    fn raw(&mut self, html: &str) {
        self.out.html.push_str(html);
    }
}

/// The element of a mark. The first three are AEM's, the others are what editors call them elsewhere.
fn tag_of(mark: &str) -> Option<&'static str> {
    Some(match mark {
        "bold" => "b",
        "italic" => "i",
        "underline" => "u",
        "strikethrough" => "s",
        "subscript" => "sub",
        "superscript" => "sup",
        "code" => "code",
        _ => return None,
    })
}

/// An asset that another host delivers, by its address.
fn elsewhere(url: &str) -> Option<Image> {
    let absolute = url.starts_with("https://") || url.starts_with("http://");
    let image = || Image { src: url.to_owned(), width: None, height: None, mime: String::new() };
    (absolute && !runs_code(url)).then(image)
}

/// What the node says counts; without it, what the file is.
fn is_picture(said: &str, image: &Image) -> bool {
    let mime = if said.is_empty() { &image.mime } else { said };
    mime.starts_with("image/")
}

fn text_of<'a>(node: &'a Value, key: &str) -> &'a str {
    node.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn data<'a>(node: &'a Value, key: &str) -> &'a str {
    node.get("data").map_or("", |data| text_of(data, key))
}
