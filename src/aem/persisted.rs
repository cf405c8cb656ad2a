//! The addresses of GraphQL requests, above all the matrix parameters of persisted queries (protocol 3.4), to the letter.
//!
//! Pure text: nothing is sent from here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

/// What Adobe's client leaves alone on the wire: `encodeURIComponent` does, and of that its HTTP library encodes the apostrophe.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'(')
    .remove(b')');

/// Servers in front of AEM take request lines of about 8 KB; a longer path goes by POST.
const LONGEST_PATH: usize = 7_000;

/// The path of the direct endpoint: `/content/_cq_graphql/acme/endpoint.json` (protocol 2.1).
pub(super) fn endpoint_path(configuration: &str) -> String {
    format!("/content/_cq_graphql/{}/endpoint.json", component(configuration))
}

/// The path of a persisted query without variables: `/graphql/execute.json/acme/recipes-all`.
pub(super) fn execute_path(configuration: &str, name: &str) -> String {
    format!("/graphql/execute.json/{}/{}", component(configuration), component(name))
}

/// The path under which a persisted query is created, changed and deleted: `/graphql/persist.json/acme/recipes-all`.
pub(super) fn persist_path(configuration: &str, name: &str) -> String {
    format!("/graphql/persist.json/{}/{}", component(configuration), component(name))
}

/// The path of a persisted query with its variables, or `None` if a GET cannot carry them: a text with `;` would be cut in
/// two, the text `null` would arrive as null, and a very long path would be refused on the way.
///
/// Variables are sorted, which is better for caches. The semicolon after the name is encoded; behind the last variable
/// stands a literal one, without which AEM misreads the last value. Without variables there is none.
pub(super) fn execute_path_with(configuration: &str, name: &str, variables: &Map<String, Value>) -> Option<String> {
    let mut path = execute_path(configuration, name);
    let mut sorted: Vec<(&String, &Value)> = variables.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    for (key, value) in &sorted {
        let text = value_text(value);
        let ambiguous = value.as_str() == Some("null") || key.is_empty() || key.contains([';', '=']);
        if ambiguous || text.contains(';') {
            return None;
        }
        path.push_str("%3B");
        path.push_str(&component(key));
        path.push_str("%3D");
        path.push_str(&component(&text));
    }
    if !sorted.is_empty() {
        path.push(';');
    }
    (path.len() <= LONGEST_PATH).then_some(path)
}

/// A variable's text before encoding: strings raw and without quotes, everything else compact JSON.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn component(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::collections::BTreeMap;

    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn path(configuration: &str, name: &str, variables: Value) -> Option<String> {
        execute_path_with(configuration, name, variables.as_object().unwrap())
    }

    /// The decoder of protocol 3.4, written from its text: decode once, cut `.json`, split at `;`, then at the first `=`.
    fn decoded(path: &str) -> (String, BTreeMap<String, String>) {
        let rest = path.strip_prefix("/graphql/execute.json/").unwrap();
        let text = percent_decode_str(rest).decode_utf8().unwrap().into_owned();
        let text = text.strip_suffix(".json").unwrap_or(&text);
        let mut parts = text.split(';');
        let query = parts.next().unwrap().to_owned();
        let variables = parts.filter(|part| !part.is_empty()).map(|part| {
            let (key, value) = part.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        });
        (query, variables.collect())
    }

    #[test]
    fn vectors_of_the_protocol() {
        assert_eq!(path("acme", "recipes-all", json!({})).unwrap(), "/graphql/execute.json/acme/recipes-all");
        assert_eq!(
            path("acme", "recipe-by-path", json!({"width": 800, "path": "/content/dam/acme/en/soup"})).unwrap(),
            "/graphql/execute.json/acme/recipe-by-path%3Bpath%3D%2Fcontent%2Fdam%2Facme%2Fen%2Fsoup%3Bwidth%3D800;"
        );
        assert_eq!(endpoint_path("wknd-shared"), "/content/_cq_graphql/wknd-shared/endpoint.json");
    }

    /// `execute-encoded-one.json` and `execute-encoded-path.json` of Adobe's pages, which print no trailing semicolon, and
    /// the one of `execute-plain-trailing.json`, which has it and is decoded alike.
    #[test]
    fn vectors_of_the_conformance_cases() {
        assert_eq!(
            path("wknd", "adventures-by-activity", json!({"activity": "Camping"})).unwrap(),
            "/graphql/execute.json/wknd/adventures-by-activity%3Bactivity%3DCamping;"
        );
        let surf = "/content/dam/wknd/en/adventures/bali-surf-camp/bali-surf-camp";
        assert_eq!(
            path("wknd", "adventure-by-path", json!({"adventurePath": surf})).unwrap(),
            "/graphql/execute.json/wknd/adventure-by-path%3BadventurePath%3D%2Fcontent%2Fdam%2Fwknd%2Fen%2Fadventures\
             %2Fbali-surf-camp%2Fbali-surf-camp;"
        );
        let ours = path("wknd-shared", "dynamic", json!({"seoName": "billiboy", "format": "GIF"})).unwrap();
        let theirs = "/graphql/execute.json/wknd-shared/dynamic;seoName=billiboy;format=GIF;";
        assert_eq!(decoded(&ours), decoded(theirs));
    }

    #[test]
    fn value_forms() {
        let variables = json!({
            "a": true, "b": 1.5, "c": null, "d": ["a", "b"], "e": {"title": {"_expressions": [{"value": "x"}]}},
            "f": "ä b+c", "g": ""
        });
        assert_eq!(
            path("acme", "q", variables).unwrap(),
            "/graphql/execute.json/acme/q%3Ba%3Dtrue%3Bb%3D1.5%3Bc%3Dnull%3Bd%3D%5B%22a%22%2C%22b%22%5D\
             %3Be%3D%7B%22title%22%3A%7B%22_expressions%22%3A%5B%7B%22value%22%3A%22x%22%7D%5D%7D%7D\
             %3Bf%3D%C3%A4%20b%2Bc%3Bg%3D;"
        );
    }

    #[test]
    fn what_a_get_cannot_carry_goes_by_post() {
        for value in [json!("a;b"), json!(["a;b"]), json!("null"), json!("x".repeat(8_000))] {
            assert_eq!(path("acme", "q", json!({ "v": value })), None, "{value}");
        }
        assert_eq!(path("acme", "q", json!({ "a=b": 1 })), None);
    }

    proptest! {
        #[test]
        fn every_string_arrives(values in proptest::collection::btree_map("[_A-Za-z][_0-9A-Za-z]{0,8}", any::<String>(), 0..5)) {
            let variables: Map<String, Value> =
                values.iter().rev().map(|(key, value)| (key.clone(), json!(value))).collect();
            match execute_path_with("acme", "q", &variables) {
                Some(path) => {
                    prop_assert_eq!(decoded(&path), ("acme/q".to_owned(), values));
                    // A URL parser must not touch it.
                    let address = url::Url::parse(&format!("https://h{path}")).unwrap();
                    prop_assert_eq!(address.path(), path);
                }
                None => prop_assert!(values.values().any(|value| value.contains(';') || value == "null" || value.len() > 500)),
            }
        }
    }
}
