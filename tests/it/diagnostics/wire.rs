//! What can come instead of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::server::{self, Reply, Request, Server, answer, say, stories, story};
use crate::site::{EACH, Run, SiteDir};

const HTML: &str = "content-type: text/html; charset=utf-8\r\n";

/// A site is built from a server; then the server answers with `fault`, and a build has to fail with `status`.
#[track_caller]
fn faulty(status: i32, fault: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Run {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = broken.clone();
    let server = Server::start(move |request| match switch.load(Ordering::SeqCst) {
        true => fault(request),
        false => stories(&json!([story("one"), story("two")])),
    });
    let site = SiteDir::remote(&server.url, EACH);
    super::broken(&site, status, |_| broken.store(true, Ordering::SeqCst))
}

#[test]
fn unreachable() {
    let site = SiteDir::remote(&server::closed_port(), EACH);
    assert_told!(site.fails(3));
    assert!(!site.path("out").exists());
}

#[test]
fn graphql_errors_at_the_line_of_the_query() {
    assert_told!(faulty(1, |_| answer(&json!({ "errors": [
        { "message": "Validation error of type FieldUndefined: Field 'title' in type 'StoryModel' is undefined",
          "locations": [{ "line": 5, "column": 12 }] },
        { "message": "no such sort", "locations": [{ "line": 2, "column": 3 }], "path": ["storyList"] }
    ] }))));
}

#[test]
fn graphql_errors_of_the_built_in_origin() {
    let site = SiteDir::stories();
    assert_told!(super::broken(&site, 1, |site| {
        site.query("stories", "slug title ...more");
        site.file("content-queries/fragments/more.graphql", "fragment more on StoryModel {\n  rank\n  subtitle\n}\n");
    }));
}

#[test]
fn partial_data_is_not_used() {
    assert_told!(faulty(1, |_| answer(&json!({
        "data": { "storyList": { "items": [story("one")] } },
        "errors": [{ "message": "resolver failed", "path": ["storyList", "items", 1, "title"] }]
    }))));
}

#[test]
fn html_instead_of_json() {
    assert_told!(faulty(3, |_| say("200 OK", HTML, "<!doctype html><title>Welcome</title><p>Nothing here")));
}

#[test]
fn a_redirect_to_a_sign_in_page() {
    let location = "location: https://author.example.com/libs/granite/core/content/login.html?resource=%2F\r\n";
    assert_told!(faulty(3, move |_| say("302 Found", location, "")));
}

#[test]
fn a_redirect_elsewhere_is_not_followed() {
    assert_told!(faulty(3, |_| say("301 Moved Permanently", "location: https://other.example.com/graphql\r\n", "")));
}

#[test]
fn the_dispatcher_blocks() {
    assert_told!(faulty(3, |_| say("404 Not Found", HTML, "<html><title>404 Not Found</title><h1>Not Found</h1>")));
}

#[test]
fn the_persisted_query_is_unknown() {
    assert_told!(faulty(3, |_| {
        say(
        "404 Not Found",
        "content-type: application/json\r\n",
        json!({ "errors": [{
            "errorType": "PersistenceError", "message": "Could not find Persisted Query",
            "details": "Configuration: 'acme' and Query Name: 'stories' does not resolve to an existing Persistent Query"
        }] }).to_string()
    )
    }));
}

#[test]
fn no_endpoint() {
    assert_told!(faulty(3, |_| {
        say(
        "404 Not Found",
        "content-type: application/json\r\n",
        json!({ "errors": [{ "errorType": "ServletError", "message": "Internal Servlet Failure", "details": "No suitable endpoint found." }] }).to_string()
    )
    }));
}

#[test]
fn access_refused() {
    assert_told!(faulty(3, |_| say("401 Unauthorized", "www-authenticate: Bearer\r\n", "")));
}

#[test]
fn a_body_that_breaks_off() {
    assert_told!(faulty(3, |_| Reply::Cut { body: br#"{"data":{"storyList":{"items":[]}}}"#.to_vec(), at: 20 }));
}

#[test]
fn json_of_another_shape() {
    assert_told!(faulty(3, |_| answer(&json!({ "status": "up" }))));
}

#[test]
fn the_selection_is_not_in_the_answer() {
    assert_told!(faulty(1, |_| answer(&json!({ "data": { "other": { "items": [story("one")] } } }))));
}

#[test]
fn a_null_item() {
    assert_told!(faulty(1, |_| stories(&json!([story("one"), null]))));
}

#[test]
fn empty_items_are_not_taken_for_no_content() {
    assert_told!(faulty(1, |_| stories(&json!([]))));
}

#[test]
fn larger_than_the_limit() {
    let server = Server::start(|_| {
        stories(&json!([story("one"), { "_path": "/content/dam/acme/x", "slug": "x", "title": "x".repeat(4000) }]))
    });
    let site = SiteDir::remote(&server.url, EACH);
    let aem = format!("tier = \"publish\"\nmax_response = 2048\n[aem.hosts]\npublish = \"{}\"", server.url);
    site.config("", &aem, EACH);
    assert_told!(site.fails(1));
}

#[test]
fn a_fault_that_passes_is_retried_and_counted() {
    let first = AtomicBool::new(true);
    let server = Server::start(move |request| match request.path.starts_with("/graphql/list.json") {
        true => say("404 Not Found", HTML, "<title>404 Not Found</title>"),
        false if first.swap(false, Ordering::SeqCst) => say("503 Service Unavailable", "", "busy"),
        false => stories(&json!([story("one")])),
    });
    let run = SiteDir::remote(&server.url, EACH).build();
    // The third asks for the list of persisted queries, once.
    run.says("3 requests").says("1 retry");
}

/// design.md §2, promise 5.
#[test]
fn secrets_stay_inside() {
    let server = Server::start(|request| {
        let token =
            request.headers.iter().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none").to_owned();
        say("500 Internal Server Error", "content-type: text/plain\r\n", format!("you sent {token}"))
    });
    let site = SiteDir::remote(&server.url, EACH);
    let run = Run::of(site.command(&["build", "-v"]).env("AEM_TOKEN", "hush-hush-token"));
    assert_eq!(run.status, 3, "{run}");
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.headers.iter().any(|line| line == "authorization: Bearer hush-hush-token"))
    );
    assert!(!run.to_string().contains("hush-hush"), "{run}");
    run.says("[redacted]");
    let state = crate::site::tree_of(&site.path(""));
    assert!(state.values().all(|bytes| !String::from_utf8_lossy(bytes).contains("hush-hush")));
}
