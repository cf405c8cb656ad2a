//! The server of whoever writes templates and content: builds into a folder of its own, serves it on loopback, watches what the
//! site is made of, rebuilds, and tells the browser. What went wrong is shown in the page, what a page was made of in the
//! inspector.
//!
//! It builds by [`crate::pipeline::export`] and in no other way, and never changes a byte of what that wrote: the script that reloads
//! pages is added on the way out. It reads no flags and no environment: its caller does, anew for every build ([`Desk`]).

mod build;
mod diagnostics;
mod events;
mod files;
mod fragment;
mod gate;
mod html;
mod inject;
mod inspector;
mod links;
mod listening;
mod pending;
mod shown;
mod verdict;
mod watcher;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::aem::Connection;
use crate::pipeline::{AnswersFrom, Cancel};
use crate::report::{Diagnostic, Reporter, codes};
use crate::site::Site;

pub use pending::Pending;

use shown::Stage;
use watcher::Watcher;

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The site directory.
    pub dir: PathBuf,
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Names under which the server may be asked, besides those of loopback.
    pub names: Vec<String>,
    /// How often AEM is asked for changes.
    pub poll: Option<Duration>,
    /// Whether to build into the site's own output folder, with its state.
    pub write: bool,
    /// The link that opens a file: `{path}`, `{line}` and `{column}` are put in. Without one, places are plain text.
    pub editor: Option<String>,
}

/// How the content of a build is known to have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// The source says so, by [`Pending::content`].
    Told,
    /// It has to be asked.
    Asked,
}

/// A site as it is now, and where its content comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The site.
    pub site: Arc<Site>,
    /// How to reach its content.
    pub connection: Connection,
    /// What that is, for people.
    pub source: String,
    /// How changes of it are known.
    pub changes: Changes,
    /// What is wrong and does not keep it from being built.
    pub warnings: Vec<Diagnostic>,
}

/// Whoever knows flags and environment: reads the site directory anew, for every build.
pub trait Desk: Send + Sync + 'static {
    /// The site and its source as they are now, or every problem.
    fn load(&self) -> impl Future<Output = Result<Loaded, Vec<Diagnostic>>> + Send;
}

/// Why preview could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Files cannot be watched.
    #[error("the site's files cannot be watched: {0}")]
    Watch(String),
}

impl StartError {
    /// This error as something to show, with its code and what to do next.
    pub fn diagnostic(&self) -> Diagnostic {
        let help = match self {
            StartError::Bind { .. } => "stop the program that listens there, or choose another port with `--port`",
            StartError::Watch(_) => "on Linux, raise fs.inotify.max_user_watches and max_user_instances",
        };
        Diagnostic::error(codes::PREVIEW_START, self.to_string()).help(help)
    }
}

/// A preview that has its port and its watch, and has not begun to build.
#[derive(Debug)]
pub struct Preview {
    options: Options,
    listener: TcpListener,
    address: SocketAddr,
    watcher: Watcher,
    pending: Arc<Pending>,
}

impl Preview {
    /// Takes the port and begins to watch; what changes from now on is seen. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(options: Options, pending: Arc<Pending>) -> Result<Self, StartError> {
        let address = SocketAddr::new(options.host, options.port);
        let bind = |source| StartError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let watcher = Watcher::begin(&options.dir, pending.clone()).map_err(StartError::Watch)?;
        Ok(Preview { options, listener, address, watcher, pending })
    }

    /// Where it listens, without a final `/`. For an address that stands for all, that of loopback.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    /// Builds, serves, watches and rebuilds until `cancel` is set.
    pub async fn run<D: Desk>(self, desk: Arc<D>, reporter: Arc<dyn Reporter>, cancel: Cancel) {
        let Preview { options, listener, watcher, pending, .. } = self;
        let options = Arc::new(options);
        let stage = Arc::new(Stage::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(listening::serve(listener, options.clone(), stage.clone(), pending.clone(), cancel.clone()));
        if let Some(every) = options.poll {
            tasks.spawn(ask_regularly(every, pending.clone(), stage.clone()));
        }
        let answers = AnswersFrom::Aem;
        let builder =
            build::Builder { desk, options, stage, pending, watcher, reporter, cancel: cancel.clone(), answers };
        // The builder ends by itself, before a commit or after it.
        builder.run().await;
        tasks.shutdown().await;
    }
}

/// Has AEM asked for changes, as long as the last build says that it has to be.
async fn ask_regularly(every: Duration, pending: Arc<Pending>, stage: Arc<Stage>) {
    loop {
        tokio::time::sleep(every).await;
        if stage.now().asks() {
            pending.ask();
        }
    }
}
