//! design.md §4 and §5, a sentence a test.

use serde_json::{Value, json};

use crate::site::{EACH, SiteDir, drawn};

/// A site with one more route and its template `t.html`; stories are added by the test.
fn with(fields: &str, route: &str, template: &str) -> SiteDir {
    let site = SiteDir::with(&format!("[[route]]\nquery = \"stories\"\ntemplate = \"t.html\"\n{route}\n"));
    site.query("stories", fields);
    site.file("templates/t.html", template);
    site
}

/// One story, one page, its text.
fn rendered(fields: &str, template: &str, story: Value) -> String {
    let site = with(fields, "each = \"/{{ _path | split(pat='/') | last }}/\"", template);
    site.story("one", story);
    site.build();
    site.out("one/index.html")
}

/// The stories `a`, `b`, … with these fields.
fn filled(site: &SiteDir, stories: &[Value]) {
    for (name, fields) in ["a", "b", "c", "d", "e", "f", "g"].iter().zip(stories) {
        let mut fields = fields.clone();
        fields["slug"] = (*name).into();
        site.story(name, fields);
    }
}

/// The order of the slugs on a list with this `sort`.
fn sorted(fields: &str, sort: &str, stories: &[Value]) -> String {
    let route = format!("list = \"/\"\nsort = \"{sort}\"");
    let site = with(&format!("slug {fields}"), &route, "{% for item in items %}{{ item.slug }}{% endfor %}");
    filled(&site, stories);
    site.build();
    site.out("index.html")
}

#[test]
fn lists_go_on_at_page_n() {
    let template = "{{ paginator.number }}/{{ paginator.total }} {{ paginator.per_page }} {{ paginator.count }} {{ paginator.first }} {{ paginator.previous | default(value=\"-\") }} {{ paginator.next | default(value=\"-\") }} {{ paginator.last }}:{% for item in items %} {{ item.slug }}{% endfor %}";
    let site = with("slug", "list = \"/all/\"\nper_page = 2", template);
    filled(&site, &[json!({}), json!({}), json!({}), json!({}), json!({})]);
    site.build();
    assert_eq!(site.out("all/index.html"), "1/3 2 5 /all/ - /all/page/2/ /all/page/3/: a b");
    assert_eq!(site.out("all/page/2/index.html"), "2/3 2 5 /all/ /all/ /all/page/3/ /all/page/3/: c d");
    assert_eq!(site.out("all/page/3/index.html"), "3/3 2 5 /all/ /all/page/2/ - /all/page/3/: e");
    assert!(!site.path("out/all/page/1").exists());
}

#[test]
fn a_list_without_final_slash_says_pages() {
    let site = with(
        "slug",
        "list = \"/all.html\"\npages = \"/all-{{ paginator.number }}.html\"\nper_page = 1",
        "{{ page.url }}",
    );
    filled(&site, &[json!({}), json!({})]);
    site.build();
    assert_eq!(site.files(), ["all-2.html", "all.html", "sitemap.xml"]);
}

#[test]
fn page_one_always_exists_and_groups_only_with_items() {
    let site = with(
        "slug topics",
        "list = \"/all/\"\nper_page = 2\nmay_be_empty = true",
        "{{ paginator.total }} {{ paginator.count }}",
    );
    site.build();
    assert_eq!(site.files(), ["all/index.html", "sitemap.xml"]);
    assert_eq!(site.out("all/index.html"), "1 0");
    let site = with(
        "slug topics",
        "group_by = \"topics\"\nlist = \"/{{ group | slugify }}/\"\nmay_be_empty = true",
        "{{ group }}",
    );
    site.build();
    assert_eq!(site.files(), ["sitemap.xml"]);
}

