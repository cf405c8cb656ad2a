//! Pages of a result, followed to their end, against a server that hands them out as it likes (design.md §4, Paging).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::server::{Reply, Request, Server, answer, say, stories, story};
use crate::site::{EACH, SiteDir};

/// `s00`, `s01`, …
fn slugs(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("s{number:02}")).collect()
}

/// One page by cursor.
fn page(slugs: &[String], next: Option<&str>) -> Reply {
    let edges: Vec<Value> = slugs.iter().map(|slug| json!({ "node": story(slug), "cursor": slug })).collect();
    let info = json!({ "hasNextPage": next.is_some(), "endCursor": next });
    answer(&json!({ "data": { "storyPaginated": { "edges": edges, "pageInfo": info } } }))
}

fn by_cursor(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Server, SiteDir) {
    let server = Server::start(script);
    let site = SiteDir::remote(&server.url, EACH);
    let query = "query stories($after: String) {\n  storyPaginated(first: 5, after: $after, sort: \"slug ASC\") {\n    edges { cursor node { _path slug title } }\n    pageInfo { hasNextPage endCursor }\n  }\n}\n";
    site.file("content-queries/stories.graphql", query);
    (server, site)
}

fn by_offset(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Server, SiteDir) {
    let server = Server::start(script);
    let site = SiteDir::remote(&server.url, EACH);
    let query = "query stories($offset: Int = 0, $limit: Int = 10) {\n  storyList(offset: $offset, limit: $limit, sort: \"slug ASC\") {\n    items { _path slug title }\n  }\n}\n";
    site.file("content-queries/stories.graphql", query);
    (server, site)
}

fn pages_of(site: &SiteDir) -> usize {
    site.files().iter().filter(|path| path.starts_with("stories/")).count()
}

