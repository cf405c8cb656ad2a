//! Tokens over sockets: exchanged, renewed in the middle of things, refused; and the limits of time.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use serde_json::json;

use super::super::scripted::{Act, Scripted, json, say};
use super::super::{Credentials, OAuthClient, Secret};
use super::*;

const GOOD: &str = r#"{"data":{"recipeList":{"items":[]}}}"#;
const SERVICE: &str = include_str!("../../tests/fixtures/credentials/service-credentials.json");

fn token(name: &str, life: u64) -> Act {
    json(&json!({"token_type": "bearer", "access_token": name, "expires_in": life}).to_string())
}

fn unauthorized() -> Act {
    say("401 Unauthorized", "", "")
}

fn with(server: &Scripted, credentials: Credentials) -> Aem {
    let mut connection = server.connection();
    connection.credentials = credentials;
    connection.ims = Some(server.base.clone());
    Aem::new(connection).unwrap()
}

fn service(server: &Scripted) -> Aem {
    with(server, Credentials::from_file(SERVICE).unwrap())
}

async fn query(aem: &Aem) -> Result<Answer, Failure> {
    let variables = Map::new();
    aem.query(&QueryCall { name: "recipes", configuration: None, text: "{ a }", variables: &variables }).await
}

/// First line and `Authorization` of every request.
fn seen(server: &Scripted) -> Vec<(String, Option<String>)> {
    let request = |text: String| {
        let line = text.split(' ').nth(1).unwrap().to_owned();
        let header = text.lines().find_map(|line| line.strip_prefix("authorization: "));
        (line, header.map(str::to_owned))
    };
    server.requests().into_iter().map(request).collect()
}

const ENDPOINT: &str = "/content/_cq_graphql/acme/endpoint.json";

fn at(path: &str, header: Option<&str>) -> (String, Option<String>) {
    (path.to_owned(), header.map(str::to_owned))
}

#[tokio::test]
async fn service_credentials_are_exchanged_once() {
    let server = Scripted::start(vec![token("t-1", 86_399_999), json(GOOD), json(GOOD)]).await;
    let aem = service(&server);
    query(&aem).await.unwrap();
    query(&aem).await.unwrap();
    let bearer = at(ENDPOINT, Some("Bearer t-1"));
    assert_eq!(seen(&server), [at("/ims/exchange/jwt", None), bearer.clone(), bearer]);
    let form = server.requests()[0].clone();
    assert!(form.contains("content-type: application/x-www-form-urlencoded"), "{form}");
    assert!(form.contains("\r\n\r\nclient_id=cm-p4711-e8080-integration-test&client_secret=p8e-"), "{form}");
    let counts = aem.counts();
    assert_eq!((counts.requests, counts.exchanges, counts.retries), (3, 1, 0));
}

#[tokio::test]
async fn oauth_clients_are_exchanged_at_their_own_address() {
    let server = Scripted::start(vec![token("t-1", 86_399), json(GOOD)]).await;
    let client = OAuthClient { id: "a".into(), secret: Secret::new("s3cr3t"), scopes: "openid,AdobeID".into() };
    query(&with(&server, Credentials::OAuth(Arc::new(client)))).await.unwrap();
    assert_eq!(seen(&server), [at("/ims/token/v3", None), at(ENDPOINT, Some("Bearer t-1"))]);
}

#[tokio::test]
async fn a_token_that_ends_in_between_loses_no_request() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let refused = say(status, "", "");
        let script = vec![token("t-1", 86_399), json(GOOD), refused, token("t-2", 86_399), json(GOOD), json(GOOD)];
        let server = Scripted::start(script).await;
        let aem = service(&server);
        for _ in 0..3 {
            query(&aem).await.unwrap();
        }
        let bearers: Vec<_> = seen(&server).into_iter().filter_map(|(_, header)| header).collect();
        assert_eq!(bearers, ["Bearer t-1", "Bearer t-1", "Bearer t-2", "Bearer t-2"], "{status}");
        assert_eq!((aem.counts().exchanges, aem.counts().retries), (2, 1));
    }
}

#[tokio::test]
async fn a_refusal_that_outlives_new_tokens_is_told() {
    let script = vec![
        token("t-1", 9),
        unauthorized(),
        token("t-2", 9),
        unauthorized(),
        token("t-3", 9),
        unauthorized(),
        unauthorized(),
    ];
    let server = Scripted::start(script).await;
    let aem = service(&server);
    for _ in 0..2 {
        assert_eq!(query(&aem).await.unwrap_err().kind, FailureKind::Refused { status: 401 });
    }
    assert_eq!(aem.counts().exchanges, 3, "the second query costs no exchange");
}

#[tokio::test]
async fn a_refusal_of_ims_is_told_in_its_words_without_secrets() {
    let body = r#"{"error":"invalid_client","error_description":"no such secret: p8e-test-only"}"#;
    let server = Scripted::start(vec![say("400 Bad Request", "content-type: application/json\r\n", body)]).await;
    let aem = service(&server);
    for _ in 0..2 {
        let failed = query(&aem).await.unwrap_err();
        let details = "IMS (127.0.0.1): status 400, invalid_client: no such secret: [redacted]".to_owned();
        assert_eq!(failed.kind, FailureKind::NoToken { details });
    }
    assert_eq!(server.requests().len(), 1, "AEM is not asked, and IMS only once");
}

#[tokio::test]
async fn a_fault_of_ims_may_pass() {
    let busy = say("503 Service Unavailable", "", "");
    let server = Scripted::start(vec![busy, Act::Reset, token("t-1", 9), json(GOOD)]).await;
    query(&service(&server)).await.unwrap();
}

#[tokio::test]
async fn a_token_that_aem_echoes_is_not_told() {
    let echo = say("400 Bad Request", "", "you sent Bearer eyJhbGciOi.t0k3n");
    let server = Scripted::start(vec![token("eyJhbGciOi.t0k3n", 9), echo]).await;
    let failed = query(&service(&server)).await.unwrap_err();
    assert!(format!("{failed:?}").contains("you sent Bearer [redacted]"), "{failed:?}");
}

#[tokio::test]
async fn all_time_ends() {
    let server = Scripted::start(vec![Act::Silence]).await;
    let mut connection = server.connection();
    connection.time_limit = Some(Duration::from_millis(40));
    let failed = query(&Aem::new(connection).unwrap()).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::OutOfTime { limit: Duration::from_millis(40) });

    // One byte now and then is no silence: only the limit from end to end ends it.
    let slow = Act::Trickle("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".into(), Duration::from_millis(5));
    let server = Scripted::start(vec![slow]).await;
    let mut connection = server.connection();
    connection.request_limit = Duration::from_millis(60);
    connection.retry_for.attempts = 1;
    let failed = query(&Aem::new(connection).unwrap()).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Timeout { after: Duration::from_millis(60) });
}

#[tokio::test]
async fn a_long_pause_is_told_once() {
    let told: Arc<Mutex<Vec<Incident>>> = Arc::default();
    let seen = told.clone();
    let mut connection = Scripted::start(vec![]).await.connection();
    connection.retry_for.patience = Duration::from_secs(60);
    let aem = Aem::observed(connection, Arc::new(move |incident| seen.lock().unwrap().push(incident))).unwrap();
    let governor = Governor::new(2, None);
    let pass = governor.enter().await;
    for seconds in [1, 30, 30] {
        aem.hold_back(&governor, &pass, 503, Some(Duration::from_secs(seconds)));
    }
    let pause = Duration::from_secs(30);
    assert_eq!(*told.lock().unwrap(), [Incident::HeldBack { status: 503, pause }]);
}
