//! `persist.json` and `list.json`: create, update, delete and list persisted queries (protocol §3.2, §3.3).

use std::sync::PoisonError;

use apollo_compiler::ast::Definition;
use apollo_compiler::parser::Parser;
use apollo_compiler::response::JsonValue;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};

use super::super::graphql::limits;
use super::super::text::rich_text::object;
use super::answers::{json, no_endpoint, servlet_error};
use super::caching::CacheSettings;
use super::endpoints::{Shared, read_bytes};
use super::store::{PersistedQuery, ShortPath};

/// What `persist.json` is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Update,
    Delete,
}

impl Action {
    /// `None` where the service does not know the method.
    fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::PUT => Some(Action::Create),
            Method::POST => Some(Action::Update),
            Method::DELETE => Some(Action::Delete),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        }
    }
}

/// Answers `PUT`, `POST` and `DELETE` of `/graphql/persist.json` + `suffix` (percent-decoded). `None` for other methods.
pub(in crate::origin) async fn persist(
    shared: &Shared,
    method: &Method,
    suffix: &str,
    body: Body,
) -> Option<Response<Body>> {
    let action = Action::of(method)?;
    Some(match asked(shared, action, suffix, body).await {
        Ok((path, query)) => change(shared, action, path, query),
        Err(response) => response,
    })
}

/// Checks the request: the path, and the new query if there is to be one.
async fn asked(
    shared: &Shared,
    action: Action,
    suffix: &str,
    body: Body,
) -> Result<(ShortPath, Option<PersistedQuery>), Response<Body>> {
    let path = short_path(suffix).ok_or_else(|| {
        let details = format!("Suffix: '{suffix}' does not contain a path of a configuration and a name");
        servlet_error(StatusCode::BAD_REQUEST, "ServletError", "Internal Servlet Failure", &details)
    })?;
    if shared.endpoint(&path.configuration).is_none() {
        return Err(no_endpoint());
    }
    if action == Action::Delete {
        return Ok((path, None));
    }
    let bytes = read_bytes(body).await?;
    let query = read(&bytes)
        .map_err(|details| persistence_error(StatusCode::BAD_REQUEST, "Could not read Persisted Query", &details))?;
    Ok((path, Some(query)))
}

fn change(shared: &Shared, action: Action, path: ShortPath, query: Option<PersistedQuery>) -> Response<Body> {
    // One lock over look and change: of two clients that create one path, one succeeds.
    let mut store = shared.queries.write().unwrap_or_else(PoisonError::into_inner);
    let status = match (action, store.get(&path).is_some()) {
        (Action::Create, true) => {
            let details = format!("{} exists already; POST changes it", named(&path));
            return persistence_error(StatusCode::CONFLICT, "Could not create Persisted Query", &details);
        }
        (Action::Update | Action::Delete, false) => return not_found(&path),
        (Action::Create, false) => StatusCode::CREATED,
        (Action::Update | Action::Delete, true) => StatusCode::OK,
    };
    let answer = object([
        ("action", action.word().into()),
        ("configurationName", path.configuration.as_str().into()),
        ("name", path.name.as_str().into()),
        ("shortPath", format!("/{}/{}", path.configuration, path.name).into()),
        ("path", format!("/conf{}", long_form(&path)).into()),
    ]);
    match query {
        Some(query) => store.put(path, query),
        None => store.remove(path),
    }
    json(status, &answer)
}

/// `/acme/recipes-all`; both names as a repository node may be called, so that every query made here can be executed.
fn short_path(suffix: &str) -> Option<ShortPath> {
    let (configuration, name) = suffix.strip_prefix('/')?.split_once('/')?;
    let node = |name: &str| {
        let forbidden = |letter: char| letter.is_control() || "/:[]|*;%".contains(letter);
        !name.is_empty() && name.trim() == name && !name.starts_with('.') && !name.contains(forbidden)
    };
    // The suffix `.json` is cut off a path that is executed (protocol §3.6).
    let both = node(configuration) && node(name) && !name.ends_with(".json");
    both.then(|| ShortPath { configuration: configuration.to_owned(), name: name.to_owned() })
}

/// The three forms of a body (protocol §3.2): GraphQL as it is, or JSON with a text `query` and perhaps cache settings. A
/// bare query begins with `{` too but is not JSON.
pub(in crate::origin) fn read(bytes: &[u8]) -> Result<PersistedQuery, String> {
    let wrapped = serde_json::from_slice::<JsonValue>(bytes).ok();
    let wrapped = wrapped.as_ref().and_then(JsonValue::as_object);
    let query = match wrapped.and_then(|body| Some((body, body.get("query")?.as_str()?))) {
        Some((body, text)) => PersistedQuery { text: text.to_owned(), cache: CacheSettings::read(body)? },
        None => {
            let text = std::str::from_utf8(bytes).map_err(|_| "The body is not UTF-8.".to_owned())?;
            PersistedQuery { text: text.to_owned(), cache: CacheSettings::default() }
        }
    };
    check(&query.text)?;
    Ok(query)
}

