//! Who may ask for a build by `POST /rebuild`: for AEM 6.5, which sends no such events, and for anything else that can send a
//! request. Either a signature over time and body, which cannot be used twice, or the secret itself.

use thiserror::Error;

use super::delivery::{self, Event, Kind, Unreadable};
use crate::aem::Secret;

/// How far the clocks may be apart.
const TOLERANCE: i64 = 5 * 60;
/// Fragments that one request may name.
const MAX_FRAGMENTS: usize = 500;

/// What of a request's headers says who sends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `X-Signature-256`: `sha256=` and 64 hexadecimal digits.
    pub signature: Option<&'a str>,
    /// `X-Timestamp`: seconds since 1970.
    pub timestamp: Option<&'a str>,
}

/// Who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// Somebody who knows the secret.
    Bearer,
    /// Somebody who signed, with the signature: it may come once.
    Signed(String),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// No secret is set.
    #[error("POST /rebuild is off: set AEM_REBUILD_SECRET")]
    Off,
    /// Neither a signature nor the secret, or a wrong one.
    #[error("neither the secret nor a signature that fits")]
    Wrong,
    /// The time is missing, or too far from ours.
    #[error("the time of the signature is missing, or more than 5 minutes away")]
    Time,
}

/// Finds out who sends `body` at `now`, in seconds since 1970. The signature is HMAC-SHA256 with the secret over the timestamp as it
/// stands in the header, a dot, and the body.
///
/// # Errors
/// [`Refused`].
pub fn sender(secret: Option<&Secret>, claims: Claims<'_>, body: &[u8], now: i64) -> Result<Sender, Refused> {
    let secret = secret.filter(|secret| !secret.is_empty()).ok_or(Refused::Off)?;
    if let Some(signature) = claims.signature {
        let timestamp = claims.timestamp.ok_or(Refused::Time)?;
        let tag = signature.strip_prefix("sha256=").and_then(unhex).ok_or(Refused::Wrong)?;
        let message = [timestamp.as_bytes(), b".", body].concat();
        if !secret.has_signed(&message, &tag) {
            return Err(Refused::Wrong);
        }
        let at: i64 = timestamp.parse().map_err(|_| Refused::Time)?;
        let near = at.checked_sub(now).is_some_and(|apart| (-TOLERANCE..=TOLERANCE).contains(&apart));
        return if near { Ok(Sender::Signed(signature.to_ascii_lowercase())) } else { Err(Refused::Time) };
    }
    let given = claims.authorization.and_then(|value| value.strip_prefix("Bearer "));
    if given.is_some_and(|given| secret.is(given.trim())) { Ok(Sender::Bearer) } else { Err(Refused::Wrong) }
}

/// The events that a request stands for: one for each fragment of `{"fragments": ["/content/dam/…"]}`, one without a fragment if
/// there are none. `id` tells the request from every other.
///
/// # Errors
/// A body that is neither empty nor such an object.
pub fn events(body: &[u8], id: &str) -> Result<Vec<Event>, Unreadable> {
    let fragments = match body.trim_ascii() {
        [] => Vec::new(),
        body => {
            let value = delivery::parse(body)?;
            let members = value.as_object().ok_or(Unreadable::NotEvents)?;
            match members.get("fragments") {
                None => Vec::new(),
                Some(list) => fragments(list).ok_or(Unreadable::NotEvents)?,
            }
        }
    };
    let asked = |fragment: Option<String>, number: usize| Event {
        id: format!("rebuild {id} {number}"),
        kind: Kind::Asked,
        fragment,
        model: None,
        tier: None,
        time: None,
        recipient: None,
    };
    if fragments.is_empty() {
        return Ok(vec![asked(None, 0)]);
    }
    Ok(fragments.into_iter().enumerate().map(|(number, path)| asked(Some(path), number)).collect())
}

