//! What a Dispatcher's `/filter` rules say of a request: of those that fit it the last one counts, and without any it is denied
//! (protocol 1.4; the rest is in Adobe's documentation of the Dispatcher). Pure.

use regex::Regex;

use super::any::{Item, Property, Value};
use crate::report::Place;

/// A request, as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub method: &'static str,
    /// Without a query string.
    pub url: &'a str,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    /// Where it stands.
    pub place: Place,
    allows: bool,
    criteria: Vec<(Part, Pattern)>,
}

/// What of a request a criterion looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Method,
    Url,
    Path,
    Selectors,
    Extension,
    Suffix,
    Query,
    Protocol,
    /// The whole request line; the old form.
    Line,
}

impl Part {
    fn named(name: &str) -> Option<Part> {
        Some(match name {
            "method" => Part::Method,
            "url" => Part::Url,
            "path" => Part::Path,
            "selectors" => Part::Selectors,
            "extension" => Part::Extension,
            "suffix" => Part::Suffix,
            "query" => Part::Query,
            "protocol" => Part::Protocol,
            "glob" => Part::Line,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Pattern(Regex);

impl Pattern {
    /// Globs and regular expressions alike fit the whole of what they look at.
    fn new(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Glob(glob) => from_glob(glob),
            Value::Regex(regex) => regex.clone(),
            Value::Block(_) | Value::Missing => return None,
        };
        Regex::new(&format!("^(?s:{text})$")).ok().map(Pattern)
    }
}

/// `*` is anything, `?` one character, `[a-z]` one of several.
fn from_glob(glob: &str) -> String {
    let mut text = String::new();
    let mut rest = glob.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '[' if rest.as_str().contains(']') => {
                let class: String = rest.by_ref().take_while(|letter| *letter != ']').collect();
                let (not, class) = match class.strip_prefix(['!', '^']) {
                    Some(class) => ("^", class),
                    None => ("", class.as_str()),
                };
                text.push_str(&format!("[{not}{}]", class.replace('\\', "\\\\").replace('[', "\\[")));
            }
            letter => text.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    text
}

impl Rule {
    /// A rule of a filter section; `None` if it is none, or one that cannot be read.
    pub fn read(property: &Property, place: Place) -> Option<Rule> {
        let Value::Block(items) = &property.value else { return None };
        let mut allows = None;
        let mut criteria = Vec::new();
        for item in items {
            let Item::Property(member) = item else { continue };
            if member.name == "type" {
                allows = match &member.value {
                    Value::Glob(word) | Value::Regex(word) => Some(word == "allow"),
                    _ => None,
                };
            } else if let Some(part) = Part::named(&member.name) {
                criteria.push((part, Pattern::new(&member.value)?));
            }
        }
        Some(Rule { place, allows: allows?, criteria })
    }

    fn fits(&self, request: Request<'_>) -> bool {
        let parts = Parts::of(request.url);
        !self.criteria.is_empty()
            && self.criteria.iter().all(|(part, Pattern(pattern))| match part {
                Part::Method => pattern.is_match(request.method),
                Part::Url => pattern.is_match(request.url),
                Part::Path => pattern.is_match(parts.path),
                Part::Selectors => pattern.is_match(parts.selectors),
                Part::Extension => pattern.is_match(parts.extension),
                Part::Suffix => pattern.is_match(parts.suffix),
                // Our requests have no query string, and a rule about one is about others.
                Part::Query => false,
                Part::Protocol => pattern.is_match("HTTP/1.1"),
                Part::Line => pattern.is_match(&format!("{} {} HTTP/1.1", request.method, request.url)),
            })
    }
}

/// A path as Sling takes it apart: `/path.selectors.extension/suffix`.
struct Parts<'a> {
    path: &'a str,
    selectors: &'a str,
    extension: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let Some((path, rest)) = url.split_once('.') else {
            return Parts { path: url, selectors: "", extension: "", suffix: "" };
        };
        let (names, suffix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (selectors, extension) = names.rsplit_once('.').unwrap_or(("", names));
        Parts { path, selectors, extension, suffix }
    }
}

/// The rule that decides about a request, and whether it allows it; `None`: no rule fits, and that is a denial.
pub(super) fn ruling<'r>(rules: &'r [Rule], request: Request<'_>) -> Option<(&'r Rule, bool)> {
    rules.iter().rev().find(|rule| rule.fits(request)).map(|rule| (rule, rule.allows))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::super::any::parse;
    use super::*;

    fn rules(text: &str) -> Vec<Rule> {
        let items = parse(text);
        let rules = items.iter().filter_map(|item| match item {
            Item::Property(property) => Rule::read(property, Place::in_text("f", text, property.start, property.end)),
            Item::Include(_) => None,
        });
        rules.collect()
    }

    const EXECUTE: &str = "/graphql/execute.json/acme/stories";

    fn allowed(text: &str, method: &'static str, url: &str) -> bool {
        ruling(&rules(text), Request { method, url }).is_some_and(|(_, allows)| allows)
    }

    #[test]
    fn the_last_rule_that_fits_counts_and_without_any_it_is_denied() {
        let deny = "/0001 { /type \"deny\" /url \"*\" }";
        let allow = "/0061 { /type \"allow\" /method '(GET|POST|OPTIONS)' /url \"/graphql/execute.json*\" }";
        assert!(allowed(&format!("{deny}\n{allow}"), "GET", EXECUTE));
        assert!(allowed(&format!("{deny}\n{allow}"), "POST", EXECUTE));
        assert!(!allowed(&format!("{allow}\n{deny}"), "GET", EXECUTE));
        assert!(!allowed(&format!("{deny}\n{allow}"), "PUT", EXECUTE));
        assert!(!allowed("", "GET", EXECUTE));
        let text = format!("{deny}\n{allow}");
        let rules = rules(&text);
        let (rule, allows) = ruling(&rules, Request { method: "PUT", url: EXECUTE }).unwrap();
        assert_eq!((rule.place.line, allows), (1, false));
    }

    #[test]
    fn every_part_of_a_request_can_be_asked_for() {
        for (rule, fits) in [
            ("/path \"/graphql/execute\"", true),
            ("/path \"/graphql/*\" /extension '(json|html)' /suffix \"/acme/*\"", true),
            ("/extension \"html\"", false),
            ("/selectors '(feed|[0-9-]+)' /extension \"json\"", false),
            ("/url \"/graphql/execute.json/*\"", true),
            ("/url \"/graphql/execute?json/acme/stor[a-j]es\"", true),
            ("/url \"/graphql/execute.json\"", false),
            ("/url '/graphql/execute[.]json/.*'", true),
            ("/url '/graphql'", false),
            ("/glob \"GET /graphql/* HTTP/1.1\"", true),
            ("/glob \"POST *\"", false),
            ("/url \"*\" /query \"debug=*\"", false),
            ("", false),
        ] {
            assert_eq!(allowed(&format!("/1 {{ /type \"allow\" {rule} }}"), "GET", EXECUTE), fits, "{rule}");
        }
        assert!(allowed("/1 { /type \"allow\" /selectors \"a.b\" /extension \"json\" }", "GET", "/x.a.b.json/s"));
    }

    #[test]
    fn what_cannot_be_read_is_no_rule() {
        for text in
            ["/1 { /type \"allow\" /url '(' }", "/1 { /url \"*\" }", "/1 \"allow\"", "/1 { /type { } /url \"*\" }"]
        {
            assert!(rules(text).is_empty(), "{text}");
        }
    }
}
