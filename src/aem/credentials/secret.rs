//! The one type for whatever must not be seen, and the ways in which a server may spell it when it echoes it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use ring::rand::SystemRandom;
use secrecy::{ExposeSecret, SecretString};

/// A token or password. It prints as `[redacted]`, cannot be serialised, and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(SecretString::from(text.into()))
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.reveal().is_empty()
    }

    /// Whether it is this text. How long that takes says nothing of where they differ.
    pub fn is(&self, text: &str) -> bool {
        // Both through one function of random key: equal digests are compared in constant time, whatever the lengths.
        let Ok(key) = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()) else {
            return false;
        };
        let own = hmac::sign(&key, self.reveal().as_bytes());
        hmac::verify(&key, text.as_bytes(), own.as_ref()).is_ok()
    }

    /// Whether `tag` is the HMAC-SHA256 of `message` with this secret as its key; compared in constant time.
    pub fn has_signed(&self, message: &[u8], tag: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.reveal().as_bytes());
        hmac::verify(&key, message, tag).is_ok()
    }

    /// The text, for this room alone.
    pub(in crate::aem) fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Takes secrets out of texts that came over the wire, however a server spells them.
#[derive(Clone, Default)]
pub(in crate::aem) struct Redaction(Vec<Secret>);

impl Redaction {
    /// Knows these secrets in all their spellings. Short ones would blot out ordinary words, and protect nothing.
    pub fn of(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut known = Redaction::default();
        secrets.into_iter().for_each(|secret| known.learn(&secret));
        known
    }

    /// Knows one more.
    pub fn learn(&mut self, secret: &Secret) {
        if secret.reveal().len() >= 4 && !self.0.iter().any(|known| known.reveal() == secret.reveal()) {
            self.0.push(secret.clone());
            self.0.extend(spellings(secret.reveal()).into_iter().map(Secret::new));
        }
    }

    /// The text without them.
    pub fn applied(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "[redacted]"))
    }
}

/// A secret as a server may spell it when it echoes it: in an address, in JSON, encoded.
fn spellings(secret: &str) -> Vec<String> {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_matches('"');
    let mut spellings = vec![json.to_owned(), json.replace('/', "\\/")];
    spellings.extend([NON_ALPHANUMERIC, UNRESERVED, PATH].map(|set| utf8_percent_encode(secret, set).to_string()));
    spellings.extend([STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
    spellings.retain(|spelling| spelling != secret);
    spellings.dedup();
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_as_a_whole() {
        let secret = Secret::new("p8e/s3cr+t");
        assert!(secret.is("p8e/s3cr+t"));
        for other in ["", "p8e/s3cr+", "p8e/s3cr+tt", "P8e/s3cr+t"] {
            assert!(!secret.is(other), "{other}");
        }
    }

    #[test]
    fn a_signature_is_checked_as_rfc_4231_has_it() {
        // RFC 4231, test case 2.
        let tag = [
            0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00,
            0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
        ];
        let (secret, message) = (Secret::new("Jefe"), b"what do ya want for nothing?");
        assert!(secret.has_signed(message, &tag));
        assert!(!secret.has_signed(message, &tag[..31]) && !secret.has_signed(b"what", &tag));
    }

    #[test]
    fn every_spelling_is_taken_out() {
        let redaction = Redaction::of([Secret::new("p8e/s3cr+t"), Secret::new("abc")]);
        let echoed = [
            "p8e/s3cr+t".to_owned(),
            "p8e\\/s3cr+t".to_owned(),
            "p8e%2Fs3cr%2Bt".to_owned(),
            "p8e/s3cr%2Bt".to_owned(),
            STANDARD.encode("p8e/s3cr+t"),
        ];
        for spelling in echoed {
            assert_eq!(redaction.applied(&format!("a {spelling} b")), "a [redacted] b");
        }
        assert_eq!(redaction.applied("abc"), "abc", "three letters are a word");
    }
}
