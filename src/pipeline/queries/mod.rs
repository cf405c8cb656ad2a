//! `queries`: persisted queries in AEM held up against content-queries/ (design §7). What is to be done is data before any of it
//! is done; nothing in AEM or on the disk changes but by [`push`] and [`pull`].

mod pull;
mod push;

use std::collections::BTreeSet;
use std::sync::Arc;

use similar::TextDiff;

use super::failures::{self, Target};
use super::{incidents, versions};
use crate::aem::{Aem, CacheSettings, Connection, Failure, FailureKind, PersistedQuery, SetupError};
use crate::report::{Diagnostic, Reporter, codes};
use crate::site::{Query, Site};

pub use pull::{NotPulled, Pull, pull, pulls};
pub use push::{Push, PushKind, push, pushes, verified};

/// How a query in AEM and its file stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// They are the same.
    Same,
    /// Text or cache settings differ.
    Differs,
    /// AEM does not have it.
    NotInAem,
    /// content-queries/ does not have it.
    OnlyInAem,
}

impl Standing {
    /// The words for people and for JSON events.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Same => "same",
            Standing::Differs => "differs",
            Standing::NotInAem => "not in AEM",
            Standing::OnlyInAem => "only in AEM",
        }
    }
}

/// One query, in AEM, in content-queries/, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The Sites configuration.
    pub configuration: String,
    /// Its name.
    pub name: String,
    /// The query's own file.
    pub file: Option<String>,
    /// How the two stand to each other.
    pub standing: Standing,
    local: Option<Local>,
    remote: Option<PersistedQuery>,
}

/// The query as its files have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Local {
    /// The sent form.
    text: String,
    /// What stands behind the query's own file in it: fragment files.
    shared: String,
    /// The settings it is pushed with: those of the configuration, and where that says nothing those it has in AEM.
    caching: CacheSettings,
}

/// Everything that there is to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Every query, by configuration and name.
    pub queries: Vec<Compared>,
    /// AEM lists no cache settings at all though the configuration has some: what it has cannot be known.
    pub caching_unknown: bool,
}

/// The client for these commands.
///
/// # Errors
/// When no client can be made of the connection: its own setting is wrong.
pub fn client(connection: Connection, reporter: &Arc<dyn Reporter>) -> Result<Aem, SetupError> {
    Aem::observed(connection, incidents::observer(reporter))
}

/// Asks AEM for its persisted queries and compares them with the files, in the configurations that the site uses.
///
/// # Errors
/// Why AEM does not say.
pub async fn compare(site: &Site, aem: &Aem) -> Result<Comparison, Box<Diagnostic>> {
    let listed = aem.persisted_queries().await.map_err(|failure| Box::new(unlisted(aem.connection(), &failure)))?;
    Ok(comparison(site, listed))
}

fn comparison(site: &Site, listed: Vec<PersistedQuery>) -> Comparison {
    let own: BTreeSet<&str> = site.queries.iter().map(|query| versions::configuration_of(site, query)).collect();
    let ours = |configuration: &str| own.contains(configuration) || configuration == site.config.aem.configuration;
    let told = listed.iter().any(|query| query.caching != CacheSettings::default());
    let (mut queries, mut caching_unknown) = (Vec::new(), false);
    for query in site.queries.iter() {
        let configuration = versions::configuration_of(site, query);
        let remote = listed.iter().find(|remote| remote.name == query.name && remote.configuration == configuration);
        let caching = site.config.aem.cache.of(&query.name);
        let local = local(query, caching.over(remote.map(|remote| remote.caching).unwrap_or_default()));
        let standing = match remote {
            None => Standing::NotInAem,
            Some(remote) if !versions::same_text(&remote.text, &local.text) => Standing::Differs,
            Some(remote) if local.caching == remote.caching => Standing::Same,
            Some(_) if told => Standing::Differs,
            Some(_) => {
                caching_unknown = true;
                Standing::Same
            }
        };
        queries.push(Compared {
            configuration: configuration.to_owned(),
            name: query.name.clone(),
            file: Some(query.file.clone()),
            standing,
            local: Some(local),
            remote: remote.cloned(),
        });
    }
    let known: BTreeSet<(String, String)> =
        queries.iter().map(|query| (query.configuration.clone(), query.name.clone())).collect();
    let others = listed.into_iter().filter(|remote| {
        ours(&remote.configuration) && !known.contains(&(remote.configuration.clone(), remote.name.clone()))
    });
    queries.extend(others.map(|remote| Compared {
        configuration: remote.configuration.clone(),
        name: remote.name.clone(),
        file: None,
        standing: Standing::OnlyInAem,
        local: None,
        remote: Some(remote),
    }));
    queries.sort_by(|a, b| (&a.configuration, &a.name).cmp(&(&b.configuration, &b.name)));
    Comparison { queries, caching_unknown }
}

