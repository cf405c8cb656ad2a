//! A failed request as diagnostics: where in the user's files, what came instead, what to do (protocol §12).

use serde_json::{Map, Value as Json};

use crate::aem::{Answer, Connection, Execution, Failure, FailureKind, GraphQlError, NotFound, Tier, TlsProblem};
use crate::report::{Code, Diagnostic, Severity, codes};
use crate::site::Query;

/// The variables that hold credentials.
pub(super) const CREDENTIALS: &str = "AEM_SERVICE_CREDENTIALS, AEM_TOKEN, or AEM_USER and AEM_PASSWORD";

/// What to do when IMS gives no token.
pub(super) const NO_TOKEN: &str =
    "download the credentials anew from the Developer Console; `[aem] ims` sets another address of IMS";

/// Describes a failed call.
pub(super) fn describe(
    query: &Query,
    variables: &Map<String, Json>,
    connection: &Connection,
    failure: &Failure,
) -> Vec<Diagnostic> {
    if let FailureKind::GraphQl { errors, partial } = &failure.kind {
        let told = errors.iter().map(|error| graphql(query, variables, error, *partial));
        return told.map(|problem| Diagnostic { message: masked(connection, &problem.message), ..problem }).collect();
    }
    let target = Target {
        configuration: query.configuration.as_deref().unwrap_or(&connection.configuration),
        name: &query.name,
    };
    let (code, message, help) = told(target, connection, &failure.kind);
    let mut problem = Diagnostic::error(code, masked(connection, &message));
    if !failure.kind.is_of_the_client() {
        problem = problem.note("url", masked(connection, &failure.url));
        if failure.attempts > 1 {
            problem = problem.note("attempts", failure.attempts.to_string());
        }
    }
    let of_the_host = [codes::UNREACHABLE, codes::TLS].contains(&code);
    if !variables.is_empty() && !of_the_host {
        problem = problem.note("variables", shown(variables));
    }
    if !of_the_host && code != codes::REFUSED {
        problem = problem.at(root_place(query));
    }
    vec![problem.help(help)]
}

/// A text as people may see it: the author host stays out of logs (promise 5), whoever wrote it: an address, a redirect,
/// a page in front of AEM, the TLS library.
pub(super) fn masked(connection: &Connection, text: &str) -> String {
    if connection.tier != Tier::Author {
        return text.to_owned();
    }
    let base = connection.base.as_str().trim_end_matches('/');
    let text = text.replace(base, "<author>").replace(&connection.base.origin().ascii_serialization(), "<author>");
    match connection.base.host_str() {
        Some(host) => text.replace(host, "<author>"),
        None => text,
    }
}

fn root_place(query: &Query) -> crate::report::Place {
    query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at))
}

/// Variables as one line; content, not secrets.
pub(super) fn shown(variables: &Map<String, Json>) -> String {
    let text = serde_json::to_string(variables).unwrap_or_default();
    if text.chars().count() > 200 { format!("{}…", text.chars().take(200).collect::<String>()) } else { text }
}

/// The answer is JSON, but its members are not where the selection says.
pub(super) fn other_shape(query: &Query, connection: &Connection, url: &str, why: &str) -> Diagnostic {
    Diagnostic::error(codes::NOT_JSON, format!("the answer to `{}` has another shape: {why}", query.name))
        .at(root_place(query))
        .note("url", masked(connection, url))
        .help("the text that AEM runs may be another than the file: compare the persisted query")
}

/// What there is to say of an answer that is used: errors beside partial data that is kept, and a cache that answers POST
/// (protocol 3.5: none should).
pub(super) fn remarks(
    query: &Query,
    variables: &Map<String, Json>,
    connection: &Connection,
    answer: &Answer,
) -> Vec<Diagnostic> {
    let kept = answer.errors.iter().map(|error| {
        let told = graphql(query, variables, error, true);
        let message = masked(connection, &told.message);
        let mut notes = told.notes;
        notes.iter_mut().filter(|(label, _)| *label == "data").for_each(|(_, text)| *text = KEPT.to_owned());
        Diagnostic { code: codes::PARTIAL, severity: Severity::Warning, message, notes, ..told }
    });
    let mut remarks: Vec<Diagnostic> = kept.collect();
    if answer.cached && connection.execution != Execution::PersistedGet {
        remarks.push(
            Diagnostic::warning(codes::KEPT_POST, "a cache answers POST, which no cache should keep: content may be old")
                .note("query", query.name.clone())
                .help("run `aem-static doctor`; or say `[aem] freshness = \"cdn\"`, if content may be as old as caches keep it"),
        );
    }
    remarks
}

