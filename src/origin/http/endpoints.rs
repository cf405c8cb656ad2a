//! The URLs: endpoint in every spelling (protocol §2.1), `execute.json`, `list.json`, the schema's text, assets.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use apollo_compiler::response::{JsonMap, JsonValue};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::super::graphql::execute::{Request, Serving};
use super::super::text::rich_text::object;
use super::execute_path::{self, ExecutePath};
use super::persisted::Queries;

/// Bytes a request may bring: a query of the documented size in JSON, and variables.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// Author's defaults for persisted queries (protocol §3.6).
const CACHE_CONTROL: &str = "max-age=60, s-maxage=60, stale-while-revalidate=86400, stale-if-error=86400";

/// What requests share. `serving` is the one place where content is exchanged for newer content.
pub(in crate::origin) struct Shared {
    serving: RwLock<Arc<Serving>>,
    queries: Queries,
    configurations: BTreeSet<String>,
}

impl Shared {
    /// Serves content and queries. An endpoint exists for the given configuration, `global`, and whatever configuration a
    /// model or query belongs to; all of them have the one schema.
    pub fn new(serving: Serving, queries: Queries, configuration: &str) -> Self {
        let mut configurations = BTreeSet::from([configuration.to_owned(), "global".to_owned()]);
        configurations
            .extend(serving.repository.models.iter().filter_map(|model| model.configuration()).map(str::to_owned));
        configurations.extend(queries.configurations().map(|(configuration, _)| configuration.to_owned()));
        Self { serving: RwLock::new(Arc::new(serving)), queries, configurations }
    }

    /// The content of this moment.
    pub fn serving(&self) -> Arc<Serving> {
        self.serving.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The service. One handler, for the paths carry encodings a router would undo.
pub(in crate::origin) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(handle).with_state(shared)
}

/// What a path asks for.
enum Target {
    Endpoint(String),
    Schema(String),
    Execute(String),
    List(String),
    Asset(String),
    Unknown,
}

fn target(raw: &str) -> Target {
    // Variables of a persisted query are part of the path and decoded with it, so it stays raw.
    if let Some(rest) = raw.strip_prefix("/graphql/execute.json") {
        return Target::Execute(rest.to_owned());
    }
    let path = percent_encoding::percent_decode_str(raw).decode_utf8_lossy();
    if let Some(rest) = path.strip_prefix("/graphql/list.json") {
        return Target::List(rest.trim_matches('/').to_owned());
    }
    let rest = ["/content/cq:graphql/", "/content/_cq_graphql/", "/content/graphql/"]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix));
    match rest.and_then(|rest| rest.rsplit_once('/')) {
        Some((configuration, "endpoint.json" | "endpoint.gql" | "endpoint")) => {
            Target::Endpoint(configuration.to_owned())
        }
        Some((configuration, "endpoint.GQLschema")) => Target::Schema(configuration.to_owned()),
        _ if path.starts_with("/content/dam/") => Target::Asset(path.into_owned()),
        _ => Target::Unknown,
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = target(parts.uri.path());
    let reading = matches!(parts.method, Method::GET | Method::HEAD);
    match (target, reading) {
        (Target::Asset(path), true) => asset(&shared, &path, &parts.headers).await,
        (Target::Schema(configuration), true) => schema(&shared, &configuration),
        (Target::List(configuration), true) => json(StatusCode::OK, &list(&shared, &configuration)),
        (Target::Execute(rest), true) => execute(shared, &rest, None, &parts.headers).await,
        (Target::Execute(rest), false) if parts.method == Method::POST => match read_json(body).await {
            Ok(sent) => execute(shared, &rest, Some(sent), &parts.headers).await,
            Err(response) => response,
        },
        (Target::Endpoint(configuration), false) if parts.method == Method::POST => match read_json(body).await {
            Ok(sent) => endpoint(shared, &configuration, sent).await,
            Err(response) => response,
        },
        (Target::Unknown, _) => plain(StatusCode::NOT_FOUND, "not found\n"),
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"),
    }
}

/// The body as a JSON object; nothing at all is an empty one.
async fn read_json(body: Body) -> Result<JsonMap, Response<Body>> {
    let bytes = to_bytes(body, MOST_BODY).await.map_err(|_| {
        servlet_error(StatusCode::PAYLOAD_TOO_LARGE, "ServletError", "Request too large", "The body is too large.")
    })?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(JsonMap::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(JsonValue::Object(sent)) => Ok(sent),
        _ => Err(servlet_error(
            StatusCode::BAD_REQUEST,
            "ServletError",
            "Invalid request",
            "The body is not a JSON object.",
        )),
    }
}

async fn endpoint(shared: Arc<Shared>, configuration: &str, sent: JsonMap) -> Response<Body> {
    if !shared.configurations.contains(configuration) {
        return no_endpoint();
    }
    let Some(query) = sent.get("query").and_then(JsonValue::as_str).map(str::to_owned) else {
        return servlet_error(StatusCode::BAD_REQUEST, "ServletError", "Invalid request", "The body has no `query`.");
    };
    let serving = shared.serving();
    let body = answered(move || {
        let empty = JsonMap::new();
        let variables = sent.get("variables").and_then(JsonValue::as_object).unwrap_or(&empty);
        let operation = sent.get("operationName").and_then(JsonValue::as_str);
        serving.answer(&Request { query: &query, operation, variables })
    });
    body.await
}

