//! Queries as they come to the endpoint: limits, parsing, validation, coercion of variables, execution over real content.
//! Input: the query; behind a first NUL the JSON of `variables`.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use aem_static::origin::fuzzing::Subject;
use libfuzzer_sys::fuzz_target;

const CONTENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/conformance/content");
static SUBJECT: OnceLock<Subject> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let subject =
        SUBJECT.get_or_init(|| Subject::load(Path::new(CONTENT)).expect("the models of the fixture make a schema"));
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let variables = data.get(end + 1..).unwrap_or_default();
    // The text of a query that is persisted is checked without being run.
    let persisted = subject.persist(&data[..end]);
    if let Ok(query) = std::str::from_utf8(&data[..end]) {
        let answer = subject.query(query, variables);
        assert!(answer.starts_with(b"{") && answer.ends_with(b"}"), "no JSON object");
        // What is answered can be persisted; the reverse does not hold, for the schema is not asked then.
        let answered = !answer.starts_with(br#"{"errors""#);
        assert!(
            persisted || !answered || subject.persist(wrapped(query).as_bytes()),
            "answered, and not to be persisted"
        );
        assert_eq!(answer, subject.query(query, variables), "the same request, another answer");
    }
});

/// The query as the `query` member of a body: what a bare body cannot say, as `{"query": …}` is read as JSON.
fn wrapped(query: &str) -> String {
    let escaped = query.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        letter if letter.is_control() => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    });
    format!("{{\"query\":\"{}\"}}", escaped.collect::<String>())
}
