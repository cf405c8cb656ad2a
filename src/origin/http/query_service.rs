//! Queries on the endpoint (protocol §2.2) and persisted ones behind `execute.json` (§3.4, §3.5).

use std::sync::Arc;

use apollo_compiler::response::{JsonMap, JsonValue};
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};

use super::super::graphql::execute::{Outcome, Request, Serving};
use super::answers::{JSON, conditional, no_endpoint, servlet_error, with};
use super::endpoints::Shared;
use super::execute_path::{self, ExecutePath, Undecodable};
use super::persist;

/// How a query that was answered looks from outside (protocol §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Form {
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

/// Answers a body sent to the endpoint of a configuration. Such answers are not for keeping (protocol §2.2).
pub(in crate::origin) async fn endpoint(shared: &Shared, configuration: &str, sent: JsonMap) -> Response<Body> {
    let Some(serving) = shared.endpoint(configuration) else {
        return no_endpoint();
    };
    let Some(query) = sent.get("query").and_then(JsonValue::as_str).map(str::to_owned) else {
        return servlet_error(StatusCode::BAD_REQUEST, "ServletError", "Invalid request", "The body has no `query`.");
    };
    let answer = answered(shared.form, move || {
        let empty = JsonMap::new();
        let variables = sent.get("variables").and_then(JsonValue::as_object).unwrap_or(&empty);
        let operation = sent.get("operationName").and_then(JsonValue::as_str);
        serving.answer(&Request { query: &query, operation, variables })
    });
    answer.await
}

/// Runs a persisted query with the variables of the path. Caches may keep the answer as long as its headers say.
pub(in crate::origin) async fn execute_get(shared: &Shared, suffix: &str, headers: &HeaderMap) -> Response<Body> {
    let tier = shared.tier;
    match found(shared, suffix) {
        Ok(Found { serving, query, variables }) => {
            let mut response =
                run(shared, serving, query.text, move |serving, text| from_path(serving, text, &variables)).await;
            if response.status() != StatusCode::OK {
                return response;
            }
            response.headers_mut().insert(header::CACHE_CONTROL, query.cache.header(tier));
            conditional(response, headers).await
        }
        Err(response) => response,
    }
}

/// Runs a persisted query with the variables of the body, or those of the path where the body has none.
pub(in crate::origin) async fn execute_post(shared: &Shared, suffix: &str, sent: JsonMap) -> Response<Body> {
    match found(shared, suffix) {
        Ok(Found { serving, query, variables }) => {
            let given = sent.get("variables").and_then(JsonValue::as_object).cloned();
            let variables =
                move |serving: &Serving, text: &str| given.unwrap_or_else(|| from_path(serving, text, &variables));
            run(shared, serving, query.text, variables).await
        }
        Err(response) => response,
    }
}

/// A persisted query, the endpoint of its configuration, and the variables that came in the path.
struct Found {
    serving: Arc<Serving>,
    query: super::store::PersistedQuery,
    variables: Vec<(String, String)>,
}

fn found(shared: &Shared, suffix: &str) -> Result<Found, Response<Body>> {
    let ExecutePath { path, variables } = execute_path::decode(suffix).map_err(|undecodable| {
        let details = match undecodable {
            Undecodable::NoPath(suffix) => format!("Suffix: '{suffix}' does not contain a path"),
            Undecodable::NotUtf8 => "The path is not UTF-8 when percent-decoded.".to_owned(),
        };
        servlet_error(StatusCode::BAD_REQUEST, "ServletError", "Internal Servlet Failure", &details)
    })?;
    let serving = shared.endpoint(&path.configuration).ok_or_else(no_endpoint)?;
    let query = shared.query(&path).ok_or_else(|| persist::not_found(&path))?;
    Ok(Found { serving, query, variables })
}

async fn run(
    shared: &Shared,
    serving: Arc<Serving>,
    query: String,
    variables: impl FnOnce(&Serving, &str) -> JsonMap + Send + 'static,
) -> Response<Body> {
    let answer = answered(shared.form, move || {
        let variables = variables(&serving, &query);
        serving.answer(&Request { query: &query, operation: None, variables: &variables })
    });
    answer.await
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
