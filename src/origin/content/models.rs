//! Content fragment models from `content/models/*.json`: the fields, their types and the names AEM's schema gives them
//! (protocol §4.2, §4.3). Reads nothing but the parsed JSON it is given.

use std::collections::{BTreeMap, BTreeSet};

use apollo_compiler::response::JsonValue;

use super::problem::Page;

/// The data type of a field, as written on disk (`type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Kind {
    Text,
    LongText,
    Number,
    /// A number whose field is `Int` in the schema.
    Integer,
    Boolean,
    Date,
    Time,
    DateTime,
    Enumeration,
    Tag,
    ContentReference,
    FragmentReference,
    Json,
}

impl Kind {
    /// The names on disk; protocol §9.3 for the first ones, ours where Adobe documents none (§9.4).
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "long-text" => Self::LongText,
            "number" | "float-number" => Self::Number,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "time" => Self::Time,
            "date-time" => Self::DateTime,
            "enumeration" => Self::Enumeration,
            "tag" => Self::Tag,
            "content-reference" => Self::ContentReference,
            "fragment-reference" | "content-fragment" => Self::FragmentReference,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// What a value of this type is called in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text | Self::LongText | Self::Enumeration => "a text",
            Self::Number => "a number",
            Self::Integer => "a whole number of 32 bits",
            Self::Boolean => "true or false",
            Self::Date => "a date such as 2026-01-31",
            Self::Time => "a time such as 12:30:00",
            Self::DateTime => "a date and time such as 2026-01-31T12:30:00.000Z",
            Self::Tag => "a tag id",
            Self::ContentReference => "a path, or a remote asset's `repositoryId` and `assetId`",
            Self::FragmentReference => "a path",
            Self::Json => "JSON",
        }
    }
}

/// One field of a model.
#[derive(Debug, Clone)]
pub(in crate::origin) struct Field {
    pub name: String,
    pub kind: Kind,
    pub multiple: bool,
    /// Indexes of the models a fragment reference may point to; empty means any.
    pub allowed: Vec<usize>,
}

/// One model, with the names of everything it brings into the schema.
#[derive(Debug)]
pub(in crate::origin) struct Model {
    pub path: String,
    pub name: String,
    pub title: String,
    /// `recipe` in `recipeList`.
    pub base: String,
    /// `RecipeModel`.
    pub object: String,
    /// `RecipeModelResult`, `…Results`, `…Connection`, `…Edge`.
    pub result: String,
    pub results: String,
    pub connection: String,
    pub edge: String,
    pub fields: Vec<Field>,
    /// Names of reference fields that are not in the type because none of their models is there (protocol §4.1).
    pub removed: Vec<String>,
    pub index: BTreeMap<String, usize>,
}

impl Model {
    /// The field of that name and its position.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        let position = *self.index.get(name)?;
        Some((position, &self.fields[position]))
    }

    /// The Sites configuration the model belongs to: `acme` in `/conf/acme/settings/…`.
    pub fn configuration(&self) -> Option<&str> {
        self.path.strip_prefix("/conf/")?.split("/settings/").next()
    }
}

/// A model as read, before its references to other models are resolved.
pub(in crate::origin) struct Draft {
    pub model: Model,
    /// Per field: what `allowedModels` names.
    allowed: Vec<Vec<String>>,
}

/// Reads one model. `None` where the file describes none that can be served; the page then has a problem.
pub(in crate::origin) fn read(json: &JsonValue, fallback_name: &str, page: &mut Page<'_>) -> Option<Draft> {
    if !json.is_object() {
        page.problem("a model is a JSON object");
        return None;
    }
    // Drafts are not in the schema; disabled models stay in it (protocol §4.1).
    if text(json, "status").is_some_and(|status| status == "draft") {
        return None;
    }
    let name = text(json, "name").unwrap_or(fallback_name).to_owned();
    let title = text(json, "title").unwrap_or(&name).to_owned();
    let path = text(json, "path").map_or_else(|| format!("/conf/global/settings/dam/cfm/models/{name}"), str::to_owned);
    let Some(base) = base_name(text(json, "graphqlName"), &title, &name) else {
        page.problem(format!("the model's title `{title}` makes no GraphQL name; set `graphqlName`"));
        return None;
    };
    let type_name = format!("{}Model", upper_first(&base));
    let mut model = Model {
        result: format!("{type_name}Result"),
        results: format!("{type_name}Results"),
        connection: format!("{type_name}Connection"),
        edge: format!("{type_name}Edge"),
        path,
        name,
        title,
        base,
        object: type_name,
        fields: Vec::new(),
        removed: Vec::new(),
        index: BTreeMap::new(),
    };
    let mut allowed = Vec::new();
    for field in json.get("fields").and_then(JsonValue::as_array).into_iter().flatten() {
        if let Some((field, models)) = read_field(field, &model, page) {
            model.index.insert(field.name.clone(), model.fields.len());
            model.fields.push(field);
            allowed.push(models);
        }
    }
    Some(Draft { model, allowed })
}

