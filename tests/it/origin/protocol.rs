//! Requests as clients send them: endpoint spellings, persisted queries, errors, assets, caching, hostile input.

use serde_json::{Value, json};

use super::content::{kitchen, write};
use super::{http, serve};

#[tokio::test]
async fn the_endpoint_answers_in_every_spelling() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    let body = json!({"query": "{ cookList { items { name } } }"}).to_string();
    for path in [
        "/content/cq:graphql/acme/endpoint.json",
        "/content/cq%3Agraphql/acme/endpoint.json",
        "/content/_cq_graphql/acme/endpoint.json",
        "/content/_cq_graphql/global/endpoint.json",
        "/content/graphql/global/endpoint.json",
    ] {
        let answer = http::send(origin.url(), "POST", path, &[], body.as_bytes()).await;
        assert_eq!(answer.text(), r#"{"data":{"cookList":{"items":[{"name":"Ann"}]}}}"#, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let answer =
        http::send(origin.url(), "POST", "/content/_cq_graphql/other/endpoint.json", &[], body.as_bytes()).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["errors"][0]["details"], "No suitable endpoint found.");
    origin.stop().await;
}

#[tokio::test]
async fn persisted_queries_take_typed_variables() {
    let dir = kitchen();
    let by_path = "query($path: String!, $max: Float, $ids: [String], $on: Boolean = false, $sort: String) {
  recipeByPath(_path: $path) { item { ...Card vegan @include(if: $on) } }
  recipeList(sort: $sort, filter: {price: {_expressions: [{value: $max, _operator: LOWER}]}, diet: {_expressions: [{values: $ids}]}}) { items { ...Card } }
}\n";
    write(dir.path(), "queries/deep/recipe.graphql", by_path);
    write(dir.path(), "queries/parts/card.graphql", "fragment Card on RecipeModel { title ...Price }\n");
    write(dir.path(), "queries/parts/price.graphql", "fragment Price on RecipeModel { price }\n");
    write(dir.path(), "queries/cooks.graphql", "# configuration: other\n{ cookList { items { name } } }\n");
    let origin = serve(dir.path(), Some(&dir.path().join("queries"))).await;
    let url = origin.url();
    assert_eq!(origin.problems(), []);
    let expected = r#"{"data":{"recipeByPath":{"item":{"title":"Soup","price":12,"vegan":true}},"recipeList":{"items":[{"title":"Soup","price":12}]}}}"#;
    let path = "/graphql/execute.json/acme/recipe%3Bpath%3D%2Fcontent%2Fdam%2Facme%2Fen%2Fsoup%3Bmax%3D12.5%3Bids%3D%5B%22acme%3Adiet%2Fvegan%22%5D%3Bon%3Dtrue%3Bsort%3Dnull;";
    let answer = http::get(url, path).await;
    assert_eq!(answer.text(), expected);
    assert_eq!(
        answer.header("cache-control"),
        Some("max-age=60, s-maxage=60, stale-while-revalidate=86400, stale-if-error=86400")
    );
    let tag = answer.header("etag").unwrap().to_owned();
    let again = http::send(url, "GET", path, &[("If-None-Match", &tag)], b"").await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag.as_str())));
    let variables = json!({"variables": {"path": "/content/dam/acme/en/soup", "max": 12.5, "ids": ["acme:diet/vegan"], "on": true}});
    let posted =
        http::send(url, "POST", "/graphql/execute.json/acme/recipe", &[], variables.to_string().as_bytes()).await;
    assert_eq!((posted.text().as_str(), posted.header("etag")), (expected, None));
    // The query of another configuration; `acme` has the model, `other` has not.
    let cooks = http::get(url, "/graphql/execute.json/other/cooks.json").await;
    assert_eq!(cooks.status, 200);
    assert!(cooks.text().contains("Field 'cookList' in type 'QueryType' is undefined"), "{}", cooks.text());
    let list = http::get(url, "/graphql/list.json/acme").await.json();
    let sent = format!(
        "{by_path}\nfragment Card on RecipeModel {{ title ...Price }}\n\nfragment Price on RecipeModel {{ price }}\n"
    );
    let path = json!({"shortForm": "/acme/recipe", "longForm": "/acme/settings/graphql/persistentQueries/recipe"});
    assert_eq!(list, json!([{"configurationName": "acme", "queries": [{"path": path, "data": {"query": sent}}]}]));
    origin.stop().await;
}

