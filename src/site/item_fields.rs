//! Which fields of a list's items a template can read. A list page holds all its items while it is rendered, and of most it shows a
//! title and a link: what no template can reach need not be in memory.
//!
//! The answer errs to the safe side: `items` may only be looped over or counted, and a loop's variable only be followed by a
//! dot and a name. Anything else (an item handed to a function, a component or a filter, a computed field, `group_items`, `dump`) and
//! items are read whole.

use std::collections::BTreeSet;

use super::Templates;

impl Templates {
    /// The fields of `items` that the template `name` and all it names can read; `None` if that is not plain.
    pub fn item_fields(&self, name: &str) -> Option<BTreeSet<String>> {
        let mut names = vec![name];
        let mut tags = Vec::new();
        let mut next = 0;
        while let Some(name) = names.get(next) {
            next += 1;
            for tag in tags_of(self.source(name)?)? {
                for token in &tag {
                    // Parents and includes are named by literals; a literal that names a template by chance does no harm.
                    if let Token::Text(text) = token
                        && let Some((known, _)) = self.iter().find(|(known, _)| known == text)
                        && !names.contains(&known)
                    {
                        names.push(known);
                    }
                }
                tags.push(tag);
            }
        }
        let variables = loop_variables(&tags);
        let mut fields = BTreeSet::new();
        for tag in &tags {
            for (at, token) in tag.iter().enumerate() {
                let Token::Name(word) = token else { continue };
                // Three dots spread a value, which is no field.
                let dot = |back: usize| at >= back && tag[at - back] == Token::Sign('.');
                let is_field = dot(1) && !dot(2);
                let is_argument =
                    tag.get(at + 1) == Some(&Token::Sign('=')) && tag.get(at + 2) != Some(&Token::Sign('='));
                if is_field || is_argument {
                    continue;
                }
                match *word {
                    "group_items" | "dump" => return None,
                    "items" if is_counted(tag, at) || is_looped_over(tag, at) => {}
                    "items" => return None,
                    word if variables.contains(word) => match (tag.get(at + 1), tag.get(at + 2)) {
                        (Some(Token::Sign('.')), Some(Token::Name(field))) => {
                            fields.insert((*field).to_owned());
                        }
                        _ if at > 0 && tag[at - 1] == Token::Name("for") => {}
                        _ => return None,
                    },
                    _ => {}
                }
            }
        }
        Some(fields)
    }
}

/// The variables of loops over `items`.
fn loop_variables<'s>(tags: &[Vec<Token<'s>>]) -> BTreeSet<&'s str> {
    let in_tag = |tag: &Vec<Token<'s>>| {
        let found = tag.windows(4).filter_map(|window| match window {
            [Token::Name("for"), Token::Name(variable), Token::Name("in"), Token::Name("items")] => Some(*variable),
            _ => None,
        });
        found.collect::<Vec<_>>()
    };
    tags.iter().flat_map(in_tag).collect()
}

