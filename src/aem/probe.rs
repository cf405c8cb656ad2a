//! Looks at what comes back, whatever it is: `doctor` wants to know why, not only whether. Every request still passes
//! [`Aem::exchange`](super::Aem).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use serde_json::Map;

use super::answer::{Answer, Reply};
use super::client::{ACCEPTED, Aem, QueryCall, outgoing};
use super::connection::{Connection, Execution, SetupError};
use super::credentials::{Credentials, validity};
use super::exchange::{Outgoing, Place};
use super::failure::{Failure, FailureKind};
use super::http;
use super::retry::{self, Miss};

/// A name that no query has: what answers to it tells AEM from everything in front of it (protocol 3.7).
const NOBODY: &str = "aem-static-doctor";

/// The smallest query there is.
const SMALLEST: &str = "{ __typename }";

/// What to ask.
#[derive(Debug, Clone, Copy)]
pub enum Probe<'a> {
    /// A persisted query that does not exist, or the smallest direct query: does the path lead to AEM at all?
    Way(Execution),
    /// `list.json`, which only author answers (protocol 3.3).
    List,
    /// A query, in a way of execution that need not be the connection's.
    Query(&'a QueryCall<'a>, Execution),
}

/// What came back.
#[derive(Debug)]
pub struct Sighting {
    /// The HTTP status.
    pub status: u16,
    /// The address that was asked.
    pub url: String,
    /// Whether it was asked by POST.
    pub posted: bool,
    /// The content type says JSON.
    pub json: bool,
    /// What its headers say of caches.
    pub caching: Caching,
    /// A GraphQL response, or what it is instead.
    pub verdict: Result<Answer, FailureKind>,
}

/// What the headers of an answer say of caches (protocol 3.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caching {
    /// `Cache-Control`, as it came.
    pub control: Option<String>,
    /// `Surrogate-Control`, as it came; whether AEM sends it is not documented.
    pub surrogate: Option<String>,
    /// `Age` in seconds.
    pub age: Option<u64>,
    /// `X-Cache`, as it came.
    pub x_cache: Option<String>,
    /// Whether the answer came from a cache.
    pub kept: bool,
}

impl Caching {
    fn of(headers: &HeaderMap, kept: bool, age: Option<u64>) -> Self {
        let text = |name: HeaderName| retry::text(headers, name).map(str::to_owned);
        Caching {
            control: text(CACHE_CONTROL),
            surrogate: text(HeaderName::from_static("surrogate-control")),
            age,
            x_cache: text(HeaderName::from_static("x-cache")),
            kept,
        }
    }

    /// For how many seconds a browser may keep it: `max-age`.
    pub fn browser(&self) -> Option<u64> {
        seconds(self.control.as_deref()?, "max-age")
    }

    /// For how many seconds caches between AEM and a browser may keep it: `s-maxage`, or `max-age` of `Surrogate-Control`; else
    /// what a browser may, unless the answer is private (RFC 9111, 5.2.2).
    pub fn shared(&self) -> Option<u64> {
        let control = self.control.as_deref().unwrap_or_default();
        let forbidden = directives(control).any(|(name, _)| matches!(name.as_str(), "private" | "no-store"));
        let own = self.surrogate.as_deref().and_then(|text| seconds(text, "max-age"));
        match own {
            Some(own) => Some(own),
            None if forbidden => Some(0),
            None => seconds(control, "s-maxage").or_else(|| self.browser()),
        }
    }
}

fn directives(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.split(',').map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'))
    })
}

fn seconds(text: &str, directive: &str) -> Option<u64> {
    directives(text).find(|(name, _)| name == directive)?.1.parse().ok()
}

impl Aem {
    /// The same connection for somebody without credentials.
    ///
    /// # Errors
    /// As when the client was made, which succeeded.
    pub fn anonymous(&self) -> Result<Aem, SetupError> {
        let connection = Connection { credentials: Credentials::None, ..self.connection().clone() };
        Aem::observed(connection, Arc::clone(&self.inner.observer))
    }

    /// The proxy between this machine and the host: its host and port. Where there is one, it finds and reaches the host.
    pub fn proxy(&self) -> Option<String> {
        http::proxy(&self.connection().base)
    }

