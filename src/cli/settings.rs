//! The environment and `.env`, collected once into plain data (design.md §6). Nothing is matched to configuration keys here,
//! that is the library's; nothing is ever set in the environment. Secrets go into a type that does not print.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use aem_static::report::{Diagnostic, Place, codes};
use secrecy::SecretString;

/// The configuration prefix: `AEM_STATIC_SITE_BASE_URL` is `site.base_url`.
const PREFIX: &str = "AEM_STATIC_";

/// What a variable sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sets {
    /// The host of the chosen tier. Of several the first in the register counts.
    Host,
    /// The tier.
    Tier,
    /// A file of the Developer Console.
    CredentialsFile,
    /// The id of an OAuth client.
    ClientId,
    /// The secret of an OAuth client.
    ClientSecret,
    /// The scopes of an OAuth client.
    Scopes,
    /// The access token.
    Token,
    /// The user of basic authorisation.
    User,
    /// The password of basic authorisation.
    Password,
    /// The secret of `POST /rebuild`.
    RebuildSecret,
    /// The secret of the events project.
    EventsSecret,
    /// The scopes of the events project.
    EventsScopes,
    /// An access token for the journal.
    EventsToken,
    /// The configuration key that the rest of the name spells.
    Key,
}

/// One variable that the tool reads.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The name; a prefix for [`Sets::Key`], written with `*`.
    pub name: &'static str,
    /// What it is for, as `--help` says it.
    pub meaning: &'static str,
    /// What it sets.
    pub sets: Sets,
}

/// Every variable that the tool reads; `--help` and the README's table say the same.
///
/// The other spellings of the host are those of Adobe's headless samples (the WKND apps for Next.js and React), so that the
/// `.env` of a front end made from them works as it is.
pub const VARIABLES: &[Variable] = &[
    variable("AEM_HOST", "address of AEM; without AEM_TIER a local site reads publish", Sets::Host),
    variable("AEM_HOST_URI", "another spelling of AEM_HOST", Sets::Host),
    variable("NEXT_PUBLIC_AEM_HOST", "another spelling of AEM_HOST, from Adobe's Next.js samples", Sets::Host),
    variable("REACT_APP_HOST_URI", "another spelling of AEM_HOST, from Adobe's React samples", Sets::Host),
    variable("AEM_TIER", "local, author, preview or publish", Sets::Tier),
    variable("AEM_TOKEN", "access token", Sets::Token),
    variable("AEM_SERVICE_CREDENTIALS", "file of the Developer Console, unedited", Sets::CredentialsFile),
    variable("AEM_CLIENT_ID", "client of OAuth server-to-server", Sets::ClientId),
    variable("AEM_CLIENT_SECRET", "secret of that client", Sets::ClientSecret),
    variable("AEM_SCOPES", "scopes of that client, comma separated", Sets::Scopes),
    variable("AEM_USER", "user of a local AEM", Sets::User),
    variable("AEM_PASSWORD", "password of that user", Sets::Password),
    variable("AEM_REBUILD_SECRET", "listen: secret of POST /rebuild", Sets::RebuildSecret),
    variable("AEM_EVENTS_CLIENT_SECRET", "listen: secret of the events project, for its journal", Sets::EventsSecret),
    variable("AEM_EVENTS_SCOPES", "listen: scopes of that project, comma separated", Sets::EventsScopes),
    variable("AEM_EVENTS_TOKEN", "listen: access token for the journal, instead of both", Sets::EventsToken),
    variable("AEM_STATIC_*", "any other key: AEM_STATIC_SITE_BASE_URL is site.base_url", Sets::Key),
];

const fn variable(name: &'static str, meaning: &'static str, sets: Sets) -> Variable {
    Variable { name, meaning, sets }
}

/// What the environment and `.env` say.
#[derive(Debug, Default)]
pub struct Environment {
    /// The host, and the variable that named it.
    pub host: Option<(String, String)>,
    /// `AEM_TIER`, unchecked.
    pub tier: Option<String>,
    /// `AEM_TOKEN`.
    pub token: Option<SecretString>,
    /// `AEM_SERVICE_CREDENTIALS`.
    pub credentials_file: Option<String>,
    /// `AEM_CLIENT_ID`.
    pub client_id: Option<String>,
    /// `AEM_CLIENT_SECRET`.
    pub client_secret: Option<SecretString>,
    /// `AEM_SCOPES`.
    pub scopes: Option<String>,
    /// `AEM_USER`.
    pub user: Option<String>,
    /// `AEM_PASSWORD`.
    pub password: Option<SecretString>,
    /// `AEM_REBUILD_SECRET`.
    #[cfg_attr(not(feature = "listen"), expect(dead_code, reason = "only listen asks"))]
    pub rebuild_secret: Option<SecretString>,
    /// `AEM_EVENTS_CLIENT_SECRET`.
    #[cfg_attr(not(feature = "listen"), expect(dead_code, reason = "only listen asks"))]
    pub events_secret: Option<SecretString>,
    /// `AEM_EVENTS_SCOPES`.
    #[cfg_attr(not(feature = "listen"), expect(dead_code, reason = "only listen asks"))]
    pub events_scopes: Option<String>,
    /// `AEM_EVENTS_TOKEN`.
    #[cfg_attr(not(feature = "listen"), expect(dead_code, reason = "only listen asks"))]
    pub events_token: Option<SecretString>,
    /// (variable, value) of every `AEM_STATIC_*`, sorted by name.
    pub overrides: Vec<(String, String)>,
    /// What `.env` says beside: only a header of the configuration may name one.
    others: BTreeMap<String, SecretString>,
}