/// What became of partial data that is kept.
const KEPT: &str = "partial data came with it and is kept";

fn graphql(query: &Query, variables: &Map<String, Json>, error: &GraphQlError, partial: bool) -> Diagnostic {
    let place = match error.locations.first() {
        Some((line, column)) => query.place_at(*line, *column),
        None => root_place(query),
    };
    let mut message = error.message.lines().next().unwrap_or_default().to_owned();
    if let Some(details) = &error.details {
        message = format!("{message}: {details}");
    }
    let mut problem = Diagnostic::error(codes::GRAPHQL_ERRORS, format!("AEM says: {message}")).at(place);
    if let Some(path) = &error.path {
        problem = problem.note("path", path.clone());
    }
    if let Some(kind) = &error.error_type {
        problem = problem.note("type", kind.clone());
    }
    if !variables.is_empty() {
        problem = problem.note("variables", shown(variables));
    }
    if partial {
        problem = problem.note("data", "partial data came with it and is not used (`build --allow-partial` would)");
    }
    problem.help(advice(error))
}

fn advice(error: &GraphQlError) -> &'static str {
    let message = error.message.as_str();
    if message.contains("FieldUndefined") || message.contains("is undefined") {
        "the model changed, or a referenced model is not published on this tier: correct the field's name or publish the model"
    } else if message.contains("Unknown type") {
        "an inline fragment names the type with its suffix: `ArticleModel`"
    } else if message.contains("conflict") {
        "two models have a field of this name with different types: use aliases"
    } else {
        "try the query in GraphiQL with these variables"
    }
}

/// What a request was about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// The Sites configuration.
    pub(super) configuration: &'a str,
    /// The query.
    pub(super) name: &'a str,
}

/// Code, message and help for what came instead of an answer.
pub(super) fn told(target: Target<'_>, connection: &Connection, kind: &FailureKind) -> (Code, String, String) {
    let tier = connection.tier;
    match kind {
        FailureKind::Unreachable { cause } => (
            codes::UNREACHABLE,
            format!("AEM ({tier}) could not be reached: {cause}"),
            "check the host's address, the network, and whether a proxy is needed".to_owned(),
        ),
        FailureKind::Tls { problem, cause } => {
            (codes::TLS, format!("no secure connection to AEM ({tier}): {cause}"), tls(*problem).to_owned())
        }
        FailureKind::Timeout { after } => (
            codes::UNREACHABLE,
            format!("AEM ({tier}) did not answer within {} s", after.as_secs()),
            "ask for smaller pages, or raise `[aem] timeout`".to_owned(),
        ),
        FailureKind::Refused { status } => {
            let message = format!("AEM ({tier}) refused access: status {status}");
            (codes::REFUSED, message, refused(*status, connection.execution))
        }
        FailureKind::NoToken { details } => {
            (codes::REFUSED, format!("no access token for AEM ({tier}): {details}"), NO_TOKEN.to_owned())
        }
        FailureKind::OutOfTime { limit } => (
            codes::UNREACHABLE,
            format!("AEM ({tier}) was not done within the build's time limit of {} s", limit.as_secs()),
            "raise `[build] time_limit`, or look at what AEM is slow at".to_owned(),
        ),
        FailureKind::NotFound { what, details } => not_found(target, connection, *what, details),
        FailureKind::SignIn { location } => (
            codes::NOT_JSON,
            match location {
                Some(location) => format!("AEM ({tier}) redirected to a sign-in page: {location}"),
                None => format!("AEM ({tier}) answered with a sign-in page"),
            },
            format!("give credentials: {CREDENTIALS}"),
        ),
        FailureKind::Redirected { status, location } => (
            codes::NOT_JSON,
            format!("AEM ({tier}) redirected (status {status}) to {}", location.as_deref().unwrap_or("nowhere")),
            "GraphQL requests follow no redirect: name the host that answers itself".to_owned(),
        ),
        FailureKind::Html { status, title, excerpt } => (
            codes::NOT_JSON,
            format!("an HTML page came instead of JSON (status {status}): {}", title.as_deref().unwrap_or(excerpt)),
            "something in front of AEM answers: a proxy, the Dispatcher, or a sign-in page".to_owned(),
        ),
        FailureKind::NotJson { excerpt, cause } => (
            codes::NOT_JSON,
            format!("the answer is not JSON ({cause}): {excerpt}"),
            "something in front of AEM may have answered; try the URL with curl".to_owned(),
        ),
        FailureKind::OtherShape { excerpt } => (
            codes::NOT_JSON,
            format!("the answer is JSON, but no GraphQL response: {excerpt}"),
            "check that the host is AEM and the path leads to its GraphQL endpoint".to_owned(),
        ),
        FailureKind::Truncated { received, cause } => (
            codes::TRUNCATED,
            format!("AEM's answer broke off after {received} bytes: {cause}"),
            "build again; if it stays, ask for smaller pages".to_owned(),
        ),
        FailureKind::TooLarge { limit } => (
            codes::TOO_LARGE,
            format!("AEM's answer is larger than {limit} bytes"),
            "ask for smaller pages (`$first`, `$limit`), or raise `[aem] max_response`".to_owned(),
        ),
        FailureKind::Status { status, retry_after: Some(asked), .. } if *asked > connection.retry_for.patience => (
            codes::SERVER_ERROR,
            format!("AEM ({tier}) answered with status {status} and asks to be left alone for {} s", asked.as_secs()),
            "build later, or raise `[aem] patience`".to_owned(),
        ),
        FailureKind::Status { status, excerpt, .. } => (
            codes::SERVER_ERROR,
            format!("AEM ({tier}) answered with status {status}: {excerpt}"),
            "look at AEM's log; 429 and 503 pass when less is asked at once: lower `[aem] concurrency`".to_owned(),
        ),
        FailureKind::HostNotAllowed { .. } | FailureKind::PrivateAddress { .. } => {
            (codes::ASSET_UNAVAILABLE, kind.to_string(), "only the connected host may be asked".to_owned())
        }
        FailureKind::GraphQl { .. } => (codes::GRAPHQL_ERRORS, kind.to_string(), String::new()),
    }
}

