//! `listen`: publish events in, rebuilt and deployed site out.
//!
//! Events come by webhook, from Adobe's journal, or as a plain request to build; they are on disk before anybody is told that they
//! were accepted (design.md §2, promise 8). What an event says of content is never believed: it only says when to ask AEM. The
//! room never builds by itself: [`crate::pipeline::export`] does, one build after another. It reads no flags and no environment: how the site is
//! loaded is handed in as a [`Source`].

mod builds;
mod challenge;
mod coalesce;
mod delivery;
mod deploy;
mod freshness;
mod gate;
mod heard;
mod journal;
mod keys;
mod ledger;
mod pending;
mod queue;
mod rebuild;
mod server;
mod shown;
mod signature;
mod status;
mod told;
mod webhook;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use url::Url;

use crate::aem::{Aem, Connection, Credentials, Secret, SetupError, Tier};
use crate::pipeline::{self, Cancel as Stop};
use crate::report::{Diagnostic, Reporter};
use crate::site::{Listen, Site};
use crate::state::listen_folder;

pub use deploy::Deployment;

use builds::Builds;
use delivery::{Event, Kind};
use gate::Gate;
use journal::Journal;
use keys::Keys;
use ledger::Ledger;
use queue::Queue;
use status::Status;

/// Events that are damaged on disk: everything is checked then, and it is worth a line.
const DAMAGED: &str = "damaged";
/// A key is half a kilobyte.
const MAX_KEY: u64 = 64 << 10;
/// A page of the journal is at most 1.5 MB (protocol 8.7).
const MAX_JOURNAL: u64 = 2 << 20;

/// The site as it is now, and how to reach its content.
pub trait Source: Send + Sync {
    /// Loads the site anew, for one build.
    fn prepare(&self) -> Pin<Box<dyn Future<Output = Result<Prepared, Vec<Diagnostic>>> + Send + '_>>;
}

/// What one build needs.
pub struct Prepared {
    /// The site.
    pub site: Arc<Site>,
    /// Where its content is.
    pub connection: Connection,
    /// How it is built.
    pub options: pipeline::Options,
    /// Problems that do not keep it from being built.
    pub warnings: Vec<Diagnostic>,
    /// Kept until the build is over: the built-in origin.
    pub keep: Option<Box<dyn Any + Send>>,
}

/// Everything a listener is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 is a free one.
    pub address: SocketAddr,
    /// The site directory.
    pub dir: PathBuf,
    /// The output folder.
    pub out: PathBuf,
    /// The tier that the site reads.
    pub tier: Tier,
    /// `[listen]`
    pub listen: Listen,
    /// The secret of `POST /rebuild`; `None`: it is off.
    pub secret: Option<Secret>,
    /// Credentials of the events project, for the journal.
    pub credentials: Credentials,
    /// Where their tokens are exchanged, if not where Adobe's are.
    pub ims: Option<Url>,
    /// Certificates in PEM that are trusted as well as the system's.
    pub trusted: Option<Vec<u8>>,
    /// The command of `[deploy]` and its arguments; empty: none.
    pub command: Vec<String>,
    /// How long it may run.
    pub time_limit: std::time::Duration,
    /// Variables that it does not see: secrets that are not its business.
    pub hidden: Vec<String>,
    /// Under which addresses a CDN keeps the site.
    pub purge: Vec<Url>,
    /// Headers of requests to the CDN; treated as secrets.
    pub purge_headers: Vec<(String, String)>,
}