#[test]
fn a_list_field_puts_an_item_in_several_groups_and_null_in_none() {
    let template = "{{ group }}: {% for item in group_items %}{{ item.slug }}{% endfor %} ({{ items | length }})";
    let site = with("slug topics", "group_by = \"topics\"\nlist = \"/{{ group | slugify }}/\"", template);
    filled(
        &site,
        &[json!({ "topics": ["acme:season/late-summer", "acme:b"] }), json!({ "topics": ["acme:b"] }), json!({})],
    );
    site.build();
    // A tag's slug is its part after `:` with `/` as `-`.
    assert_eq!(site.files(), ["b/index.html", "season-late-summer/index.html", "sitemap.xml"]);
    assert_eq!(site.out("b/index.html"), "acme:b: ab (2)");
    assert_eq!(site.out("season-late-summer/index.html"), "acme:season/late-summer: a (1)");
}

#[test]
fn groups_are_sorted_by_value_and_dotted_paths_reach_into_references() {
    let site = with("slug rank author { slug }", "group_by = \"rank\"\nlist = \"/rank/{{ group }}/\"", "{{ group }}");
    filled(&site, &[json!({ "rank": 10 }), json!({ "rank": 9 }), json!({ "rank": 10 })]);
    site.build();
    // The example of a route is its first page: 9 comes before 10.
    let routes = site.run(&["routes"]);
    assert!(routes.stdout.contains("/rank/9/"), "{routes}");
    let site = with("slug author { slug }", "group_by = \"author.slug\"\nlist = \"/by/{{ group }}/\"", "{{ group }}");
    site.fragment("authors/ann", "author", json!({ "slug": "ann", "name": "Ann" }));
    filled(&site, &[json!({ "author": "/content/dam/acme/authors/ann" }), json!({})]);
    site.build();
    assert_eq!(site.files(), ["by/ann/index.html", "sitemap.xml"]);
}

#[test]
fn null_is_last_either_way() {
    let stories = [json!({}), json!({ "rank": 2 }), json!({ "rank": 1 })];
    assert_eq!(sorted("rank", "rank", &stories), "cba");
    assert_eq!(sorted("rank", "rank DESC", &stories), "bca");
}

#[test]
fn numbers_are_sorted_by_value() {
    let stories = [json!({ "price": 10.5 }), json!({ "price": 9 }), json!({ "price": 100 }), json!({ "price": -1 })];
    assert_eq!(sorted("price", "price ASC", &stories), "dbac");
}

#[test]
fn texts_are_sorted_by_collation_and_ties_by_path() {
    let stories = [
        json!({ "title": "Zebra" }),
        json!({ "title": "apfel" }),
        json!({ "title": "Äpfel" }),
        json!({ "title": "Birne" }),
    ];
    assert_eq!(sorted("title", "title", &stories), "bcda");
    let equal =
        [json!({ "title": "x", "rank": 1 }), json!({ "title": "x", "rank": 2 }), json!({ "title": "x", "rank": 1 })];
    assert_eq!(sorted("title rank", "title, rank DESC", &equal), "bac");
    assert_eq!(sorted("title rank", "title", &equal), "abc");
}

#[test]
fn where_filters_before_sort_groups_and_paging() {
    let site = with(
        "slug rank",
        "list = \"/\"\nwhere = \"rank > 1 and slug != 'd'\"\nsort = \"rank DESC\"\nper_page = 2",
        "{{ paginator.count }}{% for item in items %} {{ item.slug }}{% endfor %}",
    );
    filled(&site, &[json!({ "rank": 1 }), json!({ "rank": 2 }), json!({ "rank": 3 }), json!({ "rank": 4 })]);
    site.build();
    assert_eq!(site.out("index.html"), "2 c b");
    assert!(!site.path("out/page").exists());
}

#[test]
fn without_sort_the_answer_s_order_is_kept() {
    let site = with("slug", "list = \"/\"", "{% for item in items %}{{ item.slug }}{% endfor %}");
    site.file("content-queries/stories.graphql", "{ storyList(sort: \"slug DESC\") { items { _path slug } } }\n");
    filled(&site, &[json!({}), json!({}), json!({})]);
    site.build();
    assert_eq!(site.out("index.html"), "cba");
}

