//! Content made for the tests: every data type, references of all kinds, variations, broken files.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{http, serve};

/// Writes a file below a directory.
pub fn write(dir: &Path, path: &str, content: impl AsRef<[u8]>) {
    let file = dir.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

fn model(name: &str, title: &str, fields: &Value) -> String {
    json!({"path": format!("/conf/acme/settings/dam/cfm/models/{name}"), "name": name, "title": title, "fields": fields}).to_string()
}

fn fragment(model: &str, title: &str, fields: &Value, rest: &Value) -> String {
    let mut json = json!({"title": title, "model": {"path": format!("/conf/acme/settings/dam/cfm/models/{model}")}, "fields": fields});
    for (key, value) in rest.as_object().unwrap() {
        json[key] = value.clone();
    }
    json.to_string()
}

/// Recipes in two languages that refer to each other, to cooks, an image and a page.
pub fn kitchen() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let recipe = json!([
        {"name": "title", "type": "text"}, {"name": "steps", "type": "text", "multiple": true}, {"name": "body", "type": "long-text"},
        {"name": "price", "type": "number"}, {"name": "vegan", "type": "boolean"}, {"name": "day", "type": "date"},
        {"name": "at", "type": "time"}, {"name": "published", "type": "date-time"}, {"name": "level", "type": "enumeration"},
        {"name": "diet", "type": "tag", "multiple": true}, {"name": "image", "type": "content-reference"},
        {"name": "files", "type": "content-reference", "multiple": true}, {"name": "data", "type": "json"},
        {"name": "cook", "type": "fragment-reference", "allowedModels": ["cook"]},
        {"name": "related", "type": "fragment-reference", "multiple": true, "allowedModels": ["recipe"]},
        {"name": "any", "type": "fragment-reference", "multiple": true}
    ]);
    write(dir.path(), "models/recipe.json", model("recipe", "Recipe", &recipe));
    let cook = json!([{"name": "name", "type": "text"}, {"name": "bio", "type": "long-text"}, {"name": "best", "type": "fragment-reference", "allowedModels": ["recipe"]}]);
    write(dir.path(), "models/cook.json", model("cook", "Cook", &cook));
    let soup = json!({
        "title": "Soup", "steps": ["cut", "boil"], "body": "<p>Hot <b>soup</b>, see <a href=\"/content/dam/acme/en/broth\">Broth</a>.</p><p><img src=\"/content/dam/acme/pot.svg\"></p>\n",
        "price": 12, "vegan": true, "day": "2026-01-05", "at": "12:30:00", "published": "2026-01-05T08:00:00.000Z", "level": "easy",
        "diet": ["acme:diet/vegan"], "image": "/content/dam/acme/pot.svg",
        "files": ["/content/dam/acme/menu.pdf", "/content/acme/page", "/content/dam/acme/gone.zip"], "data": {"a": [1, 2.5]},
        "cook": "/content/dam/acme/en/ann", "related": ["/content/dam/acme/en/broth", "/content/dam/acme/en/gone"],
        "any": ["/content/dam/acme/en/ann", "/content/dam/acme/en/broth"]
    });
    let rest = json!({"id": "d587a8d9-0000-4000-8000-000000000003", "tags": [{"id": "acme:hot"}, "acme:new"], "created": {"at": "2026-01-05T08:00:00.000Z"},
        "variations": [{"name": "short", "title": "Short", "fields": {"title": "Soup, short"}, "tags": []}]});
    write(dir.path(), "fragments/acme/en/soup.json", fragment("recipe", "Soup", &soup, &rest));
    let broth = json!({"title": "Broth", "price": 2.5, "vegan": false, "published": "2026-01-05T10:00:00.000+02:00", "diet": ["acme:diet/meat", "acme:hot"],
        "related": ["/content/dam/acme/en/soup"], "cook": "/content/dam/acme/en/nobody"});
    write(dir.path(), "fragments/acme/en/broth.json", fragment("recipe", "Broth", &broth, &json!({})));
    write(
        dir.path(),
        "fragments/acme/de/suppe.json",
        fragment("recipe", "Suppe", &json!({"title": "Suppe"}), &json!({})),
    );
    let ann = json!({"name": "Ann", "bio": "<p><img src='/content/dam/acme/ann.svg'></p>", "best": "/content/dam/acme/en/soup"});
    write(
        dir.path(),
        "fragments/acme/en/ann.json",
        fragment("cook", "Ann", &ann, &json!({"variations": [{"name": "short", "fields": {"name": "A."}}]})),
    );
    write(
        dir.path(),
        "assets/acme/pot.svg",
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"></svg>"#,
    );
    write(dir.path(), "assets/acme/ann.svg", "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 9'></svg>");
    write(dir.path(), "assets/acme/menu.pdf", "%PDF");
    dir
}

