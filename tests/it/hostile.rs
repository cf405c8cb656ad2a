//! Content, answers and templates that mean harm: nothing outside out/ is touched, nothing panics (issue 2, "Bad input").

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::server::{Server, say, stories, story};
use crate::site::{EACH, SiteDir};

/// A built site with a further story of this slug.
fn slugged(slug: &str) -> SiteDir {
    let site = SiteDir::stories();
    site.build();
    site.story("odd", json!({ "slug": slug, "title": "Odd" }));
    site
}

#[test]
fn slugs_that_are_refused() {
    let long = "x".repeat(300);
    let refused = [
        "../../etc/x",
        "/abs",
        "",
        " ",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a%2fb",
        "a%2Fb",
        "a?b",
        "a#b",
        "a\u{0}b",
        "a\nb",
        "a\u{7f}b",
        long.as_str(),
    ];
    for slug in refused {
        let site = slugged(slug);
        let run = site.run(&["build"]);
        assert_eq!((run.status, site.files().len()), (1, 3), "{slug:?}: {run}");
        assert!(run.count("E0404") + run.count("E0405") == 1, "{slug:?}: {run}");
        run.says("/content/dam/acme/stories/odd");
        assert!(!run.stderr.contains(['\u{0}', '\u{7f}']), "{slug:?} reaches the terminal as it is");
    }
}

#[test]
fn slugs_that_are_kept() {
    for slug in [
        "日本語",
        "عربى",
        "🏔️",
        "a b",
        "a'b\"c",
        "<b>",
        "{{ title }}",
        "-rf",
        "~",
        "a:b",
        "&amp;",
        "e\u{301}",
        "\u{202e}txt",
    ] {
        let site = slugged(slug);
        let run = site.build();
        let files = site.files();
        assert_eq!(files.len(), 4, "{slug:?}: {files:?} {run}");
        assert_eq!(site.beside().len(), 1);
        let sitemap = site.out("sitemap.xml");
        assert!(!sitemap.contains("<b>") && sitemap.is_ascii(), "{sitemap}");
    }
}

/// A name that Windows cannot hold is the same on every machine: refused, or kept, but never half.
#[test]
fn device_names_do_no_harm() {
    for slug in ["CON", "nul", "aux.txt"] {
        let site = slugged(slug);
        let run = site.run(&["build"]);
        assert!(!run.stderr.contains("panicked") && [0, 1].contains(&run.status), "{run}");
        assert_eq!(site.files().len(), if run.status == 0 { 4 } else { 3 });
    }
}

#[test]
fn titles_cannot_forge_lines_of_the_terminal() {
    let site = SiteDir::stories();
    site.story("odd", json!({ "slug": "x\u{1b}[2J\nerror[E0000]: forged", "title": "Odd" }));
    let run = site.fails(1);
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains("\nerror[E0000]"), "{run}");
}

#[test]
fn links_out_of_the_site_are_not_followed() {
    #[cfg(unix)]
    {
        let site = SiteDir::stories();
        site.build();
        let outside = site.path("").parent().unwrap().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("index.html"), "not yours").unwrap();
        std::os::unix::fs::symlink(&outside, site.path("out/stories/three")).unwrap();
        site.story("three", json!({ "slug": "three", "title": "Three" }));
        let run = site.run(&["build"]);
        assert!(!run.stderr.contains("panicked"), "{run}");
        assert_eq!(std::fs::read_to_string(outside.join("index.html")).unwrap(), "not yours", "{run}");
    }
}

#[test]
fn a_field_of_thirty_megabytes() {
    let big = "x".repeat(30 << 20);
    let server = Server::start(move |_| {
        stories(&json!([{ "_path": "/content/dam/acme/stories/big", "slug": "big", "title": big }]))
    });
    let site = SiteDir::remote(&server.url, EACH);
    site.build();
    assert_eq!(site.out("stories/big/index.html").len(), (30 << 20) + "<h1></h1>\n".len());
    // The same in a path is refused, and told in a few lines.
    site.config(
        "",
        &format!("tier = \"publish\"\n[aem.hosts]\npublish = \"{}\"", server.url),
        &EACH.replace("slug", "title"),
    );
    let run = site.fails(1);
    assert!(run.stderr.len() < 4000, "{} bytes are told", run.stderr.len());
}

