//! Who may ask: basic authorisation and tokens (protocol §7). Without any of them configured, everybody.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::ims::Ims;
use super::pages;

/// Who may ask, and how. Secrets in here do not print.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// A bearer token that is accepted for ever, as a local development token is for a day (protocol §7.2).
    pub token: Option<SecretString>,
    /// A user of basic authorisation.
    pub basic: Option<Basic>,
    /// The stand-in for IMS, whose tokens are accepted until they expire.
    pub ims: Option<ImsOptions>,
    /// The status for bearer tokens that are not accepted.
    pub refusal: Refusal,
}

/// A user with a password (protocol §7.1).
#[derive(Debug, Clone)]
pub struct Basic {
    /// The name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// The IMS stand-in: whom it gives tokens, and for how long.
#[derive(Debug, Clone)]
pub struct ImsOptions {
    /// A service-credentials file of the Developer Console (protocol §7.3); only its certificate is used, never its key.
    pub service_credentials: Option<std::path::PathBuf>,
    /// A client of the OAuth form (protocol §7.4).
    pub oauth: Option<OauthClient>,
    /// How long a token is good.
    pub lifetime: Duration,
    /// The unit of `expires_in`; `None`: milliseconds for the JWT exchange (§7.3), seconds for OAuth (§7.4).
    pub unit: Option<Unit>,
}

impl Default for ImsOptions {
    fn default() -> Self {
        Self { service_credentials: None, oauth: None, lifetime: Duration::from_secs(24 * 60 * 60), unit: None }
    }
}

/// A client of OAuth server-to-server.
#[derive(Debug, Clone)]
pub struct OauthClient {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: SecretString,
    /// The scopes it may ask for, comma separated; empty: any.
    pub scopes: String,
}

/// The unit of `expires_in`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// As in answers of `/ims/exchange/jwt`.
    Milliseconds,
    /// As in answers of `/ims/token/v3`.
    Seconds,
}

/// The status for a bearer token that is not accepted; clients meet both (protocol §7.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refusal {
    /// 401.
    #[default]
    Unauthorized,
    /// 403.
    Forbidden,
}

/// May somebody ask without saying who he is?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Anonymous {
    /// Publish and preview.
    Welcome,
    /// Author.
    Refused,
}

/// The access as requests are compared with it: digests, which compare in constant time whatever the lengths.
pub(super) struct Guard {
    token: Option<blake3::Hash>,
    basic: Vec<blake3::Hash>,
    refusal: StatusCode,
    anonymous: Anonymous,
}

impl Guard {
    /// Prepares the comparison.
    pub fn new(access: &Access, anonymous: Anonymous) -> Self {
        let basic = access.basic.as_ref().map(|basic| {
            let text = format!("{}:{}", basic.user, basic.password.expose_secret());
            // Adobe's Java client sends ISO-8859-1, its JavaScript client UTF-8 (protocol §7.1).
            let latin: Option<Vec<u8>> = text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
            let utf8 = blake3::hash(text.as_bytes());
            [Some(utf8), latin.map(|latin| blake3::hash(&latin))].into_iter().flatten().collect()
        });
        Self {
            token: access.token.as_ref().map(|token| blake3::hash(token.expose_secret().as_bytes())),
            basic: basic.unwrap_or_default(),
            refusal: match access.refusal {
                Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
                Refusal::Forbidden => StatusCode::FORBIDDEN,
            },
            anonymous,
        }
    }

    /// Lets a request pass, or says what it gets.
    pub fn check(&self, headers: &HeaderMap, ims: Option<&Ims>) -> Result<(), Response<Body>> {
        if self.token.is_none() && self.basic.is_empty() && ims.is_none() {
            return Ok(());
        }
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let status = match (given.next(), given.next()) {
            (None, _) if self.anonymous == Anonymous::Welcome => return Ok(()),
            (None, _) => StatusCode::UNAUTHORIZED,
            (Some(value), None) => match self.judge(value.as_bytes(), ims) {
                Ok(()) => return Ok(()),
                Err(status) => status,
            },
            // Of two headers it is open which one counts.
            (Some(_), Some(_)) => StatusCode::UNAUTHORIZED,
        };
        Err(self.refused(status, ims.is_some()))
    }