/// A site in two locales with a page, a list and a query without `$locale`.
fn two_locales(prefix: &str) -> SiteDir {
    let routes = format!(
        "{EACH}\n[[route]]\nquery = \"stories\"\nlist = \"/{}/\"\nname = \"list\"\ntemplate = \"list.html\"\n\n[[route]]\nname = \"all\"\nquery = \"plain\"\npage = \"/all.json\"\n",
        if prefix == "none" { "{{ locale }}" } else { "list" }
    );
    let routes = if prefix == "none" { routes.replace("/stories/", "/{{ locale }}/s/") } else { routes };
    let site = SiteDir::with(&routes);
    site.config(&format!("locales = [\"en\", \"de\"]\nlocale_prefix = \"{prefix}\""), "tier = \"local\"", &routes);
    site.file("content-queries/stories.graphql", "query stories($locale: String!) {\n  storyList(_locale: $locale, sort: \"slug ASC\") { items { _path slug title } }\n}\n");
    site.file("content-queries/plain.graphql", "{ storyList(sort: \"_path ASC\") { items { _path } } }\n");
    let template = "{{ page.locale }} {{ item.title }} {{ variables.locale }}{% for other in page.alternates %} {{ other.locale }}={{ other.url }}{% endfor %}";
    site.file("templates/story.html", template);
    site.file("templates/list.html", "{{ page.locale }}{% for item in items %} {{ item.title }}{% endfor %}");
    for (locale, title) in [("en", "Hello"), ("de", "Hallo")] {
        site.fragment(&format!("{locale}/stories/one"), "story", json!({ "slug": "one", "title": title }));
    }
    site.fragment("en/stories/two", "story", json!({ "slug": "two", "title": "Only here" }));
    site
}

#[test]
fn every_locale_but_the_first_stands_before_its_paths() {
    let site = two_locales("all-but-first");
    site.build();
    let files = [
        "all.json",
        "de/list/index.html",
        "de/stories/one/index.html",
        "list/index.html",
        "sitemap.xml",
        "stories/one/index.html",
        "stories/two/index.html",
    ];
    assert_eq!(site.files(), files);
    assert_eq!(site.out("stories/one/index.html"), "en Hello en en=/stories/one/ de=/de/stories/one/");
    assert_eq!(site.out("de/stories/one/index.html"), "de Hallo de en=/stories/one/ de=/de/stories/one/");
    assert_eq!(site.out("stories/two/index.html"), "en Only here en en=/stories/two/");
    assert_eq!(site.out("list/index.html"), "en Hello Only here");
    assert_eq!(site.out("de/list/index.html"), "de Hallo");
}

#[test]
fn every_locale_can_stand_before_its_paths() {
    let site = two_locales("all");
    site.build();
    let files = [
        "all.json",
        "de/list/index.html",
        "de/stories/one/index.html",
        "en/list/index.html",
        "en/stories/one/index.html",
        "en/stories/two/index.html",
        "sitemap.xml",
    ];
    assert_eq!(site.files(), files);
}

#[test]
fn or_the_routes_tell_locales_apart_themselves() {
    let site = two_locales("none");
    site.build();
    let files = [
        "all.json",
        "de/index.html",
        "de/s/one/index.html",
        "en/index.html",
        "en/s/one/index.html",
        "en/s/two/index.html",
        "sitemap.xml",
    ];
    assert_eq!(site.files(), files);
}

