//! What a route makes of one item: kept or filtered out, its path, its sort keys, its groups. Evaluated as responses come in, so
//! that items need not stay in memory: an [`Entry`] stays, 128 bytes and its texts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tera::{Context, Value};

use super::group::{GroupValue, descend, group_of, key_of};
use super::value::spread;
use crate::report::{Code, Diagnostic, codes};
use crate::site::{Escape, Expression, ExpressionError, Kind, PathPart, Route, Site, site_value};
use crate::text::order::{self, Collation, Key, SortKey};
use crate::text::permalink::{self, InsertError};

/// Where an item's JSON is: a byte range of a kept answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Number of the answer in this build.
    pub answer: u32,
    /// Byte offset in its body.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// What ties pages to their counterparts in other locales: a digest of `[site] alternate_by`'s value, or of the path without
/// its language, and of the variation. A digest, since the value is whatever content says.
pub type Tie = [u8; 16];

/// What a route keeps of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where the item is.
    pub at: Location,
    /// Number of the call that gave it, in this build.
    pub call: u32,
    /// Where its outer item is, with `for_each`.
    pub outer: Option<Location>,
    /// `_variation`, but for the base.
    pub variation: Option<Box<str>>,
    /// The path of its page, for `each`.
    pub path: Option<Box<str>>,
    /// Keys of the route's `sort`.
    pub sort: Box<[Key]>,
    /// The groups it is in.
    pub groups: Box<[GroupValue]>,
    /// What ties it to its counterparts.
    pub counterpart: Option<Tie>,
}

/// The fate of an item in a route.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluated {
    /// It is in.
    Entry(Entry),
    /// `where` does not hold.
    Filtered,
}

/// Where an item comes from.
#[derive(Debug, Clone, Copy)]
pub struct Provenance<'a> {
    /// Number of the call, in this build.
    pub call: u32,
    /// The locale of the call.
    pub locale: Option<u16>,
    /// The outer item, with `for_each`.
    pub outer: Option<&'a Outer>,
}

/// The outer item of a `for_each`.
#[derive(Debug, Clone)]
pub struct Outer {
    /// Where it is.
    pub at: Location,
    /// The whole item.
    pub value: Value,
}

/// (`_path`, `_variation`) of an item: what it is, within a locale.
pub fn identity(item: &Value) -> Option<(&str, &str)> {
    Some((text_at(item, "_path")?, text_at(item, "_variation").unwrap_or("master")))
}

/// Evaluates one route's expressions over items.
#[derive(Debug)]
pub struct Evaluator {
    site: Arc<Site>,
    index: usize,
    site_value: Value,
    order: Vec<SortKey>,
    collations: BTreeMap<Option<u16>, Collation>,
    /// The fields to read; `None` reads the whole item.
    pub(super) fields: Option<BTreeSet<String>>,
}

impl Evaluator {
    /// For one route. A `sort` that cannot be parsed was told when the site was loaded, and counts as none.
    pub fn new(site: Arc<Site>, index: usize) -> Self {
        let route = &site.routes[index];
        let order = route.sort.as_deref().and_then(|sort| order::parse(sort).ok()).unwrap_or_default();
        let fields = site.expressions.route(index).fields.clone().map(|mut fields| {
            let dotted = route.group_by.iter().chain(&site.config.site.alternate_by);
            let firsts = dotted.filter_map(|path| path.split('.').next()).map(str::to_owned);
            fields.extend(firsts);
            fields.extend(order.iter().filter_map(|key| key.path.first().cloned()));
            fields.extend(["_path".to_owned(), "_variation".to_owned()]);
            fields
        });
        let locales = (0..site.config.site.locales.len()).filter_map(|index| u16::try_from(index).ok()).map(Some);
        let collations = std::iter::once(None)
            .chain(locales)
            .map(|locale| (locale, Collation::new(site.locale_code(locale))))
            .collect();
        Evaluator { site_value: site_value(&site.config.site), site, index, order, collations, fields }
    }

    /// The route.
    pub fn route(&self) -> &Route {
        &self.site.routes[self.index]
    }

    /// The parsed `sort`.
    pub fn order(&self) -> &[SortKey] {
        &self.order
    }

