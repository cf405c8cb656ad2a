//! `queries`: content-queries/ and AEM's persisted queries. What only looks is here, what changes something in files of its own.

mod pull;
mod push;

use std::sync::Arc;

use aem_static::aem::Aem;
use aem_static::pipeline::queries::{self, Compared, Comparison, Standing};
use aem_static::pipeline::{Cancel, Worst};
use aem_static::report::{Diagnostic, Event, Reporter};
use aem_static::site::nearest;
use serde_json::Value;

use super::args::{Global, QueriesCommand, QueriesDiffArgs, QueriesShowArgs, Tier};
use super::interrupt;
use super::load::{self, Loaded};
use super::outcome::Status;
use super::terminal::Terminal;

/// Runs one of the commands.
pub fn run(command: &QueriesCommand, global: &Global, terminal: &Arc<Terminal>) -> Status {
    let (tier, names): (Tier, &[String]) = match command {
        QueriesCommand::Show(args) => return show(args, global, terminal),
        QueriesCommand::List(args) => (args.asked.tier, &[]),
        QueriesCommand::Diff(args) => (args.asked.tier, &args.names),
        QueriesCommand::Push(args) => (args.asked.tier, &args.names),
        QueriesCommand::Pull(args) => (args.asked.tier, &args.names),
    };
    let loaded = match load::queries(global, tier.name(), terminal) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    asked(&loaded, terminal, async |aem: &Aem| {
        let comparison = match queries::compare(&loaded.site, aem).await {
            Ok(comparison) => comparison,
            Err(problem) => return failed(terminal, vec![*problem]),
        };
        if let Some(unknown) = unknown(names, &comparison) {
            terminal.failure(&unknown);
            return Status::Usage;
        }
        if comparison.caching_unknown {
            terminal.emit(Event::Note(
                "AEM lists no cache settings, so they are not compared; `queries push NAME` sends those of [aem.cache]"
                    .to_owned(),
            ));
        }
        match command {
            QueriesCommand::Diff(args) => diff(args, &comparison, terminal),
            QueriesCommand::Push(args) => push::run(args, &loaded.site, aem, &comparison, terminal).await,
            QueriesCommand::Pull(args) => pull::run(args, &loaded.site, &comparison, terminal),
            QueriesCommand::List(_) | QueriesCommand::Show(_) => list(&comparison, terminal),
        }
    })
}

/// Connects, and does it with the client until it is done or a signal comes.
fn asked(loaded: &Loaded, terminal: &Arc<Terminal>, work: impl AsyncFnOnce(&Aem) -> Status) -> Status {
    crate::cli::threads::run(terminal, async {
        let connected = match loaded.connect(None, terminal).await {
            Ok(connected) => connected,
            Err(status) => return status,
        };
        terminal.emit(Event::Detail(format!("asking {}", connected.source)));
        let reporter: Arc<dyn Reporter> = terminal.clone();
        let status = match queries::client(connected.connection.clone(), &reporter) {
            Ok(aem) => {
                let cancel = Cancel::default();
                let working = async {
                    tokio::select! {
                        biased;
                        () = cancel.wait() => {
                            terminal.failure("interrupted");
                            Status::Interrupted
                        }
                        status = work(&aem) => status,
                    }
                };
                interrupt::cancelling(working, &cancel).await
            }
            Err(error) => {
                terminal.failure(&error.to_string());
                Status::Usage
            }
        };
        connected.close().await;
        status
    })
}

/// `queries show`: the sent form.
fn show(args: &QueriesShowArgs, global: &Global, terminal: &Terminal) -> Status {
    let loaded = match load::site("queries", global, None, load::Flags::new(), terminal) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    match loaded.site.queries.get(&args.name) {
        Some(query) => {
            let fields = [("name", query.name.as_str().into()), ("text", query.sent.as_str().into())];
            terminal.result(&query.sent, "query", &fields);
            Status::Done
        }
        None => {
            terminal.failure(&no_such(&args.name, loaded.site.queries.names()));
            Status::Usage
        }
    }
}

fn list(comparison: &Comparison, terminal: &Terminal) -> Status {
    let width = comparison.queries.iter().map(|query| query.short_path().chars().count()).max().unwrap_or(0);
    for query in &comparison.queries {
        let line = format!("{:width$}  {}\n", query.short_path(), query.standing.name());
        terminal.result(&line, "persisted-query", &fields(query));
    }
    Status::Done
}

fn diff(args: &QueriesDiffArgs, comparison: &Comparison, terminal: &Terminal) -> Status {
    let wanted = comparison.queries.iter().filter(|query| args.names.is_empty() || args.names.contains(&query.name));
    let mut differ = false;
    for query in wanted.filter(|query| query.standing != Standing::Same) {
        let text = match query.standing {
            // Others may use it: it is told, and no difference of ours.
            Standing::OnlyInAem => format!("only in AEM: {}\n", query.short_path()),
            _ => query.diff(),
        };
        differ |= query.standing != Standing::OnlyInAem;
        let mut fields = fields(query);
        fields.push(("diff", text.as_str().into()));
        terminal.result(&text, "persisted-query", &fields);
    }
    if differ { Status::Problems } else { Status::Done }
}

fn fields(query: &Compared) -> Vec<(&'static str, Value)> {
    vec![
        ("configuration", query.configuration.as_str().into()),
        ("name", query.name.as_str().into()),
        ("file", query.file.clone().into()),
        ("standing", query.standing.name().into()),
    ]
}

/// A name that neither side has.
fn unknown(names: &[String], comparison: &Comparison) -> Option<String> {
    let known = || comparison.queries.iter().map(|query| query.name.as_str());
    let name = names.iter().find(|name| !known().any(|known| known == name.as_str()))?;
    Some(no_such(name, known()))
}

fn no_such<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let hint = nearest(name, names).map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
    format!("there is no query `{name}`{hint}")
}

/// Tells problems, and what they come to.
fn failed(terminal: &Terminal, problems: Vec<Diagnostic>) -> Status {
    let worst = problems.iter().map(Worst::of).max().unwrap_or(Worst::Content);
    let errors = problems.len() as u64;
    problems.into_iter().for_each(|problem| terminal.emit(Event::Diagnostic(problem)));
    terminal.failure(&super::summary::failed_command("queries", errors, 0));
    match worst {
        Worst::Content => Status::Problems,
        Worst::Setup => Status::Usage,
        Worst::Access => Status::Unreachable,
    }
}
