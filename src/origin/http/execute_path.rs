//! What stands behind `/graphql/execute.json`: query name and variables, in every encoding clients use (protocol §3.4).

use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::executable::Operation;
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::schema::ExtendedType;

use super::store::ShortPath;

/// A decoded path: where the query is, and the variables as texts.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::origin) struct ExecutePath {
    pub path: ShortPath,
    pub variables: Vec<(String, String)>,
}

/// Why a path names no query.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::origin) enum Undecodable {
    /// No configuration or no name; this stands there instead.
    NoPath(String),
    /// The bytes are no text.
    NotUtf8,
}

/// Decodes the raw path behind `/graphql/execute.json`: percent-decoding once, a final `.json` cut (a Dispatcher rule adds
/// it, §3.6), split at `;`, each part at its first `=`. A plus stays a plus, and a value cannot hold a `;` (§3.4).
pub(in crate::origin) fn decode(raw: &str) -> Result<ExecutePath, Undecodable> {
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8().map_err(|_| Undecodable::NotUtf8)?;
    let decoded = decoded.strip_suffix(".json").unwrap_or(&decoded);
    let (path, variables) = decoded.split_once(';').unwrap_or((decoded, ""));
    let names = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let Some((configuration, name)) =
        names.filter(|(configuration, name)| !configuration.is_empty() && !name.is_empty())
    else {
        return Err(Undecodable::NoPath(if path.is_empty() { "/".to_owned() } else { path.to_owned() }));
    };
    let variables = variables.split(';').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.to_owned(), value.to_owned())
    });
    let path = ShortPath { configuration: configuration.to_owned(), name: name.to_owned() };
    Ok(ExecutePath { path, variables: variables.collect() })
}

/// Gives the texts the types the operation declares: never by looks, a `String` may hold `123` (protocol §3.4). Names that
/// are not declared are dropped; a text that does not fit is passed on as text, and coercion says what is wrong.
pub(in crate::origin) fn typed(variables: &[(String, String)], operation: &Operation, schema: &Schema) -> JsonMap {
    let mut values = JsonMap::new();
    for (name, text) in variables {
        if let Some(variable) = operation.variables.iter().find(|variable| variable.name.as_str() == name) {
            values.insert(name.as_str(), value(text, &variable.ty, schema));
        }
    }
    values
}

