//! What every command that reads the site shares: environment and flags over aem-static.toml, then the site itself, then the
//! connection. With `tier = "local"` the built-in origin is started here, in this process, on a free loopback port.

use std::path::Path;
use std::sync::Arc;

use aem_static::aem::{Connection, Execution, Tier};
use aem_static::report::{Diagnostic, Event, Reporter, codes};
use aem_static::site::{self, Freshness, Overrides, QueriesMode, Site};
use jiff::Timestamp;

use super::access;
use super::args::Global;
use super::outcome::Status;
use super::settings::{self, Environment};
use super::terminal::Terminal;

/// The site with the environment that goes with it.
pub struct Loaded {
    /// The site.
    pub site: Arc<Site>,
    /// What goes with it.
    pub environment: Environment,
    command: &'static str,
}

/// What flags of a command say about the configuration: (dotted key, value, flag).
pub type Flags = Vec<(String, String, String)>;

/// Reads the site directory; problems are told and give a status.
///
/// `command` is the one that asks, for the last line.
pub fn site(
    command: &'static str,
    global: &Global,
    tier: Option<&'static str>,
    flags: Flags,
    terminal: &Terminal,
) -> Result<Loaded, Status> {
    loaded(command, global, (tier, flags), terminal, site::load)
}

/// [`site`], as far as AEM is asked.
pub fn site_to_ask(
    command: &'static str,
    global: &Global,
    tier: Option<&'static str>,
    terminal: &Terminal,
) -> Result<Loaded, Status> {
    loaded(command, global, (tier, Flags::new()), terminal, site::load_to_ask)
}

/// [`site`], as far as its queries go, and connected to the tier that keeps persisted queries.
///
/// That is author, whatever tier builds read: where the file names a host for it, a host in the environment is that of the tier
/// that builds read and is not taken.
pub fn queries(global: &Global, tier: &'static str, terminal: &Terminal) -> Result<Loaded, Status> {
    const COMMAND: &str = "queries";
    let mut environment = settings::collect(&global.directory).map_err(|problems| told(COMMAND, terminal, problems))?;
    let read = environment.tier.clone().or_else(|| configured(global, "tier"));
    if read.as_deref() != Some(tier) && configured_host(global, tier) {
        environment.host = None;
    }
    let overrides = overrides(global, Some(tier), Flags::new(), &environment, terminal);
    match site::load_queries(&global.directory, &overrides) {
        Ok(site) => Ok(Loaded { site: Arc::new(site), environment, command: COMMAND }),
        Err(problems) => Err(told(COMMAND, terminal, problems)),
    }
}