#[test]
fn alternate_by_ties_counterparts_by_a_field() {
    let site = two_locales("all-but-first");
    let config = site.read("aem-static.toml").replace("[aem]", "alternate_by = \"title\"\n\n[aem]");
    site.file("aem-static.toml", config);
    site.fragment("de/stories/zwei", "story", json!({ "slug": "zwei", "title": "Only here" }));
    site.build();
    assert_eq!(site.out("stories/one/index.html"), "en Hello en en=/stories/one/");
    assert_eq!(site.out("de/stories/zwei/index.html"), "de Only here de en=/stories/two/ de=/de/stories/zwei/");
}

#[test]
fn whole_numbers_print_without_point() {
    let out = rendered(
        "price rank extra",
        "{{ item.price }} {{ item.rank }} {{ item.extra.n }}",
        json!({ "price": 1200, "rank": 7, "extra": { "n": 3.0 } }),
    );
    assert_eq!(out, "1200 7 3");
    assert_eq!(rendered("price", "{{ item.price }}", json!({ "price": 12.5 })), "12.5");
}

#[test]
fn default_replaces_null_and_undefined() {
    let template = "{{ item.title | default(value=\"none\") }} {{ item.author?.name | default(value=\"nobody\") }} {{ site.params.what | default(value=\"nothing\") }}{% for topic in item.topics | default(value=[]) %}x{% endfor %}";
    assert_eq!(rendered("title topics author { name }", template, json!({})), "none nobody nothing");
}

/// Issue 2, "Bad input": HTML and template syntax in titles.
#[test]
fn content_is_escaped_and_never_evaluated() {
    let title = "<script>alert(1)</script> {{ site.title }} {% raw %} & \"q\" 'a' {# no #}";
    let out = rendered("title", "<p title=\"{{ item.title }}\">{{ item.title }}</p>", json!({ "title": title }));
    let escaped =
        "&lt;script&gt;alert(1)&lt;/script&gt; {{ site.title }} {% raw %} &amp; &quot;q&quot; &#39;a&#39; {# no #}";
    assert_eq!(out, format!("<p title=\"{escaped}\">{escaped}</p>"));
}

#[test]
fn escaping_goes_by_suffix() {
    let title = "a < b & \"c\"\n\u{2028}";
    for (suffix, template, expected) in [
        ("html", "{{ item.title }}", "a &lt; b &amp; &quot;c&quot;\n\u{2028}".to_owned()),
        ("xml", "{{ item.title }}", "a &lt; b &amp; &quot;c&quot;\n\u{2028}".to_owned()),
        ("svg", "{{ item.title }}", "a &lt; b &amp; &quot;c&quot;\n\u{2028}".to_owned()),
        ("txt", "{{ item.title }}", title.to_owned()),
        ("json", "{ \"t\": {{ item.title | json }} }", format!("{{ \"t\": {} }}", json!(title))),
    ] {
        let site = SiteDir::with(&format!(
            "[[route]]\nquery = \"stories\"\neach = \"/x.{suffix}\"\ntemplate = \"t.{suffix}\"\n"
        ));
        site.query("stories", "title");
        site.file(&format!("templates/t.{suffix}"), template);
        site.story("one", json!({ "title": title }));
        site.build();
        let out = site.out(&format!("x.{suffix}"));
        if suffix == "json" {
            assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "t": title }));
        } else {
            assert_eq!(out, expected, "{suffix}");
        }
    }
}

#[test]
fn url_for_takes_the_first_route_with_a_template() {
    let json_first = "[[route]]\nname = \"json\"\nquery = \"stories\"\neach = \"/api/{{ slug }}.json\"\n\n";
    let other = "\n[[route]]\nname = \"print\"\nquery = \"stories\"\neach = \"/print/{{ slug }}/\"\ntemplate = \"story.html\"\n";
    let site = SiteDir::with(&format!("{json_first}{EACH}{other}"));
    site.file("templates/story.html", "{{ url_for(path=item._path) }} {{ url_for(path=item._path, route=\"print\") }} [{{ url_for(path=\"/content/dam/acme/none\", missing=\"\") }}] {{ url_for(path=none, missing=\"-\") }}");
    site.story("one", json!({ "slug": "one", "title": "One" }));
    site.build();
    assert_eq!(site.out("stories/one/index.html"), "/stories/one/ /print/one/ [] -");
}

