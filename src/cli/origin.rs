//! `origin`: the built-in AEM-compatible origin as a server of its own, until Ctrl-C.

use std::net::IpAddr;
use std::path::Path;

use aem_static::origin::{self, Options, Problem};
use aem_static::report::{Diagnostic, Event, Place, Reporter, codes};

use super::args::{Global, OriginArgs, OriginTier};
use super::interrupt;
use super::load;
use super::origin_access;
use super::outcome::Status;
use super::summary::counted;
use super::terminal::Terminal;

/// Serves the content of the site directory, or what the flags name. The Sites configuration is that of aem-static.toml;
/// without one, `global`.
pub fn run(args: &OriginArgs, global: &Global, terminal: &Terminal) -> Status {
    let site = global.directory.as_path();
    let configuration = load::configuration(global);
    let queries = args.queries.clone().unwrap_or_else(|| site.join("content-queries"));
    let options = Options {
        content: args.content.clone().unwrap_or_else(|| site.join("content")),
        // Only a folder that was asked for has to be there.
        queries: (args.queries.is_some() || queries.is_dir()).then_some(queries),
        configuration,
        host: args.host,
        port: args.port,
        tier: match args.tier {
            OriginTier::Author => origin::Tier::Author,
            OriginTier::Preview => origin::Tier::Preview,
            OriginTier::Publish => origin::Tier::Publish,
        },
        allow_post: args.allow_post,
        graphql_response_json: args.graphql_response_json,
        reload: true,
        access: origin_access::access(&args.access),
        faults: origin_access::faults(&args.faults),
        control: args.faults.control,
    };
    super::threads::run(terminal, serve(options, site, terminal))
}

async fn serve(options: Options, site: &Path, terminal: &Terminal) -> Status {
    let host = options.host;
    let stopped = interrupt::armed().await;
    let running = match origin::start(options).await {
        Ok(running) => running,
        Err(error) => {
            terminal.failure(&error.to_string());
            return Status::Usage;
        }
    };
    if let Some(warning) = exposed(host) {
        terminal.emit(Event::Diagnostic(warning));
    }
    for problem in running.problems() {
        terminal.emit(Event::Diagnostic(diagnostic(problem, site)));
    }
    let url = running.url();
    terminal.result(&format!("{url}\n"), "origin", &[("url", url.into())]);
    let fragments = counted(running.fragments() as u64, "content fragment");
    terminal.emit(Event::Note(format!("serving {fragments}; Ctrl-C stops it")));
    tokio::select! {
        () = stopped => (),
        () = tell_changes(&running, site, terminal) => (),
    }
    // A second signal does not wait for requests in flight.
    tokio::select! {
        () = running.stop() => (),
        () = interrupt::signal() => (),
    }
    Status::Interrupted
}

/// Says what is served after each change: problems that are new, and how many there are.
async fn tell_changes(running: &origin::Running, site: &Path, terminal: &Terminal) {
    let mut changes = running.changes();
    let mut known = running.problems().to_vec();
    while let Some(loaded) = changes.next().await {
        for problem in loaded.problems.iter().filter(|problem| !known.contains(problem)) {
            terminal.emit(Event::Diagnostic(diagnostic(problem, site)));
        }
        known.clone_from(&loaded.problems);
        let fragments = counted(loaded.fragments as u64, "content fragment");
        let but = match known.len() {
            0 => String::new(),
            problems => format!("; {}", counted(problems as u64, "problem")),
        };
        terminal.emit(Event::Note(format!("content changed: serving {fragments}{but}")));
    }
    std::future::pending().await
}

/// The warning for an address that is not loopback. There is no Dispatcher in front and, unless asked for, no authorisation.
fn exposed(host: IpAddr) -> Option<Diagnostic> {
    let message = format!("the built-in origin listens on {host}, which other machines may reach");
    let warning =
        Diagnostic::warning(codes::OPEN_ORIGIN, message).help("leave out `--host` to keep it on this machine");
    (!host.is_loopback()).then_some(warning)
}

/// A broken content file is a warning: the rest is served.
pub fn diagnostic(problem: &Problem, site: &Path) -> Diagnostic {
    let file = problem.file.strip_prefix(site).unwrap_or(&problem.file).to_string_lossy().replace('\\', "/");
    let text = std::fs::read_to_string(&problem.file).unwrap_or_default();
    let place = match problem.line {
        0 => Place::file(file),
        line => Place::at(file, &text, line, problem.column, 1),
    };
    let diagnostic = Diagnostic::warning(codes::CONTENT_FILE, problem.message.clone()).at(place);
    match &problem.field {
        Some(field) => diagnostic.note("field", field.clone()),
        None => diagnostic,
    }
}
