//! Does AEM run the text of the files? Where it lists its persisted queries their texts are compared; everywhere else the answers
//! tell, by the fields they have (design §6).

use crate::aem::{Aem, Concessions, Connection, Execution, Failure, PersistedQuery};
use crate::report::{Diagnostic, Event, Place, Reporter, Severity, codes};
use crate::shape;
use crate::site::{Query, Site};

/// What it is to a build that AEM has something else than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Another text of a persisted query than its file is a warning; other answers are what builds are for.
    Warned,
    /// Both are errors: `--locked`.
    Locked,
}

/// What AEM's list of persisted queries says of the files: every query with another text. Nothing for direct queries, whose text
/// is the file's.
pub(super) async fn compared(site: &Site, aem: &Aem, versions: Versions, reporter: &dyn Reporter) -> Vec<Diagnostic> {
    if aem.connection().execution == Execution::Direct {
        return Vec::new();
    }
    match aem.persisted_queries().await {
        Ok(listed) => different(site, &listed, versions),
        Err(failure) => {
            reporter.emit(Event::Detail(unlisted(&failure)));
            Vec::new()
        }
    }
}

fn unlisted(failure: &Failure) -> String {
    format!("persisted queries are not listed here ({}), so only answers are compared with the files", failure.kind)
}

/// Queries whose text in AEM is another.
pub(super) fn different(site: &Site, listed: &[PersistedQuery], versions: Versions) -> Vec<Diagnostic> {
    let severity = if versions == Versions::Locked { Severity::Error } else { Severity::Warning };
    let others = site.queries.iter().filter(|query| {
        let configuration = configuration_of(site, query);
        let mut remote = listed.iter();
        let remote = remote.find(|remote| remote.name == query.name && remote.configuration == configuration);
        remote.is_some_and(|remote| !same_text(&remote.text, &query.sent))
    });
    let told = others.map(|query| {
        let message = format!("AEM has another text of the persisted query `{}` than the file", query.name);
        let problem = Diagnostic::warning(codes::OTHER_TEXT, message)
            .at(Place::file(&query.file))
            .help("`aem-static queries diff` shows it; `queries push` or `queries pull` makes them equal");
        Diagnostic { severity, ..problem }
    });
    told.collect()
}

/// An answer to a persisted query whose fields are not those that the file selects.
pub(super) fn other_text(query: &Query, connection: &Connection, body: &[u8]) -> Option<Diagnostic> {
    if connection.execution == Execution::Direct {
        return None;
    }
    let difference = shape::difference(body, query.asked.as_ref()?)?;
    Some(
        Diagnostic::error(codes::OTHER_TEXT, format!("AEM runs another text of `{}`", query.name))
            .at(query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at)))
            .note("in the answer", format!("{}: {}", difference.at, difference.what))
            .help("run `aem-static queries diff` or `aem-static queries push`, and publish the query to this tier"),
    )
}

/// Queries that were sent directly because AEM does not have them.
pub(super) fn sent_directly(site: &Site, concessions: &Concessions) -> Vec<Diagnostic> {
    let queries = concessions.sent_directly.iter().filter_map(|name| site.queries.get(name));
    let told = queries.map(|query| {
        let configuration = configuration_of(site, query);
        let message =
            format!("AEM has no persisted query `{configuration}/{}`: it was sent as a direct query", query.name);
        Diagnostic::warning(codes::NOT_PERSISTED, message)
            .at(Place::file(&query.file))
            .help("`aem-static queries push` persists it on author; publish it then, or say `queries = \"direct\"`")
    });
    told.collect()
}

/// The Sites configuration that a query is persisted under.
pub(super) fn configuration_of<'a>(site: &'a Site, query: &'a Query) -> &'a str {
    query.configuration.as_deref().unwrap_or(&site.config.aem.configuration)
}

/// Whether two texts are one query: line ends, blank space at the end, and the first line that names the configuration say
/// nothing.
pub(super) fn same_text(a: &str, b: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        let text = text.trim_start_matches('\u{feff}').trim_end();
        let lines = text.split('\n').map(|line| line.trim_end_matches('\r').to_owned());
        lines
            .enumerate()
            .filter(|(number, line)| *number > 0 || !names_configuration(line))
            .map(|(_, line)| line)
            .collect()
    };
    lines(a) == lines(b)
}

pub(super) fn names_configuration(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|rest| rest.trim_start().starts_with("configuration:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_the_line_of_the_configuration_say_nothing() {
        let text = "query a {\n  aList { items { _path } }\n}\n";
        for same in [
            text.trim_end().to_owned(),
            text.replace('\n', "\r\n"),
            format!("# configuration: other\n{text}"),
            format!("\u{feff}{text}\n\n"),
        ] {
            assert!(same_text(text, &same), "{same:?}");
        }
        for other in [text.replace("_path", "_id"), text.replace("  ", " "), format!("# note\n{text}")] {
            assert!(!same_text(text, &other), "{other:?}");
        }
    }
}
