//! Adobe's signatures on deliveries (protocol 8.4): RSA PKCS#1 v1.5 with SHA-256 over the raw bytes, by one of two keys. Pure; the
//! keys come from [`super::keys`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

/// What stands before the key in a SubjectPublicKeyInfo (RFC 5280, RFC 3279): the algorithm, rsaEncryption without parameters.
const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// The path of a key at Adobe's server. A header names it, so it is taken only if it looks like one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(String);

impl KeyPath {
    /// `/prod/keys/pub-key-<id>.pem`, where the id has letters, digits and dashes: nothing that leads elsewhere.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.strip_prefix("/prod/keys/pub-key-")?.strip_suffix(".pem")?;
        let fits = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| KeyPath(text.to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An RSA public key, as ring takes it: PKCS#1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads PEM with `BEGIN PUBLIC KEY`.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(pem).ok()?;
        let inner = text.split_once("-----BEGIN PUBLIC KEY-----")?.1.split_once("-----END PUBLIC KEY-----")?.0;
        let der = STANDARD.decode(inner.split_ascii_whitespace().collect::<String>()).ok()?;
        let (0x30, info, []) = element(&der)? else { return None };
        let (0x03, bits, []) = element(info.strip_prefix(&RSA)?)? else { return None };
        Some(PublicKey(bits.strip_prefix(&[0])?.to_vec()))
    }

    /// Whether `signature`, in Base64, is this key's over `bytes`.
    pub fn has_signed(&self, bytes: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.0).verify(bytes, &signature).is_ok()
    }
}

/// (tag, content, what follows) of the first DER element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use proptest::prelude::*;

    use super::*;

    // Made with `openssl genrsa 2048`, `openssl rsa -pubout` and `openssl dgst -sha256 -sign`: a witness that is not ours.
    const KEY: &str = include_str!("../../tests/it/listen/public-key.pem");
    const SIGNATURE: &str = include_str!("../../tests/it/listen/signature.txt");
    const SIGNED: &[u8] = b"[{\"id\":\"1\"}]";

    #[test]
    fn a_signature_of_openssl_is_taken_and_no_other() {
        let key = PublicKey::from_pem(KEY.as_bytes()).unwrap();
        assert!(key.has_signed(SIGNED, SIGNATURE));
        assert!(!key.has_signed(b"[{\"id\":\"2\"}]", SIGNATURE));
        assert!(!key.has_signed(SIGNED, ""));
        assert!(!key.has_signed(SIGNED, "not base64"));
        assert!(!key.has_signed(SIGNED, &SIGNATURE[4..]));
        let crlf = KEY.replace('\n', "\r\n");
        assert_eq!(PublicKey::from_pem(crlf.as_bytes()), Some(key));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_no_key() {
        for good in ["/prod/keys/pub-key-6a1d0c35-0000-4000-8000-000000000002.pem", "/prod/keys/pub-key-voy5XEbWmT.pem"]
        {
            assert_eq!(KeyPath::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/prod/keys/pub-key-.pem",
            "/prod/keys/pub-key-a/../../x.pem",
            "/prod/keys/pub-key-a.pem.pem",
            "/prod/keys/pub-key-a%2f.pem",
            "/prod/keys/pub-key-a.pem?x",
            "/stage/keys/pub-key-a.pem",
            "//evil.example/prod/keys/pub-key-a.pem",
            "https://evil.example/prod/keys/pub-key-a.pem",
            "@evil.example/prod/keys/pub-key-a.pem",
        ] {
            assert_eq!(KeyPath::parse(bad), None, "{bad}");
        }
        assert_eq!(KeyPath::parse(&format!("/prod/keys/pub-key-{}.pem", "a".repeat(65))), None);
    }

    #[test]
    fn keys_of_other_kinds_are_none() {
        for bad in ["", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "-----END PUBLIC KEY-----"] {
            assert_eq!(PublicKey::from_pem(bad.as_bytes()), None);
        }
        // An elliptic curve.
        let other = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYWnm/eplO9BFtXszMRQNl5UtVQ==\n-----END PUBLIC KEY-----";
        assert_eq!(PublicKey::from_pem(other.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_pem_makes_it_panic(der in proptest::collection::vec(any::<u8>(), 0..80), prefix in any::<bool>()) {
            let der = if prefix { [&[0x30, 0x40][..], &RSA, &der].concat() } else { der };
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(der));
            let _ = PublicKey::from_pem(pem.as_bytes()).map(|key| key.has_signed(b"x", "eA=="));
        }
    }
}
