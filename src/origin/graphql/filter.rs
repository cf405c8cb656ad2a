//! The `filter` argument (protocol §5.1), compiled once a request. Arguments were checked against the schema before, so
//! what does not fit is skipped rather than reported. Matching is in `matching`.

use std::borrow::Cow;

use apollo_compiler::response::{JsonMap, JsonValue};

use super::super::content::models::{Kind, Model};
use super::super::text::rich_text::Text;
use super::scalar::{Scalar, is_value};

/// How the parts of a filter, or the expressions of a field, combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Logic {
    And,
    Or,
}

impl Logic {
    fn of(json: &JsonMap) -> Self {
        if json.get("_logOp").and_then(JsonValue::as_str) == Some("OR") { Self::Or } else { Self::And }
    }

    /// Combines; no parts at all accept everything.
    pub fn combine<T>(self, parts: &[T], mut test: impl FnMut(&T) -> bool) -> bool {
        match self {
            Self::And => parts.iter().all(test),
            Self::Or => parts.is_empty() || parts.iter().any(&mut test),
        }
    }
}

/// A filter on fragments of one model.
#[derive(Debug)]
pub(in crate::origin) struct Filter {
    pub logic: Logic,
    pub parts: Vec<Part>,
}

/// One entry of a filter.
#[derive(Debug)]
pub(in crate::origin) enum Part {
    Values {
        source: Source,
        array: bool,
        tests: Tests,
    },
    /// Multi line text: tests of its formats.
    Formats {
        field: usize,
        array: bool,
        logic: Logic,
        formats: Vec<(TextFormat, Tests)>,
    },
    /// A single fragment reference: a filter of the target.
    Fragment {
        field: usize,
        filter: Filter,
    },
    /// A list of fragment references.
    Fragments {
        field: usize,
        apply: Apply,
        filter: Filter,
    },
}

/// Where the tested values come from.
#[derive(Debug, Clone, Copy)]
pub(in crate::origin) enum Source {
    Field(usize, Kind),
    Path,
    Variation,
    Variations,
    Tags,
}

/// The filterable formats of multi line text.
#[derive(Debug, Clone, Copy)]
pub(in crate::origin) enum TextFormat {
    Html,
    Markdown,
    Plaintext,
}

impl TextFormat {
    /// The format of that name; `json` can be neither filtered nor sorted by (protocol §4.6).
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "html" => Self::Html,
            "markdown" => Self::Markdown,
            "plaintext" => Self::Plaintext,
            _ => return None,
        })
    }

    /// The text in this format.
    pub fn of<'a>(self, text: &Text<'a>) -> Cow<'a, str> {
        match self {
            Self::Html => text.html(),
            Self::Markdown => text.markdown(),
            Self::Plaintext => text.plaintext(),
        }
    }
}

/// `_expressions` with their `_logOp`.
#[derive(Debug)]
pub(in crate::origin) struct Tests {
    pub logic: Logic,
    pub expressions: Vec<Expression>,
}

/// One expression, of a scalar or of a list.
#[derive(Debug)]
pub(in crate::origin) struct Expression {
    pub value: Scalar<'static>,
    /// The whole list to compare with, where `values` is given.
    pub values: Option<Vec<Scalar<'static>>>,
    pub operator: Operator,
    pub ignore_case: bool,
    /// Tolerance for numbers (`_sensitiveness`).
    pub tolerance: f64,
    pub apply: Apply,
}

/// The operators of all types in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Operator {
    Equals,
    EqualsNot,
    Contains,
    ContainsNot,
    StartsWith,
    Greater,
    GreaterEqual,
    Lower,
    LowerEqual,
}

impl Operator {
    /// Equality is the default of every type. `BEFORE` reads "field before value": the documentation's wording says the
    /// reverse, its samples say neither (protocol §13).
    fn parse(name: Option<&str>) -> Self {
        match name.unwrap_or("EQUALS") {
            "EQUALS_NOT" | "UNEQUAL" | "NOT_AT" => Self::EqualsNot,
            "CONTAINS" => Self::Contains,
            "CONTAINS_NOT" => Self::ContainsNot,
            "STARTS_WITH" => Self::StartsWith,
            "GREATER" | "AFTER" => Self::Greater,
            "GREATER_EQUAL" | "AT_OR_AFTER" => Self::GreaterEqual,
            "LOWER" | "BEFORE" => Self::Lower,
            "LOWER_EQUAL" | "AT_OR_BEFORE" => Self::LowerEqual,
            _ => Self::Equals,
        }
    }
}

/// How many elements of a list have to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Apply {
    AtLeastOnce,
    All,
    AllOrEmpty,
    /// Exactly so many; "exactly" or "at least" is not documented.
    Instances(i64),
}

