//! The `sort` argument (protocol §5.2): `"price DESC, author.lastName"`.
//!
//! Not documented and decided here: null comes last in both directions, numbers go by value, texts by code point, the
//! direction may be written in small letters. A field of several values goes by its first, multi line text by what is stored or
//! by the format named (`body.plaintext`). `_path`, `_id`, `_variation`, `_variations` and `_tags` can be sorted by; `_metadata`,
//! `_model` and JSON cannot, nor can lists of fragments be walked through.

use std::cmp::Ordering;

use apollo_compiler::response::JsonValue;

use super::super::content::models::{Kind, Model};
use super::super::content::repository::{Item, Repository};
use super::super::text::rich_text::Text;
use super::filter::TextFormat;
use super::scalar::Scalar;

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
    Format(usize, TextFormat),
    Path,
    Id,
    Variation,
    Variations,
    Tags,
}

impl Leaf {
    fn helper(name: &str) -> Option<Self> {
        Some(match name {
            "_path" => Self::Path,
            "_id" => Self::Id,
            "_variation" => Self::Variation,
            "_variations" => Self::Variations,
            "_tags" => Self::Tags,
            _ => return None,
        })
    }
}

/// Compiles a sort string for a model; `seen` says which models the endpoint sees.
///
/// # Errors
/// A sentence naming the part that no field answers to.
pub(in crate::origin) fn compile(
    text: &str,
    model: &Model,
    models: &[Model],
    seen: &[bool],
) -> Result<Vec<SortKey>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| key(part, model, models, seen)).collect()
}

fn key(part: &str, model: &Model, models: &[Model], seen: &[bool]) -> Result<SortKey, String> {
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
        if let (Some(leaf), true) = (Leaf::helper(name), last) {
            return Ok(SortKey { steps, leaf, descending });
        }
        let (position, field) = model.field(name).ok_or_else(unknown)?;
        match (field.kind, last, field.allowed.as_slice()) {
            (Kind::FragmentReference, false, [only]) if !field.multiple && seen[*only] => {
                steps.push(position);
                model = &models[*only];
            }
            (Kind::LongText, false, _) => {
                let format = names.next().and_then(TextFormat::parse).filter(|_| names.peek().is_none());
                let leaf = Leaf::Format(position, format.ok_or_else(unknown)?);
                return Ok(SortKey { steps, leaf, descending });
            }
            (Kind::FragmentReference | Kind::Json, ..) | (_, false, _) => return Err(unknown()),
            (kind, true, _) => {
                return Ok(SortKey { steps, leaf: Leaf::Field(position, kind), descending });
            }
        }
    }
    Err(format!("Invalid sort '{part}': a field is missing"))
}

/// The values of all keys in an item, as JSON.
pub(in crate::origin) fn values<'a>(
    keys: &[SortKey],
    item: Item<'a>,
    repository: &'a Repository,
    wanted: Option<&str>,
) -> Vec<JsonValue> {
    keys.iter().map(|key| value(key, item, repository, wanted)).collect()
}

fn value<'a>(key: &SortKey, item: Item<'a>, repository: &'a Repository, wanted: Option<&str>) -> JsonValue {
    let mut item = item;
    for step in &key.steps {
        let path = item.fragment.cell(*step, item.variation).values.first().and_then(JsonValue::as_str);
        let allowed = &repository.model_of(item.fragment).fields[*step].allowed;
        let Some(fragment) =
            path.and_then(|path| repository.fragment(path)).filter(|target| allowed.contains(&target.model))
        else {
            return JsonValue::Null;
        };
        item = Item { fragment, variation: fragment.variation(wanted) };
    }
    let Item { fragment, variation } = item;
    match key.leaf {
        Leaf::Path => fragment.path.as_str().into(),
        Leaf::Id => fragment.id.as_str().into(),
        Leaf::Variation => fragment.variation_name(variation).into(),
        Leaf::Variations => fragment.variations.first().map(|variation| variation.name.as_str()).into(),
        Leaf::Tags => fragment.tags(variation).first().cloned().unwrap_or(JsonValue::Null),
        Leaf::Field(field, _) => fragment.cell(field, variation).values.first().cloned().unwrap_or(JsonValue::Null),
        Leaf::Format(field, format) => {
            let cell = fragment.cell(field, variation);
            let stored = cell.values.first().and_then(JsonValue::as_str);
            stored.map(|stored| format.of(&Text::new(stored, cell.mime.as_deref())).into_owned()).into()
        }
    }
}

/// What is compared of the values: those of an item, or of the cursor it left.
pub(in crate::origin) fn scalars(keys: &[SortKey], values: &[JsonValue]) -> Vec<Scalar<'static>> {
    let kind = |key: &SortKey| match key.leaf {
        Leaf::Field(_, kind) => kind,
        _ => Kind::Text,
    };
    keys.iter().zip(values).map(|(key, value)| Scalar::of(kind(key), value).into_owned()).collect()
}

/// Compares by all keys.
pub(in crate::origin) fn compare(keys: &[SortKey], a: &[Scalar<'_>], b: &[Scalar<'_>]) -> Ordering {
    for ((key, a), b) in keys.iter().zip(a).zip(b) {
        let turned = key.descending && *a != Scalar::Null && *b != Scalar::Null;
        let order = if turned { b.order(a) } else { a.order(b) };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}
