//! Until when tokens and certificates say that they are good. What says nothing has no end that could be told.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::{Secret, jwt};

/// The end of an access token, from the claims of the token itself: `exp` in seconds, or IMS's `created_at` and `expires_in`,
/// both in milliseconds and written as texts. The claims of IMS tokens are in no page read; a token without them has no end.
pub(super) fn of_token(token: &Secret) -> Option<Timestamp> {
    let claims = token.reveal().split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()?;
    let number = |key: &str| {
        let value = claims.get(key)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    };
    if let Some(seconds) = number("exp") {
        return Timestamp::from_second(seconds).ok();
    }
    Timestamp::from_millisecond(number("created_at")?.checked_add(number("expires_in")?)?).ok()
}

/// The end of a certificate in PEM: `notAfter` of its validity (RFC 5280, 4.1).
pub(super) fn of_certificate(pem: &str) -> Option<Timestamp> {
    of_der(&jwt::pem_block(pem, "CERTIFICATE")?)
}

/// The end of a certificate in DER.
pub(in crate::aem) fn of_der(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der)?;
    let (_, mut fields, _) = element(certificate)?;
    // The version is optional and tagged [0]; then serial number, algorithm, issuer, validity.
    if fields.first() == Some(&0xa0) {
        (_, _, fields) = element(fields)?;
    }
    for _ in 0..3 {
        (_, _, fields) = element(fields)?;
    }
    let (_, validity, _) = element(fields)?;
    let (_, _, after) = element(validity)?;
    let (tag, text, _) = element(after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// The first DER element: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `UTCTime` (two digits of the year, 1950 to 2049) or `GeneralizedTime`.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let text = match tag {
        0x17 if text.get(..2)? < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        _ => text.to_owned(),
    };
    let part = |range: std::ops::Range<usize>| text.get(range);
    let (date, clock) = (
        format!("{}-{}-{}", part(0..4)?, part(4..6)?, part(6..8)?),
        format!("{}:{}:{}", part(8..10)?, part(10..12)?, part(12..14)?),
    );
    format!("{date}T{clock}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    fn token(claims: &str) -> Secret {
        Secret::new(format!("eyJ.{}.sig", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn a_token_tells_its_end_in_either_way_or_not_at_all() {
        let end = Some("2023-11-14T22:13:20Z".parse().unwrap());
        assert_eq!(of_token(&token(r#"{"exp":1700000000}"#)), end);
        assert_eq!(of_token(&token(r#"{"created_at":"1699913600000","expires_in":"86400000"}"#)), end);
        for opaque in ["abc", "a.b.c", "", "a.e30.c"] {
            assert_eq!(of_token(&Secret::new(opaque)), None, "{opaque}");
        }
    }

    #[test]
    fn a_certificate_tells_its_end() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, end) in [(2031, "2031-05-06T00:00:00Z"), (2055, "2055-05-06T00:00:00Z")] {
            let mut parameters = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 5, 6);
            let pem = parameters.self_signed(&key).unwrap().pem().replace('\n', "\r\n");
            assert_eq!(of_certificate(&pem), Some(end.parse().unwrap()));
        }
        let cut = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
        assert_eq!(of_certificate(cut), None);
    }
}