fn loaded(
    command: &'static str,
    global: &Global,
    (tier, flags): (Option<&'static str>, Flags),
    terminal: &Terminal,
    load: impl Fn(&Path, &Overrides) -> Result<Site, Vec<Diagnostic>>,
) -> Result<Loaded, Status> {
    read(command, global, (tier, flags), terminal, load).map_err(|problems| told(command, terminal, problems))
}

/// Reads the site directory; problems are the caller's to tell.
pub fn read(
    command: &'static str,
    global: &Global,
    (tier, flags): (Option<&'static str>, Flags),
    terminal: &Terminal,
    load: impl Fn(&Path, &Overrides) -> Result<Site, Vec<Diagnostic>>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let environment = settings::collect(&global.directory)?;
    let overrides = overrides(global, tier, flags, &environment, terminal);
    let site = load(&global.directory, &overrides)?;
    Ok(Loaded { site: Arc::new(site), environment, command })
}

/// Tells problems of the site directory, then the last line.
pub fn told(command: &str, terminal: &Terminal, problems: Vec<Diagnostic>) -> Status {
    let setup = problems.iter().any(|problem| problem.is_error() && problem.code.id.starts_with("E01"));
    let errors = problems.iter().filter(|problem| problem.is_error()).count() as u64;
    let warnings = problems.len() as u64 - errors;
    for problem in problems {
        terminal.emit(Event::Diagnostic(problem));
    }
    terminal.failure(&match command {
        "build" => super::summary::failed(errors, warnings),
        _ => super::summary::failed_command(command, errors, warnings),
    });
    if setup { Status::Usage } else { Status::Problems }
}

fn overrides(
    global: &Global,
    tier: Option<&'static str>,
    flags: Flags,
    environment: &Environment,
    terminal: &Terminal,
) -> Overrides {
    let mut values = Vec::new();
    let configured = match environment.overrides.iter().find(|(name, _)| name == "AEM_STATIC_AEM_TIER") {
        Some((_, tier)) => Some(tier.clone()),
        None => configured(global, "tier"),
    };
    let chosen = settings::tier(tier, environment.tier.as_deref(), environment.host.is_some(), configured.as_deref());
    if let Some(chosen) = chosen {
        let source = match (tier, &environment.tier) {
            (Some(_), _) => "--tier",
            (None, Some(_)) => "AEM_TIER",
            (None, None) => {
                terminal.emit(Event::Detail("a host without AEM_TIER on a local site: tier publish".to_owned()));
                environment.host.as_ref().map_or("AEM_HOST", |(_, variable)| variable)
            }
        };
        values.push(("aem.tier".to_owned(), chosen, source.to_owned()));
    }
    values.extend(flags);
    Overrides {
        profile: global.profile.clone(),
        variables: environment.overrides.clone(),
        values,
        host: environment.host.clone(),
    }
}

/// The Sites configuration for the origin as a server of its own, which works without a site, too.
#[cfg(feature = "origin")]
pub fn configuration(global: &Global) -> String {
    configured(global, "configuration").unwrap_or_else(|| "global".to_owned())
}

/// Whether the file, or the profile, names a host for a tier.
fn configured_host(global: &Global, tier: &str) -> bool {
    let host = |table: &toml::Table| Some(table.get("aem")?.get("hosts")?.get(tier)?.is_str());
    let Some(table) = table(global) else { return false };
    let profile = global.profile.as_ref().and_then(|name| table.get("profile")?.get(name)?.as_table());
    profile.and_then(host).or_else(|| host(&table)).unwrap_or(false)
}

/// aem-static.toml as it stands; `None` if it cannot be read, which is told later.
fn table(global: &Global) -> Option<toml::Table> {
    std::fs::read_to_string(global.directory.join(site::CONFIG_FILE)).ok()?.parse().ok()
}

/// A text of `[aem]` (the tier decides what a host in the environment means), before anything is laid over it.
fn configured(global: &Global, key: &str) -> Option<String> {
    let table = table(global)?;
    let in_profile = global.profile.as_ref().and_then(|name| table.get("profile")?.get(name)?.get("aem")?.get(key));
    let value = in_profile.or_else(|| table.get("aem")?.get(key))?;
    Some(value.as_str()?.to_owned())
}

/// A connection to AEM, and the origin behind it if it is the built-in one.
pub struct Connected {
    /// How to reach it.
    pub connection: Connection,
    /// For the summary: `http://127.0.0.1:41234 (local)`.
    pub source: String,
    /// The variable that named the credentials.
    pub credentials_from: Option<&'static str>,
    #[cfg(feature = "origin")]
    origin: Option<aem_static::origin::Running>,
}

impl Connected {
    /// Stops the built-in origin.
    pub async fn close(self) {
        #[cfg(feature = "origin")]
        if let Some(origin) = self.origin {
            origin.stop().await;
        }
    }
}

impl Loaded {
    /// Connects to the tier of the configuration.
    pub async fn connect(&self, concurrency: Option<usize>, terminal: &Terminal) -> Result<Connected, Status> {
        if self.site.config.aem.tier == Tier::Local {
            return self.connect_local(concurrency, terminal).await;
        }
        let (connected, warnings) =
            self.remote(concurrency).map_err(|problems| told(self.command, terminal, problems))?;
        // `doctor` tells the end of credentials at its own check.
        let warnings = warnings.into_iter().filter(|_| self.command != "doctor");
        warnings.for_each(|warning| terminal.emit(Event::Diagnostic(warning)));
        Ok(connected)
    }

    /// The connection to a tier of AEM, with what there is to be said about it.
    pub fn remote(&self, concurrency: Option<usize>) -> Result<(Connected, Vec<Diagnostic>), Vec<Diagnostic>> {
        let aem = &self.site.config.aem;
        let Some(host) = aem.host.clone() else {
            return Err(vec![Diagnostic::error(codes::NO_HOST, format!("the tier `{}` has no host", aem.tier))]);
        };
        let shown = host.as_str().trim_end_matches('/').to_owned();
        let mut source = match aem.tier {
            // Promise 5: the author host stays out of logs.
            Tier::Author => format!("author (host from {})", aem.host_source),
            tier => format!("{shown} ({tier}, from {})", aem.host_source),
        };
        let mut connection = Connection::new(aem.tier, host, aem.configuration.clone());
        connection.execution = execution(aem.queries, aem.freshness, aem.tier);
        connection.direct_if_missing = aem.queries == QueriesMode::Auto;
        self.limits(&mut connection, concurrency);
        let access = access::read(&self.site, &self.environment, Timestamp::now())?;
        if let Some(from) = access.credentials_from {
            source = format!("{source}, authorised by {} from {from}", access.credentials.kind());
        }
        connection.credentials = access.credentials;
        connection.headers = access.headers;
        connection.trusted = access.trusted;
        connection.ims.clone_from(&aem.ims);
        connection.asset_hosts = access.asset_hosts;
        let connected = Connected {
            connection,
            source,
            credentials_from: access.credentials_from,
            #[cfg(feature = "origin")]
            origin: None,
        };
        Ok((connected, access.warnings))
    }

    /// For a build that asks nobody: no origin is started, no credentials are read.
    pub fn unconnected(&self) -> Result<Connected, Status> {
        let aem = &self.site.config.aem;
        let base = match aem.host.clone().filter(|_| aem.tier != Tier::Local) {
            Some(host) => host,
            // It has to be an address; nothing is sent to it.
            None => "http://127.0.0.1/".parse().map_err(|_| Status::Usage)?,
        };
        Ok(Connected {
            connection: Connection::new(aem.tier, base, aem.configuration.clone()),
            source: format!("the answers kept of {}", aem.tier),
            credentials_from: None,
            #[cfg(feature = "origin")]
            origin: None,
        })
    }

    fn limits(&self, connection: &mut Connection, concurrency: Option<usize>) {
        let aem = &self.site.config.aem;
        connection.concurrency = concurrency.unwrap_or(aem.concurrency);
        connection.rate = aem.rate;
        connection.timeout = aem.timeout;
        connection.request_limit = aem.request_limit;
        connection.time_limit = self.site.config.build.time_limit;
        connection.retry_for.patience = aem.patience;
        connection.max_response = aem.max_response;
    }

    #[cfg(feature = "origin")]
    async fn connect_local(&self, concurrency: Option<usize>, terminal: &Terminal) -> Result<Connected, Status> {
        let origin = aem_static::origin::start(self.origin()).await.map_err(|error| {
            told(
                self.command,
                terminal,
                vec![Diagnostic::error(codes::CONTENT_FILE, format!("the built-in origin did not start: {error}"))],
            )
        })?;
        let problems = self.content_problems(origin.problems());
        if problems.iter().any(Diagnostic::is_error) {
            origin.stop().await;
            return Err(told(self.command, terminal, problems));
        }
        problems.into_iter().for_each(|problem| terminal.emit(Event::Diagnostic(problem)));
        let url = origin.url().to_owned();
        terminal.emit(Event::Note(format!(
            "built-in origin on {url}: {} content fragments from content/",
            origin.fragments()
        )));
        let (connection, source) = self.local(&url, concurrency).ok_or(Status::Usage)?;
        Ok(Connected { connection, source, credentials_from: None, origin: Some(origin) })
    }

    /// The built-in origin that this site reads from.
    #[cfg(feature = "origin")]
    pub fn origin(&self) -> aem_static::origin::Options {
        aem_static::origin::Options {
            content: self.site.dir.join("content"),
            queries: Some(self.site.dir.join("content-queries")).filter(|dir| dir.is_dir()),
            configuration: self.site.config.aem.configuration.clone(),
            ..aem_static::origin::Options::default()
        }
    }

    /// The connection to the built-in origin at this address, and what it is called.
    #[cfg(feature = "origin")]
    pub fn local(&self, url: &str, concurrency: Option<usize>) -> Option<(Connection, String)> {
        let aem = &self.site.config.aem;
        let mut connection = Connection::new(Tier::Local, url.parse().ok()?, aem.configuration.clone());
        connection.execution = execution(aem.queries, aem.freshness, Tier::Local);
        self.limits(&mut connection, concurrency);
        Some((connection, format!("{url} (local)")))
    }

    /// What is wrong with the content, for a build: a file that cannot be read is an error, since its pages would be taken for
    /// withdrawn.
    #[cfg(feature = "origin")]
    pub fn content_problems(&self, problems: &[aem_static::origin::Problem]) -> Vec<Diagnostic> {
        let told = problems.iter().map(|problem| {
            let told = super::origin::diagnostic(problem, &self.site.dir);
            // Without a field it is the whole file.
            match problem.field {
                None => Diagnostic { severity: aem_static::report::Severity::Error, ..told },
                Some(_) => told,
            }
        });
        told.collect()
    }

    #[cfg(not(feature = "origin"))]
    async fn connect_local(&self, _: Option<usize>, terminal: &Terminal) -> Result<Connected, Status> {
        Err(told(self.command, terminal, vec![without_origin()]))
    }
}

/// The problem of a local site without the origin.
#[cfg(not(feature = "origin"))]
pub fn without_origin() -> Diagnostic {
    Diagnostic::error(codes::CONFIG_VALUE, "this aem-static was built without the built-in origin")
        .help("build it with the feature `origin`, or choose another tier")
}

/// `auto`: direct on author and local, persisted on preview and publish (and there direct where AEM does not have a query);
/// persisted by POST unless caches are wanted.
fn execution(mode: QueriesMode, freshness: Freshness, tier: Tier) -> Execution {
    let direct = match mode {
        QueriesMode::Auto => matches!(tier, Tier::Local | Tier::Author),
        QueriesMode::Direct => true,
        QueriesMode::Persisted => false,
    };
    match (direct, freshness) {
        (true, _) => Execution::Direct,
        (false, Freshness::Origin) => Execution::PersistedPost,
        (false, Freshness::Cdn) => Execution::PersistedGet,
    }
}
