//! `[[route]]`: the whole URL space on one page.

use std::collections::BTreeMap;

use super::query::Queries;
use super::selection::Shape;
use super::template::{Templates, nearest};
use super::toml_tree::{Node, Origin, Reader, Table, Value};
use crate::report::{Diagnostic, Place, codes};

/// What a route makes of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One page per content fragment.
    Each,
    /// Listing pages.
    List,
    /// The whole result, once.
    Page,
}

impl Kind {
    /// The key in aem-static.toml.
    pub fn key(self) -> &'static str {
        match self {
            Kind::Each => "each",
            Kind::List => "list",
            Kind::Page => "page",
        }
    }
}

/// A variable as the route says it: a TOML value, whose texts may be expressions.
#[derive(Debug, Clone, PartialEq)]
pub struct VariableText {
    /// The variable's name, without `$`.
    pub name: String,
    /// The value as it stands.
    pub value: serde_json::Value,
}

/// `for_each = { query = "…", variables = { … } }`
#[derive(Debug, Clone, PartialEq)]
pub struct ForEach {
    /// The query whose items are the outer items.
    pub query: String,
    /// The variables of the route's query, with expressions over the outer item.
    pub variables: Vec<VariableText>,
}

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Position among the routes that could be read, from 0.
    pub index: usize,
    /// `name`, or the name of the query, or the path.
    pub name: String,
    /// each, list or page.
    pub kind: Kind,
    /// The path as it stands, with expressions.
    pub path: String,
    /// The query; a `page` may do without.
    pub query: Option<String>,
    /// The root field's response key.
    pub from: Option<String>,
    /// The template; without it the item itself, as JSON.
    pub template: Option<String>,
    /// Items a page of a list.
    pub per_page: Option<usize>,
    /// Dotted path of the field whose values make the groups.
    pub group_by: Option<String>,
    /// The filter expression.
    pub filter: Option<String>,
    /// The order, in AEM's form.
    pub sort: Option<String>,
    /// The path of pages 2, 3, … of a list whose path does not end in `/`.
    pub pages: Option<String>,
    /// Variables of the query.
    pub variables: Vec<VariableText>,
    /// Runs the query once per distinct set of variables made from outer items.
    pub for_each: Option<ForEach>,
    /// Whether its pages stand in sitemap.xml.
    pub sitemap: bool,
    /// Whether having no item at all is right.
    pub may_be_empty: bool,
    /// Where its parts stand in the file.
    pub places: RoutePlaces,
}

/// Byte ranges in aem-static.toml of a route's values; the path's is under `path`.
#[derive(Debug, Clone, Default)]
pub struct RoutePlaces(pub(super) BTreeMap<String, std::ops::Range<usize>>);

impl RoutePlaces {
    /// The place of one value, or of the route.
    pub fn place(&self, text: &str, key: &str) -> Place {
        let range =
            self.0.get(key).or_else(|| self.0.get("path")).or_else(|| self.0.get("route")).cloned().unwrap_or(0..0);
        Place::in_text(super::CONFIG_FILE, text, range.start, range.end)
    }

    /// The place of `start..end` inside the text value of `key`; columns are exact when the value has no escapes.
    pub fn inside(&self, text: &str, key: &str, start: usize, end: usize) -> Place {
        let Some(range) = self.0.get(key).cloned() else {
            return self.place(text, key);
        };
        let raw = text.get(range.clone()).unwrap_or_default();
        let quote = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
        let at = |offset: usize| (range.start + quote + offset).min(range.end);
        Place::in_text(super::CONFIG_FILE, text, at(start), at(end))
    }
}

