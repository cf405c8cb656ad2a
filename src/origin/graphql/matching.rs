//! Does a fragment pass a compiled filter? (protocol §5.1)

use std::cmp::Ordering;

use apollo_compiler::response::JsonValue;

use super::super::content::models::Kind;
use super::super::content::repository::{Fragment, Item, Repository};
use super::super::text::rich_text::Text;
use super::filter::{Expression, Filter, Operator, Part, Source, Tests};
use super::scalar::Scalar;

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
                        JsonValue::from(format.of(&text))
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
            passes(&scalar(values.first().unwrap_or(&JsonValue::Null), kind, expression), &expression.value, expression)
        }
    })
}

/// `values` compares the whole list, in stored order; with another operator than equality every given value has to pass
/// against some element (not documented). `value` counts the elements that pass.
fn passes_array(values: &[JsonValue], kind: Kind, expression: &Expression) -> bool {
    let scalars = || values.iter().map(|value| scalar(value, kind, expression));
    if let Some(wanted) = &expression.values {
        let equal = |(a, b): (Scalar<'_>, &Scalar<'_>)| compare(&a, b, expression) == Some(Ordering::Equal);
        let same = || values.len() == wanted.len() && scalars().zip(wanted).all(equal);
        return match expression.operator {
            Operator::EqualsNot => !same(),
            Operator::Equals => same(),
            _ => wanted.iter().all(|wanted| scalars().any(|value| passes(&value, wanted, expression))),
        };
    }
    if expression.value == Scalar::Null {
        return values.is_empty() == (expression.operator != Operator::EqualsNot);
    }
    let matching = scalars().filter(|value| passes(value, &expression.value, expression)).count();
    expression.apply.accepts(matching, values.len())
}

fn scalar<'v>(value: &'v JsonValue, kind: Kind, expression: &Expression) -> Scalar<'v> {
    let scalar = Scalar::of(kind, value);
    if expression.ignore_case { scalar.folded() } else { scalar }
}

/// Null equals null and differs from everything else; it is never greater, lower or contained.
fn passes(value: &Scalar<'_>, wanted: &Scalar<'_>, expression: &Expression) -> bool {
    let contains = |test: fn(&str, &str) -> bool| {
        value.text().zip(wanted.text()).is_some_and(|(value, wanted)| test(value, wanted))
    };
    let order = || compare(value, wanted, expression);
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

/// `None` where one of the two is null and the other is not.
fn compare(value: &Scalar<'_>, wanted: &Scalar<'_>, expression: &Expression) -> Option<Ordering> {
    match (value, wanted) {
        (Scalar::Null, Scalar::Null) => Some(Ordering::Equal),
        (Scalar::Null, _) | (_, Scalar::Null) => None,
        (Scalar::Number(a), Scalar::Number(b)) if (a - b).abs() <= expression.tolerance => Some(Ordering::Equal),
        _ => Some(value.order(wanted)),
    }
}
