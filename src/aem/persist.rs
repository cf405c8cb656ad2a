//! Persisted queries as AEM keeps them: listed, created, changed, deleted (protocol 3.2, 3.3). These are the only requests of
//! this room that change something in AEM. Listing is repeated like any read; a change is sent once, since nobody knows what
//! became of one that brought no answer.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use url::Url;

use super::answer::{Reply, excerpt, is_success};
use super::client::{ACCEPTED, Aem};
use super::exchange::{Outgoing, Place};
use super::failure::{Failure, FailureKind};
use super::persisted;
use super::retry::Miss;

/// A persisted query as AEM lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistedQuery {
    /// The Sites configuration it belongs to.
    pub configuration: String,
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its cache settings; none where AEM does not list them, which is not documented.
    pub caching: CacheSettings,
}

/// For how many seconds answers to a persisted query keep, in the words of `persist.json` (protocol 3.6). What is `None` is
/// AEM's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheSettings {
    /// `cache-control`, `max-age`: in browsers.
    pub max_age: Option<u64>,
    /// `surrogate-control`, `max-age`: in CDNs.
    pub surrogate_max_age: Option<u64>,
    /// `surrogate-control`, `stale-while-revalidate`: in CDNs, while they ask again.
    pub stale_while_revalidate: Option<u64>,
    /// `surrogate-control`, `stale-if-error`: in CDNs, while AEM fails.
    pub stale_if_error: Option<u64>,
}

impl CacheSettings {
    /// Every setting: block and key of `persist.json`, and its value.
    pub fn entries(&self) -> [(&'static str, &'static str, Option<u64>); 4] {
        [
            ("cache-control", "max-age", self.max_age),
            ("surrogate-control", "max-age", self.surrogate_max_age),
            ("surrogate-control", "stale-while-revalidate", self.stale_while_revalidate),
            ("surrogate-control", "stale-if-error", self.stale_if_error),
        ]
    }

    /// These settings, and below them those of `other`.
    pub fn over(self, other: CacheSettings) -> CacheSettings {
        CacheSettings {
            max_age: self.max_age.or(other.max_age),
            surrogate_max_age: self.surrogate_max_age.or(other.surrogate_max_age),
            stale_while_revalidate: self.stale_while_revalidate.or(other.stale_while_revalidate),
            stale_if_error: self.stale_if_error.or(other.stale_if_error),
        }
    }

    /// What a list says beside a query.
    fn listed(data: &Value) -> CacheSettings {
        let seconds = |block: &str, key: &str| data.get(block)?.get(key)?.as_u64();
        CacheSettings {
            max_age: seconds("cache-control", "max-age"),
            surrogate_max_age: seconds("surrogate-control", "max-age"),
            stale_while_revalidate: seconds("surrogate-control", "stale-while-revalidate"),
            stale_if_error: seconds("surrogate-control", "stale-if-error"),
        }
    }

    /// The body of `persist.json`: the query, and the settings there are.
    fn body(&self, text: &str) -> Value {
        let mut body = Map::from_iter([("query".to_owned(), Value::from(text))]);
        for (block, key, seconds) in self.entries() {
            if let Some(seconds) = seconds {
                let block = body.entry(block).or_insert_with(|| json!({}));
                block[key] = seconds.into();
            }
        }
        Value::Object(body)
    }
}

