//! Models from the files of `content/models/`. Adobe documents no JSON of a model (protocol §9.3), so every shape the facts
//! give rise to is taken: the fields of the management API with `type`, `multiple` and `allowedModels` (§9.4), the attributes
//! a model is stored with (`metaType`, `valueType`, §4.3), lists of models, and the repository's own JSON of one.

use std::collections::{BTreeMap, BTreeSet};

use apollo_compiler::response::JsonValue;

use super::super::Tier;
use super::models::{Field, Hidden, Kind, Model, id_of_path, path_of_id};
use super::place::{At, Way};
use super::problem::{Page, nearest};
use super::published;

/// A model as read, before its references to other models are resolved.
pub(in crate::origin) struct Draft {
    pub model: Model,
    /// Where in its file it stands.
    pub way: Way,
    /// Why it is in no schema, if so.
    pub hidden: Option<Hidden>,
    /// Per field: the models it may refer to, and where they are named.
    pub allowed: Vec<Vec<(String, Way)>>,
}

/// The models of a file, in order; `fallback` is the name or the path of a single one that states none.
pub(in crate::origin) fn read(start: &At<'_>, fallback: &str, tier: Tier, page: &mut Page<'_>) -> Vec<Draft> {
    let list =
        if start.json.is_array() { Some(*start) } else { start.member("items").filter(|items| items.json.is_array()) };
    match list {
        Some(list) => list.items().filter_map(|item| model(&item, None, tier, page)).collect(),
        None => model(start, Some(fallback), tier, page).into_iter().collect(),
    }
}

fn model(at: &At<'_>, fallback: Option<&str>, tier: Tier, page: &mut Page<'_>) -> Option<Draft> {
    if !at.json.is_object() {
        page.at(at, "a model is a JSON object");
        return None;
    }
    let stored = at.member("jcr:content");
    let stated = at.text("path").map(str::to_owned).or_else(|| path_of_id(at.text("id")?));
    let path = stated.or_else(|| fallback.filter(|path| path.starts_with("/conf/")).map(str::to_owned));
    let of_path = path.as_deref().and_then(|path| path.rsplit('/').next());
    let Some(name) = at.text("name").or(of_path).or(fallback).map(str::to_owned) else {
        page.at(at, "a model in a list has a `path` or a `name`");
        return None;
    };
    let title = at.text("title").or_else(|| stored.as_ref()?.text("jcr:title")).unwrap_or(&name).to_owned();
    let Some(base) = base_name(at.text("graphqlName"), &title, &name) else {
        page.at(at, format!("the model's title `{title}` makes no GraphQL name; set `graphqlName`"));
        return None;
    };
    let path = path.unwrap_or_else(|| format!("/conf/global/settings/dam/cfm/models/{name}"));
    let id = at.text("id").map_or_else(|| id_of_path(&path), str::to_owned);
    let hidden = if at.text("status").is_some_and(|status| status.eq_ignore_ascii_case("draft")) {
        Some(Hidden::Draft)
    } else {
        (!published::is_on(tier, at)).then_some(Hidden::Unpublished)
    };
    let mut draft = Draft { model: named(path, id, name, title, base), way: at.way(), hidden, allowed: Vec::new() };
    match &stored {
        Some(stored) => stored_fields(stored, &mut draft, page),
        None => fields(at, &mut draft, page),
    }
    Some(draft)
}

fn named(path: String, id: String, name: String, title: String, base: String) -> Model {
    let object = format!("{}Model", upper_first(&base));
    Model {
        result: format!("{object}Result"),
        results: format!("{object}Results"),
        connection: format!("{object}Connection"),
        edge: format!("{object}Edge"),
        path,
        id,
        name,
        title,
        base,
        object,
        fields: Vec::new(),
        index: BTreeMap::new(),
        removed: Vec::new(),
        dropped: BTreeSet::new(),
    }
}

/// `fields`: an array of objects with `name`, or an object of them by name.
fn fields(at: &At<'_>, draft: &mut Draft, page: &mut Page<'_>) {
    let Some(fields) = at.member("fields") else {
        return;
    };
    for field in fields.items() {
        match field.text("name") {
            Some(name) => add_field(&field, name, draft, page),
            None => page.field(&field, "fields", "a field of the model is an object with a `name`"),
        }
    }
    for (name, field) in fields.members() {
        add_field(&field, field.text("name").unwrap_or(name), draft, page);
    }
    if !matches!(fields.json, JsonValue::Array(_) | JsonValue::Object(_)) {
        page.field(&fields, "fields", "`fields` is neither an array nor an object");
    }
}

/// The repository's JSON of a model: fields are the nodes with `metaType` below the dialog, in order.
fn stored_fields(content: &At<'_>, draft: &mut Draft, page: &mut Page<'_>) {
    const MOST: usize = 8;
    fn below(at: &At<'_>, depth: usize, draft: &mut Draft, page: &mut Page<'_>) {
        if let (Some(name), Some(_)) = (at.text("name"), at.text("metaType")) {
            add_field(at, name, draft, page);
        } else if depth < MOST {
            at.members()
                .filter(|(_, node)| node.json.is_object())
                .for_each(|(_, node)| below(&node, depth + 1, draft, page));
        }
    }
    below(content, 0, draft, page);
}

