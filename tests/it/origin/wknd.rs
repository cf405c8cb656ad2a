//! A stranger with WKND's models and fragments as JSON: Adobe's published WKND queries, unchanged, as files in a site directory,
//! run on the real command as persisted queries by GET and by POST. The queries are those of `tests/fixtures/conformance`; models
//! and fragments (`tests/fixtures/wknd`) have WKND's names and types, and texts of our own.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::command::Origin;
use super::content::write;
use super::http;

/// The cases `wknd-*` by name.
fn cases() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conformance/cases");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let cases = files.map(|file| serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap());
    let named = cases.map(|case| (case["name"].as_str().unwrap().to_owned(), case));
    named.filter(|(name, _)| name.starts_with("wknd-")).collect()
}

/// A site directory with the content and the queries.
fn site(cases: &BTreeMap<String, Value>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wknd");
    for entry in walkdir::WalkDir::new(&fixture).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(&fixture).unwrap().to_str().unwrap();
            write(dir.path(), path, std::fs::read(entry.path()).unwrap());
        }
    }
    write(dir.path(), "aem-static.toml", "[aem]\nconfiguration = \"wknd-shared\"\n");
    for (name, case) in cases {
        write(dir.path(), &format!("content-queries/{name}.graphql"), case["query"].as_str().unwrap());
    }
    dir
}

/// `;name=value` for each, percent-encoded as Adobe's client does it.
fn suffix(variables: &Value) -> String {
    let pairs = variables.as_object().into_iter().flatten().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!(";{name}={text}")
    });
    let all: String = pairs.collect();
    if all.is_empty() { all } else { format!("{};", utf8_percent_encode(&all, NON_ALPHANUMERIC)) }
}

/// Every case by GET and by POST; both give the same.
async fn run_all(url: &str, cases: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    for (name, case) in cases {
        let path = format!("/graphql/execute.json/wknd-shared/{name}");
        let got = http::get(url, &format!("{path}{}", suffix(&case["variables"]))).await;
        let body = json!({"variables": case["variables"]}).to_string();
        let posted = http::send(url, "POST", &path, &[("Content-Type", "application/json")], body.as_bytes()).await;
        assert_eq!((got.status, posted.status), (200, 200), "{name}");
        assert_eq!(got.text(), posted.text(), "{name}");
        let answer = got.json();
        assert!(answer["errors"].is_null(), "{name}: {answer}");
        answers.insert(name.clone(), answer["data"].clone());
    }
    answers
}

/// The members of each item, as lines.
fn column<'a>(data: &'a Value, field: &str, pointer: &str) -> Vec<&'a Value> {
    let items = data[field]["items"].as_array().unwrap_or_else(|| panic!("{data}"));
    items.iter().map(|item| item.pointer(pointer).unwrap_or(&Value::Null)).collect()
}

const SOFIA: &str = "/content/dam/wknd-shared/en/contributors/sofia-sj-berg";
const ALASKA: &str = "/content/dam/wknd-shared/en/magazine/alaska-adventure/alaskan-adventures";

