//! Random content and random questions. Values are few, so that filters meet them.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};
use tempfile::TempDir;

use super::super::content::write;
use super::meaning::{self, Apply, Expression, Filter, Key, Node, Operand, Part, Tests, Value};

const TEXTS: &[&str] = &["", "a", "A", "ab", "b", "Bä", "bÄ", "z z", "null", "1", "\u{ffff}", "🍲"];
const WORDS: &[&str] = &["soup", "broth", "So", "up"];
const TAGS: &[&str] = &["p:a", "p:a/b", "p:c"];
const FOLDER: &str = "/content/dam/p/";

/// Fields of notes with their types in the model, and whether they hold several values.
const FIELDS: &[(&str, &str, bool)] = &[
    ("title", "text", false),
    ("rank", "number", false),
    ("count", "integer", false),
    ("open", "boolean", false),
    ("day", "date", false),
    ("hour", "time", false),
    ("at", "date-time", false),
    ("level", "enumeration", false),
    ("words", "text", true),
    ("topics", "tag", true),
    ("scores", "number", true),
    ("counts", "integer", true),
    ("flags", "boolean", true),
    ("days", "date", true),
    ("hours", "time", true),
    ("moments", "date-time", true),
    ("body", "long-text", false),
];

/// The content: notes first, then the parts they are made of.
#[derive(Debug, Clone)]
pub struct World {
    pub nodes: Vec<Node>,
    count: usize,
}

impl World {
    pub fn notes(&self) -> impl Iterator<Item = &Node> {
        self.nodes[..self.count].iter()
    }

    /// As `content/` of a site directory.
    pub fn written(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let model = |name: &str, title: &str, fields: serde_json::Value| {
            let path = format!("/conf/p/settings/dam/cfm/models/{name}");
            let model = json!({"path": path, "name": name, "title": title, "fields": fields});
            write(dir.path(), &format!("content/models/{name}.json"), model.to_string());
        };
        let plain = FIELDS.iter().map(|(name, ty, multiple)| json!({"name": name, "type": ty, "multiple": multiple}));
        let nested = [
            json!({"name": "parent", "type": "fragment-reference", "allowedModels": ["note"]}),
            json!({"name": "parts", "type": "fragment-reference", "multiple": true, "allowedModels": ["part"]}),
        ];
        model("note", "Note", plain.chain(nested).collect());
        model("part", "Part", json!([{"name": "name", "type": "text"}, {"name": "weight", "type": "number"}]));
        for (number, node) in self.nodes.iter().enumerate() {
            let model = if number < self.count { "note" } else { "part" };
            let file = format!("content/fragments/{}.json", node.path.strip_prefix("/content/dam/").unwrap());
            write(dir.path(), &file, self.fragment(node, model));
        }
        dir
    }

    fn fragment(&self, node: &Node, model: &str) -> String {
        let mut fields = stored(&node.fields);
        for (name, targets) in &node.references {
            let path = |target: &Option<usize>| {
                target.map_or(format!("{FOLDER}gone"), |target| self.nodes[target].path.clone())
            };
            let paths: Vec<String> = targets.iter().map(path).collect();
            fields.insert((*name).to_owned(), if *name == "parts" { json!(paths) } else { json!(paths.first()) });
        }
        let short = node.short.iter().map(|own| json!({"name": "short", "title": "Short", "fields": stored(own)}));
        let tags: Vec<_> = node.tags.iter().map(Value::json).collect();
        json!({"title": "N", "model": model, "id": node.id, "fields": fields, "tags": tags, "variations": short.collect::<Vec<_>>()}).to_string()
    }
}

fn stored(fields: &BTreeMap<&'static str, Vec<Value>>) -> Map<String, serde_json::Value> {
    let mut json = Map::new();
    for (name, values) in fields {
        let several = FIELDS.iter().any(|(field, _, multiple)| field == name && *multiple);
        let texts = values.iter().map(|value| match (value, *name) {
            (Value::Text(words), "body") => json!(meaning::html(words)),
            _ => value.json(),
        });
        let texts: Vec<_> = texts.collect();
        json.insert((*name).to_owned(), if several { json!(texts) } else { json!(texts.first()) });
    }
    json
}

