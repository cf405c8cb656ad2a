//! Is it an answer? Status, content type and body are looked at, in this order of trust, before anything is called one.
//!
//! A body is not parsed into a tree for that: `data` is skipped over and only its bounds are known, so that large answers
//! cost little. Nothing is sent from here.

use reqwest::header::{AGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION};
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::assets::Validators;
use super::failure::{FailureKind, GraphQlError, NotFound};
use super::retry;

/// A GraphQL response: valid UTF-8, a JSON object with an object as `data`, and no `errors` unless partial data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The body as AEM sent it, decompressed.
    pub body: Vec<u8>,
    /// `Age`: seconds that a cache has kept it.
    pub age: Option<u64>,
    /// What to ask with next time.
    pub validators: Validators,
    /// Whether it came from a cache: `X-Cache` says so, or `Age` is above 0.
    pub cached: bool,
    /// The address that was asked.
    pub url: String,
    /// What came with partial data, where that is kept; empty otherwise.
    pub errors: Vec<GraphQlError>,
}

/// What came back: a whole body, unless the status is no success, where its beginning is enough.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Statuses of which only the beginning of the body is read.
pub(super) fn is_success(status: u16) -> bool {
    // 204 and 206 are successes of HTTP, but neither brings a whole answer.
    (200..=203).contains(&status)
}

impl Reply {
    /// The reply as an answer, after [`verdict`](Reply::verdict) said that it is one.
    pub fn into_answer(self, url: &str) -> Answer {
        let (age, cached) = (self.age(), self.kept());
        Answer {
            age,
            validators: Validators {
                etag: retry::text(&self.headers, ETAG).map(str::to_owned),
                last_modified: retry::text(&self.headers, LAST_MODIFIED).map(str::to_owned),
            },
            cached,
            url: url.to_owned(),
            body: self.body,
            errors: Vec::new(),
        }
    }

    /// Whether it came from a cache: `X-Cache` says so, or `Age` is above 0.
    pub fn kept(&self) -> bool {
        let hit = retry::text(&self.headers, HeaderName::from_static("x-cache"))
            .is_some_and(|text| text.to_ascii_uppercase().contains("HIT"));
        hit || self.age().is_some_and(|age| age > 0)
    }

    /// Whether this is a GraphQL response without errors; if not, what it is.
    pub fn verdict(&self) -> Result<(), FailureKind> {
        if !is_success(self.status) {
            return Err(self.unsuccessful());
        }
        if self.is_html() {
            return Err(self.html_page());
        }
        let response = Response::read(&self.body)?;
        let errors = response.errors();
        if !errors.is_empty() {
            return Err(graphql(errors, response.data.is_some()));
        }
        match response.data {
            Some(data) if data.get().starts_with('{') => Ok(()),
            _ => Err(FailureKind::OtherShape { excerpt: excerpt(&self.body) }),
        }
    }

    /// What a status other than a success means.
    pub fn unsuccessful(&self) -> FailureKind {
        let response = Response::read(&self.body).unwrap_or_default();
        let errors = response.errors();
        if let Some(details) = endpoint_missing(&errors) {
            return not_found(NotFound::Endpoint, details);
        }
        match self.status {
            304 => self.other_status(&errors),
            300..=399 => self.redirect(),
            401 | 403 | 405 => FailureKind::Refused { status: self.status },
            404 | 410 => self.missing(&errors),
            // A servlet that fails with 5xx may recover; what graphql-java says about a query is final.
            status if !errors.is_empty() && (status < 500 || !errors.iter().all(is_servlet)) => {
                graphql(errors, response.data.is_some())
            }
            _ => self.other_status(&errors),
        }
    }

    fn other_status(&self, errors: &[GraphQlError]) -> FailureKind {
        let told = errors.first().map(ToString::to_string).or_else(|| problem(&self.body));
        FailureKind::Status {
            status: self.status,
            retry_after: retry::retry_after(&self.headers),
            excerpt: one_line(&told.unwrap_or_else(|| page_title(&self.body).unwrap_or_else(|| excerpt(&self.body)))),
        }
    }

    fn missing(&self, errors: &[GraphQlError]) -> FailureKind {
        let Some(error) = errors.first() else {
            let told = problem(&self.body);
            let what = if told.is_some() { NotFound::Other } else { NotFound::Dispatcher };
            let words = told.or_else(|| page_title(&self.body)).unwrap_or_else(|| excerpt(&self.body));
            return not_found(what, one_line(&words));
        };
        let persisted = error.error_type.as_deref() == Some("PersistenceError")
            || error.message.contains("Could not find Persisted Query");
        let what = if persisted { NotFound::PersistedQuery } else { NotFound::Other };
        not_found(what, one_line(&error.to_string()))
    }

    fn redirect(&self) -> FailureKind {
        // The query of a sign-in redirect holds tickets and states; nobody needs them in a message.
        let location =
            retry::text(&self.headers, LOCATION).and_then(|text| text.split(['?', '#']).next()).map(str::to_owned);
        match location {
            Some(place) if leads_to_sign_in(&place) => FailureKind::SignIn { location: Some(place) },
            location => FailureKind::Redirected { status: self.status, location },
        }
    }

    /// Whether it says or looks as if it were HTML (or XML, which no GraphQL response is).
    pub fn is_html(&self) -> bool {
        matches!(self.mime().as_deref(), Some("text/html" | "application/xhtml+xml"))
            || self.body.trim_ascii_start().starts_with(b"<")
    }