/// The answer's `data`; an error fails the test.
pub async fn data(url: &str, query: &str) -> Value {
    let answer = http::query(url, query, Value::Null).await;
    assert_eq!(answer.get("errors"), None, "{query}: {answer}");
    answer["data"].clone()
}

async fn titles(url: &str, arguments: &str) -> Vec<String> {
    let data = data(url, &format!("{{ recipeList{arguments} {{ items {{ title }} }} }}")).await;
    data["recipeList"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["title"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_data_type_is_delivered() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    assert_eq!(origin.problems(), []);
    let query = "{ recipeByPath(_path: \"/content/dam/acme/en/soup\") { item {
        _id _variation _variations _tags _model { _path title } _metadata { calendarMetadata { name value } stringArrayMetadata { name value } }
        title steps price vegan day at published level diet data
        image { __typename ... on ImageRef { _path type mimeType width height _publishUrl _dynamicUrl } }
        files { __typename ... on DocumentRef { _path size format } ... on PageRef { _path type } }
        cook { name best { title } } related { title related { title } }
        any { __typename ... on CookModel { name } ... on RecipeModel { title } }
    } } }";
    let item = data(origin.url(), query).await["recipeByPath"]["item"].clone();
    insta::assert_snapshot!(serde_json::to_string_pretty(&item).unwrap());
    origin.stop().await;
}

#[tokio::test]
async fn references_are_those_of_texts_and_content_references() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    let select = "_references { __typename ... on ImageRef { _path } ... on DocumentRef { _path } ... on RecipeModel { _path } }";
    let by_path = |item: &str| {
        format!("{{ recipeByPath(_path: \"/content/dam/acme/en/soup\") {{ item {{ {item} }} {select} }} }}")
    };
    let paths = |data: &Value| -> Vec<String> {
        let references = data["recipeByPath"]["_references"].as_array().unwrap().clone();
        references.iter().map(|reference| reference["_path"].as_str().unwrap().to_owned()).collect()
    };
    let own = ["/content/dam/acme/en/broth", "/content/dam/acme/pot.svg", "/content/dam/acme/menu.pdf"];
    assert_eq!(paths(&data(origin.url(), &by_path("title")).await), own);
    let nested = paths(&data(origin.url(), &by_path("cook { bio { json } }")).await);
    assert_eq!(nested, [&own[..], &["/content/dam/acme/ann.svg"]].concat());
    origin.stop().await;
}

