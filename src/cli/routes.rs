//! `routes`: every route, how many pages it makes, an example of each.

use std::sync::Arc;

use aem_static::pipeline::{self, Cancel, RouteSurvey, Worst};
use aem_static::report::Reporter;

use super::args::{Global, RoutesArgs, Tier};
use super::interrupt;
use super::load;
use super::outcome::Status;
use super::terminal::Terminal;

/// Prints the routes as a table.
pub fn run(args: &RoutesArgs, global: &Global, terminal: &Arc<Terminal>) -> Status {
    let loaded = match load::site("routes", global, args.tier.map(Tier::name), load::Flags::new(), terminal) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    super::threads::run(terminal, async {
        let connected = match loaded.connect(None, terminal).await {
            Ok(connected) => connected,
            Err(status) => return status,
        };
        let cancel = Cancel::default();
        let reporter: Arc<dyn Reporter> = terminal.clone();
        let survey = pipeline::survey(loaded.site.clone(), connected.connection.clone(), reporter, cancel.clone());
        let surveyed = interrupt::cancelling(survey, &cancel).await;
        connected.close().await;
        match surveyed {
            Ok(pipeline::Surveyed::Routes(routes)) => {
                print(&routes, terminal);
                Status::Done
            }
            Ok(pipeline::Surveyed::Interrupted) => {
                terminal.failure("interrupted");
                Status::Interrupted
            }
            Ok(pipeline::Surveyed::Failed { errors, warnings, worst }) => {
                terminal.failure(&super::summary::failed_command("routes", errors, warnings));
                match worst {
                    Worst::Content => Status::Problems,
                    Worst::Setup => Status::Usage,
                    Worst::Access => Status::Unreachable,
                }
            }
            Err(error) => {
                terminal.failure(&error.to_string());
                Status::Usage
            }
        }
    })
}

fn print(routes: &[RouteSurvey], terminal: &Terminal) {
    let rows: Vec<[String; 5]> = std::iter::once(["ROUTE", "KIND", "PAGES", "PATH", "EXAMPLE"].map(str::to_owned))
        .chain(routes.iter().map(|route| {
            [
                route.name.clone(),
                route.kind.to_owned(),
                route.pages.to_string(),
                route.path.clone(),
                route.example.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        }))
        .collect();
    let width = |column: usize| {
        rows.iter().map(|row| unicode_width::UnicodeWidthStr::width(row[column].as_str())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padding = width.saturating_sub(unicode_width::UnicodeWidthStr::width(cell.as_str()));
            format!("{cell}{}", " ".repeat(padding))
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    let listed = routes.iter().map(|route| {
        serde_json::json!({
            "name": route.name, "kind": route.kind, "pages": route.pages, "path": route.path, "example": route.example,
        })
    });
    terminal.result(&text, "routes", &[("routes", listed.collect())]);
}
