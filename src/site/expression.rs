//! What routes compute: paths, `where`, variables. Every `{{ expression }}` is compiled alone, so that each inserted text can be
//! checked by itself (design §4, Paths).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use tera::{Context, Error, Kwargs, State, Tera, TeraResult, Value};

use super::query::Queries;
use super::route::{Route, VariableText};
use super::template::{locate_tera_error, lower_first, nearest};
use crate::report::{Diagnostic, codes};

/// One compiled expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Name of its template: `route[2].path#0`.
    template: String,
    /// The key of the route it stands in, for places.
    pub key: String,
    /// Byte offset of its first character inside the value.
    start: usize,
    /// How many characters stand before it in the template.
    prefix: usize,
    /// Its text, for messages.
    pub text: String,
}

/// A piece of a path or of a text variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPart {
    /// As it stands.
    Literal(String),
    /// Inserted.
    Expression(Expression),
}

/// Whether an inserted text was marked `| safe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// A plain text: the rules for inserted texts hold.
    Checked,
    /// `| safe`: it may hold `/`.
    Safe,
}

/// An expression could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    /// What Tera said, one line.
    pub message: String,
    /// Byte range inside the value, if known.
    pub range: Option<(usize, usize)>,
}

/// The compiled value of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum VariableValue {
    /// A TOML value as it stands.
    Literal(serde_json::Value),
    /// A text with expressions.
    Text(Vec<PathPart>),
    /// A list with texts that hold expressions.
    List(Vec<VariableValue>),
    /// A table with texts that hold expressions.
    Map(Vec<(String, VariableValue)>),
}

/// Everything that one route computes.
#[derive(Debug, Clone, Default)]
pub struct RouteExpressions {
    /// The path.
    pub path: Vec<PathPart>,
    /// `pages`
    pub pages: Option<Vec<PathPart>>,
    /// `where`
    pub filter: Option<Expression>,
    /// `variables`
    pub variables: Vec<(String, VariableValue)>,
    /// `for_each.variables`
    pub for_each: Vec<(String, VariableValue)>,
    /// The item's fields that path and `where` read; `None` when they read the item as a whole.
    pub fields: Option<BTreeSet<String>>,
    /// Whether a variable uses `locale`.
    pub uses_locale: bool,
}

/// All routes' expressions, in one engine.
#[derive(Debug, Clone)]
pub struct Expressions {
    tera: Tera,
    routes: Vec<RouteExpressions>,
}

const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';
/// The suffix of expression templates, for which inserted texts are marked.
const SUFFIX: &str = ".expression";
/// Names that a route's expression may use besides the item's fields.
pub const RESERVED: &[&str] = &["item", "parent", "site", "locale", "variables", "group", "paginator"];

/// Names that the path of a list may use: it belongs to no single item.
const OF_LIST: &[&str] = &["site", "locale", "group", "paginator"];

fn mark(text: &str, out: &mut dyn Write) -> std::io::Result<()> {
    write!(out, "{OPEN}{text}{CLOSE}")
}

impl Expression {
    /// Byte offset of its first character inside the value of its key.
    pub fn start(&self) -> usize {
        self.start
    }
}

impl Expressions {
    /// What the route with this index computes.
    pub fn route(&self, index: usize) -> &RouteExpressions {
        &self.routes[index]
    }

    /// The text of an expression, and whether it was marked safe. Null gives an empty text.
    ///
    /// # Errors
    /// When Tera cannot evaluate it.
    pub fn text(&self, expression: &Expression, context: &Context) -> Result<(String, Escape), ExpressionError> {
        let rendered = self.tera.render(&expression.template, context).map_err(|error| failed(&error, expression))?;
        // Only the marks themselves go: the same characters in content are for the path's rules to refuse.
        match rendered.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE)) {
            Some(text) => Ok((text.to_owned(), Escape::Checked)),
            None => Ok((rendered, Escape::Safe)),
        }
    }

    /// Whether a `where` expression holds.
    ///
    /// # Errors
    /// When Tera cannot evaluate it.
    pub fn holds(&self, expression: &Expression, context: &Context) -> Result<bool, ExpressionError> {
        let rendered = self.tera.render(&expression.template, context).map_err(|error| failed(&error, expression))?;
        Ok(!rendered.is_empty())
    }
}

