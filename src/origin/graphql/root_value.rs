//! `QueryType` and the wrappers below it: `BModelResult`, `…Results`, `…Connection` (protocol §4.8).

use std::collections::BTreeMap;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Field as Selected;
use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::{JsonMap, JsonValue};

use super::super::content::models::Model;
use super::super::content::repository::Item;
use super::asset_transform::AssetTransform;
use super::fragment_value::{Context, FragmentValue};
use super::inline::{self, Target};
use super::reference_value::{self, Members};
use super::schema::Root;
use super::selecting::{ItemPage, Selection};

/// The root object of a request.
pub(in crate::origin) struct RootValue<'a> {
    pub context: &'a Context<'a>,
    pub roots: &'a BTreeMap<String, (Root, usize)>,
}

impl ObjectValue for RootValue<'_> {
    fn type_name(&self) -> &str {
        "QueryType"
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        let Some((root, model)) = self.roots.get(info.field_name()) else {
            return Ok(ResolvedValue::null());
        };
        let (context, arguments) = (self.context, info.arguments());
        let repository = context.repository;
        let wanted = text(arguments, "variation");
        let fail = |message| FieldError { message };
        let found = Found {
            transform: AssetTransform::parse(arguments).map_err(fail)?,
            context,
            model: &repository.models[*model],
            wanted,
            document: info.document(),
            selected: info.field_selections(),
        };
        let selection = Selection { repository, orders: context.orders, seen: context.seen, model: *model, arguments };
        Ok(match root {
            Root::ByPath | Root::ById => {
                let path = text(arguments, "_path");
                let id = text(arguments, "_id");
                let fragment = match (path, id) {
                    (Some(path), _) => repository.fragment(path),
                    (None, Some(id)) => repository.fragment_by_id(id),
                    (None, None) => None,
                };
                let item = fragment.filter(|fragment| fragment.model == *model);
                let item = item.map(|fragment| Item { fragment, variation: fragment.variation(wanted) });
                let key = path.or(id).unwrap_or_default();
                ResolvedValue::object(SingleValue { found, item, key })
            }
            Root::List => {
                let items = selection.list().map_err(fail)?;
                ResolvedValue::object(ResultsValue { found, items })
            }
            Root::Paginated => {
                let page = selection.page().map_err(fail)?;
                ResolvedValue::object(ConnectionValue { found, page })
            }
        })
    }
}

fn text<'a>(arguments: &'a JsonMap, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(JsonValue::as_str)
}

/// What the wrappers of one root field share.
struct Found<'a> {
    context: &'a Context<'a>,
    model: &'a Model,
    wanted: Option<&'a str>,
    transform: AssetTransform,
    document: &'a ExecutableDocument,
    selected: &'a [&'a Selected],
}

impl<'a> Found<'a> {
    fn value<'b>(&'b self, item: Item<'b>) -> FragmentValue<'b> {
        let Self { context, wanted, transform, .. } = self;
        FragmentValue { context, item, wanted: *wanted, transform, parent: None }
    }

    /// `_references`: what the items and the fragments selected below them refer to.
    fn references<'b>(&'b self, wrapper: &str, items: &[Item<'a>]) -> ResolvedValue<'b> {
        let repository = self.context.repository;
        let selected = inline::below(self.document, self.selected, wrapper);
        let targets = inline::references(self.context, self.document, &selected, items, self.wanted);
        let (context, wanted, transform) = (self.context, self.wanted, &self.transform);
        ResolvedValue::list(targets.into_iter().filter_map(move |target| match target {
            Target::Remote(stored) => reference_value::remote(stored),
            Target::Path(path) => match repository.fragment(path) {
                Some(fragment) if !context.sees(fragment) => None,
                Some(fragment) => Some(ResolvedValue::object(FragmentValue::new(context, fragment, wanted, transform))),
                None => reference_value::resolve(repository, path, transform),
            },
        }))
    }
}

struct SingleValue<'a> {
    found: Found<'a>,
    item: Option<Item<'a>>,
    key: &'a str,
}

impl ObjectValue for SingleValue<'_> {
    fn type_name(&self) -> &str {
        &self.found.model.result
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        match (info.field_name(), self.item) {
            ("item", Some(item)) => Ok(ResolvedValue::object(self.found.value(item))),
            // `item` is non-null: a missing fragment is an error, not an empty success (protocol §3.7).
            ("item", None) => {
                let message = format!("No content fragment of model '{}' at '{}'", self.found.model.title, self.key);
                Err(FieldError { message })
            }
            ("_references", item) => Ok(self.found.references("item", item.as_slice())),
            _ => Err(self.unknown_field_error(info)),
        }
    }
}

struct ResultsValue<'a> {
    found: Found<'a>,
    items: Vec<Item<'a>>,
}

impl ObjectValue for ResultsValue<'_> {
    fn type_name(&self) -> &str {
        &self.found.model.results
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        match info.field_name() {
            "items" => {
                let items = self.items.iter();
                Ok(ResolvedValue::list(items.map(|item| ResolvedValue::object(self.found.value(*item)))))
            }
            "_references" => Ok(self.found.references("items", &self.items)),
            _ => Err(self.unknown_field_error(info)),
        }
    }
}

struct ConnectionValue<'a> {
    found: Found<'a>,
    page: ItemPage<'a>,
}

impl ObjectValue for ConnectionValue<'_> {
    fn type_name(&self) -> &str {
        &self.found.model.connection
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        let page = &self.page;
        match info.field_name() {
            "edges" => {
                Ok(ResolvedValue::list(page.items.iter().map(|(item, cursor)| {
                    ResolvedValue::object(EdgeValue { found: &self.found, item: *item, cursor })
                })))
            }
            "pageInfo" => {
                let cursor =
                    |edge: Option<&(Item<'_>, String)>| JsonValue::from(edge.map(|(_, cursor)| cursor.as_str()));
                let members = vec![
                    ("startCursor", cursor(page.items.first())),
                    ("endCursor", cursor(page.items.last())),
                    ("hasNextPage", page.has_next.into()),
                    ("hasPreviousPage", page.has_previous.into()),
                ];
                Ok(ResolvedValue::object(Members { type_name: "PageInfo", members }))
            }
            _ => Err(self.unknown_field_error(info)),
        }
    }
}

struct EdgeValue<'a> {
    found: &'a Found<'a>,
    item: Item<'a>,
    cursor: &'a str,
}

impl ObjectValue for EdgeValue<'_> {
    fn type_name(&self) -> &str {
        &self.found.model.edge
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        match info.field_name() {
            "cursor" => Ok(ResolvedValue::leaf(self.cursor)),
            "node" => Ok(ResolvedValue::object(self.found.value(self.item))),
            _ => Err(self.unknown_field_error(info)),
        }
    }
}