    /// Evaluates one item, as an [`ItemReader`](crate::shape::ItemReader) of this evaluator has read it. `fragment` is its `_path`.
    ///
    /// # Errors
    /// The problem, with the fragment it is about.
    pub fn evaluate(
        &self,
        item: &Value,
        fragment: &str,
        at: Location,
        from: Provenance<'_>,
    ) -> Result<Evaluated, Box<Diagnostic>> {
        let mut context = self.context(from.locale);
        spread(item, &mut context);
        self.reserved(&mut context, item, from);
        self.entry(item, fragment, at, from, &context).map_err(|problem| Box::new(problem.fragment(fragment)))
    }

    /// An item without `_path` cannot be placed.
    pub fn without_path(&self) -> Diagnostic {
        let query = self.route().query.as_deref().unwrap_or_default();
        Diagnostic::error(codes::QUERY_SHAPE, format!("an item of query `{query}` has no `_path`"))
            .at(self.site.route_place(self.route()))
    }

    /// An item whose paths are too long to be paths.
    pub fn too_long(&self) -> Diagnostic {
        Diagnostic::error(codes::UNSAFE_PATH, "an item has a path or variation of more than 65,535 bytes")
            .at(self.site.route_place(self.route()))
    }

    fn entry(
        &self,
        item: &Value,
        fragment: &str,
        at: Location,
        Provenance { call, locale, outer }: Provenance<'_>,
        context: &Context,
    ) -> Result<Evaluated, Diagnostic> {
        let expressions = self.site.expressions.route(self.index);
        if let Some(filter) = &expressions.filter {
            match self.site.expressions.holds(filter, context) {
                Ok(true) => {}
                Ok(false) => return Ok(Evaluated::Filtered),
                Err(error) => return Err(self.expression_problem(filter, &error)),
            }
        }
        let path = match self.route().kind {
            Kind::Each => Some(self.path(&expressions.path, locale, context)?.into()),
            Kind::List | Kind::Page => None,
        };
        let variation = text_at(item, "_variation").filter(|name| *name != "master");
        Ok(Evaluated::Entry(Entry {
            at,
            call,
            outer: outer.map(|outer| outer.at),
            variation: variation.map(Into::into),
            path,
            sort: self.sort_keys(item, locale),
            groups: self.groups(item)?,
            counterpart: self.counterpart(item, fragment, locale).map(|text| tie(&text, variation)),
        }))
    }

    fn context(&self, locale: Option<u16>) -> Context {
        let mut context = Context::new();
        context.insert_value("locale", self.site.locale_code(locale).map_or_else(Value::none, Value::from));
        context
    }

    fn reserved(&self, context: &mut Context, item: &Value, from: Provenance<'_>) {
        context.insert_value("item", item.clone());
        context.insert_value("site", self.site_value.clone());
        context.insert_value("locale", self.site.locale_code(from.locale).map_or_else(Value::none, Value::from));
        context.insert_value("parent", from.outer.map_or_else(Value::none, |outer| outer.value.clone()));
    }

    /// The path of a list or page, in a locale, perhaps of a group or of a further page.
    ///
    /// # Errors
    /// The problem, without a fragment.
    pub fn list_path(
        &self,
        locale: Option<u16>,
        group: Option<&GroupValue>,
        number: u32,
    ) -> Result<String, Diagnostic> {
        let expressions = self.site.expressions.route(self.index);
        let mut context = self.context(locale);
        context.insert_value("site", self.site_value.clone());
        context.insert_value("group", group.map_or_else(Value::none, GroupValue::to_value));
        context.insert_value("paginator", Value::from_serializable(&serde_json::json!({ "number": number })));
        match (&expressions.pages, number) {
            (Some(pages), 2..) => self.path(pages, locale, &context),
            (None, 2..) => {
                let path = permalink::with_page(&self.path(&expressions.path, locale, &context)?, number);
                self.check(&path).map(|()| path)
            }
            _ => self.path(&expressions.path, locale, &context),
        }
    }

    /// Joins the parts of a path, checking what each expression inserts, and puts the locale before it.
    fn path(&self, parts: &[PathPart], locale: Option<u16>, context: &Context) -> Result<String, Diagnostic> {
        let mut path = self.locale_prefix(locale);
        for part in parts {
            match part {
                PathPart::Literal(text) => path.push_str(text),
                PathPart::Expression(expression) => {
                    let (text, escape) = self
                        .site
                        .expressions
                        .text(expression, context)
                        .map_err(|error| self.expression_problem(expression, &error))?;
                    permalink::check_inserted(&text, escape == Escape::Safe)
                        .map_err(|error| self.insert_problem(expression, &error))?;
                    path.push_str(&text);
                }
            }
        }
        self.check(&path).map(|()| path)
    }

