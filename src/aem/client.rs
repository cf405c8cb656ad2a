//! The client: one per connection, cheap to clone. Queries go out here, and every request passes `exchange`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use super::answer::{Answer, Reply};
use super::assets::Validators;
use super::connection::{Connection, Execution, SetupError};
use super::credentials::{Keeper, Redaction};
use super::exchange::{Outgoing, Place};
use super::failure::{Failure, FailureKind};
use super::governor::Governor;
use super::http;
use super::persisted;
use super::retry::{Dice, Miss};

/// Both content types of protocol 3.7.
pub(super) const ACCEPTED: &str = "application/json, application/graphql-response+json";

/// One run of a query.
#[derive(Debug, Clone, Copy)]
pub struct QueryCall<'a> {
    /// The query's name: the stem of its file, and the name of the persisted query.
    pub name: &'a str,
    /// The Sites configuration, if not the connection's.
    pub configuration: Option<&'a str>,
    /// The sent form of the query.
    pub text: &'a str,
    /// The variables by name, without `$`.
    pub variables: &'a Map<String, Value>,
}

/// What came of a conditional query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queried {
    /// Another answer than the known one, or one without validators.
    Answer(Answer),
    /// The known answer is still the right one.
    NotModified {
        /// Whether a cache said so.
        cached: bool,
    },
}

/// What a client has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests sent, retries, followed redirects and exchanges of tokens included.
    pub requests: u64,
    /// Requests sent again after a fault.
    pub retries: u64,
    /// Bytes of bodies, after decompression.
    pub bytes: u64,
    /// The greatest `Age` seen, in seconds.
    pub max_age: Option<u64>,
    /// For how long all requests of a host were held back because it asked for it.
    pub waited: Duration,
    /// Access tokens asked for at IMS.
    pub exchanges: u64,
}

/// Something that a client does by itself and people may wonder about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// A host asked by `Retry-After` to be left alone: no request leaves for so long.
    HeldBack {
        /// The status: 429 or 503.
        status: u16,
        /// How long.
        pause: Duration,
    },
    /// AEM refused the access token, and another one is asked for.
    TokenRefused {
        /// The status: 401 or 403.
        status: u16,
    },
}

/// Who is told of incidents; called from many tasks.
pub type Observer = Arc<dyn Fn(Incident) + Send + Sync>;

/// A client for one [`Connection`]. Clones share connections, governors, the token and the counts.
#[derive(Clone)]
pub struct Aem {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub connection: Connection,
    /// Sends the configured headers and constant credentials; used for the connection's scheme, host and port only.
    pub home: Client,
    /// Has neither; used for every other host, so that nothing secret can go there. `None` where no other is allowed.
    pub elsewhere: Option<Client>,
    /// Where tokens are exchanged, and the client for it. `None` for credentials that are not exchanged.
    pub ims: Option<(Url, Client)>,
    pub keeper: Keeper,
    /// The certificate, in DER, that the connection's host showed first.
    pub certificate: OnceLock<Vec<u8>>,
    pub governors: Mutex<BTreeMap<(Place, String), Arc<Governor>>>,
    pub counts: Mutex<Counts>,
    pub redaction: Mutex<Redaction>,
    pub dice: Dice,
    pub ends: Option<Instant>,
    pub observer: Observer,
}

impl fmt::Debug for Aem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Aem").field(&self.inner.connection).finish()
    }
}

impl Aem {
    /// Makes the client; sends nothing.
    pub fn new(connection: Connection) -> Result<Aem, SetupError> {
        Aem::observed(connection, Arc::new(|_| ()))
    }

    /// Makes the client; sends nothing. The observer is told of what it does by itself.
    pub fn observed(connection: Connection, observer: Observer) -> Result<Aem, SetupError> {
        connection.verify()?;
        let ims = match connection.credentials.ims(connection.ims.as_ref())? {
            Some(url) => Some((url.clone(), http::ims(&connection, &url)?)),
            None => None,
        };
        let elsewhere = if connection.asset_hosts.is_empty() { None } else { Some(http::elsewhere(&connection)?) };
        Ok(Aem {
            inner: Arc::new(Inner {
                home: http::home(&connection)?,
                elsewhere,
                ims,
                keeper: Keeper::new(&connection.credentials),
                certificate: OnceLock::new(),
                governors: Mutex::default(),
                counts: Mutex::default(),
                redaction: Mutex::new(connection.redaction()),
                dice: Dice::new(),
                ends: connection.time_limit.and_then(|limit| Instant::now().checked_add(limit)),
                observer,
                connection,
            }),
        })
    }

