//! What changes is built, once, and what is broken is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{Preview, site};
use crate::server::{Server, stories, story};
use crate::site::SiteDir;

#[test]
fn every_input_of_the_site_is_watched() {
    let site = site();
    let preview = Preview::start(&site, &[]);
    let has = |text: &'static str| move |answer: &super::Answer| answer.text().contains(text);
    preview.until("/stories/one/", has("<h1>One</h1>"));
    site.file("templates/story.html", "<h2>{{ item.title }}</h2>\n");
    preview.until("/stories/one/", has("<h2>One</h2>"));
    // A folder that was not there, with a template that another includes.
    site.file("templates/parts/foot.html", "<i>foot</i>");
    site.file("templates/story.html", "<h2>{{ item.title }}</h2>{% include \"parts/foot.html\" %}\n");
    preview.until("/stories/one/", has("<i>foot</i>"));
    site.file("templates/parts/foot.html", "<i>feet</i>");
    preview.until("/stories/one/", has("<i>feet</i>"));
    site.query("stories", "slug title teaser");
    site.file("templates/story.html", "<h2>{{ item.title }} {{ item.teaser | default(value='none') }}</h2>\n");
    preview.until("/stories/one/", has("<h2>One none</h2>"));
    site.story("one", json!({ "slug": "one", "title": "One", "teaser": "teased" }));
    preview.until("/stories/one/", has("<h2>One teased</h2>"));
    site.story("three", json!({ "slug": "three", "title": "Three" }));
    preview.until("/stories/three/", |answer| answer.status == 200);
    site.remove("content/fragments/acme/stories/three.json");
    preview.until("/stories/three/", |answer| answer.status == 404);
    site.file("static/new.txt", "new");
    preview.until("/new.txt", |answer| answer.status == 200 && answer.text() == "new");
    site.file("static/new.txt", "newer");
    preview.until("/new.txt", |answer| answer.text() == "newer");
    site.file("templates/story.html", "<h2>{{ site.title }}</h2>\n");
    preview.until("/stories/one/", has("<h2>Stories</h2>"));
    site.file(".env", "AEM_STATIC_SITE_TITLE=Environment\n");
    preview.until("/stories/one/", has("<h2>Environment</h2>"));
    site.file(".env", "");
    site.file("aem-static.toml", site.read("aem-static.toml").replace("title = \"Stories\"", "title = \"Tales\""));
    preview.until("/stories/one/", has("<h2>Tales</h2>"));
    // As editors save: beside it, then moved over it; and a whole folder exchanged for another.
    site.file("templates/.story.html.swp", "<h2>moved</h2>\n");
    std::fs::rename(site.path("templates/.story.html.swp"), site.path("templates/story.html")).unwrap();
    preview.until("/stories/one/", has("<h2>moved</h2>"));
    for (path, bytes) in crate::site::tree_of(&site.path("templates")) {
        site.file(&format!("next/{path}"), bytes);
    }
    std::fs::rename(site.path("templates"), site.path("old")).unwrap();
    std::fs::rename(site.path("next"), site.path("templates")).unwrap();
    site.file("templates/story.html", "<h2>another folder</h2>\n");
    preview.until("/stories/one/", has("<h2>another folder</h2>"));
}

#[test]
fn a_burst_of_edits_is_one_build_of_the_last_state() {
    let site = site();
    let preview = Preview::start(&site, &[]);
    preview.says("built");
    for number in 1..=100 {
        site.file("templates/story.html", format!("<h1>{number}</h1>\n"));
    }
    preview.until("/stories/one/", |answer| answer.text().contains("<h1>100</h1>"));
    preview.until("/_aem-static/", |answer| super::builds_of(answer) > 1);
    // The first, and one; another if the machine stood still in the midst of the edits.
    assert!((2..=4).contains(&preview.builds()), "{} builds", preview.builds());
}

/// A file exchanged in one step, so that it is one change however busy the machine is.
fn exchange(site: &SiteDir, path: &str, bytes: &str) {
    site.file("next", bytes);
    std::fs::rename(site.path("next"), site.path(path)).unwrap();
}