fn value(text: &str, ty: &Type, schema: &Schema) -> JsonValue {
    if text == "null" && !ty.is_non_null() {
        return JsonValue::Null;
    }
    let raw = || JsonValue::from(text);
    let json = || serde_json::from_str::<JsonValue>(text).ok();
    let name = match ty {
        Type::Named(name) | Type::NonNullNamed(name) => name,
        // A single value for a list is a list of one.
        Type::List(of) | Type::NonNullList(of) => {
            return json().filter(JsonValue::is_array).unwrap_or_else(|| value(text, of, schema));
        }
    };
    match (name.as_str(), schema.types.get(name)) {
        ("Int" | "Float" | "Boolean", _) => json().filter(|value| !value.is_string()).unwrap_or_else(raw),
        ("Json", _) | (_, Some(ExtendedType::InputObject(_))) => json().unwrap_or_else(raw),
        _ => raw(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use apollo_compiler::ExecutableDocument;

    use super::*;

    fn decoded(raw: &str) -> (String, Vec<(String, String)>) {
        let ExecutePath { path, variables } = decode(raw).unwrap();
        (format!("{}/{}", path.configuration, path.name), variables)
    }

    fn one(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn every_encoding_of_the_protocol() {
        let soup = (
            "acme/recipe".to_owned(),
            vec![("path".to_owned(), "/content/dam/x".to_owned()), ("width".to_owned(), "800".to_owned())],
        );
        for raw in [
            "/acme/recipe%3Bpath%3D%2Fcontent%2Fdam%2Fx%3Bwidth%3D800;",
            "/acme/recipe%3Bpath%3D%2Fcontent%2Fdam%2Fx%3Bwidth%3D800",
            "/acme/recipe%3bpath%3d%2fcontent%2fdam%2fx%3bwidth%3d800%3b",
            "/acme/recipe%3Bpath%3D%2Fcontent%2Fdam%2Fx%3Bwidth%3D800;.json",
            "/acme/recipe;path=/content/dam/x;width=800",
            "/acme/recipe;path=/content/dam/x;width=800;",
            "/acme/recipe;path=/content/dam/x;width=800.json",
            "/acme/recipe;path=%2Fcontent%2Fdam%2Fx;width=800;.json",
        ] {
            assert_eq!(decoded(raw), soup, "{raw}");
        }
        assert_eq!(decoded("/acme/all.json"), ("acme/all".to_owned(), Vec::new()));
    }

    #[test]
    fn the_documented_requests() {
        for case in [
            include_str!("../../../tests/fixtures/conformance/protocol/execute-encoded-one.json"),
            include_str!("../../../tests/fixtures/conformance/protocol/execute-encoded-path.json"),
            include_str!("../../../tests/fixtures/conformance/protocol/execute-plain-trailing.json"),
        ] {
            let case: serde_json::Value = serde_json::from_str(case).unwrap();
            let path = case["request"]["path"].as_str().unwrap().strip_prefix("/graphql/execute.json").unwrap();
            let (query, variables) = decoded(path);
            let expected = case["expected"]["variables"].as_object().unwrap();
            let expected = expected.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
            assert_eq!(query, case["expected"]["query"].as_str().unwrap());
            assert_eq!(variables, expected.collect::<Vec<_>>(), "{path}");
        }
    }

    #[test]
    fn values_are_decoded_once() {
        for (raw, expected) in [
            ("/a/q;v=b=c", "b=c"),
            ("/a/q;v=1+1", "1+1"),
            ("/a/q%3Bv%3D1%2B1%20%25;", "1+1 %"),
            ("/a/q;v=%253B", "%3B"),
            ("/a/q;v=", ""),
            ("/a/q;v", ""),
            ("/a/q%3Bv%3D%C3%BC%F0%9F%8D%B2;", "ü🍲"),
            // A closing semicolon keeps a value whole that ends like the suffix of the Dispatcher's rule.
            ("/a/q;v=x.json;", "x.json"),
        ] {
            assert_eq!(decoded(raw).1, one("v", expected), "{raw}");
        }
    }

    #[test]
    fn what_names_no_query() {
        for (raw, named) in [
            ("", "/"),
            ("/", "/"),
            ("/acme", "/acme"),
            ("/acme/", "/acme/"),
            (";x=y", "/"),
            ("//x", "//x"),
            (".json", "/"),
        ] {
            assert_eq!(decode(raw), Err(Undecodable::NoPath(named.to_owned())), "{raw}");
        }
        assert_eq!(decode("/acme/x%ff"), Err(Undecodable::NotUtf8));
    }

    #[test]
    fn types_are_those_declared() {
        let sdl = "type Query { q: Int } enum E { A B } input F { n: Int } scalar Json scalar Date";
        let schema = Schema::parse_and_validate(sdl, "schema").unwrap();
        let typed_as = |ty: &str, text: &str| {
            let query = format!("query($v: {ty}) {{ q }}");
            // Not validated: the variable is not used.
            let document = ExecutableDocument::parse(&schema, query, "query").unwrap();
            let values = typed(&one("v", text), document.operations.get(None).unwrap(), &schema);
            serde_json::to_string(values.get("v").unwrap()).unwrap()
        };
        for (ty, text, expected) in [
            ("String", "123", r#""123""#),
            ("String", "true", r#""true""#),
            ("String", "[1]", r#""[1]""#),
            ("String", r#""quoted""#, r#""\"quoted\"""#),
            ("String", "null", "null"),
            ("String!", "null", r#""null""#),
            ("ID", "007", r#""007""#),
            ("E", "A", r#""A""#),
            ("Date", "2026-01-31", r#""2026-01-31""#),
            ("Int", "12", "12"),
            ("Int!", "null", "null"),
            ("Float", "1.5", "1.5"),
            ("Boolean", "true", "true"),
            ("Int", "twelve", r#""twelve""#),
            ("[String]", r#"["a","2"]"#, r#"["a","2"]"#),
            ("[String!]!", "123", r#""123""#),
            ("[Float]", "5", "5"),
            ("[String]", "null", "null"),
            ("F", r#"{"n":1}"#, r#"{"n":1}"#),
            ("[F]", r#"{"n":1}"#, r#"{"n":1}"#),
            ("Json", r#"{"a":[null]}"#, r#"{"a":[null]}"#),
            ("Json", "word", r#""word""#),
        ] {
            assert_eq!(typed_as(ty, text), expected, "{ty} {text}");
        }
    }
}