fn text_of(texts: &'static [&'static str]) -> BoxedStrategy<Value> {
    select(texts).prop_map(|text| Value::Text(text.to_owned())).boxed()
}

/// A value of a field: never null.
fn value(field: &str) -> BoxedStrategy<Value> {
    match field {
        "title" | "words" | "name" | "level" => text_of(TEXTS),
        "body" => text_of(WORDS),
        // Quarters, which floating point numbers hold exactly.
        "rank" | "scores" | "weight" => {
            (-4..12_i32).prop_map(|quarters| Value::Number(f64::from(quarters) / 4.0)).boxed()
        }
        "count" | "counts" => (-2..4_i32).prop_map(|count| Value::Number(f64::from(count))).boxed(),
        "open" | "flags" => any::<bool>().prop_map(Value::Truth).boxed(),
        "day" | "days" => (1..6_i64).prop_map(Value::Day).boxed(),
        "hour" | "hours" => select(&[0, 1, 599, 600, 1439][..]).prop_map(Value::Clock).boxed(),
        // Not in the first hours of the year, so that every zone tells it in January.
        "at" | "moments" => (12..18_i64, -3..4_i64).prop_map(|(hour, zone)| Value::Instant(hour * 60, zone)).boxed(),
        "_path" => select(&["n1", "n2", "n", "", "N1", "gone"][..])
            .prop_map(|end| Value::Text(format!("{FOLDER}{end}")))
            .boxed(),
        "_variation" | "_variations" => text_of(&["master", "short", "s"]),
        "_tags" | "topics" => text_of(TAGS),
        other => panic!("{other}"),
    }
}

type Fields = BTreeMap<&'static str, Vec<Value>>;

/// Each field with no value, one, or several where it may.
fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Fields> {
    let each: Vec<_> = names
        .iter()
        .map(|name| {
            let several = FIELDS.iter().any(|(field, _, multiple)| field == name && *multiple);
            (Just(*name), option::weighted(0.8, vec(value(name), 1..if several { 4 } else { 2 })))
        })
        .collect();
    each.prop_map(|fields| fields.into_iter().filter_map(|(name, values)| Some((name, values?))).collect())
}

const OF_NOTES: &[&str] = &[
    "title", "rank", "count", "open", "day", "hour", "at", "level", "words", "topics", "scores", "counts", "flags",
    "days", "hours", "moments", "body",
];
const OF_VARIATIONS: &[&str] = &["title", "rank", "hour", "words", "flags", "body"];
const OF_PARTS: &[&str] = &["name", "weight"];

/// Up to 14 notes that refer to each other, to parts, and to nothing.
pub fn world() -> impl Strategy<Value = World> {
    let target = |count: usize, first: usize| {
        option::weighted(0.9, 0..count).prop_map(move |target| target.map(|target| first + target))
    };
    (1..14_usize, 1..5_usize).prop_flat_map(move |(notes, parts)| {
        let references = (vec(target(notes, 0), 0..2), vec(target(parts, notes), 0..4));
        let references = references.prop_map(|(parent, parts)| {
            // A fragment is named once in a list; a repeated one is another matter.
            let mut once: Vec<Option<usize>> = Vec::new();
            parts.into_iter().for_each(|part| {
                if !once.contains(&part) {
                    once.push(part)
                }
            });
            [("parent", parent), ("parts", once)].into_iter().filter(|(_, targets)| !targets.is_empty()).collect()
        });
        let note =
            (fields(OF_NOTES), references, option::weighted(0.4, fields(OF_VARIATIONS)), vec(text_of(TAGS), 0..3));
        let part = fields(OF_PARTS);
        let order = Just((0..notes + parts).collect::<Vec<usize>>()).prop_shuffle();
        (vec(note, notes), vec(part, parts), order).prop_map(move |(of_notes, of_parts, order)| {
            let bare = of_parts.into_iter().map(|fields| (fields, Fields::new(), None, Vec::new()));
            let bare = bare.map(|(fields, _, short, tags)| (fields, BTreeMap::new(), short, tags));
            let nodes = of_notes.into_iter().chain(bare).zip(order).enumerate().map(|(number, (node, order))| {
                let (fields, references, short, tags) = node;
                let letter = if number < notes { 'n' } else { 'p' };
                let path = format!("{FOLDER}{letter}{number}");
                Node { path, id: format!("00000000-0000-4000-8000-{order:012}"), fields, references, tags, short }
            });
            World { nodes: nodes.collect(), count: notes }
        })
    })
}

