//! What came instead of an answer, as data. The pipeline turns it into diagnostics; no secret is in it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// A request that brought no answer, after every attempt that made sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} ({url}, attempts: {attempts})")]
pub struct Failure {
    /// What came instead, on the last attempt.
    pub kind: FailureKind,
    /// The address that was asked; it holds no credentials.
    pub url: String,
    /// How often it was asked, at least 1; 0 if nothing was sent.
    pub attempts: u32,
}

/// The ways in which a request fails (protocol 3.7, 7.7, 12). Excerpts are one line of at most 200 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailureKind {
    /// Name resolution, network or TLS failed, or the connection was cut before an answer began.
    #[error("the connection failed: {cause}")]
    Unreachable {
        /// The innermost cause, in the words of the system or the TLS library.
        cause: String,
    },
    /// The host was reached, and no secure connection could be agreed on.
    #[error("no secure connection: {cause}")]
    Tls {
        /// What it looks like.
        problem: TlsProblem,
        /// The words of the TLS library.
        cause: String,
    },
    /// Nothing came for longer than the connection's limit.
    #[error("nothing came for {after:?}")]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// 401, 403 or 405.
    #[error("access refused with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// IMS gave no access token for the credentials. AEM was not asked.
    #[error("no access token: {details}")]
    NoToken {
        /// What IMS said, or why it could not be asked.
        details: String,
    },
    /// The time for all requests of the client was over.
    #[error("the time limit of {limit:?} is over")]
    OutOfTime {
        /// The limit.
        limit: Duration,
    },
    /// 404 or 410, or another status whose body says that there is no endpoint.
    #[error("not found: {details}")]
    NotFound {
        /// Which of the causes of a 404 it looks like.
        what: NotFound,
        /// AEM's own words, or an excerpt of the page.
        details: String,
    },
    /// A sign-in page, or a redirect to one.
    #[error("a sign-in page came instead of content")]
    SignIn {
        /// Where the redirect led, without query; `None` for a page with status 200.
        location: Option<String>,
    },
    /// A redirect that is not followed.
    #[error("redirected with status {status}")]
    Redirected {
        /// The HTTP status.
        status: u16,
        /// Where it leads, without query.
        location: Option<String>,
    },
    /// HTML with a status of success, and not a sign-in page that we know.
    #[error("an HTML page came instead of content")]
    Html {
        /// The HTTP status.
        status: u16,
        /// The page's title.
        title: Option<String>,
        /// How the page begins.
        excerpt: String,
    },
    /// A body that is not JSON; an empty one too.
    #[error("the answer is not JSON: {cause}")]
    NotJson {
        /// How the body begins.
        excerpt: String,
        /// What the parser says.
        cause: String,
    },
    /// JSON that is not a GraphQL response: no object, no `data`, or `data` that is no object.
    #[error("the answer is not a GraphQL response")]
    OtherShape {
        /// How the body begins.
        excerpt: String,
    },
    /// A GraphQL response with `errors`.
    #[error("{} GraphQL error(s)", errors.len())]
    GraphQl {
        /// All of them, in the order of the answer; never empty.
        errors: Vec<GraphQlError>,
        /// Whether `data` came as well. It is not used.
        partial: bool,
    },
    /// The body broke off.
    #[error("the answer broke off after {received} bytes: {cause}")]
    Truncated {
        /// Bytes that came, after decompression.
        received: u64,
        /// How that was noticed.
        cause: String,
    },
    /// The body is larger than [`max_response`](super::Connection::max_response).
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Any other status that is not a success.
    #[error("status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` asked for.
        retry_after: Option<Duration>,
        /// How the body begins, or the title and detail of a problem object.
        excerpt: String,
    },
    /// An asset's address names a host that is neither the connection's nor allowed. Nothing was sent.
    #[error("assets may not come from {host}")]
    HostNotAllowed {
        /// Host, with the port if one is written; or the scheme of an address without host.
        host: String,
    },
    /// The name of an allowed asset host leads to an address of this machine or of a private network, which is not allowed
    /// itself. Nothing was sent.
    #[error("{host} leads to {address}, an address of a private network")]
    PrivateAddress {
        /// The host.
        host: String,
        /// Where it leads.
        address: std::net::IpAddr,
    },
}

/// Why TLS failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsProblem {
    /// Nobody that is trusted has signed the certificate.
    UnknownIssuer,
    /// The certificate is another host's.
    OtherName,
    /// The certificate has ended.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is refused for another reason.
    Certificate,
    /// The other side does not speak TLS.
    NoTls,
    /// Anything else; it may pass.
    Handshake,
}

/// What a 404 looks like (protocol 3.7, 12 rows 1 to 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotFound {
    /// An HTML page, or no JSON at all: the Dispatcher or something else in front of AEM blocks the request.
    Dispatcher,
    /// AEM knows no such persisted query, on this tier at least.
    PersistedQuery,
    /// The configuration has no endpoint, on this tier at least.
    Endpoint,
    /// An asset that is not there, or not published to this tier.
    Asset,
    /// JSON that says something else.
    Other,
}

