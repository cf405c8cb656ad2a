//! What filters and sorts mean, written from the documentation and the table of choices in ARCHITECTURE.md, on data of its own.
//! It knows nothing of how the origin stores, compiles or compares.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Number(f64),
    Truth(bool),
    /// A day of January 2026.
    Day(i64),
    /// Minutes since midnight.
    Clock(i64),
    /// Minutes since 2026 began, told in a zone so many hours from UTC.
    Instant(i64, i64),
}

impl Value {
    pub fn json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Text(text) => json!(text),
            // A whole number is written as one, for `Int` takes no `1.0`.
            Value::Number(number) if number.fract() == 0.0 => json!(*number as i64),
            Value::Number(number) => json!(number),
            Value::Truth(truth) => json!(truth),
            Value::Day(day) => json!(format!("2026-01-{day:02}")),
            Value::Clock(minutes) => json!(format!("{:02}:{:02}:00", minutes / 60, minutes % 60)),
            Value::Instant(minutes, zone) => {
                let local = minutes + zone * 60;
                let (day, hour, minute) = (local / 1440 + 1, local % 1440 / 60, local % 60);
                json!(format!("2026-01-{day:02}T{hour:02}:{minute:02}:00.000{zone:+03}:00"))
            }
        }
    }

    /// `None` between null and something.
    fn compared(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Null, Value::Null) => Some(Ordering::Equal),
            (Value::Text(a), Value::Text(b)) => Some(a.chars().cmp(b.chars())),
            (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
            (Value::Truth(a), Value::Truth(b)) => Some(a.cmp(b)),
            (Value::Day(a), Value::Day(b))
            | (Value::Clock(a), Value::Clock(b))
            | (Value::Instant(a, _), Value::Instant(b, _)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// A content fragment.
#[derive(Debug, Clone)]
pub struct Node {
    pub path: String,
    pub id: String,
    pub fields: BTreeMap<&'static str, Vec<Value>>,
    pub references: BTreeMap<&'static str, Vec<Option<usize>>>,
    pub tags: Vec<Value>,
    /// What the variation `short` has of its own, where there is one.
    pub short: Option<BTreeMap<&'static str, Vec<Value>>>,
}

/// A fragment in its variation `short`, or as the master.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    pub node: &'a Node,
    pub short: bool,
}

impl<'a> Item<'a> {
    /// In the variation asked for, where the fragment has it.
    pub fn wanted(node: &'a Node, variation: Option<&str>) -> Self {
        Item { node, short: variation == Some("short") && node.short.is_some() }
    }

    pub fn variation(self) -> &'static str {
        if self.short { "short" } else { "master" }
    }

    fn values(self, field: &str) -> Vec<Value> {
        let text = |text: &str| vec![Value::Text(text.to_owned())];
        match field {
            "_path" => text(&self.node.path),
            "_id" => text(&self.node.id),
            "_variation" => text(self.variation()),
            "_variations" => self.node.short.iter().flat_map(|_| text("short")).collect(),
            "_tags" => self.node.tags.clone(),
            _ => {
                let own = self.node.short.as_ref().filter(|_| self.short).and_then(|short| short.get(field));
                own.or_else(|| self.node.fields.get(field)).cloned().unwrap_or_default()
            }
        }
    }
}

