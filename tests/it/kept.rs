//! What a build keeps for the next: `why`, `build --offline`, `lock` (design.md §7 and §8).

use serde_json::json;

use crate::server::{Server, stories, story};
use crate::site::{EACH, SiteDir, tree_of};

const LIST: &str = "\n[[route]]\nname = \"list\"\nquery = \"stories\"\nlist = \"/all/\"\ntemplate = \"list.html\"\n";

fn linked() -> SiteDir {
    let site = SiteDir::with(&format!("{EACH}{LIST}"));
    site.query("stories", "slug title related { _path title }");
    site.story("one", json!({ "slug": "one", "title": "One", "related": ["/content/dam/acme/stories/two"] }));
    site.story("two", json!({ "slug": "two", "title": "Two" }));
    site.file(
        "templates/base.html",
        "{% for s in query(name=\"stories\") %}{{ s.slug }}{% endfor %}{% block b %}{% endblock %}\n",
    );
    site.file(
        "templates/story.html",
        "{% extends \"base.html\" %}{% block b %}{% for o in item.related | default(value=[]) %}{{ url_for(path=o._path) }}{% endfor %}{% endblock %}\n",
    );
    site.file("templates/list.html", "{% for item in items %}{{ item.title }}{% endfor %}\n");
    site
}

#[test]
fn why_tells_what_a_page_was_made_from_and_why() {
    let site = linked();
    site.build();
    assert_told!(site.run(&["why", "/stories/one/"]));
    site.file("templates/base.html", "{% block b %}{% endblock %}!\n");
    site.build();
    let run = site.run(&["why", "out/stories/one/index.html"]);
    assert!(run.stdout.contains("template, route or settings changed"), "{run}");
    assert!(!run.stdout.contains("reads query"), "{run}");
    assert_eq!(site.run(&["why", "nothing.html"]).status, 2);
    let run = site.run(&["why", "sitemap.xml"]);
    assert!(run.stdout.contains("no page of a route"), "{run}");
}

/// Shown, held in a list, asked by a template, linked to: every way in which a fragment reaches a file.
#[test]
fn why_lists_every_file_that_a_fragment_reaches() {
    let site = linked();
    site.build();
    let run = site.run(&["why", "--fragment", "/content/dam/acme/stories/two"]);
    let expected = "all/index.html (holds it in its content)\nstories/one/index.html (holds it in its content)\nstories/two/index.html (shows it)\n";
    assert_eq!((run.status, run.stdout.as_str()), (0, expected), "{run}");
    let run = site.run(&["why", "--fragment", "/content/dam/acme/stories/on"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "the beginning of a path is another path: {run}");
}

#[test]
fn an_offline_build_asks_nobody_and_writes_the_same() {
    let server = Server::start(|_| stories(&json!([story("one"), story("two")])));
    let site = SiteDir::remote(&server.url, EACH);
    site.build();
    let (before, asked) = (tree_of(&site.path("out")), server.requests().len());
    std::fs::remove_dir_all(site.path("out")).unwrap();
    let run = site.run(&["build", "--offline"]);
    assert_eq!(run.status, 0, "{run}");
    assert_eq!((tree_of(&site.path("out")) == before, server.requests().len()), (true, asked), "{run}");
    // What was never asked is not among what was kept.
    site.query("stories", "slug title teaser");
    let run = site.run(&["build", "--offline"]);
    assert_eq!((run.status, run.count("E0521")), (1, 1), "{run}");
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn a_locked_build_takes_no_other_answer() {
    let site = SiteDir::stories();
    assert_eq!(site.run(&["build", "--locked"]).status, 0, "nothing to compare with");
    let run = site.run(&["build", "--locked"]);
    assert_eq!((run.status, run.count("E0522")), (0, 0), "{run}");
    let before = site.tree();
    site.story("two", json!({ "slug": "two", "title": "Other" }));
    let run = site.run(&["build", "--locked"]);
    assert_eq!((run.status, run.count("E0522")), (1, 1), "{run}");
    run.says("/items/1/title: another value").says("/content/dam/acme/stories/two");
    assert_eq!(site.tree(), before, "{run}");
    assert_eq!(
        site.run(&["build", "--locked", "--offline"]).status,
        2,
        "asking nobody and comparing exclude each other"
    );
    site.build();
    assert_eq!(site.run(&["build", "--locked"]).status, 0);
}

#[test]
#[cfg(unix)]
fn lock_runs_a_command_and_ends_as_it_does() {
    let site = SiteDir::stories();
    site.build();
    let run = site.run(&["lock", "--", "sh", "-c", "cat out/stories/one/index.html; exit 7"]);
    assert_eq!((run.status, run.stdout.as_str()), (7, "<h1>One</h1>\n"), "{run}");
    let held = site.run(&["lock", "--", env!("CARGO_BIN_EXE_aem-static"), "build"]);
    assert_eq!((held.status, held.count("E0604")), (2, 1), "{held}");
    assert_eq!(site.run(&["lock", "--", "no-such-program"]).status, 2);
}
