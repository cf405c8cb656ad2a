//! What was not published stays on author (protocol §1.2, §1.3, §4.1).

use aem_static::origin::{Options, Running, Tier, start};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::content::{data, write};
use super::http;

fn content() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let model = |name: &str, title: &str, rest: Value| {
        let mut model =
            json!({"name": name, "title": title, "path": format!("/conf/acme/settings/dam/cfm/models/{name}")});
        model.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        write(dir.path(), &format!("models/{name}.json"), model.to_string());
    };
    let to = |name: &str, multiple: bool, model: &str| json!({"name": name, "type": "fragment-reference", "multiple": multiple, "allowedModels": [model]});
    let fields = json!([{"name": "title", "type": "text"}, to("next", false, "recipe"), to("all", true, "recipe"), to("note", false, "note")]);
    model("recipe", "Recipe", json!({"fields": fields}));
    model("note", "Note", json!({"published": false, "fields": [{"name": "text", "type": "text"}]}));
    let fragment = |name: &str, rest: Value| {
        let mut fragment = json!({"model": "recipe"});
        fragment.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        write(dir.path(), &format!("fragments/{name}.json"), fragment.to_string());
    };
    let path = |name: &str| format!("/content/dam/{name}");
    let fields = json!({"title": "A", "next": path("b"), "all": [path("b"), path("c"), path("d")], "note": path("n")});
    let variations = json!([{"name": "new", "published": false, "fields": {"title": "A, new"}}, {"name": "old", "fields": {"title": "A, old"}}]);
    fragment("a", json!({"fields": fields, "variations": variations}));
    fragment("b", json!({"published": false, "fields": {"title": "B"}}));
    fragment(
        "c",
        json!({"status": "PUBLISHED", "previewReplicationStatus": "NEVER_PUBLISHED", "fields": {"title": "C"}}),
    );
    fragment("d", json!({"status": "DRAFT", "previewReplicationStatus": "PUBLISHED", "fields": {"title": "D"}}));
    fragment("n", json!({"model": "note", "fields": {"text": "N"}}));
    dir
}

async fn on(tier: Tier, dir: &TempDir) -> Running {
    let content = dir.path().to_owned();
    let origin = start(Options { content, tier, allow_post: true, ..Options::default() }).await.unwrap();
    assert_eq!(origin.problems(), []);
    origin
}

const QUERY: &str =
    "{ recipeList(includeVariations: true) { items { title _variations next { title } all { title } } } }";

#[tokio::test]
async fn author_has_everything() {
    let dir = content();
    let origin = on(Tier::Author, &dir).await;
    assert_eq!(origin.fragments(), 5);
    let answer = data(origin.url(), QUERY).await;
    let items = answer["recipeList"]["items"].as_array().unwrap();
    let titles: Vec<_> = items.iter().map(|item| item["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["A", "A, new", "A, old", "B", "C", "D"]);
    assert_eq!(items[0]["next"]["title"], "B");
    let answer = data(origin.url(), "{ recipeList { items { note { text } } } noteList { items { text } } }").await;
    assert_eq!(answer["recipeList"]["items"][0]["note"]["text"], "N");
    origin.stop().await;
}

#[tokio::test]
async fn publish_and_preview_have_what_was_published_there() {
    let dir = content();
    for (tier, others) in [(Tier::Publish, "C"), (Tier::Preview, "D")] {
        let origin = on(tier, &dir).await;
        assert_eq!(origin.fragments(), 2);
        let items = data(origin.url(), QUERY).await["recipeList"]["items"].clone();
        let expected = json!([
            {"title": "A", "_variations": ["old"], "next": null, "all": [{"title": others}]},
            {"title": "A, old", "_variations": ["old"], "next": null, "all": [{"title": others}]},
            {"title": others, "_variations": [], "next": null, "all": []}]);
        assert_eq!(items, expected, "{tier:?}");
        let gone =
            http::query(origin.url(), "{ recipeByPath(_path: \"/content/dam/b\") { item { title } } }", Value::Null)
                .await;
        assert!(gone["errors"][0]["message"].as_str().unwrap().contains("No content fragment"), "{gone}");
        // The model is not there, so neither is the field that refers to it (protocol §4.1).
        let field = http::query(origin.url(), "{ recipeList { items { note { text } } } }", Value::Null).await;
        let message = "Validation error of type FieldUndefined: Field 'note' in type 'RecipeModel' is undefined";
        assert_eq!(field["errors"][0]["message"], message, "{field}");
        origin.stop().await;
    }
}