/// What a client asks.
#[derive(Debug, Clone)]
pub struct Ask {
    pub filter: Filter,
    pub keys: Vec<Key>,
    /// How the directions are spelt.
    pub spelling: [&'static str; 2],
    pub variation: Option<String>,
    /// `includeVariations`.
    pub all: bool,
    /// Of a page.
    pub size: usize,
}

impl Ask {
    /// As the argument.
    pub fn sort(&self) -> Option<String> {
        let keys = self.keys.iter().map(|(path, down)| format!("{path}{}", self.spelling[usize::from(*down)]));
        (!self.keys.is_empty()).then(|| keys.collect::<Vec<_>>().join(", "))
    }
}

/// The filter that states nothing.
pub fn everything() -> Filter {
    Filter { or: false, parts: Vec::new() }
}

pub fn ask() -> impl Strategy<Value = Ask> {
    let key = select(
        &[
            "title",
            "rank",
            "count",
            "open",
            "day",
            "hour",
            "at",
            "level",
            "words",
            "topics",
            "scores",
            "flags",
            "hours",
            "moments",
            "_path",
            "_id",
            "_variation",
            "_variations",
            "_tags",
            "parent.title",
            "parent.rank",
            "parent._path",
        ][..],
    );
    let spelling = select(&[["", " DESC"], [" ASC", " DESC"], [" asc", " desc"]][..]);
    let variation = option::of(select(&["short", "none"][..]).prop_map(str::to_owned));
    let rest = (spelling, variation, proptest::bool::weighted(0.3), 1..8_usize);
    (note_filter(), vec((key, any::<bool>()), 0..4), rest).prop_map(
        |(mut filter, keys, (spelling, variation, all, size))| {
            if all {
                // Not allowed together; a test of its own says so.
                filter.parts.retain(|part| part.field() != "_variation");
            }
            Ask { filter, keys, spelling, variation, all, size }
        },
    )
}

const TEXT: &[&str] = &["EQUALS", "EQUALS_NOT", "CONTAINS", "CONTAINS_NOT"];
const NUMBER: &[&str] = &["EQUAL", "UNEQUAL", "GREATER", "GREATER_EQUAL", "LOWER", "LOWER_EQUAL"];
const MOMENT: &[&str] = &["AT", "NOT_AT", "BEFORE", "AT_OR_BEFORE", "AFTER", "AT_OR_AFTER"];

fn operators(field: &str) -> &'static [&'static str] {
    match field {
        "rank" | "count" | "scores" | "counts" | "weight" => NUMBER,
        "open" | "flags" => &["EQUALS"],
        "day" | "days" | "hour" | "hours" | "at" | "moments" => MOMENT,
        "_path" => &["EQUALS", "EQUALS_NOT", "STARTS_WITH"],
        _ => TEXT,
    }
}

/// One expression on a field of one value.
fn expression(field: &'static str) -> impl Strategy<Value = Expression> {
    let text = operators(field) == TEXT;
    let tolerant = ["rank", "weight"].contains(&field);
    let tolerance = select(if tolerant { &[None, None, Some(0.0), Some(0.25), Some(1.0)][..] } else { &[None][..] });
    let one = prop_oneof![7 => value(field), 1 => Just(Value::Null)];
    let ignore_case = select(if text { &[false, false, true][..] } else { &[false][..] });
    (option::weighted(0.8, select(operators(field))), one, ignore_case, tolerance).prop_map(
        |(operator, one, ignore_case, tolerance)| Expression {
            operator,
            operand: Operand::One(one),
            ignore_case,
            tolerance,
            apply: None,
        },
    )
}