    /// The settings this client was made with.
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// What has been done so far, by all clones.
    pub fn counts(&self) -> Counts {
        let counts = *self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let governors = self.inner.governors.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = governors.values().map(|governor| governor.waited()).sum();
        Counts { waited, exchanges: self.inner.keeper.exchanges(), ..counts }
    }

    /// Runs a query in the connection's way of execution. No redirect is followed.
    pub async fn query(&self, call: &QueryCall<'_>) -> Result<Answer, Failure> {
        self.run(call, self.inner.connection.execution).await
    }

    /// Runs a query like [`query`](Aem::query), and asks for its answer only if it is another than the known one. Only persisted
    /// queries by GET have validators (protocol 3.6); others are answered in full.
    pub async fn query_unless(&self, call: &QueryCall<'_>, known: &Validators) -> Result<Queried, Failure> {
        let (address, execution) = self.address(call, self.inner.connection.execution);
        if execution != Execution::PersistedGet || known.is_empty() {
            return self.query(call).await.map(Queried::Answer);
        }
        let url = parsed(&address)?;
        let mut outgoing = outgoing(&url, call, execution);
        known.condition(&mut outgoing.headers);
        self.persevere(Place::Home, &url, || async {
            let reply = self.exchange(&outgoing).await?;
            if reply.status == StatusCode::NOT_MODIFIED.as_u16() {
                return Ok(Queried::NotModified { cached: reply.kept() });
            }
            self.judged(reply, outgoing.url.as_str()).map(Queried::Answer)
        })
        .await
    }

    /// Runs a query so that neither CDN nor Dispatcher can answer for AEM: a persisted query goes by POST (protocol 3.5).
    pub async fn query_past_caches(&self, call: &QueryCall<'_>) -> Result<Answer, Failure> {
        let execution = match self.inner.connection.execution {
            Execution::PersistedGet => Execution::PersistedPost,
            other => other,
        };
        self.run(call, execution).await
    }

    async fn run(&self, call: &QueryCall<'_>, execution: Execution) -> Result<Answer, Failure> {
        let (address, execution) = self.address(call, execution);
        let url = parsed(&address)?;
        let outgoing = outgoing(&url, call, execution);
        self.persevere(Place::Home, &url, || self.ask(&outgoing)).await
    }

    /// Where a call goes, and how: variables that a GET cannot carry go by POST.
    pub(super) fn address(&self, call: &QueryCall<'_>, execution: Execution) -> (String, Execution) {
        let connection = &self.inner.connection;
        let configuration = call.configuration.unwrap_or(&connection.configuration);
        let (path, execution) = match execution {
            Execution::Direct => (persisted::endpoint_path(configuration), execution),
            Execution::PersistedPost => (persisted::execute_path(configuration, call.name), execution),
            Execution::PersistedGet => match persisted::execute_path_with(configuration, call.name, call.variables) {
                Some(path) => (path, execution),
                None => (persisted::execute_path(configuration, call.name), Execution::PersistedPost),
            },
        };
        (connection.address(&path), execution)
    }

    /// One attempt.
    async fn ask(&self, outgoing: &Outgoing<'_>) -> Result<Answer, Miss> {
        let reply = self.exchange(outgoing).await?;
        self.judged(reply, outgoing.url.as_str())
    }

    fn judged(&self, reply: Reply, url: &str) -> Result<Answer, Miss> {
        match reply.verdict() {
            Ok(()) => Ok(reply.into_answer(url)),
            Err(kind) => Err(Miss::from(self.redacted(reply).verdict().err().unwrap_or(kind))),
        }
    }
}

fn parsed(address: &str) -> Result<Url, Failure> {
    Url::parse(address).map_err(|_| Failure {
        // The base was verified, so only the name of a query or a configuration can be at fault.
        kind: FailureKind::Unreachable { cause: "the address cannot be parsed".to_owned() },
        url: address.to_owned(),
        attempts: 0,
    })
}

/// The request of a call: GET, or a POST that only reads (protocol 2.2, 3.5).
pub(super) fn outgoing<'a>(url: &'a Url, call: &QueryCall<'_>, execution: Execution) -> Outgoing<'a> {
    let body = match execution {
        Execution::PersistedGet => None,
        Execution::PersistedPost => Some(SentBody { query: None, variables: Some(call.variables) }),
        Execution::Direct => Some(SentBody {
            query: Some(call.text),
            variables: Some(call.variables).filter(|variables| !variables.is_empty()),
        }),
    };
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
    let body = body.map(|body| {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Maps with text keys and JSON values always can be written.
        serde_json::to_vec(&body).unwrap_or_default()
    });
    let method = if body.is_some() { Method::POST } else { Method::GET };
    Outgoing { place: Place::Home, method, url, headers, body }
}

#[derive(Serialize)]
struct SentBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<&'a Map<String, Value>>,
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "token_tests.rs"]
mod token_tests;
