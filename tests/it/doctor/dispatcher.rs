//! The Dispatcher, as it is and as its files say.

use aem_static::origin::{Fault, Faults, Options, Tier};

use super::{Aem, assert_examined, examined, point, stories_on};
use crate::server::{Server, say};
use crate::site::SiteDir;

const FILTERS: &str = "dispatcher/src/conf.dispatcher.d/filters";
const FARMS: &str = "dispatcher/src/conf.dispatcher.d/enabled_farms";

/// A project's folder as AEM as a Cloud Service has it, whose own rules are these.
fn project(site: &SiteDir, own: &str) {
    site.file(
        &format!("{FARMS}/acme.farm"),
        "/publishfarm {\n  # what passes\n  /filter {\n    $include \"../filters/filters.any\"\n  }\n  /cache {\n    /rules { /0000 { /glob \"*\" /type \"allow\" } }\n  }\n}\n",
    );
    site.file(
        &format!("{FILTERS}/default_filters.any"),
        "/aem0001 { /type \"deny\" /url \"*\" }\n/aem0010 { /type \"allow\" /extension '(css|html|js)' /path \"/content/*\" }\n",
    );
    site.file(&format!("{FILTERS}/filters.any"), format!("$include \"./default_filters.any\"\n\n{own}"));
}

const RULE: &str = "/0101 { /type \"allow\" /method '(GET|POST|OPTIONS)' /url \"/graphql/execute.json*\" }\n";

fn publish(fault: Option<&str>) -> Options {
    let list: Vec<Fault> = fault.iter().map(|fault| fault.parse().unwrap()).collect();
    Options { tier: Tier::Publish, faults: Faults { list, ..Faults::default() }, ..Options::default() }
}

#[test]
fn publish_by_persisted_queries_is_well() {
    let (site, aem) = stories_on("publish", publish(None), "");
    assert_examined!(examined(&site, &[], &[], 0));
    // By GET, with what caches make of it.
    point(&site, "publish", aem.url(), "freshness = \"cdn\"");
    assert_examined!(examined(&site, &[], &[], 0));
}

#[test]
fn a_dispatcher_without_the_rule() {
    let (site, _aem) = stories_on("publish", publish(Some("dispatcher")), "");
    assert_examined!(examined(&site, &[], &[], 3));
}

#[test]
fn the_missing_rule_is_named_in_the_project_s_files() {
    let (site, _aem) = stories_on("publish", publish(Some("dispatcher")), "");
    let look = ["--dispatcher", "dispatcher/src"];
    project(&site, "# nothing of ours\n");
    assert_examined!(examined(&site, &look, &[], 3));
    // Only preflight and POST, as one page of Adobe's prints it (protocol 1.4).
    project(&site, &RULE.replace("GET|", ""));
    examined(&site, &look, &[], 3).says("default_filters.any:1:1").says("does not let GET");
    // A rule that comes too early is undone by the one that denies everything.
    site.file(&format!("{FILTERS}/filters.any"), format!("{RULE}$include \"./default_filters.any\"\n"));
    examined(&site, &look, &[], 3).says("the last that fits");
    project(&site, RULE);
    assert_examined!(examined(&site, &look, &[], 3));
}

#[test]
fn files_of_an_open_dispatcher_are_read_as_well() {
    let (site, _aem) = stories_on("publish", publish(None), "");
    project(&site, RULE);
    let look = ["--dispatcher", "dispatcher"];
    let run = examined(&site, &look, &[], 0);
    assert!(run.stdout.contains("by dispatcher/src/conf.dispatcher.d/filters/filters.any:3"), "{run}");
    project(&site, "");
    assert_examined!(examined(&site, &look, &[], 0));
    // The default filters are often not checked in: what they say is not known, and that is said.
    site.remove(&format!("{FILTERS}/default_filters.any"));
    let run = examined(&site, &look, &[], 0);
    assert!(run.stdout.contains("its files do not say: ./default_filters.any is not there"), "{run}");
    assert_eq!(run.count("E0514"), 0, "{run}");
    let closed = Aem::of(&site, publish(Some("dispatcher")));
    point(&site, "publish", closed.url(), "");
    examined(&site, &look, &[], 3).says("not there: ./default_filters.any").says("no rule of this file fits");
}

#[test]
fn a_folder_without_rules_ends_with_status_2() {
    let (site, _aem) = stories_on("publish", publish(None), "");
    site.file("elsewhere/readme.txt", "nothing");
    assert_examined!(examined(&site, &["--dispatcher", "elsewhere"], &[], 2));
    examined(&site, &["--dispatcher", "nowhere"], &[], 2).says("[E0103]").says("nowhere");
}

/// A Dispatcher of older projects: GET passes, POST does not.
#[test]
fn post_is_not_let_through() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" if request.path.starts_with("/graphql/execute.json") => say(
            "404 Not Found",
            "content-type: application/json\r\n",
            r#"{"errors":[{"errorType":"PersistenceError","message":"Could not find Persisted Query"}]}"#,
        ),
        _ => say("404 Not Found", "content-type: text/html\r\n", "<title>404 Not Found</title>"),
    });
    let site = SiteDir::stories();
    point(&site, "publish", &server.url, "");
    assert_examined!(examined(&site, &[], &[], 3));
}

#[test]
fn direct_queries_on_publish() {
    let (site, _aem) = stories_on("publish", publish(None), "queries = \"direct\"");
    assert_examined!(examined(&site, &[], &[], 3));
    let open = Aem::of(&site, Options { allow_post: true, ..publish(None) });
    point(&site, "publish", open.url(), "queries = \"direct\"");
    examined(&site, &[], &[], 0);
}

/// Files can be looked at before there is a publish at all.
#[test]
fn files_on_author() {
    let (site, _aem) = stories_on("author", Options::default(), "queries = \"persisted\"");
    project(&site, "");
    let run = examined(&site, &["--dispatcher", "dispatcher"], &[], 0);
    run.says("warning[E0514]");
}
