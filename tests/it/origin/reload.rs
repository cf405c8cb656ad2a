//! Content that changes while the origin runs is served as it is then, and what is wrong with it is told.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aem_static::origin::{Changes, Loaded, Options, Running};
use serde_json::{Value, json};

use super::command::Origin;
use super::content::{kitchen, write};
use super::{http, serve_as};

/// How long a change may take to be served before the test gives up; usually it is a fifth of a second.
const DEADLINE: Duration = Duration::from_secs(60);

async fn watching(content: &Path, queries: Option<&Path>) -> Running {
    serve_as(Options { reload: true, ..Options::default() }, content, queries).await
}

/// Asks until the answer is the expected one.
async fn becomes(url: &str, query: &str, expected: Value) {
    let began = Instant::now();
    loop {
        let answer = http::query(url, query, Value::Null).await;
        if answer["data"] == expected {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{query}: {answer}, not {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for an exchange after which the test is true.
async fn told(changes: &mut Changes, test: impl Fn(&Loaded) -> bool) -> Arc<Loaded> {
    let waiting = async {
        loop {
            let loaded = changes.next().await.unwrap();
            if test(&loaded) {
                return loaded;
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap()
}

fn cook(name: &str) -> String {
    json!({"model": "cook", "fields": {"name": name}}).to_string()
}

const COOKS: &str = "{ cookList { items { name } } }";

fn cooks(names: &[&str]) -> Value {
    let items: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    json!({"cookList": {"items": items}})
}

#[tokio::test]
async fn fragments_come_change_break_and_go() {
    let dir = kitchen();
    let origin = watching(dir.path(), None).await;
    let (url, mut changes) = (origin.url(), origin.changes());
    becomes(url, COOKS, cooks(&["Ann"])).await;
    write(dir.path(), "fragments/acme/en/ann.json", cook("Anna"));
    becomes(url, COOKS, cooks(&["Anna"])).await;
    write(dir.path(), "fragments/acme/en/new/folder/bea.json", cook("Bea"));
    becomes(url, COOKS, cooks(&["Anna", "Bea"])).await;
    // Another file in that folder, which was not there when the watch began.
    write(dir.path(), "fragments/acme/en/new/folder/cy.json", cook("Cy"));
    becomes(url, COOKS, cooks(&["Anna", "Bea", "Cy"])).await;
    // A broken file is told, and no old version of it is served in its place.
    write(dir.path(), "fragments/acme/en/ann.json", "{\n \"model\": ");
    let loaded = told(&mut changes, |loaded| !loaded.problems.is_empty()).await;
    assert_eq!((loaded.problems[0].line, loaded.problems.len(), loaded.fragments), (2, 1, 5));
    becomes(url, COOKS, cooks(&["Bea", "Cy"])).await;
    write(dir.path(), "fragments/acme/en/ann.json", cook("Ann"));
    let loaded = told(&mut changes, |loaded| loaded.problems.is_empty()).await;
    assert_eq!(loaded.fragments, 6);
    // As editors save: a new file under another name, moved over the old one.
    write(dir.path(), "fragments/acme/en/.ann.json.swp", cook("Annika"));
    std::fs::rename(dir.path().join("fragments/acme/en/.ann.json.swp"), dir.path().join("fragments/acme/en/ann.json"))
        .unwrap();
    becomes(url, COOKS, cooks(&["Annika", "Bea", "Cy"])).await;
    std::fs::remove_dir_all(dir.path().join("fragments/acme/en/new")).unwrap();
    becomes(url, COOKS, cooks(&["Annika"])).await;
    origin.stop().await;
    // What was exchanged last may not have been looked at; then nothing comes any more.
    while changes.next().await.is_some() {}
}

#[tokio::test]
async fn models_assets_and_query_files_change_too() {
    let dir = kitchen();
    write(dir.path(), "queries/cooks.graphql", COOKS);
    let origin = watching(dir.path(), Some(&dir.path().join("queries"))).await;
    let url = origin.url();
    let put = http::send(url, "PUT", "/graphql/persist.json/acme/mine", &[], b"{ cookList { items { _path } } }").await;
    assert_eq!(put.status, 201);
    // A field more in the model is a field more in the schema.
    let fields = json!([{"name": "name", "type": "text"}, {"name": "stars", "type": "integer"}]);
    write(
        dir.path(),
        "models/cook.json",
        json!({"path": "/conf/acme/settings/dam/cfm/models/cook", "title": "Cook", "fields": fields}).to_string(),
    );
    write(
        dir.path(),
        "fragments/acme/en/ann.json",
        json!({"model": "cook", "fields": {"name": "Ann", "stars": 3}}).to_string(),
    );
    becomes(url, "{ cookList { items { stars } } }", json!({"cookList": {"items": [{"stars": 3}]}})).await;
    // A query file answers with its new text; what a client persisted stays.
    write(dir.path(), "queries/cooks.graphql", "{ cookList { items { stars } } }");
    eventually(url, "/graphql/execute.json/acme/cooks", |answer| answer.text().contains("\"stars\":3")).await;
    assert!(http::get(url, "/graphql/execute.json/acme/mine").await.text().contains("/content/dam/acme/en/ann"));
    // An asset is there once its file is, and has the size of the file that is there.
    write(dir.path(), "assets/acme/new.svg", "<svg width='7' height='5'></svg>");
    eventually(url, "/content/dam/acme/new.svg", |answer| answer.status == 200).await;
    std::fs::remove_file(dir.path().join("assets/acme/new.svg")).unwrap();
    eventually(url, "/content/dam/acme/new.svg", |answer| answer.status == 404).await;
    origin.stop().await;
}

/// A checkout, or a deployment, puts a whole directory in the place of another.
#[tokio::test]
async fn the_directory_itself_may_be_exchanged() {
    let (dir, other) = (tempfile::tempdir().unwrap(), kitchen());
    let content = dir.path().join("content");
    let origin = watching(&content, None).await;
    assert_eq!(origin.problems().len(), 1, "it is not there yet");
    std::fs::rename(other.path(), &content).unwrap();
    becomes(origin.url(), COOKS, cooks(&["Ann"])).await;
    std::fs::rename(&content, dir.path().join("old")).unwrap();
    let next = kitchen();
    write(next.path(), "fragments/acme/en/ann.json", cook("Zoe"));
    std::fs::rename(next.path(), &content).unwrap();
    becomes(origin.url(), COOKS, cooks(&["Zoe"])).await;
    // It is the new directory that is watched.
    write(&content, "fragments/acme/en/ann.json", cook("Zora"));
    becomes(origin.url(), COOKS, cooks(&["Zora"])).await;
    origin.stop().await;
}

#[tokio::test]
async fn without_reload_nothing_changes() {
    let dir = kitchen();
    let origin = serve_as(Options::default(), dir.path(), None).await;
    assert_eq!(origin.changes().next().await, None);
    origin.stop().await;
}

async fn eventually(url: &str, path: &str, test: impl Fn(&http::Answer) -> bool) {
    let began = Instant::now();
    loop {
        let answer = http::get(url, path).await;
        if test(&answer) {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{path}: {} {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_command_says_what_it_serves_after_a_change() {
    let dir = kitchen();
    let mut origin = Origin::start(dir.path(), &["--content", "."]);
    let lines = origin.stderr();
    let until = |wanted: &str| {
        let mut said = Vec::new();
        while said.last().is_none_or(|line: &String| !line.starts_with(wanted)) {
            said.push(lines.recv_timeout(DEADLINE).unwrap());
        }
        said
    };
    assert_eq!(until("serving").len(), 1);
    write(dir.path(), "fragments/acme/en/ann.json", "{\n \"model\": \"cok\",\n \"fields\": {}}");
    let said = until("content changed");
    assert!(said[0].contains("the fragment's model `cok` is not there; did you mean `cook`?"), "{said:?}");
    assert!(said[1].contains("fragments/acme/en/ann.json:2:11"), "{said:?}");
    assert_eq!(said.last().unwrap(), "content changed: serving 3 content fragments; 1 problem");
    write(dir.path(), "fragments/acme/en/ann.json", cook("Ann"));
    let said = until("content changed: serving 4");
    assert_eq!(said.last().unwrap(), "content changed: serving 4 content fragments");
}
