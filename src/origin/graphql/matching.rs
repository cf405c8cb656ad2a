//! Does a fragment pass a compiled filter? (protocol §5.1)

use std::borrow::Cow;
use std::cmp::Ordering;

use apollo_compiler::response::JsonValue;

use super::super::content::models::Kind;
use super::super::content::repository::{Fragment, Item, Repository};
use super::super::text::rich_text::Text;
use super::filter::{Expression, Filter, Operator, Part, Source, Tests, TextFormat};

/// A filter over one repository. Nested fragments are looked at in the variation asked for.
pub(in crate::origin) struct Matcher<'a> {
    pub repository: &'a Repository,
    pub wanted: Option<&'a str>,
}

impl<'a> Matcher<'a> {
    /// Whether the item passes.
    pub fn passes(&self, filter: &Filter, item: Item<'a>) -> bool {
        filter.logic.combine(&filter.parts, |part| self.part(part, item))
    }

    fn part(&self, part: &Part, item: Item<'a>) -> bool {
        match part {
            Part::Values { source, array, tests } => self.values(*source, *array, tests, item),
            Part::Formats { field, array, logic, formats } => {
                let cell = item.fragment.cell(*field, item.variation);
                logic.combine(formats, |(format, tests)| {
                    let text = |value: &JsonValue| {
                        let text = Text::new(value.as_str().unwrap_or(""), cell.mime.as_deref());
                        JsonValue::from(match format {
                            TextFormat::Html => text.html(),
                            TextFormat::Markdown => text.markdown(),
                            TextFormat::Plaintext => text.plaintext(),
                        })
                    };
                    let values: Vec<JsonValue> = cell.values.iter().map(text).collect();
                    passes_values(&values, *array, Kind::LongText, tests)
                })
            }
            Part::Fragment { field, filter } => {
                self.targets(*field, item).first().is_some_and(|target| self.passes(filter, *target))
            }
            Part::Fragments { field, apply, filter } => {
                let targets = self.targets(*field, item);
                let matching = targets.iter().filter(|target| self.passes(filter, **target)).count();
                apply.accepts(matching, targets.len())
            }
        }
    }

    fn values(&self, source: Source, array: bool, tests: &Tests, item: Item<'_>) -> bool {
        let fragment = item.fragment;
        match source {
            Source::Field(field, kind) => {
                passes_values(&fragment.cell(field, item.variation).values, array, kind, tests)
            }
            Source::Path => passes_values(&[fragment.path.as_str().into()], array, Kind::Text, tests),
            Source::Variation => {
                passes_values(&[fragment.variation_name(item.variation).into()], array, Kind::Text, tests)
            }
            Source::Tags => passes_values(fragment.tags(item.variation), array, Kind::Text, tests),
            Source::Variations => {
                let names: Vec<JsonValue> =
                    fragment.variations.iter().map(|variation| variation.name.as_str().into()).collect();
                passes_values(&names, array, Kind::Text, tests)
            }
        }
    }

