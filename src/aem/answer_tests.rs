//! Every kind of answer, from literal bodies.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use super::*;

const JSON: &str = "content-type: application/json;charset=utf-8";
const HTML: &str = "content-type: text/html";

fn reply(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Reply {
    let pairs = headers.iter().map(|line| line.split_once(": ").unwrap());
    Reply {
        status,
        headers: pairs.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect(),
        body: body.as_ref().to_vec(),
    }
}

fn answer(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Answer {
    let reply = reply(status, headers, body);
    assert_eq!(reply.verdict(), Ok(()));
    reply.into_answer("https://h/x")
}

fn kind(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> FailureKind {
    reply(status, headers, body).verdict().unwrap_err()
}

fn errors(kind: FailureKind) -> (Vec<String>, bool) {
    match kind {
        FailureKind::GraphQl { errors, partial } => (errors.iter().map(ToString::to_string).collect(), partial),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_has_data_and_no_errors() {
    for body in [
        r#"{"data":{"recipeList":{"items":[]}}}"#,
        r#" {"errors":null,"extensions":{"x":1},"data": {} } "#,
        r#"{"data":{},"errors":[]}"#,
    ] {
        let answer = answer(200, &[JSON], body);
        assert_eq!((answer.body, answer.url.as_str()), (body.as_bytes().to_vec(), "https://h/x"));
        assert_eq!((answer.age, answer.cached, answer.validators.etag), (None, false, None));
    }
    let other = "content-type: application/graphql-response+json";
    assert!(reply(200, &[other], r#"{"data":{}}"#).verdict().is_ok());
    assert!(reply(200, &[], r#"{"data":{}}"#).verdict().is_ok());
}

#[test]
fn caches_are_seen() {
    let cached = |headers: &[&str]| {
        let answer = answer(200, headers, r#"{"data":{}}"#);
        (answer.cached, answer.age, answer.validators.etag)
    };
    assert_eq!(cached(&["age: 0", "x-cache: MISS"]), (false, Some(0), None));
    assert_eq!(cached(&["age: 61", "etag: \"a\""]), (true, Some(61), Some("\"a\"".into())));
    assert_eq!(cached(&["x-cache: MISS, Hit"]), (true, None, None));
    assert_eq!(cached(&["age: many"]), (false, None, None));
}

#[test]
fn errors_with_status_200_are_a_failure() {
    let body = r#"{"errors":[{"message":"a"},{"message":"b"}],"data":null}"#;
    assert_eq!(errors(kind(200, &[JSON], body)), (vec!["a".into(), "b".into()], false));
    let body = r#"{"data":{"recipeList":null},"errors":[{"message":"a"}]}"#;
    assert_eq!(errors(kind(200, &[JSON], body)), (vec!["a".into()], true));
    for odd in [r#"{"errors":"boom"}"#, r#"{"data":{},"errors":{"message":"boom"}}"#] {
        assert_eq!(errors(kind(200, &[JSON], odd)).0, ["boom"]);
    }
    let deep = format!(r#"{{"data":{{}},"errors":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(errors(kind(200, &[JSON], deep)).0.len(), 1);
}

#[test]
fn errors_with_other_statuses() {
    let undefined = r#"{"errors":[{"message":"Field 'titel' is undefined","locations":[{"line":1,"column":9}]}]}"#;
    for status in [400, 500] {
        assert_eq!(errors(kind(status, &[], undefined)), (vec!["Field 'titel' is undefined".into()], false));
    }
    let servlet = r#"{"errors":[{"errorType":"ServletError","message":"Internal Servlet Failure","details":"x"}]}"#;
    let excerpt = "Internal Servlet Failure: x".to_owned();
    assert_eq!(kind(500, &[JSON], servlet), FailureKind::Status { status: 500, retry_after: None, excerpt });
}

#[test]
fn the_causes_of_404_are_told_apart() {
    let what = |status, headers: &[&str], body: &str| match kind(status, headers, body) {
        FailureKind::NotFound { what, details } => (what, details),
        other => panic!("{other:?}"),
    };
    let persisted = r#"{"errors":[{"errorType":"PersistenceError","message":"Could not find Persisted Query","details":"Configuration: 'acme' and Query Name: 'x' does not resolve to an existing Persistent Query"}]}"#;
    let (cause, details) = what(404, &[JSON], persisted);
    assert_eq!(cause, NotFound::PersistedQuery);
    assert!(details.contains("Query Name: 'x'"), "{details}");

    let endpoint = r#"{"errors":[{"errorType":"ServletError","message":"Internal Servlet Failure","details":"No suitable endpoint found."}]}"#;
    for status in [404, 400, 500] {
        assert_eq!(what(status, &[JSON], endpoint).0, NotFound::Endpoint);
    }
    let page = "<html><head><title>404 Not\n Found</title></head></html>";
    assert_eq!(what(404, &[HTML], page), (NotFound::Dispatcher, "404 Not Found".into()));
    assert_eq!(what(404, &[], "").0, NotFound::Dispatcher);
    assert_eq!(what(404, &[JSON], r#"{"title":"Gone","detail":"x"}"#), (NotFound::Other, "Gone: x".into()));
}

#[test]
fn sign_in_pages_and_other_pages() {
    let form = r#"<html><head><title>AEM Sign In</title></head><form action="/libs/granite/core/content/login.html/j_security_check">"#;
    assert_eq!(kind(200, &[HTML], form), FailureKind::SignIn { location: None });
    let saml = r#"<body onload="document.forms[0].submit()"><input type="hidden" name="SAMLRequest" value="…"/>"#;
    assert_eq!(kind(200, &[JSON], saml), FailureKind::SignIn { location: None });

    let page = "<!DOCTYPE html><TITLE class=x> We&#39;ll be\tback </TITLE>";
    let FailureKind::Html { status, title, excerpt } = kind(200, &[HTML], page) else { panic!() };
    assert_eq!((status, title.as_deref()), (200, Some("We&#39;ll be back")));
    assert!(excerpt.starts_with("<!DOCTYPE html>"));
    // The content type alone is enough not to trust it, and so is the body alone.
    assert!(matches!(kind(200, &[HTML], r#"{"data":{}}"#), FailureKind::Html { .. }));
    assert!(matches!(kind(200, &[JSON], "  <?xml version='1.0'?>"), FailureKind::Html { .. }));
    assert!(matches!(kind(200, &[HTML], "<title>İ"), FailureKind::Html { title: None, .. }));
}

#[test]
fn redirects_are_not_answers() {
    let to = |place: &str| kind(302, &[&format!("location: {place}")], r#"{"data":{}}"#);
    let location = Some("https://h/libs/granite/core/content/login.html".to_owned());
    assert_eq!(
        to("https://h/libs/granite/core/content/login.html?resource=%2Fx&t=1"),
        FailureKind::SignIn { location }
    );
    let location = Some("https://www.example.com/".to_owned());
    assert_eq!(to("https://www.example.com/"), FailureKind::Redirected { status: 302, location });
    assert_eq!(kind(307, &[], ""), FailureKind::Redirected { status: 307, location: None });
}

#[test]
fn bodies_that_are_no_response() {
    let cause = |body: &[u8]| match kind(200, &[JSON], body) {
        FailureKind::NotJson { cause, .. } => cause,
        other => panic!("{other:?}"),
    };
    assert_eq!(cause(b" \n"), "the body is empty");
    assert!(cause(b"Bad gateway").contains("expected"));
    assert!(cause(b"{\"data\":{}} and more").contains("trailing"));
    assert!(cause(b"{\"data\":{\"a\":\"\xff\xfe\"}}").contains("utf-8"));
    assert!(cause(b"{'data':{}}").contains("key must be a string"));
    for shape in
        ["[]", "7", "null", r#"[{"a":1},null]"#, "{}", r#"{"data":null}"#, r#"{"data":[]}"#, r#"{"data":{},"data":{}}"#]
    {
        assert_eq!(kind(200, &[JSON], shape), FailureKind::OtherShape { excerpt: shape.into() });
    }
    assert!(matches!(kind(204, &[], ""), FailureKind::Status { status: 204, .. }));
    assert!(matches!(kind(206, &[JSON], r#"{"data":{}}"#), FailureKind::Status { status: 206, .. }));
}

#[test]
fn every_prefix_of_an_answer_is_truncated() {
    let body =
        r#"{"data":{"recipeList":{"items":[{"title":"Crème 🍮 \u00e9","n":-1.5e3,"b":[true,null]}]}},"extensions":{}}"#;
    for end in 1..body.len() {
        let kind = kind(200, &[JSON], &body.as_bytes()[..end]);
        assert!(matches!(kind, FailureKind::Truncated { received, .. } if received == end as u64), "{end}: {kind:?}");
    }
}

#[test]
fn refusals_and_other_statuses() {
    for status in [401, 403, 405] {
        assert_eq!(kind(status, &[HTML], "<html>"), FailureKind::Refused { status });
    }
    let FailureKind::Status { status, retry_after, excerpt } =
        kind(503, &["retry-after: 3", HTML], "<title>Busy</title>")
    else {
        panic!()
    };
    assert_eq!((status, retry_after, excerpt.as_str()), (503, Some(Duration::from_secs(3)), "Busy"));
    let suffix = kind(400, &[], "Suffix: '/' does not contain a path");
    assert!(matches!(suffix, FailureKind::Status { status: 400, excerpt, .. } if excerpt.contains("does not contain")));
}

#[test]
fn excerpts_are_one_short_line() {
    assert_eq!(one_line(" a\u{7}\r\n\tb\u{1b}[0m "), "a b [0m");
    assert_eq!(excerpt("é".repeat(9_000).as_bytes()).chars().count(), 200);
}

#[test]
fn deep_nesting_is_skipped_without_recursion() {
    let body = format!(r#"{{"data":{{"a":{}{}}}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert!(reply(200, &[JSON], body).verdict().is_ok());
}