/// What becomes of a persisted query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// It is made; an error where it exists.
    Create(&'a str, CacheSettings),
    /// It gets this text and these settings; an error where it does not exist.
    Update(&'a str, CacheSettings),
    /// It goes.
    Delete,
}

impl Aem {
    /// Every persisted query, by configuration and name. The Dispatcher lets nobody list them, so this is for author.
    ///
    /// # Errors
    /// What came instead of a list.
    pub async fn persisted_queries(&self) -> Result<Vec<PersistedQuery>, Failure> {
        let url = self.parsed(&self.connection().address("/graphql/list.json"))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let get = Outgoing { place: Place::Home, method: Method::GET, url: &url, headers, body: None };
        let attempt = async || {
            let reply = self.exchange(&get).await?;
            listed(&reply).map_err(|kind| {
                let miss = Miss::from(listed(&self.redacted(reply)).err().unwrap_or(kind));
                // Where AEM does not list, it never will.
                let lasting = matches!(miss.kind, FailureKind::NotFound { .. } | FailureKind::OtherShape { .. });
                Miss { lasting, ..miss }
            })
        };
        self.persevere(Place::Home, &url, attempt).await
    }

    /// Changes a persisted query of a configuration. Sent once: after a failure without a status nobody knows whether AEM did it.
    ///
    /// # Errors
    /// What came instead of AEM's word that it is done.
    pub async fn persist(&self, configuration: &str, name: &str, change: Change<'_>) -> Result<(), Failure> {
        let url = self.parsed(&self.connection().address(&persisted::persist_path(configuration, name)))?;
        let (method, body) = match change {
            Change::Create(text, caching) => (Method::PUT, Some(caching.body(text))),
            Change::Update(text, caching) => (Method::POST, Some(caching.body(text))),
            Change::Delete => (Method::DELETE, None),
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = body.map(|body| body.to_string().into_bytes());
        let outgoing = Outgoing { place: Place::Home, method, url: &url, headers, body };
        let done = match self.exchange(&outgoing).await {
            Ok(reply) => done(&reply).map_err(|kind| done(&self.redacted(reply)).err().unwrap_or(kind).into()),
            Err(miss) => Err(miss),
        };
        done.map_err(|miss: Miss| self.failure(miss, &url, 1))
    }
}

/// Whether AEM says that a change was made: a status of success, and no page of somebody in front of it.
fn done(reply: &Reply) -> Result<(), FailureKind> {
    match reply.status {
        status if !(is_success(status) || status == 204) => Err(reply.unsuccessful()),
        _ if reply.is_html() => Err(reply.html_page()),
        _ => Ok(()),
    }
}

/// The queries of a list (protocol 3.3).
fn listed(reply: &Reply) -> Result<Vec<PersistedQuery>, FailureKind> {
    if !is_success(reply.status) {
        return Err(reply.unsuccessful());
    }
    if reply.is_html() {
        return Err(reply.html_page());
    }
    let list: Value = serde_json::from_slice(&reply.body).map_err(|error| match error.is_eof() {
        true => FailureKind::Truncated { received: reply.body.len() as u64, cause: error.to_string() },
        false => FailureKind::NotJson { excerpt: excerpt(&reply.body), cause: error.to_string() },
    })?;
    let queries = list.as_array().and_then(|entries| {
        let entries = entries.iter().map(|entry| {
            let configuration = entry.get("configurationName")?.as_str()?;
            entry.get("queries")?.as_array()?.iter().map(|query| query_of(configuration, query)).collect()
        });
        entries.collect::<Option<Vec<Vec<PersistedQuery>>>>()
    });
    let queries = queries.ok_or_else(|| FailureKind::OtherShape { excerpt: excerpt(&reply.body) })?;
    let mut queries: Vec<PersistedQuery> = queries.into_iter().flatten().collect();
    queries.sort_by(|a, b| (&a.configuration, &a.name).cmp(&(&b.configuration, &b.name)));
    Ok(queries)
}

fn query_of(configuration: &str, query: &Value) -> Option<PersistedQuery> {
    let path = query.get("path")?;
    let path = path.get("shortForm").or_else(|| path.get("longForm"))?.as_str()?;
    let data = query.get("data")?;
    Some(PersistedQuery {
        configuration: configuration.to_owned(),
        name: path.rsplit('/').next().filter(|name| !name.is_empty())?.to_owned(),
        text: data.get("query")?.as_str()?.to_owned(),
        caching: CacheSettings::listed(data),
    })
}

impl Aem {
    /// An address of this connection, which was verified: only the name of a query or a configuration can be at fault.
    pub(super) fn parsed(&self, address: &str) -> Result<Url, Failure> {
        Url::parse(address).map_err(|_| Failure {
            kind: FailureKind::Unreachable { cause: "the address cannot be parsed".to_owned() },
            url: address.to_owned(),
            attempts: 0,
        })
    }
}

#[cfg(test)]
#[path = "persist_tests.rs"]
mod tests;
