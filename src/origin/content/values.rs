//! The values of a fragment or variation, from `fields` in either shape: an array of objects (management, protocol §9.3) or
//! an object (delivery, §9.2). Values are checked against the model here, so that the resolvers need not doubt them.

use std::collections::HashMap;
use std::str::FromStr;

use apollo_compiler::response::JsonValue;

use super::markup;
use super::models::{Field, Kind, Model};
use super::place::At;
use super::problem::{Page, nearest};
use super::repository::Cell;

/// Paths by identifier: what a fragment of the delivery API says of its references (protocol §9.2).
pub(in crate::origin) type Paths<'a> = HashMap<&'a str, &'a str>;

/// A cell per field of the model; `None` where `fields` does not mention it.
pub(in crate::origin) fn cells(
    at: &At<'_>,
    model: &Model,
    paths: &Paths<'_>,
    page: &mut Page<'_>,
) -> Vec<Option<Cell>> {
    let mut cells: Vec<Option<Cell>> = model.fields.iter().map(|_| None).collect();
    let Some(fields) = at.member("fields") else {
        return cells;
    };
    let mut taker = Taker { model, paths, page };
    match fields.json {
        JsonValue::Array(_) => {
            for entry in fields.items() {
                if let Some((position, cell)) = taker.entry(&entry, &cells) {
                    cells[position] = Some(cell);
                }
            }
        }
        JsonValue::Object(_) => {
            for (name, value) in fields.members() {
                if let Some((position, field)) = taker.field(name, |page, message| {
                    page.field_name(&value, name, message);
                }) {
                    cells[position] = Some(taker.bare(&value, field));
                }
            }
        }
        _ => taker.page.field(&fields, "fields", "`fields` is neither an array nor an object"),
    }
    cells
}

struct Taker<'m, 'p, 'f> {
    model: &'m Model,
    paths: &'p Paths<'p>,
    page: &'p mut Page<'f>,
}

impl<'m> Taker<'m, '_, '_> {
    /// An entry of the array: `{"name": …, "values": […], "mimeType": …}`.
    fn entry(&mut self, entry: &At<'_>, taken: &[Option<Cell>]) -> Option<(usize, Cell)> {
        let Some(name) = entry.text("name") else {
            self.page.field(entry, "fields", "an entry of `fields` is an object with `name` and `values`");
            return None;
        };
        let place = entry.member("name")?;
        let (position, field) = self.field(name, |page, message| page.field(&place, name, message))?;
        if taken[position].is_some() {
            self.page.field(&place, name, format!("`{name}` is there twice; the first is taken"));
            return None;
        }
        let mime = entry.text("mimeType").and_then(known_mime);
        let cell = match entry.member("values") {
            Some(values) if values.json.is_array() => self.cell(values.items(), values, field, mime),
            Some(value) => self.cell(std::iter::once(value), value, field, mime),
            None => Cell::default(),
        };
        Some((position, cell))
    }

    /// A member of the object: a value, an array where the field is multiple, `{"value": …, "mimeType": …}` for long text.
    fn bare(&mut self, value: &At<'_>, field: &Field) -> Cell {
        let is_list = value.json.is_array() && (field.multiple || field.kind != Kind::Json);
        let mime_of = |value: &At<'_>| value.text("mimeType").and_then(known_mime);
        if is_list {
            let mime = value.items().find_map(|item| mime_of(&item));
            self.cell(value.items(), *value, field, mime)
        } else {
            let given = (!value.json.is_null()).then_some(*value);
            self.cell(given.into_iter(), *value, field, mime_of(value))
        }
    }