#[test]
fn url_for_stays_in_its_locale() {
    let site = two_locales("all-but-first");
    site.file("templates/list.html", "{{ url_for(path=\"/content/dam/acme/de/stories/one\") }} {{ url_for(path=\"/content/dam/acme/en/stories/one\") }}");
    site.build();
    // Fragments of one language have a page in one locale only: that is the one.
    assert_eq!(site.out("list/index.html"), "/de/stories/one/ /stories/one/");
    assert_eq!(site.out("de/list/index.html"), "/de/stories/one/ /stories/one/");
}

#[test]
fn slugs_keep_letters_of_every_script() {
    let site = with("title", "each = \"/{{ title | slugify }}/\"", "{{ page.url }}");
    for (name, title) in [("a", "Ålesund & Ærø"), ("b", "日本語 の 道"), ("c", "Москва"), ("d", "Cafe\u{301} 5")]
    {
        site.story(name, json!({ "title": title }));
    }
    site.build();
    let files = site.files();
    for path in ["café-5/index.html", "москва/index.html", "日本語-の-道/index.html"] {
        assert!(files.contains(&path.to_owned()), "{files:?}");
    }
    assert_eq!(site.out("москва/index.html"), "/%D0%BC%D0%BE%D1%81%D0%BA%D0%B2%D0%B0/");
}

#[test]
fn several_segments_need_safe() {
    let site = with("title", "each = \"/{{ title | safe }}/\"", "{{ page.path }}");
    site.story("one", json!({ "title": "a/b" }));
    site.build();
    assert_eq!(site.files(), ["a/b/index.html", "sitemap.xml"]);
    site.story("one", json!({ "title": "a/../../b" }));
    site.fails(1).says("[E0404]");
}

