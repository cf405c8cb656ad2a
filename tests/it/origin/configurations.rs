//! What the endpoint of a Sites configuration sees (protocol §2.1): the models of that configuration and those of `global`; the
//! global endpoint sees all.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::content::write;
use super::{http, serve};

/// Recipes of `acme` that refer to wines of `shop`, and topics of `global`.
fn content() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let model = |configuration: &str, name: &str, title: &str, fields: Value| {
        let path = format!("/conf/{configuration}/settings/dam/cfm/models/{name}");
        let model = json!({"path": path, "name": name, "title": title, "fields": fields});
        write(dir.path(), &format!("models/{name}.json"), model.to_string());
    };
    let text = json!({"name": "name", "type": "text"});
    let to = |name: &str, multiple: bool, models: Value| json!({"name": name, "type": "fragment-reference", "multiple": multiple, "allowedModels": models});
    let page = json!({"name": "page", "type": "content-reference"});
    let fields = json!([text, {"name": "body", "type": "long-text"}, page, to("topic", false, json!(["topic"])),
        to("pairing", false, json!(["wine"])), to("mixed", true, json!(["topic", "wine"])), to("any", true, json!([]))]);
    model("acme", "recipe", "Recipe", fields);
    model("shop", "wine", "Wine", json!([text, {"name": "label", "type": "content-reference"}]));
    model("global", "topic", "Topic", json!([text]));
    let path = |name: &str| format!("/content/dam/{name}");
    let both = json!([path("merlot"), path("autumn")]);
    let fields = json!({"name": "Stew", "body": "<p><a href=\"/content/dam/merlot\">Merlot</a> <a href=\"/content/dam/autumn\">in autumn</a></p>",
        "page": path("merlot"), "topic": path("autumn"), "pairing": path("merlot"), "mixed": both, "any": both});
    write(dir.path(), "fragments/stew.json", json!({"model": "recipe", "fields": fields}).to_string());
    let fields = json!({"name": "Merlot", "label": path("label.svg")});
    write(dir.path(), "fragments/merlot.json", json!({"model": "wine", "fields": fields}).to_string());
    write(dir.path(), "fragments/autumn.json", json!({"model": "topic", "fields": {"name": "Autumn"}}).to_string());
    write(dir.path(), "assets/label.svg", "<svg width='4' height='3'></svg>");
    write(dir.path(), "queries/wines.graphql", WINES);
    write(dir.path(), "queries/of-shop.graphql", format!("# configuration: shop\n{WINES}"));
    write(dir.path(), "queries/of-none.graphql", "# configuration: other\n{ topicList { items { name } } }");
    dir
}

const WINES: &str = "{ wineList { items { name } } }";

async fn ask(url: &str, configuration: &str, query: &str) -> Value {
    let body = json!({"query": query}).to_string();
    let path = format!("/content/_cq_graphql/{configuration}/endpoint.json");
    http::send(url, "POST", &path, &[], body.as_bytes()).await.json()
}

#[tokio::test]
async fn an_endpoint_has_its_own_models_and_the_global_ones() {
    let dir = content();
    let origin = serve(dir.path(), Some(&dir.path().join("queries"))).await;
    let url = origin.url();
    assert_eq!(origin.problems(), []);
    for (configuration, models) in [
        ("global", &["recipe", "wine", "topic"][..]),
        ("acme", &["recipe", "topic"]),
        ("shop", &["wine", "topic"]),
        ("other", &["topic"]),
    ] {
        for spelling in ["cq:graphql", "cq%3Agraphql", "_cq_graphql"] {
            let text = http::get(url, &format!("/content/{spelling}/{configuration}/endpoint.GQLschema")).await.text();
            for (model, object) in [("recipe", "RecipeModel"), ("wine", "WineModel"), ("topic", "TopicModel")] {
                assert_eq!(text.contains(object), models.contains(&model), "{configuration}: {object}");
            }
        }
        for model in ["recipe", "wine", "topic"] {
            let answer = ask(url, configuration, &format!("{{ {model}List {{ items {{ name }} }} }}")).await;
            assert_eq!(answer["errors"].is_null(), models.contains(&model), "{configuration}: {answer}");
        }
    }
    let answer = ask(url, "acme", WINES).await;
    let message = "Validation error of type FieldUndefined: Field 'wineList' in type 'QueryType' is undefined";
    assert_eq!(answer["errors"][0]["message"], message);
    assert_eq!(ask(url, "nobody", WINES).await["errors"][0]["details"], "No suitable endpoint found.");
    origin.stop().await;
}

