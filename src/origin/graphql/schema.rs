//! The GraphQL schema AEM would generate for the models (protocol §4), as text and validated.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;

use super::super::content::models::{Field, Kind, Model};
use super::configurations::{Seen, Sight};

/// What a root field of `QueryType` delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Root {
    ByPath,
    ById,
    List,
    Paginated,
}

/// The schema with what is needed to answer by it.
pub(in crate::origin) struct Served {
    /// The text of `endpoint.GQLschema`.
    pub sdl: String,
    pub schema: Valid<Schema>,
    /// Root field name → what it delivers, of which model.
    pub roots: BTreeMap<String, (Root, usize)>,
    /// The models that are there.
    pub seen: Seen,
    /// Reference fields that are not there because none of their models is, with their model.
    pub removed: Vec<(usize, String)>,
}

/// Types every endpoint has, whatever the models.
const FIXED: &str = include_str!("fixed.graphql");

/// Builds the schema.
///
/// # Errors
/// The schema's own validation messages; only names that pass the checks of `models` but clash with fixed types get there.
pub(in crate::origin) fn build(sight: &Sight<'_>) -> Result<Served, String> {
    let sdl = text(sight);
    let schema =
        Schema::parse_and_validate(sdl.as_str(), "endpoint.GQLschema").map_err(|error| error.errors.to_string())?;
    let mut roots = BTreeMap::new();
    for (position, model) in sight.models() {
        for (suffix, root) in
            [("ByPath", Root::ByPath), ("ById", Root::ById), ("List", Root::List), ("Paginated", Root::Paginated)]
        {
            roots.insert(format!("{}{suffix}", model.base), (root, position));
        }
    }
    Ok(Served { sdl, schema, roots, seen: sight.seen(), removed: sight.removed() })
}

fn text(sight: &Sight<'_>) -> String {
    let models: Vec<&Model> = sight.models().map(|(_, model)| model).collect();
    let mut sdl = String::from("schema { query: QueryType }\n\ntype QueryType {\n");
    if models.is_empty() {
        // A type without fields is invalid; without models there is nothing to ask for.
        sdl.push_str("  _empty: String\n");
    }
    for model in &models {
        roots(&mut sdl, model);
    }
    sdl.push_str("}\n\n");
    for model in &models {
        outputs(&mut sdl, model, sight);
        filters(&mut sdl, model, sight);
    }
    let names: Vec<&str> = models.iter().map(|model| model.object.as_str()).collect();
    let members = |first: &str| {
        [first].into_iter().filter(|name| !name.is_empty()).chain(names.iter().copied()).collect::<Vec<_>>().join(" | ")
    };
    let refs = "ImageRef | MultimediaRef | DocumentRef | ArchiveRef | PageRef | RemoteRef";
    let _ = writeln!(sdl, "union Reference = {}", members(refs));
    if !names.is_empty() {
        let _ = writeln!(sdl, "union AllFragmentModels = {}", members(""));
    }
    sdl.push('\n');
    sdl.push_str(FIXED);
    sdl
}

fn roots(sdl: &mut String, model: &Model) {
    let (base, name) = (&model.base, &model.object);
    let _ = writeln!(
        sdl,
        "  {base}ByPath(_path: String!, variation: String, _assetTransform: AssetTransform): {name}Result!
  {base}ById(_id: String!, variation: String, _assetTransform: AssetTransform): {name}Result!
  {base}List(_locale: String, variation: String, includeVariations: Boolean, filter: {name}Filter, sort: String, offset: Int, limit: Int, _assetTransform: AssetTransform): {name}Results!
  {base}Paginated(_locale: String, variation: String, includeVariations: Boolean, filter: {name}Filter, sort: String, first: Int, after: String, _assetTransform: AssetTransform): {name}Connection!"
    );
}

fn outputs(sdl: &mut String, model: &Model, sight: &Sight<'_>) {
    let name = &model.object;
    let _ = writeln!(
        sdl,
        "type {name} {{
  _path: ID
  _id: ID
  _metadata: TypedMetaData
  _model: ModelInfo
  _variation: String
  _variations: [String]
  _tags: [String]"
    );
    for field in sight.fields(model) {
        let of = output_type(field, sight);
        let _ = if field.multiple {
            writeln!(sdl, "  {}: [{of}]", field.name)
        } else {
            writeln!(sdl, "  {}: {of}", field.name)
        };
    }
    let _ = writeln!(
        sdl,
        "}}

type {name}Result {{ item: {name}! _references: [Reference] }}
type {name}Results {{ items: [{name}]! _references: [Reference] }}
type {name}Connection {{ edges: [{name}Edge]! pageInfo: PageInfo! }}
type {name}Edge {{ cursor: String! node: {name}! }}
"
    );
}

/// The "real" column of protocol §4.3.
fn output_type<'a>(field: &Field, sight: &Sight<'a>) -> &'a str {
    match field.kind {
        Kind::Text | Kind::Enumeration | Kind::Tag => "String",
        Kind::LongText => "MultiFormatString",
        Kind::Number => "Float",
        Kind::Integer => "Int",
        Kind::Boolean => "Boolean",
        Kind::Date => "Date",
        Kind::Time => "Time",
        Kind::DateTime => "Calendar",
        Kind::ContentReference => "Reference",
        Kind::Json => "Json",
        Kind::FragmentReference => sight.only(field).map_or("AllFragmentModels", |only| &only.object),
    }
}

fn filters(sdl: &mut String, model: &Model, sight: &Sight<'_>) {
    let name = &model.object;
    let _ = writeln!(
        sdl,
        "input {name}Filter {{
  _logOp: LogOp
  _path: IDFilter
  _variation: StringFilter
  _variations: StringArrayFilter
  _tags: StringArrayFilter"
    );
    for field in sight.fields(model) {
        if let Some(filter) = filter_type(field, sight) {
            let _ = writeln!(sdl, "  {}: {filter}", field.name);
        }
    }
    let _ = writeln!(
        sdl,
        "}}

input {name}ArrayFilter {{ _apply: ArrayMode _instances: Int _match: {name}Filter }}
"
    );
}

/// The filter input of a field; content references, references to several models and JSON have none (protocol §5.1).
fn filter_type(field: &Field, sight: &Sight<'_>) -> Option<String> {
    let scalar = match field.kind {
        Kind::Text | Kind::Enumeration | Kind::Tag => "String",
        Kind::LongText => "MultiFormatString",
        Kind::Number => "Float",
        Kind::Integer => "Int",
        Kind::Boolean => "Boolean",
        Kind::Date => "Date",
        Kind::Time => "Time",
        Kind::DateTime => "Calendar",
        Kind::ContentReference | Kind::Json => return None,
        Kind::FragmentReference => &sight.only(field)?.object,
    };
    Some(format!("{scalar}{}", if field.multiple { "ArrayFilter" } else { "Filter" }))
}