impl Environment {
    /// The value of a variable that the configuration names, from the process or else from `.env`.
    pub fn named(&self, name: &str) -> Option<SecretString> {
        let value = std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        value.map(SecretString::from).or_else(|| self.others.get(name).cloned())
    }
}

/// Collects what the process environment and `<site>/.env` say; the real environment wins over the file.
///
/// # Errors
/// All problems at once: a `.env` that cannot be read or parsed (by line number; the line itself may hold a secret and is not
/// shown), and a variable of ours that is not Unicode.
pub fn collect(site: &Path) -> Result<Environment, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut values = BTreeMap::new();
    read_file(site, &mut values, &mut problems);
    read_process(std::env::vars_os(), &mut values, &mut problems);
    if problems.is_empty() { Ok(arrange(values)) } else { Err(problems) }
}

/// The tier that flag and environment ask for; `None`: the one that the site is configured with (`configured`, `None` when
/// the site says nothing, which is `local`).
///
/// Order: `--tier`, then `AEM_TIER`. A host in the environment without a tier means publish, but only on a local site, which
/// has no use for a host: a site configured for author or preview keeps its tier and takes the host for it.
pub fn tier(flag: Option<&str>, env: Option<&str>, has_host: bool, configured: Option<&str>) -> Option<String> {
    let local = configured.is_none_or(|tier| tier == "local");
    flag.or(env).or((has_host && local).then_some("publish")).map(str::to_owned)
}

/// Reads `.env`. Of two lines with one name the last counts, as when a shell reads the file.
fn read_file(site: &Path, values: &mut BTreeMap<String, String>, problems: &mut Vec<Diagnostic>) {
    let text = match std::fs::read_to_string(site.join(".env")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            problems.push(unreadable(".env cannot be read").at(Place::file(".env")).note("cause", error.to_string()));
            return;
        }
    };
    let (lines, read) = LineByLine::new(&text);
    for pair in dotenvy::from_read_iter(lines) {
        match pair {
            Ok((name, value)) => {
                values.insert(name, value);
            }
            Err(error) => problems.push(bad_line(read.get(), &error)),
        }
    }
}

/// Hands out one line a read, so that the parser's place in the file is known: dotenvy tells none.
struct LineByLine<'a> {
    lines: std::str::SplitInclusive<'a, char>,
    rest: &'a [u8],
    read: Rc<Cell<usize>>,
}

impl<'a> LineByLine<'a> {
    fn new(text: &'a str) -> (Self, Rc<Cell<usize>>) {
        let read = Rc::new(Cell::new(0));
        let lines = text.split_inclusive('\n');
        (LineByLine { lines, rest: &[], read: Rc::clone(&read) }, read)
    }
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty()
            && let Some(line) = self.lines.next()
        {
            self.rest = line.as_bytes();
            self.read.set(self.read.get() + 1);
        }
        self.rest.read(buffer)
    }
}

/// `last` is the last line that was read; a value in quotes that never close has run to the end of the file.
fn bad_line(last: usize, error: &dotenvy::Error) -> Diagnostic {
    let lines = match error {
        dotenvy::Error::LineParse(text, _) => text.lines().count().max(1),
        _ => 1,
    };
    let place = Place { line: (last + 1).saturating_sub(lines), ..Place::file(".env") };
    unreadable("a line of .env cannot be parsed")
        .at(Place { column: 1, ..place })
        .help("write NAME=value, with quotes around a value that has spaces, `#` or `$`")
}

fn unreadable(message: &str) -> Diagnostic {
    Diagnostic::error(codes::CREDENTIALS, message)
}

fn read_process(
    vars: impl IntoIterator<Item = (OsString, OsString)>,
    values: &mut BTreeMap<String, String>,
    problems: &mut Vec<Diagnostic>,
) {
    // Sorted, because the order of the process environment would show in the order of the problems.
    let vars: BTreeMap<_, _> = vars.into_iter().collect();
    for (name, value) in vars {
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => {
                values.insert(name.to_owned(), value);
            }
            Err(_) => problems.push(unreadable(&format!("{name} in the environment is not Unicode text"))),
        }
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) || VARIABLES.iter().any(|variable| variable.name == name)
}