/// Reads `[[route]]`.
pub(super) fn read(node: Option<Node>, text: &str, problems: &mut Vec<Diagnostic>) -> Vec<Route> {
    let Some(node) = node else {
        problems.push(
            Diagnostic::error(codes::CONFIG_VALUE, "aem-static.toml has no routes")
                .help("a `[[route]]` says what becomes of a query's result; see the route table in the README"),
        );
        return Vec::new();
    };
    let Value::Array(items) = node.value else {
        problems.push(
            Diagnostic::error(codes::CONFIG_VALUE, "`route` takes a list of tables, written `[[route]]`")
                .at_opt(node.origin.place(text)),
        );
        return Vec::new();
    };
    let mut routes: Vec<Route> = items.into_iter().filter_map(|item| read_one(item, text, problems)).collect();
    // Counted afterwards: a route that could not be read leaves no gap.
    routes.iter_mut().enumerate().for_each(|(index, route)| route.index = index);
    routes
}

fn read_one(node: Node, text: &str, problems: &mut Vec<Diagnostic>) -> Option<Route> {
    let Value::Table(table) = node.value else { return None };
    let mut places = RoutePlaces(ranges(&table));
    if let Origin::File(range) = &node.origin {
        places.0.insert("route".to_owned(), range.clone());
    }
    let mut reader = Reader::new("route", table, text, problems);
    let paths: Vec<(Kind, String)> = [Kind::Each, Kind::List, Kind::Page]
        .into_iter()
        .filter_map(|kind| Some((kind, reader.text(kind.key())?)))
        .collect();
    let query = reader.text("query");
    let name = reader.text("name");
    let mut route = Route {
        index: 0,
        name: String::new(),
        kind: Kind::Page,
        path: String::new(),
        query,
        from: reader.text("from"),
        template: reader.text("template"),
        per_page: reader.count("per_page", 1).and_then(|count| usize::try_from(count).ok()),
        group_by: reader.text("group_by"),
        filter: reader.text("where"),
        sort: reader.text("sort"),
        pages: reader.text("pages"),
        variables: reader.table("variables").map(|table| variables(&table)).unwrap_or_default(),
        for_each: None,
        sitemap: reader.bool("sitemap").unwrap_or(true),
        may_be_empty: reader.bool("may_be_empty").unwrap_or(false),
        places,
    };
    let for_each = reader.table("for_each");
    reader.finish();
    if let Some(table) = for_each {
        let mut reader = Reader::new("route.for_each", table, text, problems);
        let query = reader.text("query");
        let variables = reader.table("variables").map(|table| variables(&table)).unwrap_or_default();
        reader.finish();
        route.for_each = query.map(|query| ForEach { query, variables });
    }
    let [(kind, path)] = paths.as_slice() else {
        let found = if paths.is_empty() { "no kind" } else { "more than one kind" };
        problems.push(
            Diagnostic::error(codes::ROUTE_KIND, format!("the route has {found}"))
                .at(route.places.place(text, "query"))
                .help("exactly one of `each`, `list`, `page` makes the kind of a route"),
        );
        return None;
    };
    if let Some(range) = route.places.0.get(kind.key()).cloned() {
        route.places.0.insert("path".to_owned(), range);
    }
    route.kind = *kind;
    route.path.clone_from(path);
    route.name = name.or_else(|| route.query.clone()).unwrap_or_else(|| path.clone());
    Some(route)
}

fn ranges(table: &Table) -> BTreeMap<String, std::ops::Range<usize>> {
    let mut out = BTreeMap::new();
    for (key, node) in &table.entries {
        if let Origin::File(range) = &node.origin {
            out.insert(key.clone(), range.clone());
        }
        if let Value::Table(inner) = &node.value {
            for (inner_key, range) in ranges(inner) {
                out.insert(format!("{key}.{inner_key}"), range);
            }
        }
    }
    out
}

fn variables(table: &Table) -> Vec<VariableText> {
    table
        .order
        .iter()
        .filter_map(|name| Some(VariableText { name: name.clone(), value: table.entries.get(name)?.value.to_json() }))
        .collect()
}

