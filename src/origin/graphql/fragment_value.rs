//! A content fragment as a GraphQL object: its fields, the helper fields (protocol §4.4) and what it refers to.

use std::cell::Cell as Counter;

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonValue;

use super::super::content::models::{Field, Kind};
use super::super::content::repository::{Cell, Fragment, Item, Repository};
use super::asset_transform::AssetTransform;
use super::orders::Orders;
use super::reference_value::{self, Members, MetaData, TextValue};

/// Fragments one answer may resolve. Selections through many references multiply; this ends them before memory does.
const MOST_OBJECTS: usize = 1_000_000;

/// What the resolvers of one request share.
pub(in crate::origin) struct Context<'a> {
    pub repository: &'a Repository,
    pub orders: &'a Orders,
    /// For each model: does the endpoint see it?
    pub seen: &'a [bool],
    resolved: Counter<usize>,
}

impl<'a> Context<'a> {
    /// For one request.
    pub fn new(repository: &'a Repository, orders: &'a Orders, seen: &'a [bool]) -> Self {
        Self { repository, orders, seen, resolved: Counter::new(0) }
    }

    /// Whether the endpoint sees a fragment: what has a model that it does not see cannot be reached (protocol §2.1).
    pub fn sees(&self, fragment: &Fragment) -> bool {
        self.seen[fragment.model]
    }

    fn count(&self) -> Result<(), FieldError> {
        self.resolved.set(self.resolved.get() + 1);
        if self.resolved.get() > MOST_OBJECTS {
            return Err(FieldError { message: format!("the answer has more than {MOST_OBJECTS} objects") });
        }
        Ok(())
    }
}

/// A fragment in a variation, and the chain of fragments it was reached through.
#[derive(Clone, Copy)]
pub(in crate::origin) struct FragmentValue<'a> {
    pub context: &'a Context<'a>,
    pub item: Item<'a>,
    /// The variation asked for; nested fragments have it too, or their master (protocol §5.5).
    pub wanted: Option<&'a str>,
    /// `_assetTransform` of the query field; it holds for every image below.
    pub transform: &'a AssetTransform,
    pub parent: Option<&'a FragmentValue<'a>>,
}

impl<'a> FragmentValue<'a> {
    /// A fragment in the variation asked for, on top of a chain.
    pub fn new(
        context: &'a Context<'a>,
        fragment: &'a Fragment,
        wanted: Option<&'a str>,
        transform: &'a AssetTransform,
    ) -> Self {
        let item = Item { fragment, variation: fragment.variation(wanted) };
        Self { context, item, wanted, transform, parent: None }
    }

    fn nested(&'a self, fragment: &'a Fragment) -> Self {
        Self { parent: Some(self), ..Self::new(self.context, fragment, self.wanted, self.transform) }
    }

    /// Whether the chain holds the fragment: then it would go round in a circle (protocol §5.7).
    fn repeats(&self, fragment: &Fragment) -> bool {
        let mut link = Some(self);
        while let Some(value) = link {
            if std::ptr::eq(value.item.fragment, fragment) {
                return true;
            }
            link = value.parent;
        }
        false
    }

    fn helper<'b>(&'b self, name: &str) -> Option<ResolvedValue<'b>> {
        let Item { fragment, variation } = self.item;
        let model = self.context.repository.model_of(fragment);
        Some(match name {
            "_path" => ResolvedValue::leaf(fragment.path.as_str()),
            "_id" => ResolvedValue::leaf(fragment.id.as_str()),
            "_variation" => ResolvedValue::leaf(fragment.variation_name(variation)),
            "_variations" => ResolvedValue::list(
                fragment.variations.iter().map(|variation| ResolvedValue::leaf(variation.name.as_str())),
            ),
            "_tags" => leaves(fragment.tags(variation)),
            "_metadata" => ResolvedValue::object(MetaData { item: self.item }),
            "_model" => {
                let members = vec![("_path", model.path.as_str().into()), ("title", model.title.as_str().into())];
                ResolvedValue::object(Members { type_name: "ModelInfo", members })
            }
            _ => return None,
        })
    }

    /// What a reference field's path stands for; `None` is a target that is not there or not allowed.
    fn reference<'b>(&'b self, stored: &'b JsonValue, field: &Field) -> Option<ResolvedValue<'b>> {
        let Some(path) = stored.as_str() else {
            return reference_value::remote(stored);
        };
        match self.context.repository.fragment(path) {
            Some(fragment) if !self.context.sees(fragment) => None,
            Some(fragment) if field.kind == Kind::FragmentReference => {
                let allowed = field.allowed.is_empty() || field.allowed.contains(&fragment.model);
                allowed.then(|| self.fragment(fragment))
            }
            Some(fragment) => Some(self.fragment(fragment)),
            None if field.kind == Kind::ContentReference => {
                reference_value::resolve(self.context.repository, path, self.transform)
            }
            None => None,
        }
    }

    /// A nested fragment; the first repeated one is null.
    fn fragment<'b>(&'b self, fragment: &'b Fragment) -> ResolvedValue<'b> {
        if self.repeats(fragment) {
            return ResolvedValue::null();
        }
        ResolvedValue::object(self.nested(fragment))
    }

    fn field<'b>(&'b self, field: &'b Field, cell: &'b Cell) -> ResolvedValue<'b> {
        let values = &cell.values;
        match field.kind {
            Kind::ContentReference | Kind::FragmentReference if field.multiple => {
                // Missing targets are left out of a list.
                ResolvedValue::list(values.iter().filter_map(|path| self.reference(path, field)))
            }
            Kind::ContentReference | Kind::FragmentReference => {
                let value = values.first().and_then(|path| self.reference(path, field));
                value.unwrap_or_else(ResolvedValue::null)
            }
            Kind::LongText => {
                let text = |value: &'b JsonValue| {
                    let repository = self.context.repository;
                    ResolvedValue::object(TextValue::new(
                        value.as_str().unwrap_or(""),
                        cell.mime.as_deref(),
                        repository,
                    ))
                };
                if field.multiple {
                    ResolvedValue::list(values.iter().map(text))
                } else {
                    values.first().map_or_else(ResolvedValue::null, text)
                }
            }
            _ if field.multiple => leaves(values),
            _ => ResolvedValue::leaf(values.first().cloned().unwrap_or(JsonValue::Null)),
        }
    }
}

impl ObjectValue for FragmentValue<'_> {
    fn type_name(&self) -> &str {
        &self.context.repository.model_of(self.item.fragment).object
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        self.context.count()?;
        let name = info.field_name();
        if let Some(value) = self.helper(name) {
            return Ok(value);
        }
        let model = self.context.repository.model_of(self.item.fragment);
        let (position, field) = model.field(name).ok_or_else(|| self.unknown_field_error(info))?;
        Ok(self.field(field, self.item.fragment.cell(position, self.item.variation)))
    }
}

fn leaves(values: &[JsonValue]) -> ResolvedValue<'_> {
    ResolvedValue::list(values.iter().map(|value| ResolvedValue::leaf(value.clone())))
}
