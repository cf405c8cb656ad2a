//! Most rich text is paragraphs, lists and links to elsewhere: a look at it saves the whole rewriting.

/// Elements that need no rewriting, whatever is in them.
const TAGS: &[&str] = &[
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "dd",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
];

/// Attributes that need none.
const ATTRIBUTES: &[&str] =
    &["class", "colspan", "dir", "id", "lang", "rel", "rowspan", "scope", "start", "target", "title"];

/// Beginnings of addresses that are neither AEM's nor code.
const ELSEWHERE: &[&str] = &["https://", "http://", "mailto:", "tel:", "#"];

/// Whether `html` consists of text and of plain tags in the form that AEM writes. `false` means "not sure".
pub(super) fn is_plain(html: &str) -> bool {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        match tag(&rest[at + 1..]) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// What follows a plain tag whose `<` has been read.
fn tag(text: &str) -> Option<&str> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let (name, mut rest) = split(text, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !TAGS.contains(&name) {
        return None;
    }
    loop {
        let after = rest.trim_start_matches(' ');
        if let Some(after) = after.strip_prefix('>').or_else(|| after.strip_prefix("/>")) {
            return Some(after);
        }
        if after.len() == rest.len() {
            return None;
        }
        rest = attribute(after)?;
    }
}

/// What follows a plain attribute.
fn attribute(text: &str) -> Option<&str> {
    let (name, rest) = split(text, |byte| byte.is_ascii_lowercase());
    let (value, rest) = rest.strip_prefix("=\"")?.split_once('"')?;
    let is_plain = match name {
        "href" => ELSEWHERE.iter().any(|start| value.starts_with(start)),
        name => ATTRIBUTES.contains(&name),
    };
    is_plain.then_some(rest)
}

fn split(text: &str, belongs: impl Fn(&u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().take_while(|byte| belongs(byte)).count())
}
