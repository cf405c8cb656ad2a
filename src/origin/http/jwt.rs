//! The signed JWT of service credentials, checked against the certificate of their file (protocol §7.3).

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;
use webpki::EndEntityCert;

/// The file as the Developer Console writes it, as far as it is needed here.
#[derive(Deserialize)]
struct File {
    integration: Integration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Integration {
    ims_endpoint: String,
    metascopes: String,
    technical_account: TechnicalAccount,
    id: String,
    org: String,
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TechnicalAccount {
    client_id: String,
    client_secret: String,
}

/// The account a service-credentials file belongs to: what its JWT must say. The private key is not read.
pub(super) struct Account {
    /// `client_id` of the exchange.
    pub client_id: String,
    /// Digest of the client secret.
    pub secret: blake3::Hash,
    ims: String,
    org: String,
    id: String,
    metascopes: BTreeSet<String>,
    certificate: CertificateDer<'static>,
}

/// Why a JWT is not accepted, as IMS words it: `error` and `error_description`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected(pub &'static str, pub String);

fn invalid(description: &str) -> Rejected {
    Rejected("invalid_token", description.to_owned())
}

impl Account {
    /// Reads a service-credentials file.
    ///
    /// # Errors
    /// What is wrong with it, in words; nothing of its content but the names of members.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
        let File { integration } = serde_json::from_slice(&text).map_err(|error| {
            // The error's own text may quote a value.
            format!("is no service-credentials file: line {}, column {}", error.line(), error.column())
        })?;
        let certificate = CertificateDer::from_pem_slice(integration.public_key.as_bytes())
            .map_err(|_| "has no certificate in integration.publicKey".to_owned())?;
        EndEntityCert::try_from(&certificate)
            .map_err(|error| format!("has an unusable certificate in integration.publicKey: {error}"))?;
        let metascopes = integration.metascopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
        Ok(Self {
            client_id: integration.technical_account.client_id,
            secret: blake3::hash(integration.technical_account.client_secret.as_bytes()),
            metascopes: metascopes.map(str::to_owned).collect(),
            ims: integration.ims_endpoint,
            org: integration.org,
            id: integration.id,
            certificate,
        })
    }

    /// Checks signature, then claims, each for itself. `now` is in seconds since 1970.
    pub fn check(&self, jwt: &str, now: u64) -> Result<(), Rejected> {
        let malformed = || invalid("the JWT is malformed");
        let mut parts = jwt.split('.');
        let (Some(head), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let json =
            |part: &str| -> Option<Value> { serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
        let (header, decoded) = json(head).zip(json(claims)).ok_or_else(malformed)?;
        // Said by us and not by the sender: whoever names the algorithm could name none.
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(invalid("the JWT is not signed with RS256"));
        }
        let signed = &jwt[..head.len() + 1 + claims.len()];
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        let certificate = EndEntityCert::try_from(&self.certificate).map_err(|_| malformed())?;
        certificate
            .verify_signature(webpki::ring::RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| invalid("could not match the JWT signature to any of the bindings"))?;
        self.check_claims(&decoded, now)
    }

    fn check_claims(&self, claims: &Value, now: u64) -> Result<(), Rejected> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if claims.get("exp").and_then(Value::as_u64).is_none_or(|exp| exp <= now) {
            return Err(invalid("the JWT has expired, or has no `exp` in seconds"));
        }
        if text("iss") != Some(&self.org) {
            return Err(invalid("`iss` is not the organisation"));
        }
        if text("sub") != Some(&self.id) {
            return Err(invalid("`sub` is not the technical account"));
        }
        if text("aud") != Some(&format!("https://{}/c/{}", self.ims, self.client_id)) {
            return Err(invalid("`aud` is not IMS and the client"));
        }
        let prefix = format!("https://{}/s/", self.ims);
        let named = claims.as_object().into_iter().flatten().filter_map(|(name, value)| {
            let scope = name.strip_prefix(&prefix)?;
            (value == &Value::Bool(true)).then(|| scope.to_owned())
        });
        let named: BTreeSet<String> = named.collect();
        if named != self.metascopes {
            let description = "the metascopes are not those of the account: each is a claim that is true".to_owned();
            return Err(Rejected("invalid_scope", description));
        }
        Ok(())
    }
}