fn failed(error: &tera::Error, expression: &Expression) -> ExpressionError {
    if let tera::ErrorKind::RenderingError(report) | tera::ErrorKind::SyntaxError(report) = error.kind() {
        let range = &report.span().range;
        let at = |offset: usize| expression.start + offset.saturating_sub(expression.prefix).min(expression.text.len());
        // What stands after the text is not of it: a problem there is one of its end.
        let end = expression.prefix + expression.text.len();
        let range = if range.start < end { range.clone() } else { end..end };
        let message = report.message().lines().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned();
        return ExpressionError { message: lower_first(&message), range: Some((at(range.start), at(range.end))) };
    }
    let messages: Vec<String> = locate_tera_error(error, &|_| None).into_iter().map(|(message, _)| message).collect();
    ExpressionError { message: lower_first(&messages.join("; ")), range: None }
}

/// Compiles the expressions of all routes. Filters that insert text are those of templates; functions there are none.
pub(super) fn compile(routes: &mut [Route], text: &str, problems: &mut Vec<Diagnostic>) -> Expressions {
    let mut compiler = Compiler { tera: engine(), problems, text };
    let compiled = routes.iter().map(|route| compiler.route(route)).collect();
    Expressions { tera: compiler.tera, routes: compiled }
}

fn engine() -> Tera {
    let mut tera = Tera::default();
    tera.autoescape_on([SUFFIX]);
    tera.set_escape_fn(mark);
    super::filters::register(&mut tera);
    tera.register_filter("inserted", inserted);
    tera
}

/// What a path inserts, as it is; a list or an object is no text.
fn inserted(value: Value, _: Kwargs, _: &State) -> TeraResult<Value> {
    if value.is_array() || value.is_map() {
        return Err(Error::message(
            "a list or an object is no text for a path: insert one of it, such as `tags | first`",
        ));
    }
    Ok(value)
}

struct Compiler<'a> {
    tera: Tera,
    problems: &'a mut Vec<Diagnostic>,
    text: &'a str,
}

