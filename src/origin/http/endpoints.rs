//! The URLs: endpoint in every spelling (protocol §2.1), `execute.json`, `list.json`, the schema's text, assets.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use apollo_compiler::response::{JsonMap, JsonValue};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::super::graphql::execute::{Outcome, Request, Serving};
use super::super::text::rich_text::object;
use super::super::{Options, Tier};
use super::answers::{JSON, conditional, dispatcher_page, json, no_endpoint, plain, servlet_error, with};
use super::execute_path::{self, ExecutePath};
use super::persisted::Queries;

/// Bytes a request may bring: a query of the documented size in JSON, and variables.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// What requests share. `serving` is the one place where content is exchanged for newer content.
pub(in crate::origin) struct Shared {
    serving: RwLock<Arc<Serving>>,
    queries: Queries,
    configurations: BTreeSet<String>,
    tier: Tier,
    allow_post: bool,
    form: Form,
}

/// How a query that was answered looks from outside (protocol §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The default: 200 and `application/json` whatever the query did.
    Json,
    /// `responseContentTypeGraphQLResponseJson=true`.
    GraphqlResponse,
}

impl Form {
    fn status(self, outcome: Outcome) -> StatusCode {
        match (self, outcome) {
            (Form::Json, _) | (_, Outcome::Answered) => StatusCode::OK,
            (Form::GraphqlResponse, Outcome::Refused) => StatusCode::BAD_REQUEST,
            (Form::GraphqlResponse, Outcome::Failed) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Form::Json => JSON,
            Form::GraphqlResponse => "application/graphql-response+json",
        }
    }
}

impl Shared {
    /// Serves content and queries. An endpoint exists for the given configuration, `global`, and whatever configuration a
    /// model or query belongs to; all of them have the one schema.
    pub fn new(serving: Serving, queries: Queries, options: &Options) -> Self {
        let mut configurations = BTreeSet::from([options.configuration.clone(), "global".to_owned()]);
        configurations
            .extend(serving.repository.models.iter().filter_map(|model| model.configuration()).map(str::to_owned));
        configurations.extend(queries.configurations().map(|(configuration, _)| configuration.to_owned()));
        let Options { tier, allow_post, graphql_response_json, .. } = *options;
        let form = if graphql_response_json { Form::GraphqlResponse } else { Form::Json };
        Self { serving: RwLock::new(Arc::new(serving)), queries, configurations, tier, allow_post, form }
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

/// Whether the Dispatcher's filters let a request pass: what protocol §1.4 allows, and assets.
fn passes(shared: &Shared, target: &Target, method: &Method, raw: &str) -> bool {
    let posting = matches!(*method, Method::POST | Method::OPTIONS);
    match target {
        Target::Execute(_) => posting || method == Method::GET,
        // The rule names this one spelling.
        Target::Endpoint(_) => shared.allow_post && posting && raw.starts_with("/content/_cq_graphql/"),
        Target::Asset(_) => matches!(*method, Method::GET | Method::HEAD),
        Target::Schema(_) | Target::List(_) | Target::Unknown => false,
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = target(parts.uri.path());
    if shared.tier.has_dispatcher() && !passes(&shared, &target, &parts.method, parts.uri.path()) {
        return dispatcher_page();
    }
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
    let body = answered(shared.form, move || {
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
    let mut response = answered(shared.form, move || {
        let given = sent.as_ref().and_then(|sent| sent.get("variables")).and_then(JsonValue::as_object).cloned();
        let variables = given.unwrap_or_else(|| from_path(&serving, &query, &variables));
        serving.answer(&Request { query: &query, operation: None, variables: &variables })
    })
    .await;
    if get && response.status() == StatusCode::OK {
        let cache_control = default_cache_control(shared.tier);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        return conditional(response, headers).await;
    }
    response
}

/// The defaults for persisted queries (protocol §3.6).
fn default_cache_control(tier: Tier) -> &'static str {
    match tier {
        Tier::Author => "max-age=60, s-maxage=60, stale-while-revalidate=86400, stale-if-error=86400",
        Tier::Preview | Tier::Publish => {
            "max-age=60, s-maxage=7200, stale-while-revalidate=86400, stale-if-error=86400"
        }
    }
}

fn from_path(serving: &Serving, query: &str, variables: &[(String, String)]) -> JsonMap {
    let document = serving.document(query).ok();
    let operation = document.as_ref().and_then(|document| document.operations.get(None).ok());
    operation.map_or_else(JsonMap::new, |operation| execute_path::typed(variables, operation, &serving.served.schema))
}

/// Runs a request beside the sockets; execution does not wait for anything and may take milliseconds.
async fn answered(form: Form, answer: impl FnOnce() -> (Outcome, Vec<u8>) + Send + 'static) -> Response<Body> {
    match tokio::task::spawn_blocking(answer).await {
        Ok((outcome, body)) => with(form.status(outcome), form.content_type(), body),
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