impl Apply {
    fn of(json: &JsonMap) -> Self {
        match json.get("_apply").and_then(JsonValue::as_str) {
            Some("ALL") => Self::All,
            Some("ALL_OR_EMPTY") => Self::AllOrEmpty,
            Some("INSTANCES") => Self::Instances(json.get("_instances").and_then(JsonValue::as_i64).unwrap_or(1)),
            // Without `_apply` one matching element is enough (protocol §5.1, array semantics).
            _ => Self::AtLeastOnce,
        }
    }

    /// Whether so many of so many elements are enough. `ALL` of nothing fails; that is what `ALL_OR_EMPTY` is for.
    pub fn accepts(self, matching: usize, all: usize) -> bool {
        match self {
            Self::AtLeastOnce => matching > 0,
            Self::All => all > 0 && matching == all,
            Self::AllOrEmpty => matching == all,
            Self::Instances(wanted) => i64::try_from(matching) == Ok(wanted),
        }
    }
}

/// Compiles the argument for a model.
///
/// # Errors
/// A sentence naming a value that its scalar refuses.
pub(in crate::origin) fn compile(json: &JsonMap, model: &Model, models: &[Model]) -> Result<Filter, String> {
    let mut parts = Vec::new();
    for (name, sub) in json.iter() {
        if let Some(sub) = sub.as_object()
            && let Some(part) = part(name.as_str(), sub, model, models)?
        {
            parts.push(part);
        }
    }
    Ok(Filter { logic: Logic::of(json), parts })
}

/// Whether a filter names `_variation`, which AEM does not allow together with `includeVariations` (protocol §5.5).
pub(in crate::origin) fn names_variation(json: &JsonMap) -> bool {
    json.get("_variation").is_some_and(|sub| !sub.is_null())
}

fn part(name: &str, sub: &JsonMap, model: &Model, models: &[Model]) -> Result<Option<Part>, String> {
    let helper = match name {
        "_path" => Some((Source::Path, false)),
        "_variation" => Some((Source::Variation, false)),
        "_variations" => Some((Source::Variations, true)),
        "_tags" => Some((Source::Tags, true)),
        _ => None,
    };
    if let Some((source, array)) = helper {
        return Ok(Some(Part::Values { source, array, tests: tests(sub, Kind::Text)? }));
    }
    let Some((position, field)) = model.field(name) else {
        return Ok(None);
    };
    Ok(Some(match field.kind {
        Kind::LongText => {
            let mut formats = Vec::new();
            for (name, sub) in sub.iter() {
                if let (Some(format), Some(sub)) = (TextFormat::parse(name.as_str()), sub.as_object()) {
                    formats.push((format, tests(sub, field.kind)?));
                }
            }
            Part::Formats { field: position, array: field.multiple, logic: Logic::of(sub), formats }
        }
        Kind::FragmentReference => {
            let Some(target) = field.allowed.first().map(|model| &models[*model]) else {
                return Ok(None);
            };
            if field.multiple {
                let empty = JsonMap::new();
                let inner = sub.get("_match").and_then(JsonValue::as_object).unwrap_or(&empty);
                Part::Fragments { field: position, apply: Apply::of(sub), filter: compile(inner, target, models)? }
            } else {
                Part::Fragment { field: position, filter: compile(sub, target, models)? }
            }
        }
        kind => Part::Values { source: Source::Field(position, kind), array: field.multiple, tests: tests(sub, kind)? },
    }))
}

fn tests(json: &JsonMap, kind: Kind) -> Result<Tests, String> {
    let given = json.get("_expressions").and_then(JsonValue::as_array).into_iter().flatten();
    let mut expressions = Vec::new();
    for json in given.filter_map(JsonValue::as_object) {
        expressions.extend(expression(json, kind)?);
    }
    Ok(Tests { logic: Logic::of(json), expressions })
}

/// An expression without `value` and `values` states nothing; `value: null` looks for empty fields (protocol §5.1).
fn expression(json: &JsonMap, kind: Kind) -> Result<Option<Expression>, String> {
    let ignore_case = json.get("_ignoreCase").and_then(JsonValue::as_bool).unwrap_or(false);
    let scalar = |value: &JsonValue| {
        if !is_value(kind, value) {
            return Err(format!("Invalid filter: {value} is not {}", kind.word()));
        }
        let scalar = Scalar::of(kind, value).into_owned();
        Ok(if ignore_case { scalar.folded() } else { scalar })
    };
    let values = json.get("values").and_then(JsonValue::as_array);
    let value = json.get("value");
    if values.is_none() && value.is_none() {
        return Ok(None);
    }
    Ok(Some(Expression {
        value: value.map_or(Ok(Scalar::Null), scalar)?,
        values: values.map(|values| values.iter().map(scalar).collect()).transpose()?,
        operator: Operator::parse(json.get("_operator").and_then(JsonValue::as_str)),
        ignore_case,
        tolerance: json.get("_sensitiveness").and_then(JsonValue::as_f64).unwrap_or(0.0).abs(),
        apply: Apply::of(json),
    }))
}
