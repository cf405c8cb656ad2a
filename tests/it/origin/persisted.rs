//! Persisted queries by `persist.json`, `list.json` and `execute.json` (protocol §3), over the socket.

use std::path::Path;

use aem_static::origin::{Options, Tier};
use serde_json::{Value, json};

use super::content::{kitchen, write};
use super::http::{Answer, get, send};
use super::{serve, serve_as};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const COOKS: &str = "{ cookList { items { name } } }";
const ANN: &str = r#"{"data":{"cookList":{"items":[{"name":"Ann"}]}}}"#;

async fn persist(url: &str, method: &str, path: &str, body: &str) -> Answer {
    send(url, method, &format!("/graphql/persist.json{path}"), &[JSON], body.as_bytes()).await
}

fn told(action: &str, name: &str) -> Value {
    json!({"action": action, "configurationName": "acme", "name": name, "shortPath": format!("/acme/{name}"),
        "path": format!("/conf/acme/settings/graphql/persistentQueries/{name}")})
}

#[tokio::test]
async fn a_query_is_created_changed_and_deleted() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    let created = persist(url, "PUT", "/acme/cooks", COOKS).await;
    assert_eq!((created.status, created.json()), (201, told("create", "cooks")));
    assert_eq!(get(url, "/graphql/execute.json/acme/cooks").await.text(), ANN);

    let again = persist(url, "PUT", "/acme/cooks", COOKS).await;
    assert_eq!((again.status, &again.json()["errors"][0]["errorType"]), (409, &json!("PersistenceError")));

    let wrapped = json!({"query": "{ cookList { items { _path } } }"}).to_string();
    let updated = persist(url, "POST", "/acme/cooks", &wrapped).await;
    assert_eq!((updated.status, updated.json()), (200, told("update", "cooks")));
    let changed = get(url, "/graphql/execute.json/acme/cooks").await;
    assert_eq!(changed.text(), r#"{"data":{"cookList":{"items":[{"_path":"/content/dam/acme/en/ann"}]}}}"#);

    let deleted = persist(url, "DELETE", "/acme/cooks", "").await;
    assert_eq!((deleted.status, deleted.json()), (200, told("delete", "cooks")));
    for gone in [
        get(url, "/graphql/execute.json/acme/cooks").await,
        persist(url, "POST", "/acme/cooks", COOKS).await,
        persist(url, "DELETE", "/acme/cooks", "").await,
    ] {
        let details = "Configuration: 'acme' and Query Name: 'cooks' does not resolve to an existing Persistent Query";
        let error =
            json!({"errorType": "PersistenceError", "message": "Could not find Persisted Query", "details": details});
        assert_eq!((gone.status, gone.json()), (404, json!({"errors": [error]})));
    }
    // The name is free again.
    assert_eq!(persist(url, "PUT", "/acme/cooks", COOKS).await.status, 201);
    origin.stop().await;
}

