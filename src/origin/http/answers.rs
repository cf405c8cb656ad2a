//! Answers as AEM's servlets, its Dispatcher and its DAM give them: status, type, body, tag.

use apollo_compiler::response::JsonValue;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::super::text::rich_text::object;

/// JSON of the GraphQL services.
pub(in crate::origin) const JSON: &str = "application/json";

/// What Apache says when the Dispatcher denies: no JSON, and 404, not 403 (protocol §2.3, §3.7).
const NOT_FOUND_PAGE: &str = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">
<html><head>
<title>404 Not Found</title>
</head><body>
<h1>Not Found</h1>
<p>The requested URL was not found on this server.</p>
</body></html>
";

/// The page of a Dispatcher that does not let a request pass.
pub(in crate::origin) fn dispatcher_page() -> Response<Body> {
    with(StatusCode::NOT_FOUND, "text/html; charset=iso-8859-1", NOT_FOUND_PAGE.as_bytes().to_vec())
}

/// No endpoint serves the configuration (protocol §3.7).
pub(in crate::origin) fn no_endpoint() -> Response<Body> {
    servlet_error(StatusCode::NOT_FOUND, "ServletError", "Internal Servlet Failure", "No suitable endpoint found.")
}

/// An error of AEM's servlets (protocol §3.7); those of GraphQL have another shape.
pub(in crate::origin) fn servlet_error(status: StatusCode, kind: &str, message: &str, details: &str) -> Response<Body> {
    let error = object([("errorType", kind.into()), ("message", message.into()), ("details", details.into())]);
    json(status, &object([("errors", JsonValue::Array(vec![error]))]))
}

/// A JSON value.
pub(in crate::origin) fn json(status: StatusCode, value: &JsonValue) -> Response<Body> {
    with(status, JSON, serde_json::to_vec(value).unwrap_or_default())
}

/// A line of text.
pub(in crate::origin) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    with(status, "text/plain", text.as_bytes().to_vec())
}

/// Any body.
pub(in crate::origin) fn with(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Adds the digest of the body as a strong `ETag`, and answers 304 to a client that has it.
pub(in crate::origin) async fn conditional(response: Response<Body>, headers: &HeaderMap) -> Response<Body> {
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
