//! The schema of content fragment models, protocol §4, and the values of its less common types.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::content::{data, write};
use super::{http, serve};

/// What GraphiQL and code generators ask first (the query of the reference implementation).
const INTROSPECTION: &str = "query IntrospectionQuery { __schema {
  queryType { name } mutationType { name } subscriptionType { name }
  types { ...FullType }
  directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL
  fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
  inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } }";

/// One model with every data type, single and multiple, and one to refer to.
fn museum() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut fields = Vec::new();
    for kind in ["text", "long-text", "number", "integer", "boolean", "date", "time", "date-time", "enumeration", "tag"]
    {
        fields.push(json!({"name": kind.replace('-', "_"), "type": kind}));
        fields.push(json!({"name": format!("{}_list", kind.replace('-', "_")), "type": kind, "multiple": true}));
    }
    fields.extend([
        json!({"name": "json", "type": "json"}),
        json!({"name": "tab", "type": "tab-placeholder"}),
        json!({"name": "content", "type": "content-reference"}),
        json!({"name": "contents", "type": "content-reference", "multiple": true}),
        json!({"name": "one", "type": "fragment-reference", "allowedModels": ["maker"]}),
        json!({"name": "many", "type": "fragment-reference", "multiple": true, "allowedModels": ["maker"]}),
        json!({"name": "oneOfTwo", "type": "fragment-reference", "allowedModels": ["maker", "piece"]}),
        json!({"name": "manyOfTwo", "type": "fragment-reference", "multiple": true, "allowedModels": ["maker", "piece"]}),
        json!({"name": "gone", "type": "fragment-reference", "allowedModels": ["nobody"]}),
    ]);
    write(
        dir.path(),
        "models/piece.json",
        json!({"name": "piece", "title": "Museum Piece", "fields": fields}).to_string(),
    );
    let maker = json!({"name": "maker", "title": "Maker", "fields": [{"name": "name", "type": "text"}]});
    write(dir.path(), "models/maker.json", maker.to_string());
    dir
}

#[tokio::test]
async fn every_data_type_has_its_type_and_its_filter() {
    let origin = serve(museum().path(), None).await;
    let schema = http::get(origin.url(), "/content/cq:graphql/global/endpoint.GQLschema").await.text();
    insta::assert_snapshot!(schema);
    origin.stop().await;
}

/// Every type named anywhere is described, and what is described is what the schema document says.
#[tokio::test]
async fn introspection_is_complete() {
    let origin = serve(museum().path(), None).await;
    let answer = http::query(origin.url(), INTROSPECTION, Value::Null).await;
    assert_eq!(answer.get("errors"), None);
    let schema = &answer["data"]["__schema"];
    let types = schema["types"].as_array().unwrap();
    let described: BTreeSet<&str> = types.iter().map(|ty| ty["name"].as_str().unwrap()).collect();
    let mut named = BTreeSet::new();
    names_of_types(schema, &mut named);
    assert_eq!(named.difference(&described).collect::<Vec<_>>(), Vec::<&&str>::new());
    let text = http::get(origin.url(), "/content/cq:graphql/global/endpoint.GQLschema").await.text();
    let written = |keyword: &str| {
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(keyword)?.strip_prefix(' '));
        lines.map(|line| line.split(' ').next().unwrap()).collect::<BTreeSet<_>>()
    };
    for (kind, keyword) in [("OBJECT", "type"), ("INPUT_OBJECT", "input"), ("ENUM", "enum"), ("UNION", "union")] {
        let of_kind = types.iter().filter(|ty| ty["kind"] == kind).map(|ty| ty["name"].as_str().unwrap());
        assert_eq!(of_kind.filter(|name| !name.starts_with("__")).collect::<BTreeSet<_>>(), written(keyword));
    }
    assert_eq!(schema["queryType"]["name"], "QueryType");
    assert_eq!((&schema["mutationType"], &schema["subscriptionType"]), (&Value::Null, &Value::Null));
    let directives: Vec<&str> =
        schema["directives"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(["skip", "include"].iter().all(|name| directives.contains(name)), "{directives:?}");
    origin.stop().await;
}

fn names_of_types<'a>(json: &'a Value, names: &mut BTreeSet<&'a str>) {
    match json {
        Value::Array(values) => values.iter().for_each(|value| names_of_types(value, names)),
        Value::Object(members) => {
            if let (Some(_), Some(Value::String(name))) = (members.get("kind"), members.get("name")) {
                names.insert(name);
            }
            members.values().for_each(|value| names_of_types(value, names));
        }
        _ => {}
    }
}

#[tokio::test]
async fn remote_assets_dynamic_media_and_authors() {
    let dir = museum();
    let fields = json!({"content": "/content/dam/acme/pot.svg", "integer": 5.0, "contents": [
        "/content/dam/acme/menu.pdf", {"repositoryId": "delivery-p1-e1.adobeaemcloud.com", "assetId": "urn:aaid:aem:1"}]});
    write(dir.path(), "fragments/acme/vase.json", json!({"model": "piece", "fields": fields}).to_string());
    write(dir.path(), "assets/acme/pot.svg", "<svg width='4' height='3'></svg>");
    write(dir.path(), "assets/acme/menu.pdf", "%PDF");
    write(dir.path(), "assets/acme/plain.metadata.json", "{}");
    let metadata = json!({"dam:scene7Domain": "https://s7.example.com/", "dam:scene7File": "acme/pot",
        "smartCrops": [{"name": "Small", "width": 3, "height": 2}, {"width": 1}]});
    write(dir.path(), "assets/acme/pot.svg.metadata.json", metadata.to_string());
    write(dir.path(), "assets/acme/menu.pdf.metadata.json", r#"{"dc:creator": "Ann"}"#);
    let origin = serve(dir.path(), None).await;
    let told: Vec<&str> = origin.problems().iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(told, ["allowed model `nobody` is not there", "a smart crop has no `name`"]);
    let fields = "... on ImageRef { _path _dynamicUrl _dmS7Url _smartCrops { name width height } }
        ... on DocumentRef { _path author _dmS7Url } ... on RemoteRef { repositoryId assetId }";
    let query = format!(
        "{{ museumPieceList {{ items {{ integer content {{ __typename {fields} }} contents {{ __typename {fields} }} }} _references {{ __typename {fields} }} }} }}"
    );
    let list = data(origin.url(), &query).await["museumPieceList"].clone();
    let image = json!({"__typename": "ImageRef", "_path": "/content/dam/acme/pot.svg", "_dynamicUrl": null,
        "_dmS7Url": "https://s7.example.com/is/image/acme/pot", "_smartCrops": [{"name": "Small", "width": 3, "height": 2}]});
    let document =
        json!({"__typename": "DocumentRef", "_path": "/content/dam/acme/menu.pdf", "author": "Ann", "_dmS7Url": null});
    let remote = json!({"__typename": "RemoteRef", "repositoryId": "delivery-p1-e1.adobeaemcloud.com", "assetId": "urn:aaid:aem:1"});
    assert_eq!(list["items"], json!([{"integer": 5, "content": image, "contents": [document, remote]}]));
    assert_eq!(list["_references"], json!([image, document, remote]));
    assert_eq!(http::get(origin.url(), "/content/dam/acme/pot.svg.metadata.json").await.status, 404);
    assert_eq!(http::get(origin.url(), "/content/dam/acme/plain.metadata.json").await.status, 200, "an asset like any");
    origin.stop().await;
}