#[tokio::test]
async fn the_documented_create_request() {
    let dir = kitchen();
    let options = Options { configuration: "wknd".to_owned(), content: dir.path().to_owned(), ..Options::default() };
    let origin = aem_static::origin::start(options).await.unwrap();
    let fixture = |name: &str| -> Value {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conformance/protocol").join(name);
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    };
    for (name, status) in [("persist-create.json", 201), ("persist-update.json", 200)] {
        let case = fixture(name);
        let text = |key: &str| case["request"][key].as_str().unwrap();
        let headers = case["request"]["headers"].as_object().unwrap();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let answer = send(origin.url(), text("method"), text("path"), &headers, text("body").as_bytes()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(case["expected"].is_null() || answer.json() == case["expected"]["json"], "{}", answer.text());
    }
    origin.stop().await;
}

#[tokio::test]
async fn what_cannot_be_persisted() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    for (path, body, status, details) in [
        ("/none/cooks", COOKS, 404, "No suitable endpoint found."),
        ("", COOKS, 400, "does not contain a path"),
        ("/acme", COOKS, 400, "does not contain a path"),
        ("/acme/a/b", COOKS, 400, "does not contain a path"),
        ("/acme/a%3Bb", COOKS, 400, "does not contain a path"),
        ("/acme/empty", "", 400, "Invalid Syntax"),
        ("/acme/part", "fragment A on CookModel { name }", 400, "has no operation"),
        ("/acme/json", "{\"text\": \"{ a }\"}", 400, "Invalid Syntax"),
        ("/acme/open", "{ cookList {", 400, "Invalid Syntax"),
        ("/acme/age", r#"{"query":"{ a }","cache-control":{"max-age":"long"}}"#, 400, "'max-age' of 'cache-control'"),
    ] {
        let answer = persist(url, "PUT", path, body).await;
        assert_eq!(answer.status, status, "{path} {}", answer.text());
        assert!(answer.json()["errors"][0]["details"].as_str().unwrap().contains(details), "{path} {}", answer.text());
    }
    let wrong = persist(url, "GET", "/acme/cooks", "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("PUT, POST, DELETE, OPTIONS")));
    assert_eq!(get(url, "/graphql/list.json").await.json(), json!([]));
    // A query that does not fit the schema says so when it is executed, as when a model has changed.
    assert_eq!(persist(url, "PUT", "/acme/later", "{ soonList { items { name } } }").await.status, 201);
    let answer = get(url, "/graphql/execute.json/acme/later").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("Field 'soonList' in type 'QueryType' is undefined"), "{}", answer.text());
    origin.stop().await;
}

#[tokio::test]
async fn the_list_has_files_and_what_clients_made() {
    let dir = kitchen();
    write(dir.path(), "queries/cooks.graphql", COOKS);
    write(dir.path(), "queries/gone.graphql", COOKS);
    write(dir.path(), "queries/other.graphql", format!("# configuration: other\n{COOKS}"));
    let origin = serve(dir.path(), Some(&dir.path().join("queries"))).await;
    let url = origin.url();
    let settings = json!({"query": COOKS, "cache-control": {"max-age": 300},
        "surrogate-control": {"max-age": 600, "stale-while-revalidate": 1000, "stale-if-error": 1000}});
    assert_eq!(persist(url, "PUT", "/acme/aged", &settings.to_string()).await.status, 201);
    assert_eq!(persist(url, "DELETE", "/acme/gone", "").await.status, 200);
    let entry = |configuration: &str, name: &str, data: Value| {
        let path = json!({"shortForm": format!("/{configuration}/{name}"), "longForm": format!("/{configuration}/settings/graphql/persistentQueries/{name}")});
        json!({"path": path, "data": data})
    };
    let acme = json!({"configurationName": "acme",
        "queries": [entry("acme", "aged", settings), entry("acme", "cooks", json!({"query": COOKS}))]});
    let text = format!("# configuration: other\n{COOKS}");
    let other = json!({"configurationName": "other", "queries": [entry("other", "other", json!({"query": text}))]});
    assert_eq!(get(url, "/graphql/list.json").await.json(), json!([acme, other]));
    assert_eq!(get(url, "/graphql/list.json/acme").await.json(), json!([acme]));
    assert_eq!(get(url, "/graphql/list.json/none").await.json(), json!([]));
    origin.stop().await;
}

#[tokio::test]
async fn answers_keep_as_long_as_the_query_says() {
    let dir = kitchen();
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    let body = json!({"query": COOKS, "cache-control": {"max-age": 300}, "surrogate-control": {"max-age": 600, "stale-if-error": 0}});
    persist(url, "PUT", "/acme/cooks", &body.to_string()).await;
    let path = "/graphql/execute.json/acme/cooks";
    let answer = get(url, path).await;
    let expected = "max-age=300, s-maxage=600, stale-while-revalidate=86400, stale-if-error=0";
    assert_eq!(answer.header("cache-control"), Some(expected));
    let tag = answer.header("etag").unwrap();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    for known in [tag.to_owned(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        let again = send(url, "GET", path, &[("If-None-Match", &known)], b"").await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!((again.header("etag"), again.header("cache-control")), (Some(tag), Some(expected)));
    }
    // A change makes another tag, and the query's settings go with its body.
    persist(url, "POST", "/acme/cooks", "{ cookList { items { _path } } }").await;
    let changed = send(url, "GET", path, &[("If-None-Match", tag)], b"").await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag));
    let defaults = "max-age=60, s-maxage=60, stale-while-revalidate=86400, stale-if-error=86400";
    assert_eq!(changed.header("cache-control"), Some(defaults));
    // What is posted is not for keeping.
    let direct = json!({"query": COOKS}).to_string();
    for (path, body) in [(path, ""), ("/content/_cq_graphql/acme/endpoint.json", direct.as_str())] {
        let posted = send(url, "POST", path, &[JSON, ("If-None-Match", "*")], body.as_bytes()).await;
        assert_eq!((posted.status, posted.header("etag"), posted.header("cache-control")), (200, None, None), "{path}");
    }
    origin.stop().await;
}

