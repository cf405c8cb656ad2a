//! All problems of a run at once (design.md §2, promise 6): what stops a build from placing its pages does not hide what is wrong with
//! its templates, and one cause is told once.

use serde_json::json;

use super::{broken, broken_stories};
use crate::site::{EACH, SiteDir};

const HOME: &str = "\n[[route]]\nname = \"home\"\npage = \"/\"\ntemplate = \"home.html\"\n";

#[test]
fn clashes_unsafe_paths_and_templates_are_told_in_one_run() {
    assert_told!(broken_stories(1, |site| {
        site.story("again", json!({ "slug": "one", "title": "Again" }));
        site.story("unsafe", json!({ "slug": "a/b", "title": "Unsafe" }));
        site.file("templates/story.html", "<h1>{{ item.titel }}</h1>\n");
    }));
}

/// The page of a fragment with an unsafe path is missing because of that path, which is told; another one's is not.
#[test]
fn links_to_pages_that_could_not_be_placed_are_no_news() {
    let site = SiteDir::stories();
    site.config("", "tier = \"local\"", &format!("{EACH}{HOME}"));
    site.file("templates/home.html", "home\n");
    let run = broken(&site, 1, |site| {
        site.story("unsafe", json!({ "slug": "a/b", "title": "Unsafe" }));
        let link = |name: &str| format!("{{{{ url_for(path=\"/content/dam/acme/stories/{name}\") }}}}\n");
        site.file("templates/home.html", format!("{}{}", link("unsafe"), link("nowhere")));
    });
    assert_eq!((run.count("E0404"), run.count("E0306")), (1, 1), "{run}");
    run.says("no page shows /content/dam/acme/stories/nowhere");
}

#[test]
fn an_empty_result_is_told_once_and_other_problems_beside_it() {
    let site = SiteDir::stories();
    let list = "\n[[route]]\nname = \"list\"\nquery = \"stories\"\nlist = \"/all/\"\ntemplate = \"list.html\"\n";
    site.config("", "tier = \"local\"", &format!("{EACH}{list}{HOME}"));
    site.file("templates/list.html", "{{ items[0].title }}\n");
    site.file("templates/home.html", "{% set first = query(name=\"stories\") | first %}{{ first.title }}\n");
    let routes = format!("{EACH}{list}{HOME}{}", HOME.replace("home", "about").replace("\"/\"", "\"/about/\""));
    assert_told!(broken(&site, 1, |site| {
        site.remove("content/fragments/acme/stories/one.json");
        site.remove("content/fragments/acme/stories/two.json");
        site.file("templates/about.html", "{{ site.titel }}\n");
        site.config("", "tier = \"local\"", &routes);
    }));
}

/// The manifest did not know what only templates ask, so that nobody noticed when it became empty.
#[test]
fn what_only_templates_ask_is_guarded_too() {
    let site = SiteDir::with(HOME);
    site.story("one", json!({ "slug": "one", "title": "One" }));
    let home = |argument: &str| {
        format!(
            "{{% for story in query(name=\"stories\"{argument}) %}}{{{{ story.title }}}}{{% else %}}none{{% endfor %}}\n"
        )
    };
    site.file("templates/home.html", home(""));
    let story = "content/fragments/acme/stories/one.json";
    let text = site.read(story);
    assert_told!(broken(&site, 1, |site| site.remove(story)));
    site.file("templates/home.html", home(", may_be_empty=true"));
    site.build();
    assert_eq!(site.out("index.html"), "none\n");
    // It is guarded again from the next item on.
    site.file(story, text);
    site.build();
    site.file("templates/home.html", home(""));
    site.remove(story);
    assert_eq!(site.fails(1).count("E0509"), 1);
    // A route that shows the same query speaks for it.
    let route = "\n[[route]]\nquery = \"stories\"\nlist = \"/all/\"\ntemplate = \"home.html\"\nmay_be_empty = true\n";
    site.config("", "tier = \"local\"", &format!("{HOME}{route}"));
    site.build();
}

#[test]
fn answers_to_templates_are_kept() {
    let site = SiteDir::with(HOME);
    site.story("one", json!({ "slug": "one", "title": "One" }));
    site.file("templates/home.html", "{% for story in query(name=\"stories\") %}{{ story.title }}{% endfor %}\n");
    site.build();
    let kept = crate::site::tree_of(&site.path(".aem-static/answers"));
    assert_eq!(kept.len(), 1, "{:?}", kept.keys());
}
