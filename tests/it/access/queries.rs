//! `queries list`, `diff`, `push`, `pull`.

use std::sync::Mutex;

use aem_static::origin::Options;
use serde_json::{Value, json};

use crate::doctor::{Aem, point};
use crate::origin::http;
use crate::server::{Server, answer, say};
use crate::site::{EACH, Run, SiteDir};

/// Two stories, and an author that has no persisted query yet.
fn unpersisted() -> (SiteDir, Aem) {
    let site = SiteDir::stories();
    let aem =
        Aem::start(Options { content: site.path("content"), configuration: "acme".to_owned(), ..Options::default() });
    point(&site, "author", aem.url(), "");
    (site, aem)
}

#[track_caller]
fn run(site: &SiteDir, arguments: &[&str], status: i32) -> Run {
    let run = site.run(&[&["queries"], arguments].concat());
    assert_eq!(run.status, status, "{arguments:?}\n{run}");
    assert!(!run.stderr.contains("panicked"), "{run}");
    run
}

#[test]
fn a_query_is_pushed_changed_and_pruned() {
    let (site, _aem) = unpersisted();
    let mut told = String::new();
    let mut step = |what: &str, arguments: &[&str], status: i32| {
        let run = run(&site, arguments, status);
        told.push_str(&format!("==== {what}: queries {}\n{run}\n", arguments.join(" ")));
        run
    };
    assert_eq!(step("nothing is persisted", &["list"], 0).stdout, "/acme/stories  not in AEM\n");
    step("all of it is new", &["diff"], 1);
    step("nobody to ask", &["push"], 2);
    assert_eq!(step("nothing was done", &["list"], 0).stdout, "/acme/stories  not in AEM\n");
    step("created", &["push", "--yes"], 0);
    assert_eq!(step("the same", &["diff"], 0).stdout, "");
    step("nothing to do", &["push", "--yes"], 0);
    site.query("stories", "slug title teaser");
    site.query("more", "slug");
    step("changed and new", &["diff"], 1);
    step("both", &["push", "--yes"], 0);
    site.remove("content-queries/more.graphql");
    step("only in AEM", &["list"], 0);
    step("left alone", &["push", "--yes", "-v"], 0);
    let kept = run_list(&site);
    assert!(kept.contains("/acme/more     only in AEM"), "{kept}");
    step("nobody to ask", &["push", "--prune"], 2);
    step("gone", &["push", "--prune", "--yes"], 0);
    assert_eq!(run_list(&site), "/acme/stories  same\n");
    step("a name nobody knows", &["diff", "storys"], 2);
    assert_told!(told);
}

fn run_list(site: &SiteDir) -> String {
    run(site, &["list"], 0).stdout
}

#[test]
fn cache_settings_go_along() {
    let (site, aem) = unpersisted();
    let config = site.read("aem-static.toml");
    let cache = |seconds: u32| {
        let table = format!(
            "[aem.cache]\ncache-control = {{ max-age = 30 }}\nsurrogate-control = {{ max-age = {seconds}, \
             stale-while-revalidate = 1000 }}\n[aem.cache.queries.stories]\nsurrogate-control = {{ stale-if-error = 7 }}\n"
        );
        site.file("aem-static.toml", config.replace("[[route]]", &format!("{table}\n[[route]]")));
    };
    cache(600);
    run(&site, &["push", "--yes"], 0);
    let control = || {
        let answer = aem.block_on(http::get(aem.url(), "/graphql/execute.json/acme/stories"));
        answer.header("cache-control").unwrap().to_owned()
    };
    let header = control();
    for part in ["max-age=30", "s-maxage=600", "stale-while-revalidate=1000", "stale-if-error=7"] {
        assert!(header.contains(part), "{part}: {header}");
    }
    run(&site, &["diff"], 0);
    cache(900);
    let diff = run(&site, &["diff"], 1).stdout;
    assert_eq!(diff, "surrogate-control max-age: 600 s -> 900 s\n");
    run(&site, &["push", "--yes"], 0);
    assert!(control().contains("s-maxage=900"));
    // Settings of nobody are a mistake of writing.
    let wrong = site.read("aem-static.toml").replace("queries.stories]", "queries.storys]");
    site.file("aem-static.toml", wrong);
    run(&site, &["diff"], 2).says("`aem.cache.queries.storys` names no query").says("did you mean `stories`?");
}

