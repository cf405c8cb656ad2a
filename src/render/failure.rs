//! A failed render as a diagnostic: which template, where, what it read, which fragment, what to do.

use tera::ErrorKind;

use super::{Content, Unavailable, World};
use crate::report::{Diagnostic, Place, codes};
use crate::shape::Page;
use crate::site::{Query, locate_tera_error, lower_first, nearest};

/// Describes `error`; `failure` is what one of our functions said about itself.
pub(super) fn describe(
    world: &World,
    page: &Page,
    content: &Content,
    error: &tera::Error,
    failure: Option<Unavailable>,
) -> Diagnostic {
    let lookup = |name: &str| Some((format!("templates/{name}"), world.site.templates.source(name)?.to_owned()));
    let located = locate_tera_error(error, &lookup);
    let (message, place) = located.into_iter().next().unwrap_or_else(|| (error.to_string(), None));
    let mut diagnostic = match failure {
        Some(failure) => {
            let diagnostic = Diagnostic::error(failure.code, failure.message);
            match failure.help {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            }
        }
        None => from_message(world, page, error, &message),
    };
    if diagnostic.place.is_none() {
        diagnostic = diagnostic.at_opt(place);
    }
    match &content.fragment {
        Some(fragment) => diagnostic.fragment(fragment),
        None => diagnostic.note("page", world.pages.path(page)),
    }
}

fn from_message(world: &World, page: &Page, error: &tera::Error, message: &str) -> Diagnostic {
    let name = message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("Field `") && message.contains("is not defined") {
        return match available(message) {
            Some(fields) => undefined_field(world, page, name, &fields),
            None => through_null(world, error, name),
        };
    }
    if message.starts_with("Variable `") && message.contains("is not defined") {
        let known = available(message).unwrap_or_default();
        let mut diagnostic = Diagnostic::error(codes::UNDEFINED_FIELD, format!("`{name}` is not defined here"));
        diagnostic.notes.push(("there are", known.join(", ")));
        return match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic,
        };
    }
    if (message.contains("but got `undefined`") || message.contains("on type `undefined`"))
        && let Some((path, place)) = path_at(world, error)
    {
        let field = path.rsplit('.').next().unwrap_or(&path).trim_end_matches('?').to_owned();
        let mut diagnostic =
            match root_of(world, page).filter(|_| path.starts_with("item.") && path.matches('.').count() == 1) {
                Some((query, fields)) => unselected(query, &fields, &field),
                None => Diagnostic::error(codes::UNDEFINED_FIELD, format!("`{path}` is not defined")),
            };
        diagnostic.place = Some(place);
        return diagnostic;
    }
    let diagnostic = Diagnostic::error(codes::TEMPLATE_RENDER, lower_first(message));
    if message.contains("`none`") {
        return diagnostic
            .help("null is normal in AEM: put `| default(value=\"\")` before it, or guard it with `{% if %}`");
    }
    diagnostic
}

fn available(message: &str) -> Option<Vec<String>> {
    let (_, list) = message.split_once("Available fields: ").or_else(|| message.split_once("Available variables: "))?;
    Some(list.split(", ").map(|name| name.trim().to_owned()).collect())
}

fn undefined_field(world: &World, page: &Page, name: &str, fields: &[String]) -> Diagnostic {
    if let Some((query, selected)) = root_of(world, page) {
        let mut sorted = selected.clone();
        sorted.sort();
        if sorted == fields {
            return unselected(query, &selected, name);
        }
    }
    let diagnostic = Diagnostic::error(codes::UNDEFINED_FIELD, format!("`{name}` is not defined here"))
        .note("fields there are", fields.join(", "));
    match nearest(name, fields.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("add it to the selection of the query"),
    }
}

/// A field of the item that the query does not select.
fn unselected(query: &Query, selected: &[String], name: &str) -> Diagnostic {
    let message = format!("template reads `{name}`, query `{}` does not select it", query.name);
    let at = query.items_root(None).or(query.roots.first()).map(|root| query.place_in_sent(root.items_at));
    let add = match at {
        Some(Place { file, line, .. }) => format!("add `{name}` to the selection in {file}:{line}"),
        None => format!("add `{name}` to the selection in {}", query.file),
    };
    let help = match nearest(name, selected.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? or {add}"),
        None => add,
    };
    Diagnostic::error(codes::UNDEFINED_FIELD, message).note("fields there are", selected.join(", ")).help(help)
}

/// The query of the page's route and the fields of its items.
fn root_of<'a>(world: &'a World, page: &Page) -> Option<(&'a Query, Vec<String>)> {
    let route = &world.site.routes[page.route as usize];
    let query = world.site.queries.get(route.query.as_deref()?)?;
    let root = query.items_root(route.from.as_deref())?;
    Some((query, root.fields.clone()))
}

/// `item.author.name` where `item.author` is null.
fn through_null(world: &World, error: &tera::Error, name: &str) -> Diagnostic {
    let base = match error.kind() {
        ErrorKind::RenderingError(report) => {
            let source = world.site.templates.source(report.filename()).unwrap_or_default();
            let before = source.get(..report.span().range.start).unwrap_or_default().trim_end();
            let before = before.strip_suffix('.').unwrap_or(before);
            let start = before
                .rfind(|c: char| !(c.is_alphanumeric() || "_.?[]\"'".contains(c)))
                .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
            before[start..].to_owned()
        }
        _ => String::new(),
    };
    if base.is_empty() {
        return Diagnostic::error(codes::UNDEFINED_FIELD, format!("`{name}` is read through null"));
    }
    Diagnostic::error(codes::UNDEFINED_FIELD, format!("`{base}` is null, so it has no `{name}`"))
        .help(format!("write `{base}?.{name} | default(value=\"\")`, or guard it with `{{% if {base} %}}`"))
}

/// The dotted path at the error's span, with its place.
fn path_at(world: &World, error: &tera::Error) -> Option<(String, Place)> {
    let ErrorKind::RenderingError(report) = error.kind() else {
        return None;
    };
    let source = world.site.templates.source(report.filename())?;
    let start = report.span().range.start;
    let path: String = source.get(start..)?.chars().take_while(|c| c.is_alphanumeric() || "_.?".contains(*c)).collect();
    let place = Place::in_text(format!("templates/{}", report.filename()), source, start, start + path.len());
    (!path.is_empty()).then_some((path, place))
}
