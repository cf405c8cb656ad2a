//! `listen`: publish events in, rebuilt and deployed site out, until SIGTERM or Ctrl-C.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use aem_static::aem::{Credentials, OAuthClient, Secret, Tier};
use aem_static::listen::{Listener, Prepared, Settings, Source, StartError};
use aem_static::output::{Adopt, Mode};
use aem_static::pipeline::{AnswersFrom, Cancel, Facts, Folders, Options, Versions};
use aem_static::report::{Diagnostic, Event, Reporter, codes};
use aem_static::site::{self, HeaderSource, OnError};
use secrecy::{ExposeSecret as _, SecretString};

use super::access;
use super::args::{self, Global, ListenArgs};
use super::interrupt;
use super::load::{self, Flags, Loaded};
use super::outcome::Status;
use super::settings::{Environment, Sets, VARIABLES};
use super::terminal::Terminal;

/// Listens.
pub fn run(args: &ListenArgs, global: &Global, terminal: &Arc<Terminal>) -> Status {
    let site = Here { args: args.clone(), global: global.clone(), terminal: terminal.clone() };
    let loaded = match site.load() {
        Ok(loaded) => loaded,
        Err(problems) => return load::told("listen", terminal, problems),
    };
    let settings = match settings(args, &loaded) {
        Ok(settings) => settings,
        Err(problems) => return load::told("listen", terminal, problems),
    };
    if let Some(warning) = deaf(&settings) {
        terminal.emit(Event::Diagnostic(warning));
    }
    super::threads::run(terminal, listen(settings, site, terminal))
}

async fn listen(settings: Settings, site: Here, terminal: &Arc<Terminal>) -> Status {
    let stopped = interrupt::armed().await;
    let reporter: Arc<dyn Reporter> = terminal.clone();
    let listener = match Listener::start(settings, Arc::new(site), reporter).await {
        Ok(listener) => listener,
        Err(error) => return not_started(&error, terminal),
    };
    let url = listener.url();
    terminal.result(&format!("{url}\n"), "listening", &[("url", url.into())]);
    if listener.waiting() > 0 {
        terminal.emit(Event::Note(format!("{} events of an earlier run wait", listener.waiting())));
    }
    let (stop, cancel) = (Cancel::default(), Cancel::default());
    let mut working = std::pin::pin!(listener.run(stop.clone(), cancel.clone()));
    tokio::select! {
        () = &mut working => return Status::Done,
        () = stopped => stop.set(),
    }
    terminal.emit(Event::Note("stopping when what is under way is done".to_owned()));
    tokio::select! {
        () = &mut working => return Status::Done,
        () = interrupt::signal() => cancel.set(),
    }
    working.await;
    Status::Interrupted
}

fn not_started(error: &StartError, terminal: &Terminal) -> Status {
    terminal.failure(&error.to_string());
    Status::Usage
}

/// A listener that nobody can tell anything.
fn deaf(settings: &Settings) -> Option<Diagnostic> {
    let hears = settings.listen.client_id.is_some() || settings.secret.is_some();
    let warning = Diagnostic::warning(codes::DEAF, "neither events nor requests to build are taken")
        .help("set `[listen] client_id` for Adobe's events, or AEM_REBUILD_SECRET for `POST /rebuild`");
    (!hears).then_some(warning)
}

/// The site directory, loaded anew for every build.
struct Here {
    args: ListenArgs,
    global: Global,
    terminal: Arc<Terminal>,
}

impl Here {
    fn load(&self) -> Result<Loaded, Vec<Diagnostic>> {
        let mut flags = Flags::new();
        if let Some(workers) = self.args.workers {
            flags.push(("build.workers".to_owned(), workers.to_string(), "--workers".to_owned()));
        }
        if let Some(journal) = &self.args.journal {
            flags.push(("listen.journal".to_owned(), journal.clone(), "--journal".to_owned()));
        }
        let tier = self.args.tier.map(args::Tier::name);
        load::read("listen", &self.global, (tier, flags), &self.terminal, site::load)
    }

    async fn prepared(&self) -> Result<Prepared, Vec<Diagnostic>> {
        let loaded = tokio::task::block_in_place(|| self.load())?;
        let concurrency = self.args.concurrency.map(Into::into);
        let mut prepared = match loaded.site.config.aem.tier {
            Tier::Local => local(&loaded, concurrency).await?,
            _ => {
                let (connected, warnings) = loaded.remote(concurrency)?;
                Prepared {
                    site: loaded.site.clone(),
                    connection: connected.connection,
                    options: options(&loaded, connected.source),
                    warnings,
                    keep: None,
                }
            }
        };
        // Told at the start, not with every event.
        prepared.warnings.retain(|warning| warning.code != codes::CREDENTIALS_END);
        Ok(prepared)
    }
}