/// One entry of `errors`, whichever of its shapes it has (protocol 3.7): AEM's servlets, graphql-java, or a plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphQlError {
    /// What went wrong.
    pub message: String,
    /// Places in the query's sent form: (line, column), both from 1.
    pub locations: Vec<(usize, usize)>,
    /// The response path with dots: `recipeList.items.3.title`.
    pub path: Option<String>,
    /// What AEM's servlets, or a problem object, add to the message.
    pub details: Option<String>,
    /// `errorType`, or graphql-java's `extensions.classification`: `PersistenceError`, `ValidationError`.
    pub error_type: Option<String>,
}

impl GraphQlError {
    /// Reads one entry, leniently: what is not there or has another type is left out.
    pub(super) fn from_json(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let extension = |key: &str| value.pointer(key).and_then(Value::as_str).map(str::to_owned);
        let message = text("message").or_else(|| text("title")).or_else(|| value.as_str().map(str::to_owned));
        GraphQlError {
            message: message.unwrap_or_else(|| value.to_string()),
            locations: items(value, "locations").iter().filter_map(location).collect(),
            path: path(value.get("path")),
            details: text("details").or_else(|| text("detail")),
            error_type: text("errorType")
                .or_else(|| extension("/extensions/classification"))
                .or_else(|| extension("/extensions/errorType")),
        }
    }
}

impl fmt::Display for GraphQlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.details {
            Some(details) => write!(f, ": {details}"),
            None => Ok(()),
        }
    }
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn location(value: &Value) -> Option<(usize, usize)> {
    let number = |key| usize::try_from(value.get(key)?.as_u64()?).ok();
    Some((number("line")?, number("column")?))
}

fn path(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Array(segments) => {
            let segments = segments.iter().map(|segment| match segment {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            Some(segments.collect::<Vec<_>>().join("."))
        }
        _ => None,
    }
}

impl FailureKind {
    /// Whether it is about the client as a whole and not about the address that happened to be asked.
    pub fn is_of_the_client(&self) -> bool {
        matches!(self, FailureKind::NoToken { .. } | FailureKind::OutOfTime { .. })
    }

    /// How long `Retry-After` asked to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            FailureKind::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Every text that came over the wire, so that secrets which a server echoes can be taken out.
    pub(super) fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            FailureKind::Unreachable { cause } | FailureKind::Tls { cause, .. } => vec![cause],
            FailureKind::NotFound { details, .. } | FailureKind::NoToken { details } => vec![details],
            FailureKind::SignIn { location } | FailureKind::Redirected { location, .. } => {
                location.iter_mut().collect()
            }
            FailureKind::Html { title, excerpt, .. } => title.iter_mut().chain([excerpt]).collect(),
            FailureKind::NotJson { excerpt, cause } => vec![excerpt, cause],
            FailureKind::OtherShape { excerpt } | FailureKind::Status { excerpt, .. } => vec![excerpt],
            FailureKind::Truncated { cause, .. } => vec![cause],
            FailureKind::GraphQl { errors, .. } => errors.iter_mut().flat_map(GraphQlError::texts_mut).collect(),
            FailureKind::Timeout { .. }
            | FailureKind::Refused { .. }
            | FailureKind::TooLarge { .. }
            | FailureKind::OutOfTime { .. }
            | FailureKind::PrivateAddress { .. }
            | FailureKind::HostNotAllowed { .. } => Vec::new(),
        }
    }
}

impl GraphQlError {
    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        [&mut self.message].into_iter().chain(&mut self.path).chain(&mut self.details).chain(&mut self.error_type)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_shapes_of_errors_are_read() {
        let servlet = GraphQlError::from_json(&json!({
            "errorType": "ServletError", "message": "Internal Servlet Failure", "details": "No suitable endpoint found."
        }));
        assert_eq!(servlet.error_type.as_deref(), Some("ServletError"));
        assert_eq!(servlet.to_string(), "Internal Servlet Failure: No suitable endpoint found.");

        let java = GraphQlError::from_json(&json!({
            "message": "Validation error of type FieldUndefined: Field 'titel' in type 'RecipeModel' is undefined",
            "locations": [{"line": 3, "column": 7}, {"line": "x"}], "path": ["recipeList", "items", 3, "titel"],
            "extensions": {"classification": "ValidationError"}
        }));
        assert_eq!(java.locations, [(3, 7)]);
        assert_eq!(java.path.as_deref(), Some("recipeList.items.3.titel"));
        assert_eq!(java.error_type.as_deref(), Some("ValidationError"));

        let problem = GraphQlError::from_json(&json!({"title": "Not Found", "status": 404, "detail": "no such thing"}));
        assert_eq!(problem.to_string(), "Not Found: no such thing");
    }

    #[test]
    fn odd_errors_are_kept_as_they_are() {
        assert_eq!(GraphQlError::from_json(&json!("boom")).message, "boom");
        assert_eq!(GraphQlError::from_json(&json!({"code": 7})).message, r#"{"code":7}"#);
        let odd = GraphQlError::from_json(&json!({"message": "m", "locations": 3, "path": {}, "extensions": []}));
        assert_eq!(odd, GraphQlError { message: "m".into(), ..GraphQlError::default() });
    }
}