#[tokio::test]
async fn errors_have_the_documented_shapes() {
    let dir = kitchen();
    write(
        dir.path(),
        "queries/recipe.graphql",
        "query($path: String!) { recipeByPath(_path: $path) { item { title } } }",
    );
    let origin = serve(dir.path(), Some(&dir.path().join("queries"))).await;
    let url = origin.url();
    let mut lines = Vec::new();
    for path in ["acme/none", "none/none", "acme/recipe", "acme/recipe;path=/content/dam/none", ""] {
        let answer = http::get(url, &format!("/graphql/execute.json/{path}")).await;
        lines.push(format!("{path}: {} {}", answer.status, answer.text()));
    }
    for query in [
        "{\n  recipeList { items { titel } }\n}",
        "{ recipeByPath(path: \"x\") { item { title } } }",
        "{ recipeList { items { any { ... on Recipe { title } } } } }",
        "{ recipeList { items { title }",
        "query A { cookList { items { name } } } query B { cookList { items { name } } }",
        "{ recipeList(sort: \"nothing\") { items { title } } }",
        "{ recipeList(limit: -1) { items { title } } }",
        "{ recipeList(includeVariations: true, filter: {_variation: {_expressions: [{value: \"short\"}]}}) { items { title } } }",
        "mutation { x }",
    ] {
        lines.push(format!("{query}: {}", http::query(url, query, Value::Null).await));
    }
    insta::assert_snapshot!(lines.join("\n"));
    origin.stop().await;
}

#[tokio::test]
async fn assets_are_served_with_type_and_tag() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    let answer = http::get(origin.url(), "/content/dam/acme/pot.svg").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")));
    let tag = answer.header("etag").unwrap().to_owned();
    let again = http::send(origin.url(), "GET", "/content/dam/acme/pot.svg", &[("If-None-Match", &tag)], b"").await;
    assert_eq!(again.status, 304);
    for path in [
        "/content/dam/acme/none.jpg",
        "/content/dam/../fragments/acme/en/soup.json",
        "/content/dam/%2e%2e/models/cook.json",
        "/",
    ] {
        assert_eq!(http::get(origin.url(), path).await.status, 404, "{path}");
    }
    origin.stop().await;
}

#[tokio::test]
async fn hostile_requests_end_in_errors() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    let deep = format!("{{ recipeList {{ items {{ {} title {} }} }} }}", "related { ".repeat(60), "} ".repeat(60));
    let deeper =
        format!("{{ recipeList {{ items {{ {} title {} }} }} }}", "related { ".repeat(5_000), "} ".repeat(5_000));
    let circle = "{ recipeList { items { ...A } } } fragment A on RecipeModel { related { ...A } }".to_owned();
    let wide = format!("{{ recipeList {{ items {{ {} }} }} }}", "title ".repeat(16_000));
    let long = format!("{{ recipeList(sort: \"{}\") {{ items {{ title }} }} }}", "x".repeat(1_100_000));
    let nested_value =
        format!("{{ recipeList(filter: {}1{}) {{ items {{ title }} }} }}", "[".repeat(10_000), "]".repeat(10_000));
    for query in [deep, deeper, circle, wide, long, nested_value, "\0".to_owned(), String::new(), "{".repeat(1_000)] {
        let answer = http::query(url, &query, Value::Null).await;
        assert!(answer["errors"][0]["message"].is_string(), "{answer}");
    }
    for body in ["", "[]", "{", "{\"query\": 1}", "\u{feff}"] {
        let answer = http::send(url, "POST", "/content/_cq_graphql/acme/endpoint.json", &[], body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    let many = vec![b' '; 5 * 1024 * 1024];
    assert_eq!(http::send(url, "POST", "/graphql/execute.json/acme/x", &[], &many).await.status, 413);
    assert_eq!(http::get(url, "/content/_cq_graphql/acme/endpoint.json").await.status, 405);
    // And it still answers.
    assert_eq!(
        http::query(url, "{ cookList { items { name } } }", Value::Null).await["data"]["cookList"]["items"][0]["name"],
        "Ann"
    );
    origin.stop().await;
}

#[tokio::test]
async fn a_thousand_items_take_no_time_and_the_same_bytes() {
    let dir = kitchen();
    for number in 0..1_000 {
        let fields = json!({"title": format!("Recipe {number}"), "price": number, "cook": "/content/dam/acme/en/ann", "diet": ["a", "b"]});
        let json = json!({"title": "R", "model": "recipe", "fields": fields});
        write(dir.path(), &format!("fragments/acme/en/many/{number}.json"), json.to_string());
    }
    let first = serve(dir.path(), None).await;
    let second = serve(dir.path(), None).await;
    let query = "{ recipeList(sort: \"price DESC\") { items { _path _id title price vegan day level diet cook { name } image { ... on ImageRef { _path _publishUrl } } } } }";
    let one = http::query(first.url(), query, Value::Null).await.to_string();
    assert_eq!(one, http::query(second.url(), query, Value::Null).await.to_string());
    assert!(!one.contains(first.url()), "answers do not hold the port");
    first.stop().await;
    second.stop().await;
}
