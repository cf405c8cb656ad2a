//! Reads the site directory into one immutable [`Site`]: configuration, routes, query files, templates, static files.
//!
//! Every problem of the directory is collected and told in one run. Nothing here sends requests, and nothing is mutated after
//! [`load`] has returned.

mod access;
mod asked;
mod closure;
mod config;
mod expression;
pub mod filters;
mod item_fields;
mod listen;
mod query;
mod query_syntax;
mod route;
mod selection;
mod static_files;
mod template;
mod toml_tree;
pub mod vocabulary;

use std::path::{Path, PathBuf};

pub use access::{Aem, Assets, Cache, Freshness, HeaderSource, QueriesMode};
pub use asked::{Asked, AskedField, Presence};
pub use config::{Build, CommitBy, Config, LocalePrefix, OnError, Overrides, SiteSettings};
pub use expression::{
    Escape, Expression, ExpressionError, Expressions, PathPart, RouteExpressions, VariableValue, site_value,
};
pub use listen::{Deploy, Listen, Network};
pub use query::{Queries, Query, QueryPart, Variable};
pub use route::{ForEach, Kind, Route, RoutePlaces, VariableText};
pub use selection::{Paging, Root, Shape};
pub use static_files::{StaticFile, StaticFiles};
pub use template::{Templates, locate_tera_error, lower_first, nearest};

use crate::report::{Diagnostic, Place, codes};

/// The name of the configuration file.
pub const CONFIG_FILE: &str = "aem-static.toml";

/// One site directory, read and checked.
#[derive(Debug)]
pub struct Site {
    /// The site directory.
    pub dir: PathBuf,
    /// aem-static.toml with everything that overrides it.
    pub config: Config,
    /// The routes, in the order of the file.
    pub routes: Vec<Route>,
    /// content-queries/
    pub queries: Queries,
    /// templates/
    pub templates: Templates,
    /// static/
    pub static_files: StaticFiles,
    /// What routes compute: paths, `where`, variables.
    pub expressions: Expressions,
    /// The text of aem-static.toml, for places.
    pub config_text: String,
    /// Things to mention that do not stop a build.
    pub warnings: Vec<Diagnostic>,
}

impl Site {
    /// `out/`, or the folder the configuration names instead.
    pub fn out_dir(&self) -> PathBuf {
        self.dir.join(&self.config.build.out)
    }

    /// Where `route` begins in aem-static.toml.
    pub fn route_place(&self, route: &Route) -> Place {
        route.places.place(&self.config_text, "path")
    }

    /// The locales a route without locale and a route with locales run in: `[None]` or `[Some(0), Some(1), …]`.
    pub fn locale_code(&self, locale: Option<u16>) -> Option<&str> {
        locale.map(|index| self.config.site.locales[usize::from(index)].as_str())
    }
}

/// Reads the site in `dir`.
///
/// # Errors
/// Every problem found, errors and warnings, ordered by file and line.
pub fn load(dir: &Path, overrides: &Overrides) -> Result<Site, Vec<Diagnostic>> {
    load_where(dir, overrides, |_| true)
}

/// Reads the site in `dir` as far as AEM is asked: problems of templates are left for a build to tell.
///
/// # Errors
/// Every other problem found, errors and warnings, ordered by file and line.
pub fn load_to_ask(dir: &Path, overrides: &Overrides) -> Result<Site, Vec<Diagnostic>> {
    load_where(dir, overrides, |problem| !problem.code.id.starts_with("E03"))
}

/// Reads the site in `dir` as far as its configuration and its queries go: problems of routes and templates are left for a build
/// to tell, so that queries can be fetched before the first of them is there.
///
/// # Errors
/// Every other problem found, errors and warnings, ordered by file and line.
pub fn load_queries(dir: &Path, overrides: &Overrides) -> Result<Site, Vec<Diagnostic>> {
    // E0202, E0204 and E0205 are about query files themselves, the others about routes that use them.
    load_where(dir, overrides, |problem| {
        problem.code.id.starts_with("E01")
            || [codes::QUERY_SYNTAX, codes::DUPLICATE_QUERY, codes::UNKNOWN_FRAGMENT].contains(&problem.code)
    })
}

fn load_where(
    dir: &Path,
    overrides: &Overrides,
    matters: impl Fn(&Diagnostic) -> bool,
) -> Result<Site, Vec<Diagnostic>> {
    let config_path = dir.join(CONFIG_FILE);
    let config_text = match std::fs::read_to_string(&config_path) {
        Ok(text) => text,
        Err(error) => return Err(vec![no_site(dir, &error)]),
    };
    let mut problems = Vec::new();
    let (config, mut routes) = match config::read(&config_text, overrides, &mut problems) {
        Some(read) => read,
        None => return Err(problems),
    };
    let queries = query::load(dir, &mut problems);
    access::check_cache(&config.aem, &queries, &mut problems);
    let templates = template::load(dir, &mut problems);
    let static_files = static_files::load(dir, &mut problems);
    route::check(&mut routes, &config_text, &queries, &templates, &mut problems);
    let expressions = expression::compile(&mut routes, &config_text, &mut problems);
    expression::check_names(&routes, &expressions, &config_text, &queries, &mut problems);
    check_out(dir, &config, &config_text, &mut problems);
    problems.retain(matters);
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    let (errors, warnings): (Vec<_>, Vec<_>) = problems.into_iter().partition(Diagnostic::is_error);
    if errors.is_empty() {
        let dir = dir.to_path_buf();
        return Ok(Site { dir, config, routes, queries, templates, static_files, expressions, config_text, warnings });
    }
    Err(warnings.into_iter().chain(errors).collect())
}

