//! The files that the Developer Console hands out, as they are: a local development token (protocol 7.2), service credentials
//! (7.3), and the workspace of a project with an OAuth server-to-server credential, or that credential by itself.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::jwt::SigningKey;
use super::{Credentials, OAuthClient, Secret, ServiceAccount, validity};

/// Why a file holds no credentials that can be used. No value of the file is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// It is not JSON; where the parser gave up.
    #[error("it is not JSON (line {line}, column {column})")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is JSON of none of the kinds.
    #[error(
        "it is none of the Developer Console's files: it has neither `accessToken` nor `integration` nor `client_id`"
    )]
    OtherKind,
    /// The Developer Console wrote down that it failed: `ok` is false.
    #[error("the Developer Console could not make it: `ok` is false")]
    NotOk,
    /// A member is missing or empty, or is no text.
    #[error("`{0}` is missing or is no text")]
    Missing(&'static str),
    /// A member is there and unusable.
    #[error("`{member}` {problem}")]
    Unusable {
        /// The member's name.
        member: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

pub(super) fn read(text: &str) -> Result<Credentials, FileProblem> {
    let text = text.trim_start_matches('\u{feff}');
    let value: Value = serde_json::from_str(text)
        .map_err(|error| FileProblem::NotJson { line: error.line(), column: error.column() })?;
    if value.get("ok") == Some(&Value::Bool(false)) {
        return Err(FileProblem::NotOk);
    }
    // `accessToken` exists only in a development token (protocol 7.2).
    if value.get("accessToken").is_some() {
        return Ok(Credentials::Bearer(Secret::new(text_of(&value, "accessToken")?)));
    }
    if let Some(integration) = value.get("integration") {
        return service(integration);
    }
    oauth(&value).unwrap_or(Err(FileProblem::OtherKind))
}

fn service(integration: &Value) -> Result<Credentials, FileProblem> {
    let account = integration.get("technicalAccount").ok_or(FileProblem::Missing("technicalAccount"))?;
    let unusable = |problem| FileProblem::Unusable { member: "privateKey", problem };
    let key = SigningKey::from_pem(&text_of(integration, "privateKey")?).map_err(unusable)?;
    let metascopes = text_of(integration, "metascopes")?;
    let told = integration.get("certificateExpirationDate").and_then(Value::as_str);
    let certificate = || validity::of_certificate(integration.get("publicKey")?.as_str()?);
    Ok(Credentials::Service(Arc::new(ServiceAccount {
        ims_endpoint: text_of(integration, "imsEndpoint")?,
        metascopes: metascopes
            .split(',')
            .map(|scope| scope.trim().to_owned())
            .filter(|scope| !scope.is_empty())
            .collect(),
        client_id: text_of(account, "clientId")?,
        client_secret: Secret::new(text_of(account, "clientSecret")?),
        id: text_of(integration, "id")?,
        org: text_of(integration, "org")?,
        key,
        certificate_ends: told.and_then(|date| date.parse::<Timestamp>().ok()).or_else(certificate),
    })))
}

/// An OAuth client, wherever the file has it; `None` if it has none. Its members are written in lower or upper case, and a
/// workspace may hold other credentials beside it.
fn oauth(value: &Value) -> Option<Result<Credentials, FileProblem>> {
    match value {
        Value::Object(members) => {
            if member(members, "client_id").is_some() {
                return Some(client(members));
            }
            members.values().find_map(oauth)
        }
        Value::Array(items) => items.iter().find_map(oauth),
        _ => None,
    }
}

fn client(members: &Map<String, Value>) -> Result<Credentials, FileProblem> {
    let first = |value: &Value| match value {
        // A secret is rotated by having two for a while; the newest comes first or last, both work.
        Value::Array(items) => items.first().and_then(Value::as_str).map(str::to_owned),
        other => other.as_str().map(str::to_owned),
    };
    let filled = |text: &String| !text.trim().is_empty();
    let id = member(members, "client_id").and_then(first).filter(filled);
    let secret = member(members, "client_secrets").or_else(|| member(members, "client_secret"));
    let scopes = member(members, "scopes").or_else(|| member(members, "scope")).and_then(|value| match value {
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        other => other.as_str().map(str::to_owned),
    });
    Ok(Credentials::OAuth(Arc::new(OAuthClient {
        id: id.ok_or(FileProblem::Missing("client_id"))?,
        secret: Secret::new(secret.and_then(first).filter(filled).ok_or(FileProblem::Missing("client_secrets"))?),
        scopes: scopes.filter(filled).ok_or(FileProblem::Missing("scopes"))?,
    })))
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn text_of(value: &Value, member: &'static str) -> Result<String, FileProblem> {
    let text = value.get(member).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(FileProblem::Missing(member))
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    const SERVICE: &str = include_str!("../../../tests/fixtures/credentials/service-credentials.json");
    const DEVELOPMENT: &str = include_str!("../../../tests/fixtures/credentials/development-token.json");
    const WORKSPACE: &str = include_str!("../../../tests/fixtures/credentials/oauth-workspace.json");

    /// The service account of the fixture.
    pub(in crate::aem::credentials) fn account() -> Arc<ServiceAccount> {
        let Credentials::Service(account) = read(SERVICE).unwrap() else { panic!("the fixture is a service account") };
        account
    }

    #[test]
    fn each_file_is_known_by_what_is_in_it() {
        let account = account();
        assert_eq!(account.metascopes, ["ent_aem_cloud_api", "ent_cloudmgr_sdk"]);
        assert_eq!(account.client_secret.reveal(), "p8e-test-only");
        assert_eq!(account.certificate_ends, Some("2126-10-31T10:00:00Z".parse().unwrap()));
        assert!(
            SERVICE.contains("BEGIN RSA PRIVATE KEY-----\\r\\n"),
            "the key is PKCS#1 with CR LF, as Adobe writes it"
        );

        let Credentials::Bearer(token) = read(DEVELOPMENT).unwrap() else { panic!() };
        assert_eq!(validity::of_token(&token), Some("2100-01-02T00:00:00Z".parse().unwrap()));

        let flat = r#"{"CLIENT_ID":"a","CLIENT_SECRETS":["b","c"],"SCOPES":"openid,AdobeID","ORG_ID":"o"}"#;
        for (file, expected) in [(WORKSPACE, "AdobeID,openid,aem.fragments.management"), (flat, "openid,AdobeID")] {
            let Credentials::OAuth(client) = read(file).unwrap() else { panic!() };
            assert_eq!(client.scopes, expected);
        }
    }

    #[test]
    fn without_a_date_the_certificate_is_asked() {
        let without = SERVICE.replace("certificateExpirationDate", "other");
        let Credentials::Service(account) = read(&without).unwrap() else { panic!() };
        assert!(account.certificate_ends.unwrap() > "2100-01-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_is_wrong_is_told_without_a_value() {
        for (from, to, told) in [
            ("\"clientSecret\": \"p8e", "\"other\": \"p8e", "`clientSecret` is missing or is no text"),
            ("RSA PRIVATE KEY", "EC PRIVATE KEY", "`privateKey` holds no `BEGIN RSA PRIVATE KEY` block"),
            ("\"ok\": true", "\"ok\": false", "the Developer Console could not make it: `ok` is false"),
            ("\"integration\"", "\"others\"", "it is none of the Developer Console's files"),
            ("\"ok\": true,", "\"ok\": true", "it is not JSON (line 3, column 3)"),
        ] {
            let problem = read(&SERVICE.replacen(from, to, 2)).unwrap_err().to_string();
            assert!(problem.starts_with(told), "{problem}");
            assert!(!problem.contains("test-only"), "{problem}");
        }
    }
}
