//! Stored html as Markdown and as plain text (protocol §4.6).

use super::dom::{Node, collapsed};

/// Markdown: blocks end with an empty line, and the whole with a blank, as AEM's do.
pub(in crate::origin) fn markdown(nodes: &[Node]) -> String {
    let blocks = blocks(nodes, Form::Markdown);
    if blocks.is_empty() {
        String::new()
    } else {
        blocks.iter().map(|block| format!("{block}\n\n")).collect::<String>() + " "
    }
}

/// Plain text: all marks removed, one line a block. An image's paragraph is an empty line.
pub(in crate::origin) fn plaintext(nodes: &[Node]) -> String {
    blocks(nodes, Form::Plain).join("\n")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Markdown,
    Plain,
}

fn blocks(nodes: &[Node], form: Form) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = nodes;
    while !rest.is_empty() {
        let lines = rest.iter().take_while(|node| node.is_inline()).count();
        let line = line(&rest[..lines], form);
        if !line.is_empty() {
            blocks.push(line);
        }
        if let Some(node) = rest.get(lines) {
            block(node, form, &mut blocks);
        }
        rest = rest.get(lines + 1..).unwrap_or_default();
    }
    blocks
}

fn block(node: &Node, form: Form, into: &mut Vec<String>) {
    let children = node.children();
    let name = node.name();
    let marked = form == Form::Markdown;
    match name {
        "p" => into.push(line(children, form)),
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" if marked => {
            let level = name[1..].parse().unwrap_or(1);
            into.push(format!("{} {}", "#".repeat(level), line(children, form)));
        }
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => into.push(line(children, form)),
        "ul" | "ol" if marked => into.push(list(node, name == "ol")),
        "blockquote" if marked => {
            let inner = blocks(children, form).join("\n\n");
            into.push(prefixed(&inner, "> ", "> "));
        }
        "pre" if marked => into.push(format!("```\n{}\n```", node_text(node).trim_end_matches('\n'))),
        "pre" => into.push(node_text(node)),
        "hr" if marked => into.push("---".to_owned()),
        "hr" => {}
        "tr" => {
            let cells = children.iter().filter(|cell| matches!(cell.name(), "td" | "th"));
            let cells: Vec<String> = cells.map(|cell| blocks(cell.children(), form).join(" ")).collect();
            into.push(if marked { format!("| {} |", cells.join(" | ")) } else { cells.join("\t") });
        }
        "table" if marked => into.push(table(node)),
        _ => into.extend(blocks(children, form)),
    }
}

/// Rows as one block; Markdown needs a line of dashes after the first.
fn table(node: &Node) -> String {
    let mut rows = blocks(node.children(), Form::Markdown);
    if let Some(first) = rows.first() {
        let columns = first.matches(" | ").count() + 1;
        rows.insert(1, format!("|{}", " --- |".repeat(columns)));
    }
    rows.join("\n")
}

fn list(node: &Node, numbered: bool) -> String {
    let items = node.children().iter().filter(|item| item.name() == "li");
    let lines = items.enumerate().map(|(position, item)| {
        let bullet = if numbered { format!("{}. ", position + 1) } else { "- ".to_owned() };
        let inner = blocks(item.children(), Form::Markdown).join("\n");
        prefixed(&inner, &bullet, &" ".repeat(bullet.len()))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn prefixed(text: &str, first: &str, others: &str) -> String {
    let lines = text.split('\n').enumerate();
    lines
        .map(|(position, line)| format!("{}{line}", if position == 0 { first } else { others }))
        .collect::<Vec<_>>()
        .join("\n")
}

fn line(nodes: &[Node], form: Form) -> String {
    let mut text = String::new();
    nodes.iter().for_each(|node| span(node, form, &mut text));
    text.trim_matches([' ', '\n']).to_owned()
}

fn span(node: &Node, form: Form, into: &mut String) {
    let Node::Element { name, children, .. } = node else {
        into.push_str(&collapsed(&node_text(node)));
        return;
    };
    let mut inner = String::new();
    children.iter().for_each(|child| span(child, form, &mut inner));
    if form == Form::Plain {
        into.push_str(if name == "br" { "\n" } else { &inner });
        return;
    }
    match name.as_str() {
        "br" => into.push_str("  \n"),
        "b" | "strong" => into.push_str(&format!("**{inner}**")),
        "i" | "em" => into.push_str(&format!("*{inner}*")),
        "code" => into.push_str(&format!("`{inner}`")),
        "s" | "strike" | "del" => into.push_str(&format!("~~{inner}~~")),
        "img" => into.push_str(&format!(
            "![{}]({})",
            node.attribute("alt").unwrap_or(""),
            node.attribute("src").unwrap_or("")
        )),
        "a" => match node.attribute("href") {
            Some(href) => into.push_str(&format!("[{inner}]({href})")),
            None => into.push_str(&inner),
        },
        _ => into.push_str(&inner),
    }
}

fn node_text(node: &Node) -> String {
    match node {
        Node::Text(text) => text.clone(),
        Node::Element { children, .. } => children.iter().map(node_text).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{markdown, plaintext};
    use crate::origin::text::dom::parse;

    #[test]
    fn blocks_in_both_forms() {
        let nodes = parse("<h2>Go</h2>\n<ul><li>a</li><li><a href='/x'>b</a></li></ul>\n<p>c<br>d</p>");
        assert_eq!(markdown(&nodes), "## Go\n\n- a\n- [b](/x)\n\nc  \nd\n\n ");
        assert_eq!(plaintext(&nodes), "Go\na\nb\nc\nd");
        assert_eq!(
            markdown(&parse("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>")),
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n "
        );
    }
}
