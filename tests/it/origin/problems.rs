//! A broken content file is a problem at its line and column; the rest is served.

use std::path::Path;

use aem_static::origin::Running;
use serde_json::{Value, json};

use super::content::{data, kitchen, write};
use super::{http, serve};

/// `file:line:column field message`, a problem a line.
fn told(origin: &Running, dir: &Path) -> String {
    let of = |problem: &aem_static::origin::Problem| {
        let file = problem.file.strip_prefix(dir).unwrap().display().to_string();
        let message = problem.message.replace(&dir.display().to_string(), "");
        format!("{file}:{}:{} {} {message}", problem.line, problem.column, problem.field.as_deref().unwrap_or("-"))
    };
    origin.problems().iter().map(of).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn broken_fragments_are_problems_and_the_rest_is_served() {
    let dir = kitchen();
    let files = [
        ("a", "{\n  \"title\": }"),
        ("b", "{\"model\": {\n  \"path\": \"/conf/acme/settings/dam/cfm/models/recipes\"}}"),
        (
            "c",
            "{\"model\": \"recipe\", \"fields\": [\n  {\"name\": \"price\", \"values\": [\"dear\"]},\n  {\"name\": \"titel\", \"values\": [\"C\"]},\n  {\"name\": \"title\", \"values\": [\"C\"]},\n  {\"name\": \"title\", \"values\": [\"D\"]},\n  7]}",
        ),
        ("d", "{\"model\": \"recipe\",\n \"path\": \"/content/dam/acme/en/soup\"}"),
        (
            "e",
            "{\"model\": \"recipe\", \"fields\": {\n  \"price\": [1,\n 2],\n  \"day\":\t\"tomorrow\",\n  \"steps\": [\"cut\", 2, \"ü\", {}],\n  \"stepps\": [] }}",
        ),
        (
            "f",
            "{\"model\": \"recipe\", \"tags\": [3],\n \"variations\": [\n  \"short\",\n  {\"name\": \"x\", \"fields\": {\"vegan\": \"yes\"}},\n  {\"name\": \"x\"},\n  {\"name\": \"master\"}]}",
        ),
        ("g", "{\"model\": \"recipe\", \"fields\": 3, \"tags\": {},\n \"variations\": \"all\"}"),
        ("h", "{\n \"path\": \"/elsewhere\",\n \"model\": \"recipe\"}"),
        (
            "i",
            "[\n {\"model\": \"recipe\", \"path\": \"/content/dam/list/1\", \"fields\": {\"price\": \"dear\"}},\n {\"model\": \"recipe\"},\n []]",
        ),
        ("j", "{\"title\": \"no model\"}"),
        ("k", "\u{feff}{\"model\": \"recipe\", \"fields\": {\"price\": \"dear\"}}"),
        ("l", "{\"model\": \"recipe\", \"id\": \"d587a8d9-0000-4000-8000-000000000003\"}"),
    ];
    for (name, text) in files {
        write(dir.path(), &format!("fragments/broken/{name}.json"), text);
    }
    write(dir.path(), "fragments/broken/latin.json", b"{\"title\": \"\xe4\"}");
    let origin = serve(dir.path(), None).await;
    insta::assert_snapshot!(told(&origin, dir.path()));
    // What has a field is served without it.
    let query = "{ recipeByPath(_path: \"/content/dam/broken/e\") { item { price day steps } } }";
    let item = data(origin.url(), query).await["recipeByPath"]["item"].clone();
    assert_eq!(item, json!({"price": null, "day": null, "steps": ["cut", "ü"]}));
    let all = data(origin.url(), "{ recipeList { items { _path } } }").await;
    let paths: Vec<&str> =
        all["recipeList"]["items"].as_array().unwrap().iter().map(|item| item["_path"].as_str().unwrap()).collect();
    let broken: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix("/content/dam/broken/")).collect();
    assert_eq!(broken, ["c", "e", "f", "g", "k"]);
    assert!(paths.contains(&"/content/dam/list/1"));
    origin.stop().await;
}

