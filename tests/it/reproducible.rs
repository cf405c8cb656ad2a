//! Same input, same bytes, whatever the workers and the order of answers; and chains: build, change one thing, build again,
//! compare with a clean build elsewhere, and see which files were touched (design.md §2, promises 2 to 4).

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::server::{Server, stories, story};
use crate::site::{EACH, SiteDir, tree_of};

/// Lists, groups, links, images and a style sheet, so that every kind of change has something to reach.
const ROUTES: &str = r#"
[[route]]
name     = "story"
query    = "stories"
each     = "/stories/{{ slug }}/"
template = "story.html"

[[route]]
name     = "list"
query    = "stories"
list     = "/stories/"
per_page = 2
template = "list.html"

[[route]]
name     = "topic"
query    = "stories"
group_by = "topics"
list     = "/topics/{{ group | slugify }}/"
template = "list.html"

[[route]]
name     = "json"
query    = "stories"
each     = "/api/{{ slug }}.json"
"#;

fn chain() -> SiteDir {
    let site = SiteDir::with(ROUTES);
    site.query("stories", "slug title rank topics image { ... on ImageRef { _path } } related { _path title }");
    site.file(
        "templates/base.html",
        "<link href=\"{{ static_url(file=\"site.css\") }}\">{% block main %}{% endblock %}\n",
    );
    site.file(
        "templates/story.html",
        "{% extends \"base.html\" %}{% block main %}<h1>{{ item.title }}</h1>{% if item.image %}{% set picture = image(ref=item.image) %}<img src=\"{{ picture.src }}\">{% endif %}{% for other in item.related | default(value=[]) %}<a href=\"{{ url_for(path=other._path) }}\">{{ other.title }}</a>{% endfor %}{% endblock %}\n",
    );
    site.file(
        "templates/list.html",
        "{% extends \"base.html\" %}{% block main %}{% for item in items %}<a href=\"{{ url_for(path=item._path, route=\"story\") }}\">{{ item.title }}</a>{% endfor %}{% endblock %}\n",
    );
    site.file("static/site.css", "body { color: black }\n");
    site.file("static/robots.txt", "User-agent: *\n");
    site.image("images/a.gif", 10);
    site.image("images/b.gif", 20);
    let image = |name: &str| format!("/content/dam/acme/images/{name}.gif");
    for (name, rank, topics) in
        [("one", 1, vec!["acme:t/red"]), ("two", 2, vec!["acme:t/red", "acme:t/blue"]), ("three", 3, vec![])]
    {
        site.story(
            name,
            json!({ "slug": name, "title": name.to_uppercase(), "rank": rank, "topics": topics,
            "image": image("a"), "related": if name == "one" { vec![] } else { vec!["/content/dam/acme/stories/one"] } }),
        );
    }
    site
}

/// What identifies one written version of a file.
fn stamps(site: &SiteDir) -> BTreeMap<String, (u64, std::time::SystemTime)> {
    let out = site.path("out");
    let files = tree_of(&out).into_keys();
    files
        .map(|path| {
            let meta = fs::metadata(out.join(&path)).unwrap();
            #[cfg(unix)]
            let number = std::os::unix::fs::MetadataExt::ino(&meta);
            #[cfg(not(unix))]
            let number = 0;
            (path, (number, meta.modified().unwrap()))
        })
        .collect()
}

/// Builds after a change: the result equals a clean build elsewhere, and exactly the files that differ were written.
/// Returns what was created or changed (`+`, `~`) and removed (`-`), the list of files aside.
#[track_caller]
fn step(site: &SiteDir, what: &str, change: impl FnOnce(&SiteDir)) -> Vec<String> {
    let (before, old) = (site.tree(), stamps(site));
    change(site);
    let run = site.run(&["build", "--allow-removals"]);
    assert_eq!(run.status, 0, "{what}: {run}");
    let (after, new) = (site.tree(), stamps(site));
    let clean = SiteDir::empty();
    for (path, bytes) in tree_of(&site.path("")) {
        if !path.starts_with("out/") && !path.starts_with(".aem-static/") {
            clean.file(&path, bytes);
        }
    }
    clean.build();
    assert_eq!(after.keys().collect::<Vec<_>>(), clean.tree().keys().collect::<Vec<_>>(), "{what}");
    for (path, bytes) in &clean.tree() {
        assert!(after[path] == *bytes, "{what}: {path} differs from a clean build");
    }
    let mut changes = Vec::new();
    for (path, bytes) in after.iter().filter(|(path, _)| *path != ".aem-static") {
        match before.get(path) {
            None => changes.push(format!("+{path}")),
            Some(was) if was != bytes => changes.push(format!("~{path}")),
            Some(_) => assert_eq!(old[path], new[path], "{what}: {path} was written with the same bytes"),
        }
    }
    changes.extend(before.keys().filter(|path| !after.contains_key(*path)).map(|path| format!("-{path}")));
    changes.sort_by_key(|change| change[1..].to_owned());
    changes
}

