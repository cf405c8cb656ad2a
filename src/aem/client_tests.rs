//! The client against real sockets: faults, retries, limits, and what goes over the wire.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use serde_json::json;

use super::super::scripted::{Act, Scripted, json, say};
use super::super::{Credentials, RetryPolicy, Secret};
use super::*;

const GOOD: &str = r#"{"data":{"recipeList":{"items":[]}}}"#;

async fn query(aem: &Aem, variables: Value) -> Result<Answer, Failure> {
    let variables = variables.as_object().unwrap();
    let call =
        QueryCall { name: "recipes", configuration: None, text: "{ recipeList { items { _path } } }", variables };
    aem.query(&call).await
}

async fn failure(aem: &Aem) -> Failure {
    query(aem, json!({})).await.unwrap_err()
}

fn many(count: usize, act: impl Fn() -> Act) -> Vec<Act> {
    (0..count).map(|_| act()).collect()
}

#[tokio::test]
async fn a_direct_query_is_posted() {
    let server = Scripted::start(vec![json(GOOD), json(GOOD)]).await;
    let mut connection = server.connection();
    connection.credentials = Credentials::Basic { user: "admin".into(), password: Secret::new("admin") };
    connection.headers = vec![("X-Edge".into(), "abc123".into())];
    let aem = Aem::new(connection).unwrap();
    assert_eq!(query(&aem, json!({})).await.unwrap().body, GOOD.as_bytes());
    // From another thread: the future can be sent there.
    let clone = aem.clone();
    tokio::spawn(async move { query(&clone, json!({"a": 1})).await }).await.unwrap().unwrap();

    let requests = server.requests();
    let head = requests[0].to_ascii_lowercase();
    assert!(head.starts_with("post /content/_cq_graphql/acme/endpoint.json http/1.1\r\n"), "{head}");
    for line in [
        "content-type: application/json",
        "accept: application/json, application/graphql-response+json",
        concat!("user-agent: aem-static/", env!("CARGO_PKG_VERSION")),
        "authorization: basic ywrtaw46ywrtaw4=",
        "accept-encoding: identity",
        "x-edge: abc123",
    ] {
        assert_eq!(head.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {head}");
    }
    assert!(requests[0].ends_with(r#"{"query":"{ recipeList { items { _path } } }"}"#));
    assert!(requests[1].ends_with(r#","variables":{"a":1}}"#));
    assert_eq!(aem.counts(), Counts { requests: 2, bytes: 2 * GOOD.len() as u64, ..Counts::default() });
}

#[tokio::test]
async fn a_persisted_query_goes_by_get_unless_its_variables_cannot() {
    let server = Scripted::start(many(3, || say("200 OK", "age: 7\r\n", GOOD))).await;
    let mut connection = server.connection();
    connection.base.set_path("/aem/");
    connection.execution = Execution::PersistedGet;
    let aem = Aem::new(connection).unwrap();
    let answer = query(&aem, json!({"path": "/a b"})).await.unwrap();
    assert_eq!((answer.age, answer.cached), (Some(7), true));
    query(&aem, json!({"path": "a;b"})).await.unwrap();
    let variables = Map::new();
    let call = QueryCall { name: "n", configuration: Some("other"), text: "", variables: &variables };
    aem.query_past_caches(&call).await.unwrap();

    let requests = server.requests();
    assert!(requests[0].starts_with("GET /aem/graphql/execute.json/acme/recipes%3Bpath%3D%2Fa%20b; HTTP/1.1\r\n"));
    assert!(requests[1].starts_with("POST /aem/graphql/execute.json/acme/recipes HTTP/1.1\r\n"));
    assert!(requests[1].ends_with(r#"{"variables":{"path":"a;b"}}"#));
    assert!(requests[2].starts_with("POST /aem/graphql/execute.json/other/n HTTP/1.1\r\n"));
    assert!(requests[2].ends_with(r#"{"variables":{}}"#));
    assert_eq!(aem.counts().max_age, Some(7));
}

#[tokio::test]
async fn passing_faults_pass() {
    let cut = || Act::Say(format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{GOOD}"));
    for fault in [
        &(|| say("503 Service Unavailable", "", "busy")) as &dyn Fn() -> Act,
        &|| say("502 Bad Gateway", "content-type: text/html\r\n", "<html>"),
        &|| Act::Reset,
        &cut,
    ] {
        let server = Scripted::start(vec![fault(), fault(), json(GOOD)]).await;
        let aem = server.aem();
        query(&aem, json!({})).await.unwrap();
        assert_eq!((aem.counts().requests, aem.counts().retries), (3, 2));
    }
}

#[tokio::test]
async fn lasting_faults_are_told_after_every_attempt() {
    let server = Scripted::start(many(4, || say("503 Service Unavailable", "", "busy"))).await;
    let aem = server.aem();
    let failed = failure(&aem).await;
    assert_eq!(failed.attempts, 4);
    assert_eq!(failed.kind, FailureKind::Status { status: 503, retry_after: None, excerpt: "busy".into() });
    assert_eq!(failed.url, server.base.join("/content/_cq_graphql/acme/endpoint.json").unwrap().as_str());

    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"data\":{\r\n";
    let server = Scripted::start(many(4, || Act::Say(chunked.into()))).await;
    let failed = failure(&server.aem()).await;
    assert!(matches!(failed.kind, FailureKind::Truncated { received: 9, .. }), "{failed:?}");
    assert_eq!(failed.attempts, 4);

    // No length at all: only the JSON shows that it broke off.
    let server = Scripted::start(many(4, || Act::Say("HTTP/1.0 200 OK\r\n\r\n{\"data\":{".into()))).await;
    let failed = failure(&server.aem()).await;
    assert!(matches!(failed.kind, FailureKind::Truncated { received: 9, .. }), "{failed:?}");

    let gone = failure(&Scripted::start(vec![]).await.aem()).await;
    assert!(matches!(gone.kind, FailureKind::Unreachable { .. }), "{gone:?}");
    assert_eq!(gone.attempts, 4);
}

#[tokio::test]
async fn faults_in_front_of_aem_are_tried_again() {
    let form = r#"<title>Sign in</title>"#;
    let server = Scripted::start(many(4, || say("200 OK", "content-type: text/html\r\n", form))).await;
    let failed = failure(&server.aem()).await;
    assert_eq!((failed.kind, failed.attempts), (FailureKind::SignIn { location: None }, 4));

    let page = "location: /login?ticket=s3cr3t\r\n";
    let server = Scripted::start(many(4, || say("302 Found", page, ""))).await;
    let failed = failure(&server.aem()).await;
    assert_eq!((failed.kind, failed.attempts), (FailureKind::SignIn { location: Some("/login".into()) }, 4));
    assert_eq!(server.requests().len(), 4, "the redirect is not followed");

    let partial = r#"{"data":{"a":1},"errors":[{"message":"m"}]}"#;
    let server = Scripted::start(vec![json(partial), json(GOOD)]).await;
    query(&server.aem(), json!({})).await.unwrap();
    let server = Scripted::start(many(4, || json(partial))).await;
    let failed = failure(&server.aem()).await;
    assert!(matches!(failed.kind, FailureKind::GraphQl { partial: true, .. }));
    assert_eq!(failed.attempts, 4);
}

#[tokio::test]
async fn refusals_are_asked_once() {
    for status in ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "405 Method Not Allowed"] {
        let server = Scripted::start(vec![say(status, "", "")]).await;
        assert_eq!(failure(&server.aem()).await.attempts, 1, "{status}");
    }
    let unknown = r#"{"errors":[{"message":"Could not find Persisted Query","errorType":"PersistenceError"}]}"#;
    let server = Scripted::start(vec![say("404 Not Found", "", unknown)]).await;
    assert_eq!(failure(&server.aem()).await.attempts, 1, "AEM's own word is final");
    let server = Scripted::start(vec![say("404 Not Found", "", "<title>Dispatcher</title>"), json(GOOD)]).await;
    query(&server.aem(), json!({})).await.unwrap();
    let server = Scripted::start(vec![json(r#"{"data":null,"errors":[{"message":"m"}]}"#)]).await;
    assert_eq!(failure(&server.aem()).await.attempts, 1);
}

#[tokio::test]
async fn what_is_asked_for_beyond_our_patience_is_told_at_once() {
    let busy = || say("429 Too Many Requests", "retry-after: 3600\r\n", "");
    let server = Scripted::start(vec![busy(), busy()]).await;
    let aem = server.aem();
    for _ in 0..2 {
        let failed = failure(&aem).await;
        let asked = Some(Duration::from_secs(3600));
        assert_eq!(failed.kind, FailureKind::Status { status: 429, retry_after: asked, excerpt: String::new() });
        assert_eq!(failed.attempts, 1);
    }
    assert_eq!(aem.counts().waited, Duration::ZERO, "nobody waits for an hour before being told");
}

#[tokio::test]
async fn the_limit_holds_for_what_is_declared_and_for_what_comes() {
    let declared = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_owned();
    let sent = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{{\"data\":{{\"a\":\"{}\"}}}}", "x".repeat(5_000));
    for text in [declared, sent] {
        let server = Scripted::start(vec![Act::Say(text)]).await;
        let mut connection = server.connection();
        connection.max_response = 4_000;
        let failed = failure(&Aem::new(connection).unwrap()).await;
        assert_eq!((failed.kind, failed.attempts), (FailureKind::TooLarge { limit: 4_000 }, 1));
    }
}

#[tokio::test]
async fn silence_has_a_limit() {
    let server = Scripted::start(vec![Act::Silence, Act::Silence]).await;
    let mut connection = server.connection();
    connection.timeout = Duration::from_millis(30);
    connection.retry_for = RetryPolicy { attempts: 2, ..connection.retry_for };
    let failed = failure(&Aem::new(connection).unwrap()).await;
    assert_eq!((failed.kind, failed.attempts), (FailureKind::Timeout { after: Duration::from_millis(30) }, 2));
}

#[tokio::test]
async fn secrets_that_a_server_echoes_are_not_told() {
    let token = "eyJhbGciOi.s3cr3t.token";
    let body = format!("{}you sent Bearer {token}", "x".repeat(180));
    let server = Scripted::start(vec![say("400 Bad Request", "", &body)]).await;
    let mut connection = server.connection();
    connection.credentials = Credentials::Bearer(Secret::new(token));
    let failed = failure(&Aem::new(connection).unwrap()).await;
    let told = format!("{failed:?} {failed}");
    assert!(!told.contains("eyJ") && told.contains("Bearer [red"), "{told}");
}