#[test]
fn cursors_are_followed_whatever_the_length_of_a_page() {
    let all = slugs(23);
    let (server, site) = by_cursor(move |request| {
        // Pages of 5, 1, 10, 2 and 5 items; the cursor is nothing but text to the client.
        let cuts = [0, 5, 6, 16, 18, 23];
        let at = match request.variable("after") {
            Value::Null => 0,
            after => after.as_str().unwrap().strip_prefix("c/=+").unwrap().parse().unwrap(),
        };
        let next = (at + 2 < cuts.len()).then(|| format!("c/=+{}", at + 1));
        page(&all[cuts[at]..cuts[at + 1]], next.as_deref())
    });
    site.build().says("fetched  23 items");
    assert_eq!(pages_of(&site), 23);
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn has_next_page_counts_and_the_last_cursor_does_not() {
    let (server, site) = by_cursor(|_| {
        let info = json!({ "hasNextPage": false, "endCursor": "s01" });
        let edges: Vec<Value> = slugs(2).iter().map(|slug| json!({ "node": story(slug), "cursor": slug })).collect();
        answer(&json!({ "data": { "storyPaginated": { "edges": edges, "pageInfo": info } } }))
    });
    site.build();
    assert_eq!((pages_of(&site), server.requests().len()), (2, 1));
}

#[test]
fn offsets_follow_what_came_and_not_what_was_asked_for() {
    let all = slugs(17);
    let (server, site) = by_offset(move |request| {
        // It caps pages at 7, though 10 were asked for.
        let offset = usize::try_from(request.variable("offset").as_u64().unwrap_or(0)).unwrap().min(all.len());
        let items: Vec<Value> = all[offset..(offset + 7).min(all.len())].iter().map(|slug| story(slug)).collect();
        stories(&json!(items))
    });
    site.build().says("fetched  17 items");
    assert_eq!(pages_of(&site), 17);
    let offsets: Vec<u64> =
        server.requests().iter().map(|request| request.variable("offset").as_u64().unwrap_or(0)).collect();
    assert_eq!(offsets, [0, 7, 14, 17]);
}

/// A walk in which the first page comes again as the second, as often as `faults` says.
fn repeating(faults: usize) -> (Server, SiteDir) {
    let seen = AtomicUsize::new(0);
    by_cursor(move |request| match request.variable("after") {
        Value::Null => page(&slugs(5), Some("next")),
        _ if seen.fetch_add(1, Ordering::SeqCst) < faults => page(&slugs(5), None),
        _ => page(&slugs(10)[5..], None),
    })
}

#[test]
fn a_torn_walk_is_read_again() {
    let (server, site) = repeating(1);
    let run = site.run(&["build", "-v"]);
    assert_eq!(run.status, 0, "{run}");
    run.says("do not fit together");
    assert_eq!((pages_of(&site), server.requests().len()), (10, 4));
}

#[test]
fn a_walk_that_stays_torn_stops_the_build() {
    let (server, site) = repeating(usize::MAX);
    assert_told!(site.fails(1));
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_cursor_that_comes_twice_ends_the_walk() {
    let count = AtomicUsize::new(0);
    let (server, site) = by_cursor(move |_| {
        let at = count.fetch_add(1, Ordering::SeqCst);
        page(&[format!("s{at}")], Some("always"))
    });
    site.fails(1).says("[E0510]").says("a cursor came twice");
    assert!(server.requests().len() <= 6, "{} requests", server.requests().len());
}

#[test]
fn a_page_from_a_cache_tears_the_walk_which_is_read_past_caches() {
    let (server, site) = by_cursor(|request| {
        let reply = match request.variable("after") {
            Value::Null if request.path.contains("after") => page(&slugs(10)[5..], None),
            Value::Null => page(&slugs(5), Some("next")),
            _ => page(&slugs(10)[5..], None),
        };
        match reply {
            Reply::Say { body, .. } if request.method == "GET" => {
                say("200 OK", "content-type: application/json\r\nage: 12\r\n", body)
            }
            reply => reply,
        }
    });
    let aem = format!("tier = \"publish\"\nfreshness = \"cdn\"\n[aem.hosts]\npublish = \"{}\"", server.url);
    site.config("locales = []", &aem, EACH);
    site.build();
    let methods: Vec<String> = server.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["GET", "GET", "POST", "POST"]);
    assert_eq!(pages_of(&site), 10);
}

#[test]
fn one_page_from_a_cache_is_as_old_as_it_is() {
    let server = Server::start(|_| {
        let body = json!({ "data": { "storyList": { "items": [story("one")] } } });
        say("200 OK", "content-type: application/json\r\nage: 90\r\n", body.to_string())
    });
    let site = SiteDir::remote(&server.url, EACH);
    let aem = format!("tier = \"publish\"\nfreshness = \"cdn\"\n[aem.hosts]\npublish = \"{}\"", server.url);
    site.config("locales = []", &aem, EACH);
    site.build().says("oldest answer 90 s");
    assert_eq!(server.requests()[0].method, "GET");
}

#[test]
fn a_persisted_get_has_its_variables_in_its_path() {
    let server = Server::start(|_| stories(&json!([story("one")])));
    let site = SiteDir::remote(&server.url, EACH);
    let aem = format!("tier = \"publish\"\nfreshness = \"cdn\"\n[aem.hosts]\npublish = \"{}\"", server.url);
    let routes =
        format!("{EACH}variables = {{ path = \"/content/dam/acme/ä b\", width = 800, tags = [\"a\", \"b\"] }}\n");
    site.config("locales = []", &aem, &routes);
    let query = "query stories($path: String, $width: Int, $tags: [String]) {\n  storyList(filter: { title: { _expressions: [{ value: $path }] } }) {\n    items { _path slug title }\n  }\n}\n";
    site.file("content-queries/stories.graphql", query);
    site.build();
    let requests = server.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        (
            "GET",
            "/graphql/execute.json/acme/stories%3Bpath%3D%2Fcontent%2Fdam%2Facme%2F%C3%A4%20b%3Btags%3D%5B%22a%22%2C%22b%22%5D%3Bwidth%3D800;"
        )
    );
}