/// Checks routes against queries and templates.
pub(super) fn check(
    routes: &mut [Route],
    text: &str,
    queries: &Queries,
    templates: &Templates,
    problems: &mut Vec<Diagnostic>,
) {
    for route in routes {
        check_keys(route, text, problems);
        check_order(route, text, problems);
        check_template(route, text, templates, problems);
        if let Some(for_each) = &route.for_each
            && check_query_name(&for_each.query, "for_each.query", route, text, queries, problems)
        {
            check_outer(for_each, route, text, queries, problems);
        }
        if let Some(name) = &route.query {
            if check_query_name(name, "query", route, text, queries, problems) {
                check_shape(route, text, queries, problems);
            }
        } else if route.kind != Kind::Page {
            problems.push(
                Diagnostic::error(codes::CONFIG_VALUE, format!("the `{}` route has no `query`", route.kind.key()))
                    .at(route.places.place(text, "path")),
            );
        }
    }
}

fn check_keys(route: &Route, text: &str, problems: &mut Vec<Diagnostic>) {
    let mut refuse = |key: &str, why: &str| {
        problems
            .push(Diagnostic::error(codes::CONFIG_VALUE, format!("`{key}` {why}")).at(route.places.place(text, key)));
    };
    // Checked before a locale is put in front; a path that begins with an expression is checked when it is known.
    if !route.path.starts_with('/') && !route.path.starts_with("{{") {
        refuse("path", "begins with `/`: the path of a route is below the site's root");
    }
    if route.kind != Kind::List {
        for (key, given) in [
            ("per_page", route.per_page.is_some()),
            ("group_by", route.group_by.is_some()),
            ("pages", route.pages.is_some()),
        ] {
            if given {
                refuse(key, "belongs to a `list` route");
            }
        }
    }
    if route.kind == Kind::Page && (route.filter.is_some() || route.sort.is_some()) {
        refuse(if route.filter.is_some() { "where" } else { "sort" }, "belongs to an `each` or `list` route");
    }
    if route.for_each.is_some() && route.kind == Kind::Page {
        refuse("for_each", "belongs to an `each` or `list` route");
    }
    if route.query.is_none() && route.template.is_none() {
        refuse("path", "route needs a `query` or a `template`");
    }
    if route.kind == Kind::List && route.per_page.is_some() && !route.path.ends_with('/') && route.pages.is_none() {
        refuse("per_page", "on a path without final `/` needs `pages = \"…{{ paginator.number }}…\"`");
    }
}

fn check_order(route: &Route, text: &str, problems: &mut Vec<Diagnostic>) {
    if let Some(Err(error)) = route.sort.as_deref().map(crate::text::order::parse) {
        problems.push(
            Diagnostic::error(codes::ROUTE_EXPRESSION, error.to_string())
                .at(route.places.place(text, "sort"))
                .help(error.help()),
        );
    }
}

fn check_template(route: &Route, text: &str, templates: &Templates, problems: &mut Vec<Diagnostic>) {
    let Some(name) = &route.template else { return };
    if templates.contains(name) {
        return;
    }
    let mut problem = Diagnostic::error(codes::MISSING_TEMPLATE, format!("there is no template `{name}`"))
        .at(route.places.place(text, "template"));
    problem = match nearest(name, templates.names()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("create templates/{name}")),
    };
    problems.push(problem);
}

fn check_query_name(
    name: &str,
    key: &str,
    route: &Route,
    text: &str,
    queries: &Queries,
    problems: &mut Vec<Diagnostic>,
) -> bool {
    if queries.get(name).is_some() {
        return true;
    }
    if queries.is_broken(name) {
        return false;
    }
    let mut problem = Diagnostic::error(codes::MISSING_QUERY, format!("there is no query `{name}`"))
        .at(route.places.place(text, key));
    problem = match nearest(name, queries.names()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("create content-queries/{name}.graphql")),
    };
    problems.push(problem);
    false
}

