//! The client: one per connection, cheap to clone. Queries go out here, and every request passes [`Aem::exchange`].

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::Retryable;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::answer::{Answer, Reply, is_success};
use super::connection::{Connection, Execution, Secret, SetupError};
use super::failure::{Failure, FailureKind};
use super::persisted;
use super::retry::{Gate, Miss};

/// Not a browser's, which AEM's Referrer Filter would refuse on POST (protocol 1.5).
const AGENT: &str = concat!("aem-static/", env!("CARGO_PKG_VERSION"));

/// Both content types of protocol 3.7.
const ACCEPTED: &str = "application/json, application/graphql-response+json";

/// How much of an unsuccessful answer is read: enough for every error AEM writes, little enough for any page.
const ERROR_BODY: u64 = 256 * 1024;

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

/// What a client has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests sent, retries and followed redirects included.
    pub requests: u64,
    /// Requests sent again after a fault.
    pub retries: u64,
    /// Bytes of bodies, after decompression.
    pub bytes: u64,
    /// The greatest `Age` seen, in seconds.
    pub max_age: Option<u64>,
}

/// A client for one [`Connection`]. Clones share connections, permits, the gate and the counts.
#[derive(Clone)]
pub struct Aem {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub connection: Connection,
    /// Sends the configured headers and the authorisation; used for the connection's scheme, host and port only.
    pub home: Client,
    /// Has neither; used for every other host, so that nothing secret can go there. `None` where no other is allowed.
    pub elsewhere: Option<Client>,
    permits: Semaphore,
    gate: Gate,
    counts: Mutex<Counts>,
    secrets: Vec<Secret>,
}

impl fmt::Debug for Aem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Aem").field(&self.inner.connection).finish()
    }
}