    /// Where the host's name leads.
    ///
    /// # Errors
    /// What the system's resolver says.
    pub async fn addresses(&self) -> Result<Vec<IpAddr>, Failure> {
        let found = self.sockets().await?;
        let mut addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }

    /// Whether somebody listens: an address that accepts a connection, which is closed again.
    ///
    /// # Errors
    /// What the last address said.
    pub async fn knock(&self) -> Result<SocketAddr, Failure> {
        let limit = self.connection().timeout;
        let mut last = FailureKind::Unreachable { cause: "the name leads nowhere".to_owned() };
        for address in self.sockets().await? {
            match tokio::time::timeout(limit, tokio::net::TcpStream::connect(address)).await {
                Ok(Ok(_)) => return Ok(address),
                Ok(Err(error)) => last = FailureKind::Unreachable { cause: error.to_string() },
                Err(_) => last = FailureKind::Timeout { after: limit },
            }
        }
        Err(self.failed(last))
    }

    async fn sockets(&self) -> Result<Vec<SocketAddr>, Failure> {
        let base = &self.connection().base;
        let port = base.port_or_known_default().unwrap_or(443);
        let found = match base.host() {
            Some(url::Host::Ipv4(address)) => return Ok(vec![(address, port).into()]),
            Some(url::Host::Ipv6(address)) => return Ok(vec![(address, port).into()]),
            Some(url::Host::Domain(name)) => tokio::net::lookup_host((name.to_owned(), port)).await,
            None => return Ok(Vec::new()),
        };
        match found.map(Iterator::collect::<Vec<_>>) {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(self.failed(FailureKind::Unreachable { cause: "the name has no address".to_owned() })),
            Err(error) => Err(self.failed(FailureKind::Unreachable { cause: error.to_string() })),
        }
    }

    fn failed(&self, kind: FailureKind) -> Failure {
        Failure { kind, url: self.connection().base.to_string(), attempts: 1 }
    }

    /// When the host's certificate ends; `None` until a request went there by TLS.
    pub fn certificate_ends(&self) -> Option<Timestamp> {
        validity::of_der(self.inner.certificate.get()?)
    }

    /// Has an access token exchanged, and says for how long it is good; `None` for credentials that are not exchanged.
    ///
    /// # Errors
    /// What IMS said.
    pub async fn token_life(&self) -> Result<Option<Duration>, Failure> {
        match self.authorisation(Place::Home).await {
            Ok(_) => Ok(self.inner.keeper.life()),
            Err(miss) => Err(self.failed(miss.kind)),
        }
    }

    /// Asks, and says what came back.
    ///
    /// # Errors
    /// When nothing came back, no token could be had, or the host says that it is ill (429, 5xx).
    pub async fn look(&self, probe: Probe<'_>) -> Result<Sighting, Failure> {
        let connection = self.connection();
        let nothing = Map::new();
        let (name, text) = (NOBODY, SMALLEST);
        let (call, execution) = match probe {
            Probe::Query(call, execution) => (*call, execution),
            Probe::Way(execution) => (QueryCall { name, configuration: None, text, variables: &nothing }, execution),
            Probe::List => {
                let address = connection.address("/graphql/list.json");
                let url = self.parsed(&address)?;
                let mut headers = HeaderMap::new();
                headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
                let get = Outgoing { place: Place::Home, method: Method::GET, url: &url, headers, body: None };
                return self.persevere(Place::Home, &url, || self.sight(&get)).await;
            }
        };
        let (address, execution) = self.address(&call, execution);
        let url = self.parsed(&address)?;
        let outgoing = outgoing(&url, &call, execution);
        self.persevere(Place::Home, &url, || self.sight(&outgoing)).await
    }

