//! Stored html as a small tree. Parsing is html5ever's, so whatever an editor stored becomes some tree.

use html5ever::tendril::TendrilSink as _;
use html5ever::{LocalName, QualName, local_name, ns};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// Elements nested deeper than this are flattened to their text; no editor writes them, and recursion stays bounded.
const DEEPEST: usize = 100;

/// A node of the tree; comments and the like are gone.
#[derive(Debug)]
pub(in crate::origin) enum Node {
    Text(String),
    Element { name: String, attributes: Vec<(String, String)>, children: Vec<Node> },
}

impl Node {
    /// The element's name; empty for text.
    pub fn name(&self) -> &str {
        match self {
            Self::Text(_) => "",
            Self::Element { name, .. } => name,
        }
    }

    /// The element's children.
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Text(_) => &[],
            Self::Element { children, .. } => children,
        }
    }

    /// An attribute's value.
    pub fn attribute(&self, wanted: &str) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Element { attributes, .. } => {
                attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
            }
        }
    }

    /// All text below, white space collapsed.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.collect_text(&mut text);
        collapsed(&text)
    }

    fn collect_text(&self, into: &mut String) {
        match self {
            Self::Text(text) => into.push_str(text),
            Self::Element { children, .. } => children.iter().for_each(|child| child.collect_text(into)),
        }
    }

    /// Whether the element stands in lines of text rather than beside them.
    pub fn is_inline(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Element { name, .. } => !is_block(name),
        }
    }
}

/// Elements that make a block of their own.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "ul"
            | "ol"
            | "li"
            | "table"
            | "thead"
            | "tbody"
            | "tfoot"
            | "tr"
            | "td"
            | "th"
            | "div"
            | "section"
            | "article"
            | "blockquote"
            | "pre"
            | "hr"
            | "figure"
            | "figcaption"
            | "dl"
            | "dt"
            | "dd"
            | "caption"
            | "aside"
            | "header"
            | "footer"
            | "main"
            | "nav"
            | "address"
    )
}

/// Runs of white space as one blank, also at the ends.
pub(in crate::origin) fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.chars() {
        let space = matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}');
        if !space {
            collapsed.push(c);
        } else if !blank {
            collapsed.push(' ');
        }
        blank = space;
    }
    collapsed
}

/// Parses a piece of html.
pub(in crate::origin) fn parse(html: &str) -> Vec<Node> {
    let context = QualName::new(None, ns!(html), local_name!("body"));
    let dom = html5ever::parse_fragment(RcDom::default(), html5ever::ParseOpts::default(), context, Vec::new(), false)
        .one(html);
    let document = dom.document.children.borrow();
    // A parsed fragment stands below one root element.
    document
        .first()
        .map_or_else(Vec::new, |root| root.children.borrow().iter().filter_map(|node| convert(node, 0)).collect())
}

fn convert(handle: &Handle, depth: usize) -> Option<Node> {
    match &handle.data {
        NodeData::Text { contents } => Some(Node::Text(contents.borrow().to_string())),
        NodeData::Element { .. } if depth >= DEEPEST => Some(Node::Text(text_below(handle))),
        NodeData::Element { name, attrs, .. } => {
            let local: &LocalName = &name.local;
            if matches!(local.as_ref(), "script" | "style" | "template") {
                return None;
            }
            let attributes = attrs.borrow().iter().map(|a| (a.name.local.to_string(), a.value.to_string())).collect();
            let children = handle.children.borrow().iter().filter_map(|child| convert(child, depth + 1)).collect();
            Some(Node::Element { name: local.to_string(), attributes, children })
        }
        _ => None,
    }
}

/// The text of a tree of any depth, without recursion.
fn text_below(handle: &Handle) -> String {
    let mut text = String::new();
    let mut waiting = vec![handle.clone()];
    while let Some(node) = waiting.pop() {
        if let NodeData::Text { contents } = &node.data {
            text.push_str(&contents.borrow());
        }
        waiting.extend(node.children.borrow().iter().rev().cloned());
    }
    text
}