#[tokio::test]
async fn variations_locales_filters_and_orders() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    assert_eq!(titles(url, "").await, ["Suppe", "Broth", "Soup"]);
    assert_eq!(titles(url, "(_locale: \"EN\")").await, ["Broth", "Soup"]);
    assert_eq!(titles(url, "(variation: \"short\")").await, ["Suppe", "Broth", "Soup, short"]);
    assert_eq!(titles(url, "(includeVariations: true)").await, ["Suppe", "Broth", "Soup", "Soup, short"]);
    assert_eq!(titles(url, "(sort: \"price DESC\")").await, ["Soup", "Broth", "Suppe"]);
    assert_eq!(titles(url, "(sort: \"price, title desc\", offset: 1, limit: 1)").await, ["Soup"]);
    assert_eq!(titles(url, "(sort: \"cook.name, title DESC\")").await, ["Soup", "Suppe", "Broth"]);
    for (filter, expected) in [
        ("price: {_expressions: [{value: 2, _operator: GREATER}, {value: 12, _operator: LOWER}]}", vec!["Broth"]),
        ("price: {_expressions: [{value: 12.4, _sensitiveness: 0.5}]}", vec!["Soup"]),
        ("price: {_expressions: [{value: null}]}", vec!["Suppe"]),
        ("published: {_expressions: [{value: \"2026-01-05T08:00:00Z\"}]}", vec!["Broth", "Soup"]),
        ("day: {_expressions: {value: \"2026-02-01\", _operator: BEFORE}}", vec!["Soup"]),
        ("steps: {_expressions: [{values: [\"cut\", \"boil\"]}]}", vec!["Soup"]),
        ("steps: {_expressions: [{values: [\"boil\", \"cut\"]}]}", vec![]),
        ("diet: {_expressions: [{value: \"diet\", _operator: CONTAINS, _apply: ALL}]}", vec!["Soup"]),
        ("diet: {_expressions: [{value: \"diet\", _operator: CONTAINS, _apply: ALL_OR_EMPTY}]}", vec!["Suppe", "Soup"]),
        (
            "diet: {_expressions: [{value: \"x\", _operator: CONTAINS, _apply: INSTANCES, _instances: 0}]}",
            vec!["Suppe", "Broth", "Soup"],
        ),
        ("_tags: {_expressions: [{value: \"acme:hot\"}]}", vec!["Soup"]),
        ("cook: {name: {_expressions: [{value: \"ANN\", _ignoreCase: true}]}}", vec!["Soup"]),
        ("body: {plaintext: {_expressions: [{value: \"Hot soup\", _operator: CONTAINS}]}}", vec!["Soup"]),
        ("related: {_match: {title: {_expressions: [{value: \"Broth\"}]}}}", vec!["Soup"]),
        (
            "_logOp: OR, vegan: {_expressions: [{value: false}]}, title: {_expressions: [{value: \"Suppe\"}]}",
            vec!["Suppe", "Broth"],
        ),
    ] {
        assert_eq!(titles(url, &format!("(filter: {{{filter}}})")).await, expected, "{filter}");
    }
    origin.stop().await;
}

#[tokio::test]
async fn pages_reach_every_item_once() {
    let dir = kitchen();
    let cook = json!([{"name": "name", "type": "text"}]);
    write(dir.path(), "models/cook2.json", model("cook2", "Helper", &cook));
    for number in 0..120 {
        let fields = json!({"name": format!("{}", number % 7)});
        write(
            dir.path(),
            &format!("fragments/acme/en/helpers/{number}.json"),
            fragment("cook2", "H", &fields, &json!({})),
        );
    }
    let origin = serve(dir.path(), None).await;
    for sort in ["", "name DESC"] {
        let (mut after, mut seen, mut pages) = (Value::Null, Vec::new(), 0);
        loop {
            let query = "query($after: String, $sort: String) { helperPaginated(first: 1000, after: $after, sort: $sort) { edges { cursor node { _path name } } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }";
            let answer = http::query(origin.url(), query, json!({"after": after, "sort": sort})).await;
            let page = answer["data"]["helperPaginated"].clone();
            let edges = page["edges"].as_array().unwrap();
            assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(pages > 0));
            assert_eq!(page["pageInfo"]["endCursor"], edges.last().unwrap()["cursor"]);
            seen.extend(
                edges
                    .iter()
                    .map(|edge| (edge["node"]["name"].as_str().unwrap().to_owned(), edge["node"]["_path"].to_string())),
            );
            pages += 1;
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] != true {
                break;
            }
        }
        assert_eq!((pages, seen.len()), (2, 120), "`first` is cut to 100");
        assert!(sort.is_empty() || seen.windows(2).all(|pair| pair[0].0 >= pair[1].0));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 120);
    }
    for after in ["nonsense", "bm8=", "W10KeA=="] {
        let query = format!("{{ helperPaginated(after: \"{after}\") {{ edges {{ cursor }} }} }}");
        let answer = http::query(origin.url(), &query, Value::Null).await;
        let expected = format!("Exception while fetching data (/helperPaginated) : Invalid cursor '{after}'");
        assert_eq!(answer["errors"][0]["message"], expected);
        assert_eq!(answer["data"], Value::Null);
    }
    origin.stop().await;
}