/// Why a listener did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The queue of events.
    #[error("{0}")]
    Queue(#[from] queue::OpenError),
    /// The list of files that wait to be deployed.
    #[error("the list of files to deploy cannot be used: {0}")]
    Ledger(std::io::Error),
    /// A setting of a connection.
    #[error("{0}")]
    Setup(#[from] SetupError),
    /// The journal asks who we are.
    #[error("{0}")]
    Journal(&'static str),
}

/// What all requests and tasks share.
struct App {
    queue: Queue,
    status: Arc<Status>,
    gate: Gate,
    /// `None`: deliveries are refused, because nobody could tell whose they are.
    keys: Option<Keys>,
    client_id: Option<String>,
    secret: Option<Secret>,
    confirm: Aem,
    /// One confirmation at a time.
    confirming: Arc<Semaphore>,
    /// Something was missed: a full check is due now.
    check_everything: Notify,
    reporter: Arc<dyn Reporter>,
    tier: Tier,
    paths: Vec<String>,
    models: Vec<String>,
    requests: AtomicU64,
}

impl App {
    /// Whether an event can have changed what the site shows.
    ///
    /// What authors change reaches preview and publish only by being published, which is an event of its own; what is published
    /// to another tier changes nothing on this one.
    fn follows(&self, event: &Event) -> bool {
        let live = matches!(self.tier, Tier::Publish | Tier::Preview);
        let reaches = match event.kind {
            Kind::Other(_) => false,
            Kind::Created | Kind::Modified | Kind::Variation => !live,
            Kind::Published | Kind::Unpublished if live => {
                event.tier.as_deref().is_none_or(|tier| tier == self.tier.name())
            }
            _ => true,
        };
        let below = |path: &str, folder: &String| {
            let folder = folder.trim_end_matches('/');
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // An event that does not say what it is about may be about anything.
        let path = event.fragment.as_deref().is_none_or(|path| self.paths.iter().any(|folder| below(path, folder)));
        let model = event.model.as_ref().is_none_or(|model| self.models.contains(model));
        reaches && (self.paths.is_empty() || path) && (self.models.is_empty() || model)
    }

    /// A name for a request that has none of its own.
    fn name_request(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{}-{}-{number}", status::now(), std::process::id())
    }
}

/// A listener that has its port and its queue, and has not begun to work.
pub struct Listener {
    url: String,
    socket: TcpListener,
    app: Arc<App>,
    builds: Builds,
    journal: Option<Journal>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Listener {
    /// Takes the port, the queue and the list of files to deploy.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        settings: Settings,
        source: Arc<dyn Source>,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Self, StartError> {
        let journal = journal(&settings)?;
        let purge = settings.purge.iter().map(|url| {
            let mut connection = outside(url, MAX_KEY, settings.trusted.as_deref());
            connection.headers.clone_from(&settings.purge_headers);
            Aem::new(connection)
        });
        let purge = purge.collect::<Result<Vec<Aem>, SetupError>>()?;
        let folder = listen_folder(&settings.dir);
        let (queue, damaged) = Queue::open(&folder, settings.listen.max_pending)?;
        let ledger = Arc::new(Ledger::open(&folder, &settings.out).map_err(StartError::Ledger)?);
        let address = settings.address;
        let bind = |source| StartError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(bind)?;
        let url = format!("http://{}", socket.local_addr().map_err(bind)?);
        let app = Arc::new(app(&settings, queue, reporter.clone())?);
        if damaged > 0 {
            let text = format!("{damaged} lines of the queue are damaged: everything is checked");
            reporter.emit(status::log(DAMAGED, text).into());
        }
        let deployment = Deployment {
            dir: settings.dir.clone(),
            out: settings.out.clone(),
            folder,
            command: settings.command.clone(),
            time_limit: settings.time_limit,
            hidden: settings.hidden.clone(),
            purge,
        };
        let builds = Builds::new(app.clone(), source, ledger, deployment, &settings);
        Ok(Listener { url, socket, app, builds, journal })
    }

    /// Scheme, host and port, without a final `/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many events of an earlier run wait.
    pub fn waiting(&self) -> usize {
        self.app.queue.depth().waiting
    }

    /// Works until `stop` is set; a build or a deployment that has begun is finished first, unless `cancel` is set as well.
    pub async fn run(self, stop: Stop, cancel: Stop) {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(server::serve(self.socket, self.app.clone(), stop.clone()));
        if let Some(journal) = self.journal {
            tasks.spawn(journal.follow(self.app.clone(), stop.clone()));
        }
        self.builds.run(&stop, &cancel).await;
        while tasks.join_next().await.is_some() {}
    }
}

fn app(settings: &Settings, queue: Queue, reporter: Arc<dyn Reporter>) -> Result<App, SetupError> {
    let listen = &settings.listen;
    let trusted = settings.trusted.as_deref();
    let keys = match listen.client_id {
        Some(_) => Some(Keys::new(Aem::new(outside(&listen.keys, MAX_KEY, trusted))?)),
        None => None,
    };
    Ok(App {
        queue,
        status: Arc::new(Status::new()),
        gate: Gate::new(listen.proxies.clone(), listen.monitors.clone(), listen.rate),
        keys,
        client_id: listen.client_id.clone(),
        secret: settings.secret.clone(),
        confirm: Aem::new(outside(&listen.confirm, MAX_KEY, trusted))?,
        confirming: Arc::new(Semaphore::new(1)),
        check_everything: Notify::new(),
        reporter,
        tier: settings.tier,
        paths: listen.paths.clone(),
        models: listen.models.clone(),
        requests: AtomicU64::new(0),
    })
}

/// A connection to somebody who is not AEM: no credentials, and small answers.
fn outside(url: &Url, max_response: u64, trusted: Option<&[u8]>) -> Connection {
    let mut base = url.clone();
    base.set_query(None);
    let mut connection = Connection::new(Tier::Publish, base, "none");
    connection.max_response = max_response;
    connection.trusted = trusted.map(<[u8]>::to_vec);
    connection
}

fn journal(settings: &Settings) -> Result<Option<Journal>, StartError> {
    let Some(url) = settings.listen.journal.clone() else { return Ok(None) };
    let (Some(client), Some(organization)) = (&settings.listen.client_id, &settings.listen.organization) else {
        return Err(StartError::Journal("the journal needs `listen.client_id` and `listen.organization`"));
    };
    if matches!(settings.credentials, Credentials::None) {
        return Err(StartError::Journal(
            "the journal needs AEM_EVENTS_CLIENT_SECRET and AEM_EVENTS_SCOPES, or AEM_EVENTS_TOKEN",
        ));
    }
    let mut connection = outside(&url, MAX_JOURNAL, settings.trusted.as_deref());
    connection.credentials = settings.credentials.clone();
    connection.ims.clone_from(&settings.ims);
    connection.headers =
        vec![("x-ims-org-id".to_owned(), organization.clone()), ("x-api-key".to_owned(), client.clone())];
    Ok(Some(Journal { aem: Aem::new(connection)?, url }))
}