fn answering(body: String) -> SiteDir {
    let server = Server::start(move |_| say("200 OK", "content-type: application/json\r\n", body.clone()));
    SiteDir::remote(&server.url, EACH)
}

#[test]
fn json_nested_ten_thousand_deep() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let item = format!(r#"{{"_path":"/content/dam/acme/x","slug":"x","title":{deep}}}"#);
    let bodies = [
        format!(r#"{{"data":{{"storyList":{{"items":[{item}]}}}}}}"#),
        format!(r#"{{"data":{{"storyList":{{"items":[]}}}},"errors":{deep}}}"#),
        format!(r#"{{"data":{{"storyList":{deep}}}}}"#),
        deep,
    ];
    for body in bodies {
        let run = answering(body).run(&["build"]);
        assert!([1, 3].contains(&run.status) && run.stderr.contains("error[E05"), "{run}");
        assert!(!run.stderr.contains("panicked") && run.stderr.len() < 4000, "{run}");
    }
}

#[test]
fn answers_that_are_no_answers() {
    let bodies = [
        "",
        " ",
        "null",
        "[]",
        "\u{feff}{}",
        "{\"data\":null}",
        "{\"data\":[]}",
        "{\"data\":{\"storyList\":null}}",
        "{\"data\":{\"storyList\":{\"items\":{}}}}",
        "{\"data\":{\"storyList\":{\"items\":[1,\"x\"]}}}",
        "{\"data\":{\"storyList\":{\"items\":[{}]}}}",
        "{\"data\":{\"storyList\":{\"items\":[{\"_path\":7,\"slug\":\"x\",\"title\":\"\"}]}}}",
        "{\"data\":{}}garbage",
    ];
    std::thread::scope(|scope| {
        for body in bodies {
            scope.spawn(move || {
                let run = answering(body.to_owned()).run(&["build"]);
                assert!([1, 3].contains(&run.status), "{body}: {run}");
                assert!(run.stderr.contains("error[E") && !run.stderr.contains("panicked"), "{body}: {run}");
            });
        }
    });
}

#[test]
fn nul_bytes_and_lone_surrogates() {
    for title in ["a\\u0000b", "\\ud800", "\\udfff\\ud800"] {
        let item = format!(r#"{{"_path":"/content/dam/acme/x","slug":"x","title":"{title}"}}"#);
        let run = answering(format!(r#"{{"data":{{"storyList":{{"items":[{item}]}}}}}}"#)).run(&["build"]);
        assert!([0, 1, 3].contains(&run.status) && !run.stderr.contains("panicked"), "{title}: {run}");
    }
}

#[test]
fn rich_text_nested_five_thousand_deep() {
    let (open, close) = (r#"{"nodeType":"paragraph","content":["#, "]}");
    let json = format!("[{}{{\"nodeType\":\"text\",\"value\":\"deep\"}}{}]", open.repeat(5_000), close.repeat(5_000));
    let html = format!("{}deep{}", "<div>".repeat(5_000), "</div>".repeat(5_000));
    let bodies = [format!(r#"{{"json":{json}}}"#), json!({ "html": html }).to_string()];
    for body in bodies {
        let item = format!(r#"{{"_path":"/content/dam/acme/x","slug":"x","title":"","body":{body}}}"#);
        let site = answering(format!(r#"{{"data":{{"storyList":{{"items":[{item}]}}}}}}"#));
        site.query("stories", "slug title body { json html }");
        site.file("templates/story.html", "{{ item.body | rich_text | safe }}");
        let run = site.run(&["build"]);
        assert!([0, 1, 3].contains(&run.status) && !run.stderr.contains("panicked"), "{run}");
        assert!(run.status != 0 || site.out("stories/x/index.html").contains("deep"));
    }
}

#[test]
fn references_in_a_circle() {
    let site = SiteDir::stories();
    let path = |name: &str| format!("/content/dam/acme/stories/{name}");
    site.query("stories", "slug title related { _path title related { _path title related { _path title } } }");
    site.story("one", json!({ "slug": "one", "title": "One", "related": [path("two"), path("one")] }));
    site.story("two", json!({ "slug": "two", "title": "Two", "related": [path("one")] }));
    site.file(
        "templates/story.html",
        "{% for other in item.related %}{{ other?.title | default(value=\"-\") }} {% endfor %}",
    );
    site.build();
    assert_eq!(site.out("stories/two/index.html"), "One ");
    assert!(site.out("stories/one/index.html").starts_with("Two "));
}

#[test]
fn templates_that_never_end() {
    for (name, template) in [
        ("include", "{% include \"story.html\" %}"),
        ("extends", "{% extends \"story.html\" %}"),
        ("component", "{% component loop(n) %}{{ <loop n={n} /> }}{% endcomponent loop %}{{ <loop n={1} /> }}"),
    ] {
        let site = SiteDir::stories();
        site.file("templates/story.html", template);
        let run = site.run(&["build"]);
        assert_eq!(run.status, 1, "{name}: {run}");
        assert!(!run.stderr.contains("panicked") && run.stderr.contains("error[E03"), "{name}: {run}");
    }
}

#[test]
fn includes_five_hundred_deep() {
    let site = SiteDir::stories();
    for level in 0..500 {
        site.file(&format!("templates/l{level}.html"), format!("{{% include \"l{}.html\" %}}", level + 1));
    }
    site.file("templates/l500.html", "bottom");
    site.file("templates/story.html", "{% include \"l0.html\" %}");
    let run = site.run(&["build"]);
    assert!([0, 1].contains(&run.status) && !run.stderr.contains("panicked"), "{run}");
    assert!(run.status != 0 || site.out("stories/one/index.html").contains("bottom"));
}

#[test]
fn expressions_nested_deep() {
    let site = SiteDir::stories();
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    site.file("templates/story.html", format!("{{{{ {deep} }}}}"));
    let run = site.run(&["build"]);
    assert!([0, 1].contains(&run.status) && !run.stderr.contains("panicked"), "{run}");
    let site = SiteDir::stories();
    site.file("content-queries/stories.graphql", format!("{}x{}", "{ a".repeat(5_000), "}".repeat(5_000)));
    site.fails(1).says("[E0202]");
}

#[test]
fn files_that_are_not_text() {
    let site = SiteDir::stories();
    site.file("templates/bad.html", [0xff, 0xfe, 0x00]);
    site.file("content-queries/bad.graphql", [0xff, 0xfe]);
    let run = site.fails(2);
    run.says("templates/bad.html").says("content-queries/bad.graphql");
    site.file("aem-static.toml", [0xff, 0xfe]);
    site.fails(2);
}

fn slug() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "..",
        "/",
        "\\",
        "%2e%2e",
        "a",
        "B",
        "ß",
        "é",
        "\u{301}",
        "🏔",
        " ",
        ".",
        "\u{0}",
        "\n",
        "?",
        "#",
        "{{",
        "}}",
        "{%",
        "<",
        "&",
        "'",
        "\"",
        "\u{200f}",
        "CON",
        "~",
        "-",
        "https://x/",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(pieces, 0..6).prop_map(|parts| parts.concat())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, max_shrink_iters: 20, ..ProptestConfig::default() })]

    /// Whatever slug and title, a build either makes one page more or leaves everything as it was.
    #[test]
    fn whatever_slug_and_title(slug in slug(), title in any::<String>()) {
        let items = Value::Array(vec![story("one"), json!({ "_path": "/content/dam/acme/stories/odd", "slug": slug, "title": title })]);
        let server = Server::start(move |_| stories(&items));
        let site = SiteDir::remote(&server.url, EACH);
        let run = site.run(&["build"]);
        prop_assert!(!run.stderr.contains("panicked"), "{}", run);
        prop_assert_eq!(site.beside().len(), 1);
        match run.status {
            0 => prop_assert_eq!(site.files().len(), 3),
            1 => {
                prop_assert!(!site.path("out").exists());
                prop_assert!(run.stderr.contains("error[E04"), "{}", run);
            }
            other => prop_assert!(false, "status {}: {}", other, run),
        }
        for path in site.files() {
            let known = path == "sitemap.xml" || path == "stories/one/index.html";
            prop_assert!(known || (path.starts_with("stories/") && path.matches('/').count() == 2), "{}", path);
        }
    }
}