/// `out/` may be anywhere but at or above the site directory, or in a folder of the site's own: those files would be among the
/// ones that a build may remove.
fn check_out(dir: &Path, config: &Config, text: &str, problems: &mut Vec<Diagnostic>) {
    let out = dir.join(&config.build.out);
    let mut existing = out.as_path();
    // The folder may not exist yet; its parents decide where it is.
    let mut rest = PathBuf::new();
    let real = loop {
        match (existing.canonicalize(), existing.parent(), existing.file_name()) {
            (Ok(real), ..) => break real.join(&rest),
            (Err(_), Some(parent), Some(name)) => {
                rest = Path::new(name).join(&rest);
                existing = parent;
            }
            _ => return,
        }
    };
    let Ok(site) = dir.canonicalize() else { return };
    let ours = ["content-queries", "templates", "static", "content", ".aem-static"];
    let inside = ours.iter().find(|folder| real.starts_with(site.join(folder)));
    if let Some(folder) = inside {
        let message = format!("`build.out` lies in {folder}/, whose files are the site's own");
        problems.push(
            Diagnostic::error(codes::CONFIG_VALUE, message)
                .at_opt(out_place(config, text))
                .help("name a folder of its own, such as \"out\""),
        );
    }
    if site.starts_with(&real) {
        problems.push(
            Diagnostic::error(
                codes::CONFIG_VALUE,
                format!("`build.out` is the site directory or above it: {}", real.display()),
            )
            .at_opt(out_place(config, text))
            .help("name a folder of its own, such as \"out\""),
        );
    }
}

fn out_place(config: &Config, text: &str) -> Option<Place> {
    let quoted = format!("\"{}\"", config.build.out);
    text.find(&quoted).map(|at| Place::in_text(CONFIG_FILE, text, at, at + quoted.len()))
}

fn no_site(dir: &Path, error: &std::io::Error) -> Diagnostic {
    if error.kind() == std::io::ErrorKind::NotFound {
        Diagnostic::error(codes::NO_SITE, format!("there is no {CONFIG_FILE} in {}", dir.display()))
            .help("run the command in the site directory, name it with `-C DIR`, or write a starter site with `aem-static init`")
    } else {
        Diagnostic::error(codes::NO_SITE, format!("{CONFIG_FILE} cannot be read: {error}"))
    }
}

/// Reads a file of the site as UTF-8 text; a problem is told and the file passed over.
fn read_text(dir: &Path, file: &str, problems: &mut Vec<Diagnostic>) -> Option<String> {
    match std::fs::read_to_string(dir.join(file)) {
        Ok(text) => Some(text),
        Err(error) => {
            problems.push(
                Diagnostic::error(codes::CONFIG_VALUE, format!("{file} cannot be read: {error}")).at(Place::file(file)),
            );
            None
        }
    }
}

/// Whether names that begin with a dot count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dotted {
    /// They are an editor's, or the system's; so are those that end in a tilde.
    Skip,
    /// They are files like others: `.well-known/`, `.nojekyll`.
    Take,
}

/// The files below `dir/folder`, as paths relative to `dir` with `/`, sorted. A folder that cannot be read is told, since its
/// files would otherwise be taken as gone; one that is not there has none.
fn files_below(dir: &Path, folder: &str, dotted: Dotted, problems: &mut Vec<Diagnostic>) -> Vec<String> {
    // A name that ends in a tilde is an editor's copy, there for as long as it saves.
    let is_editors = |name: &str| name.starts_with('.') || name.ends_with('~');
    let is_taken = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || dotted == Dotted::Take || !is_editors(&entry.file_name().to_string_lossy())
    };
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(dir.join(folder)).follow_links(true).into_iter().filter_entry(is_taken) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.extend(relative(dir, entry.path())),
            Ok(_) => {}
            Err(error) if error.depth() == 0 && !dir.join(folder).exists() => {}
            Err(error) => {
                let file = error.path().and_then(|path| relative(dir, path)).unwrap_or_else(|| folder.to_owned());
                problems.push(
                    Diagnostic::error(codes::CONFIG_VALUE, format!("{file} cannot be read: {error}"))
                        .at(Place::file(file)),
                );
            }
        }
    }
    files.sort();
    files
}

fn relative(dir: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(dir).ok()?;
    Some(below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    #[test]
    fn static_files_that_begin_with_a_dot_are_files() {
        let site = tempfile::tempdir().unwrap();
        for file in ["static/.well-known/security.txt", "static/.nojekyll", "static/a.css"] {
            std::fs::create_dir_all(site.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(site.path().join(file), "x").unwrap();
        }
        let mut problems = Vec::new();
        let files = files_below(site.path(), "static", Dotted::Take, &mut problems);
        assert_eq!(files, ["static/.nojekyll", "static/.well-known/security.txt", "static/a.css"]);
        assert_eq!(files_below(site.path(), "static", Dotted::Skip, &mut problems), ["static/a.css"]);
        assert_eq!(files_below(site.path(), "templates", Dotted::Skip, &mut problems), [""; 0]);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_told() {
        let site = tempfile::tempdir().unwrap();
        std::fs::create_dir(site.path().join("static")).unwrap();
        std::os::unix::fs::symlink("/no/such/file", site.path().join("static/logo.svg")).unwrap();
        let mut problems = Vec::new();
        assert!(files_below(site.path(), "static", Dotted::Take, &mut problems).is_empty());
        assert!(problems[0].message.contains("static/logo.svg cannot be read"), "{problems:?}");
    }
}
