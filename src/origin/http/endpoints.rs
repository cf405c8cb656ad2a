//! The URLs: endpoint in every spelling (protocol §2.1), persisted queries (§3), the schema's text, assets; and what the
//! Dispatcher lets pass of them (§1.4).

use std::sync::{Arc, PoisonError, RwLock};

use apollo_compiler::response::{JsonMap, JsonValue};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::super::graphql::asset_transform::DELIVERY;
use super::super::graphql::configurations::{Configurations, GLOBAL};
use super::super::graphql::execute::Serving;
use super::super::images::Images;
use super::super::text::rich_text::object;
use super::super::{Options, Tier};
use super::answers::{conditional, dispatcher_page, json, no_endpoint, plain, servlet_error, with};
use super::delivery;
use super::persist;
use super::persisted::Queries;
use super::query_service::{self, Form};
use super::store::{PersistedQuery, ShortPath, Store};

/// Bytes a request may bring: a query of the documented size in JSON, and variables.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// What requests share. `content` is the one place where content is exchanged for newer content.
pub(in crate::origin) struct Shared {
    content: RwLock<Arc<Configurations>>,
    pub queries: RwLock<Store>,
    /// The configuration of queries that name no other.
    configuration: String,
    pub tier: Tier,
    allow_post: bool,
    pub form: Form,
    pub images: Images,
}

impl Shared {
    /// Serves content and queries.
    pub fn new(content: Configurations, queries: Queries, options: &Options) -> Self {
        Self {
            content: RwLock::new(Arc::new(content)),
            queries: RwLock::new(Store::new(queries)),
            configuration: options.configuration.clone(),
            tier: options.tier,
            allow_post: options.allow_post,
            form: if options.graphql_response_json { Form::GraphqlResponse } else { Form::Json },
            images: Images::default(),
        }
    }

    /// The content of this moment, with all its models.
    pub fn serving(&self) -> Arc<Serving> {
        self.content().global().clone()
    }

    /// The content of this moment as the endpoint of a configuration sees it; `None` where there is no such endpoint: there is
    /// that of the options, `global`, and one for whatever configuration a model or a query file belongs to.
    pub fn endpoint(&self, configuration: &str) -> Option<Arc<Serving>> {
        let content = self.content();
        let of_file = || self.queries.read().unwrap_or_else(PoisonError::into_inner).has_files_of(configuration);
        let stated = configuration == self.configuration || configuration == GLOBAL;
        let there = stated || content.has_models_of(configuration) || of_file();
        there.then(|| content.of(configuration).clone())
    }

    fn content(&self) -> Arc<Configurations> {
        self.content.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves other content and query files from now on; requests under way end with what they began with. What clients did to
    /// persisted queries stays.
    pub fn exchange(&self, content: Configurations, queries: Queries) {
        let content = Arc::new(content);
        self.queries.write().unwrap_or_else(PoisonError::into_inner).set_files(queries);
        let before = std::mem::replace(&mut *self.content.write().unwrap_or_else(PoisonError::into_inner), content);
        // Letting go of much content takes a while; nobody waits for the lock meanwhile.
        drop(before);
    }

    /// The persisted query at a path, as it is at this moment.
    pub fn query(&self, path: &ShortPath) -> Option<PersistedQuery> {
        self.queries.read().unwrap_or_else(PoisonError::into_inner).get(path)
    }
}

/// The service. One handler, for the paths carry encodings a router would undo.
pub(in crate::origin) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(handle).with_state(shared)
}

/// What a path asks for. Configurations and paths are percent-decoded.
enum Target {
    /// A configuration's endpoint; the Dispatcher's rule names only one of the spellings.
    Endpoint {
        configuration: String,
        spelt_as_the_rule: bool,
    },
    Schema(String),
    SchemaErrors(String),
    /// What stands behind `execute.json`, raw: variables are part of the path and decoded with it.
    Execute(String),
    Persist(String),
    List(String),
    Asset(String),
    /// A web-optimised image: what stands behind `deliver/`.
    Delivery(String),
    Unknown,
}

/// The spelling in the Dispatcher's rule (protocol §1.4).
const RULED: &str = "/content/_cq_graphql/";

fn target(raw: &str) -> Target {
    if let Some(suffix) = raw.strip_prefix("/graphql/execute.json").filter(|suffix| is_suffix(suffix)) {
        return Target::Execute(suffix.to_owned());
    }
    let path = percent_encoding::percent_decode_str(raw).decode_utf8_lossy();
    if let Some(suffix) = path.strip_prefix("/graphql/persist.json").filter(|suffix| is_suffix(suffix)) {
        return Target::Persist(suffix.to_owned());
    }
    if let Some(suffix) = path.strip_prefix("/graphql/list.json").filter(|suffix| is_suffix(suffix)) {
        return Target::List(suffix.trim_matches('/').to_owned());
    }
    if path.starts_with("/content/dam/") {
        return Target::Asset(path.into_owned());
    }
    if let Some(rest) = path.strip_prefix(DELIVERY) {
        return Target::Delivery(rest.to_owned());
    }
    // Adobe's client once named the global endpoint so (protocol §2.1).
    let path =
        if path == "/content/graphql/endpoint.gql" { "/content/graphql/global/endpoint.gql".into() } else { path };
    let spelling =
        ["/content/cq:graphql/", RULED, "/content/graphql/"].into_iter().find(|prefix| path.starts_with(prefix));
    let rest = spelling.and_then(|prefix| path.strip_prefix(prefix)?.rsplit_once('/'));
    match rest {
        Some((configuration, "endpoint.json" | "endpoint.gql" | "endpoint")) => {
            Target::Endpoint { configuration: configuration.to_owned(), spelt_as_the_rule: spelling == Some(RULED) }
        }
        Some((configuration, "endpoint.GQLschema")) => Target::Schema(configuration.to_owned()),
        Some((configuration, "endpoint.schemaerrors")) => Target::SchemaErrors(configuration.to_owned()),
        _ => Target::Unknown,
    }
}