fn local(query: &Query, caching: CacheSettings) -> Local {
    let own = query.parts.first().map_or(0, |part| part.start + part.len);
    let shared = query.sent.get(own..).unwrap_or_default().to_owned();
    Local { text: query.sent.clone(), shared, caching }
}

impl Compared {
    /// `/acme/stories`, as AEM calls it.
    pub fn short_path(&self) -> String {
        format!("/{}/{}", self.configuration, self.name)
    }

    /// What a push would change: a unified diff from AEM's text to the files', then cache settings. Empty if they are the same.
    pub fn diff(&self) -> String {
        let theirs = self.remote.as_ref().map(|remote| with_line_end(&remote.text)).unwrap_or_default();
        let ours = self.local.as_ref().map(|local| with_line_end(&local.text)).unwrap_or_default();
        let mut text = String::new();
        let same = self.local.is_some() && self.remote.is_some() && versions::same_text(&theirs, &ours);
        if !same {
            let names = [
                self.remote.as_ref().map(|_| format!("AEM {}", self.short_path())),
                self.local.as_ref().map(|_| self.file.clone().unwrap_or_else(|| self.name.clone())),
            ];
            let [from, to] = names.map(|name| name.unwrap_or_else(|| "nothing".to_owned()));
            text = TextDiff::from_lines(&theirs, &ours).unified_diff().header(&from, &to).to_string();
        }
        if let Some(local) = &self.local {
            let known = self.remote.as_ref().map(|remote| remote.caching).unwrap_or_default();
            let settings = local.caching.entries().into_iter().zip(known.entries());
            for ((block, key, ours), (.., theirs)) in settings.filter(|((.., ours), (.., theirs))| ours != theirs) {
                text.push_str(&format!("{block} {key}: {} -> {}\n", seconds(theirs), seconds(ours)));
            }
        }
        text
    }
}

fn seconds(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "default".to_owned(), |seconds| format!("{seconds} s"))
}

/// With one line end behind the last line, and line ends of one kind, so that a diff shows nothing else.
fn with_line_end(text: &str) -> String {
    format!("{}\n", text.trim_end().replace("\r\n", "\n"))
}

/// Why AEM does not list its persisted queries.
fn unlisted(connection: &Connection, failure: &Failure) -> Diagnostic {
    let tier = connection.tier;
    let help = "persisted queries are kept on author, which lists them to its users: name its host in `[aem.hosts] author`, and \
                give it credentials (docs/access.md)";
    let problem = match &failure.kind {
        FailureKind::NotFound { details, .. } => Diagnostic::error(
            codes::NOT_FOUND,
            format!("AEM ({tier}) does not list its persisted queries: 404, {details}"),
        )
        .help(help),
        FailureKind::OtherShape { excerpt } => Diagnostic::error(
            codes::NOT_JSON,
            format!("AEM ({tier}) answered with something that is no list of persisted queries: {excerpt}"),
        )
        .help(help),
        _ => refused(connection, failure, "graphql/list.json"),
    };
    let message = failures::masked(connection, &problem.message);
    Diagnostic { message, ..problem }.note("url", failures::masked(connection, &failure.url))
}

/// What is told alike for every request of these commands.
fn refused(connection: &Connection, failure: &Failure, name: &str) -> Diagnostic {
    let target = Target { configuration: &connection.configuration, name };
    let (code, message, help) = failures::told(target, connection, &failure.kind);
    Diagnostic::error(code, failures::masked(connection, &message)).help(help)
}