impl Source for Here {
    fn prepare(&self) -> Pin<Box<dyn Future<Output = Result<Prepared, Vec<Diagnostic>>> + Send + '_>> {
        Box::pin(self.prepared())
    }
}

fn options(loaded: &Loaded, source: String) -> Options {
    Options {
        mode: Mode::Write,
        adopt: Adopt::No,
        allow_removals: false,
        withdrawn: BTreeSet::new(),
        full: false,
        // AEM's text may change while we run, by `queries push` as well: it is said, and the build goes on.
        versions: Versions::Warned,
        answers: AnswersFrom::Aem,
        // One page that fails must not keep what was published from the others.
        on_error: loaded.site.config.build.on_error.unwrap_or(OnError::Hold),
        workers: loaded.site.config.build.workers,
        folders: Folders::of(&loaded.site),
        dump: false,
        facts: Facts::default(),
        source,
    }
}

/// The built-in origin over the content as it is now, for one build.
#[cfg(feature = "origin")]
async fn local(loaded: &Loaded, concurrency: Option<usize>) -> Result<Prepared, Vec<Diagnostic>> {
    let failed = |problem: String| vec![Diagnostic::error(codes::CONTENT_FILE, problem)];
    let origin = aem_static::origin::start(loaded.origin()).await;
    let origin = origin.map_err(|error| failed(format!("the built-in origin did not start: {error}")))?;
    let warnings = loaded.content_problems(origin.problems());
    if warnings.iter().any(Diagnostic::is_error) {
        return Err(warnings);
    }
    let (connection, source) =
        loaded.local(origin.url(), concurrency).ok_or_else(|| failed(format!("{} is no address", origin.url())))?;
    let keep: Option<Box<dyn std::any::Any + Send>> = Some(Box::new(origin));
    Ok(Prepared { site: loaded.site.clone(), connection, options: options(loaded, source), warnings, keep })
}

#[cfg(not(feature = "origin"))]
async fn local(_: &Loaded, _: Option<usize>) -> Result<Prepared, Vec<Diagnostic>> {
    Err(vec![load::without_origin()])
}

/// What is read once, at the start.
fn settings(args: &ListenArgs, loaded: &Loaded) -> Result<Settings, Vec<Diagnostic>> {
    let (config, environment) = (&loaded.site.config, &loaded.environment);
    let mut problems = Vec::new();
    let purge_headers = access::resolved(&config.deploy.purge_headers, environment, &mut problems);
    let trusted = match config.aem.tier {
        Tier::Local => None,
        _ => match loaded.remote(None) {
            Ok((connected, _)) => connected.connection.trusted,
            Err(found) => {
                problems.extend(found);
                None
            }
        },
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Settings {
        address: SocketAddr::new(args.host, args.port),
        dir: loaded.site.dir.clone(),
        out: loaded.site.out_dir(),
        tier: config.aem.tier,
        listen: config.listen.clone(),
        secret: environment.rebuild_secret.as_ref().map(secret),
        credentials: credentials(config.listen.client_id.as_deref(), environment),
        ims: config.aem.ims.clone(),
        trusted,
        command: config.deploy.command.clone(),
        time_limit: config.deploy.time_limit,
        hidden: hidden(loaded),
        purge: config.deploy.purge.clone(),
        purge_headers,
    })
}

fn secret(text: &SecretString) -> Secret {
    Secret::new(text.expose_secret())
}

/// Who we are to the journal.
fn credentials(client_id: Option<&str>, environment: &Environment) -> Credentials {
    let Environment { events_secret, events_scopes, events_token, .. } = environment;
    match (events_token, client_id, events_secret, events_scopes) {
        (Some(token), ..) => Credentials::Bearer(secret(token)),
        (None, Some(id), Some(own), Some(scopes)) => {
            let client = OAuthClient { id: id.to_owned(), secret: secret(own), scopes: scopes.clone() };
            Credentials::OAuth(Arc::new(client))
        }
        _ => Credentials::None,
    }
}

/// Variables that are none of the deploy command's business.
fn hidden(loaded: &Loaded) -> Vec<String> {
    let secret = |sets| {
        matches!(
            sets,
            Sets::Token
                | Sets::Password
                | Sets::ClientSecret
                | Sets::RebuildSecret
                | Sets::EventsSecret
                | Sets::EventsToken
        )
    };
    let own = VARIABLES.iter().filter(|variable| secret(variable.sets)).map(|variable| variable.name.to_owned());
    let config = &loaded.site.config;
    let headers = config.aem.headers.iter().chain(&config.deploy.purge_headers);
    let named = headers.filter_map(|(_, source)| match source {
        HeaderSource::Variable(name) => Some(name.clone()),
        HeaderSource::Text(_) => None,
    });
    own.chain(named).collect()
}