    fn field(&mut self, name: &str, tell: impl FnOnce(&mut Page<'_>, String)) -> Option<(usize, &'m Field)> {
        let found = self.model.field(name);
        if found.is_none() && !self.model.lacks(name) {
            let near = nearest(name, self.model.fields.iter().map(|field| field.name.as_str()));
            tell(self.page, format!("the model `{}` has no field `{name}`{near}", self.model.title));
        }
        found
    }

    fn cell<'v>(
        &mut self,
        values: impl Iterator<Item = At<'v>>,
        all: At<'_>,
        field: &Field,
        mime: Option<&str>,
    ) -> Cell {
        let mut kept = Vec::new();
        let mut count = 0;
        for value in values.filter(|value| !value.json.is_null()) {
            count += 1;
            match self.value(&value, field, mime) {
                Ok(JsonValue::Null) => {}
                Ok(value) => kept.push(value),
                Err(message) => self.page.field(&value, &field.name, message),
            }
        }
        // A single field holding several values delivers null in AEM (protocol §4.3).
        if count > 1 && !field.multiple {
            let message = format!("`{}` is a single field and has {count} values; it is null", field.name);
            self.page.field(&all, &field.name, message);
            kept.clear();
        }
        Cell { values: kept.into_boxed_slice(), mime: mime.map(Box::from) }
    }

    fn value(&self, value: &At<'_>, field: &Field, mime: Option<&str>) -> Result<JsonValue, String> {
        let taken = match field.kind {
            Kind::ContentReference if is_remote(value) => Some(value.json.clone()),
            Kind::ContentReference | Kind::FragmentReference => {
                let target = value.json.as_str().or_else(|| value.text("path")).or_else(|| value.text("id"));
                target.map(|target| empty_is_none(self.paths.get(target).unwrap_or(&target)))
            }
            Kind::LongText => match long_text(value) {
                Some(text) => {
                    let refused = |what| format!("`{}` holds {what}; it is left out", field.name);
                    return markup::check(text, mime).map(|()| text.into()).map_err(refused);
                }
                // `{"mimeType": …}` alone is an empty text (protocol §9.2).
                None if value.json.is_object() && value.json.get("value").is_none() => Some(JsonValue::Null),
                None => None,
            },
            kind => scalar(kind, value),
        };
        taken.ok_or_else(|| {
            format!("`{}` holds {} where {} is needed", field.name, shown(value.json), field.kind.word())
        })
    }
}

/// The value as it is served; null for one that counts as none, `None` for one of the wrong type. Texts are copied: those of
/// the file's value may have room to spare, and stay for long.
fn scalar(kind: Kind, at: &At<'_>) -> Option<JsonValue> {
    let value = at.json;
    let string = value.as_str();
    match kind {
        Kind::Number => value.as_f64().map(JsonValue::from),
        Kind::Integer => {
            // 5.0 is the whole number it looks like.
            let whole = value.as_f64().filter(|number| f64::from(*number as i32) == *number)?;
            Some((whole as i32).into())
        }
        Kind::Boolean => value.as_bool().map(JsonValue::from),
        Kind::Json => Some(string.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())),
        Kind::Tag => string.or_else(|| at.text("id")).map(empty_is_none),
        Kind::Date => parsed::<jiff::civil::Date>(string?),
        Kind::Time => parsed::<jiff::civil::Time>(string?),
        Kind::DateTime => parsed::<jiff::Timestamp>(string?).or_else(|| parsed::<jiff::civil::DateTime>(string?)),
        _ => string.map(JsonValue::from),
    }
}

/// An asset of another repository (protocol §4.7, `RemoteRef`). Its form on disk is ours.
fn is_remote(at: &At<'_>) -> bool {
    at.text("repositoryId").is_some() && at.text("assetId").is_some()
}

fn long_text<'a>(at: &At<'a>) -> Option<&'a str> {
    at.json.as_str().or_else(|| at.json.get("value").and_then(JsonValue::as_str))
}

fn empty_is_none(text: &str) -> JsonValue {
    if text.is_empty() { JsonValue::Null } else { text.into() }
}

/// Dates are served as they are written; parsing only proves that they are dates.
fn parsed<T: FromStr>(text: &str) -> Option<JsonValue> {
    if text.is_empty() {
        return Some(JsonValue::Null);
    }
    text.parse::<T>().ok().map(|_| text.into())
}

/// The media types that tell how a text is stored; every other is html, as none is (protocol §4.6).
fn known_mime(mime: &str) -> Option<&'static str> {
    match mime.split(';').next().unwrap_or("").trim() {
        "text/x-markdown" | "text/markdown" => Some("text/x-markdown"),
        "text/plain" => Some("text/plain"),
        _ => None,
    }
}

/// A value in a message, cut to what is read at a glance.
fn shown(value: &JsonValue) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
