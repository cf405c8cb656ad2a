//! `preview`: the site served while it is written, until Ctrl-C.

use std::net::IpAddr;
use std::process::Stdio;
use std::sync::Arc;

use aem_static::aem::Tier;
use aem_static::pipeline::Cancel;
use aem_static::preview::{self, Changes, Options, Pending, Preview};
use aem_static::report::{Diagnostic, Event, Reporter, codes};
use aem_static::site;

use super::args::{self, Global, PreviewArgs};
use super::interrupt;
use super::load;
use super::outcome::Status;
use super::terminal::Terminal;

/// Serves the site.
pub fn run(args: &PreviewArgs, global: &Global, terminal: &Arc<Terminal>) -> Status {
    super::threads::run(terminal, serve(args, global, terminal))
}

async fn serve(args: &PreviewArgs, global: &Global, terminal: &Arc<Terminal>) -> Status {
    if !global.directory.join(site::CONFIG_FILE).is_file() {
        let no_site = load::site("preview", global, None, load::Flags::new(), terminal);
        return no_site.err().unwrap_or(Status::Usage);
    }
    let cancel = Cancel::default();
    let stopped = interrupt::armed().await;
    let pending = Arc::new(Pending::default());
    let preview = match Preview::open(options(args, global), pending.clone()).await {
        Ok(preview) => preview,
        Err(error) => {
            terminal.emit(Event::Diagnostic(error.diagnostic()));
            terminal.failure("preview did not start");
            return Status::Usage;
        }
    };
    if let Some(warning) = exposed(args.host) {
        terminal.emit(Event::Diagnostic(warning));
    }
    let url = preview.url();
    terminal.result(&format!("{url}\n"), "preview", &[("url", url.clone().into())]);
    terminal.emit(Event::Note(format!("inspector: {url}/_aem-static/; Ctrl-C stops it")));
    if args.open && !open(&url) {
        terminal.emit(Event::Note(format!("no browser could be opened: open {url} yourself")));
    }
    let desk = Arc::new(Desk::new(args, global, terminal, pending));
    let reporter: Arc<dyn Reporter> = terminal.clone();
    let mut running = std::pin::pin!(preview.run(desk, reporter, cancel.clone()));
    tokio::select! {
        () = &mut running => (),
        () = stopped => {
            cancel.set();
            // A build under way ends before its commit or after it; a second signal does not wait.
            tokio::select! {
                () = &mut running => (),
                () = interrupt::signal() => (),
            }
        }
    }
    Status::Interrupted
}

fn options(args: &PreviewArgs, global: &Global) -> Options {
    Options {
        dir: global.directory.clone(),
        host: args.host,
        port: args.port,
        names: args.allow_host.clone(),
        poll: args.poll.0,
        write: args.write,
        editor: Some(args.editor.clone()).filter(|editor| editor != "none"),
    }
}

/// The warning for an address that is not loopback.
fn exposed(host: IpAddr) -> Option<Diagnostic> {
    let message = format!("preview listens on {host}, which other machines may reach");
    let warning =
        Diagnostic::warning(codes::OPEN_PREVIEW, message).help("leave out `--host` to keep it on this machine");
    (!host.is_loopback()).then_some(warning)
}