/// Whether this can stand behind the name of a servlet: `/graphql/execute.jsonx` is another path.
fn is_suffix(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', ';', '%'])
}

impl Target {
    /// Whether the Dispatcher's filters let a request pass: what protocol §1.4 allows, and assets.
    fn passes(&self, method: &Method, allow_post: bool) -> bool {
        let posting = matches!(*method, Method::POST | Method::OPTIONS);
        match self {
            Target::Execute(_) => posting || method == Method::GET,
            Target::Endpoint { spelt_as_the_rule, .. } => allow_post && posting && *spelt_as_the_rule,
            Target::Asset(_) | Target::Delivery(_) => matches!(*method, Method::GET | Method::HEAD),
            Target::Schema(_) | Target::SchemaErrors(_) | Target::Persist(_) | Target::List(_) | Target::Unknown => {
                false
            }
        }
    }

    /// The methods that have an answer.
    fn methods(&self) -> &'static str {
        match self {
            Target::Endpoint { .. } => "POST, OPTIONS",
            Target::Execute(_) => "GET, HEAD, POST, OPTIONS",
            Target::Persist(_) => "PUT, POST, DELETE, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = target(parts.uri.path());
    if shared.tier.has_dispatcher() && !target.passes(&parts.method, shared.allow_post) {
        return dispatcher_page();
    }
    if matches!(target, Target::Unknown) {
        return plain(StatusCode::NOT_FOUND, "not found\n");
    }
    let methods = target.methods();
    let response = match parts.method {
        Method::GET | Method::HEAD => read(&shared, target, parts.uri.query(), &parts.headers).await,
        Method::OPTIONS => Some(plain(StatusCode::OK, "")),
        _ => write(&shared, target, &parts.method, body).await,
    };
    let mut response = response.unwrap_or_else(|| plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"));
    if parts.method == Method::OPTIONS || response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    response
}

/// `GET` and `HEAD`; `None` where the target does not take them.
async fn read(shared: &Shared, target: Target, query: Option<&str>, headers: &HeaderMap) -> Option<Response<Body>> {
    match target {
        Target::Asset(path) => Some(asset(shared, &path, headers).await),
        Target::Delivery(path) => Some(delivery::deliver(shared, &path, query, headers).await),
        Target::Schema(configuration) => Some(schema(shared, &configuration)),
        Target::SchemaErrors(configuration) => Some(schema_errors(shared, &configuration)),
        Target::List(configuration) => Some(json(StatusCode::OK, &persist::list(shared, &configuration))),
        Target::Execute(suffix) => Some(query_service::execute_get(shared, &suffix, headers).await),
        Target::Endpoint { .. } | Target::Persist(_) | Target::Unknown => None,
    }
}

/// The other methods; `None` where the target does not take them.
async fn write(shared: &Shared, target: Target, method: &Method, body: Body) -> Option<Response<Body>> {
    match target {
        Target::Persist(suffix) => persist::persist(shared, method, &suffix, body).await,
        Target::Execute(suffix) if method == Method::POST => Some(match read_json(body).await {
            Ok(sent) => query_service::execute_post(shared, &suffix, sent).await,
            Err(response) => response,
        }),
        Target::Endpoint { configuration, .. } if method == Method::POST => Some(match read_json(body).await {
            Ok(sent) => query_service::endpoint(shared, &configuration, sent).await,
            Err(response) => response,
        }),
        _ => None,
    }
}

/// The body, if it is not too large.
pub(in crate::origin) async fn read_bytes(body: Body) -> Result<Bytes, Response<Body>> {
    to_bytes(body, MOST_BODY).await.map_err(|_| {
        servlet_error(StatusCode::PAYLOAD_TOO_LARGE, "ServletError", "Request too large", "The body is too large.")
    })
}

/// The body as a JSON object; nothing at all is an empty one.
async fn read_json(body: Body) -> Result<JsonMap, Response<Body>> {
    let bytes = read_bytes(body).await?;
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

fn schema(shared: &Shared, configuration: &str) -> Response<Body> {
    let Some(serving) = shared.endpoint(configuration) else {
        return no_endpoint();
    };
    // GraphQL names are ASCII, so the text is the same in the charset AEM states.
    let text = serving.served.sdl.clone();
    with(StatusCode::OK, "text/x-graphql-schema;charset=iso-8859-1", text.into_bytes())
}

/// What is wrong with the schema (protocol §2.1, §4.1): reference fields that went with their models.
fn schema_errors(shared: &Shared, configuration: &str) -> Response<Body> {
    let Some(serving) = shared.endpoint(configuration) else {
        return no_endpoint();
    };
    let removed = serving.served.removed.iter().map(|(model, field)| {
        let model = &serving.repository.models[*model];
        let message = format!("Field '{field}' of type '{}' refers to no model that is there", model.object);
        object([
            ("errorType", "SCHEMA_INCOMPLETE_FIELD_REMOVED".into()),
            ("message", message.into()),
            ("model", model.path.as_str().into()),
            ("field", field.as_str().into()),
        ])
    });
    json(StatusCode::OK, &removed.collect())
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