#[test]
fn a_persisted_post_and_a_direct_query_have_them_in_the_body() {
    let server = Server::start(|_| stories(&json!([story("one")])));
    let site = SiteDir::remote(&server.url, &format!("{EACH}variables = {{ width = 800 }}\n"));
    let query = "query stories($width: Int) {\n  storyList(filter: { rank: { _expressions: [{ value: $width }] } }) {\n    items { _path slug title }\n  }\n}\n";
    site.file("content-queries/stories.graphql", query);
    site.build();
    assert_eq!(crate::site::Run::of(site.command(&["build"]).env("AEM_STATIC_AEM_QUERIES", "direct")).status, 0);
    let requests = server.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("POST", "/graphql/execute.json/acme/stories")
    );
    assert_eq!(requests[0].body, json!({ "variables": { "width": 800 } }));
    assert_eq!(requests[1].path, "/content/_cq_graphql/acme/endpoint.json");
    assert_eq!(requests[1].body, json!({ "query": query, "variables": { "width": 800 } }));
}

#[test]
fn the_built_in_origin_is_paged_both_ways() {
    let site = SiteDir::with(EACH);
    for slug in slugs(12) {
        site.story(&slug, json!({ "slug": slug, "title": "T" }));
    }
    let cursor = "query stories($after: String) {\n  storyPaginated(first: 5, after: $after, sort: \"slug ASC\") {\n    edges { cursor node { _path slug title } }\n    pageInfo { hasNextPage endCursor }\n  }\n}\n";
    site.file("content-queries/stories.graphql", cursor);
    site.build().says("fetched  12 items");
    let by_cursor = site.tree();
    let offset = "query stories($offset: Int = 0) {\n  storyList(offset: $offset, limit: 5, sort: \"slug ASC\") {\n    items { _path slug title }\n  }\n}\n";
    site.file("content-queries/stories.graphql", offset);
    site.build().says("fetched  12 items");
    assert_eq!(pages_of(&site), 12);
    assert!(site.tree() == by_cursor);
}

/// design.md §4: a paginated query without `sort` on either side is a warning.
#[test]
fn a_paginated_query_without_order_is_a_warning() {
    let site = SiteDir::stories();
    let query = "query stories($offset: Int = 0) {\n  storyList(offset: $offset, limit: 5) {\n    items { _path slug title }\n  }\n}\n";
    site.file("content-queries/stories.graphql", query);
    assert_told!(site.build());
    site.config("", "tier = \"local\"", &format!("{EACH}sort = \"slug\"\n"));
    assert!(!site.build().stderr.contains("warning"));
}

/// The last build found where pages begin, so they are asked at the same time; those that begin elsewhere now are not taken.
#[test]
fn pages_that_are_known_are_asked_ahead() {
    let all = Arc::new(Mutex::new(slugs(23)));
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (told, now, top) = (all.clone(), under_way, most.clone());
    let (server, site) = by_cursor(move |request| {
        top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(30));
        let all = told.lock().unwrap().clone();
        let after = request.variable("after").as_str().map(str::to_owned);
        let start = after.map_or(0, |after| all.iter().position(|slug| **slug > *after).unwrap_or(all.len()));
        let page = &all[start..(start + 5).min(all.len())];
        let reply = self::page(page, page.last().map(String::as_str).filter(|_| start + 5 < all.len()));
        now.fetch_sub(1, Ordering::SeqCst);
        reply
    });
    site.build();
    assert_eq!(most.swap(0, Ordering::SeqCst), 1, "nothing is known, so one is asked after the other");
    site.build();
    assert!(most.swap(0, Ordering::SeqCst) > 1, "all of them are known");
    assert_eq!(server.requests().len(), 10);
    for change in [0, 4, 5, 12, 21] {
        all.lock().unwrap().remove(change);
        site.build();
        all.lock().unwrap().insert(change, format!("s{change:02}b"));
        site.build();
        let tree = site.tree();
        site.run(&["clean"]);
        site.build();
        assert!(site.tree() == tree, "as a clean build, after a change at {change}");
        assert_eq!(pages_of(&site), 23);
    }
}
