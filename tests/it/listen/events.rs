//! A change in AEM, the event of it, and what is on disk and deployed afterwards.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use super::{DEPLOY, Listening, deployments, event, key_server, site};
use crate::site::SiteDir;

const NONE: [&str; 0] = [];

/// Lets the clock go on: what was first seen less than a second before an event may be the event's own effect, since AEM's clock
/// need not be ours.
fn later() {
    std::thread::sleep(std::time::Duration::from_millis(1_100));
}

#[test]
fn a_fragment_that_comes_changes_and_goes_takes_exactly_its_files_along() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0\nask_again = []", DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    let first = deployments(&site);
    let all = ["sitemap.xml", "stories/index.html", "stories/one/index.html", "stories/two/index.html"];
    assert_eq!(first[0].0, all, "the first deployment has everything");

    site.story("three", json!({ "slug": "three", "title": "Three" }));
    let answer = listening.deliver(&event("1", "published", "three"));
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"accepted":1,"repeated":0,"ignored":0}"#));
    listening.until("deployed");
    let (changed, removed) = &deployments(&site)[1];
    assert_eq!(*changed, ["sitemap.xml", "stories/index.html", "stories/three/index.html"]);
    assert_eq!(*removed, NONE);
    assert!(site.out("stories/index.html").contains("Three") && site.out("sitemap.xml").contains("/stories/three/"));

    site.story("three", json!({ "slug": "three", "title": "Trois" }));
    listening.deliver(&json!([event("2", "modified", "three"), event("3", "published", "three")]));
    listening.until("deployed");
    assert_eq!(deployments(&site)[2].0, ["stories/index.html", "stories/three/index.html"]);

    site.remove("content/fragments/acme/stories/three.json");
    listening.deliver(&event("4", "unpublished", "three"));
    listening.until("deployed");
    let (changed, removed) = &deployments(&site)[3];
    assert_eq!(*changed, ["sitemap.xml", "stories/index.html"]);
    assert_eq!(*removed, ["stories/three/index.html"]);
    assert!(!site.out("stories/index.html").contains("Trois") && !site.out("sitemap.xml").contains("three"));
    assert!(!site.path("out/stories/three/index.html").exists());

    let status = listening.status_when(|status| status["queue"]["waiting"] == 0);
    assert_eq!(status["events"]["accepted"], json!({ "modified": 1, "published": 2, "unpublished": 1 }));
    assert_eq!(status["ready"], true);
}

#[test]
fn an_event_that_comes_twice_causes_one_build_also_after_a_restart() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0\nask_again = []", DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    site.story("one", json!({ "slug": "one", "title": "Uno" }));
    assert_eq!(listening.deliver(&event("1", "published", "one")).status, 200);
    listening.until("deployed");
    listening.status_when(|status| status["queue"]["waiting"] == 0);
    let again = |listening: &Listening| listening.deliver(&event("1", "published", "one")).body;
    assert_eq!(again(&listening), r#"{"accepted":0,"repeated":1,"ignored":0}"#);
    drop(listening);
    let mut listening = Listening::start(&site, &[], &[]);
    listening.until("built");
    assert_eq!(again(&listening), r#"{"accepted":0,"repeated":1,"ignored":0}"#);
    assert_eq!(listening.status()["builds"]["done"], 1, "only the one of the start");
    assert_eq!(deployments(&site).len(), 2, "nothing changed, nothing to deploy");
}

#[test]
fn a_burst_of_events_is_one_build() {
    let keys = key_server();
    let site = site(&keys, "quiet = 1\nask_again = []", DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    for number in 0..25 {
        site.story("one", json!({ "slug": "one", "title": format!("One {number}") }));
        assert_eq!(listening.deliver(&event(&number.to_string(), "published", "one")).status, 200);
    }
    let built = listening.until("built");
    assert_eq!(built["cause"], "25 events");
    assert!(site.out("stories/one/index.html").contains("One 24"));
}

/// AEM sends events before every service behind it has heard of the change: design.md §6, freshness.
#[test]
fn an_answer_that_does_not_show_the_change_is_asked_again_until_it_does() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0\nask_again = [1, 1, 60]", DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    later();
    listening.deliver(&event("1", "published", "one"));
    let built = listening.until("built");
    assert_eq!((&built["cause"], &built["files"]), (&json!("1 event"), &json!(0)));
    assert_eq!(listening.status()["queue"]["waiting"], 1, "it is not settled by an answer from before");
    site.story("one", json!({ "slug": "one", "title": "At last" }));
    listening.until("deployed");
    assert!(site.out("stories/one/index.html").contains("At last"));
    listening.status_when(|status| status["queue"]["waiting"] == 0);
}

#[test]
fn an_event_without_effect_is_reported_stale_and_closed_by_reconciliation() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0\nask_again = [0]\nreconcile = 4", DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    listening.deliver(&event("1", "unpublished", "one"));
    let stale = listening.until("stale");
    assert_eq!(
        (stale["fragment"].as_str(), stale["kind"].as_str()),
        (Some("/content/dam/acme/stories/one"), Some("unpublished"))
    );
    listening.status_when(|status| status["queue"]["stale"] == 0 && status["queue"]["waiting"] == 0);
    let status = listening.status();
    assert!(status["builds"]["last"].as_array().unwrap().iter().any(|build| build["cause"] == "reconciliation"));
}