/// Of each change it is counted how many pages were rendered, and in the end all is as a clean build makes it.
#[test]
fn what_does_not_depend_on_a_change_is_not_rendered() {
    let site = site();
    for number in 1..=30 {
        let slug = format!("tale-{number}");
        site.story(&slug, json!({ "slug": slug, "title": format!("Tale {number}") }));
    }
    site.file("templates/foot.html", "<i>foot</i>");
    site.file("templates/404.html", "<body><p>not here</p>{% include \"foot.html\" %}</body>\n");
    let preview = Preview::start(&site, &[]);
    preview.says("built");
    let story = "<link rel=\"stylesheet\" href=\"{{ static_url(file='a.css') }}\"><h2>{{ item.title }}</h2>\n";
    let path = "content/fragments/acme/stories/one.json";
    let another = site.read(path).replace("\"One\"", "\"Another\"");
    // A story has a page of its own and stands in the list of all; stories read the stylesheet, nothing renders an image.
    let changes: [(&str, String, &str); 8] = [
        (
            "templates/404.html",
            "<body>{% include \"foot.html\" %}</body>\n".to_owned(),
            "1 rendered, 0 created, 1 updated",
        ),
        ("templates/foot.html", "<i>feet</i>".to_owned(), "1 rendered, 0 created, 1 updated"),
        ("templates/story.html", story.to_owned(), "32 rendered, 0 created, 32 updated"),
        (path, another, "2 rendered, 0 created, 2 updated"),
        ("static/a.css", "h1 { color: red }\n".to_owned(), "32 rendered, 0 created, 32 updated"),
        ("static/dot.gif", "GIF89a-and-other".to_owned(), "0 rendered, 0 created, 0 updated"),
        ("templates/unused.html", "<p>nobody's</p>".to_owned(), "0 rendered, 0 created, 0 updated"),
        ("templates/foot.html", "<i>feet</i>".to_owned(), "0 rendered, 0 created, 0 updated"),
    ];
    for (file, bytes, outcome) in &changes {
        exchange(&site, file, bytes);
        let cause = if file.starts_with("content/") { "content changed: " } else { file };
        let said = preview.says(cause);
        let line = said.last().unwrap();
        assert!(line.contains(outcome), "{file}: {line}");
    }
    preview.until_builds(1 + changes.len());
    site.build();
    let of = |folder: &str| {
        let mut tree = crate::site::tree_of(&site.path(folder));
        tree.remove(".aem-static");
        tree
    };
    let made = of(".aem-static/preview/out");
    assert!(made.len() > 35);
    assert!(made == of("out"), "a clean build makes other bytes");
}

#[test]
fn what_the_build_itself_writes_is_no_change() {
    let site = site();
    let preview = Preview::start(&site, &[]);
    preview.says("built");
    site.build();
    site.file("README.md", "not of the site");
    site.file("templates/.hidden.html.swp", "an editor's");
    site.file("templates/story.html", "<h1>changed</h1>\n");
    preview.until("/stories/one/", |answer| answer.text().contains("<h1>changed</h1>"));
    preview.until_builds(2);
}

