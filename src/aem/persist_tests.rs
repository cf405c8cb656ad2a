#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use serde_json::{Value, json};

use super::super::scripted::{Act, Scripted, json, say};
use super::*;

const JSON: &str = "content-type: application/json\r\n";

fn listing() -> Value {
    json!([
        { "configurationName": "acme", "queries": [
            { "path": { "shortForm": "/acme/b", "longForm": "/acme/settings/graphql/persistentQueries/b" },
              "data": { "query": "{ b { item { _path } } }", "cache-control": { "max-age": 300 },
                        "surrogate-control": { "max-age": 600, "stale-if-error": 5 } } },
            { "path": { "longForm": "/acme/settings/graphql/persistentQueries/a" }, "data": { "query": "{ a }" } } ] },
        { "configurationName": "global", "queries": [] }
    ])
}

#[tokio::test]
async fn a_list_is_read_in_order_and_repeated_like_any_read() {
    let server = Scripted::start(vec![say("503 Service Unavailable", "", ""), json(&listing().to_string())]).await;
    let queries = server.aem().persisted_queries().await.unwrap();
    let names: Vec<_> = queries.iter().map(|query| (query.configuration.as_str(), query.name.as_str())).collect();
    assert_eq!(names, [("acme", "a"), ("acme", "b")]);
    assert_eq!(queries[1].text, "{ b { item { _path } } }");
    let expected = CacheSettings {
        max_age: Some(300),
        surrogate_max_age: Some(600),
        stale_while_revalidate: None,
        stale_if_error: Some(5),
    };
    assert_eq!((queries[0].caching, queries[1].caching), (CacheSettings::default(), expected));
    assert!(server.requests().iter().all(|request| request.starts_with("GET /graphql/list.json HTTP/1.1")));
}

#[tokio::test]
async fn what_is_no_list_is_told_and_where_nobody_lists_is_asked_once() {
    for (body, told) in [
        (r#"{"data":{}}"#, "no GraphQL response"),
        (r#"[{"configurationName":"acme"}]"#, "no GraphQL response"),
        (r#"[{"configurationName":"acme","queries":[{"path":{}}]}]"#, "no GraphQL response"),
    ] {
        let server = Scripted::start(vec![json(body)]).await;
        let failure = server.aem().persisted_queries().await.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::OtherShape { .. }), "{told}: {failure}");
        assert_eq!(failure.attempts, 1);
    }
    let page = say("404 Not Found", "content-type: text/html\r\n", "<title>404 Not Found</title>");
    let server = Scripted::start(vec![page]).await;
    let failure = server.aem().persisted_queries().await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::NotFound { .. }) && failure.attempts == 1, "{failure}");
}

#[tokio::test]
async fn changes_are_sent_as_persist_json_takes_them() {
    let ok = || say("200 OK", JSON, r#"{"action":"update"}"#);
    let server = Scripted::start(vec![say("201 Created", JSON, r#"{"action":"create"}"#), ok(), ok()]).await;
    let aem = server.aem();
    let caching = CacheSettings { surrogate_max_age: Some(60), max_age: Some(30), ..CacheSettings::default() };
    aem.persist("acme", "a b", Change::Create("{ a }\n", CacheSettings::default())).await.unwrap();
    aem.persist("acme", "a", Change::Update("{ a }", caching)).await.unwrap();
    aem.persist("acme", "a", Change::Delete).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].starts_with("PUT /graphql/persist.json/acme/a%20b HTTP/1.1"), "{}", requests[0]);
    assert!(requests[0].ends_with("{\"query\":\"{ a }\\n\"}"), "{}", requests[0]);
    assert!(requests[1].starts_with("POST /graphql/persist.json/acme/a HTTP/1.1"), "{}", requests[1]);
    let body = r#"{"query":"{ a }","cache-control":{"max-age":30},"surrogate-control":{"max-age":60}}"#;
    assert!(requests[1].ends_with(body), "{}", requests[1]);
    assert!(requests[2].starts_with("DELETE /graphql/persist.json/acme/a HTTP/1.1"), "{}", requests[2]);
}

/// Nobody knows what became of a change without an answer, so it is not sent again.
#[tokio::test]
async fn a_change_is_never_repeated() {
    let conflict = r#"{"errors":[{"errorType":"PersistenceError","message":"exists already"}]}"#;
    for (act, kind) in [
        (say("503 Service Unavailable", "", "busy"), "status 503"),
        (Act::Reset, "the connection failed"),
        (say("409 Conflict", JSON, conflict), "1 GraphQL error(s)"),
        (say("403 Forbidden", "", ""), "access refused with status 403"),
        (say("200 OK", "content-type: text/html\r\n", "<title>Welcome</title>"), "an HTML page"),
    ] {
        let server = Scripted::start(vec![act, say("200 OK", JSON, "{}")]).await;
        let failure = server.aem().persist("acme", "a", Change::Delete).await.unwrap_err();
        assert!(failure.kind.to_string().starts_with(kind), "{kind}: {failure}");
        assert_eq!((failure.attempts, server.requests().len() <= 1), (1, true), "{kind}");
    }
}

#[test]
fn settings_lie_over_settings() {
    let own = CacheSettings { max_age: Some(1), ..CacheSettings::default() };
    let all = CacheSettings { max_age: Some(9), stale_if_error: Some(2), ..CacheSettings::default() };
    let both = own.over(all);
    assert_eq!((both.max_age, both.stale_if_error, both.surrogate_max_age), (Some(1), Some(2), None));
}