fn fragments(list: &serde_json::Value) -> Option<Vec<String>> {
    let list = list.as_array().filter(|list| list.len() <= MAX_FRAGMENTS)?;
    let path = |value: &serde_json::Value| {
        let path = value.as_str().filter(|path| path.starts_with("/content/") && path.len() <= 2048)?;
        (!path.contains(char::is_control)).then(|| path.to_owned())
    };
    list.iter().map(path).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() != 64 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    const NOW: i64 = 1_772_356_500;
    // `printf '1772356500.{}' | openssl dgst -sha256 -hmac correct-horse`
    const SIGNATURE: &str = "sha256=0bf2bf51f63dda47a52ca8ee293ed74d3e3f0d0d25c37e0aa6516ffb8d7d0ddd";

    fn secret() -> Secret {
        Secret::new("correct-horse")
    }

    fn signed<'a>(signature: &'a str, timestamp: &'a str) -> Claims<'a> {
        Claims { signature: Some(signature), timestamp: Some(timestamp), authorization: None }
    }

    #[test]
    fn a_signature_of_openssl_is_taken_and_bound_to_time_and_body() {
        let claims = signed(SIGNATURE, "1772356500");
        let sent = |claims, body: &[u8], now| sender(Some(&secret()), claims, body, now);
        assert_eq!(sent(claims, b"{}", NOW), Ok(Sender::Signed(SIGNATURE.to_owned())));
        assert_eq!(sent(claims, b"{}", NOW + 300), Ok(Sender::Signed(SIGNATURE.to_owned())));
        assert_eq!(sent(claims, b"{}", NOW + 301), Err(Refused::Time));
        assert_eq!(sent(claims, b"{}", NOW - 301), Err(Refused::Time));
        assert_eq!(sent(claims, b"{ }", NOW), Err(Refused::Wrong));
        assert_eq!(sent(signed(SIGNATURE, "1772356501"), b"{}", NOW), Err(Refused::Wrong));
        assert_eq!(sent(Claims { timestamp: None, ..claims }, b"{}", NOW), Err(Refused::Time));
        let upper = format!("sha256={}", SIGNATURE["sha256=".len()..].to_uppercase());
        assert_eq!(sent(signed(&upper, "1772356500"), b"{}", NOW), Ok(Sender::Signed(SIGNATURE.to_owned())), "one use");
        for wrong in ["", "sha256=", "sha1=00", &SIGNATURE[..70], "sha256=é"] {
            assert_eq!(sent(signed(wrong, "1772356500"), b"{}", NOW), Err(Refused::Wrong), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_signature_is_not_made_good_by_the_secret() {
        let claims = Claims { authorization: Some("Bearer correct-horse"), ..signed("sha256=00", "1772356500") };
        assert_eq!(sender(Some(&secret()), claims, b"", NOW), Err(Refused::Wrong));
    }

    #[test]
    fn the_secret_itself_is_taken_and_nothing_like_it() {
        let sent = |value| {
            let claims = Claims { authorization: Some(value), ..Claims::default() };
            sender(Some(&secret()), claims, b"", NOW)
        };
        assert_eq!(sent("Bearer correct-horse"), Ok(Sender::Bearer));
        for wrong in ["Bearer correct-hors", "Bearer ", "Basic correct-horse", "correct-horse", ""] {
            assert_eq!(sent(wrong), Err(Refused::Wrong), "{wrong}");
        }
        let claims = Claims { authorization: Some("Bearer "), ..Claims::default() };
        assert_eq!(sender(None, claims, b"", NOW), Err(Refused::Off));
        assert_eq!(sender(Some(&Secret::new("")), claims, b"", NOW), Err(Refused::Off));
    }

    #[test]
    fn bodies_name_fragments_or_nothing() {
        let named = events(br#"{"fragments": ["/content/dam/a", "/content/dam/b"]}"#, "7").unwrap();
        let paths: Vec<_> = named.iter().map(|event| (event.id.as_str(), event.fragment.as_deref())).collect();
        assert_eq!(paths, [("rebuild 7 0", Some("/content/dam/a")), ("rebuild 7 1", Some("/content/dam/b"))]);
        for whole in ["", " \n", "{}", r#"{"fragments": []}"#, r#"{"why": "release"}"#] {
            assert_eq!(events(whole.as_bytes(), "7").unwrap().len(), 1, "{whole}");
        }
        for wrong in
            ["[]", "x", r#"{"fragments": "x"}"#, r#"{"fragments": ["x"]}"#, r#"{"fragments": ["/content/\n"]}"#]
        {
            assert!(events(wrong.as_bytes(), "7").is_err(), "{wrong}");
        }
    }
}
