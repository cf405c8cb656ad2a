//! A cache in front of AEM that no publication empties (protocol §3.6): it answers with what it has, however old that is.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use tokio::time::Instant;

/// Answers kept at most; of more, the new ones are not kept.
const MOST: usize = 10_000;

/// Whether a cache answered, as the CDN of AEM as a Cloud Service says it.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// What makes two requests the same to the cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    method: String,
    uri: String,
    body: [u8; 32],
}

impl Key {
    /// Of a request, its body included.
    pub fn of(method: &Method, uri: &Uri, body: &[u8]) -> Self {
        Self { method: method.to_string(), uri: uri.to_string(), body: *blake3::hash(body).as_bytes() }
    }
}

#[derive(Debug)]
struct Kept {
    since: Instant,
    headers: HeaderMap,
    body: Bytes,
}

/// The answers it has.
#[derive(Debug, Default)]
pub(super) struct Cache(BTreeMap<Key, Kept>);

impl Cache {
    /// The kept answer, with its `Age`; 304 for a client that has it already.
    pub fn answer(&self, key: &Key, asked: &HeaderMap, keep: Duration, now: Instant) -> Option<Response<Body>> {
        let kept = self.0.get(key).filter(|kept| now.duration_since(kept.since) < keep)?;
        let tag = kept.headers.get(header::ETAG);
        let known = tag.is_some() && asked.get(header::IF_NONE_MATCH) == tag;
        let body = if known { Body::empty() } else { Body::from(kept.body.clone()) };
        let mut response = Response::new(body);
        *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        *response.headers_mut() = kept.headers.clone();
        if known {
            // The length of an empty body is not that of the answer.
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        response.headers_mut().insert(header::AGE, HeaderValue::from(now.duration_since(kept.since).as_secs()));
        response.headers_mut().insert(X_CACHE, HeaderValue::from_static("HIT"));
        Some(response)
    }

    /// Keeps an answer unless a fresh one is there already: staleness begins with the first.
    pub fn keep(&mut self, key: Key, headers: &HeaderMap, body: Bytes, keep: Duration, now: Instant) {
        let fresh = |kept: &Kept| now.duration_since(kept.since) < keep;
        if self.0.len() >= MOST {
            self.0.retain(|_, kept| fresh(kept));
        }
        if self.0.len() < MOST && !self.0.get(&key).is_some_and(fresh) {
            self.0.insert(key, Kept { since: now, headers: headers.clone(), body });
        }
    }
}

/// Says that no cache answered.
pub(super) fn missed(headers: &mut HeaderMap) {
    headers.insert(X_CACHE, HeaderValue::from_static("MISS"));
}