/// A filter of one model: at most one part a field.
#[derive(Debug, Clone)]
pub struct Filter {
    pub or: bool,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub enum Part {
    Values { field: &'static str, tests: Tests },
    List { field: &'static str, tests: Tests },
    Body { or: bool, html: Option<Tests>, markdown: Option<Tests>, plaintext: Option<Tests> },
    Single { field: &'static str, filter: Filter },
    Several { field: &'static str, apply: Option<Apply>, filter: Filter },
}

impl Part {
    pub fn field(&self) -> &'static str {
        match self {
            Part::Values { field, .. }
            | Part::List { field, .. }
            | Part::Single { field, .. }
            | Part::Several { field, .. } => field,
            Part::Body { .. } => "body",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Tests {
    pub or: bool,
    pub expressions: Vec<Expression>,
}

#[derive(Debug, Clone)]
pub struct Expression {
    pub operator: Option<&'static str>,
    pub operand: Operand,
    pub ignore_case: bool,
    pub tolerance: Option<f64>,
    pub apply: Option<Apply>,
}

#[derive(Debug, Clone)]
pub enum Operand {
    One(Value),
    All(Vec<Value>),
}

#[derive(Debug, Clone, Copy)]
pub enum Apply {
    AtLeastOnce,
    All,
    AllOrEmpty,
    Instances(usize),
}

impl Filter {
    /// As the argument.
    pub fn json(&self) -> Json {
        let mut json = Map::new();
        if self.or {
            json.insert("_logOp".to_owned(), json!("OR"));
        }
        for part in &self.parts {
            let sub = match part {
                Part::Values { tests, .. } | Part::List { tests, .. } => tests.json(),
                Part::Body { or, html, markdown, plaintext } => {
                    let formats = [("html", html), ("markdown", markdown), ("plaintext", plaintext)].into_iter();
                    let mut sub: Map<String, Json> = formats
                        .filter_map(|(format, tests)| Some((format.to_owned(), tests.as_ref()?.json())))
                        .collect();
                    sub.insert("_logOp".to_owned(), logic(*or));
                    Json::Object(sub)
                }
                Part::Single { filter, .. } => filter.json(),
                Part::Several { apply, filter, .. } => {
                    let mut sub = Map::new();
                    sub.insert("_match".to_owned(), filter.json());
                    apply.iter().for_each(|apply| apply.write(&mut sub));
                    Json::Object(sub)
                }
            };
            json.insert(part.field().to_owned(), sub);
        }
        Json::Object(json)
    }

    /// Does it hold for an item? Nested fragments are looked at in the variation asked for.
    pub fn holds(&self, nodes: &[Node], item: Item<'_>, variation: Option<&str>) -> bool {
        let targets = |field: &str| -> Vec<Item<'_>> {
            let references = item.node.references.get(field).into_iter().flatten();
            references.filter_map(|target| Some(Item::wanted(&nodes[(*target)?], variation))).collect()
        };
        let results = self.parts.iter().map(|part| match part {
            Part::Values { field, tests } => {
                let value = item.values(field).first().cloned().unwrap_or(Value::Null);
                tests.hold(|expression| expression.holds(&value))
            }
            Part::List { field, tests } => {
                let values = item.values(field);
                tests.hold(|expression| expression.holds_of_list(&values))
            }
            Part::Body { or, html: of_html, markdown: of_markdown, plaintext } => {
                let words = item.values("body").first().cloned().unwrap_or(Value::Null);
                let told = |tell: fn(&str) -> String| match &words {
                    Value::Text(words) => Value::Text(tell(words)),
                    _ => Value::Null,
                };
                let formats = [(of_html, told(html)), (of_markdown, told(markdown)), (plaintext, words.clone())];
                let results = formats
                    .into_iter()
                    .filter_map(|(tests, value)| Some(tests.as_ref()?.hold(|test| test.holds(&value))));
                combined(*or, results)
            }
            Part::Single { field, filter } => {
                targets(field).first().is_some_and(|target| filter.holds(nodes, *target, variation))
            }
            Part::Several { field, apply, filter } => {
                let targets = targets(field);
                let held = targets.iter().filter(|target| filter.holds(nodes, **target, variation)).count();
                Apply::fits(*apply, held, targets.len())
            }
        });
        combined(self.or, results)
    }
}

/// A text of one paragraph as it is stored.
pub fn html(words: &str) -> String {
    format!("<p>{words}</p>\n")
}

/// The same as Markdown.
pub fn markdown(words: &str) -> String {
    format!("{words}\n\n ")
}

/// No parts at all state nothing, and that holds.
fn combined(or: bool, results: impl Iterator<Item = bool>) -> bool {
    let results: Vec<bool> = results.collect();
    let held = results.iter().filter(|held| **held).count();
    held == results.len() || (or && held > 0)
}

fn logic(or: bool) -> Json {
    json!(if or { "OR" } else { "AND" })
}

impl Tests {
    fn json(&self) -> Json {
        let expressions: Vec<Json> = self.expressions.iter().map(Expression::json).collect();
        json!({"_logOp": logic(self.or), "_expressions": expressions})
    }

    fn hold(&self, test: impl Fn(&Expression) -> bool) -> bool {
        combined(self.or, self.expressions.iter().map(test))
    }
}

impl Expression {
    fn json(&self) -> Json {
        let mut json = Map::new();
        match &self.operand {
            Operand::One(value) => json.insert("value".to_owned(), value.json()),
            Operand::All(values) => json.insert("values".to_owned(), values.iter().map(Value::json).collect()),
        };
        if let Some(operator) = self.operator {
            json.insert("_operator".to_owned(), json!(operator));
        }
        if self.ignore_case {
            json.insert("_ignoreCase".to_owned(), json!(true));
        }
        if let Some(tolerance) = self.tolerance {
            json.insert("_sensitiveness".to_owned(), json!(tolerance));
        }
        self.apply.iter().for_each(|apply| apply.write(&mut json));
        Json::Object(json)
    }

    fn holds(&self, value: &Value) -> bool {
        match &self.operand {
            Operand::One(wanted) => self.passes(value, wanted),
            Operand::All(_) => panic!("`values` is for lists"),
        }
    }

    fn holds_of_list(&self, values: &[Value]) -> bool {
        match &self.operand {
            Operand::One(Value::Null) => {
                values.is_empty() != matches!(self.operator, Some("EQUALS_NOT" | "UNEQUAL" | "NOT_AT"))
            }
            Operand::One(wanted) => {
                let passing = values.iter().filter(|value| self.passes(value, wanted)).count();
                Apply::fits(self.apply, passing, values.len())
            }
            Operand::All(wanted) => match self.operator {
                None | Some("EQUALS" | "EQUAL" | "AT") => self.same(values, wanted),
                Some("EQUALS_NOT" | "UNEQUAL" | "NOT_AT") => !self.same(values, wanted),
                // With another operator, every value given has to pass against some element.
                _ => wanted.iter().all(|wanted| values.iter().any(|value| self.passes(value, wanted))),
            },
        }
    }

    /// Element by element, in order.
    fn same(&self, values: &[Value], wanted: &[Value]) -> bool {
        let equal = Expression { operator: None, ..self.clone() };
        values.len() == wanted.len()
            && std::iter::zip(values, wanted).all(|(value, wanted)| equal.passes(value, wanted))
    }

    fn passes(&self, value: &Value, wanted: &Value) -> bool {
        let small = |value: &Value| match value {
            Value::Text(text) if self.ignore_case => Value::Text(text.to_lowercase()),
            other => other.clone(),
        };
        let (value, wanted) = (small(value), small(wanted));
        let contained = match (&value, &wanted) {
            (Value::Text(value), Value::Text(wanted)) => value.split(wanted.as_str()).count() > 1,
            _ => false,
        };
        let near = match (&value, &wanted) {
            (Value::Number(a), Value::Number(b)) => (a - b).abs() <= self.tolerance.unwrap_or(0.0).abs(),
            _ => false,
        };
        let order = value.compared(&wanted);
        let equal = near || order == Some(Ordering::Equal);
        let (less, more) = (order == Some(Ordering::Less) && !near, order == Some(Ordering::Greater) && !near);
        match self.operator.unwrap_or("EQUALS") {
            "EQUALS" | "EQUAL" | "AT" => equal,
            "EQUALS_NOT" | "UNEQUAL" | "NOT_AT" => !equal,
            "CONTAINS" => contained,
            "CONTAINS_NOT" => !contained,
            "STARTS_WITH" => contained && json_text(&value).find(&json_text(&wanted)) == Some(0),
            "GREATER" | "AFTER" => more,
            "GREATER_EQUAL" | "AT_OR_AFTER" => more || equal,
            "LOWER" | "BEFORE" => less,
            "LOWER_EQUAL" | "AT_OR_BEFORE" => less || equal,
            other => panic!("{other}"),
        }
    }
}

fn json_text(value: &Value) -> String {
    value.json().as_str().unwrap_or_default().to_owned()
}

impl Apply {
    fn write(self, json: &mut Map<String, Json>) {
        let word = match self {
            Apply::AtLeastOnce => "AT_LEAST_ONCE",
            Apply::All => "ALL",
            Apply::AllOrEmpty => "ALL_OR_EMPTY",
            Apply::Instances(number) => {
                json.insert("_instances".to_owned(), json!(number));
                "INSTANCES"
            }
        };
        json.insert("_apply".to_owned(), json!(word));
    }

    fn fits(apply: Option<Apply>, held: usize, all: usize) -> bool {
        match apply.unwrap_or(Apply::AtLeastOnce) {
            Apply::AtLeastOnce => held >= 1,
            Apply::All => all >= 1 && held == all,
            Apply::AllOrEmpty => all == 0 || held == all,
            Apply::Instances(number) => held == number,
        }
    }
}

/// A key of a sort: dotted path, and whether it goes down.
pub type Key = (&'static str, bool);

/// Compares by all keys; null comes last in both directions.
pub fn ordered(nodes: &[Node], keys: &[Key], variation: Option<&str>, a: Item<'_>, b: Item<'_>) -> Ordering {
    let value = |item: Item<'_>, path: &str| match path.split_once('.') {
        None => item.values(path).first().cloned().unwrap_or(Value::Null),
        Some((reference, field)) => {
            let target = item.node.references.get(reference).and_then(|targets| *targets.first()?);
            let values = target.map(|target| Item::wanted(&nodes[target], variation).values(field));
            values.and_then(|values| values.first().cloned()).unwrap_or(Value::Null)
        }
    };
    let by_key = keys.iter().map(|(path, down)| match (value(a, path), value(b, path)) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (a, b) => {
            let order = a.compared(&b).expect("one field, one type");
            if *down { order.reverse() } else { order }
        }
    });
    by_key.fold(Ordering::Equal, Ordering::then)
}
