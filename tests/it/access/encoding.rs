//! Variables in the path (protocol 3.4): what leaves is what Adobe's client sends, and arrives as what it was.

use std::collections::BTreeSet;

use aem_static::aem::{Aem as Client, Connection, Execution, QueryCall, Tier};
use aem_static::origin::Options;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::doctor::Aem;
use crate::origin::node_client;
use crate::server::{Server, stories};
use crate::site::SiteDir;

/// Texts of every kind, and those that look like something else.
fn texts() -> BTreeSet<String> {
    let mut runner = TestRunner::deterministic();
    let mut texts: BTreeSet<String> = [
        "",
        " ",
        ";",
        "a;b",
        "=",
        "a=b",
        "null",
        "true",
        "12",
        "1.50",
        "%3B",
        "%",
        "+",
        "1+1",
        "/",
        "//",
        "a/b",
        "..",
        ".",
        "?",
        "#",
        "a.json",
        ".json",
        "\"",
        "'",
        "\\",
        "{\"a\":1}",
        "[1]",
        "line\nbreak",
        "\t",
        "\r\n",
        "ä",
        "日本 🍲",
        "e\u{301}",
        "\u{e9}",
        "\u{feff}x",
        "\u{202e}x",
        "~-_.!*'()",
        "&amp;",
        "<b>",
    ]
    .map(str::to_owned)
    .into();
    let strategies = [any::<String>().boxed(), "\\PC{0,12}".boxed(), "[;=/%+&?#.a \"]{0,8}".boxed()];
    for strategy in strategies {
        texts.extend((0..120).map(|_| strategy.new_tree(&mut runner).unwrap().current()));
    }
    texts
}

/// Every text is the title of one story. Asked for by a variable, that story and no other comes back: the origin understood
/// exactly that text. GraphQL compares code points, so `é` in two spellings is two stories.
#[test]
fn the_origin_understands_every_text() {
    let texts: Vec<String> = texts().into_iter().collect();
    let site = SiteDir::stories();
    for (number, title) in texts.iter().enumerate() {
        site.story(&format!("n{number}"), json!({ "slug": format!("n{number}"), "title": title }));
    }
    let query = "query($title: String!, $max: Int) { storyList(limit: $max, filter: {title: {_expressions: [{value: $title}]}}) \
                 { items { slug title } } }";
    site.file("content-queries/titled.graphql", query);
    let aem = Aem::of(&site, Options::default());
    let mut connection = Connection::new(Tier::Author, aem.url().parse().unwrap(), "acme");
    connection.execution = Execution::PersistedGet;
    let client = Client::new(connection).unwrap();
    for (number, title) in texts.iter().enumerate() {
        let variables = Map::from_iter([("title".to_owned(), json!(title)), ("max".to_owned(), json!(1000))]);
        let call = QueryCall { name: "titled", configuration: None, text: query, variables: &variables };
        let answer = aem.block_on(client.query(&call)).unwrap();
        let data: Value = serde_json::from_slice(&answer.body).unwrap();
        let expected = json!([{ "slug": format!("n{number}"), "title": title }]);
        assert_eq!(data["data"]["storyList"]["items"], expected, "{title:?} by {}", answer.url);
    }
    let counts = aem.running.counts();
    let by_post = texts.iter().filter(|text| text.contains(';') || *text == "null").count() as u64;
    assert_eq!((counts.persisted_get, counts.persisted_post), (texts.len() as u64 - by_post, by_post));
    assert!(by_post > 2 && counts.persisted_get > 250, "{counts:?}");
}

/// Adobe's client for Node, 2.0.1, and ours ask the same server the same things.
#[test]
fn paths_are_those_of_adobe_s_client() {
    let Some(script) = node_client::client() else { return };
    let ordinary = [
        json!({}),
        json!({ "title": "plain" }),
        json!({ "title": "two words" }),
        json!({ "path": "/content/dam/acme/en/soup", "width": 800 }),
        json!({ "title": "x=1" }),
        json!({ "title": "Grüße & Küsse" }),
        json!({ "title": "日本 🍲" }),
        json!({ "title": "say \"hi\", (100%) #1? [yes] it's *!~" }),
        json!({ "title": "1+1" }),
        json!({ "flag": true, "price": 1.5 }),
        json!({ "tags": ["a", "b/c"] }),
        json!({ "filter": { "title": { "_expressions": [{ "value": "x" }] } } }),
        json!({ "after": "", "first": 10 }),
    ];
    let adobe = Server::start(|_| stories(&json!([])));
    node_client::play_at(&script, &adobe.url, "paths", &json!(ordinary), None);
    let theirs: Vec<String> = adobe.requests().into_iter().map(|request| request.path).collect();
    let ours = Server::start(|_| stories(&json!([])));
    let mut connection = Connection::new(Tier::Publish, ours.url.parse().unwrap(), "acme");
    connection.execution = Execution::PersistedGet;
    let client = Client::new(connection).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for variables in &ordinary {
        let variables = variables.as_object().unwrap();
        let call = QueryCall { name: "stories", configuration: None, text: "", variables };
        runtime.block_on(client.query(&call)).unwrap();
    }
    let ours: Vec<String> = ours.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(ours.len(), ordinary.len());
    assert_eq!(ours, theirs);
}
