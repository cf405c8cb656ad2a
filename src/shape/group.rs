//! Values of items that put them in order and in groups.

use serde::{Deserialize, Serialize};
use tera::Value;

use crate::text::order::{Collation, Key};

/// The value of a `group_by` field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GroupValue {
    /// A boolean.
    Bool(bool),
    /// A number, with the text it prints as; ordered by value.
    Number(OrderedNumber, Box<str>),
    /// A text.
    Text(Box<str>),
}

/// A number with a total order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OrderedNumber(pub f64);

impl Eq for OrderedNumber {}
impl PartialOrd for OrderedNumber {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for OrderedNumber {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl GroupValue {
    /// As templates and paths see it.
    pub fn to_value(&self) -> Value {
        match self {
            GroupValue::Bool(flag) => Value::from(*flag),
            #[expect(clippy::cast_possible_truncation, reason = "whole and exact, checked")]
            GroupValue::Number(number, _) if number.0.fract() == 0.0 && number.0.abs() < 9e15 => {
                Value::from(number.0 as i64)
            }
            GroupValue::Number(number, _) => Value::from(number.0),
            GroupValue::Text(text) => Value::normal_string(text),
        }
    }

    /// As messages name it.
    pub fn text(&self) -> String {
        self.to_value().to_string()
    }
}

/// Follows a dotted path; a list on the way gives each of its members. Undefined and null end it with nothing.
pub(super) fn descend<'v>(value: &'v Value, steps: &[String]) -> Vec<&'v Value> {
    let Some((first, rest)) = steps.split_first() else {
        return if value.is_none() || value.is_undefined() { Vec::new() } else { vec![value] };
    };
    if let Some(items) = value.as_array() {
        return items.iter().flat_map(|item| descend(item, steps)).collect();
    }
    let found = value.as_map().and_then(|map| map.get(&tera::value::Key::from(first.clone())));
    found.map_or_else(Vec::new, |inner| descend(inner, rest))
}

/// The value in the form in which `sort` compares it.
pub(super) fn key_of(value: &Value, collation: Option<&Collation>) -> Key {
    if let Some(flag) = value.as_bool() {
        return Key::Bool(flag);
    }
    if let Some(number) = value.as_number() {
        return Key::Number(number.as_float());
    }
    match (value.as_str(), collation) {
        (Some(text), Some(collation)) => collation.key(text),
        (Some(text), None) => Key::Text(text.as_bytes().into()),
        (None, _) => Key::Null,
    }
}

/// The group of a value; none for null and empty text, an error for what is not a scalar.
pub(super) fn group_of(value: &Value) -> Result<Option<GroupValue>, &'static str> {
    if value.is_none() || value.is_undefined() {
        return Ok(None);
    }
    if let Some(flag) = value.as_bool() {
        return Ok(Some(GroupValue::Bool(flag)));
    }
    if let Some(number) = value.as_number() {
        return Ok(Some(GroupValue::Number(OrderedNumber(number.as_float()), value.to_string().into())));
    }
    match value.as_str() {
        Some(text) if text.trim().is_empty() => Ok(None),
        Some(text) => Ok(Some(GroupValue::Text(text.into()))),
        None if value.is_array() => Err("a list of lists"),
        None => Err("an object"),
    }
}