/// What to do about a certificate, or about no TLS at all.
pub(super) fn tls(problem: TlsProblem) -> &'static str {
    match problem {
        TlsProblem::UnknownIssuer => {
            "if your company's own authority signs certificates, or a proxy opens TLS: name its certificate in PEM, \
             `[aem] ca = \"certificates/company.pem\"`; else the host has to send its whole chain"
        }
        TlsProblem::OtherName => {
            "the certificate is another host's: correct the host's address, or have the name added to the certificate"
        }
        TlsProblem::Expired => "the host needs a new certificate; look at this machine's clock as well",
        TlsProblem::NotYetValid => "look at this machine's clock; else the host's certificate is too new",
        TlsProblem::Certificate => "the host needs a certificate that is made for servers: ask whoever runs it",
        TlsProblem::NoTls => "the port speaks no TLS: correct the port, or say http:// if that is meant",
        TlsProblem::Handshake => "try again; else host and this machine agree on no version of TLS",
    }
}

fn refused(status: u16, execution: Execution) -> String {
    match status {
        403 | 405 if execution == Execution::PersistedPost => format!(
            "if POST is what is refused, say `[aem] freshness = \"cdn\"`; else {}",
            if status == 405 {
                "an IP allow list keeps this machine's outgoing address out"
            } else {
                "the user may not read this: check its groups"
            }
        ),
        401 => format!("no or an expired token, or one of another environment: set {CREDENTIALS}"),
        405 => "often an IP allow list in front of AEM: this machine's outgoing address matters".to_owned(),
        _ => "the user is known but may not read this: check its groups".to_owned(),
    }
}

