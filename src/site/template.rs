//! templates/: read, checked for syntax, names and forbidden things. Rendering them is the `render` room's.

use std::collections::BTreeMap;
use std::path::Path;

use tera::{ErrorKind, Kwargs, State, Tera, Value};

use super::vocabulary::{ESCAPED_SUFFIXES, FILTERS, FUNCTIONS, PLAIN_SUFFIXES};
use super::{Dotted, files_below, read_text};
use crate::report::{Diagnostic, Place, codes};

/// All templates, by name: the path below templates/.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    sources: BTreeMap<String, String>,
    broken: Vec<String>,
}

impl Templates {
    /// Whether there is a file of this name, readable or not.
    pub fn contains(&self, name: &str) -> bool {
        self.sources.contains_key(name) || self.broken.iter().any(|broken| broken == name)
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// (name, source) of every template.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().map(|(name, source)| (name.as_str(), source.as_str()))
    }

    /// The source of one template.
    pub fn source(&self, name: &str) -> Option<&str> {
        self.sources.get(name).map(String::as_str)
    }

    /// The queries that templates name literally: `query(name="…")`. They are asked for before rendering; a computed name is
    /// found while rendering and costs a second render of that page.
    pub fn literal_queries(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.sources.values().flat_map(|source| literal_queries(source)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    #[cfg(test)]
    pub(super) fn add(&mut self, name: &str, source: &str) {
        self.sources.insert(name.to_owned(), source.to_owned());
    }

    /// An engine with every template, escaping by suffix; names are registered as stand-ins, to be replaced by the caller.
    ///
    /// # Errors
    /// None for templates that came out of [`super::load`].
    pub fn engine(&self) -> Result<Tera, tera::Error> {
        let mut tera = stand_ins();
        tera.add_raw_templates(self.iter())?;
        Ok(tera)
    }
}

fn literal_queries(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in source.match_indices("query(") {
        let inner = source[at + "query(".len()..].trim_start();
        let Some(value) = inner.strip_prefix("name").map(str::trim_start).and_then(|rest| rest.strip_prefix('='))
        else {
            continue;
        };
        let value = value.trim_start();
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else {
            continue;
        };
        if let Some(end) = value[1..].find(quote) {
            names.push(&value[1..=end]);
        }
    }
    names
}

/// Tera with stand-ins for our functions and filters, so that names are checked when templates are added.
fn stand_ins() -> Tera {
    let mut tera = Tera::default();
    tera.autoescape_on(ESCAPED_SUFFIXES.iter().copied());
    for name in FUNCTIONS {
        tera.register_function(*name, |_: Kwargs, _: &State| Value::none());
    }
    for name in FILTERS {
        tera.register_filter(*name, |value: Value, _: Kwargs, _: &State| value);
    }
    tera
}

/// Reads templates/.
pub(super) fn load(dir: &Path, problems: &mut Vec<Diagnostic>) -> Templates {
    let mut templates = Templates::default();
    for file in files_below(dir, "templates", Dotted::Skip, problems) {
        let name = file["templates/".len()..].to_owned();
        if !ESCAPED_SUFFIXES.iter().chain(PLAIN_SUFFIXES).any(|suffix| name.ends_with(suffix)) {
            problems.push(
                Diagnostic::error(codes::TEMPLATE_SUFFIX, format!("the suffix of `{name}` has no escaping rule"))
                    .at(Place::file(&file))
                    .help(format!(
                        "use one of {}, or move the file to static/",
                        [ESCAPED_SUFFIXES, PLAIN_SUFFIXES].concat().join(" ")
                    )),
            );
            templates.broken.push(name);
            continue;
        }
        match read_text(dir, &file, problems) {
            Some(source) => {
                check_forbidden(&file, &source, problems);
                templates.sources.insert(name, source);
            }
            None => templates.broken.push(name),
        }
    }
    check_syntax(&mut templates, problems);
    templates
}

/// Each template alone for its syntax, then all together for names, parents and includes.
fn check_syntax(templates: &mut Templates, problems: &mut Vec<Diagnostic>) {
    let mut together: BTreeMap<&str, &str> = BTreeMap::new();
    let mut broken = Vec::new();
    for (name, source) in &templates.sources {
        let error = stand_ins().add_raw_template(name, source).err();
        match error.as_ref().map(tera::Error::kind) {
            Some(ErrorKind::SyntaxError(_)) => {
                problems.extend(error.iter().flat_map(|error| describe(error, &templates.sources)));
                broken.push(name.clone());
            }
            _ => {
                together.insert(name, source);
            }
        }
    }
    // A broken template leaves an empty one behind, so that those that extend or include it are checked too.
    let all =
        together.iter().map(|(name, source)| (*name, *source)).chain(broken.iter().map(|name| (name.as_str(), "")));
    if let Err(error) = stand_ins().add_raw_templates(all) {
        problems.extend(describe(&error, &templates.sources));
    }
    for name in broken {
        templates.sources.remove(&name);
        templates.broken.push(name);
    }
}

fn check_forbidden(file: &str, source: &str, problems: &mut Vec<Diagnostic>) {
    if let Some(at) = source.find("__tera_context") {
        problems.push(
            Diagnostic::error(codes::FORBIDDEN_IN_TEMPLATE, "`__tera_context` prints in random order")
                .at(Place::in_text(file, source, at, at + "__tera_context".len()))
                .help("`{{ dump() }}` shows the context in preview"),
        );
    }
}

/// Everything that Tera found wrong while adding templates.
fn describe(error: &tera::Error, sources: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    let code_of = |message: &str| {
        if message.starts_with("Unknown template") { codes::MISSING_TEMPLATE } else { codes::TEMPLATE_SYNTAX }
    };
    match error.kind() {
        ErrorKind::MissingParent { current, parent } => {
            let source = sources.get(current).map_or("", String::as_str);
            let at = source.find(parent.as_str()).unwrap_or(0);
            let mut problem = Diagnostic::error(codes::MISSING_TEMPLATE, format!("there is no template `{parent}`"))
                .at(Place::in_text(format!("templates/{current}"), source, at, at + parent.len()));
            if let Some(near) = nearest(parent, sources.keys().map(String::as_str)) {
                problem = problem.help(format!("did you mean `{near}`?"));
            }
            vec![problem]
        }
        _ => locate_tera_error(error, &|name| Some((format!("templates/{name}"), sources.get(name)?.clone())))
            .into_iter()
            .map(|(message, place)| {
                let mut problem = Diagnostic::error(code_of(&message), lower_first(&message)).at_opt(place);
                let unknown = message.split('`').nth(1).unwrap_or_default();
                let candidates: Vec<&str> = if message.starts_with("Unknown filter") {
                    FILTERS.iter().copied().chain(TERA_FILTERS.iter().copied()).collect()
                } else if message.starts_with("Unknown function") {
                    FUNCTIONS.iter().copied().chain(["range", "throw"]).collect()
                } else {
                    sources.keys().map(String::as_str).collect()
                };
                if unknown == "now" {
                    problem.code = codes::FORBIDDEN_IN_TEMPLATE;
                    problem = problem.help("there is no `now`: a build's bytes do not depend on its time");
                } else if let Some(near) = nearest(unknown, candidates) {
                    problem = problem.help(format!("did you mean `{near}`?"));
                }
                problem
            })
            .collect(),
    }
}

/// Tera's own filters, for "did you mean".
const TERA_FILTERS: &[&str] = &[
    "safe",
    "upper",
    "lower",
    "wordcount",
    "escape",
    "escape_html",
    "escape_xml",
    "newlines_to_br",
    "pluralize",
    "trim",
    "trim_start",
    "trim_end",
    "replace",
    "capitalize",
    "title",
    "truncate",
    "indent",
    "str",
    "int",
    "float",
    "length",
    "reverse",
    "split",
    "abs",
    "round",
    "first",
    "last",
    "nth",
    "join",
    "sort",
    "unique",
    "get",
    "values",
    "keys",
    "pairs",
    "group_by",
];

/// The messages of a Tera error with their places. `lookup` gives (file, text) for a template name.
///
/// Tera reports syntax and render errors as data, but unknown names as text that it has drawn already; both forms are read.
pub fn locate_tera_error(
    error: &tera::Error,
    lookup: &dyn Fn(&str) -> Option<(String, String)>,
) -> Vec<(String, Option<Place>)> {
    match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            let span = report.span();
            let place = lookup(report.filename())
                .map(|(file, text)| Place::in_text(file, &text, span.range.start, span.range.end));
            vec![(one_line(report.message()), place)]
        }
        ErrorKind::Msg(drawn) if drawn.contains("--> ") => drawn
            .split("error: ")
            .filter_map(|part| {
                // As far to the right as the line's number is long.
                let (message, rest) = part.split_once("--> ")?;
                let at = rest.lines().next()?;
                let mut fields = at.rsplitn(3, ':');
                let column: usize = fields.next()?.trim().parse().ok()?;
                let line: usize = fields.next()?.parse().ok()?;
                let length = message.split('`').nth(1).map_or(1, |name| name.chars().count());
                let place = lookup(fields.next()?).map(|(file, text)| Place::at(file, &text, line, column, length));
                Some((one_line(message.trim_end()), place))
            })
            .collect(),
        other => vec![(one_line(&other.to_string()), None)],
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

/// Messages begin lower-case; names in them keep their case.
pub fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match (chars.next(), message.chars().nth(1)) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}

/// The nearest of some names, if one is near enough to be meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= limit || (name.len() > 3 && candidate.starts_with(name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