#[test]
fn a_chain_of_changes_equals_clean_builds() {
    let site = chain();
    site.build();
    assert_eq!(step(&site, "nothing", |_| {}), [] as [&str; 0]);
    let retitled = step(&site, "a fragment", |site| {
        let path = "content/fragments/acme/stories/one.json";
        site.file(path, site.read(path).replace("ONE", "Uno"));
    });
    let pages = [
        "api/one.json",
        "api/three.json",
        "api/two.json",
        "stories/index.html",
        "stories/one/index.html",
        "stories/three/index.html",
        "stories/two/index.html",
        "topics/t-red/index.html",
    ];
    assert_eq!(retitled, pages.map(|path| format!("~{path}")));
    let added = step(&site, "a new fragment", |site| {
        site.story("four", json!({ "slug": "four", "title": "FOUR", "topics": ["acme:t/green"] }));
    });
    let expected = [
        "+api/four.json",
        "~sitemap.xml",
        "+stories/four/index.html",
        "~stories/index.html",
        "~stories/page/2/index.html",
        "+topics/t-green/index.html",
    ];
    assert_eq!(added, expected);
    let gone = step(&site, "a fragment less", |site| site.remove("content/fragments/acme/stories/four.json"));
    let expected = [
        "-api/four.json",
        "~sitemap.xml",
        "-stories/four/index.html",
        "~stories/index.html",
        "~stories/page/2/index.html",
        "-topics/t-green/index.html",
    ];
    assert_eq!(gone, expected);
    let changed = step(&site, "a template", |site| {
        let path = "templates/story.html";
        site.file(path, site.read(path).replace("<h1>", "<h1 class=\"x\">"));
    });
    assert_eq!(changed, ["~stories/one/index.html", "~stories/three/index.html", "~stories/two/index.html"]);
    let moved = step(&site, "a route", |site| {
        let config =
            site.read("aem-static.toml").replace("\"/topics/{{ group | slugify }}/\"", "\"/t/{{ group | slugify }}/\"");
        site.file("aem-static.toml", config);
    });
    let expected = [
        "~sitemap.xml",
        "+t/t-blue/index.html",
        "+t/t-red/index.html",
        "-topics/t-blue/index.html",
        "-topics/t-red/index.html",
    ];
    assert_eq!(moved, expected);
    let asset = step(&site, "an asset", |site| site.image("images/a.gif", 99));
    assert_eq!(asset.iter().filter(|change| change.contains("assets/a-")).count(), 2, "{asset:?}");
    assert_eq!(asset.iter().filter(|change| change.starts_with("~stories/")).count(), 3, "{asset:?}");
    assert_eq!(asset.len(), 5, "{asset:?}");
    let unlinked = step(&site, "an image less", |site| {
        let path = "templates/story.html";
        site.file(path, site.read(path).replace("{% if item.image %}", "{% if false %}"));
    });
    assert!(unlinked.iter().any(|change| change.starts_with("-assets/a-")), "{unlinked:?}");
    let styled = step(&site, "a static file", |site| site.file("static/site.css", "body { color: red }\n"));
    assert!(styled.iter().any(|change| change == "~stories/index.html"), "{styled:?}");
    assert!(!styled.iter().any(|change| change.contains("api/") || change.contains("robots")), "{styled:?}");
    assert_eq!(step(&site, "a static file less", |site| site.remove("static/robots.txt")), ["-robots.txt"]);
    let state = step(&site, "the state deleted", |site| fs::remove_dir_all(site.path(".aem-static")).unwrap());
    assert_eq!(state, [] as [&str; 0]);
}