/// An empty value counts as not set, which is how one switches a variable of `.env` off for one command.
fn arrange(values: BTreeMap<String, String>) -> Environment {
    let mut values = values;
    values.retain(|_, value| !value.trim().is_empty());
    let first = |sets: Sets| {
        let named = VARIABLES.iter().filter(|variable| variable.sets == sets);
        named.filter_map(|variable| Some((values.get(variable.name)?.clone(), variable.name.to_owned()))).next()
    };
    Environment {
        host: first(Sets::Host),
        tier: first(Sets::Tier).map(|(value, _)| value),
        token: first(Sets::Token).map(|(value, _)| value.into()),
        credentials_file: first(Sets::CredentialsFile).map(|(value, _)| value),
        client_id: first(Sets::ClientId).map(|(value, _)| value),
        client_secret: first(Sets::ClientSecret).map(|(value, _)| value.into()),
        scopes: first(Sets::Scopes).map(|(value, _)| value),
        user: first(Sets::User).map(|(value, _)| value),
        password: first(Sets::Password).map(|(value, _)| value.into()),
        rebuild_secret: first(Sets::RebuildSecret).map(|(value, _)| value.into()),
        events_secret: first(Sets::EventsSecret).map(|(value, _)| value.into()),
        events_scopes: first(Sets::EventsScopes).map(|(value, _)| value),
        events_token: first(Sets::EventsToken).map(|(value, _)| value.into()),
        overrides: values.iter().filter(|(name, _)| name.starts_with(PREFIX)).map(owned).collect(),
        others: values
            .into_iter()
            .filter(|(name, _)| !is_ours(name))
            .map(|(name, value)| (name, value.into()))
            .collect(),
    }
}

fn owned((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use secrecy::ExposeSecret;

    use super::*;

    fn collected(file: &str, process: &[(&str, &str)]) -> (Environment, Vec<Diagnostic>) {
        let site = tempfile::tempdir().unwrap();
        std::fs::write(site.path().join(".env"), file).unwrap();
        let (mut values, mut problems) = (BTreeMap::new(), Vec::new());
        read_file(site.path(), &mut values, &mut problems);
        read_process(process.iter().map(|(name, value)| (name.into(), value.into())), &mut values, &mut problems);
        (arrange(values), problems)
    }

    #[test]
    fn the_real_environment_wins_over_the_file() {
        let file =
            "AEM_HOST=https://file.example\nAEM_TOKEN=\"from file\"\nOTHER=1\n# a comment\nAEM_STATIC_SITE_TITLE=A\n";
        let process =
            [("AEM_HOST", "https://process.example"), ("PATH", "/bin"), ("AEM_STATIC_SITE_BASE_URL", "https://b")];
        let (environment, problems) = collected(file, &process);
        assert!(problems.is_empty());
        assert_eq!(environment.host, Some(("https://process.example".to_owned(), "AEM_HOST".to_owned())));
        assert_eq!(environment.token.unwrap().expose_secret(), "from file");
        let names: Vec<_> = environment.overrides.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["AEM_STATIC_SITE_BASE_URL", "AEM_STATIC_SITE_TITLE"]);
    }

    #[test]
    fn an_empty_value_is_not_set_and_spellings_have_an_order() {
        let (environment, _) = collected(
            "NEXT_PUBLIC_AEM_HOST=https://next\nREACT_APP_HOST_URI=https://react\nAEM_TIER=author\n",
            &[("AEM_TIER", ""), ("AEM_HOST", " ")],
        );
        assert_eq!(environment.host, Some(("https://next".to_owned(), "NEXT_PUBLIC_AEM_HOST".to_owned())));
        assert_eq!(environment.tier, None);
    }

    #[test]
    fn a_secret_does_not_print() {
        let (environment, _) = collected("AEM_TOKEN=hush\nAEM_PASSWORD=hush2\n", &[]);
        assert!(!format!("{environment:?}").contains("hush"));
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_never_shown() {
        let (_, problems) =
            collected("# a\nAEM_USER=admin\nAEM_TOKEN=sec ret line\n\nAEM_PASSWORD='open\n\nlast\n", &[]);
        assert_eq!(problems.len(), 2);
        let lines: Vec<_> = problems.iter().map(|problem| problem.place.as_ref().unwrap().line).collect();
        assert_eq!(lines, [3, 5]);
        assert!(!format!("{problems:?}").contains("sec ret"));
    }

    #[test]
    fn a_host_alone_means_publish_only_on_a_local_site() {
        assert_eq!(tier(None, None, true, Some("local")).as_deref(), Some("publish"));
        assert_eq!(tier(None, None, true, None).as_deref(), Some("publish"));
        assert_eq!(tier(None, None, true, Some("author")), None);
        assert_eq!(tier(None, None, false, Some("local")), None);
        assert_eq!(tier(None, Some("preview"), true, Some("local")).as_deref(), Some("preview"));
        assert_eq!(tier(Some("local"), Some("preview"), true, None).as_deref(), Some("local"));
    }
}
