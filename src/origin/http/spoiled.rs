//! What faults look like on the wire: answers that come instead of the true one, and true ones that are spoiled.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::{HeaderValue, Response, StatusCode, Uri, header};
use http_body::Frame;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};
use tokio::time::{Sleep, sleep};

use super::answers;
use super::fault::Kind;
use super::pages;
use super::wire::Peer;

/// Pieces of a slow answer.
const PIECES: usize = 16;

/// The answer that a fault gives without asking the service; `None` when it spoils the service's answer or changes none.
pub(super) fn instead(kind: Kind, uri: &Uri, retry_after: u32, peer: &Peer) -> Option<Response<Body>> {
    Some(match kind {
        Kind::TooManyRequests => too_many_requests(&retry_after.to_string()),
        Kind::TooManyRequestsDate => too_many_requests(&date_after(retry_after)),
        Kind::InternalError => pages::apache(StatusCode::INTERNAL_SERVER_ERROR),
        Kind::BadGateway => pages::apache(StatusCode::BAD_GATEWAY),
        Kind::Unavailable => pages::apache(StatusCode::SERVICE_UNAVAILABLE),
        Kind::Dispatcher => answers::dispatcher_page(),
        Kind::SignIn => pages::sign_in(),
        Kind::Redirect => pages::to_sign_in(uri.path()),
        Kind::Reset => {
            peer.reset();
            // Never seen: writing it is what resets the connection.
            Response::new(Body::empty())
        }
        Kind::Latency
        | Kind::Truncated
        | Kind::Slow
        | Kind::GraphqlErrors
        | Kind::NullItems
        | Kind::Stale
        | Kind::StalePost
        | Kind::TokenExpiry => return None,
    })
}

/// Does the fault change the answer of the service, so that a 304 would leave it nothing to change?
pub(super) fn spoils(kind: Kind) -> bool {
    matches!(kind, Kind::Truncated | Kind::Slow | Kind::GraphqlErrors | Kind::NullItems)
}

/// Spoils an answer; `Err` gives it back as it was, when the fault has no hold on it: no body, no JSON, no items.
pub(super) async fn spoil(
    kind: Kind,
    response: Response<Body>,
    pause: Duration,
) -> Result<Response<Body>, Response<Body>> {
    let (mut parts, body) = response.into_parts();
    // The bodies of the service are in memory already.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let length = bytes.len();
    let body = match kind {
        Kind::Truncated if length > 1 => Body::new(Cut { rest: Some(bytes.slice(..length / 2)), flushed: false }),
        Kind::Slow if length > 1 => {
            Body::new(Trickle { rest: bytes, piece: length.div_ceil(PIECES), pause, wait: None })
        }
        Kind::GraphqlErrors | Kind::NullItems => {
            let changed = if kind == Kind::NullItems { with_null_items(&bytes) } else { with_errors(&bytes) };
            let Some(changed) = changed else { return Err(Response::from_parts(parts, Body::from(bytes))) };
            // The true answer's validators would be a lie here, and no cache keeps an error.
            for name in [header::ETAG, header::CACHE_CONTROL, header::CONTENT_LENGTH] {
                parts.headers.remove(name);
            }
            return Ok(Response::from_parts(parts, Body::from(changed)));
        }
        _ => return Err(Response::from_parts(parts, Body::from(bytes))),
    };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(Response::from_parts(parts, body))
}

/// 429; `Retry-After` has two forms (RFC 9110 §10.2.3).
pub(super) fn too_many_requests(retry_after: &str) -> Response<Body> {
    let mut response = Response::new(Body::from("too many requests\n"));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Ok(value) = HeaderValue::from_str(retry_after) {
        headers.insert(header::RETRY_AFTER, value);
    }
    response
}

/// The date that is at least so many seconds away; the form has whole seconds only.
fn date_after(seconds: u32) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let then = now.as_secs() + u64::from(now.subsec_nanos() > 0) + u64::from(seconds);
    let timestamp = i64::try_from(then).ok().and_then(|then| Timestamp::from_second(then).ok());
    timestamp.and_then(|then| DateTimePrinter::new().timestamp_to_rfc9110_string(&then).ok()).unwrap_or_default()
}

/// The first list of a result, whatever alias it goes by.
fn list(result: &mut Value) -> Option<(&String, &mut Vec<Value>)> {
    result.as_object_mut()?.iter_mut().find_map(|(name, value)| Some((name, value.as_array_mut()?)))
}

