//! What a query brings: its first answers, counted. Which calls there are is the plan's to say.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::aem::{Answer, FailureKind, QueryCall};
use crate::plan::{self, PlannedCall};
use crate::report::{Diagnostic, Place, codes};
use crate::shape;
use crate::site::{Query, Root, Shape, Site};

/// One query, with the calls that a build makes of it; none if nothing uses it, or its variables are not known.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub calls: Vec<PlannedCall>,
    /// The query whose items give the variables.
    pub outer: Option<String>,
}

/// What the queries of a site are called with, by name. Calls out of outer items are added when those are known.
pub(super) fn planned(site: &Site) -> Result<BTreeMap<String, Planned>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let calls = plan::calls(site, &mut problems).calls;
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let mut planned: BTreeMap<String, Planned> =
        site.queries.names().map(|name| (name.to_owned(), Planned::default())).collect();
    for call in calls {
        planned.entry(call.query.clone()).or_default().calls.push(call);
    }
    for route in &site.routes {
        if let (Some(for_each), Some(query)) = (&route.for_each, &route.query) {
            planned.entry(query.clone()).or_default().outer = Some(for_each.query.clone());
        }
    }
    for name in site.templates.literal_queries() {
        let known = planned.get(name).is_some_and(|query| !query.calls.is_empty() || query.outer.is_some());
        if !known && let Ok(call) = plan::template_call(site, name, &Map::new(), None) {
            planned.entry(name.to_owned()).or_default().calls.push(call);
        }
    }
    Ok(planned)
}

/// Calls of `for_each` routes, out of the first item of each outer call.
pub(super) fn inner(site: &Site, outer: &PlannedCall, answer: &Answer) -> Vec<PlannedCall> {
    let Some(root) = site.queries.get(&outer.query).and_then(|query| query.items_root(None)) else {
        return Vec::new();
    };
    let slices = shape::split(&answer.body, &[root]).unwrap_or_default();
    let first = slices.first().and_then(|slice| slice.items.first());
    let Some(item) = first.and_then(|at| shape::parse_item(&answer.body[at.start..at.start + at.len]).ok()) else {
        return Vec::new();
    };
    let routes = site.routes.iter().filter(|route| outer.outer_of.contains(&route.index));
    let calls = routes.flat_map(|route| {
        let locales = plan::inner_locales(site, route, outer.locale);
        locales.into_iter().filter_map(|locale| plan::inner_call(site, route, &item, locale).ok()).collect::<Vec<_>>()
    });
    calls.collect()
}

/// How much one answer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub items: u64,
    /// Another page follows.
    pub more: bool,
}

impl Count {
    pub fn plus(self, other: Count) -> Count {
        Count { items: self.items + other.items, more: self.more || other.more }
    }

    /// `12 items`, `100 items and more`.
    pub fn words(self) -> String {
        let noun = if self.items == 1 { "item" } else { "items" };
        format!("{} {noun}{}", self.items, if self.more { " and more" } else { "" })
    }
}

/// Counts the items of an answer.
///
/// # Errors
/// What is not as the selection says: another shape, or a null among the items.
pub(super) fn count(query: &Query, answer: &Answer) -> Result<Count, Uncounted> {
    let roots: Vec<&Root> = query.roots.iter().filter(|root| root.shape != Shape::Other).collect();
    let slices = shape::split(&answer.body, &roots).map_err(|error| Uncounted::Shape(error.message))?;
    if let Some((root, slice)) = roots.iter().zip(&slices).find(|(_, slice)| slice.nulls > 0) {
        return Err(Uncounted::Nulls { at: root.items_at, count: slice.nulls });
    }
    let count =
        slices.iter().map(|slice| Count { items: slice.items.len() as u64, more: slice.has_next_page == Some(true) });
    Ok(count.fold(Count::default(), Count::plus))
}

/// Why an answer cannot be counted.
#[derive(Debug)]
pub(super) enum Uncounted {
    /// Its members are not where the selection says.
    Shape(String),
    /// Items are null.
    Nulls {
        /// Where in the sent form the items are selected.
        at: usize,
        /// How many.
        count: usize,
    },
}

/// Whether the query has items that could be counted at all.
pub(super) fn is_countable(query: &Query) -> bool {
    query.roots.iter().any(|root| root.shape != Shape::Other)
}

/// Whether having no item is right, as every route that takes the query says.
pub(super) fn may_be_empty(site: &Site, query: &str) -> bool {
    let mut routes = site.routes.iter().filter(|route| route.query.as_deref() == Some(query)).peekable();
    routes.peek().is_none() || routes.all(|route| route.may_be_empty)
}

/// A call as the client takes it.
pub(super) fn as_asked<'a>(query: &'a Query, variables: &'a Map<String, Json>) -> QueryCall<'a> {
    QueryCall { name: &query.name, configuration: query.configuration.as_deref(), text: &query.sent, variables }
}

/// Nulls among the items.
pub(super) fn nulls(query: &Query, at: usize, count: usize) -> Diagnostic {
    Diagnostic::error(codes::NULL_ITEM, format!("query `{}` has {count} null among its items", query.name))
        .at(query.place_in_sent(at))
        .help("a fragment that is not published to this tier, or that this user may not read, is delivered as null")
}

/// Where a query begins, for what is said of the whole.
pub(super) fn place(query: &Query) -> Place {
    query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at))
}

/// In short, why everybody got nothing.
pub(super) fn briefly(kind: &FailureKind) -> String {
    match kind {
        FailureKind::Refused { status } => format!("refused ({status})"),
        FailureKind::SignIn { .. } => "a sign-in page".to_owned(),
        FailureKind::NotFound { .. } => "not found".to_owned(),
        kind => kind.to_string(),
    }
}
