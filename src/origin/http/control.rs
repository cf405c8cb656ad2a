//! The control endpoint: faults, counts and tokens of a running origin, for tests and demonstrations.
//!
//! Only with `--control`, only from this machine, and only by its own names: a page in a browser that reaches the port by another
//! name, or from another origin, is refused.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault::{FaultError, Faults};
use super::gate::Gate;
use super::wire::Peer;

/// Where it is.
const PREFIX: &str = "/_origin/";

/// Bytes a request may bring.
const MOST_BODY: usize = 64 * 1024;

/// [`Faults`] as JSON: times in milliseconds where their names say so, in seconds otherwise. What is left out is as without flags.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    faults: Vec<String>,
    latency_ms: u64,
    retry_after: u32,
    stale_for: u64,
    pause_ms: u64,
    limit: Option<NonZeroU32>,
    limit_at_once: Option<NonZeroU32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(&Faults::default())
    }
}

impl From<&Faults> for Settings {
    fn from(faults: &Faults) -> Self {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            faults: faults.list.iter().map(ToString::to_string).collect(),
            latency_ms: milliseconds(faults.latency),
            retry_after: faults.retry_after,
            stale_for: faults.stale_for.as_secs(),
            pause_ms: milliseconds(faults.pause),
            limit: faults.limit,
            limit_at_once: faults.limit_at_once,
        }
    }
}

impl TryFrom<Settings> for Faults {
    type Error = FaultError;

    fn try_from(settings: Settings) -> Result<Self, FaultError> {
        Ok(Self {
            list: settings.faults.iter().map(|fault| fault.parse()).collect::<Result<_, _>>()?,
            latency: Duration::from_millis(settings.latency_ms),
            retry_after: settings.retry_after,
            stale_for: Duration::from_secs(settings.stale_for),
            pause: Duration::from_millis(settings.pause_ms),
            limit: settings.limit,
            limit_at_once: settings.limit_at_once,
        })
    }
}

/// The body of `PUT /_origin/token-lifetime`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    seconds: u32,
}

/// Is this path the control endpoint's?
pub(super) fn serves(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Reads or changes what the gate does.
pub(super) async fn answer(gate: &Gate, peer: &Peer, request: Request) -> Response<Body> {
    if !peer.address.ip().to_canonical().is_loopback() || !is_local(request.headers()) {
        return json(StatusCode::FORBIDDEN, &json!({ "error": "the control endpoint answers this machine only" }));
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return json(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "error": "the body is too large or broke off" }));
    };
    let what = parts.uri.path().trim_start_matches(PREFIX);
    match (what, &parts.method) {
        ("faults", &Method::GET) => settings(gate),
        ("faults", &Method::PUT) => {
            match read::<Settings>(&body).and_then(|read| Faults::try_from(read).map_err(|error| error.to_string())) {
                Ok(faults) => {
                    gate.set_faults(faults);
                    settings(gate)
                }
                Err(error) => json(StatusCode::BAD_REQUEST, &json!({ "error": error })),
            }
        }
        ("faults", &Method::DELETE) => {
            gate.set_faults(Faults::default());
            settings(gate)
        }
        ("counts", &Method::GET) => json(StatusCode::OK, &gate.counter.now()),
        ("counts", &Method::DELETE) => {
            gate.counter.reset();
            json(StatusCode::OK, &gate.counter.now())
        }
        ("expire-tokens", &(Method::PUT | Method::POST)) => {
            let expired = gate.expire_tokens();
            json(StatusCode::OK, &json!({ "expired": expired }))
        }
        ("token-lifetime", &Method::PUT) => lifetime(gate, &body),
        ("faults" | "counts" | "expire-tokens" | "token-lifetime", _) => {
            json(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": "method not allowed" }))
        }
        _ => json(StatusCode::NOT_FOUND, &json!({ "error": "not found" })),
    }
}

fn settings(gate: &Gate) -> Response<Body> {
    json(StatusCode::OK, &Settings::from(&gate.faults()))
}

fn lifetime(gate: &Gate, body: &[u8]) -> Response<Body> {
    let Some(ims) = &gate.ims else {
        return json(StatusCode::NOT_FOUND, &json!({ "error": "there is no IMS stand-in" }));
    };
    match read::<Lifetime>(body) {
        Ok(Lifetime { seconds }) => {
            ims.set_lifetime(Duration::from_secs(seconds.into()));
            json(StatusCode::OK, &json!({ "seconds": ims.lifetime().as_secs() }))
        }
        Err(error) => json(StatusCode::BAD_REQUEST, &json!({ "error": error })),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// A name of this machine in `Host`, and no page of a browser behind the request.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let local = name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback());
    local && !headers.contains_key(header::ORIGIN)
}

fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response<Body> {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        let local = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            is_local(&headers)
        };
        for host in ["127.0.0.1:80", "127.0.0.1", "localhost:4502", "LOCALHOST", "[::1]:1", "[::1]", "127.1.2.3:1"] {
            assert!(local(host), "{host}");
        }
        for host in
            ["example.com", "example.com:80", "127.0.0.1.example.com", "0.0.0.0:1", "10.0.0.1", "", "localhost.evil:1"]
        {
            assert!(!local(host), "{host}");
        }
        let headers = [(header::HOST, "localhost"), (header::ORIGIN, "http://localhost")];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect();
        assert!(!is_local(&headers));
    }

    #[test]
    fn settings_come_back_as_they_went() {
        let sent: Settings = read(br#"{"faults":["503:3","stale:1"],"limit":50,"latency_ms":20}"#).unwrap();
        let faults = Faults::try_from(sent).unwrap();
        assert_eq!((faults.list.len(), faults.latency.as_millis(), faults.retry_after), (2, 20, 1));
        assert_eq!(Faults::try_from(Settings::from(&faults)).unwrap(), faults);
        assert!(read::<Settings>(b"{\"fault\":[]}").is_err());
    }
}
