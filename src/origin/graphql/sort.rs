//! The `sort` argument (protocol §5.2): `"price DESC, author.lastName"`.
//!
//! Not documented and decided here: nothing comes last in both directions, numbers go by value, texts by code point, the
//! direction may be written in small letters, helper fields other than the simple ones and JSON cannot be sorted by.

use std::cmp::Ordering;

use apollo_compiler::response::JsonValue;

use super::super::content::models::{Kind, Model};
use super::super::content::repository::{Item, Repository};
use super::matching::compare_times;

/// One key of the sort string.
#[derive(Debug)]
pub(in crate::origin) struct SortKey {
    /// Single fragment references to follow.
    steps: Vec<usize>,
    leaf: Leaf,
    descending: bool,
}

#[derive(Debug, Clone, Copy)]
enum Leaf {
    Field(usize, Kind),
    Path,
    Id,
    Variation,
}

/// The value of a key in one item: null, boolean, number or text, and whether texts are instants.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::origin) struct KeyValue {
    pub value: JsonValue,
    instant: bool,
}

/// Compiles a sort string for a model.
///
/// # Errors
/// A sentence naming the part that no field answers to.
pub(in crate::origin) fn compile(text: &str, model: &Model, models: &[Model]) -> Result<Vec<SortKey>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| key(part, model, models)).collect()
}

fn key(part: &str, model: &Model, models: &[Model]) -> Result<SortKey, String> {
    let mut words = part.split_whitespace();
    let path = words.next().unwrap_or("");
    let descending = match words.next().map(str::to_ascii_uppercase).as_deref() {
        None | Some("ASC") => false,
        Some("DESC") => true,
        Some(_) => return Err(format!("Invalid sort '{part}': the direction is ASC or DESC")),
    };
    if words.next().is_some() {
        return Err(format!("Invalid sort '{part}': expected a field and a direction"));
    }
    let mut model = model;
    let mut steps = Vec::new();
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let last = names.peek().is_none();
        let unknown = || format!("Invalid sort '{part}': no sortable field '{name}' in type '{}'", model.object);
        let leaf = match name {
            "_path" => Some(Leaf::Path),
            "_id" => Some(Leaf::Id),
            "_variation" => Some(Leaf::Variation),
            _ => None,
        };
        if let (Some(leaf), true) = (leaf, last) {
            return Ok(SortKey { steps, leaf, descending });
        }
        let (position, field) = model.field(name).ok_or_else(unknown)?;
        match (field.kind, last, field.allowed.as_slice()) {
            (Kind::FragmentReference, false, [only]) if !field.multiple => {
                steps.push(position);
                model = &models[*only];
            }
            (Kind::FragmentReference | Kind::Json, ..) | (_, false, _) => return Err(unknown()),
            (kind, true, _) => {
                return Ok(SortKey { steps, leaf: Leaf::Field(position, kind), descending });
            }
        }
    }
    Err(format!("Invalid sort '{part}': a field is missing"))
}

/// The values of all keys in an item.
pub(in crate::origin) fn values<'a>(
    keys: &[SortKey],
    item: Item<'a>,
    repository: &'a Repository,
    wanted: Option<&str>,
) -> Vec<KeyValue> {
    keys.iter().map(|key| value(key, item, repository, wanted)).collect()
}

fn value<'a>(key: &SortKey, item: Item<'a>, repository: &'a Repository, wanted: Option<&str>) -> KeyValue {
    let nothing = KeyValue { value: JsonValue::Null, instant: false };
    let mut item = item;
    for step in &key.steps {
        let path = item.fragment.cell(*step, item.variation).values.first().and_then(JsonValue::as_str);
        let allowed = &repository.model_of(item.fragment).fields[*step].allowed;
        let Some(fragment) =
            path.and_then(|path| repository.fragment(path)).filter(|target| allowed.contains(&target.model))
        else {
            return nothing;
        };
        item = Item { fragment, variation: fragment.variation(wanted) };
    }
    let fragment = item.fragment;
    let (value, instant) = match key.leaf {
        Leaf::Path => (fragment.path.as_str().into(), false),
        Leaf::Id => (fragment.id.as_str().into(), false),
        Leaf::Variation => (fragment.variation_name(item.variation).into(), false),
        Leaf::Field(field, kind) => {
            let value = fragment.cell(field, item.variation).values.first().cloned().unwrap_or(JsonValue::Null);
            (value, kind == Kind::DateTime)
        }
    };
    KeyValue { value, instant }
}

/// Rebuilds a key's value from a cursor.
pub(in crate::origin) fn restored(key: &SortKey, value: JsonValue) -> KeyValue {
    KeyValue { value, instant: matches!(key.leaf, Leaf::Field(_, Kind::DateTime)) }
}

/// Compares by all keys.
pub(in crate::origin) fn compare(keys: &[SortKey], a: &[KeyValue], b: &[KeyValue]) -> Ordering {
    for ((key, a), b) in keys.iter().zip(a).zip(b) {
        let order = match (a.value.is_null(), b.value.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) if key.descending => compare_values(b, a),
            (false, false) => compare_values(a, b),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_values(a: &KeyValue, b: &KeyValue) -> Ordering {
    if let (Some(a), Some(b)) = (a.value.as_f64(), b.value.as_f64()) {
        return a.total_cmp(&b);
    }
    match (a.value.as_str(), b.value.as_str()) {
        (Some(x), Some(y)) if a.instant => compare_times(x, y),
        (Some(x), Some(y)) => x.cmp(y),
        _ => a.value.as_bool().cmp(&b.value.as_bool()),
    }
}
