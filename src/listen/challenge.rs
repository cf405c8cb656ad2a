//! The handshake with which Adobe finds out whether a webhook is ours (protocol 8.2): a challenge that is handed back, or an
//! address that has to be asked.

use url::Url;

/// The challenge is a UUID; so much is handed back at most.
const MAX_CHALLENGE: usize = 512;

/// The value of `challenge` in the query of a GET, if it is one that may be handed back.
pub fn challenge(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (_, value) = pairs.find(|(name, _)| name == "challenge")?;
    let fits = !value.is_empty() && value.len() <= MAX_CHALLENGE && !value.contains(char::is_control);
    fits.then(|| value.into_owned())
}

/// The address to be asked, if it is Adobe's: the scheme, host and port that are configured, and nobody's in disguise. Whoever
/// reaches the webhook can send such a request, so anything else would have us ask addresses of a stranger's choice.
pub fn confirmation(asked: &str, confirm: &Url) -> Option<Url> {
    let url = Url::parse(asked).ok()?;
    let same = url.origin() == confirm.origin() && url.has_host();
    (same && url.username().is_empty() && url.password().is_none() && asked.len() <= 2048).then_some(url)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn the_challenge_is_decoded_and_bounded() {
        assert_eq!(challenge("challenge=8ec8d794-e0ab"), Some("8ec8d794-e0ab".into()));
        assert_eq!(challenge("a=1&challenge=x%20y"), Some("x y".into()));
        for none in ["", "challenge", "challenge=", "Challenge=x", "challenge=a%0d%0aSet-Cookie:x"] {
            assert_eq!(challenge(none), None, "{none}");
        }
        assert_eq!(challenge(&format!("challenge={}", "x".repeat(513))), None);
    }

    #[test]
    fn only_adobes_address_is_asked() {
        let adobe = Url::parse("https://csm.adobe.io").unwrap();
        let good = "https://csm.adobe.io/csm/registrations/validate?id=1&challenge=2";
        assert_eq!(confirmation(good, &adobe).unwrap().as_str(), good);
        for bad in [
            "http://csm.adobe.io/x",
            "https://csm.adobe.io:8443/x",
            "https://csm.adobe.io.evil.example/x",
            "https://csm.adobe.io@evil.example/x",
            "https://user@csm.adobe.io/x",
            "https://evil.example/?https://csm.adobe.io/",
            "file:///etc/passwd",
            "//csm.adobe.io/x",
            "http://169.254.169.254/latest/meta-data",
            "",
        ] {
            assert_eq!(confirmation(bad, &adobe), None, "{bad}");
        }
    }
}