/// Opens the system's browser.
fn open(url: &str) -> bool {
    let (program, arguments): (_, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("rundll32", &["url.dll,FileProtocolHandler"]),
        _ => ("xdg-open", &[]),
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}

/// Reads flags, environment and site anew for every build, and keeps the built-in origin from build to build.
struct Desk {
    global: Global,
    tier: Option<&'static str>,
    terminal: Arc<Terminal>,
    #[cfg(feature = "origin")]
    origin: local::Local,
}

impl Desk {
    #[cfg_attr(not(feature = "origin"), expect(unused_variables, reason = "only the origin tells of changes"))]
    fn new(args: &PreviewArgs, global: &Global, terminal: &Arc<Terminal>, pending: Arc<Pending>) -> Self {
        Desk {
            global: global.clone(),
            tier: args.tier.map(args::Tier::name),
            terminal: terminal.clone(),
            #[cfg(feature = "origin")]
            origin: local::Local::new(pending),
        }
    }
}

impl preview::Desk for Desk {
    async fn load(&self) -> Result<preview::Loaded, Vec<Diagnostic>> {
        let (global, tier, terminal) = (self.global.clone(), self.tier, self.terminal.clone());
        let read = tokio::task::spawn_blocking(move || {
            load::read("preview", &global, (tier, load::Flags::new()), &terminal, site::load)
        });
        let loaded = match read.await {
            Ok(read) => read?,
            Err(error) => {
                return Err(vec![Diagnostic::error(codes::BUILD_BROKE, format!("reading broke off: {error}"))]);
            }
        };
        if loaded.site.config.aem.tier == Tier::Local {
            return self.local(loaded).await;
        }
        let (connected, warnings) = loaded.remote(None)?;
        let load::Connected { connection, source, .. } = connected;
        Ok(preview::Loaded { site: loaded.site, connection, source, changes: Changes::Asked, warnings })
    }
}

impl Desk {
    #[cfg(feature = "origin")]
    async fn local(&self, loaded: load::Loaded) -> Result<preview::Loaded, Vec<Diagnostic>> {
        let (url, warnings) = self.origin.url(&loaded).await?;
        let Some((connection, source)) = loaded.local(&url, None) else {
            return Err(vec![Diagnostic::error(codes::CONFIG_VALUE, format!("{url} is no address"))]);
        };
        Ok(preview::Loaded { site: loaded.site, connection, source, changes: Changes::Told, warnings })
    }

    #[cfg(not(feature = "origin"))]
    async fn local(&self, _: load::Loaded) -> Result<preview::Loaded, Vec<Diagnostic>> {
        Err(vec![load::without_origin()])
    }
}

/// The built-in origin of a preview: one for as long as the content directory and the configuration are the same.
#[cfg(feature = "origin")]
mod local {
    use std::sync::{Arc, Mutex, PoisonError};

    use aem_static::origin::{self, Problem, Running};
    use aem_static::preview::Pending;
    use aem_static::report::{Diagnostic, codes};
    use aem_static::site::QueriesMode;

    use super::load::Loaded;

    pub struct Local {
        pending: Arc<Pending>,
        running: tokio::sync::Mutex<Option<Kept>>,
    }

    struct Kept {
        configuration: String,
        running: Running,
        problems: Arc<Mutex<Vec<Problem>>>,
    }

    impl Local {
        pub fn new(pending: Arc<Pending>) -> Self {
            Local { pending, running: tokio::sync::Mutex::default() }
        }

        /// Where the origin of this site is, and what is wrong with its content without keeping it from being built.
        pub async fn url(&self, loaded: &Loaded) -> Result<(String, Vec<Diagnostic>), Vec<Diagnostic>> {
            let mut running = self.running.lock().await;
            let mut options = loaded.origin();
            options.reload = true;
            // Direct queries are sent as they are; a query file that changes is then no change of the origin's.
            options.queries = options.queries.filter(|_| loaded.site.config.aem.queries == QueriesMode::Persisted);
            if running.as_ref().is_some_and(|kept| kept.configuration != options.configuration) {
                *running = None;
            }
            let kept = match running.take() {
                Some(kept) => kept,
                None => self.start(options).await?,
            };
            let url = kept.running.url().to_owned();
            let problems = loaded.content_problems(&kept.problems.lock().unwrap_or_else(PoisonError::into_inner));
            *running = Some(kept);
            if problems.iter().any(Diagnostic::is_error) { Err(problems) } else { Ok((url, problems)) }
        }

        async fn start(&self, options: origin::Options) -> Result<Kept, Vec<Diagnostic>> {
            let configuration = options.configuration.clone();
            let running = origin::start(options).await.map_err(|error| {
                vec![Diagnostic::error(codes::CONTENT_FILE, format!("the built-in origin did not start: {error}"))]
            })?;
            let problems = Arc::new(Mutex::new(running.problems().to_vec()));
            let (mut changes, known, pending) = (running.changes(), problems.clone(), self.pending.clone());
            // Ends with the origin.
            tokio::spawn(async move {
                while let Some(loaded) = changes.next().await {
                    known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&loaded.problems);
                    pending.content();
                }
            });
            Ok(Kept { configuration, running, problems })
        }
    }
}