/// Nobody knows what became of a change that brought no answer: it is sent once, and told.
#[test]
fn a_change_is_sent_once() {
    let reads = Mutex::new(0);
    let server = Server::that_lists(move |request| match request.method.as_str() {
        "GET" => {
            let mut reads = reads.lock().unwrap();
            *reads += 1;
            // Reading is repeated.
            if *reads == 1 { say("503 Service Unavailable", "", "busy") } else { answer(&json!([])) }
        }
        _ => say("503 Service Unavailable", "", "busy"),
    });
    let site = SiteDir::stories();
    point(&site, "author", &server.url, "");
    let told = run(&site, &["push", "--yes"], 3);
    let sent: Vec<String> = server.requests().iter().map(|request| request.method.clone()).collect();
    assert_eq!(sent, ["GET", "GET", "PUT"], "{told}");
    let put = server.requests().pop().unwrap();
    assert_eq!(put.path, "/graphql/persist.json/acme/stories");
    assert_eq!(put.body, json!({ "query": site.read("content-queries/stories.graphql") }));
}

#[test]
fn a_file_that_differs_is_replaced_only_on_command() {
    let (site, _aem) = unpersisted();
    site.query("more", "slug");
    run(&site, &["push", "--yes"], 0);
    let theirs = site.read("content-queries/stories.graphql");
    site.remove("content-queries/more.graphql");
    site.query("stories", "slug");
    let ours = site.read("content-queries/stories.graphql");
    let told = run(&site, &["pull"], 1);
    assert_eq!(site.read("content-queries/stories.graphql"), ours, "{told}");
    assert!(site.read("content-queries/more.graphql").contains("storyList"), "what is new is written: {told}");
    let again = run(&site, &["pull", "--yes"], 0);
    assert_eq!(site.read("content-queries/stories.graphql"), theirs, "{again}");
    let third = run(&site, &["pull"], 0);
    assert_told!(format!("==== pull\n{told}\n==== pull --yes\n{again}\n==== pull\n{third}"));
}

/// Names come from AEM, and a name is not a path.
#[test]
fn a_name_that_leads_elsewhere_is_no_file() {
    let names = ["..", ".git", "a\\..\\b", "c:d", "stories/../../evil", "ok"];
    let queries: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({ "path": { "shortForm": format!("/acme/{name}") }, "data": { "query": "{ storyList { items { _path } } }" } })
        })
        .collect();
    let list = json!([{ "configurationName": "acme", "queries": queries }]);
    let server = Server::that_lists(move |_| answer(&list));
    let site = SiteDir::with(EACH);
    point(&site, "author", &server.url, "");
    let beside = site.beside();
    let told = run(&site, &["pull"], 1);
    assert!(site.beside() == beside, "{told}");
    let files: Vec<String> = crate::site::tree_of(&site.path("content-queries")).into_keys().collect();
    assert_eq!(files, ["evil.graphql", "ok.graphql", "stories.graphql"], "{told}");
}

#[test]
fn what_keeps_no_list_is_told() {
    let site = SiteDir::stories();
    let aem = Aem::of(&site, Options { tier: aem_static::origin::Tier::Publish, ..Options::default() });
    point(&site, "publish", aem.url(), "");
    run(&site, &["list", "--tier", "publish"], 3).says("does not list its persisted queries");
    // Persisted queries are kept on author, whatever tier a build reads.
    run(&site, &["list"], 2).says("author");
}