    fn judge(&self, value: &[u8], ims: Option<&Ims>) -> Result<(), StatusCode> {
        let space = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at(space);
        let rest = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"basic") {
            let sent = BASE64_STANDARD.decode(rest).map_err(|_| StatusCode::UNAUTHORIZED)?;
            let sent = blake3::hash(&sent);
            // No short cut: every form is compared.
            let matches = self.basic.iter().filter(|known| **known == sent).count();
            return if matches > 0 { Ok(()) } else { Err(StatusCode::UNAUTHORIZED) };
        }
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let sent = blake3::hash(rest);
        let accepted = self.token.is_some_and(|token| token == sent) || ims.is_some_and(|ims| ims.accepts(&sent));
        if accepted { Ok(()) } else { Err(self.refusal) }
    }

    fn refused(&self, status: StatusCode, tokens: bool) -> Response<Body> {
        let mut response = pages::refused(status);
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1 wants at least one.
            let schemes = [
                (!self.basic.is_empty(), "Basic realm=\"AEM\", charset=\"UTF-8\""),
                (self.token.is_some() || tokens, "Bearer realm=\"AEM\""),
            ];
            for (_, scheme) in schemes.into_iter().filter(|(offered, _)| *offered) {
                response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    fn status(guard: &Guard, value: &[u8]) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        guard.check(&headers, None).map_or_else(|response| response.status().as_u16(), |()| 200)
    }

    fn basic(bytes: &[u8]) -> Vec<u8> {
        format!("Basic {}", BASE64_STANDARD.encode(bytes)).into_bytes()
    }

    #[test]
    fn a_password_is_right_in_both_encodings() {
        let access = Access {
            basic: Some(Basic { user: "jörg".to_owned(), password: "pässword".to_owned().into() }),
            ..Access::default()
        };
        let guard = Guard::new(&access, Anonymous::Refused);
        assert_eq!(status(&guard, &basic("jörg:pässword".as_bytes())), 200);
        assert_eq!(status(&guard, &basic(b"j\xF6rg:p\xE4ssword")), 200);
        for wrong in [&b"j\xF6rg:password"[..], b"", b":", b"j\xF6rg"] {
            assert_eq!(status(&guard, &basic(wrong)), 401);
        }
        assert_eq!(status(&guard, b"Basic ***"), 401);
        assert_eq!(status(&guard, b"Bearer x"), 401);
    }

    #[test]
    fn a_password_beyond_latin_1_has_one_form() {
        let access = Access {
            basic: Some(Basic { user: "a".to_owned(), password: "日".to_owned().into() }),
            ..Access::default()
        };
        let guard = Guard::new(&access, Anonymous::Refused);
        assert_eq!(status(&guard, &basic("a:日".as_bytes())), 200);
        assert_eq!(status(&guard, &basic(b"a:?")), 401);
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_the_token_is_not() {
        let access = Access { token: Some("Tok".to_owned().into()), refusal: Refusal::Forbidden, ..Access::default() };
        let guard = Guard::new(&access, Anonymous::Welcome);
        assert_eq!(status(&guard, b"bearer Tok"), 200);
        assert_eq!(status(&guard, b"BEARER   Tok"), 200);
        assert_eq!(status(&guard, b"Bearer tok"), 403);
        assert_eq!(status(&guard, b"Bearer"), 403);
        assert_eq!(status(&guard, b"Digest x"), 401);
        assert!(guard.check(&HeaderMap::new(), None).is_ok());
        assert!(!format!("{access:?}").contains("Tok"));
    }
}
