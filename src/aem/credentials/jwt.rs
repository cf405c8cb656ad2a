//! The signed JWT of service credentials (protocol 7.3): three Base64 parts, RS256.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Map, Value};

use super::{Secret, ServiceAccount};

/// How long an assertion may be used: what Adobe's own client asks for (protocol 7.3).
const LIFETIME: i64 = 8 * 60 * 60;

/// The private key of service credentials.
pub(in crate::aem) struct SigningKey(RsaKeyPair);

impl SigningKey {
    /// Reads a PEM block, PKCS#1 (`BEGIN RSA PRIVATE KEY`, what the Developer Console writes) or PKCS#8, with any line ends.
    pub fn from_pem(pem: &str) -> Result<Self, &'static str> {
        if let Some(der) = pem_block(pem, "RSA PRIVATE KEY") {
            return RsaKeyPair::from_der(&der).map(SigningKey).map_err(|_| "is no RSA key that can sign");
        }
        let der = pem_block(pem, "PRIVATE KEY").ok_or("holds no `BEGIN RSA PRIVATE KEY` block")?;
        RsaKeyPair::from_pkcs8(&der).map(SigningKey).map_err(|_| "is no RSA key that can sign")
    }
}

/// The bytes of the first PEM block of this name.
pub(super) fn pem_block(pem: &str, name: &str) -> Option<Vec<u8>> {
    let start = format!("-----BEGIN {name}-----");
    let (_, rest) = pem.split_once(&start)?;
    let (body, _) = rest.split_once(&format!("-----END {name}-----"))?;
    let body: String = body.chars().filter(|character| !character.is_whitespace()).collect();
    STANDARD.decode(body).ok()
}

/// The assertion at `now`, in seconds since 1970. `None` only if the system gives no random bytes.
pub(super) fn assertion(account: &ServiceAccount, now: i64) -> Option<Secret> {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let claims = URL_SAFE_NO_PAD.encode(Value::Object(claims(account, now)).to_string());
    let signed = format!("{header}.{claims}");
    let mut signature = vec![0; account.key.0.public().modulus_len()];
    account.key.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
    Some(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

fn claims(account: &ServiceAccount, now: i64) -> Map<String, Value> {
    let endpoint = match account.ims_endpoint.contains("://") {
        true => account.ims_endpoint.trim_end_matches('/').to_owned(),
        false => format!("https://{}", account.ims_endpoint),
    };
    let mut claims = Map::new();
    claims.insert("exp".to_owned(), Value::from(now + LIFETIME));
    claims.insert("iss".to_owned(), Value::from(account.org.as_str()));
    claims.insert("sub".to_owned(), Value::from(account.id.as_str()));
    claims.insert("aud".to_owned(), Value::from(format!("{endpoint}/c/{}", account.client_id)));
    for metascope in &account.metascopes {
        claims.insert(format!("{endpoint}/s/{metascope}"), Value::Bool(true));
    }
    claims
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::json;

    use super::super::files::tests::account;
    use super::*;

    #[test]
    fn the_claims_are_those_of_the_protocol_and_the_signature_holds() {
        let account = account();
        let assertion = assertion(&account, 1_700_000_000).unwrap();
        let parts: Vec<&str> = assertion.reveal().split('.').collect();
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let header: Value = serde_json::from_slice(&decoded(parts[0])).unwrap();
        assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
        let claims: Value = serde_json::from_slice(&decoded(parts[1])).unwrap();
        assert_eq!(
            claims,
            json!({
                "exp": 1_700_028_800, "iss": "0123456789ABCDEF0A495E8C@AdobeOrg",
                "sub": "AAAABBBBCCCCDDDD0A495E8C@techacct.adobe.com",
                "aud": "https://ims-na1.adobelogin.com/c/cm-p4711-e8080-integration-test",
                "https://ims-na1.adobelogin.com/s/ent_aem_cloud_api": true,
                "https://ims-na1.adobelogin.com/s/ent_cloudmgr_sdk": true,
            })
        );
        let public = account.key.0.public_key().as_ref().to_vec();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        key.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &decoded(parts[2])).unwrap();
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        for pem in ["", "-----BEGIN RSA PRIVATE KEY-----\r\nAAAA\r\n-----END RSA PRIVATE KEY-----", "BEGIN"] {
            assert!(SigningKey::from_pem(pem).is_err(), "{pem}");
        }
    }
}
