//! Paths that content makes, and results that are suspiciously empty.

use serde_json::{Value, json};

use super::{broken, broken_stories};
use crate::site::{EACH, Run, SiteDir};

fn with_slug(slug: Value) -> Run {
    broken_stories(1, |site| site.story("odd", json!({ "slug": slug, "title": "Odd" })))
}

#[test]
fn two_pages_on_one_path() {
    assert_told!(with_slug(json!("one")));
}

#[test]
fn paths_equal_but_for_case() {
    assert_told!(with_slug(json!("ONE")));
}

#[test]
fn a_file_where_another_needs_a_folder() {
    let routes =
        format!("{EACH}\n[[route]]\nname = \"json\"\nquery = \"stories\"\npage = \"/stories/one/index.html/x.json\"\n");
    assert_told!(broken_stories(1, |site| site.config("", "tier = \"local\"", &routes)));
}

#[test]
fn a_static_file_on_the_path_of_a_page() {
    assert_told!(broken_stories(1, |site| site.file("static/stories/two/index.html", "mine\n")));
}

#[test]
fn an_unsafe_path() {
    assert_told!(with_slug(json!("../../etc/passwd")));
}

#[test]
fn an_empty_path() {
    assert_told!(with_slug(json!("")));
}

#[test]
fn a_null_path() {
    assert_told!(with_slug(Value::Null));
}

#[test]
fn a_path_that_is_too_long() {
    assert_told!(with_slug(json!("x".repeat(300))));
}

#[test]
fn a_group_that_is_no_scalar() {
    let site = SiteDir::stories();
    site.query("stories", "slug title author { _path name }");
    site.fragment("authors/ann", "author", json!({ "slug": "ann", "name": "Ann" }));
    site.story("two", json!({ "slug": "two", "title": "Two", "author": "/content/dam/acme/authors/ann" }));
    let list = "[[route]]\nname = \"by-author\"\nquery = \"stories\"\ngroup_by = \"author\"\nlist = \"/by/{{ group | slugify }}/\"\ntemplate = \"story.html\"\n";
    assert_told!(broken(&site, 1, |site| site.config("", "tier = \"local\"", &format!("{EACH}\n{list}"))));
}

#[test]
fn two_groups_on_one_path() {
    let site = SiteDir::stories();
    site.story("one", json!({ "slug": "one", "title": "Same name" }));
    site.story("two", json!({ "slug": "two", "title": "same  name" }));
    let list = "[[route]]\nname = \"by-title\"\nquery = \"stories\"\ngroup_by = \"title\"\nlist = \"/by/{{ group | slugify }}.json\"\n";
    assert_told!(broken(&site, 1, |site| site.config("", "tier = \"local\"", &format!("{EACH}\n{list}"))));
}

#[test]
fn an_empty_result_where_pages_were() {
    let site = SiteDir::stories();
    assert_told!(broken(&site, 1, |site| {
        site.remove("content/fragments/acme/stories/one.json");
        site.remove("content/fragments/acme/stories/two.json");
    }));
    // Said to be right, it is right, and the pages go.
    site.config("", "tier = \"local\"", &format!("{EACH}may_be_empty = true\n"));
    site.build();
    assert_eq!(site.files(), ["sitemap.xml"]);
}

#[test]
fn a_first_build_without_items() {
    let site = SiteDir::with(EACH);
    assert_told!(site.fails(1));
    assert!(!site.path("out").exists());
}

#[test]
fn more_removals_than_allowed() {
    let site = SiteDir::stories();
    for number in 10..30 {
        site.story(&format!("s{number}"), json!({ "slug": format!("s{number}"), "title": "T" }));
    }
    assert_told!(broken(&site, 1, |site| {
        for number in 10..25 {
            site.remove(&format!("content/fragments/acme/stories/s{number}.json"));
        }
    }));
    assert_eq!(site.run(&["build", "--allow-removals"]).status, 0);
    assert_eq!(site.files().len(), 8);
}

#[test]
fn an_output_folder_of_somebody_else() {
    let site = SiteDir::stories();
    site.file("out/mine.txt", "mine");
    assert_told!(site.fails(2));
    assert_eq!(site.run(&["build", "--adopt"]).status, 0);
    assert!(!site.path("out/mine.txt").exists());
}

#[test]
fn a_file_of_the_user_on_the_path_of_a_new_page() {
    let site = SiteDir::stories();
    assert_told!(broken(&site, 2, |site| {
        site.file("out/stories/odd/index.html", "mine");
        site.story("odd", json!({ "slug": "odd", "title": "Odd" }));
    }));
    assert_eq!(site.out("stories/odd/index.html"), "mine");
}

#[test]
fn content_files_that_cannot_be_read() {
    let site = SiteDir::stories();
    site.story("odd", json!({ "slug": "odd", "titel": "Odd" }));
    site.file("content/fragments/acme/stories/bad.json", "{ \"path\": \n");
    assert_told!(site.fails(1));
}

#[test]
fn a_field_of_content_that_the_model_does_not_have() {
    let site = SiteDir::stories();
    site.story("odd", json!({ "slug": "odd", "titel": "Odd" }));
    assert_told!(site.run(&["build"]));
}
