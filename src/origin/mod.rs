//! The built-in origin: an AEM-compatible GraphQL server over a `content/` directory.
//!
//! An annex: it shares nothing with the rest of this crate but HTTP, so that a mistake in the client cannot hide behind the
//! same mistake here. It reads content fragment models, fragments and assets, builds the schema AEM would generate
//! (protocol §4) and answers the endpoint, persisted queries and assets on a socket. It never writes, and never shares a
//! Rust type with its clients.
//!
//! What is loaded is immutable; requests hold it by an `Arc` behind one swap point (`endpoints::Shared`).

mod content;
#[cfg(fuzzing)]
pub mod fuzzing;
mod graphql;
mod http;
mod images;
mod reload;
mod text;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub use content::problem::Problem;
pub use http::access::{Access, Basic, ImsOptions, OauthClient, Refusal, Unit};
pub use http::counts::Counts;
pub use http::fault::{Fault, FaultError, Faults, Kind};
pub use reload::{Changes, Loaded};

use http::access::Anonymous;
use http::endpoints::{self, Shared};
use http::gate::{self, Gate};
use http::wire::{Peer, Wire};

/// How long requests in flight may take after [`Running::stop`].
const GRACE: Duration = Duration::from_secs(2);

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory with `models/`, `fragments/` and `assets/`.
    pub content: PathBuf,
    /// The directory with the query files that are offered as persisted queries.
    pub queries: Option<PathBuf>,
    /// The Sites configuration of queries that name no other, and of the endpoint.
    pub configuration: String,
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The tier to stand in for: what passes, what is published, how long answers keep.
    pub tier: Tier,
    /// On preview and publish: lets direct POST to the endpoint pass, as `ENABLE_GRAPHQL_ENDPOINT=true` does (protocol §2.3).
    pub allow_post: bool,
    /// Answers 400 and 500 with `application/graphql-response+json`, as `responseContentTypeGraphQLResponseJson=true` does
    /// (protocol §3.7); without it an answered query is always 200.
    pub graphql_response_json: bool,
    /// Serves content, assets and query files anew when they change.
    pub reload: bool,
    /// Who may ask; by default everybody.
    pub access: Access,
    /// What goes wrong on purpose, and how many requests are too many; by default nothing.
    pub faults: Faults,
    /// Is there the control endpoint `/_origin/`, for callers on this machine?
    pub control: bool,
}

impl Default for Options {
    /// Author on a free port of loopback, over `content/` in the working directory.
    fn default() -> Self {
        Self {
            content: PathBuf::from("content"),
            queries: None,
            configuration: "global".to_owned(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            tier: Tier::default(),
            allow_post: false,
            graphql_response_json: false,
            reload: false,
            access: Access::default(),
            faults: Faults::default(),
            control: false,
        }
    }
}

/// The tier of AEM the origin stands in for (protocol §1.2, §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tier {
    /// No Dispatcher, everything answers; this is what `tier = "local"` builds from.
    #[default]
    Author,
    /// Behind a Dispatcher, for content before it is published.
    Preview,
    /// Behind a Dispatcher, for the public.
    Publish,
}

impl Tier {
    /// Whether a Dispatcher stands in front (protocol §1.2).
    pub(in crate::origin) fn has_dispatcher(self) -> bool {
        self != Tier::Author
    }
}

/// Why the origin could not start. Broken content is no reason: see [`Running::problems`].
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The models pass their checks one by one but make no valid schema together.
    #[error("the models make no valid GraphQL schema: {0}")]
    Schema(String),
    /// A credentials file that the IMS stand-in cannot work with.
    #[error("{} {problem}", file.display())]
    Credentials {
        /// The file.
        file: PathBuf,
        /// What is wrong with it; nothing of what it says.
        problem: String,
    },
    /// Loading the content was broken off.
    #[error("loading the content was broken off")]
    Interrupted,
}

/// A running origin. Dropping it stops it too, but only [`stop`](Self::stop) waits for requests in flight.
pub struct Running {
    url: String,
    problems: Vec<Problem>,
    fragments: usize,
    changes: watch::Receiver<Arc<Loaded>>,
    gate: Arc<Gate>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Scheme, host and port, without a final `/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was wrong with the content at the start; everything else is served.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many fragments were served at the start.
    pub fn fragments(&self) -> usize {
        self.fragments
    }

    /// Tells of every exchange of content since the start, with [`Options::reload`].
    pub fn changes(&self) -> Changes {
        Changes::new(self.changes.clone())
    }

    /// What was asked so far, and what it got.
    pub fn counts(&self) -> Counts {
        self.gate.counts()
    }

    /// Puts other faults in force, as the control endpoint does; their counting begins anew.
    pub fn set_faults(&self, faults: Faults) {
        self.gate.set_faults(faults);
    }

    /// Ends every token of the IMS stand-in, and says how many were good.
    pub fn expire_tokens(&self) -> usize {
        self.gate.expire_tokens()
    }

    /// Stops listening and waits until requests in flight are answered, but not for clients that never finish theirs.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the task is over already.
            let _ = stop.send(());
        }
        let task = &mut self.task;
        if tokio::time::timeout(GRACE, &mut *task).await.is_err() {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Running").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Starts an origin on the current tokio runtime: takes the port, loads the content, serves in a task of its own.
///
/// # Errors
/// [`StartError`].
pub async fn start(options: Options) -> Result<Running, StartError> {
    let address = SocketAddr::new(options.host, options.port);
    let bind = |source| StartError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    let bound = listener.local_addr().map_err(bind)?;
    // Publish and preview are there for everybody (protocol §1.3).
    let anonymous = if options.tier == Tier::Author { Anonymous::Refused } else { Anonymous::Welcome };
    let gate = Arc::new(Gate::new(&options.access, anonymous, options.faults.clone(), options.control)?);
    let of_load = options.clone();
    let (shared, loaded, watched) =
        tokio::task::spawn_blocking(move || load(&of_load)).await.map_err(|_| StartError::Interrupted)??;
    let (told, changes) = watch::channel(Arc::new(loaded.clone()));
    let Loaded { fragments, problems } = loaded;
    let (stop, stopped) = oneshot::channel::<()>();
    let around = gate.clone();
    let task = tokio::spawn(async move {
        let service =
            gate::around(endpoints::router(shared.clone()), around).into_make_service_with_connect_info::<Peer>();
        let serve = axum::serve(Wire(listener), service);
        // The sender gone means the same as a message: the owner has dropped the origin.
        let until = async { drop(stopped.await) };
        let serve = serve.with_graceful_shutdown(until);
        match watched {
            Some(watched) => tokio::select! {
                _ = serve => (),
                () = reload::keep_up(watched, options, shared, told) => (),
            },
            None => {
                drop(told);
                let _ = serve.await;
            }
        }
    });
    Ok(Running { url: format!("http://{bound}"), problems, fragments, changes, gate, stop: Some(stop), task })
}

/// A change between the beginning of the watch and the end of loading is seen: the watch begins first.
fn load(options: &Options) -> Result<(Arc<Shared>, Loaded, Option<reload::Watch>), StartError> {
    let watch = options.reload.then(|| reload::Watch::begin(options));
    let (content, queries, mut problems) = reload::read(options)?;
    let fragments = content.global().repository.len();
    let watch = watch.and_then(|begun| {
        let failed = |error| format!("changes of the content will not be seen: {error}");
        begun.map_err(|error| problems.push(reload::problem_of(&options.content, failed(error)))).ok()
    });
    Ok((Arc::new(Shared::new(content, queries, options)), Loaded { fragments, problems }, watch))
}