#[tokio::test]
async fn published_queries_run_unchanged() {
    let cases = cases();
    assert_eq!(cases.len(), 17);
    let dir = site(&cases);
    let origin = Origin::start(dir.path(), &[]);
    let told = run_all(&origin.url, &cases).await;
    let list = |name: &str, field: &str, pointer: &str| json!(column(&told[name], field, pointer));

    let author = json!({"_path": SOFIA, "firstName": "Sofia", "lastName": "Sjöberg"});
    assert_eq!(told["wknd-author-by-path"], json!({"authorByPath": {"item": author}}));
    let metadata = json!([{"name": "title", "value": "Sofia Sjöberg"}, {"name": "description", "value": ""}]);
    assert_eq!(told["wknd-author-metadata"]["authorByPath"]["item"]["_metadata"]["stringMetadata"], metadata);
    let paths = json!(["/content/dam/wknd-shared/en/contributors/jacob-wester", SOFIA]);
    assert_eq!(list("wknd-author-paths", "authorList", "/_path"), paths);
    assert_eq!(list("wknd-sort", "authorList", "/lastName"), json!(["Sjöberg", "Wester"]));

    // Who has the variation is told in it, the other as the master.
    for name in ["wknd-authors-variation", "wknd-variation-variable"] {
        assert_eq!(list(name, "authorList", "/_variation"), json!(["master", "another"]), "{name}");
        assert_eq!(list(name, "authorList", "/firstName"), json!(["Jacob", "Sofie"]), "{name}");
    }
    let variations = json!(["master", "short", "master", "master", "master", "master", "master", "master"]);
    assert_eq!(list("wknd-all-variations", "articleList", "/_variation"), variations);
    let tags = list("wknd-all-variations", "articleList", "/_tags");
    assert_eq!(
        (&tags[0], &tags[1], &tags[2]),
        (&json!(["wknd-shared:activity/skiing"]), &json!(["wknd-shared:short"]), &json!([]))
    );

    let main = &told["wknd-article-formats"]["articleByPath"]["item"]["main"];
    let markdown =
        "Snow, **deep** snow.\n\nSee [the tour](/content/dam/wknd-shared/en/adventures/ski-touring/ski-touring).\n\n ";
    assert_eq!((&main["markdown"], &main["plaintext"]), (&json!(markdown), &json!("Snow, deep snow.\nSee the tour.")));
    assert_eq!(main["json"][1]["content"][1]["nodeType"], "reference");
    assert_eq!(list("wknd-locale", "articleList", "/main/plaintext"), json!(["De la neige."]));

    let births = list("wknd-articles-author", "articleList", "/authorFragment/birthDay");
    assert_eq!(
        births,
        json!(["1979-11-30", "1981-04-02", "1979-11-30", "1981-04-02", "1981-04-02", "1979-11-30", "1979-11-30"])
    );
    assert_eq!(list("wknd-offset-limit", "articleList", "/authorFragment/lastName"), json!(["Wester", "Wester"]));
    let nested = list("wknd-sort-nested", "articleList", "/authorFragment/lastName");
    assert_eq!(nested, json!(["Sjöberg", "Sjöberg", "Sjöberg", "Wester", "Wester", "Wester", "Wester"]));

    let by_id = &told["wknd-by-id"]["articleById"]["item"];
    assert_eq!((&by_id["_path"], &by_id["title"]), (&json!(ALASKA), &json!("Alaskan Adventures")));
    assert!(by_id["featuredImage"]["_id"].is_string(), "{by_id}");

    let prices = json!([1999.5, 450, 3000]);
    assert_eq!(list("wknd-include-directive", "adventureList", "/price"), prices);
    let created = json!([{"name": "jcr:created", "value": "2026-01-05T08:00:00.000Z"}, {"name": "cq:lastModified", "value": "2026-02-01T08:00:00.000Z"}]);
    assert_eq!(list("wknd-adventures-metadata", "adventureList", "/_metadata/calendarMetadata")[0], created);
}

/// The images of the published queries are really made: cut, scaled, turned.
#[tokio::test]
async fn their_images_are_delivered() {
    let cases = cases();
    let dir = site(&cases);
    let origin = Origin::start(dir.path(), &[]);
    let told = run_all(&origin.url, &cases).await;
    for (name, file) in [("wknd-asset-transform", "test.gif"), ("wknd-asset-transform-variables", "billiboy.gif")] {
        let urls = column(&told[name], "articleList", "/featuredImage/_dynamicUrl");
        let url = urls[0].as_str().unwrap();
        assert!(url.contains(&format!("/{file}?")), "{url}");
        let plain = http::send(&origin.url, "GET", url, &[("Accept", "image/gif")], b"").await;
        assert_eq!((plain.status, plain.header("content-type")), (200, Some("image/gif")), "{url}");
        // 200 by 100, as `size` says of what comes out; `width` does not count beside it.
        assert_eq!((&plain.body[..6], &plain.body[6..10]), (&b"GIF89a"[..], &[200, 0, 100, 0][..]), "{url}");
    }
}
