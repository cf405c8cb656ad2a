//! The client: one per connection, cheap to clone. Queries go out here, and every request passes `exchange`.

use std::collections::{BTreeMap, BTreeSet};
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
use super::failure::{Failure, FailureKind, GraphQlError, NotFound};
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

/// Where a client took less than was asked for, because its connection lets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concessions {
    /// Names of queries that AEM does not have as persisted ones, and that were sent as direct ones.
    pub sent_directly: BTreeSet<String>,
    /// Names of queries of which partial data was kept.
    pub partial: BTreeSet<String>,
    /// AEM takes no direct queries, so that there is no other way.
    no_direct: bool,
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
    pub concessions: Mutex<Concessions>,
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
                concessions: Mutex::default(),
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

    /// What was taken although it is less than was asked for, by all clones.
    pub fn concessions(&self) -> Concessions {
        self.conceded(|concessions| concessions.clone())
    }

    /// Notes that partial data of a query is used.
    pub fn concede_partial(&self, query: &str) {
        self.conceded(|concessions| concessions.partial.insert(query.to_owned()));
    }

    /// Runs a query in the connection's way of execution. No redirect is followed.
    pub async fn query(&self, call: &QueryCall<'_>) -> Result<Answer, Failure> {
        self.persisted_or_direct(call, self.inner.connection.execution).await
    }

    /// Runs a query like [`query`](Aem::query), and asks for its answer only if it is another than the known one. Only persisted
    /// queries by GET have validators (protocol 3.6); others are answered in full.
    pub async fn query_unless(&self, call: &QueryCall<'_>, known: &Validators) -> Result<Queried, Failure> {
        let (address, execution) = self.address(call, self.inner.connection.execution);
        if execution != Execution::PersistedGet || known.is_empty() || self.is_sent_directly(call) {
            return self.query(call).await.map(Queried::Answer);
        }
        let url = self.parsed(&address)?;
        let mut outgoing = outgoing(&url, call, execution);
        known.condition(&mut outgoing.headers);
        let partial = Mutex::new(None);
        let attempt = async || {
            let reply = self.exchange(&outgoing).await?;
            if reply.status == StatusCode::NOT_MODIFIED.as_u16() {
                return Ok(Queried::NotModified { cached: reply.kept() });
            }
            self.judged(reply, outgoing.url.as_str(), &partial).map(Queried::Answer)
        };
        match self.persevere(Place::Home, &url, attempt).await {
            // There may be another way, which begins without a condition.
            Err(failure) if self.may_be_conceded(&failure.kind) => self.query(call).await.map(Queried::Answer),
            outcome => outcome,
        }
    }

    /// Runs a query so that neither CDN nor Dispatcher can answer for AEM: a persisted query goes by POST (protocol 3.5).
    pub async fn query_past_caches(&self, call: &QueryCall<'_>) -> Result<Answer, Failure> {
        let execution = match self.inner.connection.execution {
            Execution::PersistedGet => Execution::PersistedPost,
            other => other,
        };
        self.persisted_or_direct(call, execution).await
    }

    /// Runs a query; one that AEM does not have as a persisted one is sent as a direct one, where the connection says so. A
    /// [`Failure`] of a persisted query that is not there then means that AEM takes no direct ones either.
    async fn persisted_or_direct(&self, call: &QueryCall<'_>, execution: Execution) -> Result<Answer, Failure> {
        if !self.inner.connection.direct_if_missing || execution == Execution::Direct {
            return self.run(call, execution).await;
        }
        if self.is_sent_directly(call) {
            return self.run(call, Execution::Direct).await;
        }
        let missing = match self.run(call, execution).await {
            Err(failure) if is_not_persisted(&failure.kind) => failure,
            outcome => return outcome,
        };
        if self.conceded(|concessions| concessions.no_direct) {
            return Err(missing);
        }
        match self.run(call, Execution::Direct).await {
            Err(failure) if refuses_direct(&failure.kind) || is_not_persisted(&failure.kind) => {
                self.conceded(|concessions| concessions.no_direct = true);
                Err(missing)
            }
            outcome => {
                self.conceded(|concessions| concessions.sent_directly.insert(call.name.to_owned()));
                outcome
            }
        }
    }

    fn is_sent_directly(&self, call: &QueryCall<'_>) -> bool {
        self.conceded(|concessions| concessions.sent_directly.contains(call.name))
    }

    /// Whether the connection lets a query that failed like this be answered otherwise.
    fn may_be_conceded(&self, kind: &FailureKind) -> bool {
        let connection = &self.inner.connection;
        match kind {
            FailureKind::GraphQl { partial, .. } => *partial && connection.keep_partial,
            kind => connection.direct_if_missing && is_not_persisted(kind),
        }
    }

    fn conceded<T>(&self, look: impl FnOnce(&mut Concessions) -> T) -> T {
        look(&mut self.inner.concessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn run(&self, call: &QueryCall<'_>, execution: Execution) -> Result<Answer, Failure> {
        let (address, execution) = self.address(call, execution);
        let url = self.parsed(&address)?;
        let outgoing = outgoing(&url, call, execution);
        let partial = Mutex::new(None);
        // Where the connection may send a query directly, a Dispatcher that refuses it is an answer.
        let second = self.inner.connection.direct_if_missing && execution == Execution::Direct;
        let attempt = async || match self.ask(&outgoing, &partial).await {
            Err(miss) if second && refuses_direct(&miss.kind) => Err(Miss { lasting: true, ..miss }),
            outcome => outcome,
        };
        let outcome = self.persevere(Place::Home, &url, attempt).await;
        let kept = partial.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (outcome, kept) {
            (Err(Failure { kind: FailureKind::GraphQl { partial: true, .. }, .. }), Some(answer)) => {
                self.concede_partial(call.name);
                Ok(answer)
            }
            (outcome, _) => outcome,
        }
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

    /// One attempt. Partial data is put aside, where it is kept: the next attempt may bring all of it.
    async fn ask(&self, outgoing: &Outgoing<'_>, partial: &Mutex<Option<Answer>>) -> Result<Answer, Miss> {
        let reply = self.exchange(outgoing).await?;
        self.judged(reply, outgoing.url.as_str(), partial)
    }

    fn judged(&self, reply: Reply, url: &str, partial: &Mutex<Option<Answer>>) -> Result<Answer, Miss> {
        let kind = match reply.verdict() {
            Ok(()) => return Ok(reply.into_answer(url)),
            Err(FailureKind::GraphQl { mut errors, partial: true }) if self.inner.connection.keep_partial => {
                for text in errors.iter_mut().flat_map(GraphQlError::texts_mut) {
                    *text = self.without_secrets(text);
                }
                let answer = Answer { errors: errors.clone(), ..reply.into_answer(url) };
                *partial.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                FailureKind::GraphQl { errors, partial: true }
            }
            Err(kind) => self.redacted(reply).verdict().err().unwrap_or(kind),
        };
        Err(Miss::from(kind))
    }
}

/// AEM knows no such persisted query.
fn is_not_persisted(kind: &FailureKind) -> bool {
    matches!(kind, FailureKind::NotFound { what: NotFound::PersistedQuery, .. })
}

/// No direct query passes: the Dispatcher's page with 404, which publish and preview answer by default (protocol 2.3), or a
/// refusal of POST.
fn refuses_direct(kind: &FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::NotFound { what: NotFound::Dispatcher, .. } | FailureKind::Refused { status: 403 | 405 }
    )
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
