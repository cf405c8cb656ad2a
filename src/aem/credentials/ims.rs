//! What is asked of IMS, and what it answers (protocol 7.3, 7.4). Nothing is sent from here.

use std::time::Duration;

use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use super::{Credentials, Secret, jwt};
use crate::aem::SetupError;

/// Where OAuth clients are exchanged, in Adobe's samples.
pub(super) const USUAL: &str = "ims-na1.adobelogin.com";

/// The exchange of a JWT (protocol 7.3).
pub(super) const JWT_PATH: &str = "/ims/exchange/jwt";

/// The exchange of an OAuth client (protocol 7.4).
pub(super) const OAUTH_PATH: &str = "/ims/token/v3";

/// What counts as milliseconds: no token lives for eleven days (protocol 7.3, 13).
const MILLISECONDS_FROM: f64 = 1_000_000.0;

/// Scheme, host and port of IMS. Secrets go there, so it is TLS, or this machine.
pub(super) fn base(endpoint: &str, address: Option<&Url>) -> Result<Url, SetupError> {
    let url = match address {
        Some(address) => address.clone(),
        None => {
            let text = if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") };
            Url::parse(&text).map_err(|_| SetupError::Ims("is no address"))?
        }
    };
    if url.scheme() != "https" && !crate::aem::connection::is_loopback(&url) {
        return Err(SetupError::Ims("needs https://, since the client's secret goes there"));
    }
    Ok(url)
}

/// The form to send at `now` (seconds since 1970), and the assertion in it, which nobody may see.
///
/// `None` for credentials that are not exchanged, or if the system gives no random bytes.
pub(in crate::aem) fn form(credentials: &Credentials, now: i64) -> Option<(String, Option<Secret>)> {
    let mut form = Serializer::new(String::new());
    match credentials {
        Credentials::Service(account) => {
            let assertion = jwt::assertion(account, now)?;
            form.append_pair("client_id", &account.client_id);
            form.append_pair("client_secret", account.client_secret.reveal());
            form.append_pair("jwt_token", assertion.reveal());
            Some((form.finish(), Some(assertion)))
        }
        Credentials::OAuth(client) => {
            form.append_pair("grant_type", "client_credentials");
            form.append_pair("client_id", &client.id);
            form.append_pair("client_secret", client.secret.reveal());
            form.append_pair("scope", &client.scopes);
            Some((form.finish(), None))
        }
        _ => None,
    }
}

/// The token of a successful answer, and how long it lives.
pub(in crate::aem) fn token(body: &[u8]) -> Result<(Secret, Duration), &'static str> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON")?;
    let token = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let token = Secret::new(token.ok_or("the answer has no `access_token`")?);
    let life = answer.get("expires_in").and_then(|life| life.as_f64().or_else(|| life.as_str()?.parse().ok()));
    let seconds = match life.filter(|life| life.is_finite() && *life > 0.0) {
        Some(life) if life >= MILLISECONDS_FROM => life / 1000.0,
        Some(life) => life,
        // It does not say; a day is usual (protocol 7.3), and a refusal renews it.
        None => 24.0 * 60.0 * 60.0,
    };
    Ok((token, Duration::from_secs_f64(seconds.min(1e9))))
}

/// IMS's own words for a refusal: `error_description`, else `error` (protocol 7.3).
pub(in crate::aem) fn refusal(status: u16, body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let word = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    let words: String = match (word("error"), word("error_description")) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) => return format!("status {status}"),
    };
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("status {status}, {}", line.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::sync::Arc;

    use super::super::OAuthClient;
    use super::super::files::tests::account;
    use super::*;

    #[test]
    fn lives_in_milliseconds_and_seconds_are_told_apart() {
        let life = |text: &str| token(format!(r#"{{"access_token":"t","expires_in":{text}}}"#).as_bytes()).unwrap().1;
        assert_eq!(life("86399999"), Duration::from_secs_f64(86399.999));
        assert_eq!(life("86399"), Duration::from_secs(86399));
        assert_eq!(life("\"3600\""), Duration::from_secs(3600));
        for odd in ["null", "-1", "\"soon\"", "0"] {
            assert_eq!(life(odd), Duration::from_secs(86400), "{odd}");
        }
        for odd in ["", "[]", r#"{"access_token":""}"#, r#"{"token":"t"}"#] {
            assert!(token(odd.as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn forms_are_those_of_the_protocol() {
        let (form, assertion) = form(&Credentials::Service(account()), 0).unwrap();
        let pairs: Vec<_> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["client_id", "client_secret", "jwt_token"]);
        assert_eq!(pairs[2].1, assertion.unwrap().reveal());

        let client = OAuthClient { id: "a".into(), secret: Secret::new("b&c"), scopes: "openid,AdobeID".into() };
        let (form, _) = super::form(&Credentials::OAuth(Arc::new(client)), 0).unwrap();
        assert_eq!(form, "grant_type=client_credentials&client_id=a&client_secret=b%26c&scope=openid%2CAdobeID");
    }

    #[test]
    fn secrets_go_by_tls_or_stay_on_this_machine() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(base(USUAL, None).unwrap().as_str(), "https://ims-na1.adobelogin.com/");
        assert_eq!(base(USUAL, Some(&url("http://127.0.0.1:99"))).unwrap().as_str(), "http://127.0.0.1:99/");
        assert!(base(USUAL, Some(&url("http://ims.example.com"))).is_err());
        assert!(base("http://ims.example.com", None).is_err());
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_ims() {
        let body = br#"{"error":"invalid_token","error_description":"JWT token\nexpired"}"#;
        assert_eq!(refusal(400, body), "status 400, invalid_token: JWT token expired");
        assert_eq!(refusal(502, b"<html>"), "status 502");
    }
}