#[test]
fn a_file_changed_or_deleted_by_hand_is_made_good() {
    let site = chain();
    site.build();
    let built = site.tree();
    site.file("out/stories/one/index.html", "somebody was here");
    site.remove("out/stories/two/index.html");
    site.build();
    assert!(site.tree() == built);
}

#[test]
fn workers_and_places_do_not_show() {
    let (one, two) = (SiteDir::starter(), SiteDir::starter());
    for (site, workers) in [(&one, "1"), (&two, "2")] {
        let run = site.run(&["build", "--workers", workers, "--concurrency", workers]);
        assert_eq!(run.status, 0, "{run}");
    }
    assert!(one.tree().contains_key(".aem-static"));
    assert!(one.tree() == two.tree());
}

/// The same answers, the slow ones first or last.
#[test]
fn the_order_of_answers_does_not_show() {
    let routes: String = (0..6)
        .map(|number| {
            format!("[[route]]\nname = \"r{number}\"\nquery = \"q{number}\"\neach = \"/r{number}/{{{{ slug }}}}/\"\ntemplate = \"story.html\"\n\n")
        })
        .collect();
    let build = |late: fn(u64) -> u64| {
        let server = Server::start(move |request| {
            let number: u64 = request.path.rsplit('q').next().unwrap().parse().unwrap();
            std::thread::sleep(Duration::from_millis(late(number)));
            stories(&json!([story(&format!("a{number}")), story(&format!("b{number}"))]))
        });
        let site = SiteDir::remote(&server.url, &routes);
        for number in 0..6 {
            site.query(&format!("q{number}"), "slug title");
        }
        site.file(
            "templates/story.html",
            "<h1>{{ item.title }}</h1>{% for other in query(name=\"q3\") %}{{ other.slug }}{% endfor %}\n",
        );
        let run = site.run(&["build", "--workers", if late(0) == 0 { "1" } else { "2" }]);
        assert_eq!(run.status, 0, "{run}");
        site.tree()
    };
    let (rising, falling) = (build(|number| number * 15), build(|number| 75 - number * 15));
    assert!(rising == falling && rising.len() == 14, "{:?}", rising.keys().collect::<Vec<_>>());
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let site = SiteDir::stories();
    let run = site.run(&["build", "--dry-run"]);
    assert_eq!(
        (run.status, run.stdout.as_str()),
        (0, "+ sitemap.xml (new)\n+ stories/one/index.html (new)\n+ stories/two/index.html (new)\n"),
        "{run}"
    );
    assert!(!site.path("out").exists() && !site.path(".out.staging").exists());
    site.build();
    let before = (site.tree(), stamps(&site));
    site.story("three", json!({ "slug": "three", "title": "Three" }));
    site.story("one", json!({ "slug": "one", "title": "Uno" }));
    site.remove("content/fragments/acme/stories/two.json");
    let run = site.run(&["build", "--dry-run"]);
    let expected = "~ sitemap.xml (its source changed)\n~ stories/one/index.html (content changed)\n+ stories/three/index.html (new)\n- stories/two/index.html (no longer made)\n";
    assert_eq!((run.status, run.stdout.as_str()), (0, expected), "{run}");
    assert!((site.tree(), stamps(&site)) == before);
}

/// design.md §2, promise 3: nothing withdrawn stays.
#[test]
fn what_is_withdrawn_leaves_no_trace() {
    let site = SiteDir::with(EACH);
    site.query("stories", "slug title image { ... on ImageRef { _path } }");
    site.file(
        "templates/story.html",
        "<h1>{{ item.title }}</h1>{% if item.image %}{% set picture = image(ref=item.image) %}<img src=\"{{ picture.src }}\">{% endif %}\n",
    );
    site.image("images/secret-plan.gif", 1);
    site.story("one", json!({ "slug": "one", "title": "One" }));
    site.story(
        "withdrawn",
        json!({ "slug": "withdrawn", "title": "Withdrawn", "image": "/content/dam/acme/images/secret-plan.gif" }),
    );
    site.build();
    assert!(site.files().iter().any(|path| path.starts_with("assets/secret-plan-")));
    site.remove("content/fragments/acme/stories/withdrawn.json");
    site.build();
    assert_eq!(site.files(), ["sitemap.xml", "stories/one/index.html"]);
    for (path, bytes) in site.tree() {
        assert!(!String::from_utf8_lossy(&bytes).to_lowercase().contains("withdrawn"), "{path}");
    }
}
