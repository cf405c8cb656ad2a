//! The server on the socket: limits of size and time for every connection, and the addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::delivery::MAX_BYTES;
use super::gate::Client;
use super::status::now;
use super::{App, Stop, challenge, told, webhook};

/// How long the headers of a request may take, and how long a connection may be idle.
const HEADERS: Duration = Duration::from_secs(10);
/// How long a body may take. Adobe gives up after 10 s (protocol 8.5).
const BODY: Duration = Duration::from_secs(9);
/// Connections at once.
const CONNECTIONS: usize = 512;
/// How much of a body that is too large is read, so that its sender reads why it is refused.
const DRAINED: usize = 8 << 20;
/// How long connections have to finish at the end.
const FAREWELL: Duration = Duration::from_secs(10);
/// Headers of one request, in bytes.
const HEADER_BYTES: usize = 32 << 10;

/// Serves until stopped, and then finishes the requests that have begun.
pub(super) async fn serve(listener: TcpListener, app: Arc<App>, stop: Stop) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let router = router(app);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.wait() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            // Too many: whoever is turned away comes again.
            Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let (router, stop) = (router.clone(), stop.clone());
                    connections.spawn(async move {
                        connection(stream, peer, router, stop).await;
                        drop(place);
                    });
                }
                Err(_) => drop(stream),
            },
            // Out of file descriptors, or a client that has gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    // Whoever comes now is refused, and comes again, instead of waiting for nobody.
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, rest).await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, stop: Stop) {
    // An answer is one write; waiting for more only delays it.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEADER_BYTES);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // However it ends: the other side knows more than we do.
    let _ = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.wait() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/events", get(hand_back).post(webhook::deliver))
        .route("/rebuild", post(webhook::rebuild))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/status", get(status_page))
        .route("/status.json", get(status_json))
        .route("/metrics", get(metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .layer(from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// Stands in front of everything: who is it, and is it too often?
async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let address = match request.uri().path() {
        "/events" => "/events",
        "/rebuild" => "/rebuild",
        "/healthz" | "/readyz" | "/status" | "/status.json" | "/metrics" => "/status",
        _ => "other",
    };
    let client = request.extensions().get::<SocketAddr>().map(|peer| {
        let forwarded = request.headers().get_all("x-forwarded-for").iter();
        app.gate.client(peer.ip(), forwarded.map(|value| value.to_str().unwrap_or("unreadable")))
    });
    let mut response = match client {
        Some(client) if app.gate.lets_pass(client, Instant::now()) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        _ => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "too many requests\n").into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = response.status().as_u16();
    app.status.change(|known| *known.answers.entry((address, status)).or_default() += 1);
    response
}

/// The challenge, handed back in the form that cannot be mistaken (protocol 8.2).
async fn hand_back(request: Request) -> Response {
    match challenge::challenge(request.uri().query().unwrap_or_default()) {
        Some(challenge) => json(StatusCode::OK, &serde_json::json!({ "challenge": challenge })),
        None => (StatusCode::BAD_REQUEST, "GET is for Adobe's challenge; events come by POST\n").into_response(),
    }
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.status.troubles().as_slice() {
        [] => "ready\n".into_response(),
        troubles => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", troubles.join(", "))).into_response(),
    }
}

async fn status_page(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = may_look(&app, client, &headers) {
        return refused;
    }
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
    let page = told::page(&app.status.now(), &app.queue.depth());
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))], page)
        .into_response()
}

async fn status_json(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    match may_look(&app, client, &headers) {
        Ok(()) => json(StatusCode::OK, &told::json(&app.status.now(), &app.queue.depth())),
        Err(refused) => refused,
    }
}

async fn metrics(State(app): State<Arc<App>>, Extension(client): Extension<Client>, headers: HeaderMap) -> Response {
    match may_look(&app, client, &headers) {
        Ok(()) => {
            let text = told::metrics(&app.status.now(), &app.queue.depth());
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(refused) => refused,
    }
}

/// Paths of content are nobody's business; whoever may ask for builds may look as well.
fn may_look(app: &App, client: Client, headers: &HeaderMap) -> Result<(), Response> {
    let given = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let knows = given.zip(app.secret.as_ref()).is_some_and(|(given, secret)| !secret.is_empty() && secret.is(given));
    match app.gate.may_look(client) || knows {
        true => Ok(()),
        false => Err((StatusCode::FORBIDDEN, "not for you: see `monitors` in docs/listen.md\n").into_response()),
    }
}

/// A header that is text, if it comes once.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// The whole body, or what is answered instead.
pub(super) async fn body(request: Request) -> Result<Bytes, Response> {
    let (parts, body) = request.into_parts();
    let declared = text(&parts.headers, "content-length").and_then(|value| value.parse::<usize>().ok());
    match tokio::time::timeout(BODY, read(body, declared.unwrap_or(0))).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(status)) => Err(refusal(status)),
        Err(_) => Err(refusal(StatusCode::REQUEST_TIMEOUT)),
    }
}

fn refusal(status: StatusCode) -> Response {
    let text = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "more than 2 MB\n",
        StatusCode::REQUEST_TIMEOUT => "the body took too long\n",
        _ => "the body broke off\n",
    };
    // What is left of it would be taken for the next request.
    (status, [(header::CONNECTION, "close")], text).into_response()
}

async fn read(mut body: Body, declared: usize) -> Result<Bytes, StatusCode> {
    let (mut bytes, mut passed) = (Vec::with_capacity(declared.min(MAX_BYTES)), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        let Some(data) = frame.data_ref() else { continue };
        passed += data.len();
        if passed > DRAINED {
            break;
        }
        if passed <= MAX_BYTES {
            bytes.extend_from_slice(data);
        }
    }
    if passed > MAX_BYTES { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(bytes.into()) }
}

/// Milliseconds since 1970, in whole seconds.
pub(super) fn seconds() -> i64 {
    now().div_euclid(1000)
}
