//! Checks the starter site (configuration, routes, queries, templates) and packs it into the binary for `init`.
//!
//! A mistake in it fails the build with `file:line: message`, all mistakes at once, so that what `init` writes is never
//! broken in a way a machine can see. The full rules are the library's (`site/`), which a build script cannot use: this is
//! a second, smaller reading of the same files. It writes nothing but `$OUT_DIR/starter.rs`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use apollo_compiler::ast;
use tera::{Error, ErrorKind, Kwargs, State, Tera, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use walkdir::WalkDir;

const CONFIG: &str = "aem-static.toml";
const FOLDERS: [&str; 4] = ["content", "content-queries", "static", "templates"];
/// Functions and filters beyond Tera's own (design.md §5): Tera asks for them when a template is loaded.
const FUNCTIONS: [&str; 6] = ["query", "url_for", "image", "asset", "static_url", "dump"];
const FILTERS: [&str; 9] =
    ["rich_text", "slugify", "date", "urlencode", "plain_text", "json", "markdown", "absolute_url", "default"];
/// The packed site's own, not the repository's.
const IGNORE: &str = "/out/\n/.out.staging/\n/.aem-static/\n/.env\n";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={CONFIG}");
    // A path that is not there would run this script in every build.
    for folder in FOLDERS.iter().filter(|folder| root.join(folder).exists()) {
        println!("cargo::rerun-if-changed={folder}");
    }
    let mut starter = Starter { root, files: BTreeMap::new(), mistakes: Vec::new() };
    starter.read_tree();
    let queries = starter.check_queries();
    let templates = starter.check_templates();
    starter.check_routes(&queries, &templates);
    starter.mistakes.sort();
    for mistake in &starter.mistakes {
        println!("cargo::error={}", mistake.replace('\n', " "));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("starter.rs"), starter.packed())
}

/// The starter site as it lies at the repository root.
struct Starter {
    root: PathBuf,
    /// Relative path with `/` → absolute path, of every file.
    files: BTreeMap<String, PathBuf>,
    /// `file:line: message`.
    mistakes: Vec<String>,
}

impl Starter {
    fn mistake(&mut self, file: &str, line: usize, message: impl std::fmt::Display) {
        self.mistakes.push(format!("{file}:{line}: {message}"));
    }

    fn read_tree(&mut self) {
        let config = self.root.join(CONFIG);
        if config.is_file() {
            self.files.insert(CONFIG.to_owned(), config);
        }
        for folder in FOLDERS.map(|folder| self.root.join(folder)) {
            let hidden = |name: &str| name.starts_with('.') || name.ends_with('~');
            let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
            for entry in walk.filter_entry(|entry| !entry.file_name().to_str().is_some_and(hidden)).flatten() {
                let name = entry.path().strip_prefix(&self.root).ok().and_then(Path::to_str);
                match name.map(|name| name.replace('\\', "/")) {
                    Some(name) if entry.file_type().is_file() => {
                        self.files.insert(name, entry.path().to_path_buf());
                    }
                    Some(_) => (),
                    None => self.mistake(&entry.path().to_string_lossy(), 1, "the name is not Unicode text"),
                }
            }
        }
    }

    /// (path, text) of the files below a folder that satisfy `wanted`.
    fn texts(&mut self, folder: &str, wanted: fn(&str) -> bool) -> Vec<(String, String)> {
        let below = |name: &&String| name.starts_with(folder) && wanted(name);
        let names: Vec<_> = self.files.keys().filter(below).cloned().collect();
        let mut texts = Vec::new();
        for name in names {
            match fs::read_to_string(&self.files[&name]) {
                Ok(text) => texts.push((name, text)),
                Err(error) => self.mistake(&name, 1, error),
            }
        }
        texts
    }

