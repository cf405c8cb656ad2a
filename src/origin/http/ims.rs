//! A stand-in for Adobe's IMS under the origin's own port: hands out opaque tokens and knows when they end (protocol §7.3, §7.4).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::time::Instant;

use super::super::StartError;
use super::access::{ImsOptions, Unit};
use super::jwt::{Account, Rejected};

/// Where a signed JWT is exchanged for a token.
const EXCHANGE: &str = "/ims/exchange/jwt";

/// Where a client gets a token.
const TOKEN: &str = "/ims/token/v3";

/// Bytes a request may bring; a JWT has about one thousand.
const MOST_BODY: usize = 64 * 1024;

/// How long a token is good whose end no clock can tell.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The accounts it knows and the tokens it gave out.
pub(super) struct Ims {
    account: Option<Account>,
    client: Option<Client>,
    unit: Option<Unit>,
    state: Mutex<State>,
}

struct Client {
    id: String,
    secret: blake3::Hash,
    scopes: Vec<String>,
}

struct State {
    /// How long the next token is good.
    lifetime: Duration,
    /// Digests of the tokens that are good, with their ends.
    tokens: BTreeMap<[u8; 32], Instant>,
}

/// Scopes come separated by commas (§7.4); OAuth itself has spaces (RFC 6749 §3.3).
fn scopes(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).map(str::trim).filter(|scope| !scope.is_empty())
}

impl Ims {
    /// Reads the service-credentials file, if there is one.
    pub fn new(options: &ImsOptions) -> Result<Self, StartError> {
        let read = |file: &std::path::PathBuf| {
            Account::read(file).map_err(|problem| StartError::Credentials { file: file.clone(), problem })
        };
        let client = options.oauth.as_ref().map(|client| Client {
            id: client.id.clone(),
            secret: blake3::hash(client.secret.expose_secret().as_bytes()),
            scopes: scopes(&client.scopes).map(str::to_owned).collect(),
        });
        Ok(Self {
            account: options.service_credentials.as_ref().map(read).transpose()?,
            client,
            unit: options.unit,
            state: Mutex::new(State { lifetime: options.lifetime, tokens: BTreeMap::new() }),
        })
    }

    /// Is this path IMS's?
    pub fn serves(path: &str) -> bool {
        matches!(path, EXCHANGE | TOKEN)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is a token with this digest good?
    pub fn accepts(&self, digest: &blake3::Hash) -> bool {
        self.state().tokens.get(digest.as_bytes()).is_some_and(|end| *end > Instant::now())
    }

    /// Ends every token, and says how many were good.
    pub fn expire_all(&self) -> usize {
        let (now, tokens) = (Instant::now(), std::mem::take(&mut self.state().tokens));
        tokens.values().filter(|end| **end > now).count()
    }

    /// How long tokens are good from now on; those given out already keep their end.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// How long the next token is good.
    pub fn lifetime(&self) -> Duration {
        self.state().lifetime
    }

    /// Answers a request for a token.
    pub async fn answer(&self, request: Request) -> Response<Body> {
        let path = request.uri().path().to_owned();
        if request.method() != Method::POST {
            return rejected(StatusCode::METHOD_NOT_ALLOWED, &bad_request("only POST is answered here"));
        }
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
            return rejected(
                StatusCode::BAD_REQUEST,
                &bad_request("the body is not application/x-www-form-urlencoded"),
            );
        }
        let Ok(body) = to_bytes(request.into_body(), MOST_BODY).await else {
            return rejected(StatusCode::BAD_REQUEST, &bad_request("the body is too large or broke off"));
        };
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
        let (checked, unit) = match path.as_str() {
            EXCHANGE => (self.check_exchange(&form), Unit::Milliseconds),
            _ => (self.check_client(&form), Unit::Seconds),
        };
        match checked {
            Ok(()) => self.issue(self.unit.unwrap_or(unit)),
            // RFC 6749 §5.2; protocol §7.3 asks for no more than that it is not 2xx.
            Err(reason) if reason.0 == "invalid_client" => rejected(StatusCode::UNAUTHORIZED, &reason),
            Err(reason) => rejected(StatusCode::BAD_REQUEST, &reason),
        }
    }

    fn check_exchange(&self, form: &BTreeMap<String, String>) -> Result<(), Rejected> {
        let (id, secret, jwt) = (field(form, "client_id")?, field(form, "client_secret")?, field(form, "jwt_token")?);
        let account = self.account.as_ref().filter(|account| account.client_id == id);
        let account = account.ok_or_else(|| invalid_client("client_id"))?;
        if account.secret != blake3::hash(secret.as_bytes()) {
            return Err(invalid_client("client_secret"));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        account.check(jwt, now.as_secs())
    }

    fn check_client(&self, form: &BTreeMap<String, String>) -> Result<(), Rejected> {
        if field(form, "grant_type")? != "client_credentials" {
            return Err(Rejected("unsupported_grant_type", "grant_type is not client_credentials".to_owned()));
        }
        let (id, secret) = (field(form, "client_id")?, field(form, "client_secret")?);
        let client = self.client.as_ref().filter(|client| client.id == id);
        let client = client.ok_or_else(|| invalid_client("client_id"))?;
        if client.secret != blake3::hash(secret.as_bytes()) {
            return Err(invalid_client("client_secret"));
        }
        let asked = field(form, "scope").map_err(|_| Rejected("invalid_scope", "scope is missing".to_owned()))?;
        let known = |scope: &str| client.scopes.is_empty() || client.scopes.iter().any(|known| known == scope);
        match scopes(asked).find(|scope| !known(scope)) {
            Some(scope) => Err(Rejected("invalid_scope", format!("the client has no scope {scope}"))),
            None => Ok(()),
        }
    }

    fn issue(&self, unit: Unit) -> Response<Body> {
        let mut bytes = [0; 32];
        if SystemRandom::new().fill(&mut bytes).is_err() {
            let reason = Rejected("server_error", "the system gives no random numbers".to_owned());
            return rejected(StatusCode::INTERNAL_SERVER_ERROR, &reason);
        }
        let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let now = Instant::now();
        let mut state = self.state();
        let lifetime = state.lifetime;
        state.tokens.retain(|_, end| *end > now);
        let end = now.checked_add(lifetime).unwrap_or(now + LONGEST);
        state.tokens.insert(*blake3::hash(token.as_bytes()).as_bytes(), end);
        drop(state);
        let expires_in = match unit {
            Unit::Milliseconds => u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX),
            Unit::Seconds => lifetime.as_secs(),
        };
        let answer = json!({ "token_type": "bearer", "access_token": token, "expires_in": expires_in });
        json_answer(StatusCode::OK, &answer)
    }
}

fn field<'a>(form: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, Rejected> {
    let value = form.get(name).map(String::as_str).filter(|value| !value.is_empty());
    value.ok_or_else(|| bad_request(&format!("{name} is missing")))
}

fn bad_request(description: &str) -> Rejected {
    Rejected("invalid_request", description.to_owned())
}

fn invalid_client(parameter: &str) -> Rejected {
    Rejected("invalid_client", format!("invalid {parameter} parameter"))
}

fn rejected(status: StatusCode, Rejected(error, description): &Rejected) -> Response<Body> {
    json_answer(status, &json!({ "error": error, "error_description": description }))
}

fn json_answer(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    // RFC 6749 §5.1: no cache keeps a token.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
