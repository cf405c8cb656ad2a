//! What passes on which tier (protocol §1.3, §1.4, §2.3).

use aem_static::origin::{Options, Tier};
use serde_json::json;

use super::content::{kitchen, write};
use super::{http, serve_as};

const COOKS: &str = "{ cookList { items { name } } }";

/// Status and whether it is the Dispatcher's page.
async fn seen(url: &str, method: &str, path: &str, body: &str) -> (u16, bool) {
    let answer = http::send(url, method, path, &[("Content-Type", "application/json")], body.as_bytes()).await;
    let page = answer.header("content-type").is_some_and(|value| value.starts_with("text/html"));
    assert!(!page || answer.text().contains("<h1>Not Found</h1>"), "{}", answer.text());
    (answer.status, page)
}

#[tokio::test]
async fn the_dispatcher_lets_only_persisted_queries_and_assets_pass() {
    let dir = kitchen();
    write(dir.path(), "queries/cooks.graphql", COOKS);
    let queries = dir.path().join("queries");
    let direct = json!({"query": COOKS}).to_string();
    let requests = [
        ("GET", "/graphql/execute.json/acme/cooks"),
        ("POST", "/graphql/execute.json/acme/cooks"),
        ("GET", "/content/dam/acme/pot.svg"),
        ("POST", "/content/_cq_graphql/acme/endpoint.json"),
        ("POST", "/content/cq:graphql/acme/endpoint.json"),
        ("GET", "/content/cq:graphql/acme/endpoint.GQLschema"),
        ("GET", "/graphql/list.json"),
        ("PUT", "/graphql/execute.json/acme/cooks"),
        ("GET", "/nothing"),
    ];
    let (ok, blocked) = ((200, false), (404, true));
    for (tier, allow_post, expected) in [
        (Tier::Author, false, [ok, ok, ok, ok, ok, ok, ok, (405, false), (404, false)]),
        (Tier::Preview, false, [ok, ok, ok, blocked, blocked, blocked, blocked, blocked, blocked]),
        (Tier::Publish, false, [ok, ok, ok, blocked, blocked, blocked, blocked, blocked, blocked]),
        // The Dispatcher's rule names `_cq_graphql` and no other spelling.
        (Tier::Publish, true, [ok, ok, ok, ok, blocked, blocked, blocked, blocked, blocked]),
    ] {
        let options = Options { tier, allow_post, ..Options::default() };
        let origin = serve_as(options, dir.path(), Some(&queries)).await;
        for ((method, path), expected) in requests.iter().zip(expected) {
            let body = if path.ends_with("endpoint.json") { direct.as_str() } else { "" };
            assert_eq!(seen(origin.url(), method, path, body).await, expected, "{tier:?} {allow_post} {method} {path}");
        }
        origin.stop().await;
    }
}

#[tokio::test]
async fn answers_keep_as_long_as_the_tier_says() {
    let dir = kitchen();
    write(dir.path(), "queries/cooks.graphql", COOKS);
    let queries = dir.path().join("queries");
    for (tier, shared) in [(Tier::Author, 60), (Tier::Preview, 7200), (Tier::Publish, 7200)] {
        let origin = serve_as(Options { tier, ..Options::default() }, dir.path(), Some(&queries)).await;
        let answer = http::get(origin.url(), "/graphql/execute.json/acme/cooks").await;
        let expected = format!("max-age=60, s-maxage={shared}, stale-while-revalidate=86400, stale-if-error=86400");
        assert_eq!(answer.header("cache-control"), Some(expected.as_str()), "{tier:?}");
        origin.stop().await;
    }
}

#[tokio::test]
async fn errors_have_a_status_when_the_switch_is_on() {
    let dir = kitchen();
    write(dir.path(), "queries/good.graphql", COOKS);
    write(dir.path(), "queries/refused.graphql", "{ cookList { items { nome } } }");
    write(dir.path(), "queries/failed.graphql", "{ cookByPath(_path: \"/none\") { item { name } } }");
    let queries = dir.path().join("queries");
    let modern = "application/graphql-response+json";
    for (graphql_response_json, kind, statuses) in
        [(false, "application/json", [200, 200, 200]), (true, modern, [200, 400, 500])]
    {
        let options = Options { graphql_response_json, ..Options::default() };
        let origin = serve_as(options, dir.path(), Some(&queries)).await;
        for (name, status) in ["good", "refused", "failed"].iter().zip(statuses) {
            let answer = http::get(origin.url(), &format!("/graphql/execute.json/acme/{name}")).await;
            assert_eq!((answer.status, answer.header("content-type")), (status, Some(kind)), "{name}");
            assert_eq!(answer.json()["errors"].is_null(), *name == "good");
            // A failure with a status of its own is not for keeping.
            assert_eq!(answer.header("cache-control").is_some(), status == 200, "{name}");
        }
        let servlet = http::get(origin.url(), "/graphql/execute.json/acme/none").await;
        assert_eq!((servlet.status, servlet.header("content-type")), (404, Some("application/json")));
        origin.stop().await;
    }
}
