//! What `listen` asks besides AEM: Adobe's keys and journal (protocol 8.4, 8.7), the confirmation of a webhook (8.2), a CDN. Each
//! has a client and a connection of its own, so that nothing secret of one can go to another.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LINK};
use url::Url;

use super::client::Aem;
use super::exchange::{Outgoing, Place};
use super::failure::{Failure, FailureKind};
use super::retry::{self, Miss};

/// What came, whatever its status; only faults that may pass (429, 5xx) are a [`Failure`].
#[derive(Debug, Clone)]
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// What `Retry-After` asks for.
    pub retry_after: Option<Duration>,
    /// Where `Link` says that it goes on: `rel="next"`, resolved.
    pub next: Option<Url>,
    /// The body.
    pub body: Vec<u8>,
}

impl Aem {
    /// GET of an address of the connection's own scheme, host and port, as it is; repeated as faults allow.
    ///
    /// # Errors
    /// A fault that did not pass, an answer that is too large, or an address of somebody else: nothing is sent then.
    pub async fn fetch(&self, url: &Url) -> Result<Received, Failure> {
        self.ask_outside(Method::GET, url).await
    }

    /// PURGE of an address of the connection's own scheme, host and port, as CDNs know the method.
    ///
    /// # Errors
    /// As [`Aem::fetch`]; besides, any status but success and 404, which says that nothing was kept.
    pub async fn purge(&self, url: &Url) -> Result<(), Failure> {
        let method = Method::from_bytes(b"PURGE").unwrap_or(Method::DELETE);
        let received = self.ask_outside(method, url).await?;
        match received.status {
            200..=299 | 404 => Ok(()),
            401 | 403 | 405 => Err(failed(FailureKind::Refused { status: received.status }, url, 1)),
            status => {
                let kind = FailureKind::Status { status, retry_after: None, excerpt: String::new() };
                Err(failed(kind, url, 1))
            }
        }
    }

    async fn ask_outside(&self, method: Method, url: &Url) -> Result<Received, Failure> {
        if url.origin() != self.connection().base.origin() || !url.has_host() {
            let host = url.authority().to_owned();
            return Err(failed(FailureKind::HostNotAllowed { host }, url, 0));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let outgoing = Outgoing { place: Place::Home, method, url, headers, body: None };
        let attempt = async || {
            let reply = self.exchange(&outgoing).await?;
            match reply.status {
                429 | 500.. => Err(Miss::from(self.redacted(reply).unsuccessful())),
                status => Ok(Received {
                    status,
                    retry_after: retry::retry_after(&reply.headers),
                    next: next(url, &reply.headers),
                    body: reply.body,
                }),
            }
        };
        self.persevere(Place::Home, url, attempt).await
    }
}

fn failed(kind: FailureKind, url: &Url, attempts: u32) -> Failure {
    Failure { kind, url: url.as_str().to_owned(), attempts }
}

/// The target of the link with `rel="next"` (RFC 8288), among several headers and several links in one.
fn next(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let texts = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let mut links = texts.flat_map(links);
    links.find(|(_, relation)| relation == "next").and_then(|(target, _)| url.join(target).ok())
}

/// (target, relation) of every link.
fn links(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    for part in text.split('<').skip(1) {
        let Some((target, parameters)) = part.split_once('>') else { continue };
        let named = parameters.split([';', ',']).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
        });
        found.push((target, named.unwrap_or_default()));
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::super::scripted::{Scripted, json, say};
    use super::super::{Connection, RetryPolicy, Tier};
    use super::*;

    fn client(base: &Url) -> Aem {
        let mut connection = Connection::new(Tier::Publish, base.clone(), "none");
        connection.retry_for = RetryPolicy { first_pause: Duration::from_millis(1), ..RetryPolicy::default() };
        Aem::new(connection).unwrap()
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        let url = Url::parse("https://events.example/events/organizations/1?limit=2").unwrap();
        let mut headers = HeaderMap::new();
        headers.append(LINK, HeaderValue::from_static("<https://events.example/count>; rel=\"count\""));
        let two = "</events/x?since=a,b>; title=\"x\"; rel=\"next\", </validate>; rel=validate";
        headers.append(LINK, HeaderValue::from_static(two));
        assert_eq!(next(&url, &headers).unwrap().as_str(), "https://events.example/events/x?since=a,b");
        assert_eq!(next(&url, &HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn faults_pass_and_other_statuses_come_back() {
        let script = vec![say("503 Busy", "", ""), say("410 Gone", "retry-after: 7\r\n", "{}"), json("[]")];
        let server = Scripted::start(script).await;
        let client = client(&server.base);
        let received = client.fetch(&server.base.join("/x?since=1").unwrap()).await.unwrap();
        assert_eq!((received.status, received.retry_after), (410, Some(Duration::from_secs(7))));
        assert_eq!(client.fetch(&server.base).await.unwrap().body, b"[]");
    }

    #[tokio::test]
    async fn nobody_else_is_asked() {
        let server = Scripted::start(Vec::new()).await;
        let failure = client(&server.base).fetch(&Url::parse("http://127.0.0.1:9/x").unwrap()).await.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::HostNotAllowed { .. }), "{failure}");
    }

    #[tokio::test]
    async fn a_purge_that_is_refused_fails_and_one_of_nothing_is_done() {
        let server = Scripted::start(vec![say("404 Not Found", "", ""), say("403 Forbidden", "", "")]).await;
        let (client, url) = (client(&server.base), server.base.join("/a/").unwrap());
        client.purge(&url).await.unwrap();
        let failure = client.purge(&url).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused { status: 403 });
    }
}