fn read_field(json: &JsonValue, model: &Model, page: &mut Page<'_>) -> Option<(Field, Vec<String>)> {
    let Some(name) = text(json, "name") else {
        page.problem("a field of the model has no `name`");
        return None;
    };
    let kind_name = text(json, "type").unwrap_or("text");
    if kind_name == "tab-placeholder" {
        return None; // the schema ignores tabs (protocol §4.3)
    }
    let Some(kind) = Kind::parse(kind_name) else {
        page.field_problem(name, format!("unknown data type `{kind_name}`"));
        return None;
    };
    if !is_name(name) || name.starts_with('_') {
        page.field_problem(name, format!("`{name}` cannot be a field's name: letters, digits and `_`, not `_` first"));
        return None;
    }
    if model.index.contains_key(name) {
        page.field_problem(name, format!("the model has two fields `{name}`; the first is taken"));
        return None;
    }
    // Tags are a list whatever the field says (protocol §4.3).
    let multiple = kind == Kind::Tag || json.get("multiple").and_then(JsonValue::as_bool).unwrap_or(false);
    let allowed = json.get("allowedModels").and_then(JsonValue::as_array).into_iter().flatten();
    let allowed =
        allowed.filter_map(|model| model.as_str().or_else(|| text(model, "path"))).map(str::to_owned).collect();
    Some((Field { name: name.to_owned(), kind, multiple, allowed: Vec::new() }, allowed))
}

/// Drops models whose GraphQL names were taken before. The survivors keep their order.
pub(in crate::origin) fn without_doubles<T>(
    drafts: Vec<(Draft, T)>,
    mut double: impl FnMut(&Draft, T),
) -> Vec<(Draft, T)> {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    let mut kept = Vec::new();
    for (draft, source) in drafts {
        let known = names.contains(&draft.model.object) || paths.contains(&draft.model.path);
        if !known {
            names.insert(draft.model.object.clone());
            paths.insert(draft.model.path.clone());
            kept.push((draft, source));
        } else {
            double(&draft, source);
        }
    }
    kept
}

/// Turns the names in `allowedModels` into indexes. A reference field none of whose models is there disappears from the
/// type, as in AEM (protocol §4.1); `missing` is told.
pub(in crate::origin) fn resolve(drafts: Vec<Draft>, mut missing: impl FnMut(usize, &str, &str)) -> Vec<Model> {
    let find = |wanted: &str| {
        let by = |test: &dyn Fn(&Model) -> bool| drafts.iter().position(|draft| test(&draft.model));
        by(&|model| model.path == wanted).or_else(|| by(&|model| model.name == wanted))
    };
    let found: Vec<Vec<Vec<Result<usize, String>>>> = drafts
        .iter()
        .map(|draft| {
            draft
                .allowed
                .iter()
                .map(|names| names.iter().map(|name| find(name).ok_or_else(|| name.clone())).collect())
                .collect()
        })
        .collect();
    let mut models = Vec::with_capacity(drafts.len());
    for (position, (draft, found)) in drafts.into_iter().zip(found).enumerate() {
        let mut model = draft.model;
        let mut fields = Vec::new();
        for (mut field, found) in std::mem::take(&mut model.fields).into_iter().zip(found) {
            for name in found.iter().filter_map(|found| found.as_ref().err()) {
                missing(position, &field.name, name);
            }
            let restricted = !found.is_empty();
            field.allowed = found.into_iter().filter_map(Result::ok).collect();
            if restricted && field.allowed.is_empty() {
                model.removed.push(field.name);
            } else {
                fields.push(field);
            }
        }
        model.index = fields.iter().enumerate().map(|(index, field)| (field.name.clone(), index)).collect();
        model.fields = fields;
        models.push(model);
    }
    models
}

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

/// A non-empty string member.
pub(in crate::origin) fn text<'a>(json: &'a JsonValue, key: &str) -> Option<&'a str> {
    json.get(key).and_then(JsonValue::as_str).filter(|text| !text.is_empty())
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
