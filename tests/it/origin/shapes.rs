//! The same content in every JSON a stranger may have of it gives the same answers (protocol §4.3, §9.2 to §9.4).

use std::path::Path;

use serde_json::{Value, json};

use super::content::{data, write};
use super::serve;

const MODEL: &str = "/conf/acme/settings/dam/cfm/models/recipe";
const MODEL_ID: &str = "L2NvbmYvYWNtZS9zZXR0aW5ncy9kYW0vY2ZtL21vZGVscy9yZWNpcGU";
const SOUP: &str = "/content/dam/acme/en/soup";
const SOUP_ID: &str = "d587a8d9-0000-4000-8000-000000000003";
const BROTH: &str = "/content/dam/acme/en/broth";
const BROTH_ID: &str = "15891dd8-0000-4000-8000-000000000004";

/// (name, type, metaType, valueType), the table of protocol §4.3.
const FIELDS: [(&str, &str, &str, &str); 11] = [
    ("title", "text", "text-single", "string"),
    ("steps", "text", "text-single", "string[]"),
    ("body", "long-text", "text-multi", "string"),
    ("price", "float-number", "number", "double"),
    ("vegan", "boolean", "boolean", "boolean"),
    ("served", "date-time", "date", "calendar/datetime"),
    ("day", "date", "date", "calendar/date"),
    ("level", "enumeration", "enumeration", "string"),
    ("diet", "tag", "tags", "string[]"),
    ("image", "content-reference", "reference", "string/reference"),
    ("related", "content-fragment", "fragment-reference", "string/content-fragment[]"),
];

fn multiple(value_type: &str) -> bool {
    value_type.ends_with("[]")
}

/// A field of the management API's kind.
fn api_field((name, kind, _, value_type): (&str, &str, &str, &str)) -> Value {
    let mut field = json!({"name": name, "label": name, "type": kind, "multiple": multiple(value_type)});
    if kind == "content-fragment" {
        field["allowedModels"] = json!([MODEL]);
    }
    field
}

/// A field as it is stored.
fn stored_field((name, _, meta_type, value_type): (&str, &str, &str, &str)) -> Value {
    let mut field = json!({"fieldLabel": name, "name": name, "metaType": meta_type, "valueType": value_type});
    if meta_type == "fragment-reference" {
        field["fragmentmodelreference"] = json!(MODEL);
    }
    if meta_type == "text-multi" {
        field["fragmentmodelreference"] = json!(["/conf/acme/settings/dam/cfm/models/what-editors-insert"]);
    }
    field
}

type Writer = fn(&Path);

const MODELS: [(&str, Writer); 6] = [
    ("fields as an array", |dir| {
        let fields: Vec<Value> = FIELDS.into_iter().map(api_field).collect();
        let model = json!({"path": MODEL, "name": "recipe", "title": "Recipe", "status": "enabled", "fields": fields});
        write(dir, "models/recipe.json", model.to_string());
    }),
    ("fields as an object", |dir| {
        let fields: serde_json::Map<_, _> =
            FIELDS.into_iter().map(|field| (field.0.to_owned(), api_field(field))).collect();
        write(dir, "models/r.json", json!({"path": MODEL, "title": "Recipe", "fields": fields}).to_string());
    }),
    ("a list, models named by identifier", |dir| {
        let mut fields: Vec<Value> = FIELDS.into_iter().map(api_field).collect();
        fields[10]["allowedModels"] = json!([{"id": MODEL_ID}]);
        let list = json!({"items": [{"id": MODEL_ID, "name": "recipe", "title": "Recipe", "fields": fields}]});
        write(dir, "models/models.json", list.to_string());
    }),
    ("a bare list", |dir| {
        let fields: Vec<Value> = FIELDS.into_iter().map(api_field).collect();
        write(dir, "models/all.json", json!([{"path": MODEL, "title": "Recipe", "fields": fields}]).to_string());
    }),
    ("attributes as stored", |dir| {
        let fields: Vec<Value> = FIELDS.into_iter().map(stored_field).collect();
        write(dir, "models/recipe.json", json!({"path": MODEL, "title": "Recipe", "fields": fields}).to_string());
    }),
    ("the repository's own JSON", |dir| {
        let mut items = json!({"jcr:primaryType": "nt:unstructured", "maxGeneratedOrder": "20"});
        for (position, field) in FIELDS.into_iter().enumerate() {
            items[format!("157012{position}")] = stored_field(field);
        }
        items["tab"] = json!({"name": "tab1", "metaType": "tab-placeholder"});
        let dialog = json!({"content": {"sling:resourceType": "granite/ui", "items": items}});
        let content = json!({"jcr:title": "Recipe", "model": {"cq:dialog": dialog}});
        let node = json!({"jcr:primaryType": "cq:Template", "jcr:content": content});
        write(dir, "models/conf/acme/settings/dam/cfm/models/recipe.infinity.json", node.to_string());
    }),
];

/// Soup as the management API answers it, with what it says beside the fields.
fn managed(path: &str, id: &str, values: &[(&str, Value)]) -> Value {
    let field = |(name, values): &(&str, Value)| json!({"name": name, "locked": false, "values": values});
    let mut fields: Vec<Value> = values.iter().map(field).collect();
    for field in &mut fields {
        if field["name"] == "body" {
            field["mimeType"] = json!("text/html");
        }
    }
    json!({"path": path, "id": id, "title": values[0].1[0], "description": "", "status": "PUBLISHED",
        "created": {"at": "2026-01-05T08:00:00.000Z", "by": "editor@example.com"},
        "model": {"id": MODEL_ID, "path": MODEL, "name": "Recipe", "title": "Recipe"},
        "fields": fields, "variations": [], "tags": [{"id": "acme:hot", "title": "Hot"}], "fieldTags": [], "references": [], "validationStatus": []})
}

