//! Freshness (design §6): a CDN that does not know of changes, in both modes.

use std::time::Duration;

use aem_static::origin::{Options, Tier};
use serde_json::json;

use super::faults;
use crate::doctor::{Aem, point, stories_on};
use crate::site::SiteDir;

const PAGE: &str = "stories/one/index.html";

/// A publish behind a cache, with a story that is changed after a build; returned when the change is served.
fn changed_after_a_build(fault: &str, more: &str) -> (SiteDir, Aem) {
    let options = Options { tier: Tier::Publish, reload: true, faults: faults(&[fault]), ..Options::default() };
    let (site, aem) = stories_on("publish", options, more);
    site.build();
    assert!(site.out(PAGE).contains("One"));
    let mut changes = aem.running.changes();
    site.story("one", json!({ "slug": "one", "title": "Renamed" }));
    let loaded = aem.block_on(async { tokio::time::timeout(Duration::from_secs(60), changes.next()).await });
    assert!(loaded.is_ok_and(|loaded| loaded.is_some()), "the change was never served");
    (site, aem)
}

#[test]
fn origin_reads_what_is_published_now() {
    let (site, aem) = changed_after_a_build("stale", "");
    let run = site.build();
    assert!(site.out(PAGE).contains("Renamed"), "{run}");
    assert!(!run.stderr.contains("oldest answer"), "{run}");
    let counts = aem.running.counts();
    assert_eq!((counts.persisted_get, counts.persisted_post), (0, 2), "by POST, which no cache keeps");
}

#[test]
fn cdn_reads_what_the_cache_has_and_says_how_old_it_is() {
    let (site, aem) = changed_after_a_build("stale", "freshness = \"cdn\"");
    let run = site.build();
    assert!(site.out(PAGE).contains("One"), "the cache does not know of the change: {run}");
    run.says("oldest answer ");
    let counts = aem.running.counts();
    assert_eq!((counts.persisted_get, counts.persisted_post, counts.faults["stale"]), (2, 0, 1));
    // The same site, in the other mode.
    point(&site, "publish", aem.url(), "freshness = \"origin\"");
    site.build();
    assert!(site.out(PAGE).contains("Renamed"));
}

/// A proxy that keeps POST defeats `origin`: that is told.
#[test]
fn a_cache_that_keeps_post_is_told() {
    let (site, _aem) = changed_after_a_build("stale-post", "");
    let run = site.build();
    assert!(site.out(PAGE).contains("One"), "{run}");
    run.says("[E0515]").says("a cache answers POST").says("aem-static doctor");
}
