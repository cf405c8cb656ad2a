//! Adobe's documented cases (`tests/fixtures/conformance`): every printed result exactly, order included.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{http, serve};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conformance")
}

fn cases(folder: &str) -> Vec<Value> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(fixture().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
}

/// The order of keys counts too, so texts are compared.
#[tokio::test]
async fn documented_results_are_given_exactly() {
    let origin = serve(&fixture().join("content"), None).await;
    assert_eq!(origin.problems(), []);
    assert_eq!(origin.fragments(), 23);
    let mut compared = 0;
    for case in cases("cases").iter().filter(|case| !case["expected"].is_null()) {
        let answer = http::query(origin.url(), case["query"].as_str().unwrap(), case["variables"].clone()).await;
        assert_eq!(answer.to_string(), case["expected"].to_string(), "{}", case["name"]);
        compared += 1;
    }
    assert_eq!(compared, 10);
    origin.stop().await;
}

/// Queries without a printed result have to be valid where their models are here.
#[tokio::test]
async fn other_documented_queries_validate_where_their_models_exist() {
    let origin = serve(&fixture().join("content"), None).await;
    let mut valid = Vec::new();
    for case in cases("cases").iter().filter(|case| case["expected"].is_null() && case["name"] != "cities-bare-items") {
        let answer = http::query(origin.url(), case["query"].as_str().unwrap(), case["variables"].clone()).await;
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        if errors.is_empty() {
            valid.push(case["name"].as_str().unwrap().to_owned());
        }
        // What is not valid here asks for a model that is not here, and says nothing else.
        let foreign =
            ["bookmark", "vehicle", "article", "author"].iter().any(|model| case["query"].to_string().contains(model));
        assert!(errors.is_empty() || foreign, "{}: {errors:?}", case["name"]);
    }
    let expected =
        ["cities-named-variation", "introspection-types", "wknd-adventures-metadata", "wknd-include-directive"];
    assert_eq!(valid, expected);
    origin.stop().await;
}

#[tokio::test]
async fn introspection_names_the_documented_types() {
    let origin = serve(&fixture().join("content"), None).await;
    let answer = http::query(origin.url(), "{ __schema { types { name description } } }", Value::Null).await;
    let names: Vec<&str> =
        answer["data"]["__schema"]["types"].as_array().unwrap().iter().filter_map(|ty| ty["name"].as_str()).collect();
    for name in [
        "CityModel",
        "CityModelArrayFilter",
        "CityModelFilter",
        "CityModelResult",
        "CityModelResults",
        "AllFragmentModels",
        "ArchiveRef",
        "ArrayMode",
        "__Schema",
        "__TypeKind",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    let bare = http::query(origin.url(), "{ cityList { items } }", Value::Null).await;
    assert_eq!(
        bare["errors"][0]["message"],
        "Validation error of type SubselectionRequired: Subselection required for type 'CityModelResults' of field 'items'"
    );
    origin.stop().await;
}

#[tokio::test]
async fn the_schema_document_has_its_media_type() {
    let origin = serve(&fixture().join("content"), None).await;
    let case = cases("protocol").into_iter().find(|case| case["name"] == "schema-document").unwrap();
    let answer = http::get(origin.url(), case["request"]["path"].as_str().unwrap()).await;
    assert_eq!(answer.header("content-type"), case["expected"]["contentType"].as_str());
    assert!(answer.text().contains("type CityModel {"));
    origin.stop().await;
}
