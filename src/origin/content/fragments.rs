//! One content fragment from its JSON (management shape, protocol §9.3; `fields` may also be an object, §9.4).
//! Values are checked against the model here, so that the resolvers need not doubt them.

use std::str::FromStr;

use apollo_compiler::response::JsonValue;

use super::identity;
use super::models::{Field, Kind, Model, text};
use super::problem::Page;
use super::repository::{Cell, Fragment, Variation};

/// Reads a fragment. `None` where it cannot be served; the page then has a problem.
pub(in crate::origin) fn read(
    json: &JsonValue,
    default_path: String,
    models: &[Model],
    page: &mut Page<'_>,
) -> Option<Fragment> {
    if !json.is_object() {
        page.problem("a fragment is a JSON object");
        return None;
    }
    let path = text(json, "path").map_or(default_path, str::to_owned);
    if !path.starts_with("/content/dam/") {
        page.field_problem("path", format!("`{path}` is not below /content/dam"));
        return None;
    }
    let model = model_of(json, models, page)?;
    let fields = &models[model];
    let at = |key: &str| json.get(key).and_then(|what| text(what, "at")).map(str::to_owned);
    Some(Fragment {
        id: text(json, "id").map_or_else(|| identity::of_path(&path), str::to_owned),
        title: text(json, "title").unwrap_or_else(|| path.rsplit('/').next().unwrap_or("")).to_owned(),
        description: text(json, "description").unwrap_or("").to_owned(),
        model,
        created: at("created"),
        modified: at("modified"),
        tags: tags(json).unwrap_or_default(),
        cells: cells(json, fields, page).into_iter().map(Option::unwrap_or_default).collect(),
        variations: variations(json, fields, page),
        path,
    })
}

/// `model` is an object with `path` (or `name`), or one of the two as a string.
fn model_of(json: &JsonValue, models: &[Model], page: &mut Page<'_>) -> Option<usize> {
    let stated = json.get("model");
    let wanted =
        stated.and_then(|model| model.as_str().or_else(|| text(model, "path")).or_else(|| text(model, "name")));
    let Some(wanted) = wanted else {
        page.problem("the fragment names no model: `\"model\": {\"path\": …}`");
        return None;
    };
    let found = models.iter().position(|model| model.path == wanted || model.name == wanted);
    if found.is_none() {
        page.problem(format!("the fragment's model `{wanted}` is not there"));
    }
    found
}

fn variations(json: &JsonValue, model: &Model, page: &mut Page<'_>) -> Vec<Variation> {
    let mut variations: Vec<Variation> = Vec::new();
    for json in json.get("variations").and_then(JsonValue::as_array).into_iter().flatten() {
        let Some(name) = text(json, "name") else {
            page.problem("a variation has no `name`");
            continue;
        };
        if name == "master" || variations.iter().any(|variation| variation.name == name) {
            page.problem(format!("the variation name `{name}` is taken"));
            continue;
        }
        variations.push(Variation { name: name.to_owned(), cells: cells(json, model, page), tags: tags(json) });
    }
    variations
}

/// Tag ids; on disk strings or objects with `id`.
fn tags(json: &JsonValue) -> Option<Vec<JsonValue>> {
    let tags = json.get("tags")?.as_array()?.iter();
    Some(tags.filter_map(|tag| tag.as_str().or_else(|| text(tag, "id"))).map(JsonValue::from).collect())
}

/// A cell per field of the model; `None` where the JSON does not mention the field.
fn cells(json: &JsonValue, model: &Model, page: &mut Page<'_>) -> Vec<Option<Cell>> {
    let mut cells: Vec<Option<Cell>> = model.fields.iter().map(|_| None).collect();
    let mut take = |name: &str, values: &JsonValue, mime: Option<&str>| {
        let Some((position, field)) = model.field(name) else {
            page.field_problem(name, format!("the model `{}` has no field `{name}`", model.title));
            return;
        };
        let values = match values.as_array() {
            Some(values) if field.multiple || field.kind != Kind::Json || values.len() == 1 => values.as_slice(),
            _ if values.is_null() => &[],
            _ => std::slice::from_ref(values),
        };
        let values = checked(values, field, page);
        cells[position] = Some(Cell { values, mime: mime.map(str::to_owned) });
    };
    match json.get("fields") {
        Some(JsonValue::Array(fields)) => {
            for field in fields {
                if let Some(name) = text(field, "name") {
                    take(name, field.get("values").unwrap_or(&JsonValue::Null), text(field, "mimeType"));
                }
            }
        }
        Some(JsonValue::Object(fields)) => {
            for (name, values) in fields {
                take(name.as_str(), values, None);
            }
        }
        _ => {}
    }
    cells
}

fn checked(values: &[JsonValue], field: &Field, page: &mut Page<'_>) -> Vec<JsonValue> {
    // A single field holding several values delivers null in AEM (protocol §4.3).
    if values.len() > 1 && !field.multiple {
        page.field_problem(
            &field.name,
            format!("`{}` is a single field and has {} values; it is null", field.name, values.len()),
        );
        return Vec::new();
    }
    let mut kept = Vec::with_capacity(values.len());
    for value in values.iter().filter(|value| !value.is_null()) {
        match coerce(field.kind, value) {
            Some(JsonValue::Null) => {}
            Some(value) => kept.push(value),
            None => page.field_problem(
                &field.name,
                format!("`{}` holds {value} where {} is needed", field.name, field.kind.word()),
            ),
        }
    }
    kept
}

/// The value as it is served; `Some(null)` for one that counts as none, `None` for one of the wrong type.
fn coerce(kind: Kind, value: &JsonValue) -> Option<JsonValue> {
    let string = value.as_str();
    match kind {
        Kind::Text | Kind::LongText | Kind::Enumeration => string.map(|_| value.clone()),
        Kind::Number => value.as_f64().map(JsonValue::from),
        Kind::Integer => {
            // 5.0 is the whole number it looks like.
            let whole =
                value.as_f64().filter(|number| number.fract() == 0.0 && f64::from(*number as i32) == *number)?;
            Some((whole as i32).into())
        }
        Kind::Boolean => value.as_bool().map(JsonValue::from),
        Kind::Json => Some(string.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())),
        Kind::Tag => string.or_else(|| text(value, "id")).map(empty_is_none),
        Kind::ContentReference if is_remote(value) => Some(value.clone()),
        Kind::ContentReference | Kind::FragmentReference => string.or_else(|| text(value, "path")).map(empty_is_none),
        Kind::Date => parsed::<jiff::civil::Date>(string?, value),
        Kind::Time => parsed::<jiff::civil::Time>(string?, value),
        Kind::DateTime => {
            parsed::<jiff::Timestamp>(string?, value).or_else(|| parsed::<jiff::civil::DateTime>(string?, value))
        }
    }
}

/// An asset of another repository (protocol §4.7, `RemoteRef`). Its form on disk is ours.
fn is_remote(value: &JsonValue) -> bool {
    text(value, "repositoryId").is_some() && text(value, "assetId").is_some()
}

fn empty_is_none(text: &str) -> JsonValue {
    if text.is_empty() { JsonValue::Null } else { text.into() }
}

/// Dates are served as they are written; parsing only proves that they are dates.
fn parsed<T: FromStr>(text: &str, value: &JsonValue) -> Option<JsonValue> {
    if text.is_empty() {
        return Some(JsonValue::Null);
    }
    text.parse::<T>().ok().map(|_| value.clone())
}
