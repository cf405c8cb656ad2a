//! Rich text JSON from stored html (protocol §6). Node types Adobe documents are written as documented; for the others the
//! names are ours (`blockquote`, `preformatted`, `horizontal-rule`; marks `strikethrough`, `subscript`, `superscript`, `code`).

use apollo_compiler::response::JsonValue;

use super::super::content::assets::mime_of;
use super::super::content::repository::Repository;
use super::dom::{Node, collapsed};
use super::rich_text::{content_path, object};

/// The block nodes of a text. Text outside any block becomes paragraphs.
pub(in crate::origin) fn blocks(nodes: &[Node], repository: &Repository) -> Vec<JsonValue> {
    let mut blocks = Vec::new();
    flow(nodes, repository, Loose::Paragraph, &mut blocks);
    blocks
}

/// What becomes of text beside blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loose {
    Paragraph,
    /// As it is: in list items and table cells.
    Kept,
}

fn flow(nodes: &[Node], repository: &Repository, loose: Loose, blocks: &mut Vec<JsonValue>) {
    let mut rest = nodes;
    while !rest.is_empty() {
        let lines = rest.iter().take_while(|node| node.is_inline()).count();
        let content = inline(&rest[..lines], repository);
        match loose {
            _ if content.is_empty() => {}
            Loose::Paragraph => blocks.push(container("paragraph", content)),
            Loose::Kept => blocks.extend(content),
        }
        if let Some(block) = rest.get(lines) {
            block_node(block, repository, loose, blocks);
        }
        rest = rest.get(lines + 1..).unwrap_or_default();
    }
}

fn block_node(node: &Node, repository: &Repository, loose: Loose, blocks: &mut Vec<JsonValue>) {
    let children = node.children();
    let kept = || {
        let mut content = Vec::new();
        flow(children, repository, Loose::Kept, &mut content);
        content
    };
    let name = node.name();
    match name {
        "p" => blocks.push(container("paragraph", inline(children, repository))),
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => blocks.push(object([
            ("nodeType", "header".into()),
            ("style", name.into()),
            ("content", JsonValue::Array(inline(children, repository))),
        ])),
        "ul" => blocks.push(container("unordered-list", kept())),
        "ol" => blocks.push(container("ordered-list", kept())),
        "li" => blocks.push(container("list-item", kept())),
        "table" => blocks.push(container("table", kept())),
        "tbody" | "thead" | "tfoot" => blocks.push(container("table-body", kept())),
        "tr" => blocks.push(container("table-row", kept())),
        "td" | "th" => blocks.push(container("table-data", kept())),
        "blockquote" => {
            let mut content = Vec::new();
            flow(children, repository, Loose::Paragraph, &mut content);
            blocks.push(container("blockquote", content));
        }
        "pre" => {
            let mut value = String::new();
            raw_text(node, &mut value);
            blocks.push(container("preformatted", vec![text(&value, &[])]));
        }
        "hr" => blocks.push(container("horizontal-rule", Vec::new())),
        // Other containers carry no meaning of their own here.
        _ => flow(children, repository, loose, blocks),
    }
}

fn raw_text(node: &Node, into: &mut String) {
    match node {
        Node::Text(text) => into.push_str(text),
        Node::Element { children, .. } => children.iter().for_each(|child| raw_text(child, into)),
    }
}

fn container(node_type: &str, content: Vec<JsonValue>) -> JsonValue {
    object([("nodeType", node_type.into()), ("content", JsonValue::Array(content))])
}