fn add_field(at: &At<'_>, name: &str, draft: &mut Draft, page: &mut Page<'_>) {
    let Some(kind) = kind(at, name, page) else {
        draft.model.dropped.insert(name.to_owned());
        return;
    };
    let model = &mut draft.model;
    let place = at.member("name").unwrap_or(*at);
    if !is_name(name) || name.starts_with('_') {
        let message = format!("`{name}` cannot be a field's name: letters, digits and `_`, not `_` first");
        page.field(&place, name, message);
        return;
    }
    if model.index.contains_key(name) {
        page.field(&place, name, format!("the model has two fields `{name}`; the first is taken"));
        return;
    }
    let stated = at.json.get("multiple").and_then(JsonValue::as_bool);
    let listed = || at.text("valueType").is_some_and(|value| value.ends_with("[]"));
    // Tags are a list whatever the field says (protocol §4.3).
    let multiple = kind == Kind::Tag || stated.unwrap_or_else(listed);
    model.index.insert(name.to_owned(), model.fields.len());
    model.fields.push(Field { name: name.to_owned(), kind, multiple, allowed: Vec::new() });
    // Multi line text names models too: those an editor may insert, which bounds nothing here.
    draft.allowed.push(if kind == Kind::FragmentReference { allowed(at) } else { Vec::new() });
}

/// `allowedModels`, or what it is called where models are stored: paths, identifiers or names, or objects with one of them.
fn allowed(at: &At<'_>) -> Vec<(String, Way)> {
    let Some(models) = at.member("allowedModels").or_else(|| at.member("fragmentmodelreference")) else {
        return Vec::new();
    };
    let named = |model: &At<'_>| {
        let name = model.json.as_str().or_else(|| ["path", "id", "name"].iter().find_map(|key| model.text(key)));
        name.filter(|name| !name.is_empty()).map(|name| (name.to_owned(), model.way()))
    };
    if models.json.is_array() {
        models.items().filter_map(|model| named(&model)).collect()
    } else {
        named(&models).into_iter().collect()
    }
}

/// The data type: `type` of the APIs (protocol §9.3; ours where Adobe documents none, §9.4), else `metaType` with `valueType`
/// (§4.3). `None` is a placeholder, or has a problem.
fn kind(at: &At<'_>, name: &str, page: &mut Page<'_>) -> Option<Kind> {
    let (key, stated) = match (at.text("type"), at.text("metaType")) {
        (Some(stated), _) => ("type", stated),
        (None, Some(stated)) => ("metaType", stated),
        (None, None) => return Some(Kind::Text),
    };
    let value_type = at.text("valueType").unwrap_or("");
    Some(match stated {
        "text" | "text-single" => Kind::Text,
        "long-text" | "text-multi" => Kind::LongText,
        "number" | "float-number" => Kind::Number,
        "integer" => Kind::Integer,
        "boolean" => Kind::Boolean,
        "date" if value_type.starts_with("calendar/datetime") => Kind::DateTime,
        "date" if value_type.starts_with("calendar/time") => Kind::Time,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "date-time" => Kind::DateTime,
        "enumeration" => Kind::Enumeration,
        "tag" | "tags" => Kind::Tag,
        "content-reference" | "reference" => Kind::ContentReference,
        // Stored as a plain reference it is one in the schema too (protocol §4.3).
        "fragment-reference" if value_type.starts_with("string/reference") => Kind::ContentReference,
        "fragment-reference" | "content-fragment" => Kind::FragmentReference,
        "json" => Kind::Json,
        // The schema ignores tabs (protocol §4.3).
        "tab-placeholder" => return None,
        unknown => {
            let place = at.member(key).unwrap_or(*at);
            page.field(&place, name, format!("unknown data type `{unknown}`{}", nearest(unknown, TYPES.into_iter())));
            return None;
        }
    })
}

/// The types on disk, for who mistypes one.
const TYPES: [&str; 14] = [
    "text",
    "long-text",
    "number",
    "float-number",
    "integer",
    "boolean",
    "date",
    "time",
    "date-time",
    "enumeration",
    "tag",
    "content-reference",
    "fragment-reference",
    "json",
];

/// The explicit name, else the title in camel case, else the node's name. How AEM derives it is not documented
/// (protocol §4.2); that humps stay and the first letter becomes small is seen in generated schemas.
fn base_name(explicit: Option<&str>, title: &str, name: &str) -> Option<String> {
    let candidates = [explicit.map(str::to_owned), Some(camel_case(title)), Some(camel_case(name))];
    candidates.into_iter().flatten().find(|candidate| is_name(candidate) && !candidate.starts_with('_'))
}

fn camel_case(text: &str) -> String {
    let mut name = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if name.is_empty() {
            name.push_str(&word[..1].to_ascii_lowercase());
            name.push_str(&word[1..]);
        } else {
            name.push_str(&upper_first(word));
        }
    }
    name
}

fn upper_first(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{base_name, camel_case};

    #[test]
    fn names_follow_generated_schemas() {
        assert_eq!(camel_case("Link Model"), "linkModel");
        assert_eq!(camel_case("landingpage"), "landingpage");
        assert_eq!(camel_case("AdventureStory"), "adventureStory");
        assert_eq!(base_name(None, "Ü", "node-name"), Some("nodeName".to_owned()));
        assert_eq!(base_name(None, "3", "4"), None);
    }
}
