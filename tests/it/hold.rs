//! `on_error = "hold"` (design.md §7): what fails stays as the last good build left it, and the rest is exported.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::server::{Request, Server, answer, closed_port, say};
use crate::site::{Run, SiteDir, tree_of};

const ROUTES: &str = r#"
[[route]]
query = "stories"
each = "/stories/{{ slug }}/"
template = "story.html"

[[route]]
name = "all"
query = "stories"
list = "/all/"
template = "all.html"
may_be_empty = true
"#;

fn site() -> SiteDir {
    let site = SiteDir::with(ROUTES);
    site.story("one", json!({ "slug": "one", "title": "One" }));
    site.story("two", json!({ "slug": "two", "title": "Two" }));
    site.file("templates/story.html", "<h1>{{ item.title | upper }}</h1>\n");
    site.file(
        "templates/all.html",
        "{% for item in items %}{{ url_for(path=item._path, missing=\"none\") }} {{ item.title | default(value=\"-\") }};{% endfor %}\n",
    );
    site
}

fn going(site: &SiteDir) -> Run {
    site.run(&["build", "--keep-going"])
}

/// The files of `out/` but for the tool's own list and the sitemap.
fn files(site: &SiteDir) -> Vec<String> {
    site.files().into_iter().filter(|path| !path.starts_with('.') && path != "sitemap.xml").collect()
}

#[test]
fn a_page_that_fails_keeps_its_last_good_bytes_and_the_rest_is_new() {
    let site = site();
    site.build();
    let good = site.read("out/stories/one/index.html");
    site.story("one", json!({ "slug": "one", "title": null }));
    site.story("two", json!({ "slug": "two", "title": "Deux" }));
    let run = going(&site);
    assert_eq!((run.status, run.count("E0304")), (1, 1), "{run}");
    run.says("= stories/one/index.html (held: its last good version stays)").says("1 page held");
    assert_eq!(site.read("out/stories/one/index.html"), good);
    assert_eq!(site.read("out/stories/two/index.html"), "<h1>DEUX</h1>\n");
    assert_eq!(site.read("out/all/index.html"), "/stories/one/ -;/stories/two/ Deux;\n");
    let why = site.run(&["why", "stories/one/index.html"]);
    assert!(why.stdout.contains("held"), "{why}");
    // Held files are rendered again by every build, and are free as soon as nothing is wrong with them.
    let run = going(&site);
    assert_eq!((run.status, run.count("E0304")), (1, 1), "{run}");
    site.story("one", json!({ "slug": "one", "title": "Un" }));
    let run = going(&site);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(site.read("out/stories/one/index.html"), "<h1>UN</h1>\n");
    let tree = tree_of(&site.path("out"));
    site.run(&["clean"]);
    site.build();
    assert!(tree_of(&site.path("out")) == tree, "as a clean build");
}

#[test]
fn a_page_that_never_was_is_absent_and_nothing_links_to_it() {
    let site = site();
    site.story("three", json!({ "slug": "three", "title": null }));
    site.config("locales = []", "tier = \"local\"", &format!("[build]\non_error = \"hold\"\n{ROUTES}"));
    let run = site.run(&["build"]);
    assert_eq!((run.status, run.count("E0304")), (1, 1), "{run}");
    run.says("= stories/three/index.html (absent: it never was made)");
    assert_eq!(files(&site), ["all/index.html", "stories/one/index.html", "stories/two/index.html"]);
    assert_eq!(site.read("out/all/index.html"), "/stories/one/ One;none -;/stories/two/ Two;\n");
    assert!(!site.read("out/sitemap.xml").contains("three"));
}

#[test]
fn an_item_without_a_place_keeps_the_page_that_it_had() {
    let site = site();
    site.build();
    // Its path would be empty; links still lead to the page that stands.
    site.story("one", json!({ "slug": null, "title": "New" }));
    let run = going(&site);
    assert_eq!(run.status, 1, "{run}");
    run.says("= stories/one/index.html (held: its last good version stays)");
    assert_eq!(site.read("out/stories/one/index.html"), "<h1>ONE</h1>\n");
    assert_eq!(site.read("out/all/index.html"), "/stories/two/ Two;/stories/one/ New;\n");
    // A fragment that is gone is removed all the same.
    site.remove("content/fragments/acme/stories/one.json");
    let run = going(&site);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(files(&site), ["all/index.html", "stories/two/index.html"]);
}

#[test]
fn pages_that_clash_are_held_and_others_are_not() {
    let site = site();
    site.build();
    site.story("three", json!({ "slug": "one", "title": "Three" }));
    site.story("two", json!({ "slug": "two", "title": "Deux" }));
    let run = going(&site);
    assert_eq!((run.status, run.count("E0403")), (1, 1), "{run}");
    assert_eq!(site.read("out/stories/one/index.html"), "<h1>ONE</h1>\n");
    assert_eq!(site.read("out/stories/two/index.html"), "<h1>DEUX</h1>\n");
}

/// A call that fails is answered with what the last build kept, whatever becomes of the others.
#[test]
fn a_call_that_fails_holds_its_pages_and_suspends_their_removals() {
    let (fails, titles) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(vec!["One", "Two"])));
    let (failing, told) = (fails.clone(), titles.clone());
    let server = Server::start(move |request: &Request| {
        let is_places = request.path.contains("places");
        if is_places && failing.load(Ordering::Relaxed) {
            return say("200 OK", "content-type: application/json\r\n", r#"{"errors":[{"message":"broken"}]}"#);
        }
        let titles = told.lock().unwrap();
        let items: Vec<Value> = titles
            .iter()
            .map(|title| {
                let slug = title.to_lowercase();
                json!({ "_path": format!("/content/dam/acme/{slug}"), "slug": slug, "title": title })
            })
            .collect();
        let root = if is_places { "placeList" } else { "storyList" };
        answer(&json!({ "data": { root: { "items": items } } }))
    });
    let routes = format!(
        "{ROUTES}\n[[route]]\nname = \"places\"\nquery = \"places\"\neach = \"/places/{{{{ slug }}}}/\"\ntemplate = \"story.html\"\n"
    );
    let site = SiteDir::remote(&server.url, &routes);
    site.file("templates/story.html", "<h1>{{ item.title | upper }}</h1>\n");
    site.file(
        "templates/all.html",
        "{% for item in items %}{{ url_for(path=item._path, route=\"places\") }};{% endfor %}\n",
    );
    let places = "{\n  placeList(sort: \"slug ASC\") {\n    items { _path slug title }\n  }\n}\n";
    site.file("content-queries/places.graphql", places);
    site.build();
    fails.store(true, Ordering::Relaxed);
    titles.lock().unwrap().pop();
    let run = going(&site);
    assert_eq!((run.status, run.count("E0505")), (1, 1), "{run}");
    run.says("= places/two/index.html (held: its last good version stays)");
    // The story is gone, and the place stays as long as nobody knows.
    assert_eq!(
        files(&site),
        ["all/index.html", "places/one/index.html", "places/two/index.html", "stories/one/index.html"]
    );
    assert_eq!(site.read("out/all/index.html"), "/places/one/;\n");
    fails.store(false, Ordering::Relaxed);
    let run = going(&site);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(files(&site), ["all/index.html", "places/one/index.html", "stories/one/index.html"]);
    // With every call in vain there is nothing to go on with.
    let before = site.tree();
    let nobody = format!("tier = \"publish\"\n[aem.hosts]\npublish = \"{}\"", closed_port());
    site.config("locales = []", &nobody, &routes);
    let run = going(&site);
    assert_eq!((run.status, site.tree() == before), (3, true), "{run}");
}
