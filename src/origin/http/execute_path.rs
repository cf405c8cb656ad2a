//! What stands behind `/graphql/execute.json`: query name and variables, in every encoding clients use (protocol §3.4).

use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::executable::Operation;
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::schema::ExtendedType;

/// A decoded path: the short form of the query and the variables as texts.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::origin) struct ExecutePath {
    pub configuration: String,
    pub name: String,
    pub variables: Vec<(String, String)>,
}

/// Decodes the raw path behind `/graphql/execute.json`: percent-decoding once, a final `.json` cut (a Dispatcher rule adds
/// it, §3.6), split at `;`, each part at its first `=`. `None` where it does not name a query.
pub(in crate::origin) fn decode(raw: &str) -> Option<ExecutePath> {
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8_lossy();
    let decoded = decoded.strip_suffix(".json").unwrap_or(&decoded);
    let mut parts = decoded.split(';');
    let (configuration, name) = parts.next()?.strip_prefix('/')?.split_once('/')?;
    if configuration.is_empty() || name.is_empty() {
        return None;
    }
    let variables = parts.filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.to_owned(), value.to_owned())
    });
    Some(ExecutePath { configuration: configuration.to_owned(), name: name.to_owned(), variables: variables.collect() })
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
        // A single text for a list is a list of one.
        Type::List(_) | Type::NonNullList(_) => return json().filter(JsonValue::is_array).unwrap_or_else(raw),
    };
    match (name.as_str(), schema.types.get(name)) {
        ("Int" | "Float" | "Boolean", _) => json().filter(|value| !value.is_string()).unwrap_or_else(raw),
        ("Json", _) | (_, Some(ExtendedType::InputObject(_))) => json().unwrap_or_else(raw),
        _ => raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    fn decoded(raw: &str) -> (String, Vec<(String, String)>) {
        let path = decode(raw).expect("a query");
        (format!("{}/{}", path.configuration, path.name), path.variables)
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
            "/acme/recipe;path=/content/dam/x;width=800",
            "/acme/recipe;path=/content/dam/x;width=800;",
            "/acme/recipe;path=/content/dam/x;width=800.json",
            "/acme/recipe;path=%2Fcontent%2Fdam%2Fx;width=800;.json",
        ] {
            assert_eq!(decoded(raw), soup, "{raw}");
        }
        assert_eq!(decoded("/acme/all.json"), ("acme/all".to_owned(), Vec::new()));
        assert_eq!(decoded("/acme/all;a=b=c").1, [("a".to_owned(), "b=c".to_owned())]);
        for raw in ["", "/", "/acme", "/acme/", ";x=y", "//x"] {
            assert_eq!(decode(raw), None, "{raw}");
        }
    }
}
