//! Content fragment models: fields, their types, and the names AEM's schema gives them (protocol §4.2, §4.3). How they are
//! read from files is in `model_files`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::place::Way;

/// The data type of a field.
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
    /// As the APIs name it: stated, else made of the path (protocol §8.6).
    pub id: String,
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
    pub index: BTreeMap<String, usize>,
    /// Names of reference fields that are not in the type because none of their models is there (protocol §4.1).
    pub removed: Vec<String>,
    /// Other fields that fragments have and the type does not: tabs, and those the model describes wrongly.
    pub dropped: BTreeSet<String>,
}

impl Model {
    /// The field of that name and its position.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        let position = *self.index.get(name)?;
        Some((position, &self.fields[position]))
    }

    /// Whether fragments may have a field of that name though the type has none.
    pub fn lacks(&self, name: &str) -> bool {
        self.dropped.contains(name) || self.removed.iter().any(|removed| removed == name)
    }

    /// The Sites configuration the model belongs to: `acme` in `/conf/acme/settings/…`.
    pub fn configuration(&self) -> Option<&str> {
        self.path.strip_prefix("/conf/")?.split("/settings/").next()
    }
}

/// Why a model that is in a file is in no schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Hidden {
    /// Only enabled models are (protocol §4.1).
    Draft,
    /// It is not published on this tier.
    Unpublished,
}

/// What a name in a fragment or an `allowedModels` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Wanted {
    /// The model at that position.
    Found(usize),
    Draft,
    Unpublished,
    Missing,
}

/// All models, by path, identifier and name.
#[derive(Debug, Default)]
pub(in crate::origin) struct Models {
    pub list: Vec<Model>,
    known: HashMap<String, Wanted>,
}

impl Models {
    /// Models, and the names of those that are hidden.
    pub fn new(list: Vec<Model>, hidden: &[(Vec<String>, Hidden)]) -> Self {
        let mut known = HashMap::new();
        // A path belongs to one model; names and identifiers that are taken belong to the first.
        for (position, model) in list.iter().enumerate() {
            known.insert(model.path.clone(), Wanted::Found(position));
        }
        for (position, model) in list.iter().enumerate() {
            for name in [&model.id, &model.name] {
                known.entry(name.clone()).or_insert(Wanted::Found(position));
            }
        }
        for (names, hidden) in hidden {
            let wanted = match hidden {
                Hidden::Draft => Wanted::Draft,
                Hidden::Unpublished => Wanted::Unpublished,
            };
            for name in names {
                known.entry(name.clone()).or_insert(wanted);
            }
        }
        Self { list, known }
    }

    /// Turns the names in `allowedModels` into positions, per model and field. A reference field none of whose models is
    /// there disappears from the type, as in AEM (protocol §4.1); `missing` is told of a model, a field and a name's place.
    pub fn resolve(&mut self, allowed: Vec<Vec<Vec<(String, Way)>>>, mut missing: impl FnMut(usize, &str, &str, &Way)) {
        for (position, allowed) in allowed.into_iter().enumerate() {
            let mut fields = Vec::new();
            for (mut field, names) in std::mem::take(&mut self.list[position].fields).into_iter().zip(allowed) {
                for (name, way) in &names {
                    match self.find(name) {
                        Wanted::Found(model) => field.allowed.push(model),
                        Wanted::Missing => missing(position, &field.name, name, way),
                        Wanted::Draft | Wanted::Unpublished => {}
                    }
                }
                if names.is_empty() || !field.allowed.is_empty() {
                    fields.push(field);
                } else {
                    self.list[position].removed.push(field.name);
                }
            }
            let model = &mut self.list[position];
            model.index = fields.iter().enumerate().map(|(index, field)| (field.name.clone(), index)).collect();
            model.fields = fields;
        }
    }

    /// The model of a path, an identifier or a node name.
    pub fn find(&self, wanted: &str) -> Wanted {
        let known = |name: &str| self.known.get(name).copied();
        known(wanted).or_else(|| known(&path_of_id(wanted)?)).unwrap_or(Wanted::Missing)
    }

    /// Paths and names, for who looks for a near one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().flat_map(|model| [model.path.as_str(), model.name.as_str()])
    }
}

/// The identifier of a model: URL-safe Base64 of its path, without padding (protocol §8.6).
pub(in crate::origin) fn id_of_path(path: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(path)
}

/// The path in a model's identifier, where it is one.
pub(in crate::origin) fn path_of_id(id: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(id.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok().filter(|path| path.starts_with("/conf/"))
}

#[cfg(test)]
mod tests {
    use super::{id_of_path, path_of_id};

    #[test]
    fn an_identifier_is_its_path_encoded() {
        let (path, id) =
            ("/conf/acme/settings/dam/cfm/models/recipe", "L2NvbmYvYWNtZS9zZXR0aW5ncy9kYW0vY2ZtL21vZGVscy9yZWNpcGU");
        assert_eq!(id_of_path(path), id);
        assert_eq!(path_of_id(id).as_deref(), Some(path));
        assert_eq!(path_of_id("recipe"), None);
    }
}
