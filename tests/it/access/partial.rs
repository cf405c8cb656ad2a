//! `build --allow-partial`.

use aem_static::origin::{Options, Tier};

use super::faults;
use crate::doctor::stories_on;

#[test]
fn partial_data_is_refused_unless_it_is_wanted() {
    let options = Options { tier: Tier::Publish, faults: faults(&["graphql-errors"]), ..Options::default() };
    let (site, aem) = stories_on("publish", options, "");
    let refused = site.fails(1);
    refused.says("[E0505]").says("build --allow-partial");
    assert!(site.files().is_empty(), "{refused}");
    let kept = site.run(&["build", "--allow-partial"]);
    assert_eq!((kept.status, kept.count("E0520")), (0, 1), "{kept}");
    kept.says("partial data kept of stories");
    let pages = site.files().into_iter().filter(|file| file.starts_with("stories/")).count();
    assert_eq!(pages, 1, "half of two: {kept}");
    let json = site.run(&["build", "--allow-partial", "--format", "json"]);
    let events: Vec<serde_json::Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = events.iter().find(|event| event["event"] == "finished").unwrap_or_else(|| panic!("{json}"));
    assert_eq!(last["partial"], serde_json::json!(["stories"]), "{json}");
    // What was kept is partial whoever builds from it.
    let offline = site.run(&["build", "--offline"]);
    assert_eq!((offline.status, offline.count("E0520")), (1, 1), "{offline}");
    let offline = site.run(&["build", "--offline", "--allow-partial"]);
    assert_eq!((offline.status, offline.count("E0520")), (0, 1), "{offline}");
    offline.says("partial data kept of stories");
    // Whole again, nothing is said of it.
    aem.running.set_faults(faults(&[]));
    let whole = site.run(&["build", "--allow-partial"]);
    assert_eq!((whole.status, whole.count("E0520")), (0, 0), "{whole}");
    assert!(!whole.to_string().contains("partial data kept"), "{whole}");
}

/// Every other answer is whole: it is waited for, and nothing is given up.
#[test]
fn data_is_kept_only_when_no_retry_brings_all_of_it() {
    let options = Options { tier: Tier::Publish, faults: faults(&["graphql-errors:2"]), ..Options::default() };
    let (site, aem) = stories_on("publish", options, "");
    let once = site.run(&["build", "--allow-partial"]);
    assert_eq!(once.status, 0, "{once}");
    let again = site.run(&["build", "--allow-partial"]);
    assert_eq!((again.status, again.count("E0520")), (0, 0), "{again}");
    assert!(aem.running.counts().faults["graphql-errors"] > 0);
    assert_eq!(site.files().iter().filter(|file| file.starts_with("stories/")).count(), 2);
}