fn not_found(target: Target<'_>, connection: &Connection, what: NotFound, details: &str) -> (Code, String, String) {
    let tier = connection.tier;
    let Target { configuration, name } = target;
    let direct = connection.execution == Execution::Direct;
    let (message, help) = match what {
        NotFound::PersistedQuery => (
            // With the fall-back this comes only where the other way is closed, too.
            match connection.direct_if_missing {
                true => {
                    format!("AEM ({tier}) has no persisted query `{configuration}/{name}`, and takes no direct queries")
                }
                false => format!("AEM ({tier}) has no persisted query `{configuration}/{name}`"),
            },
            "persist it on author, by `aem-static queries push`, and publish it to this tier".to_owned(),
        ),
        NotFound::Endpoint => (
            format!("AEM ({tier}) has no endpoint for the configuration `{configuration}`"),
            format!("create /content/cq:graphql/{configuration}/endpoint and publish it, or set `[aem] configuration`"),
        ),
        NotFound::Dispatcher if direct && matches!(tier, Tier::Publish | Tier::Preview) => (
            format!("the Dispatcher of {tier} refuses direct queries (404)"),
            "set `[aem] queries = \"persisted\"`; Publish and Preview refuse direct queries by default".to_owned(),
        ),
        NotFound::Dispatcher if direct => (
            format!("AEM ({tier}) answered 404 to a direct query"),
            format!("check the host and `[aem] configuration = \"{configuration}\"`"),
        ),
        NotFound::Dispatcher => (
            format!("the Dispatcher of {tier} does not let `execute.json` through (404)"),
            format!(
                "allow it: /0100 {{ /type \"allow\" /method '(GET|POST|OPTIONS)' /url \"/graphql/execute.json*\" }}{}",
                if connection.execution == Execution::PersistedPost {
                    "; if it lets GET through and only POST is refused, say `[aem] freshness = \"cdn\"`"
                } else {
                    ""
                }
            ),
        ),
        NotFound::Asset | NotFound::Other => {
            (format!("AEM ({tier}) answered 404: {details}"), "check the path and what is published".to_owned())
        }
    };
    (codes::NOT_FOUND, message, help)
}

/// Why an asset could not be had: the code, one line and a next step.
///
/// An asset that is not there is a problem of the content; one that AEM does not hand out is one of access, as with queries.
pub(super) fn asset(connection: &Connection, failure: &Failure) -> (Code, String, String) {
    let (code, help) = match &failure.kind {
        FailureKind::TooLarge { .. } => (codes::TOO_LARGE, "raise `[aem] max_response`"),
        FailureKind::NotFound { .. } => {
            (codes::ASSET_UNAVAILABLE, "publish the asset to this tier, or correct the reference")
        }
        FailureKind::HostNotAllowed { .. } => (codes::ASSET_UNAVAILABLE, "allow the host: `[assets] hosts`"),
        FailureKind::PrivateAddress { .. } => {
            (codes::ASSET_UNAVAILABLE, "if that is meant, allow the address as well: `[assets] hosts`")
        }
        FailureKind::Refused { .. } | FailureKind::SignIn { .. } => {
            (codes::REFUSED, "give credentials that may read it, or publish it")
        }
        FailureKind::NoToken { .. } => (codes::REFUSED, NO_TOKEN),
        FailureKind::OutOfTime { .. } => (codes::UNREACHABLE, "raise `[build] time_limit`"),
        FailureKind::Tls { problem, .. } => (codes::TLS, tls(*problem)),
        FailureKind::Unreachable { .. } | FailureKind::Timeout { .. } => {
            (codes::UNREACHABLE, "check the host's address and the network, and try the URL with curl")
        }
        FailureKind::Status { .. } => (codes::SERVER_ERROR, "look at AEM's log, and try the URL with curl"),
        _ => (codes::ASSET_UNAVAILABLE, "try the URL with curl"),
    };
    let address = masked(connection, &failure.url);
    let message = match &failure.kind {
        FailureKind::NotFound { .. } => "it is not there".to_owned(),
        kind => masked(connection, &kind.to_string()),
    };
    (code, message, format!("{help} ({address})"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    #[test]
    fn the_author_host_stays_out_of_every_text() {
        let base = "https://author-p1-e1.adobeaemcloud.com/aem".parse().unwrap();
        let connection = Connection::new(Tier::Author, base, "wknd");
        for text in [
            "redirected to https://author-p1-e1.adobeaemcloud.com/libs/granite/core/content/login.html",
            "certificate not valid for name \"author-p1-e1.adobeaemcloud.com\"",
            "https://author-p1-e1.adobeaemcloud.com/aem/graphql",
        ] {
            assert!(!masked(&connection, text).contains("author-p1"), "{}", masked(&connection, text));
        }
    }
}