    /// The fragments a reference field points to, those that are there and of an allowed model.
    fn targets(&self, field: usize, item: Item<'a>) -> Vec<Item<'a>> {
        let allowed = &self.repository.model_of(item.fragment).fields[field].allowed;
        let paths = item.fragment.cell(field, item.variation).values.iter().filter_map(JsonValue::as_str);
        let found = paths.filter_map(|path| self.repository.fragment(path));
        let fits = |fragment: &&Fragment| allowed.is_empty() || allowed.contains(&fragment.model);
        found.filter(fits).map(|fragment| Item { fragment, variation: fragment.variation(self.wanted) }).collect()
    }
}

fn passes_values(values: &[JsonValue], array: bool, kind: Kind, tests: &Tests) -> bool {
    tests.logic.combine(&tests.expressions, |expression| {
        if array {
            passes_array(values, kind, expression)
        } else {
            passes(values.first().unwrap_or(&JsonValue::Null), kind, &expression.value, expression)
        }
    })
}

/// `values` compares the whole list, in stored order; with `CONTAINS` every given value has to be contained (not
/// documented). `value` counts the elements that pass.
fn passes_array(values: &[JsonValue], kind: Kind, expression: &Expression) -> bool {
    if let Some(wanted) = &expression.values {
        let equal = |a: &JsonValue, b: &JsonValue| compare(a, b, kind, expression) == Some(Ordering::Equal);
        let contained = |wanted: &JsonValue| values.iter().any(|value| passes(value, kind, wanted, expression));
        let same = || values.len() == wanted.len() && values.iter().zip(wanted).all(|(a, b)| equal(a, b));
        return match expression.operator {
            Operator::EqualsNot => !same(),
            Operator::Equals => same(),
            _ => wanted.iter().all(contained),
        };
    }
    if expression.value.is_null() {
        return values.is_empty() == (expression.operator != Operator::EqualsNot);
    }
    let matching = values.iter().filter(|value| passes(value, kind, &expression.value, expression)).count();
    expression.apply.accepts(matching, values.len())
}

/// Null equals only null, and is never greater, lower or contained.
fn passes(value: &JsonValue, kind: Kind, wanted: &JsonValue, expression: &Expression) -> bool {
    let contains = |test: fn(&str, &str) -> bool| {
        let (value, wanted) = (value.as_str(), wanted.as_str());
        value.zip(wanted).is_some_and(|(value, wanted)| test(&folded(value, expression), &folded(wanted, expression)))
    };
    let order = || compare(value, wanted, kind, expression);
    match expression.operator {
        Operator::Equals => order() == Some(Ordering::Equal),
        Operator::EqualsNot => order() != Some(Ordering::Equal),
        Operator::Contains => contains(|value, wanted| value.contains(wanted)),
        Operator::ContainsNot => !contains(|value, wanted| value.contains(wanted)),
        Operator::StartsWith => contains(|value, wanted| value.starts_with(wanted)),
        Operator::Greater => order() == Some(Ordering::Greater),
        Operator::GreaterEqual => order().is_some_and(Ordering::is_ge),
        Operator::Lower => order() == Some(Ordering::Less),
        Operator::LowerEqual => order().is_some_and(Ordering::is_le),
    }
}

fn folded<'t>(text: &'t str, expression: &Expression) -> Cow<'t, str> {
    if expression.ignore_case { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
}

fn compare(value: &JsonValue, wanted: &JsonValue, kind: Kind, expression: &Expression) -> Option<Ordering> {
    if value.is_null() || wanted.is_null() {
        return (value.is_null() && wanted.is_null()).then_some(Ordering::Equal);
    }
    if let (Some(value), Some(wanted)) = (value.as_f64(), wanted.as_f64()) {
        let near = (value - wanted).abs() <= expression.tolerance;
        return if near { Some(Ordering::Equal) } else { value.partial_cmp(&wanted) };
    }
    if let (Some(value), Some(wanted)) = (value.as_bool(), wanted.as_bool()) {
        return Some(value.cmp(&wanted));
    }
    let (value, wanted) = (value.as_str()?, wanted.as_str()?);
    match kind {
        Kind::DateTime => Some(compare_times(value, wanted)),
        Kind::Time => Some(match (value.parse::<jiff::civil::Time>(), wanted.parse::<jiff::civil::Time>()) {
            (Ok(value), Ok(wanted)) => value.cmp(&wanted),
            _ => value.cmp(wanted),
        }),
        _ => Some(folded(value, expression).cmp(&folded(wanted, expression))),
    }
}

/// Two instants, whatever their offsets; texts that are none by their letters.
pub(in crate::origin) fn compare_times(a: &str, b: &str) -> Ordering {
    match (a.parse::<jiff::Timestamp>(), b.parse::<jiff::Timestamp>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}
