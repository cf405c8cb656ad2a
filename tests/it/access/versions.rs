//! The text that AEM runs (design §6), and queries that it does not have.

use aem_static::origin::{Options, Tier};

use crate::doctor::{Aem, point};
use crate::site::SiteDir;

/// A site, and an AEM whose persisted query `stories` has the text of another file.
fn other_text(tier: &str, text: &str, options: Options) -> (SiteDir, Aem) {
    other_text_on(SiteDir::stories(), tier, text, options)
}

fn other_text_on(site: SiteDir, tier: &str, text: &str, options: Options) -> (SiteDir, Aem) {
    site.file("elsewhere/stories.graphql", text);
    let aem = Aem::start(Options {
        content: site.path("content"),
        queries: Some(site.path("elsewhere")),
        configuration: "acme".to_owned(),
        ..options
    });
    point(&site, tier, aem.url(), "queries = \"persisted\"");
    (site, aem)
}

const MORE: &str = "{ storyList(sort: \"slug ASC\") { items { _path slug title rank } } }\n";
const LESS: &str = "{ storyList(sort: \"slug ASC\") { items { _path slug } } }\n";
const SORTED: &str = "{ storyList(sort: \"slug DESC\") { items { _path slug title } } }\n";

#[test]
fn an_answer_of_another_shape_is_an_error() {
    let mut told = String::new();
    for (what, text) in [("a field more", MORE), ("a field less", LESS)] {
        let (site, _aem) = other_text("publish", text, Options { tier: Tier::Publish, ..Options::default() });
        let run = site.fails(1);
        run.says("AEM runs another text of `stories`").says("queries diff").says("queries push");
        told.push_str(&format!("==== {what}\n{run}\n"));
    }
    assert_told!(told);
}

/// The keys of an answer do not tell everything; a list of persisted queries does, where AEM gives one.
#[test]
fn another_text_of_the_same_shape_is_a_warning_and_an_error_when_locked() {
    let (site, _aem) = other_text("author", SORTED, Options::default());
    let locked = site.run(&["build", "--locked"]);
    assert_eq!((locked.status, locked.count("E0518")), (1, 1), "{locked}");
    assert!(site.files().is_empty(), "{locked}");
    let warned = site.build();
    assert_eq!(warned.count("E0518"), 1, "{warned}");
    assert_told!(format!("==== build --locked\n{locked}\n==== build\n{warned}"));
    // Pushed, both are content.
    let pushed = site.run(&["queries", "push", "--yes"]);
    assert_eq!(pushed.status, 0, "{pushed}");
    site.build();
    let run = site.run(&["build", "--locked"]);
    assert_eq!((run.status, run.count("E0518")), (0, 0), "{run}");
}

#[test]
fn auto_falls_back_and_says_so() {
    for (allow_post, status) in [(true, 0), (false, 3)] {
        let site = SiteDir::stories();
        let aem = Aem::start(Options {
            content: site.path("content"),
            configuration: "acme".to_owned(),
            tier: Tier::Publish,
            allow_post,
            ..Options::default()
        });
        point(&site, "publish", aem.url(), "");
        let run = site.run(&["build"]);
        assert_eq!(run.status, status, "{run}");
        if allow_post {
            run.says("[E0519]").says("it was sent as a direct query");
            assert!(site.files().contains(&"stories/one/index.html".to_owned()), "{run}");
            // Who wants persisted queries gets nothing else.
            point(&site, "publish", aem.url(), "queries = \"persisted\"");
            site.fails(3).says("no persisted query `acme/stories`");
        } else {
            run.says("no persisted query `acme/stories`, and takes no direct queries");
        }
    }
}

/// A persisted query by GET cannot carry a `;`: that one goes by POST, and both arrive.
#[test]
fn what_does_not_fit_into_a_path_goes_by_post() {
    let site = SiteDir::stories();
    site.story("three", serde_json::json!({ "slug": "three", "title": "a;b" }));
    let query = "query titled($title: String) {\n  storyList(filter: {title: {_expressions: [{value: $title}]}}) {\n    items {\n      \
                 _path\n      slug\n    }\n  }\n}\n";
    site.file("content-queries/titled.graphql", query);
    let aem = Aem::of(&site, Options { tier: Tier::Publish, ..Options::default() });
    let route = |name: &str, title: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nquery = \"titled\"\neach = \"/{name}/{{{{ slug }}}}.json\"\nvariables = {{ title = \"{title}\" }}\n"
        )
    };
    let routes = route("get", "One") + &route("post", "a;b");
    let more = format!("tier = \"publish\"\nfreshness = \"cdn\"\n[aem.hosts]\npublish = \"{}\"", aem.url());
    site.config("locales = []", &more, &routes);
    site.build();
    let files = site.files();
    assert!(files.contains(&"get/one.json".to_owned()) && files.contains(&"post/three.json".to_owned()), "{files:?}");
    let counts = aem.running.counts();
    assert_eq!((counts.persisted_get, counts.persisted_post), (1, 1));
}

/// What would have been held is told beside what stops the build all the same.
#[test]
fn nothing_is_lost_where_one_problem_is_held_and_another_stops_the_build() {
    let site = SiteDir::stories();
    site.story("three", serde_json::json!({ "slug": null, "title": "Nowhere" }));
    let (site, _aem) = other_text_on(site, "author", SORTED, Options::default());
    let run = site.run(&["build", "--locked", "--keep-going"]);
    assert_eq!((run.status, run.count("E0518")), (1, 1), "{run}");
    run.says("/content/dam/acme/stories/three");
    assert!(site.files().is_empty(), "{run}");
}