/// One expression on a list: `value` or `values`.
fn of_list(field: &'static str) -> impl Strategy<Value = Expression> {
    let operators = operators(field);
    let operand = prop_oneof![
        4 => value(field).prop_map(Operand::One),
        2 => vec(value(field), 0..3).prop_map(Operand::All),
        1 => Just(Operand::One(Value::Null)),
    ];
    (option::weighted(0.8, select(operators)), operand, option::of(apply())).prop_map(
        move |(operator, operand, apply)| {
            // Null only says whether the list is empty.
            let null = matches!(operand, Operand::One(Value::Null));
            let equality = operator.filter(|operator| operators.iter().take(2).any(|one| one == operator));
            let operator = if null { equality } else { operator };
            Expression { operator, operand, ignore_case: false, tolerance: None, apply }
        },
    )
}

fn apply() -> impl Strategy<Value = Apply> {
    prop_oneof![
        Just(Apply::AtLeastOnce),
        Just(Apply::All),
        Just(Apply::AllOrEmpty),
        (0..3_usize).prop_map(Apply::Instances)
    ]
}

fn tests<S: Strategy<Value = Expression> + 'static>(expression: S) -> impl Strategy<Value = Tests> {
    let expressions = prop_oneof![1 => Just(Vec::new()), 12 => vec(expression, 1..3)];
    (any::<bool>(), expressions).prop_map(|(or, expressions)| Tests { or, expressions })
}

fn values_part(field: &'static str) -> BoxedStrategy<Part> {
    tests(expression(field)).prop_map(move |tests| Part::Values { field, tests }).boxed()
}

fn list_part(field: &'static str) -> BoxedStrategy<Part> {
    tests(of_list(field)).prop_map(move |tests| Part::List { field, tests }).boxed()
}

fn part_filter() -> impl Strategy<Value = Filter> {
    combined(prop_oneof![values_part("name"), values_part("weight")].boxed())
}

/// Several parts, each of another field.
fn combined(part: BoxedStrategy<Part>) -> impl Strategy<Value = Filter> {
    (any::<bool>(), vec(part, 0..4)).prop_map(|(or, parts)| {
        let by_field: BTreeMap<_, _> = parts.into_iter().map(|part| (part.field(), part)).collect();
        Filter { or, parts: by_field.into_values().collect() }
    })
}

fn note_filter() -> impl Strategy<Value = Filter> {
    let single: Vec<BoxedStrategy<Part>> =
        ["title", "rank", "count", "open", "day", "hour", "at", "level", "_path", "_variation"].map(values_part).into();
    let lists: Vec<BoxedStrategy<Part>> =
        ["words", "topics", "scores", "counts", "flags", "days", "hours", "moments", "_tags", "_variations"]
            .map(list_part)
            .into();
    let told = |tell: fn(&str) -> String| {
        expression("body").prop_map(move |mut expression| {
            if let Operand::One(Value::Text(words)) = &mut expression.operand {
                *words = tell(words);
            }
            expression
        })
    };
    let body = (
        any::<bool>(),
        option::of(tests(told(meaning::html))),
        option::of(tests(told(meaning::markdown))),
        option::of(tests(expression("body"))),
    );
    let body = body.prop_map(|(or, html, markdown, plaintext)| Part::Body { or, html, markdown, plaintext }).boxed();
    let parts = (option::of(apply()), part_filter());
    let parts = parts.prop_map(|(apply, filter)| Part::Several { field: "parts", apply, filter }).boxed();
    let leaves: Vec<BoxedStrategy<Part>> = single.into_iter().chain(lists).chain([body, parts]).collect();
    let leaf = proptest::strategy::Union::new(leaves).boxed();
    leaf_or_parent(leaf)
}

/// Two levels of `parent`.
fn leaf_or_parent(leaf: BoxedStrategy<Part>) -> impl Strategy<Value = Filter> {
    let parent =
        |inner: BoxedStrategy<Filter>| inner.prop_map(|filter| Part::Single { field: "parent", filter }).boxed();
    let first = parent(combined(leaf.clone()).boxed());
    let second = parent(combined(prop_oneof![4 => leaf.clone(), 1 => first.clone()].boxed()).boxed());
    combined(prop_oneof![6 => leaf, 1 => first, 1 => second].boxed())
}