#[tokio::test]
async fn a_persisted_query_is_asked_of_its_configuration() {
    let dir = content();
    let origin = serve(dir.path(), Some(&dir.path().join("queries"))).await;
    let url = origin.url();
    let merlot = r#"{"data":{"wineList":{"items":[{"name":"Merlot"}]}}}"#;
    assert_eq!(http::get(url, "/graphql/execute.json/shop/of-shop").await.text(), merlot);
    let autumn = r#"{"data":{"topicList":{"items":[{"name":"Autumn"}]}}}"#;
    assert_eq!(http::get(url, "/graphql/execute.json/other/of-none").await.text(), autumn);
    for method in ["GET", "POST"] {
        let answer = http::send(url, method, "/graphql/execute.json/acme/wines", &[], b"").await.json();
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("'wineList'"), "{method}: {answer}");
    }
    origin.stop().await;
}

/// Through `acme` what a wine is cannot be reached: a field for wines alone is not there, in others wines are missing.
#[tokio::test]
async fn fragments_of_another_configuration_are_out_of_reach() {
    let dir = content();
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    let topic = "... on TopicModel { name }";
    let wine = "... on WineModel { name label { ... on ImageRef { _path } } }";
    let query = |on: &str| {
        format!(
            "{{ recipeList {{ items {{ name page {{ __typename }} topic {{ name }} mixed {{ __typename {on} }} any {{ __typename {on} }} }} _references {{ __typename }} }} }}"
        )
    };
    let autumn = json!({"__typename": "TopicModel", "name": "Autumn"});
    let typename = |name: &str| json!({"__typename": name});
    let expected = json!({"items": [{"name": "Stew", "page": null, "topic": {"name": "Autumn"}, "mixed": [autumn], "any": [autumn]}],
        "_references": [typename("TopicModel")]});
    assert_eq!(ask(url, "acme", &query(topic)).await, json!({"data": {"recipeList": expected}}));

    let merlot = json!({"__typename": "WineModel", "name": "Merlot", "label": {"_path": "/content/dam/label.svg"}});
    let found = ask(url, "global", &query(&format!("{topic} {wine}"))).await["data"]["recipeList"].clone();
    assert_eq!(found["items"][0]["page"], typename("WineModel"));
    assert_eq!(found["items"][0]["any"], json!([merlot, autumn]));
    let references = json!([typename("WineModel"), typename("TopicModel"), typename("ImageRef")]);
    assert_eq!(found["_references"], references);

    for query in [
        "{ recipeList { items { pairing { name } } } }",
        "{ recipeList(filter: {pairing: {name: {_expressions: [{value: \"Merlot\"}]}}}) { items { name } } }",
        "{ recipeList(sort: \"pairing.name\") { items { name } } }",
    ] {
        // First where it is right: nothing of that is kept for who may not ask it.
        let right = ask(url, "global", query).await;
        assert_eq!(right["data"]["recipeList"]["items"].as_array().map(Vec::len), Some(1), "{right}");
        let wrong = ask(url, "acme", query).await;
        assert!(wrong["errors"][0]["message"].as_str().unwrap().contains("pairing"), "{query}: {wrong}");
        assert!(wrong["data"]["recipeList"].is_null(), "{query}: {wrong}");
    }
    let errors = |configuration: &str| format!("/content/cq:graphql/{configuration}/endpoint.schemaerrors");
    let removed = json!([{"errorType": "SCHEMA_INCOMPLETE_FIELD_REMOVED", "message": "Field 'pairing' of type 'RecipeModel' refers to no model that is there",
        "model": "/conf/acme/settings/dam/cfm/models/recipe", "field": "pairing"}]);
    assert_eq!(http::get(url, &errors("acme")).await.json(), removed);
    assert_eq!(http::get(url, &errors("global")).await.json(), json!([]));
    assert_eq!(http::get(url, &errors("shop")).await.status, 200);
    origin.stop().await;
}