    /// What an HTML page with a status of success is.
    pub fn html_page(&self) -> FailureKind {
        let title = page_title(&self.body);
        let page = head(&self.body, 64 * 1024).to_lowercase();
        let titled = title.as_deref().map(str::to_lowercase).unwrap_or_default();
        if SIGN_IN_FORMS.iter().any(|mark| page.contains(mark))
            || SIGN_IN_TITLES.iter().any(|mark| titled.contains(mark))
        {
            return FailureKind::SignIn { location: None };
        }
        FailureKind::Html { status: self.status, title, excerpt: excerpt(&self.body) }
    }

    /// The content type without parameters, in lower case.
    pub fn mime(&self) -> Option<String> {
        let text = retry::text(&self.headers, CONTENT_TYPE)?;
        let mime = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        (!mime.is_empty()).then_some(mime)
    }

    /// `Age` in seconds.
    pub fn age(&self) -> Option<u64> {
        retry::text(&self.headers, AGE)?.parse().ok()
    }
}

/// What only forms that ask for a password, or that send one on to an identity provider, contain. Lower case.
const SIGN_IN_FORMS: [&str; 8] = [
    "j_security_check",
    "type=\"password\"",
    "type='password'",
    "type=password",
    "name=\"samlrequest\"",
    "name=\"samlresponse\"",
    "granite/core/content/login",
    "adobelogin.com",
];

const SIGN_IN_TITLES: [&str; 5] = ["sign in", "sign-in", "log in", "login", "anmelden"];

fn leads_to_sign_in(location: &str) -> bool {
    const WORDS: [&str; 9] = ["login", "logon", "signin", "sign-in", "sign_in", "saml", "oauth", "authorize", "/sso"];
    let location = location.to_lowercase();
    WORDS.iter().any(|word| location.contains(word))
}

fn not_found(what: NotFound, details: String) -> FailureKind {
    FailureKind::NotFound { what, details }
}

fn graphql(errors: Vec<GraphQlError>, partial: bool) -> FailureKind {
    FailureKind::GraphQl { errors, partial }
}

fn is_servlet(error: &GraphQlError) -> bool {
    error.error_type.as_deref() == Some("ServletError")
}

/// AEM's words for a configuration without endpoint, which come with 404, and with 400 or 500 from older ones.
fn endpoint_missing(errors: &[GraphQlError]) -> Option<String> {
    errors.iter().map(ToString::to_string).find(|text| text.contains("No suitable endpoint"))
}

/// The two keys of a GraphQL response that matter here; their values are not looked into.
#[derive(Default, Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

impl<'a> Response<'a> {
    fn read(body: &'a [u8]) -> Result<Self, FailureKind> {
        let not_json = |cause: String| FailureKind::NotJson { excerpt: excerpt(body), cause };
        let truncated = |cause: String| FailureKind::Truncated { received: body.len() as u64, cause };
        let text = match std::str::from_utf8(body) {
            Ok(text) => text,
            // An incomplete character at the very end is a cut, not another encoding.
            Err(error) if error.error_len().is_none() => {
                return Err(truncated("it ends within a character".to_owned()));
            }
            Err(error) => return Err(not_json(error.to_string())),
        };
        if text.trim_ascii().is_empty() {
            return Err(not_json("the body is empty".to_owned()));
        }
        if !text.trim_ascii_start().starts_with('{') {
            // serde would also read this struct from an array.
            return Err(match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => FailureKind::OtherShape { excerpt: excerpt(body) },
                Err(error) => not_json(error.to_string()),
            });
        }
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Eof => truncated(error.to_string()),
            // A number cut after its sign, point or exponent is a syntax error to serde_json, not an end.
            Category::Syntax if text.ends_with(['-', '+', '.', 'e', 'E']) && is_last(&error, text) => {
                truncated(error.to_string())
            }
            Category::Data => FailureKind::OtherShape { excerpt: excerpt(body) },
            Category::Syntax | Category::Io => not_json(error.to_string()),
        })
    }

    /// The entries of `errors`; one that is no list counts as a single entry.
    fn errors(&self) -> Vec<GraphQlError> {
        let Some(errors) = self.errors else { return Vec::new() };
        match serde_json::from_str(errors.get()) {
            Ok(Value::Array(entries)) => entries.iter().map(GraphQlError::from_json).collect(),
            Ok(entry) => vec![GraphQlError::from_json(&entry)],
            // Nested too deeply to be read: still not an answer.
            Err(error) => vec![GraphQlError::from_json(&Value::String(error.to_string()))],
        }
    }
}

/// Whether the parser came to the last character before it gave up.
fn is_last(error: &serde_json::Error, text: &str) -> bool {
    let last = text.len() - text.rfind('\n').map_or(0, |at| at + 1);
    error.line() == text.matches('\n').count() + 1 && error.column() >= last
}

/// The words of a problem object (RFC 7807), or of any JSON object with a message.
fn problem(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let known = ["title", "detail", "message"].iter().any(|key| value.get(key).is_some_and(Value::is_string));
    known.then(|| GraphQlError::from_json(&value).to_string())
}

fn page_title(body: &[u8]) -> Option<String> {
    let page = head(body, 64 * 1024);
    // ASCII lower case keeps every byte offset.
    let lower = page.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower[open..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = one_line(&page[start..end]);
    (!title.is_empty()).then_some(title)
}

pub(super) fn excerpt(body: &[u8]) -> String {
    one_line(&head(body, 4 * 1024))
}

fn head(body: &[u8], length: usize) -> String {
    String::from_utf8_lossy(&body[..body.len().min(length)]).into_owned()
}

/// One line of at most 200 characters; runs of white space and control characters become one space.
fn one_line(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
