//! Who we are to AEM (protocol 7): the kinds of credentials, the files that hold them, and the token that is made of them.
//!
//! Secrets leave this folder in two ways only: as the value of an `Authorization` header of the tier's own scheme, host and
//! port, and in the form that IMS is asked with.

mod files;
pub(super) mod ims;
mod jwt;
mod keeper;
mod secret;
pub(super) mod validity;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::header::HeaderValue;
use url::Url;

pub use files::FileProblem;
pub(super) use keeper::{Authorisation, Keeper};
pub(super) use secret::Redaction;
pub use secret::Secret;

use super::SetupError;
use jwt::SigningKey;

/// How requests are authorised (protocol 7.1). Sent to the connection's scheme, host and port, nowhere else.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Anonymous: Publish, Preview, the built-in origin.
    None,
    /// User and password: local SDK and 6.5. Encoded as UTF-8.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// An access token as it is: Cloud Service. Nothing can be done when it ends.
    Bearer(Secret),
    /// Service credentials: a signed JWT is exchanged at IMS for an access token (protocol 7.3).
    Service(Arc<ServiceAccount>),
    /// OAuth server-to-server: client and secret are exchanged at IMS for an access token (protocol 7.4).
    OAuth(Arc<OAuthClient>),
}

/// The `integration` of a service credentials file.
pub struct ServiceAccount {
    /// `imsEndpoint`: host of IMS, part of the claims.
    pub(super) ims_endpoint: String,
    pub(super) metascopes: Vec<String>,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) id: String,
    pub(super) org: String,
    pub(super) key: SigningKey,
    pub(super) certificate_ends: Option<Timestamp>,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ims_endpoint, client_id, id, org, .. } = self;
        write!(f, "ServiceAccount {{ {ims_endpoint}, {client_id}, {id}, {org} }}")
    }
}

/// A client of OAuth server-to-server.
#[derive(Debug)]
pub struct OAuthClient {
    /// The client's id.
    pub id: String,
    /// The client's secret.
    pub secret: Secret,
    /// Scopes separated by commas, as the Developer Console shows them.
    pub scopes: String,
}

/// Something that stops working on a day that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// What it is: `access token`, `certificate of the service credentials`.
    pub what: &'static str,
    /// When it ends.
    pub at: Timestamp,
    /// From when on that is worth a warning.
    pub warn_from: Timestamp,
}

impl Credentials {
    /// Reads a file that the Developer Console hands out, unedited, whichever of the kinds it is (protocol 7.2 to 7.4).
    ///
    /// # Errors
    /// What is missing or wrong, by the name of the member; never its value.
    pub fn from_file(text: &str) -> Result<Self, FileProblem> {
        files::read(text)
    }

    /// What kind this is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Credentials::None => "anonymous",
            Credentials::Basic { .. } => "user and password",
            Credentials::Bearer(_) => "access token",
            Credentials::Service(_) => "service credentials",
            Credentials::OAuth(_) => "OAuth server-to-server",
        }
    }

    /// When these credentials end, if they say so themselves.
    pub fn expiry(&self) -> Option<Expiry> {
        let (what, at, notice) = match self {
            // A development token lives for 24 hours (protocol 7.2): one that ends within the hour can end within the build.
            Credentials::Bearer(token) => ("access token", validity::of_token(token)?, 60 * 60),
            // A year (protocol 7.3): a month to renew it.
            Credentials::Service(account) => {
                ("certificate of the service credentials", account.certificate_ends?, 30 * 24 * 60 * 60)
            }
            _ => return None,
        };
        let warn_from = at.checked_sub(jiff::SignedDuration::from_secs(notice)).unwrap_or(Timestamp::MIN);
        Some(Expiry { what, at, warn_from })
    }

    /// Where an access token is exchanged, if one is; `address` is the setting that replaces what is usual.
    pub(super) fn ims(&self, address: Option<&Url>) -> Result<Option<Url>, SetupError> {
        let url = match self {
            Credentials::Service(account) => ims::base(&account.ims_endpoint, address)?.join(ims::JWT_PATH),
            Credentials::OAuth(_) => ims::base(ims::USUAL, address)?.join(ims::OAUTH_PATH),
            _ => return Ok(None),
        };
        url.map(Some).map_err(|_| SetupError::Ims("is no address"))
    }

    /// The value of `Authorization` for credentials that need no exchange, marked as sensitive.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, SetupError> {
        match self {
            Credentials::None | Credentials::Service(_) | Credentials::OAuth(_) => Ok(None),
            Credentials::Basic { user, password } => sensitive(&format!("Basic {}", basic_pair(user, password))),
            Credentials::Bearer(token) => bearer(token),
        }
    }

    /// The texts that may appear in no message, whatever a server echoes.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        match self {
            Credentials::None => Vec::new(),
            Credentials::Basic { user, password } => {
                vec![Secret::new(basic_pair(user, password)), password.clone()]
            }
            Credentials::Bearer(token) => vec![token.clone()],
            Credentials::Service(account) => vec![account.client_secret.clone()],
            Credentials::OAuth(client) => vec![client.secret.clone()],
        }
    }
}

/// The value of `Authorization` for an access token.
fn bearer(token: &Secret) -> Result<Option<HeaderValue>, SetupError> {
    sensitive(&format!("Bearer {}", token.reveal()))
}

fn sensitive(text: &str) -> Result<Option<HeaderValue>, SetupError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SetupError::Credentials)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn basic_pair(user: &str, password: &Secret) -> String {
    STANDARD.encode(format!("{user}:{}", password.reveal()))
}
