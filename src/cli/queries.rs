//! `queries show NAME`: the sent form of a query.

use super::args::{Global, QueriesCommand};
use super::load;
use super::outcome::Status;
use super::terminal::Terminal;
use aem_static::site::nearest;

/// Prints a query as it is executed, persisted and compared.
pub fn run(command: &QueriesCommand, global: &Global, terminal: &Terminal) -> Status {
    let QueriesCommand::Show(args) = command;
    let loaded = match load::site("queries", global, None, load::Flags::new(), terminal) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    match loaded.site.queries.get(&args.name) {
        Some(query) => {
            terminal.result(
                &query.sent,
                "query",
                &[("name", query.name.as_str().into()), ("text", query.sent.as_str().into())],
            );
            Status::Done
        }
        None => {
            let near = nearest(&args.name, loaded.site.queries.names());
            let hint = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            terminal.failure(&format!("there is no query `{}`{hint}", args.name));
            Status::Usage
        }
    }
}
