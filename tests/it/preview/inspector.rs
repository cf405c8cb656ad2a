//! The inspector says of every page what it was made of, and content cannot speak in its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{Preview, site};
use crate::server::{Server, stories, story};
use crate::site::SiteDir;

#[test]
fn routes_pages_and_what_they_were_made_of() {
    let site = site();
    site.query("stories", "slug title author { _path name }");
    site.fragment("authors/ann", "author", json!({ "slug": "ann", "name": "Ann" }));
    site.story("one", json!({ "slug": "one", "title": "One", "author": "/content/dam/acme/authors/ann" }));
    site.file("templates/base.html", "<body>{% block main %}{% endblock %}</body>");
    site.file("templates/story.html", "{% extends \"base.html\" %}{% block main %}{{ <Badge /> }}<h1>{{ item.title }}</h1><a href=\"/\">home</a> <a href=\"/nowhere/\">?</a>{% endblock %}");
    site.file("templates/parts/badge.html", "{% component Badge() %}<b>badge</b>{% endcomponent Badge %}");
    let preview = Preview::start(&site, &[]);
    let overview = preview.get("/_aem-static/");
    assert_eq!(overview.header("content-type"), Some("text/html; charset=utf-8"));
    for part in ["<code>/stories/{{ slug }}/</code>", ">2</td>", "page?path=%2Fstories%2Fone%2F", "fetch", "render"] {
        assert!(overview.text().contains(part), "{part}: {}", overview.text());
    }
    let route = preview.get("/_aem-static/route?route=0").text();
    assert!(route.contains("content-queries/stories.graphql") && route.contains(">/stories/two/</a>"), "{route}");
    let page = preview.get("/_aem-static/page?path=%2Fstories%2Fone%2F").text();
    for part in [
        "stories/one/index.html",
        "content-queries/stories.graphql",
        "templates/story.html",
        "templates/base.html",
        "templates/parts/badge.html",
        "<dt>last rendered</dt><dd>new, by build 1: start; in ",
        "/content/dam/acme/stories/one",
        "/content/dam/acme/authors/ann",
        "&quot;title&quot;: &quot;One&quot;",
        "Links in <small>1</small>",
        "Links out <small>1</small>",
        "Links that lead nowhere",
        "/nowhere/",
        "Time per stage",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let home = preview.get("/_aem-static/page?path=%2F").text();
    assert!(home.contains("/content/dam/acme/stories/two") && home.contains("Links in <small>2</small>"), "{home}");
    // By a fragment: who shows it, who holds it, who asks for its page.
    let story = preview.get("/_aem-static/search?q=%2Fcontent%2Fdam%2Facme%2Fstories%2Ftwo").text();
    assert!(
        story.contains("Show it <small>2</small>") && story.contains("Ask for its page <small>1</small>"),
        "{story}"
    );
    let author = preview.get("/_aem-static/search?q=/content/dam/acme/authors/ann").text();
    assert!(author.contains("Hold it in their content <small>2</small>") && !author.contains("Show it"), "{author}");
    assert!(preview.get("/_aem-static/search?q=nonsense").text().contains("No page shows it"));
    // Why it was written again.
    site.file("templates/story.html", "<h1>{{ item.title }}!</h1>");
    preview.until("/stories/one/", |answer| answer.text().contains("One!"));
    preview.until_builds(2);
    let page = preview.get("/_aem-static/page?path=/stories/one/").text();
    let why =
        "<dt>last rendered</dt><dd>template, route or settings changed, by build 2: templates/story.html changed; in ";
    assert!(page.contains(why), "{page}");
    // Of a page that was kept, what is known stays known.
    let home = preview.get("/_aem-static/page?path=%2F").text();
    for part in ["<dd>new, by build 1: start; in ", "links to", "/content/dam/acme/stories/two"] {
        assert!(home.contains(part), "{part}: {home}");
    }
    for path in ["/_aem-static/route?route=99", "/_aem-static/page?path=/no/", "/_aem-static/no/such"] {
        assert_eq!(preview.get(path).status, 404, "{path}");
    }
    assert_eq!(preview.get("/_aem-static/route?route=x").status, 400);
}

/// The reason is the one that is recorded: `why` says the same, and a preview that is started anew still knows it.
#[test]
fn the_reason_of_the_last_render_is_that_of_why() {
    let site = site();
    let shown = |preview: &Preview, path: &str, part: &str| {
        let page = preview.get(&format!("/_aem-static/page?path={path}")).text();
        assert!(page.contains(&format!("<dt>last rendered</dt><dd>{part}")), "{part}: {page}");
    };
    let preview = Preview::start(&site, &["--write"]);
    preview.says("built");
    site.story("one", json!({ "slug": "one", "title": "Another" }));
    preview.until("/stories/one/", |answer| answer.text().contains("Another"));
    preview.until_builds(2);
    shown(&preview, "/stories/one/", "content changed, by build 2: content changed; in ");
    shown(&preview, "/stories/two/", "new, by build 1: start; in ");
    drop(preview);
    for (file, reason) in [("stories/one/index.html", "(content changed)"), ("stories/two/index.html", "(new)")] {
        let told = site.run(&["why", file]);
        assert!(told.stdout.contains(reason), "{told}");
    }
    let preview = Preview::start(&site, &["--write"]);
    preview.says("built");
    shown(&preview, "/stories/one/", "content changed, before this preview was started</dd>");
    shown(&preview, "/stories/two/", "new, before this preview was started</dd>");
}

/// AEM's answer differs, and no page does: the inspector shows the answer that there is now.
#[test]
fn an_answer_that_changes_no_page_is_shown() {
    let count = Arc::new(AtomicUsize::new(0));
    let now = count.clone();
    let server = Server::start(move |_| {
        let mut all = vec![story("one")];
        all.splice(0..0, (0..now.load(Ordering::SeqCst)).map(|_| story("hidden")));
        stories(&Value::from(all))
    });
    let routes = crate::site::EACH.replace("each =", "where = \"slug != 'hidden'\"\neach =");
    let site = SiteDir::remote(&server.url, &routes);
    let preview = Preview::start(&site, &["--poll", "100ms"]);
    let response = |answer: &super::Answer| answer.text().contains("&quot;slug&quot;: &quot;one&quot;");
    assert!(response(&preview.get("/_aem-static/page?path=/stories/one/")));
    count.store(1, Ordering::SeqCst);
    server.wait_for(server.requests().len() + 4);
    preview.until("/_aem-static/page?path=/stories/one/", response);
    assert_eq!(preview.builds(), 1, "no page changed");
}

/// Not only whose content holds a fragment: also whose template asks for it.
#[test]
fn a_fragment_is_found_in_what_templates_ask() {
    let site = site();
    site.file(
        "templates/404.html",
        "<body>{% for story in query(name='stories') %}{{ story.title }}{% endfor %}</body>\n",
    );
    let preview = Preview::start(&site, &[]);
    let asked = "Ask a query that holds it <small>1</small>";
    let search = "/_aem-static/search?q=/content/dam/acme/stories/two";
    let found = preview.get(search).text();
    assert!(found.contains(asked) && found.contains("page?path=%2F404%2Ehtml"), "{found}");
    // Also of a page that was kept.
    site.file("templates/story.html", "<h1>{{ item.title }}!</h1>");
    preview.until("/stories/one/", |answer| answer.text().contains("One!"));
    preview.until_builds(2);
    assert!(preview.get(search).text().contains(asked));
}

#[test]
fn hostile_content_stays_text() {
    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}";
    let site = site();
    site.story("one", json!({ "slug": "one", "title": HOSTILE }));
    site.config(
        "locales = []\n[site.params]\nx = 1",
        "tier = \"local\"",
        &format!("{}\n[[route]]\nname = \"<b>bold</b>\"\npage = \"/b/\"\ntemplate = \"404.html\"\n", crate::site::EACH),
    );
    let preview = Preview::start(&site, &[]);
    for path in [
        "/_aem-static/",
        "/_aem-static/page?path=/stories/one/",
        "/_aem-static/page?path=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/_aem-static/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/_aem-static/route?route=1",
    ] {
        let answer = preview.get(path);
        let text = answer.text();
        for markup in ["<script>alert", "<img", "<b>bold", "\u{202e}"] {
            assert!(!text.contains(markup), "{path}: {markup} in {text}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
    assert!(preview.get("/_aem-static/page?path=/stories/one/").text().contains("\\u{202e}"));
    // Nor in the error page, in messages and excerpts.
    site.file("templates/story.html", "<img src=x onerror=alert(3)>{{ item.title.nothing }}\n");
    let page = preview.until("/stories/one/", |answer| answer.status == 500).text();
    assert!(!page.contains("<img") && page.contains("&lt;img src=x"), "{page}");
}