#[test]
fn a_broken_build_is_shown_in_the_page_until_it_is_mended() {
    let site = site();
    let preview = Preview::start(&site, &["--editor", "edit://open?file={path}&line={line}&column={column}"]);
    preview.says("built");
    site.file("templates/story.html", "<h1>one\n<p>{{ item.titel }}</p>\n");
    site.file("templates/home.html", "{% for item in items %}{{ item.teaser }}{% endfor %}\n");
    let page = preview.until("/stories/one/", |answer| answer.status == 500 && answer.text().contains("2 errors"));
    let text = page.text();
    for part in [
        "E0302",
        "template reads <code>titel</code>, query <code>stories</code> does not select it",
        "<mark>titel</mark>",
        "did you mean <code>title</code>?",
        "/content/dam/acme/stories/one",
        "templates/home.html:1:",
        "href=\"/stories/one/?_aem-static=last-good\"",
        "/templates/story.html&amp;line=2&amp;column=12\">templates/story.html:2:12</a>",
    ] {
        assert!(text.contains(part), "the error page lacks {part}: {text}");
    }
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    // Pages there are not, too; but no stylesheet, and no part of a page.
    assert_eq!(preview.get("/nowhere/").status, 500);
    assert_eq!(preview.get("/a.css").status, 200);
    assert_eq!(preview.send("GET", "/stories/one/", &[("Sec-Fetch-Dest", "empty")]).status, 200);
    let good = preview.get("/stories/one/?_aem-static=last-good");
    assert_eq!(good.status, 200);
    assert!(good.text().contains("<h1>One</h1>") && good.text().contains("data-last-good"), "{}", good.text());
    // From there to the next one.
    let from = format!("{}/stories/one/?_aem-static=last-good", preview.url);
    let next = preview.send("GET", "/stories/two/?a=b", &[("Referer", &from)]);
    assert_eq!((next.status, next.header("location")), (307, Some("/stories/two/?a=b&_aem-static=last-good")));
    let from = "http://evil.example/?_aem-static=last-good";
    assert_eq!(preview.send("GET", "/stories/two/", &[("Referer", from)]).status, 500);
    site.file("templates/home.html", "<body>{{ page.url }}</body>\n");
    preview.until("/", |answer| answer.status == 500 && answer.text().contains("1 error"));
    site.file("templates/story.html", "<h1>mended</h1>\n");
    preview.until("/stories/one/", |answer| answer.status == 200 && answer.text().contains("<h1>mended</h1>"));
    assert!(!preview.get("/stories/one/?_aem-static=last-good").text().contains("data-last-good"));
}

#[test]
fn every_stage_that_can_fail_is_shown_and_none_ends_the_server() {
    let site = site();
    let config = site.read("aem-static.toml");
    site.file("aem-static.toml", "[site\n");
    let preview = Preview::start(&site, &[]);
    let fails = |text: &str| {
        let page = preview.until("/", |answer| answer.status == 500 && answer.text().contains(text));
        assert!(!page.text().contains("_aem-static=last-good") || text != "E0101");
    };
    fails("E0101");
    site.file("aem-static.toml", &config);
    preview.until("/", |answer| answer.status == 200);
    site.file(".env", "AEM_TOKEN=sec ret\nnot a line");
    fails("E0106");
    assert!(!preview.get("/").text().contains("sec ret"), "a secret is shown");
    site.remove(".env");
    preview.until("/", |answer| answer.status == 200);
    site.file("content-queries/stories.graphql", "{ storyList { items { _path slug titel } } }\n");
    fails("titel");
    site.query("stories", "slug title");
    preview.until("/", |answer| answer.status == 200);
    site.file("content/fragments/acme/stories/one.json", "{ \"model\": ");
    fails("E0701");
    site.story("one", json!({ "slug": "../x", "title": "One" }));
    fails("E0404");
    site.story("one", json!({ "slug": "one", "title": "Mended" }));
    preview.until("/stories/one/", |answer| answer.status == 200 && answer.text().contains("Mended"));
}

#[test]
fn dump_shows_the_context_here_and_nowhere_else() {
    let site = site();
    site.story("one", json!({ "slug": "one", "title": "<script>alert(1)</script>" }));
    site.file("templates/story.html", "<body>{{ dump() }}</body>\n");
    let preview = Preview::start(&site, &[]);
    let text = preview.get("/stories/one/").text();
    assert!(text.contains("<pre>{") && text.contains("&quot;slug&quot;: &quot;one&quot;"), "{text}");
    assert!(text.contains("&quot;route&quot;: &quot;story&quot;") && !text.contains("<script>alert"), "{text}");
    let run = site.run(&["build"]);
    assert_eq!(run.status, 1, "{run}");
    run.says("`dump()` shows the context in preview");
    // In a list, where a template that reads no field has none in memory.
    site.file("templates/home.html", "<body>{{ dump() }}</body>\n");
    preview.until("/", |answer| answer.text().contains("&quot;slug&quot;: &quot;two&quot;"));
    // Nor is a page kept that a preview put into out/.
    drop(preview);
    let preview = Preview::start(&site, &["--write"]);
    preview.says("built");
    drop(preview);
    assert!(site.read("out/stories/one/index.html").contains("<pre>"));
    let run = site.run(&["build"]);
    assert_eq!(run.status, 1, "{run}");
}