    /// The stem of every query file → whether it has an operation.
    fn check_queries(&mut self) -> BTreeMap<String, bool> {
        let mut queries = BTreeMap::new();
        for (file, text) in self.texts("content-queries/", |name| name.ends_with(".graphql")) {
            let document = match ast::Document::parse(text, &file) {
                Ok(document) => document,
                Err(error) => {
                    for diagnostic in error.errors.iter() {
                        let line = diagnostic.line_column_range().map_or(1, |range| range.start.line);
                        self.mistake(&file, line, diagnostic.error);
                    }
                    error.partial
                }
            };
            let operations = document.definitions.iter().filter(|one| one.as_operation_definition().is_some()).count();
            let fragments = document.definitions.iter().filter(|one| one.as_fragment_definition().is_some()).count();
            if operations > 1 || operations + fragments == 0 || operations + fragments < document.definitions.len() {
                self.mistake(&file, 1, "a query file has exactly one operation, or only fragments");
            }
            let stem = Path::new(&file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if queries.insert(stem.clone(), operations > 0).is_some() {
                self.mistake(&file, 1, format!("another query file is called `{stem}` too"));
            }
        }
        queries
    }

    /// The names of the templates. Each is parsed alone first, since Tera stops at the first syntax error.
    fn check_templates(&mut self) -> Vec<String> {
        let texts = self.texts("templates/", |_| true);
        let named: Vec<_> =
            texts.iter().map(|(file, text)| (file["templates/".len()..].to_owned(), text.as_str())).collect();
        let mut sound = Vec::new();
        for (name, text) in &named {
            match scratch().add_raw_template(name, text) {
                Err(error) if matches!(error.kind(), ErrorKind::SyntaxError(_)) => self.template_error(&error),
                _ => sound.push((name, *text)),
            }
        }
        // References (extends, include, components, filters, functions) only make sense among all of them.
        if sound.len() == named.len()
            && let Err(error) = scratch().add_raw_templates(sound)
        {
            self.template_error(&error);
        }
        named.into_iter().map(|(name, _)| name).collect()
    }

    /// Tera tells a syntax error as data, missing references as one text of reports, `error: …` and `--> file:line:column`,
    /// and a missing parent by the two names.
    fn template_error(&mut self, error: &Error) {
        match error.kind() {
            ErrorKind::SyntaxError(report) => {
                let (line, column) = (report.span().start_line, report.span().start_col + 1);
                let (file, message) = (report.filename(), report.message());
                self.mistakes.push(format!("templates/{file}:{line}:{column}: {message}"));
            }
            ErrorKind::MissingParent { current, parent } => {
                self.mistake(&format!("templates/{current}"), 1, format!("extends `{parent}`, which does not exist"));
            }
            ErrorKind::Msg(reports) if reports.starts_with("error: ") => {
                let lines: Vec<_> = reports.lines().collect();
                for pair in lines.windows(2) {
                    let place = pair[1].trim_start().strip_prefix("--> ");
                    if let (Some(message), Some(place)) = (pair[0].strip_prefix("error: "), place) {
                        self.mistakes.push(format!("templates/{place}: {message}"));
                    }
                }
            }
            _ => self.mistake("templates", 1, error),
        }
    }

    fn check_routes(&mut self, queries: &BTreeMap<String, bool>, templates: &[String]) {
        let text = match fs::read_to_string(self.root.join(CONFIG)) {
            Ok(text) => text,
            Err(error) => return self.mistake(CONFIG, 1, error),
        };
        let config = match DeTable::parse(&text) {
            Ok(config) => config,
            Err(error) => return self.mistake(CONFIG, line_of(&text, error.span()), error.message()),
        };
        let routes = config.get_ref().get("route").and_then(|routes| routes.get_ref().as_array());
        let tables = routes.into_iter().flatten().filter_map(|route| Some((route.span(), route.get_ref().as_table()?)));
        let mut count = 0;
        for (span, route) in tables {
            count += 1;
            self.check_route(&text, span, route, queries, templates);
        }
        if count == 0 {
            self.mistake(CONFIG, 1, "there is no [[route]]");
        }
    }

    fn check_route(
        &mut self,
        text: &str,
        span: Range<usize>,
        route: &DeTable<'_>,
        queries: &BTreeMap<String, bool>,
        templates: &[String],
    ) {
        let outer =
            route.get("for_each").and_then(|outer| outer.get_ref().as_table()).and_then(|outer| outer.get("query"));
        for (line, name) in route.get("query").into_iter().chain(outer).filter_map(|value| written(text, value)) {
            match queries.get(name) {
                Some(true) => (),
                Some(false) => self.mistake(CONFIG, line, format!("query `{name}` has only fragments")),
                None => self.mistake(CONFIG, line, format!("there is no content-queries/**/{name}.graphql")),
            }
        }
        if let Some((line, name)) = route.get("template").and_then(|value| written(text, value))
            && !templates.iter().any(|template| template == name)
        {
            self.mistake(CONFIG, line, format!("there is no templates/{name}"));
        }
        let kinds = ["each", "list", "page"].into_iter().filter(|kind| route.contains_key(*kind)).count();
        if kinds != 1 {
            self.mistake(CONFIG, line_of(text, Some(span.clone())), "a route has exactly one of each, list, page");
        }
        let needed = if route.contains_key("page") { "template" } else { "query" };
        if !route.contains_key(needed) && !route.contains_key("query") {
            self.mistake(CONFIG, line_of(text, Some(span)), format!("a route of this kind names a {needed}"));
        }
        for key in ["each", "list", "page", "pages", "where"] {
            let Some((line, expression)) = route.get(key).and_then(|value| written(text, value)) else {
                continue;
            };
            let template = if key == "where" { format!("{{{{ {expression} }}}}") } else { expression.to_owned() };
            if let Err(error) = scratch().add_raw_template("expression", &template) {
                let message = match error.kind() {
                    ErrorKind::SyntaxError(report) => report.message().to_owned(),
                    _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
                };
                self.mistake(CONFIG, line, format!("{key}: {message}"));
            }
        }
    }

    /// The Rust source of the packed site.
    fn packed(&self) -> String {
        let mut source = String::from(
            "/// Every file of the starter site: path with `/`, bytes; sorted by path.\n\
             pub static STARTER: &[(&str, &[u8])] = &[\n",
        );
        let mut lines: BTreeMap<&str, String> = BTreeMap::new();
        lines.insert(".gitignore", format!("{IGNORE:?}.as_bytes()"));
        for (name, path) in &self.files {
            lines.insert(name, format!("include_bytes!({:?})", path.to_string_lossy()));
        }
        for (name, bytes) in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(source, "    ({name:?}, {bytes}),");
        }
        source.push_str("];\n");
        source
    }
}

/// A Tera that knows every name a template may use, and none of what they do.
fn scratch() -> Tera {
    let mut tera = Tera::new();
    for name in FUNCTIONS {
        tera.register_function(name, |_: Kwargs, _: &State| Value::undefined());
    }
    for name in FILTERS {
        tera.register_filter(name, |_: &Value, _: Kwargs, _: &State| Value::undefined());
    }
    tera
}

/// A text value of the configuration and the line it stands on.
fn written<'a>(text: &str, value: &'a Spanned<DeValue<'_>>) -> Option<(usize, &'a str)> {
    Some((line_of(text, Some(value.span())), value.get_ref().as_str()?))
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start.min(text.len()));
    text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1
}