/// Whether the outer query has items, in one root field only.
fn check_outer(for_each: &ForEach, route: &Route, text: &str, queries: &Queries, problems: &mut Vec<Diagnostic>) {
    let root = queries.get(&for_each.query).and_then(|query| query.items_root(None));
    if root.is_none_or(|root| root.shape == Shape::Other) {
        let message = format!("the outer query `{}` has no root field with items, or several", for_each.query);
        problems.push(
            Diagnostic::error(codes::QUERY_SHAPE, message)
                .at(route.places.place(text, "for_each.query"))
                .help("select `item`, `items` or `edges { node }` below exactly one root field"),
        );
    }
}

/// Whether the query's selection fits the kind of the route.
fn check_shape(route: &mut Route, text: &str, queries: &Queries, problems: &mut Vec<Diagnostic>) {
    let Some(query) = route.query.as_deref().and_then(|name| queries.get(name)) else {
        return;
    };
    let refuse = |message: String, key: &str, help: String| {
        Diagnostic::error(codes::QUERY_SHAPE, message).at(route.places.place(text, key)).help(help)
    };
    if let Some(from) = &route.from
        && query.root(from).is_none()
    {
        let keys: Vec<&str> = query.roots.iter().map(|root| root.key.as_str()).collect();
        let message = format!("query `{}` has no root field `{from}`", query.name);
        problems.push(refuse(message, "from", format!("its root fields: {}", keys.join(", "))));
        return;
    }
    if route.kind == Kind::Page {
        return;
    }
    let Some(root) = query.items_root(route.from.as_deref()) else {
        let keys: Vec<&str> = query.roots.iter().map(|root| root.key.as_str()).collect();
        let message = format!("query `{}` has several root fields", query.name);
        problems.push(refuse(message, "query", format!("say which one: from = \"{}\"", keys.join("\" or \""))));
        return;
    };
    if root.shape == Shape::Other {
        let message =
            format!("query `{}` selects no `item`, `items` or `edges {{ node }}` below `{}`", query.name, root.key);
        problems.push(refuse(message, "query", "select items, or make it a `page` route".to_owned()));
    } else if !root.selects_path {
        let message =
            format!("query `{}` does not select `_path`, by which a page's content fragment is known", query.name);
        let place = query.place_in_sent(root.items_at);
        problems.push(
            Diagnostic::error(codes::QUERY_SHAPE, message)
                .at(place)
                .note("route", format!("{} in aem-static.toml:{}", route.name, route.places.place(text, "path").line))
                .help(format!("add `_path` to the selection in {}", query.file)),
        );
    } else if root.variations && !root.selects_variation {
        let message = format!("query `{}` asks for all variations and does not select `_variation`", query.name);
        problems.push(
            Diagnostic::error(codes::QUERY_SHAPE, message)
                .at(query.place_in_sent(root.items_at))
                .help(format!("add `_variation` to the selection in {}: it tells the items apart", query.file)),
        );
    } else if root.paging != super::Paging::None && !root.sorted && route.sort.is_none() {
        problems.push(
            Diagnostic::warning(codes::UNSORTED, format!("paginated query `{}` has no `sort`", query.name))
                .at(query.place_in_sent(root.field_at))
                .help("add `sort: \"…\"` to the query, or `sort = \"…\"` to the route"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::toml_tree;
    use super::*;

    #[test]
    fn a_route_without_kind_leaves_no_gap_in_the_indexes() {
        let text = "[[route]]\nquery = \"a\"\n[[route]]\nquery = \"a\"\neach = \"/{{ slug }}/\"\n";
        let mut root = toml_tree::parse(text).expect("it is TOML");
        let mut problems = Vec::new();
        let routes = read(root.entries.remove("route"), text, &mut problems);
        assert_eq!(routes.iter().map(|route| route.index).collect::<Vec<_>>(), [0]);
        assert_eq!(problems.len(), 1);
    }
}
