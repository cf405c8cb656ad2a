//! `why`: what a file of `out/` was made from and what caused its last render, or every file that a content fragment reaches.

use std::fmt::Write as _;
use std::sync::Arc;

use aem_static::output::{Adopt, Mode, Output};
use aem_static::pipeline::{self, Reach};
use aem_static::render::{LinkRequest, QueryRequest};
use aem_static::report::{Diagnostic, Event, Reporter, Silent};
use aem_static::site::Site;
use aem_static::state::{self, PageRecord, PageRecords, Read, State};
use serde_json::{Value, json};

use super::args::{Global, WhyArgs};
use super::load::{self, Loaded};
use super::lock::WAIT;
use super::outcome::Status;
use super::terminal::Terminal;

/// Tells it.
pub fn run(args: &WhyArgs, global: &Global, terminal: &Arc<Terminal>) -> Status {
    let loaded = match load::site("why", global, None, load::Flags::new(), terminal) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    match (&args.path, &args.fragment) {
        (_, Some(fragment)) => reached(&loaded, fragment, terminal),
        (Some(path), None) => match file(&loaded.site, path, terminal) {
            Ok(status) => status,
            Err(problem) => {
                terminal.emit(Event::Diagnostic(*problem));
                terminal.failure("why failed");
                Status::Usage
            }
        },
        // clap asks for one of them.
        (None, None) => Status::Usage,
    }
}

const BUILD_FIRST: &str = "the state is not that of what is in out/: build once, then ask again";

fn file(site: &Site, asked: &str, terminal: &Terminal) -> Result<Status, Box<Diagnostic>> {
    let _lock = state::lock(&site.dir, "why", WAIT).map_err(|error| Box::new(error.diagnostic()))?;
    let output = Output::open(&site.out_dir(), Mode::DryRun, Adopt::No);
    let output = output.map_err(|error| Box::new(error.diagnostic()))?;
    let state = State::open(&site.dir).map_err(|error| Box::new(error.diagnostic()))?;
    let manifest = state.manifest();
    let candidates = candidates(asked);
    let Some((path, position)) = candidates.iter().find_map(|path| Some((path, output.listing().position(path)?)))
    else {
        terminal.failure(&format!("the last build made no file {}", candidates[0]));
        return Ok(Status::Usage);
    };
    if output.listing().commit() != Some(&*manifest.files.commit) {
        terminal.failure(BUILD_FIRST);
        return Ok(Status::Usage);
    }
    let pages = &manifest.pages;
    let Some(record) = pages.get(position) else {
        let text =
            format!("{path}\n  no page of a route: a copy of an asset or of a file of static/, or the sitemap\n");
        terminal.result(&text, "why", &[("path", path.as_str().into())]);
        return Ok(Status::Done);
    };
    let told = Told::new(pages, &record, manifest.build);
    terminal.result(&told.text(path), "why", &told.fields(path));
    Ok(Status::Done)
}

/// The output paths that an argument may mean: a file as named, a URL path, with the folder of the output before it.
fn candidates(asked: &str) -> Vec<String> {
    let path = asked.trim_start_matches('/');
    let inside = path.strip_prefix("out/").unwrap_or(path);
    let mut all = Vec::new();
    for path in [path, inside] {
        if path.is_empty() || path.ends_with('/') {
            all.push(format!("{path}index.html"));
        } else {
            all.extend([path.to_owned(), format!("{path}/index.html")]);
        }
    }
    all
}

/// What is known of one page.
struct Told<'a> {
    route: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
    templates: &'a [String],
    reads: Vec<(&'static str, String)>,
    reason: &'static str,
    builds_ago: u32,
}

impl<'a> Told<'a> {
    fn new(pages: &'a PageRecords, record: &PageRecord, build: u32) -> Self {
        let setup = pages.setup(record.setup);
        let reads = pages.set(record.reads).iter().filter_map(|read| pages.read(*read));
        let mut reads: Vec<_> = reads.filter_map(shown).collect();
        reads.sort();
        Told {
            route: setup.map_or("", |setup| setup.route.as_str()),
            query: setup.and_then(|setup| setup.query.as_deref()),
            fragment: pages.fragment(record.fragment),
            templates: setup.map_or(&[], |setup| setup.templates.as_slice()),
            reads,
            reason: record.reason.name(),
            builds_ago: build.saturating_sub(record.build),
        }
    }

    fn text(&self, path: &str) -> String {
        let mut text = format!("{path}\n  route: {}\n", self.route);
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name}: {value}");
        };
        if let Some(query) = self.query {
            line("query", query);
        }
        if let Some(fragment) = self.fragment {
            line("fragment", fragment);
        }
        match self.templates {
            [] => line("template", "none, the content as JSON"),
            templates => line("templates", &templates.join(", ")),
        }
        for (kind, what) in &self.reads {
            line(&format!("reads {kind}"), what);
        }
        let when = match self.builds_ago {
            0 => "in the last build that changed anything".to_owned(),
            1 => "in the build before the last that changed anything".to_owned(),
            builds => format!("{builds} builds before the last that changed anything"),
        };
        line("rendered", &format!("{when} ({})", self.reason));
        text
    }

    fn fields(&self, path: &str) -> Vec<(&'static str, Value)> {
        let reads: Vec<Value> = self.reads.iter().map(|(kind, what)| json!({ "kind": kind, "what": what })).collect();
        vec![
            ("path", path.into()),
            ("route", self.route.into()),
            ("query", self.query.into()),
            ("fragment", self.fragment.into()),
            ("templates", self.templates.into()),
            ("reads", reads.into()),
            ("reason", self.reason.into()),
            ("builds_ago", self.builds_ago.into()),
        ]
    }
}

fn shown(read: &Read) -> Option<(&'static str, String)> {
    Some(match read {
        Read::Query(json) => {
            let QueryRequest { name, variables, .. } = serde_json::from_str(json).ok()?;
            match variables.is_empty() {
                true => ("query", name),
                false => ("query", format!("{name} {}", Value::Object(variables))),
            }
        }
        Read::Link(json) => ("link", serde_json::from_str::<LinkRequest>(json).ok()?.fragment),
        Read::Asset(location) => ("asset", location.clone()),
        Read::Static(file) => ("static file", file.clone()),
    })
}

fn reached(loaded: &Loaded, fragment: &str, terminal: &Arc<Terminal>) -> Status {
    let connected = match loaded.unconnected() {
        Ok(connected) => connected,
        Err(status) => return status,
    };
    // Its stages are those of a build, and nobody asked for one.
    let reach = pipeline::reach(loaded.site.clone(), connected.connection, fragment, Arc::new(Silent));
    let reached = match super::threads::wait(terminal, reach) {
        Ok(reached) => reached,
        Err(status) => return status,
    };
    match reached {
        Ok(Reach::Files(files)) => {
            let mut text = String::new();
            for (path, way) in &files {
                let _ = writeln!(text, "{path} ({})", way.name());
            }
            let list: Vec<Value> = files.iter().map(|(path, way)| json!({ "path": path, "way": way.name() })).collect();
            terminal.result(&text, "reach", &[("fragment", fragment.into()), ("files", list.into())]);
            Status::Done
        }
        Ok(Reach::Unknown) => {
            terminal.failure(BUILD_FIRST);
            Status::Usage
        }
        Err(error) => {
            terminal.failure(&error.to_string());
            Status::Usage
        }
    }
}