#[test]
fn json_without_a_template() {
    let routes = "[[route]]\nname = \"each\"\nquery = \"stories\"\neach = \"/{{ slug }}.json\"\n\n[[route]]\nname = \"list\"\nquery = \"stories\"\nlist = \"/list.json\"\n\n[[route]]\nname = \"page\"\nquery = \"stories\"\npage = \"/page.json\"\n";
    let site = SiteDir::with(routes);
    site.query("stories", "title slug image { ... on ImageRef { _path _authorUrl } }");
    site.image("images/a.gif", 1);
    site.story("one", json!({ "slug": "one", "title": "One", "image": "/content/dam/acme/images/a.gif" }));
    site.build();
    let item = r#"{"_path":"/content/dam/acme/stories/one","title":"One","slug":"one","image":{"_path":"/content/dam/acme/images/a.gif"}}"#;
    let compact = |path: &str| {
        let mut value: Value = serde_json::from_str(&site.out(path)).unwrap();
        let text = value.to_string();
        value.take();
        text
    };
    assert_eq!(compact("one.json"), item);
    assert_eq!(
        compact("list.json"),
        format!(
            r#"{{"items":[{item}],"paginator":{{"number":1,"total":1,"per_page":1,"count":1,"first":"/list.json","previous":null,"next":null,"last":"/list.json"}}}}"#
        )
    );
    assert_eq!(compact("page.json"), format!(r#"{{"storyList":{{"items":[{item}]}}}}"#));
}

#[test]
fn variables_and_for_each() {
    let routes = "[[route]]\nquery = \"by-author\"\nfor_each = { query = \"authors\", variables = { path = \"{{ _path }}\" } }\neach = \"/{{ parent.slug }}/{{ slug }}/\"\ntemplate = \"t.html\"\n";
    let site = SiteDir::with(routes);
    site.file("content-queries/authors.graphql", "{ authorList(sort: \"slug ASC\") { items { _path slug name } } }\n");
    site.file("content-queries/by-author.graphql", "query byAuthor($path: ID!) {\n  storyList(filter: { author: { _path: { _expressions: [{ value: $path }] } } }, sort: \"slug ASC\") {\n    items { _path slug }\n  }\n}\n");
    site.file("templates/t.html", "{{ parent.name }}: {{ item.slug }} {{ variables.path }}");
    for (name, full) in [("ann", "Ann"), ("bob", "Bob"), ("cid", "Cid")] {
        site.fragment(&format!("authors/{name}"), "author", json!({ "slug": name, "name": full }));
    }
    for (story, author) in [("one", "ann"), ("two", "bob"), ("three", "ann")] {
        site.story(story, json!({ "slug": story, "author": format!("/content/dam/acme/authors/{author}") }));
    }
    site.build();
    assert_eq!(site.files(), ["ann/one/index.html", "ann/three/index.html", "bob/two/index.html", "sitemap.xml"]);
    assert_eq!(site.out("bob/two/index.html"), "Bob: two /content/dam/acme/authors/bob");
}

#[test]
fn several_root_fields_need_from() {
    let site = SiteDir::with(&format!("{EACH}from = \"latest\"\n"));
    site.file("content-queries/stories.graphql", "{\n  latest: storyList(sort: \"slug DESC\") { items { _path slug title } }\n  authorList { items { _path } }\n}\n");
    site.story("one", json!({ "slug": "one", "title": "One" }));
    site.build();
    assert_eq!(site.files(), ["sitemap.xml", "stories/one/index.html"]);
    site.config("locales = []", "tier = \"local\"", EACH);
    site.fails(1).says("[E0203]").says("from");
}

#[test]
fn permalinks_live_below_base_url() {
    let site = SiteDir::stories();
    let config = site.read("aem-static.toml").replace("https://www.example.com", "https://www.example.com/deep/er/");
    site.file("aem-static.toml", config);
    site.file(
        "templates/story.html",
        "{{ page.url }} {{ page.permalink }} {{ page.path }} {{ url_for(path=item._path) | absolute_url }}",
    );
    site.build();
    let here = "/deep/er/stories/one/ https://www.example.com/deep/er/stories/one/ /stories/one/ https://www.example.com/deep/er/stories/one/";
    assert_eq!(site.out("stories/one/index.html"), here);
    assert!(site.out("sitemap.xml").contains("<loc>https://www.example.com/deep/er/stories/one/</loc>"));
}

#[test]
fn the_sitemap_leaves_out_what_it_is_told_to() {
    let site = SiteDir::stories();
    site.config(
        "",
        "tier = \"local\"",
        &format!("{EACH}sitemap = false\n\n[[route]]\npage = \"/\"\ntemplate = \"home.html\"\n"),
    );
    site.file("templates/home.html", "home");
    site.build();
    assert!(!site.out("sitemap.xml").contains("/stories/"));
    assert!(site.out("sitemap.xml").contains("<loc>https://www.example.com/</loc>"));
}

/// One small site with everything in it, whole.
#[test]
fn the_written_tree() {
    let routes = r#"
[[route]]
name     = "story"
query    = "stories"
each     = "/stories/{{ slug }}/"
template = "story.html"

[[route]]
name     = "list"
query    = "stories"
where    = "rank > 0"
sort     = "rank DESC"
list     = "/stories/"
per_page = 2
template = "list.html"

[[route]]
name     = "topic"
query    = "stories"
group_by = "topics"
list     = "/topics/{{ group | slugify }}/"
template = "list.html"

[[route]]
name     = "json"
query    = "stories"
list     = "/api/stories.json"

[[route]]
name      = "home"
query     = "one"
page      = "/"
variables = { path = "/content/dam/acme/{{ locale }}/stories/one" }
template  = "home.html"
"#;
    let site = SiteDir::with(routes);
    site.config("locales = [\"en\", \"de\"]", "tier = \"local\"", routes);
    site.file("content-queries/stories.graphql", "query stories($locale: String!) {\n  storyList(_locale: $locale, sort: \"slug ASC\") {\n    items { _path slug title rank topics day body { json } image { ... on ImageRef { _path } } }\n    _references { __typename ... on StoryModel { _path title } }\n  }\n}\n");
    site.file("content-queries/one.graphql", "query one($path: String!, $locale: String!) {\n  storyByPath(_path: $path) { item { _path title } }\n  authorList(_locale: $locale) { items { _path name } }\n}\n");
    site.file("templates/base.html", "<!doctype html>\n<html lang=\"{{ page.locale }}\">\n<link rel=\"stylesheet\" href=\"{{ static_url(file=\"css/site.css\") }}\">\n{% for other in page.alternates %}<link rel=\"alternate\" hreflang=\"{{ other.locale }}\" href=\"{{ other.permalink }}\">\n{% endfor %}{% block main %}{% endblock %}<footer>{% for story in query(name=\"stories\") %}<a href=\"{{ url_for(path=story._path) }}\">{{ story.title }}</a> {% endfor %}</footer>\n");
    site.file("templates/story.html", "{% extends \"base.html\" %}{% block main %}<h1>{{ item.title }}</h1>\n<time>{{ item.day | date(format=\"%-d %B %Y\", locale=page.locale) }}</time>\n{% if item.image %}{% set picture = image(ref=item.image) %}<img src=\"{{ picture.src }}\" width=\"{{ picture.width }}\"> <a href=\"{{ asset(ref=item.image) }}\">file</a>\n{% endif %}{{ item.body | rich_text | safe }}\n{% endblock %}");
    site.file("templates/list.html", "{% extends \"base.html\" %}{% block main %}<h1>{{ group | default(value=\"all\") }} {{ paginator.number }}/{{ paginator.total }}</h1>\n{% for item in items %}<a href=\"{{ url_for(path=item._path) }}\">{{ item.title }}</a>\n{% endfor %}{% endblock %}");
    site.file("templates/home.html", "{% extends \"base.html\" %}{% block main %}<h1>{{ data.storyByPath.item.title }}</h1>\n{% for author in data.authorList.items %}{{ author.name }}{% endfor %}\n{% endblock %}");
    site.file("static/css/site.css", "body {}\n");
    site.file("static/robots.txt", "User-agent: *\n");
    site.image("images/a.gif", 7);
    for (locale, titles) in [("en", ["One & only", "Two", "Three"]), ("de", ["Eins & einzig", "Zwei", "Drei"])] {
        let path = |name: &str| format!("/content/dam/acme/{locale}/stories/{name}");
        let story = |name: &str, fields: Value| site.fragment(&format!("{locale}/stories/{name}"), "story", fields);
        story(
            "one",
            json!({ "slug": "one", "title": titles[0], "rank": 1, "topics": ["acme:t/red"], "day": "2026-03-01",
            "image": "/content/dam/acme/images/a.gif",
            "body": format!("<p>See <a href=\"{}\">this</a> &amp; <b>that</b>.</p>", path("two")) }),
        );
        story(
            "two",
            json!({ "slug": "two", "title": titles[1], "rank": 2, "topics": ["acme:t/red", "acme:t/deep/blue"], "day": "2026-12-24", "body": "<p>2</p>" }),
        );
        story(
            "three",
            json!({ "slug": "three", "title": titles[2], "rank": 3, "day": "2026-07-15", "body": "<ul><li>3</li></ul>" }),
        );
        site.fragment(
            &format!("{locale}/authors/ann"),
            "author",
            json!({ "slug": "ann", "name": format!("Ann {locale}") }),
        );
    }
    site.build();
    let mut tree = site.tree();
    tree.remove(".aem-static").unwrap();
    assert_told!(drawn(&tree));
}
