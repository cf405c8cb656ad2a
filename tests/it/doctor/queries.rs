//! Queries, permission, caches.

use aem_static::origin::{Fault, Faults, Options, Tier};
use serde_json::json;

use super::{Aem, assert_examined, examined, point, stories_on};
use crate::server::{Reply, Request, Server, answer, say, story};
use crate::site::{EACH, SiteDir};

fn publish() -> Options {
    Options { tier: Tier::Publish, ..Options::default() }
}

#[test]
fn a_query_that_is_not_persisted() {
    let site = SiteDir::stories();
    site.query("unused", "slug");
    let content = site.path("content");
    let aem = Aem::start(Options { content, configuration: "acme".to_owned(), ..publish() });
    point(&site, "publish", aem.url(), "");
    assert_examined!(examined(&site, &[], &[], 3));
}

#[test]
fn every_query_that_does_not_run_is_told() {
    let (site, _aem) = stories_on("author", Options::default(), "");
    site.query("stories", "slug titel");
    site.query("more", "slug nothing");
    let config = site.read("aem-static.toml");
    let more = EACH.replace("\"story\"", "\"more\"").replace("stories", "more");
    site.file("aem-static.toml", format!("{config}\n{more}"));
    assert_examined!(examined(&site, &[], &[], 3));
}

#[test]
fn variables_come_from_items_of_another_query() {
    let (site, _aem) = stories_on("author", Options::default(), "");
    let query = "query one($path: String!) {\n  storyByPath(_path: $path) {\n    item {\n      _path\n      slug\n    }\n  }\n}\n";
    site.file("content-queries/one.graphql", query);
    let route = "[[route]]\nname = \"one\"\nquery = \"one\"\neach = \"/one/{{ slug }}/\"\ntemplate = \"story.html\"\n\
                 for_each = { query = \"stories\", variables = { path = \"{{ _path }}\" } }\n";
    let config = site.read("aem-static.toml");
    site.file("aem-static.toml", format!("{config}\n{route}"));
    let run = examined(&site, &[], &[], 0);
    assert!(run.stdout.contains("query one: 1 item\n"), "{run}");
    site.query("unused", "slug");
    let run = examined(&site, &[], &[], 0);
    assert!(run.stdout.contains("query unused: no route and no template uses it\n"), "{run}");
}

#[test]
fn nothing_that_everybody_may_read() {
    let site = SiteDir::with(EACH);
    let aem = Aem::of(&site, publish());
    point(&site, "publish", aem.url(), "");
    assert_examined!(examined(&site, &[], &[], 3));
    let config = site.read("aem-static.toml");
    site.file("aem-static.toml", format!("{config}may_be_empty = true\n"));
    examined(&site, &[], &[], 0);
}

/// A publish that shows one story to everybody and two to those who say who they are.
fn protected(request: &Request, control: &str) -> Reply {
    let known = request.headers.iter().any(|line| line.starts_with("authorization: "));
    let items = if known { json!([story("one"), story("two")]) } else { json!([story("one")]) };
    match request.path.as_str() {
        "/graphql/list.json" => say("404 Not Found", "content-type: text/html\r\n", "<title>404 Not Found</title>"),
        path if path.ends_with("/stories") => {
            let headers = format!("content-type: application/json\r\ncache-control: {control}\r\n");
            say("200 OK", &headers, json!({ "data": { "storyList": { "items": items } } }).to_string())
        }
        _ => say(
            "404 Not Found",
            "content-type: application/json\r\n",
            r#"{"errors":[{"errorType":"PersistenceError","message":"Could not find Persisted Query"}]}"#,
        ),
    }
}

#[test]
fn what_credentials_see_and_everybody_does_not() {
    let site = SiteDir::stories();
    let token = [("AEM_TOKEN", "hush-token")];
    let open = Server::start(|request| protected(request, "max-age=60, s-maxage=7200"));
    point(&site, "publish", &open.url, "");
    let run = examined(&site, &[], &token, 0);
    assert!(!run.to_string().contains("hush"), "{run}");
    assert_examined!(run);
    let private = Server::start(|request| protected(request, "private, max-age=60"));
    point(&site, "publish", &private.url, "");
    let run = examined(&site, &[], &token, 0);
    assert_eq!(run.count("E0517"), 0, "{run}");
}

#[test]
fn a_cache_that_keeps_post() {
    let fault: Fault = "stale-post".parse().unwrap();
    let faults = Faults { list: vec![fault], ..Faults::default() };
    let (site, aem) = stories_on("publish", Options { faults, ..publish() }, "");
    assert_examined!(examined(&site, &[], &[], 3));
    // By GET it does not matter.
    point(&site, "publish", aem.url(), "freshness = \"cdn\"");
    examined(&site, &[], &[], 0);
}

#[test]
fn an_item_that_is_null() {
    let server = Server::start(|request| match request.body["query"].as_str() {
        Some(text) if text.contains("storyList") => {
            answer(&json!({ "data": { "storyList": { "items": [story("one"), null] } } }))
        }
        _ => answer(&json!({ "data": { "__typename": "QueryType" } })),
    });
    let site = SiteDir::stories();
    point(&site, "author", &server.url, "");
    examined(&site, &[], &[], 3).says("[E0511]").says("doctor stopped at `query stories`");
}