/// A query has to be GraphQL with an operation; whether it fits the schema shows when it is executed, as it does in AEM
/// when a model has changed (protocol §3.7).
fn check(text: &str) -> Result<(), String> {
    limits::check_text(text)?;
    let mut parser = Parser::new().recursion_limit(limits::MOST_NESTING).token_limit(limits::MOST_PARSER_TOKENS);
    let document = parser.parse_ast(text, "query").map_err(|error| {
        let first = error.errors.iter().next().map(|diagnostic| diagnostic.error.to_string());
        format!("Invalid Syntax : {}", first.unwrap_or_default())
    })?;
    let operation = |definition: &Definition| matches!(definition, Definition::OperationDefinition(_));
    if document.definitions.iter().any(operation) { Ok(()) } else { Err("The query has no operation.".to_owned()) }
}

/// Every query, or those of one configuration, in the shape of protocol §3.3. Cache settings stand beside the query in the
/// form in which `persist.json` takes them.
pub(in crate::origin) fn list(shared: &Shared, only: &str) -> JsonValue {
    let all = shared.queries.read().unwrap_or_else(PoisonError::into_inner).all();
    let listed: Vec<_> = all.iter().filter(|(path, _)| only.is_empty() || path.configuration == only).collect();
    let entries = listed.chunk_by(|a, b| a.0.configuration == b.0.configuration).map(|queries| {
        let configuration = queries.first().map_or("", |(path, _)| &path.configuration);
        object([("configurationName", configuration.into()), ("queries", queries.iter().map(listed_query).collect())])
    });
    entries.collect()
}

fn listed_query((path, query): &(&ShortPath, &PersistedQuery)) -> JsonValue {
    let short = format!("/{}/{}", path.configuration, path.name);
    let forms = object([("shortForm", short.into()), ("longForm", long_form(path).into())]);
    let mut data = query.cache.blocks();
    data.insert("query", query.text.as_str().into());
    object([("path", forms), ("data", JsonValue::Object(data))])
}

/// Without the leading `/conf`, as lists have it (protocol §3.3).
fn long_form(path: &ShortPath) -> String {
    format!("/{}/settings/graphql/persistentQueries/{}", path.configuration, path.name)
}

fn named(path: &ShortPath) -> String {
    format!("Configuration: '{}' and Query Name: '{}'", path.configuration, path.name)
}

/// No such query (protocol §3.7).
pub(in crate::origin) fn not_found(path: &ShortPath) -> Response<Body> {
    let details = format!("{} does not resolve to an existing Persistent Query", named(path));
    persistence_error(StatusCode::NOT_FOUND, "Could not find Persisted Query", &details)
}

fn persistence_error(status: StatusCode, message: &str, details: &str) -> Response<Body> {
    servlet_error(status, "PersistenceError", message, details)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    #[test]
    fn the_three_forms_of_a_body() {
        let bare = "{ recipeList { items { title } } }";
        assert_eq!(read(bare.as_bytes()).unwrap().text, bare);
        let named = "# a comment\nquery All($n: Int) { recipeList(limit: $n) { items { title } } }";
        assert_eq!(read(named.as_bytes()).unwrap().text, named);
        let wrapped = serde_json::json!({"query": bare}).to_string();
        assert_eq!(read(wrapped.as_bytes()), Ok(PersistedQuery { text: bare.into(), cache: CacheSettings::default() }));
        let settings = serde_json::json!({"query": bare, "cache-control": {"max-age": 300}}).to_string();
        let read_settings = read(settings.as_bytes()).unwrap();
        assert_eq!(read_settings.text, bare);
        assert_ne!(read_settings.cache, CacheSettings::default());
    }

    #[test]
    fn what_is_no_query_is_refused() {
        let deep = format!("{{ {}a{} }}", "a { ".repeat(100_000), " }".repeat(100_000));
        for body in ["", "  \n", "{", "{}", "[]", "null", "fragment A on B { c }", r#"{"query": 1}"#, deep.as_str()] {
            assert!(read(body.as_bytes()).is_err(), "{body:.40}");
        }
        assert_eq!(read(b"{ a(b: \"\xff\") }"), Err("The body is not UTF-8.".to_owned()));
    }

    #[test]
    fn a_short_path_has_two_segments() {
        let path = short_path("/acme/recipes-all").unwrap();
        assert_eq!((path.configuration.as_str(), path.name.as_str()), ("acme", "recipes-all"));
        assert!(short_path("/acme/Rezepte für alle").is_some());
        for suffix in ["", "/", "/acme", "/acme/", "//x", "/acme/a/b", "/acme/a;b", "/acme/a.json", "/acme/..", "/a*/x"]
        {
            assert_eq!(short_path(suffix), None, "{suffix}");
        }
    }
}
