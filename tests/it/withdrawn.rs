//! Nothing withdrawn stays (design.md §2, promise 3): a fragment of the starter site goes, and every byte of out/ and of the state is
//! searched for what it said. (The record of the last build's changes has it until the next one: that is what `diff` shows.)

use std::collections::BTreeSet;
use std::time::Duration;

use aem_static::origin::{Options, Tier};
use serde_json::{Value, json};

use crate::doctor::Aem;
use crate::site::{Run, SiteDir, Tree, tree_of};

const IMAGE: &str = "content/assets/longlight/images/secret-harbour.jpg";
const MARK: &str = "these bytes are only in the image of what is withdrawn";

/// The starter site, in which the fragment has an image that no other has.
fn starter(fragment: &str) -> SiteDir {
    let site = SiteDir::starter();
    let mut image = std::fs::read(site.path("content/assets/longlight/images/lake-ice.jpg")).unwrap();
    image.extend(MARK.as_bytes());
    site.file(IMAGE, image);
    let mut content: Value = serde_json::from_str(&site.read(fragment)).unwrap();
    for field in content["fields"].as_array_mut().unwrap() {
        if field["name"] == "image" {
            field["values"] = json!(["/content/dam/longlight/images/secret-harbour.jpg"]);
        }
    }
    site.file(fragment, content.to_string());
    site
}

/// The words of a text between marks and entities, in pieces long enough to be nobody else's.
fn phrases(text: &str) -> impl Iterator<Item = String> + '_ {
    let plain = |letter: char| letter.is_alphanumeric() || letter == ' ' || letter == ',';
    // Tags and what is spelt otherwise in html (quotes, dashes) cut a text into pieces.
    text.split(move |letter| !plain(letter))
        .map(str::trim)
        .filter(|piece| piece.chars().count() >= 14)
        .map(str::to_owned)
}

/// Everything that only this fragment says: its path, its title, its texts, its image.
fn needles(site: &SiteDir, fragment: &str) -> BTreeSet<String> {
    let content: Value = serde_json::from_str(&site.read(fragment)).unwrap();
    let mut all: BTreeSet<String> = [MARK.to_owned(), "secret-harbour".to_owned()].into();
    all.extend(content["path"].as_str().map(str::to_owned));
    all.extend(content["title"].as_str().map(str::to_owned));
    all.extend(content["id"].as_str().map(str::to_owned));
    let mut values: Vec<&Value> = content["fields"].as_array().unwrap().iter().map(|field| &field["values"]).collect();
    while let Some(value) = values.pop() {
        match value {
            Value::String(text) => all.extend(phrases(text)),
            Value::Array(items) => values.extend(items),
            Value::Object(members) => values.extend(members.values()),
            _ => {}
        }
    }
    // Except where another's own text says so.
    let others: Vec<String> = tree_of(&site.path(""))
        .into_iter()
        .filter(|(path, _)| path != fragment && path != IMAGE)
        .filter(|(path, _)| !path.starts_with("out/") && !path.starts_with(".aem-static/"))
        .map(|(_, bytes)| text(&bytes))
        .collect();
    all.retain(|needle| !others.iter().any(|other| other.contains(needle.as_str())));
    all
}

/// Bytes of any kind, in a form in which text can be looked for quickly.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Which files of a folder, by content or name, hold which of the needles.
fn found(tree: &Tree, needles: &BTreeSet<String>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, bytes) in tree {
        let text = text(bytes);
        for needle in needles {
            if path.contains(needle.as_str()) || text.contains(needle.as_str()) {
                found.push((needle.clone(), path.clone()));
            }
        }
    }
    found
}

/// Builds, lets `withdraw` take the fragment away, builds again: nothing of it is left, and all else is as a clean build has it.
fn withdrawn(fragment: &str, build: &dyn Fn(&SiteDir) -> Run, site: &SiteDir, withdraw: &dyn Fn()) {
    let needles = needles(site, fragment);
    let run = build(site);
    assert_eq!(run.status, 0, "{run}");
    let folders = || (site.tree(), tree_of(&site.path(".aem-static")));
    let (out, state) = folders();
    let shown: BTreeSet<String> = found(&out, &needles).into_iter().map(|(needle, _)| needle).collect();
    assert!(shown.len() >= 10 && shown.contains(MARK) && shown.contains("secret-harbour"), "{fragment}: {shown:#?}");
    assert!(!found(&state, &needles).is_empty(), "the state keeps the answer");
    let title: Value = serde_json::from_str(&site.read(fragment)).unwrap();
    withdraw();
    let run = build(site);
    assert_eq!(run.status, 0, "{run}");
    let (out, state) = folders();
    assert_eq!(found(&out, &needles), [], "{fragment}, {title} in out/: {run}");
    let (record, state): (Tree, Tree) = state.into_iter().partition(|(path, _)| path.starts_with("changes-"));
    assert_eq!(found(&state, &needles), [], "{fragment} in .aem-static/: {run}");
    // What `diff` can show of the last build, and of no other.
    assert!(!found(&record, &needles).is_empty() && record.len() == 1, "diff knows nothing: {run}");
    site.file("templates/robots.txt", format!("{}# later\n", site.read("templates/robots.txt")));
    let run = build(site);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(found(&tree_of(&site.path(".aem-static")), &needles), [], "{fragment} in .aem-static/, later: {run}");
    let later = site.tree();
    assert!(later != out, "nothing changed");
    std::fs::remove_dir_all(site.path("out")).unwrap();
    std::fs::remove_dir_all(site.path(".aem-static")).unwrap();
    build(site);
    assert!(site.tree() == later, "a clean build has other bytes");
}

#[test]
fn a_removed_fragment_leaves_no_trace() {
    for fragment in [
        "content/fragments/longlight/en/articles/quiet-water.json",
        "content/fragments/longlight/de/tours/saimaa-wild-skating.json",
    ] {
        let site = starter(fragment);
        withdrawn(fragment, &|site| site.run(&["build"]), &site, &|| site.remove(fragment));
    }
}

#[test]
fn an_unpublished_fragment_leaves_no_trace() {
    let fragment = "content/fragments/longlight/en/places/tiveden.json";
    let site = starter(fragment);
    let aem = Aem::start(Options {
        content: site.path("content"),
        queries: Some(site.path("content-queries")),
        configuration: "longlight".to_owned(),
        tier: Tier::Publish,
        reload: true,
        ..Options::default()
    });
    let build =
        |site: &SiteDir| Run::of(site.command(&["build"]).env("AEM_TIER", "publish").env("AEM_HOST", aem.url()));
    withdrawn(fragment, &build, &site, &|| {
        let mut content: Value = serde_json::from_str(&site.read(fragment)).unwrap();
        content["published"] = json!(false);
        let mut changes = aem.running.changes();
        site.file(fragment, content.to_string());
        let loaded = aem.block_on(async { tokio::time::timeout(Duration::from_secs(60), changes.next()).await });
        assert!(loaded.is_ok_and(|loaded| loaded.is_some()), "the change was never served");
    });
}