/// Half of each list, or no item, and an error for what is missing, in the words of graphql-java (protocol §2.2).
fn with_errors(body: &[u8]) -> Option<Vec<u8>> {
    let mut answer: Value = serde_json::from_slice(body).ok()?;
    let mut errors = Vec::new();
    for (field, result) in answer.get_mut("data")?.as_object_mut()? {
        let path = match list(result) {
            Some((name, items)) => {
                let kept = items.len() / 2;
                let path = json!([field, name, kept]);
                items.truncate(kept);
                path
            }
            None => {
                *result = Value::Null;
                json!([field])
            }
        };
        let place: String = path.as_array().into_iter().flatten().map(shown).collect();
        errors.push(json!({
            "message": format!("Exception while fetching data ({place}) : the content could not be read"),
            "locations": [],
            "path": path,
            "extensions": { "classification": "DataFetchingException" },
        }));
    }
    answer.as_object_mut()?.insert("errors".to_owned(), Value::Array(errors));
    serde_json::to_vec(&answer).ok()
}

/// One step of a path as graphql-java writes it: `/adventureList/items[3]`.
fn shown(step: &Value) -> String {
    match step {
        Value::String(name) => format!("/{name}"),
        other => format!("[{other}]"),
    }
}

/// Every second item null, from the first on; of edges the nodes, of a single item itself.
fn with_null_items(body: &[u8]) -> Option<Vec<u8>> {
    let mut answer: Value = serde_json::from_slice(body).ok()?;
    let mut changed = false;
    for result in answer.get_mut("data")?.as_object_mut()?.values_mut() {
        if let Some((_, items)) = list(result) {
            for item in items.iter_mut().step_by(2) {
                match item.get_mut("node") {
                    Some(node) => *node = Value::Null,
                    None => *item = Value::Null,
                }
                changed = true;
            }
        } else if let Some(item) = result.get_mut("item") {
            *item = Value::Null;
            changed = true;
        }
    }
    if changed { serde_json::to_vec(&answer).ok() } else { None }
}

/// Half a body, then an error, upon which the server closes the connection.
struct Cut {
    rest: Option<Bytes>,
    flushed: bool,
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.flushed {
            // The server writes out what it has when a body makes it wait; an error at once would lose the first half.
            self.flushed = true;
            ctx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
    }
}

/// A body in pieces, a pause before each but the first.
struct Trickle {
    rest: Bytes,
    piece: usize,
    pause: Duration,
    wait: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Trickle {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(wait) = &mut self.wait
            && wait.as_mut().poll(ctx).is_pending()
        {
            return Poll::Pending;
        }
        self.wait = Some(Box::pin(sleep(self.pause)));
        let length = self.piece.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    fn changed(change: fn(&[u8]) -> Option<Vec<u8>>, answer: &Value) -> Option<Value> {
        change(answer.to_string().as_bytes()).map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn errors_stand_beside_half_of_the_items() {
        let answer = json!({"data": {"all": {"items": [1, 2, 3]}, "one": {"item": {"a": 1}}}});
        let changed = changed(with_errors, &answer).unwrap();
        assert_eq!(changed["data"], json!({"all": {"items": [1]}, "one": null}));
        assert_eq!(changed["errors"][0]["path"], json!(["all", "items", 1]));
        let message = changed["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("Exception while fetching data (/all/items[1]) : "), "{message}");
        assert_eq!(changed["errors"][1]["path"], json!(["one"]));
    }

    #[test]
    fn null_items_keep_the_shape() {
        let answer = json!({"data": {
            "all": {"items": [1, 2, 3]},
            "pages": {"edges": [{"node": {"a": 1}, "cursor": "x"}], "pageInfo": {"hasNextPage": false}},
            "one": {"item": {"a": 1}},
        }});
        let expected = json!({"data": {
            "all": {"items": [null, 2, null]},
            "pages": {"edges": [{"node": null, "cursor": "x"}], "pageInfo": {"hasNextPage": false}},
            "one": {"item": null},
        }});
        assert_eq!(changed(with_null_items, &answer), Some(expected));
        assert_eq!(changed(with_null_items, &json!({"data": {"all": {"items": []}}})), None);
        assert_eq!(changed(with_null_items, &json!({"errors": []})), None);
    }

    #[test]
    fn a_date_is_not_nearer_than_asked() {
        let before = Timestamp::now();
        let date = date_after(5);
        let then = jiff::fmt::rfc2822::parse(&date).unwrap().timestamp();
        assert!(date.ends_with(" GMT"), "{date}");
        assert!(then.duration_since(before).as_secs() >= 5, "{date}");
    }
}
