//! The inspector says of every page what it was made of, and content cannot speak in its place.

use serde_json::json;

use super::{Preview, site};

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
        "created by build 1: start",
        "content-queries/stories.graphql",
        "templates/story.html",
        "templates/base.html",
        "templates/parts/badge.html",
        "<dt>last rendered</dt><dd>new, in ",
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
    let page = preview.get("/_aem-static/page?path=/stories/one/").text();
    assert!(page.contains("updated by build 2: templates/story.html changed"), "{page}");
    assert!(page.contains("<dt>last rendered</dt><dd>template, route or settings changed, in "), "{page}");
    // Of a page that was kept, what is known stays known.
    let home = preview.get("/_aem-static/page?path=%2F").text();
    for part in ["created by build 1: start", "<dd>new, in ", "links to", "/content/dam/acme/stories/two"] {
        assert!(home.contains(part), "{part}: {home}");
    }
    for path in ["/_aem-static/route?route=99", "/_aem-static/page?path=/no/", "/_aem-static/no/such"] {
        assert_eq!(preview.get(path).status, 404, "{path}");
    }
    assert_eq!(preview.get("/_aem-static/route?route=x").status, 400);
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