/// A field by alias tells each variable as the server understood it.
#[tokio::test]
async fn variables_arrive_in_every_encoding_and_type() {
    let dir = kitchen();
    for (number, title) in ["12", "true", "null", "Ä & Ö/Ü = \"q\"; x", "1+1"].iter().enumerate() {
        let fields = json!({"title": title, "price": 7});
        let json = json!({"title": title, "model": "recipe", "fields": fields});
        write(dir.path(), &format!("fragments/acme/de/t{number}.json"), json.to_string());
    }
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    let named = "query($t: String) { recipeList(filter: {_path: {_expressions: [{value: \"/content/dam/acme/de\", _operator: STARTS_WITH}]}, title: {_expressions: [{value: $t}]}}) { items { title } } }";
    let shaped = "query($f: RecipeModelFilter, $n: Int, $op: FloatOperator, $max: [String]) { recipeList(filter: $f, limit: $n, sort: \"title\") { items { title } } other: recipeList(filter: {price: {_expressions: [{value: 7, _operator: $op}]}, diet: {_expressions: [{values: $max}]}}) { items { title } } }";
    persist(url, "PUT", "/acme/named", named).await;
    persist(url, "PUT", "/acme/shaped", &json!({"query": shaped}).to_string()).await;
    let titles = |answer: &Answer, key: &str| -> Vec<String> {
        let items = answer.json()["data"][key]["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["title"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for (suffix, expected) in [
        ("%3Bt%3D12", "12"),
        ("%3Bt%3D12;", "12"),
        (";t=12", "12"),
        (";t=12;.json", "12"),
        (";t=12.json", "12"),
        (";t=true;", "true"),
        ("%3Bt%3D1+1;", "1+1"),
        ("%3Bt%3D1%2B1;?t=12&x=;t=12", "1+1"),
    ] {
        let answer = get(url, &format!("/graphql/execute.json/acme/named{suffix}")).await;
        assert_eq!(titles(&answer, "recipeList"), [expected], "{suffix}: {}", answer.text());
    }
    // A semicolon cannot be sent in the path, but in a body.
    let awkward = "Ä & Ö/Ü = \"q\"; x";
    let body = json!({"variables": {"t": awkward}}).to_string();
    let posted = send(url, "POST", "/graphql/execute.json/acme/named", &[JSON], body.as_bytes()).await;
    assert_eq!(titles(&posted, "recipeList"), [awkward]);
    let filter = json!({"title": {"_expressions": [{"value": "true"}, {"value": "12"}], "_logOp": "OR"}}).to_string();
    let encoded = percent_encoding::utf8_percent_encode(&filter, percent_encoding::NON_ALPHANUMERIC);
    let path = format!(
        "/graphql/execute.json/acme/shaped%3Bf%3D{encoded}%3Bn%3D1%3Bop%3DLOWER%3Bmax%3D%5B%22acme%3Adiet%2Fmeat%22%2C%22acme%3Ahot%22%5D;"
    );
    let answer = get(url, &path).await;
    assert_eq!(
        (titles(&answer, "recipeList"), titles(&answer, "other")),
        (vec!["12".to_owned()], vec!["Broth".to_owned()])
    );
    let wrong = get(url, "/graphql/execute.json/acme/shaped;n=many").await;
    assert_eq!(wrong.status, 200);
    assert!(wrong.json()["errors"][0]["message"].as_str().unwrap().contains("Int"), "{}", wrong.text());
    let bytes = get(url, "/graphql/execute.json/acme/named;t=%ff").await;
    assert_eq!(bytes.status, 400);
    origin.stop().await;
}

#[tokio::test]
async fn queries_of_files_are_there_on_every_tier_and_stay_as_they_are_on_publish() {
    let dir = kitchen();
    write(dir.path(), "queries/cooks.graphql", COOKS);
    for tier in [Tier::Preview, Tier::Publish] {
        let options = Options { tier, ..Options::default() };
        let origin = serve_as(options, dir.path(), Some(&dir.path().join("queries"))).await;
        let url = origin.url();
        assert_eq!(get(url, "/graphql/execute.json/acme/cooks").await.text(), ANN);
        for method in ["PUT", "POST", "DELETE"] {
            let blocked = persist(url, method, "/acme/cooks", "{ x }").await;
            assert_eq!((blocked.status, blocked.header("content-type")), (404, Some("text/html; charset=iso-8859-1")));
        }
        assert_eq!(get(url, "/graphql/execute.json/acme/cooks").await.text(), ANN);
        origin.stop().await;
    }
}

#[tokio::test]
async fn other_spellings_and_neighbours() {
    let dir = kitchen();
    let model = json!({"path": "/conf/acme/settings/dam/cfm/models/menu", "name": "menu", "title": "Menu", "fields": [
        {"name": "title", "type": "text"}, {"name": "wine", "type": "fragment-reference", "allowedModels": ["wine"]}]});
    write(dir.path(), "models/menu.json", model.to_string());
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    let direct = json!({"query": COOKS}).to_string();
    assert_eq!(send(url, "POST", "/content/graphql/endpoint.gql", &[JSON], direct.as_bytes()).await.text(), ANN);
    for path in
        ["/graphql/execute.jsonx/acme/cooks", "/graphql/list.jsonx", "/graphql", "/content/cq:graphql/endpoint.json"]
    {
        assert_eq!(get(url, path).await.status, 404, "{path}");
    }
    let options = send(url, "OPTIONS", "/graphql/execute.json/acme/cooks", &[], b"").await;
    assert_eq!((options.status, options.header("allow")), (200, Some("GET, HEAD, POST, OPTIONS")));
    let errors = get(url, "/content/cq:graphql/acme/endpoint.schemaerrors").await.json();
    let message = "Field 'wine' of type 'MenuModel' refers to no model that is there";
    assert_eq!(
        errors,
        json!([{"errorType": "SCHEMA_INCOMPLETE_FIELD_REMOVED", "message": message,
        "model": "/conf/acme/settings/dam/cfm/models/menu", "field": "wine"}])
    );
    for path in ["endpoint.schemaerrors", "endpoint.GQLschema"] {
        assert_eq!(get(url, &format!("/content/cq:graphql/none/{path}")).await.status, 404);
    }
    origin.stop().await;
}