impl Compiler<'_> {
    fn route(&mut self, route: &Route) -> RouteExpressions {
        let path = self.parts(route, "path", &route.path);
        let pages = route.pages.as_ref().map(|pages| self.parts(route, "pages", pages));
        let filter = route
            .filter
            .as_ref()
            .and_then(|filter| self.expression(route, "where", filter.clone(), 0, ("{% if ", " %}1{% endif %}")));
        let variables = route.variables.iter().map(|variable| self.variable(route, "variables", variable)).collect();
        let for_each = route
            .for_each
            .iter()
            .flat_map(|for_each| &for_each.variables)
            .map(|variable| self.variable(route, "for_each.variables", variable))
            .collect();
        let mut compiled = RouteExpressions { path, pages, filter, variables, for_each, ..RouteExpressions::default() };
        compiled.fields = self.fields(&compiled);
        compiled.uses_locale = compiled.variables.iter().any(|(_, value)| self.uses(value, "locale"));
        compiled
    }

    /// Splits a text into literals and `{{ expressions }}`.
    fn parts(&mut self, route: &Route, key: &str, value: &str) -> Vec<PathPart> {
        // Variables may be lists; a path of one would be its print.
        let around = if matches!(key, "path" | "pages") { ("{{(", ")|inserted}}") } else { ("{{", "}}") };
        let mut parts = Vec::new();
        let mut rest = 0;
        while let Some(open) = value[rest..].find("{{").map(|at| rest + at) {
            let Some(close) = value[open..].find("}}").map(|at| open + at) else {
                self.problems.push(
                    Diagnostic::error(codes::ROUTE_EXPRESSION, "`{{` has no `}}`").at(route.places.inside(
                        self.text,
                        key,
                        open,
                        open + 2,
                    )),
                );
                return parts;
            };
            if open > rest {
                parts.push(PathPart::Literal(value[rest..open].to_owned()));
            }
            let inner = &value[open + 2..close];
            if let Some(expression) = self.expression(route, key, inner.to_owned(), open + 2, around) {
                parts.push(PathPart::Expression(expression));
            }
            rest = close + 2;
        }
        if rest < value.len() {
            parts.push(PathPart::Literal(value[rest..].to_owned()));
        }
        if let Some(at) = value.find("{%") {
            self.problems.push(
                Diagnostic::error(codes::ROUTE_EXPRESSION, "a route takes `{{ expressions }}`, no `{% blocks %}`")
                    .at(route.places.inside(self.text, key, at, at + 2)),
            );
        }
        parts
    }

    fn expression(
        &mut self,
        route: &Route,
        key: &str,
        text: String,
        start: usize,
        (before, after): (&str, &str),
    ) -> Option<Expression> {
        let template = format!("route[{}].{key}@{start}{SUFFIX}", route.index);
        let expression = Expression { template, key: key.to_owned(), start, prefix: before.len(), text };
        // Alone first: what stands around it is ours, and so would be the tokens that a message names.
        let bare = Expression { prefix: 2, ..expression.clone() };
        let alone = if before == "{{(" { format!("{{{{{}}}}}", expression.text) } else { String::new() };
        let source = format!("{before}{}{after}", expression.text);
        let added = self.tera.add_raw_template(&expression.template, &alone).map_err(|error| failed(&error, &bare));
        let added = added.and_then(|()| {
            self.tera.add_raw_template(&expression.template, &source).map_err(|error| failed(&error, &expression))
        });
        if let Err(failed) = added {
            let (from, to) = failed.range.unwrap_or((start, start + expression.text.len()));
            self.problems.push(
                Diagnostic::error(codes::ROUTE_EXPRESSION, failed.message)
                    .at(route.places.inside(self.text, key, from, to)),
            );
            return None;
        }
        Some(expression)
    }

    fn variable(&mut self, route: &Route, table: &str, variable: &VariableText) -> (String, VariableValue) {
        let key = format!("{table}.{}", variable.name);
        (variable.name.clone(), self.value(route, &key, &variable.value))
    }

    fn value(&mut self, route: &Route, key: &str, value: &serde_json::Value) -> VariableValue {
        match value {
            serde_json::Value::String(text) if text.contains("{{") => VariableValue::Text(self.parts(route, key, text)),
            serde_json::Value::Array(items) => VariableValue::List(
                items.iter().enumerate().map(|(at, item)| self.value(route, &format!("{key}.{at}"), item)).collect(),
            ),
            serde_json::Value::Object(members) => VariableValue::Map(
                members
                    .iter()
                    .map(|(name, member)| (name.clone(), self.value(route, &format!("{key}.{name}"), member)))
                    .collect(),
            ),
            other => VariableValue::Literal(other.clone()),
        }
    }

    fn names(&self, expression: &Expression) -> BTreeSet<String> {
        self.tera
            .get_template_variables(&expression.template)
            .map(|names| names.into_iter().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    fn fields(&self, compiled: &RouteExpressions) -> Option<BTreeSet<String>> {
        let in_paths = compiled.path.iter().chain(compiled.pages.iter().flatten()).filter_map(|part| match part {
            PathPart::Expression(expression) => Some(expression),
            PathPart::Literal(_) => None,
        });
        let names: BTreeSet<String> =
            in_paths.chain(compiled.filter.as_ref()).flat_map(|expression| self.names(expression)).collect();
        (!names.contains("item")).then_some(names)
    }

    fn uses(&self, value: &VariableValue, name: &str) -> bool {
        match value {
            VariableValue::Literal(_) => false,
            VariableValue::Text(parts) => parts
                .iter()
                .any(|part| matches!(part, PathPart::Expression(expression) if self.names(expression).contains(name))),
            VariableValue::List(items) => items.iter().any(|item| self.uses(item, name)),
            VariableValue::Map(members) => members.iter().any(|(_, member)| self.uses(member, name)),
        }
    }
}

/// Top-level names in paths and `where` that the query does not select.
pub(super) fn check_names(
    routes: &[Route],
    expressions: &Expressions,
    text: &str,
    queries: &Queries,
    problems: &mut Vec<Diagnostic>,
) {
    for route in routes {
        let Some(root) = route
            .query
            .as_deref()
            .and_then(|name| queries.get(name))
            .and_then(|query| query.items_root(route.from.as_deref()))
            .filter(|_| route.kind != super::Kind::Page)
        else {
            continue;
        };
        let compiled = expressions.route(route.index);
        let mut used: BTreeMap<String, &Expression> = BTreeMap::new();
        let in_paths = compiled.path.iter().chain(compiled.pages.iter().flatten()).filter_map(|part| match part {
            PathPart::Expression(expression) => Some(expression),
            PathPart::Literal(_) => None,
        });
        for expression in in_paths.chain(compiled.filter.as_ref()) {
            let names = expressions.tera.get_template_variables(&expression.template).unwrap_or_default();
            used.extend(names.into_iter().map(|name| (name.to_owned(), expression)));
        }
        for (name, expression) in used {
            let of_list = route.kind == super::Kind::List && expression.key != "where";
            let known = if of_list { OF_LIST.contains(&name.as_str()) } else { root.fields.contains(&name) };
            if known || (!of_list && RESERVED.contains(&name.as_str())) {
                continue;
            }
            let at = expression.text.find(&name).unwrap_or(0);
            let start = expression.start + at;
            let place = route.places.inside(text, &expression.key, start, start + name.len());
            let problem = if of_list { not_of_list(&name) } else { unselected(route, root, &name) };
            problems.push(problem.at(place));
        }
        // `sort` and `group_by` begin with a field, too.
        let sorted = route.sort.as_deref().and_then(|sort| crate::text::order::parse(sort).ok()).unwrap_or_default();
        let sorted = sorted.iter().filter_map(|key| Some(("sort", key.path.first()?.as_str())));
        let grouped = route.group_by.as_deref().and_then(|path| path.split('.').next()).map(|name| ("group_by", name));
        for (key, name) in sorted.chain(grouped) {
            if !root.fields.iter().any(|field| field == name) {
                problems.push(unselected(route, root, name).at(route.places.place(text, key)));
            }
        }
    }
}

fn not_of_list(name: &str) -> Diagnostic {
    Diagnostic::error(
        codes::ROUTE_EXPRESSION,
        format!("the path of a list cannot read `{name}`, which belongs to one item"),
    )
    .help("use `group` with `group_by`, or make it an `each` route")
}

fn unselected(route: &Route, root: &super::Root, name: &str) -> Diagnostic {
    let query = route.query.as_deref().unwrap_or_default();
    let message = format!("the route reads `{name}`, query `{query}` does not select it");
    let problem = Diagnostic::error(codes::ROUTE_EXPRESSION, message);
    match nearest(name, root.fields.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("the fields there are: {}", root.fields.join(", "))),
    }
}

/// The tera value of `[site]`, as expressions and templates see it.
pub fn site_value(site: &super::SiteSettings) -> Value {
    Value::from_serializable(&serde_json::json!({
        "title": site.title,
        "base_url": site.base_url.as_ref().map(|url| url.as_str().trim_end_matches('/')),
        "locales": site.locales,
        "params": site.params,
    }))
}