impl Aem {
    /// Makes the client; sends nothing.
    pub fn new(connection: Connection) -> Result<Aem, SetupError> {
        connection.verify()?;
        // Fails only if the process has a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = home_client(&connection)?;
        let elsewhere = match connection.asset_hosts.as_slice() {
            [] => None,
            _ => Some(build(client(&connection), HeaderMap::new())?),
        };
        Ok(Aem {
            inner: Arc::new(Inner {
                permits: Semaphore::new(connection.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
                secrets: connection.secrets(),
                gate: Gate::default(),
                counts: Mutex::default(),
                connection,
                home,
                elsewhere,
            }),
        })
    }

    /// The settings this client was made with.
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// What has been done so far, by all clones.
    pub fn counts(&self) -> Counts {
        *self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a query in the connection's way of execution. No redirect is followed.
    pub async fn query(&self, call: &QueryCall<'_>) -> Result<Answer, Failure> {
        self.run(call, self.inner.connection.execution).await
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
        let (url, execution) = self.address(call, execution);
        self.persevere(&url, || self.ask(&url, call, execution)).await
    }

    /// Where a call goes, and how: variables that a GET cannot carry go by POST.
    fn address(&self, call: &QueryCall<'_>, execution: Execution) -> (String, Execution) {
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
    async fn ask(&self, url: &str, call: &QueryCall<'_>, execution: Execution) -> Result<Answer, Miss> {
        let home = &self.inner.home;
        let request = match execution {
            Execution::PersistedGet => home.get(url),
            Execution::PersistedPost => home.post(url).json(&SentBody { query: None, variables: Some(call.variables) }),
            Execution::Direct => home.post(url).json(&SentBody {
                query: Some(call.text),
                variables: Some(call.variables).filter(|variables| !variables.is_empty()),
            }),
        };
        let reply = self.exchange(request.header(ACCEPT, ACCEPTED)).await?;
        match reply.verdict() {
            Ok(()) => Ok(reply.into_answer(url)),
            Err(kind) => Err(Miss::from(self.redacted(reply).verdict().err().unwrap_or(kind))),
        }
    }

    /// Repeats `attempt` as the policy and the kind of failure allow.
    pub(super) async fn persevere<T, Sent>(&self, url: &str, mut attempt: impl FnMut() -> Sent) -> Result<T, Failure>
    where
        Sent: Future<Output = Result<T, Miss>>,
    {
        let mut attempts = 0;
        let numbered = || {
            attempts += 1;
            let (number, sent) = (attempts, attempt());
            async move { sent.await.map_err(|miss| Miss { attempts: number, ..miss }) }
        };
        let pauses = self.inner.connection.retry_for.pauses();
        let outcome = numbered.retry(pauses).adjust(|miss, pause| self.pause(miss, pause)).await;
        outcome.map_err(|mut miss| {
            for text in miss.kind.texts_mut() {
                *text = self.without_secrets(text);
            }
            Failure { kind: miss.kind, url: url.to_owned(), attempts: miss.attempts }
        })
    }

    /// The pause after a miss. Where AEM asks for patience, every other request waits as well.
    fn pause(&self, miss: &Miss, pause: Option<Duration>) -> Option<Duration> {
        let policy = &self.inner.connection.retry_for;
        let pause = policy.pause_after(miss, pause);
        let asked = miss.kind.retry_after().map(|asked| asked.min(policy.longest_pause));
        if asked.is_some() || matches!(miss.kind, FailureKind::Status { status: 429, .. }) {
            self.inner.gate.hold(pause.or(asked).unwrap_or_default());
        }
        if pause.is_some() {
            self.count(|counts| counts.retries += 1);
        }
        pause
    }

    /// Sends one request and reads its answer, under one permit and behind the gate.
    pub(super) async fn exchange(&self, request: RequestBuilder) -> Result<Reply, Miss> {
        let _permit = self.inner.permits.acquire().await.expect("nobody closes the semaphore");
        self.inner.gate.pass().await;
        self.count(|counts| counts.requests += 1);
        let response = request.send().await.map_err(|error| self.unsent(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body =
            if is_success(status) { self.receive(response).await? } else { self.receive_beginning(response).await };
        let reply = Reply { status, headers, body };
        self.count(|counts| {
            counts.bytes += reply.body.len() as u64;
            counts.max_age = counts.max_age.max(reply.age());
        });
        Ok(reply)
    }

    /// The whole body, or why it is not whole. The limit holds for what is declared and for what comes.
    async fn receive(&self, mut response: Response) -> Result<Vec<u8>, Miss> {
        let limit = self.inner.connection.max_response;
        let declared = response.content_length().unwrap_or(0);
        if declared > limit {
            return Err(FailureKind::TooLarge { limit }.into());
        }
        // A declaration costs nothing to send, so it reserves no more than 16 MiB.
        let mut body = Vec::with_capacity(usize::try_from(declared).unwrap_or(0).min(16 << 20));
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > limit => {
                    return Err(FailureKind::TooLarge { limit }.into());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) if error.is_timeout() => return Err(self.timeout().into()),
                Err(error) => {
                    let cause = innermost(&error);
                    let received = body.len() as u64;
                    return Err(FailureKind::Truncated { received, cause }.into());
                }
            }
        }
    }

    /// The beginning of an unsuccessful answer. The status is the fact; a fault while reading the page adds nothing.
    async fn receive_beginning(&self, mut response: Response) -> Vec<u8> {
        let mut body = Vec::new();
        while (body.len() as u64) < ERROR_BODY {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        body
    }

    fn timeout(&self) -> FailureKind {
        FailureKind::Timeout { after: self.inner.connection.timeout }
    }

    fn unsent(&self, error: &reqwest::Error) -> Miss {
        if error.is_timeout() {
            return self.timeout().into();
        }
        Miss {
            lasting: error.is_builder() || is_certificate(error),
            ..Miss::from(FailureKind::Unreachable { cause: innermost(error) })
        }
    }

    /// The reply without secrets that the server echoes; before an excerpt could cut one in two.
    pub(super) fn redacted(&self, reply: Reply) -> Reply {
        let text = String::from_utf8_lossy(&reply.body);
        let body = self.without_secrets(&text);
        if body == text {
            return reply;
        }
        Reply { body: body.into_bytes(), ..reply }
    }

    fn without_secrets(&self, text: &str) -> String {
        let secrets = self.inner.secrets.iter();
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "[redacted]"))
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[derive(Serialize)]
struct SentBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<&'a Map<String, Value>>,
}

/// The client for the connection's own scheme, host and port.
fn home_client(connection: &Connection) -> Result<Client, SetupError> {
    let mut headers = connection.own_headers()?;
    let mut builder = client(connection);
    if connection.is_loopback() {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        builder = builder.no_proxy().gzip(false).brotli(false);
        if connection.base.scheme() == "http" {
            // It never speaks TLS, so it needs no certificates: a machine without any can still build a local site.
            builder = builder.tls_certs_only([]);
        }
    }
    build(builder, headers)
}

/// What both clients have in common.
fn client(connection: &Connection) -> ClientBuilder {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(connection.timeout)
        .read_timeout(connection.timeout)
        .http2_adaptive_window(true)
}

fn build(builder: ClientBuilder, mut headers: HeaderMap) -> Result<Client, SetupError> {
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    let client = builder.default_headers(headers).build();
    client.map_err(|error| SetupError::Client(innermost(&error)))
}

/// The last error of the chain: the outer ones only say that a request failed, and repeat its address.
fn innermost(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    match error.source() {
        Some(_) => inner.to_string(),
        None => "the request failed".to_owned(),
    }
}

/// Whether TLS refused the server's certificate, which no waiting mends.
fn is_certificate(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(source) = next {
        let tls = source.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = tls.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if matches!(tls, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        next = source.source();
    }
    false
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