#[test]
fn what_no_event_told_of_is_caught_by_reconciliation() {
    let keys = key_server();
    let site = site(&keys, "reconcile = 1", DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    site.story("one", json!({ "slug": "one", "title": "Unheard" }));
    assert_eq!(listening.until("caught")["files"], 2);
    listening.until("deployed");
    assert!(site.out("stories/one/index.html").contains("Unheard"));
    assert_eq!(listening.status()["reconciliation"]["caught"], 2);
}

#[test]
fn a_build_that_fails_leaves_the_site_and_keeps_its_events() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0", &format!("[build]\non_error = \"stop\"\n{DEPLOY}"));
    let mut listening = Listening::ready(&site, &[]);
    let before = site.tree();
    site.file("templates/story.html", "<h1>{{ item.nothing }}</h1>");
    site.story("one", json!({ "slug": "one", "title": "Late" }));
    listening.deliver(&event("1", "published", "one"));
    let failed = listening.until("build-failed");
    assert_eq!(failed["waiting"], 1);
    assert!(site.tree() == before);
    let ready = listening.get("/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (503, "not ready: build\n"));
    assert_eq!(listening.get("/healthz").status, 200);
    // The template is mended; nobody has to send the event again.
    site.file("templates/story.html", "<h1>{{ item.title }}</h1>\n");
    listening.until("deployed");
    assert!(site.out("stories/one/index.html").contains("Late"));
    listening.status_when(|status| status["ready"] == true && status["queue"]["waiting"] == 0);
}

/// What one page fails of keeps nothing from the others, and is tried again without an event.
#[test]
fn a_page_that_fails_is_held_until_it_is_mended() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0", DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    let before = site.out("stories/one/index.html");
    site.file(
        "templates/story.html",
        "<h1>{{ item.title }}</h1>{% if item.slug == \"one\" %}{{ item.nothing }}{% endif %}\n",
    );
    site.story("one", json!({ "slug": "one", "title": "Late" }));
    site.story("two", json!({ "slug": "two", "title": "In time" }));
    listening.deliver(&json!([event("1", "published", "one"), event("2", "published", "two")]));
    listening.until("deployed");
    assert_eq!(site.out("stories/one/index.html"), before);
    assert!(site.out("stories/two/index.html").contains("In time"));
    assert_eq!(listening.get("/readyz").body, "not ready: pages held\n");
    site.file("templates/story.html", "<h1>{{ item.title }}</h1>\n");
    listening.status_when(|status| status["ready"] == true);
    assert!(site.out("stories/one/index.html").contains("Late"));
}

/// Many removals stop a build, unless events told of them (design.md §8, guards).
#[test]
fn what_events_withdraw_goes_however_much_it_is_and_nothing_else_does() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0\nask_again = []", DEPLOY);
    for number in 0..40 {
        site.story(&format!("s{number}"), json!({ "slug": format!("s{number}"), "title": "Many" }));
    }
    let remove = |number: usize| site.remove(&format!("content/fragments/acme/stories/s{number}.json"));
    let mut listening = Listening::ready(&site, &[]);
    (0..15).for_each(remove);
    let events: Vec<_> = (0..15).map(|n| event(&format!("u{n}"), "unpublished", &format!("s{n}"))).collect();
    listening.deliver(&json!(events));
    listening.until("deployed");
    assert_eq!(deployments(&site).last().unwrap().1.len(), 15);

    (15..27).for_each(remove);
    let before = site.tree();
    listening.deliver(&event("one", "unpublished", "s15"));
    let failed = listening.until("build-failed");
    // Of twelve, eleven were not told of.
    assert!(failed["problem"].as_str().unwrap().contains("would remove 11 of"), "{failed}");
    assert_eq!(listening.get("/readyz").body, "not ready: removals held\n");
    assert!(site.tree() == before);
    assert_eq!(site.run(&["build", "--allow-removals"]).status, 0);
    listening.status_when(|status| status["ready"] == true && status["queue"]["waiting"] == 0);
    assert!(!site.path("out/stories/s15/index.html").exists() && !site.path("out/stories/s26/index.html").exists());
}

/// The publish tier of an origin in a process of its own, behind its Dispatcher, by persisted queries.
#[test]
fn a_site_on_the_publish_tier_follows_what_is_published_there() {
    let keys = key_server();
    let content = SiteDir::stories();
    let mut origin = content.command(&["origin", "--tier", "publish"]);
    let mut origin = origin.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(origin.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let listen = site(&keys, "quiet = 0\nask_again = [1, 1, 1, 1, 1, 1, 1, 1]", DEPLOY);
    let aem = format!("tier = \"publish\"\n[aem.hosts]\npublish = \"{}\"", url.trim());
    let tables = listen.read("aem-static.toml");
    let tables = tables.split_once("[[route]]").unwrap().1;
    listen.config("locales = []", &aem, &format!("[[route]]{tables}"));
    let mut listening = Listening::ready(&listen, &[]);
    later();
    content.story("one", json!({ "slug": "one", "title": "Live" }));
    // What authors change is nothing to publish.
    let ignored = listening.deliver(&event("0", "modified", "one"));
    assert_eq!(ignored.body, r#"{"accepted":0,"repeated":0,"ignored":1}"#);
    listening.deliver(&event("1", "published", "one"));
    listening.until("deployed");
    assert!(listen.out("stories/one/index.html").contains("Live"));
    content.remove("content/fragments/acme/stories/one.json");
    listening.deliver(&event("2", "unpublished", "one"));
    listening.until("deployed");
    assert_eq!(deployments(&listen).last().unwrap().1, ["stories/one/index.html"]);
    listening.status_when(|status| status["queue"]["waiting"] == 0);
    origin.kill().unwrap();
    origin.wait().unwrap();
}