/// `for x in items`, to the end of the tag or of the comprehension.
fn is_looped_over(tag: &[Token<'_>], at: usize) -> bool {
    let before = at >= 3 && tag[at - 1] == Token::Name("in") && tag[at - 3] == Token::Name("for");
    before && matches!(tag.get(at + 1), None | Some(Token::Sign(']') | Token::Name("if")))
}

/// `items | length`, or `if items`.
fn is_counted(tag: &[Token<'_>], at: usize) -> bool {
    match tag.get(at + 1) {
        None => at == 1 && matches!(tag[0], Token::Name("if" | "elif")),
        Some(next) => *next == Token::Sign('|') && tag.get(at + 2) == Some(&Token::Name("length")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'s> {
    Name(&'s str),
    /// A literal, as it stands between its quotes.
    Text(&'s str),
    /// Any other character but space; digits too.
    Sign(char),
}

/// The tokens of every tag; `None` where a template holds what may look like a tag and is none.
pub(super) fn tags_of(source: &str) -> Option<Vec<Vec<Token<'_>>>> {
    let mut tags = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
        let kind = rest.as_bytes()[start + 1];
        rest = &rest[start + 2..];
        if kind == b'#' {
            rest = &rest[rest.find("#}")? + 2..];
            continue;
        }
        let (tag, after) = tag_of(rest, if kind == b'{' { "}}" } else { "%}" })?;
        if tag.contains(&Token::Name("raw")) {
            return None;
        }
        tags.push(tag);
        rest = after;
    }
    Some(tags)
}

/// The tokens to the end of one tag, and what follows it.
fn tag_of<'s>(mut rest: &'s str, end: &str) -> Option<(Vec<Token<'s>>, &'s str)> {
    let mut tokens = Vec::new();
    let mut open = 0_usize;
    rest = rest.strip_prefix('-').unwrap_or(rest);
    loop {
        if open == 0
            && let Some(after) = rest.strip_prefix(end).or_else(|| rest.strip_prefix('-')?.strip_prefix(end))
        {
            return Some((tokens, after));
        }
        let first = rest.chars().next()?;
        let mut len = first.len_utf8();
        match first {
            '"' | '\'' | '`' => {
                let inner = &rest[1..];
                let mut escaped = false;
                let close = inner.find(|c: char| {
                    let closes = c == first && !escaped;
                    escaped = c == '\\' && !escaped;
                    closes
                })?;
                tokens.push(Token::Text(&inner[..close]));
                len = close + 2;
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(Token::Name(&rest[..len]));
            }
            _ if first.is_whitespace() => {}
            _ => {
                match first {
                    '{' => open += 1,
                    '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                tokens.push(Token::Sign(first));
            }
        }
        rest = &rest[len..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(template: &str) -> Option<Vec<String>> {
        let mut templates = Templates::default();
        templates.add(
            "base.html",
            "<title>{% block title %}{% endblock %}</title>{# items #} of all items {{ site.title }}",
        );
        templates.add("row.html", "{{ item.from_row }}");
        templates.add("x.html", template);
        templates.item_fields("x.html").map(|fields| fields.into_iter().collect())
    }

    #[test]
    fn plain_loops_name_their_fields() {
        let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let cases = [
            ("nothing", some(&[])),
            (
                "{% for item in items %}{{ item.title }} {{- item.author.name | upper -}}{% endfor %}",
                some(&["author", "title"]),
            ),
            ("{%- for a in items -%}{{ a.x }}{%- endfor -%}{{ items | length }}", some(&["x"])),
            (
                "{% if items %}{% for a in items %}{{ {\"k\": {\"l\": a.x}} }}{{ a.y }}{% endfor %}{% endif %}",
                some(&["x", "y"]),
            ),
            ("{{ [a.x for a in items] | join(sep=\", \") }}", some(&["x"])),
            ("{{ [a.x for a in items if a.y] }}", some(&["x", "y"])),
            (
                "{% extends \"base.html\" %}{% block title %}{% for i in items %}{{ i.t }}{% endfor %}{% endblock %}",
                some(&["t"]),
            ),
            ("{% for item in items %}{% include \"row.html\" %}{{ item.t }}{% endfor %}", some(&["from_row", "t"])),
            ("{% for item in items %}{{ url_for(path=item._path) }}{{ data.items }}{% endfor %}", some(&["_path"])),
            ("{% for item in items %}{{ \"}}\" ~ item.a ~ \"\\\"}}\" ~ item.b }}{% endfor %}", some(&["a", "b"])),
        ];
        for (template, expected) in cases {
            assert_eq!(fields(template), expected, "{template}");
        }
    }

    #[test]
    fn anything_else_reads_items_whole() {
        for template in [
            "{{ items }}",
            "{{ items[0].title }}",
            "{{ items | first }}",
            "{% for item in items | reverse %}{{ item.x }}{% endfor %}",
            "{% for item in items %}{{ item }}{% endfor %}",
            "{% for item in items %}{{ item[name] }}{% endfor %}",
            "{% for item in items %}{{ item[\"name\"] }}{% endfor %}",
            "{% for item in items %}{{ item?.name }}{% endfor %}",
            "{% for item in items %}{{ item | get(key=\"name\") }}{% endfor %}",
            "{% for item in items %}{% for key, value in item %}{{ key }}{% endfor %}{% endfor %}",
            "{% for item in items %}{% set other = item %}{{ other.x }}{% endfor %}",
            "{% for key, item in items %}{{ item.x }}{% endfor %}",
            "{% set all = items %}",
            "{{ [...items] }}",
            "{% for item in items %}{{ {...item} | pairs }}{{ <Card {...item} /> }}{% endfor %}",
            "{{ <Card item={item} /> }}{% for item in items %}{{ item.x }}{% endfor %}",
            "{% for item in items %}{{ f({\"a\": {\"b\": 1}}, item) }}{% endfor %}",
            "{% for item in items %}{{ item.x }}{% endfor %}{{ group_items | length }}",
            "{% raw %}{{ \"{% endraw %}{{ items }}",
        ] {
            assert_eq!(fields(template), None, "{template}");
        }
    }
}