/// A template says nothing of the content: AEM is asked by the clock, not by every change.
#[test]
fn templates_are_built_without_asking_aem() {
    let server = Server::start(|_| stories(&json!([story("one")])));
    let site = SiteDir::remote(&server.url, crate::site::EACH);
    let preview = Preview::start(&site, &["--poll", "60m"]);
    preview.says("built");
    let asked = server.requests().len();
    exchange(&site, "templates/story.html", "<h2>{{ item.title }}</h2>\n");
    preview.until("/stories/one/", |answer| answer.text().contains("<h2>ONE</h2>"));
    exchange(&site, "templates/story.html", "<h2>{{ item.titel }}</h2>\n");
    preview.until("/stories/one/", |answer| answer.status == 500);
    exchange(&site, "templates/story.html", "<h3>{{ item.title }}</h3>\n");
    preview.until("/stories/one/", |answer| answer.text().contains("<h3>ONE</h3>"));
    assert_eq!(server.requests().len(), asked, "AEM was asked");
    // What was never answered is asked, and so is everything where settings may lead elsewhere.
    exchange(&site, "content-queries/stories.graphql", "query {\n  storyList { items { _path slug title } }\n}\n");
    preview.until_builds(5);
    assert_eq!(server.requests().len(), asked + 1);
    exchange(&site, ".env", "AEM_STATIC_SITE_TITLE=Other\n");
    preview.until_builds(6);
    assert!(server.requests().len() > asked + 1, "AEM was not asked");
    drop(preview);
    // Where nobody asks by the clock, every build does.
    let preview = Preview::start(&site, &["--poll", "never"]);
    preview.says("built");
    let asked = server.requests().len();
    exchange(&site, "templates/story.html", "<h4>{{ item.title }}</h4>\n");
    preview.until("/stories/one/", |answer| answer.text().contains("<h4>ONE</h4>"));
    assert!(server.requests().len() > asked, "AEM was not asked");
}

/// What is kept is that of the last build that succeeded: content that came after it is asked for again.
#[test]
fn content_that_changed_while_a_template_was_broken_is_not_forgotten() {
    let site = site();
    let preview = Preview::start(&site, &[]);
    preview.says("built");
    exchange(&site, "templates/story.html", "<h1>{{ item.titel }}</h1>\n");
    preview.until_builds(2);
    site.story("one", json!({ "slug": "one", "title": "Since" }));
    preview.until_builds(3);
    exchange(&site, "templates/story.html", "<h1>{{ item.title }} mended</h1>\n");
    preview.until("/stories/one/", |answer| answer.status == 200 && answer.text().contains("Since mended"));
}

/// AEM does not say when something changes; it is asked, and what is as it was is no news.
#[test]
fn aem_is_asked_for_changes() {
    let title = Arc::new(AtomicUsize::new(0));
    let now = title.clone();
    let server = Server::start(move |_| {
        let mut one = story("one");
        one["title"] = Value::from(format!("edition {}", now.load(Ordering::SeqCst)));
        stories(&json!([one]))
    });
    let site = SiteDir::remote(&server.url, crate::site::EACH);
    let preview = Preview::start(&site, &["--poll", "100ms"]);
    preview.until("/stories/one/", |answer| answer.text().contains("edition 0"));
    server.wait_for(4);
    assert_eq!(preview.builds(), 1, "nothing had changed");
    title.store(1, Ordering::SeqCst);
    preview.until("/stories/one/", |answer| answer.text().contains("edition 1"));
    preview.until_builds(2);
    assert!(preview.get("/_aem-static/").text().contains("AEM was asked"));
}