#[tokio::test]
async fn broken_models_are_problems_and_the_rest_is_served() {
    let dir = kitchen();
    let at = |name: &str| format!("models/z-{name}.json");
    write(
        dir.path(),
        &at("double-name"),
        "{\"path\": \"/conf/acme/settings/dam/cfm/models/tail\", \"title\": \"Recipe\"}",
    );
    write(
        dir.path(),
        &at("double-path"),
        "{\n\"path\": \"/conf/acme/settings/dam/cfm/models/cook\", \"title\": \"Chef\"}",
    );
    write(
        dir.path(),
        &at("fields"),
        "{\"title\": \"Fields\", \"fields\": [\n {\"name\": \"a\", \"type\": \"txt\"},\n {\"name\": \"_b\"},\n {\"name\": \"c\"},\n {\"name\": \"c\"},\n {\"type\": \"text\"},\n {\"name\": \"d\", \"type\": \"fragment-reference\",\n  \"allowedModels\": [\"recipe\", \"nothing\"]}]}",
    );
    write(dir.path(), &at("draft"), "{\"title\": \"Draft\", \"status\": \"draft\"}");
    write(dir.path(), &at("list"), "[3]");
    write(dir.path(), &at("unnamed"), "{\"title\": \"+\", \"name\": \"-\"}");
    write(
        dir.path(),
        "fragments/f.json",
        "{\"model\": \"z-fields\", \"fields\": {\"a\": \"of a broken field\", \"c\": \"C\"}}",
    );
    write(dir.path(), "fragments/g.json", "{\"model\": \"z-draft\"}");
    let origin = serve(dir.path(), None).await;
    insta::assert_snapshot!(told(&origin, dir.path()));
    assert_eq!(data(origin.url(), "{ fieldsList { items { c } } }").await["fieldsList"]["items"], json!([{"c": "C"}]));
    origin.stop().await;
}

/// html5ever takes the square of the nesting: without a bound this text takes minutes.
#[tokio::test]
async fn html_that_nests_without_end_is_refused_when_it_is_read() {
    let dir = kitchen();
    let bomb = "<div><b a=1>".repeat(50_000);
    let fields = json!({"title": "Bomb", "body": {"value": bomb, "mimeType": "text/html"}});
    write(dir.path(), "fragments/bomb.json", json!({"model": "recipe", "fields": fields}).to_string());
    let quoted = "> ".repeat(100_000) + "x";
    let fields = json!({"title": "Quoted", "body": {"value": quoted, "mimeType": "text/markdown"}});
    write(dir.path(), "fragments/quoted.json", json!({"model": "recipe", "fields": fields}).to_string());
    let origin = serve(dir.path(), None).await;
    let messages: Vec<&str> = origin.problems().iter().map(|problem| problem.message.as_str()).collect();
    let message = "`body` holds html that nests deeper than 200 elements; it is left out";
    assert_eq!(messages, [message, message]);
    assert!(origin.problems().iter().all(|problem| problem.line == 1 && problem.column > 1));
    let query = "{ recipeList { items { title body { html markdown plaintext json } } } }";
    let answer = http::query(origin.url(), query, Value::Null).await;
    assert!(answer["errors"].is_null(), "{answer}");
    let bodies: Vec<_> =
        answer["data"]["recipeList"]["items"].as_array().unwrap().iter().map(|item| &item["body"]).collect();
    assert_eq!(bodies.iter().filter(|body| body.is_object()).count(), 1, "only the soup's");
    origin.stop().await;
}

/// A link may lead out of the directory, so none is followed; what is left out so is told, not passed over.
#[cfg(unix)]
#[tokio::test]
async fn symbolic_links_are_problems_and_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let dir = kitchen();
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.txt", "secret");
    write(outside.path(), "cook.json", json!({"model": "cook", "fields": {"name": "Eve"}}).to_string());
    let links = [
        ("assets/acme/secret.txt", outside.path().join("secret.txt")),
        ("assets/outside", outside.path().to_owned()),
        ("assets/round", dir.path().join("assets")),
        ("fragments/acme/eve.json", outside.path().join("cook.json")),
        ("fragments/outside", outside.path().to_owned()),
        ("models/again.json", dir.path().join("models/cook.json")),
    ];
    for (link, target) in &links {
        symlink(target, dir.path().join(link)).unwrap();
    }
    let origin = serve(dir.path(), None).await;
    let mut expected =
        links.map(|(link, _)| format!("{link}:0:0 - a symbolic link, which is not followed; put the file itself here"));
    expected.sort_unstable();
    let told = told(&origin, dir.path());
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
    for path in [
        "/content/dam/acme/secret.txt",
        "/content/dam/outside/secret.txt",
        "/content/dam/round/acme/pot.svg",
        "/content/dam/acme/..%2f..%2f..%2fsecret.txt",
    ] {
        assert_eq!(http::get(origin.url(), path).await.status, 404, "{path}");
    }
    let cooks = data(origin.url(), "{ cookList { items { name } } }").await;
    assert_eq!(cooks["cookList"]["items"], json!([{"name": "Ann"}]));
    origin.stop().await;

    // The directory itself may be one: whoever starts the origin has named it.
    let other = tempfile::tempdir().unwrap();
    let plain = kitchen();
    symlink(plain.path(), other.path().join("content")).unwrap();
    let origin = serve(&other.path().join("content"), None).await;
    assert_eq!(origin.problems(), []);
    assert_eq!(http::get(origin.url(), "/content/dam/acme/pot.svg").await.status, 200);
    origin.stop().await;
}