/// A persisted query: variables come in the path (GET) or in the body (POST).
async fn execute(shared: Arc<Shared>, rest: &str, sent: Option<JsonMap>, headers: &HeaderMap) -> Response<Body> {
    let Some(path) = execute_path::decode(rest) else {
        let details = "Suffix: '/' does not contain a path";
        return servlet_error(StatusCode::BAD_REQUEST, "ServletError", "Internal Servlet Failure", details);
    };
    let ExecutePath { configuration, name, variables } = path;
    if !shared.configurations.contains(&configuration) {
        return no_endpoint();
    }
    let Some(query) = shared.queries.text(&configuration, &name).map(str::to_owned) else {
        let details = format!(
            "Configuration: '{configuration}' and Query Name: '{name}' does not resolve to an existing Persistent Query"
        );
        return servlet_error(StatusCode::NOT_FOUND, "PersistenceError", "Could not find Persisted Query", &details);
    };
    let serving = shared.serving();
    let get = sent.is_none();
    let mut response = answered(move || {
        let given = sent.as_ref().and_then(|sent| sent.get("variables")).and_then(JsonValue::as_object).cloned();
        let variables = given.unwrap_or_else(|| from_path(&serving, &query, &variables));
        serving.answer(&Request { query: &query, operation: None, variables: &variables })
    })
    .await;
    if get && response.status() == StatusCode::OK {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
        return conditional(response, headers).await;
    }
    response
}

fn from_path(serving: &Serving, query: &str, variables: &[(String, String)]) -> JsonMap {
    let document = serving.document(query).ok();
    let operation = document.as_ref().and_then(|document| document.operations.get(None).ok());
    operation.map_or_else(JsonMap::new, |operation| execute_path::typed(variables, operation, &serving.served.schema))
}

/// Runs a request beside the sockets; execution does not wait for anything and may take milliseconds.
async fn answered(answer: impl FnOnce() -> Vec<u8> + Send + 'static) -> Response<Body> {
    match tokio::task::spawn_blocking(answer).await {
        Ok(body) => with(StatusCode::OK, "application/json", body),
        Err(_) => servlet_error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ServletError",
            "Internal Servlet Failure",
            "The query broke off.",
        ),
    }
}

/// The shape of protocol §3.3.
fn list(shared: &Shared, only: &str) -> JsonValue {
    let listed = shared.queries.configurations().filter(|(configuration, _)| only.is_empty() || *configuration == only);
    let entries = listed.map(|(configuration, queries)| {
        let queries = queries.iter().map(|(name, text)| {
            let short = format!("/{configuration}/{name}");
            let long = format!("/{configuration}/settings/graphql/persistentQueries/{name}");
            let path = object([("shortForm", short.into()), ("longForm", long.into())]);
            object([("path", path), ("data", object([("query", text.as_str().into())]))])
        });
        object([("configurationName", configuration.into()), ("queries", queries.collect())])
    });
    entries.collect()
}

fn schema(shared: &Shared, configuration: &str) -> Response<Body> {
    if !shared.configurations.contains(configuration) {
        return no_endpoint();
    }
    // GraphQL names are ASCII, so the text is the same in the charset AEM states.
    let text = shared.serving().served.sdl.clone();
    with(StatusCode::OK, "text/x-graphql-schema;charset=iso-8859-1", text.into_bytes())
}

async fn asset(shared: &Shared, path: &str, headers: &HeaderMap) -> Response<Body> {
    let Some(asset) = shared.serving().repository.assets.get(path).cloned() else {
        return plain(StatusCode::NOT_FOUND, "not found\n");
    };
    match tokio::fs::read(&asset.file).await {
        Ok(bytes) => conditional(with(StatusCode::OK, asset.mime, bytes), headers).await,
        Err(_) => plain(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// Adds the digest as `ETag` and answers 304 to a client that has it.
async fn conditional(response: Response<Body>, headers: &HeaderMap) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "no body\n");
    };
    let digest = blake3::hash(&bytes).to_hex();
    let tag = format!("\"{}\"", &digest[..32]);
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(|value| value.trim().trim_start_matches("W/"));
    if known.any(|value| value == "*" || value == tag) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn no_endpoint() -> Response<Body> {
    servlet_error(StatusCode::NOT_FOUND, "ServletError", "Internal Servlet Failure", "No suitable endpoint found.")
}

/// An error of AEM's servlets (protocol §3.7); those of GraphQL have another shape.
fn servlet_error(status: StatusCode, kind: &str, message: &str, details: &str) -> Response<Body> {
    let error = object([("errorType", kind.into()), ("message", message.into()), ("details", details.into())]);
    json(status, &object([("errors", JsonValue::Array(vec![error]))]))
}

fn json(status: StatusCode, value: &JsonValue) -> Response<Body> {
    with(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    with(status, "text/plain", text.as_bytes().to_vec())
}

fn with(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