fn text(value: &str, marks: &[&'static str]) -> JsonValue {
    let (kind, value) = (("nodeType", "text".into()), ("value", value.into()));
    if marks.is_empty() {
        return object([kind, value]);
    }
    let variants = JsonValue::Array(marks.iter().map(|mark| JsonValue::from(*mark)).collect());
    object([kind, value, ("format", object([("variants", variants)]))])
}

/// Inline content; white space between blocks is none.
fn inline(nodes: &[Node], repository: &Repository) -> Vec<JsonValue> {
    let mut content = Vec::new();
    spans(nodes, repository, &mut Vec::new(), &mut content);
    let blank =
        |node: &JsonValue| node.get("value").and_then(JsonValue::as_str).is_some_and(|value| value.trim().is_empty());
    let only_blank = content.iter().all(|node| node.get("nodeType").is_some_and(|kind| kind == "text") && blank(node));
    if only_blank { Vec::new() } else { content }
}

fn spans(nodes: &[Node], repository: &Repository, marks: &mut Vec<&'static str>, content: &mut Vec<JsonValue>) {
    for node in nodes {
        match node {
            Node::Text(value) if value.is_empty() => {}
            Node::Text(value) => content.push(text(&collapsed(value), marks)),
            Node::Element { name, children, .. } => match name.as_str() {
                "br" => content.push(container("line-break", Vec::new())),
                "img" => content.push(image(node)),
                "a" => link(node, repository, marks, content),
                name => {
                    let mark = mark_of(name).filter(|mark| !marks.contains(mark));
                    marks.extend(mark);
                    spans(children, repository, marks, content);
                    if mark.is_some() {
                        marks.pop();
                    }
                }
            },
        }
    }
}

fn mark_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "sub" => "subscript",
        "sup" => "superscript",
        "code" => "code",
        _ => return None,
    })
}

/// An image is a reference to an asset.
fn image(node: &Node) -> JsonValue {
    let source = node.attribute("src").unwrap_or("");
    let path = content_path(source).unwrap_or_else(|| source.to_owned());
    let mime = mime_of(&path);
    object([("nodeType", "reference".into()), ("data", object([("path", path.into()), ("mimetype", mime.into())]))])
}

/// A link to a fragment is a reference to it, any other a link; images inside a link follow it.
fn link(node: &Node, repository: &Repository, marks: &mut Vec<&'static str>, content: &mut Vec<JsonValue>) {
    let Some(href) = node.attribute("href") else {
        spans(node.children(), repository, marks, content);
        return;
    };
    let value = node.text();
    let fragment = content_path(href).filter(|path| repository.fragment(path).is_some());
    if let Some(path) = fragment {
        let data = object([("href", path.into()), ("type", "fragment".into())]);
        content.push(object([("nodeType", "reference".into()), ("data", data), ("value", value.into())]));
    } else {
        let data = match node.attribute("target") {
            Some(target) => object([("href", href.into()), ("target", target.into())]),
            None => object([("href", href.into())]),
        };
        content.push(object([("nodeType", "link".into()), ("data", data), ("value", value.into())]));
    }
    images_below(node, content);
}

fn images_below(node: &Node, content: &mut Vec<JsonValue>) {
    for child in node.children() {
        if child.name() == "img" {
            content.push(image(child));
        }
        images_below(child, content);
    }
}

#[cfg(test)]
mod tests {
    use super::blocks;
    use crate::origin::content::repository::Repository;
    use crate::origin::text::dom::parse;

    fn json(html: &str) -> String {
        let blocks = blocks(&parse(html), &Repository::default());
        serde_json::to_string(&blocks).expect("JSON")
    }

    #[test]
    fn nodes_of_the_protocol() {
        assert_eq!(
            json("<h2>Stock</h2><p>a<br><a href='https://example.org' target='_blank'>why</a></p>"),
            r#"[{"nodeType":"header","style":"h2","content":[{"nodeType":"text","value":"Stock"}]},{"nodeType":"paragraph","content":[{"nodeType":"text","value":"a"},{"nodeType":"line-break","content":[]},{"nodeType":"link","data":{"href":"https://example.org","target":"_blank"},"value":"why"}]}]"#
        );
        assert_eq!(
            json("<p><img src='/content/dam/acme/pot.jpg'></p>"),
            r#"[{"nodeType":"paragraph","content":[{"nodeType":"reference","data":{"path":"/content/dam/acme/pot.jpg","mimetype":"image/jpeg"}}]}]"#
        );
    }

    #[test]
    fn lists_and_tables() {
        assert_eq!(
            json("<ul>\n<li>one <b><i>two</i></b></li>\n</ul>"),
            r#"[{"nodeType":"unordered-list","content":[{"nodeType":"list-item","content":[{"nodeType":"text","value":"one "},{"nodeType":"text","value":"two","format":{"variants":["bold","italic"]}}]}]}]"#
        );
        assert_eq!(
            json("<table><tr><td>1</td></tr></table>"),
            r#"[{"nodeType":"table","content":[{"nodeType":"table-body","content":[{"nodeType":"table-row","content":[{"nodeType":"table-data","content":[{"nodeType":"text","value":"1"}]}]}]}]}]"#
        );
    }
}
