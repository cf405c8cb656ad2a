//! Configuration, queries and templates: what can be known before AEM is asked.

use serde_json::json;

use super::broken_stories;
use crate::site::{EACH, SiteDir};

#[test]
fn no_site() {
    assert_told!(SiteDir::empty().fails(2));
}

#[test]
fn unknown_keys_name_the_nearest() {
    assert_told!(broken_stories(2, |site| {
        site.config("locals = [\"en\"]", "tier = \"local\"", &EACH.replace("each =", "eech ="));
    }));
}

#[test]
fn not_toml() {
    assert_told!(broken_stories(2, |site| site.file("aem-static.toml", "[site]\ntitle = \"Stories\nlocales = []\n")));
}

#[test]
fn a_value_of_another_type_and_a_word_that_is_not_one() {
    assert_told!(broken_stories(2, |site| {
        let routes = format!("{EACH}per_page = \"many\"\n");
        site.config("locale_prefix = \"some\"", "tier = \"lokal\"\nconcurrency = 0", &routes);
    }));
}

#[test]
fn a_tier_without_host() {
    assert_told!(broken_stories(2, |site| site.config("", "tier = \"author\"", EACH)));
}

#[test]
fn the_host_is_the_site() {
    let aem = "tier = \"publish\"\n[aem.hosts]\npublish = \"https://www.example.com\"";
    assert_told!(broken_stories(2, |site| site.config("", aem, EACH)));
}

#[test]
fn missing_query_and_template() {
    let routes = EACH.replace("query = \"stories\"", "query = \"storys\"").replace("story.html", "stroy.html");
    assert_told!(broken_stories(1, |site| site.config("", "tier = \"local\"", &routes)));
}

#[test]
fn a_route_without_kind_and_one_with_two() {
    let routes = "[[route]]\nquery = \"stories\"\n\n[[route]]\nquery = \"stories\"\nlist = \"/\"\npage = \"/x/\"\n";
    assert_told!(broken_stories(1, |site| site.config("", "tier = \"local\"", routes)));
}

#[test]
fn bad_graphql() {
    assert_told!(broken_stories(1, |site| {
        site.file(
            "content-queries/stories.graphql",
            "{\n  storyList {\n    items {\n      _path\n      slug title )\n    }\n  }\n}\n",
        );
    }));
}

#[test]
fn bad_graphql_in_a_shared_fragment_file() {
    assert_told!(broken_stories(1, |site| {
        site.query("stories", "slug ...card");
        site.file(
            "content-queries/fragments/card.graphql",
            "# shared\nfragment card on StoryModel {\n  title: : teaser\n}\n",
        );
    }));
}

#[test]
fn a_fragment_that_no_file_defines() {
    assert_told!(broken_stories(1, |site| site.query("stories", "slug ...card")));
}

#[test]
fn two_operations_and_a_query_without_path() {
    assert_told!(broken_stories(1, |site| {
        site.file(
            "content-queries/two.graphql",
            "query a { storyList { items { _path } } }\nquery b { storyList { items { _path } } }\n",
        );
        site.file("content-queries/stories.graphql", "{ storyList { items { slug title } } }\n");
    }));
}

#[test]
fn two_queries_with_one_name() {
    assert_told!(broken_stories(1, |site| {
        site.file("content-queries/deeper/stories.graphql", "{ storyList { items { _path slug title } } }\n");
    }));
}

#[test]
fn template_syntax() {
    assert_told!(broken_stories(1, |site| {
        site.file("templates/story.html", "<h1>{{ item.title }</h1>\n");
        site.file("templates/other.html", "{% if item %}\n<p>open\n");
    }));
}

#[test]
fn an_unknown_filter_and_a_suffix_without_rule() {
    assert_told!(broken_stories(1, |site| {
        site.file("templates/story.html", "<h1>{{ item.title | slugfy }}</h1>\n");
        site.file("templates/story.xyz", "x\n");
    }));
}

#[test]
fn clocks_and_the_context_are_refused() {
    assert_told!(broken_stories(1, |site| {
        site.file("templates/story.html", "<h1>{{ now() }}</h1>\n<pre>{{ __tera_context }}</pre>\n");
    }));
}

#[test]
fn a_route_expression_that_does_not_parse() {
    assert_told!(broken_stories(1, |site| {
        let routes = format!("{}where = \"rank >\"\n", EACH.replace("{{ slug }}", "{{ slug | }}"));
        site.config("", "tier = \"local\"", &routes);
    }));
}

#[test]
fn a_variable_that_is_not_given() {
    assert_told!(broken_stories(1, |site| {
        site.file(
            "content-queries/stories.graphql",
            "query stories($slug: String!) {\n  storyList(filter: { slug: { _expressions: [{ value: $slug }] } }) {\n    items { _path slug title }\n  }\n}\n",
        );
    }));
}

#[test]
fn several_problems_are_told_in_one_run() {
    let run = broken_stories(1, |site| {
        let routes =
            format!("{EACH}\n[[route]]\nname = \"other\"\nquery = \"gone\"\npage = \"/\"\ntemplate = \"gone.html\"\n");
        site.config("", "tier = \"local\"", &routes);
        site.file("content-queries/broken.graphql", "{ storyList { items { _path }\n");
        site.file("templates/broken.html", "{{ item.title\n");
        site.file("templates/other.html", "{% endfor %}\n");
    });
    let counts = ["E0201", "E0202", "E0301", "E0303"].map(|code| run.count(code));
    assert_eq!(counts, [1, 1, 1, 2], "{run}");
    run.says("build failed with 5 errors; out/ is as it was");
}

#[test]
fn every_problem_of_content_is_told_in_one_run() {
    let site = SiteDir::stories();
    let run = super::broken(&site, 1, |site| {
        for name in ["three", "four", "five"] {
            site.story(name, json!({ "slug": format!("{name}/x"), "title": "T" }));
        }
    });
    assert_eq!(run.count("E0404"), 3, "{run}");
}

#[test]
fn usage() {
    let site = SiteDir::stories();
    assert_told!(site.run(&["build", "--workrs", "2"]));
    assert_eq!(site.run(&["build", "--tier", "moon"]).status, 2);
    assert_eq!(site.run(&[]).status, 2);
    assert_eq!(site.run(&["--help"]).status, 0);
    assert_eq!(site.run(&["--version"]).status, 0);
    assert!(!site.path("out").exists());
}

#[test]
fn every_code_is_explained() {
    let site = SiteDir::empty();
    for code in aem_static::report::codes::all() {
        let run = site.run(&["explain", &code.id.to_lowercase()]);
        assert_eq!(run.status, 0, "{run}");
        let told = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [code.id, code.title, code.explanation] {
            let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(told.contains(&part) && !part.is_empty(), "{} is not told whole:\n{run}", code.id);
        }
    }
    assert_told!(site.run(&["explain", "E9999"]));
}