fn managed_soup() -> Value {
    let mut soup = managed(
        SOUP,
        SOUP_ID,
        &[
            ("title", json!(["Soup"])),
            ("steps", json!(["cut", "boil"])),
            ("body", json!(["<p>Hot.</p>"])),
            ("price", json!([12.5])),
            ("vegan", json!([true])),
            ("served", json!(["2026-01-05T08:00:00.000Z"])),
            ("day", json!(["2026-01-05"])),
            ("level", json!(["easy"])),
            ("diet", json!(["acme:diet/vegan"])),
            ("image", json!(["/content/dam/acme/pot.svg"])),
            ("related", json!([BROTH])),
        ],
    );
    let fields = json!([{"name": "title", "values": ["Soup, short"]}, {"name": "related", "values": []}]);
    soup["variations"] = json!([{"name": "short", "title": "Short", "fields": fields}]);
    soup
}

fn managed_broth() -> Value {
    managed(BROTH, BROTH_ID, &[("title", json!(["Broth"])), ("steps", json!([])), ("related", json!([]))])
}

/// A fragment as the delivery API answers it: bare values, references by identifier.
fn delivered(path: &str, id: &str, fields: &Value) -> Value {
    json!({"path": path, "name": "", "title": fields["title"], "id": id, "description": "", "model": {"id": MODEL_ID},
        "created": {"at": "2026-01-05T08:00:00.000Z"}, "tags": ["acme:hot"], "fields": fields})
}

fn delivered_soup() -> Value {
    let fields = json!({"title": "Soup", "steps": ["cut", "boil"], "body": {"value": "<p>Hot.</p>", "mimeType": "text/html"},
        "price": 12.5, "vegan": true, "served": "2026-01-05T08:00:00.000Z", "day": "2026-01-05", "level": "easy",
        "diet": ["acme:diet/vegan"], "image": "a1", "related": [BROTH_ID]});
    let mut soup = delivered(SOUP, SOUP_ID, &fields);
    soup["variations"] = json!([{"name": "short", "fields": {"title": "Soup, short", "related": [""]}}]);
    soup["references"] = json!({
        "a1": {"type": "image", "value": {"path": "/content/dam/acme/pot.svg"}},
        "acme:diet/vegan": {"type": "tag", "value": {"id": "acme:diet/vegan", "path": "/content/cq:tags/acme/diet/vegan"}}});
    soup
}

fn delivered_broth() -> Value {
    delivered(
        BROTH,
        BROTH_ID,
        &json!({"title": "Broth", "steps": [], "body": {"mimeType": "text/html"}, "related": []}),
    )
}

const FRAGMENTS: [(&str, Writer); 7] = [
    ("management", |dir| {
        write(dir, "fragments/acme/en/soup.json", managed_soup().to_string());
        write(dir, "fragments/acme/en/broth.json", managed_broth().to_string());
    }),
    ("management, a list", |dir| {
        let list = json!({"items": [managed_broth(), managed_soup()], "cursor": "x"});
        write(dir, "fragments/page-1.json", list.to_string());
    }),
    ("management, hydrated, and again on its own", |dir| {
        let mut soup = managed_soup();
        let mut broth = managed_broth();
        broth["type"] = json!("content-fragment");
        soup["references"] = json!([broth, {"type": "content-reference", "path": "/content/dam/acme/pot.svg"}]);
        write(dir, "fragments/a.json", soup.to_string());
        write(dir, "fragments/b.json", managed_broth().to_string());
    }),
    ("management, references by identifier", |dir| {
        let mut soup = managed_soup();
        soup["fields"][10]["values"] = json!([BROTH_ID]);
        write(dir, "fragments/acme/en/soup.json", soup.to_string());
        write(dir, "fragments/acme/en/broth.json", managed_broth().to_string());
    }),
    ("delivery", |dir| {
        write(dir, "fragments/1.json", delivered_soup().to_string());
        write(dir, "fragments/2.json", delivered_broth().to_string());
    }),
    ("delivery, a bare list, variations by name", |dir| {
        let mut soup = delivered_soup();
        soup["variations"] = json!({"short": {"fields": {"title": "Soup, short", "related": []}}});
        write(dir, "fragments/all.json", json!([soup, delivered_broth()]).to_string());
    }),
    ("delivery, hydrated", |dir| {
        let mut soup = delivered_soup();
        soup["references"][BROTH_ID] = json!({"type": "content-fragment", "value": delivered_broth()});
        write(dir, "fragments/soup.json", soup.to_string());
    }),
];

const QUERY: &str = "{ recipeList(includeVariations: true) { items {
    _path _id _variation _variations _tags _model { _path title } _metadata { calendarMetadata { name value } }
    title steps body { html plaintext } price vegan served day level diet
    image { ... on ImageRef { _path width } } related { _path title related { title } } } } }";

#[tokio::test]
async fn every_shape_of_the_same_content_answers_the_same() {
    let mut expected: Option<Value> = None;
    for (model_shape, write_models) in MODELS {
        for (shape, write_fragments) in FRAGMENTS {
            let dir = tempfile::tempdir().unwrap();
            write_models(dir.path());
            write_fragments(dir.path());
            write(dir.path(), "assets/acme/pot.svg", "<svg width='4' height='3'></svg>");
            let origin = serve(dir.path(), None).await;
            assert_eq!(origin.problems(), [], "{model_shape}; {shape}");
            let answer = data(origin.url(), QUERY).await;
            let expected = expected.get_or_insert_with(|| answer.clone());
            assert_eq!(&answer, expected, "{model_shape}; {shape}");
            origin.stop().await;
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&expected).unwrap());
}