    async fn sight(&self, outgoing: &Outgoing<'_>) -> Result<Sighting, Miss> {
        let reply = self.redacted(self.exchange(outgoing).await?);
        let verdict = match reply.verdict() {
            Err(kind @ FailureKind::Status { status: 429 | 500.., .. }) => return Err(Miss::from(kind)),
            verdict => verdict,
        };
        let url = outgoing.url.as_str().to_owned();
        let json = reply.mime().is_some_and(|mime| mime.ends_with("json"));
        let Reply { status, headers, .. } = &reply;
        let (status, age, kept) = (*status, reply.age(), reply.kept());
        let caching = Caching::of(headers, kept, age);
        let verdict = verdict.map(|()| reply.into_answer(&url));
        Ok(Sighting { status, url, posted: outgoing.method == Method::POST, json, caching, verdict })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use url::Url;

    use super::super::scripted::{Act, Scripted, json, say};
    use super::*;

    fn caching(control: &str, surrogate: Option<&str>) -> Caching {
        let surrogate = surrogate.map(str::to_owned);
        Caching { control: Some(control.to_owned()), surrogate, ..Caching::default() }
    }

    #[test]
    fn what_caches_may_keep_is_read_from_either_header() {
        let usual = caching("max-age=60, s-maxage=7200, stale-while-revalidate=86400", None);
        assert_eq!((usual.browser(), usual.shared()), (Some(60), Some(7200)));
        let by_surrogate = caching("max-age=60", Some("max-age=600, stale-if-error=10"));
        assert_eq!((by_surrogate.browser(), by_surrogate.shared()), (Some(60), Some(600)));
        assert_eq!(caching("Max-Age = \"30\"", None).shared(), Some(30));
        assert_eq!(caching("private, max-age=60", None).shared(), Some(0));
        assert_eq!(caching("no-store", None).shared(), Some(0));
        assert_eq!(Caching::default().shared(), None);
    }

    #[tokio::test]
    async fn whatever_comes_back_is_told_and_what_is_ill_is_a_failure() {
        let unknown = r#"{"errors":[{"errorType":"PersistenceError","message":"Could not find Persisted Query"}]}"#;
        let kept = "content-type: application/json\r\nx-cache: HIT, MISS\r\nage: 7\r\ncache-control: max-age=60\r\n";
        let server = Scripted::start(vec![
            say("404 Not Found", "content-type: application/json\r\n", unknown),
            say("404 Not Found", "content-type: text/html\r\n", "<html><title>404 Not Found</title>"),
            say("200 OK", kept, r#"{"data":{"a":1}}"#),
            json("[]"),
            say("500 Internal Server Error", "", ""),
            say("500 Internal Server Error", "", ""),
            say("500 Internal Server Error", "", ""),
            say("500 Internal Server Error", "", ""),
        ])
        .await;
        let aem = server.aem();
        let way = aem.look(Probe::Way(Execution::PersistedGet)).await.unwrap();
        assert!(matches!(way.verdict, Err(FailureKind::NotFound { what: crate::aem::NotFound::PersistedQuery, .. })));
        assert!(
            (way.json, way.posted, way.status) == (true, false, 404) && way.url.ends_with("/acme/aem-static-doctor")
        );
        let way = aem.look(Probe::Way(Execution::PersistedPost)).await.unwrap();
        assert!(matches!(way.verdict, Err(FailureKind::NotFound { what: crate::aem::NotFound::Dispatcher, .. })));
        assert!(way.posted && !way.json);
        let way = aem.look(Probe::Way(Execution::Direct)).await.unwrap();
        assert!(way.verdict.is_ok() && way.caching.kept && way.caching.age == Some(7));
        assert!(server.requests()[2].ends_with(r#"{"query":"{ __typename }"}"#), "{:?}", server.requests()[2]);
        let list = aem.look(Probe::List).await.unwrap();
        assert!(list.json && matches!(list.verdict, Err(FailureKind::OtherShape { .. })));
        let ill = aem.look(Probe::List).await.unwrap_err();
        assert!(matches!(ill.kind, FailureKind::Status { status: 500, .. }) && ill.attempts == 4, "{ill:?}");
    }

    #[tokio::test]
    async fn a_knock_sends_nothing_and_a_closed_door_is_told() {
        let server = Scripted::start(vec![Act::Reset, Act::Reset]).await;
        let port = server.base.port().unwrap();
        assert_eq!(server.aem().knock().await.unwrap().port(), port);
        assert!(server.requests().is_empty());
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut connection = server.connection();
        connection.base = Url::parse(&format!("http://{closed}")).unwrap();
        let failure = Aem::new(connection).unwrap().knock().await.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::Unreachable { .. }));
    }
}