    fn check(&self, path: &str) -> Result<(), Diagnostic> {
        permalink::parse(path).map(|_| ()).map_err(|error| {
            Diagnostic::error(codes::UNSAFE_PATH, error.to_string())
                .at(self.site.route_place(self.route()))
                .help(error.help())
        })
    }

    fn locale_prefix(&self, locale: Option<u16>) -> String {
        use crate::site::LocalePrefix;
        let prefixed = match (self.site.config.site.locale_prefix, locale) {
            (LocalePrefix::All, Some(_)) => true,
            (LocalePrefix::AllButFirst, Some(index)) => index > 0,
            _ => false,
        };
        match self.site.locale_code(locale).filter(|_| prefixed) {
            Some(code) => format!("/{code}"),
            None => String::new(),
        }
    }

    fn insert_problem(&self, expression: &Expression, error: &InsertError) -> Diagnostic {
        let (code, message): (Code, String) = match error {
            InsertError::Empty => (
                codes::EMPTY_PATH,
                format!("`{}` is empty, which would make the path another page's", expression.text.trim()),
            ),
            other => (codes::UNSAFE_PATH, format!("`{}`: {other}", expression.text.trim())),
        };
        let start = expression.start();
        let place =
            self.route().places.inside(&self.site.config_text, &expression.key, start, start + expression.text.len());
        Diagnostic::error(code, message).at(place).help(error.help())
    }

    fn expression_problem(&self, expression: &Expression, error: &ExpressionError) -> Diagnostic {
        let start = expression.start();
        let (from, to) = error.range.unwrap_or((start, start + expression.text.len()));
        let place = self.route().places.inside(&self.site.config_text, &expression.key, from, to);
        Diagnostic::error(codes::ROUTE_EXPRESSION, error.message.clone()).at(place)
    }

    fn sort_keys(&self, item: &Value, locale: Option<u16>) -> Box<[Key]> {
        let collation = self.collations.get(&locale).or_else(|| self.collations.get(&None));
        self.order
            .iter()
            .map(|key| {
                let value = descend(item, &key.path);
                match value.first() {
                    Some(value) => key_of(value, collation),
                    None => Key::Null,
                }
            })
            .collect()
    }

    fn groups(&self, item: &Value) -> Result<Box<[GroupValue]>, Diagnostic> {
        let Some(path) = &self.route().group_by else {
            return Ok(Box::default());
        };
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        let mut groups: Vec<GroupValue> = Vec::new();
        for value in descend(item, &steps) {
            let group = match value.as_array() {
                Some(values) => values.iter().map(group_of).collect(),
                None => vec![group_of(value)],
            };
            for group in group {
                match group {
                    Ok(Some(group)) if !groups.contains(&group) => groups.push(group),
                    Ok(_) => {}
                    Err(kind) => {
                        let message = format!("`group_by = \"{path}\"` names {kind}, a group's value is a scalar");
                        return Err(Diagnostic::error(codes::GROUP_VALUE, message)
                            .at(self.route().places.place(&self.site.config_text, "group_by"))
                            .help(format!("name a field of it, such as `{path}._path`")));
                    }
                }
            }
        }
        Ok(groups.into_boxed_slice())
    }

    fn counterpart(&self, item: &Value, fragment: &str, locale: Option<u16>) -> Option<String> {
        let code = self.site.locale_code(locale)?;
        if let Some(field) = &self.site.config.site.alternate_by {
            let steps: Vec<String> = field.split('.').map(str::to_owned).collect();
            return descend(item, &steps).first().filter(|value| !value.is_none()).map(ToString::to_string);
        }
        let same = |segment: &str| segment.replace('_', "-").eq_ignore_ascii_case(&code.replace('_', "-"));
        let mut exchanged = false;
        let segments: Vec<&str> = fragment
            .split('/')
            .map(|segment| {
                if !exchanged && same(segment) {
                    exchanged = true;
                    return "*";
                }
                segment
            })
            .collect();
        exchanged.then(|| segments.join("/"))
    }
}

/// The digest of what pages that are one another's counterparts have in common.
pub(super) fn tie(text: &str, variation: Option<&str>) -> Tie {
    let digest = blake3::hash(format!("{}\u{0}{text}", variation.unwrap_or_default()).as_bytes());
    digest.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn text_at<'v>(item: &'v Value, key: &'v str) -> Option<&'v str> {
    item.get_from_path(key)?.as_str()
}
