//! Renders that fail: which template, where, what was read, for which content fragment, and what to do.

use serde_json::json;

use super::{broken, broken_stories};
use crate::site::{EACH, SiteDir};

#[test]
fn an_undefined_field_names_those_there_are() {
    assert_told!(broken_stories(1, |site| {
        site.file("templates/story.html", "<main>\n  <p>{{ item.teaser | upper }}</p>\n</main>\n");
    }));
}

/// Found by a newcomer: filters that take any value rendered a misspelt field as nothing.
#[test]
fn no_filter_takes_an_undefined_field_for_nothing() {
    for filter in ["str", "slugify", "plain_text", "urlencode", "json", "rich_text", "markdown", "upper"] {
        let site = SiteDir::stories();
        site.file("templates/story.html", format!("<p>{{{{ item.teaser | {filter} }}}}</p>\n"));
        let told = site.fails(1).stderr;
        assert!(told.contains("error[E0302]: template reads `teaser`"), "{filter}: {told}");
    }
}

#[test]
fn a_misspelt_field_in_an_included_template() {
    assert_told!(broken_stories(1, |site| {
        site.file("templates/story.html", "{% include \"parts/card.html\" %}\n");
        site.file("templates/parts/card.html", "<p>{{ item.titel }}</p>\n");
    }));
}

#[test]
fn a_variable_that_is_not_there() {
    assert_told!(broken_stories(1, |site| site.file("templates/story.html", "<p>{{ itm.title }}</p>\n")));
}

#[test]
fn a_look_up_through_null() {
    let site = SiteDir::stories();
    site.query("stories", "slug title author { name }");
    assert_told!(broken(&site, 1, |site| {
        site.file("templates/story.html", "<p>{{ item.author.name }}</p>\n");
    }));
}

#[test]
fn a_filter_that_refuses_its_input() {
    assert_told!(broken_stories(1, |site| {
        site.file("templates/story.html", "<p>{{ item.title | date(format=\"%Y\") }}</p>\n");
    }));
}

#[test]
fn url_for_without_page() {
    assert_told!(broken_stories(1, |site| {
        site.file("templates/story.html", "<a href=\"{{ url_for(path=\"/content/dam/acme/none\") }}\">x</a>\n");
    }));
}

#[test]
fn an_asset_that_is_not_there() {
    let site = SiteDir::stories();
    site.query("stories", "slug title image { ... on ImageRef { _path } }");
    assert_told!(broken(&site, 1, |site| {
        site.file("templates/story.html", "{{ asset(ref=\"/content/dam/acme/none.gif\") }}\n");
    }));
}

#[test]
fn a_static_file_and_a_query_that_are_not_there() {
    let site = SiteDir::stories();
    site.file("static/site.css", "body {}\n");
    assert_told!(broken(&site, 1, |site| {
        site.file("templates/story.html", "{{ static_url(file=\"sites.css\") }}\n");
        site.file("templates/list.html", "{% for x in query(name=\"storys\") %}{{ x.title }}{% endfor %}\n");
        let list = "[[route]]\nname = \"list\"\nquery = \"stories\"\nlist = \"/\"\ntemplate = \"list.html\"\n";
        site.config("", "tier = \"local\"", &format!("{EACH}\n{list}"));
    }));
}

#[test]
fn many_failing_pages_are_all_told() {
    let site = SiteDir::stories();
    let run = broken(&site, 1, |site| {
        site.story("three", json!({ "slug": "three", "title": "Three" }));
        site.file("templates/story.html", "{{ item.teaser }}\n");
    });
    for name in ["one", "two", "three"] {
        run.says(&format!("/content/dam/acme/stories/{name}"));
    }
}

/// The commonest mistake of all: a loop over a field that the query does not select.
#[test]
fn a_loop_over_an_undefined_field() {
    assert_told!(broken_stories(1, |site| {
        site.file("templates/story.html", "{% for topic in item.topics %}{{ topic }}{% endfor %}\n");
    }));
}
