//! Downloads of assets: from the connection's host, or from hosts that the site allows (protocol 10).

use reqwest::header::{
    ACCEPT, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::{Method, StatusCode};
use url::Url;

use super::answer::{Reply, is_success};
use super::client::Aem;
use super::exchange::{Outgoing, Place};
use super::failure::{Failure, FailureKind, NotFound};
use super::retry::{self, Miss};

/// Redirects followed for one asset at most.
const HOPS: usize = 5;

/// What a server said about a version of an asset, to be asked again with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, with its quotes.
    pub etag: Option<String>,
    /// `Last-Modified`, as sent.
    pub last_modified: Option<String>,
}

impl Validators {
    /// Whether there is nothing to ask with.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Makes a request conditional.
    pub(super) fn condition(&self, headers: &mut HeaderMap) {
        for (name, value) in [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)] {
            // What a server sent once can be sent back.
            if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

/// An asset, or the word that it has not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetAnswer {
    /// The version with the known validators is still the right one.
    NotModified,
    /// The asset.
    Body {
        /// The file.
        bytes: Vec<u8>,
        /// The content type without parameters, in lower case. It decides, not the name (protocol 10.2).
        mime: Option<String>,
        /// What to ask with next time.
        validators: Validators,
    },
}

impl Aem {
    /// Downloads an asset. `location` is a DAM path (`/content/dam/…`), another host-less path, or an absolute address of
    /// the connection's host or of one in `asset_hosts`. With `known`, the request is conditional.
    ///
    /// Redirects are followed within one scheme, host and port. An HTML page is an asset only if the location ends in
    /// `.html` or `.htm`.
    pub async fn asset(&self, location: &str, known: Option<&Validators>) -> Result<AssetAnswer, Failure> {
        let url = self.asset_address(location)?;
        self.persevere(self.place_of(&url), &url, || self.download(url.clone(), known)).await
    }

    /// The address that [`asset`](Aem::asset) asks, so that equal ones need to be asked only once. Sends nothing.
    pub fn asset_address(&self, location: &str) -> Result<Url, Failure> {
        let refused = |host: &str| Failure {
            kind: FailureKind::HostNotAllowed { host: host.to_owned() },
            url: location.to_owned(),
            attempts: 0,
        };
        let base = &self.inner.connection.base;
        let text = encoded(location);
        let text = if text.starts_with("//") {
            format!("{}:{text}", base.scheme())
        } else if text.starts_with('/') {
            self.inner.connection.address(&text)
        } else {
            text
        };
        let mut url = Url::parse(&text).map_err(|_| refused(location))?;
        let written_out = !location.trim_start().starts_with('/');
        let allowed = if self.is_home(&url) { !written_out || self.is_asset(&url) } else { self.is_allowed(&url) };
        if !allowed {
            return Err(refused(&host_of(&url)));
        }
        // Content may not choose who we are; this fails only for addresses without host, which are refused above.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        Ok(url)
    }

    fn is_home(&self, url: &Url) -> bool {
        url.has_host() && url.origin() == self.inner.connection.base.origin()
    }

    /// Whether an address of the connection's host is an asset's: requests there carry credentials, and content chose it.
    fn is_asset(&self, url: &Url) -> bool {
        let path = url.path().strip_prefix(self.inner.connection.base.path().trim_end_matches('/'));
        path.is_some_and(|path| path.starts_with("/content/dam/") || path.starts_with("/adobe/"))
    }

    fn is_allowed(&self, url: &Url) -> bool {
        let host = host_of(url);
        let hosts = &self.inner.connection.asset_hosts;
        matches!(url.scheme(), "http" | "https") && hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host))
    }

    /// One attempt, with its redirects.
    async fn download(&self, mut url: Url, known: Option<&Validators>) -> Result<AssetAnswer, Miss> {
        let mut hops = 0;
        loop {
            let reply = self.exchange(&self.asset_request(&url, known)).await?;
            match next_hop(&url, &reply) {
                Some(next) if hops < HOPS => {
                    hops += 1;
                    url = next;
                }
                _ => return self.asset_answer(&url, known, reply).map_err(Miss::from),
            }
        }
    }

    fn place_of(&self, url: &Url) -> Place {
        if self.is_home(url) { Place::Home } else { Place::Elsewhere }
    }

    fn asset_request<'a>(&self, url: &'a Url, known: Option<&Validators>) -> Outgoing<'a> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(known) = known {
            known.condition(&mut headers);
        }
        Outgoing { place: self.place_of(url), method: Method::GET, url, headers, body: None }
    }

    fn asset_answer(&self, url: &Url, known: Option<&Validators>, reply: Reply) -> Result<AssetAnswer, FailureKind> {
        let conditional = known.is_some_and(|known| !known.is_empty());
        if conditional && reply.status == StatusCode::NOT_MODIFIED.as_u16() {
            return Ok(AssetAnswer::NotModified);
        }
        if !is_success(reply.status) {
            return Err(match self.redacted(reply).unsuccessful() {
                FailureKind::NotFound { details, .. } => FailureKind::NotFound { what: NotFound::Asset, details },
                other => other,
            });
        }
        let mime = reply.mime();
        let said = matches!(mime.as_deref(), Some("text/html" | "application/xhtml+xml"));
        let page = said || is_page(&reply.body);
        let path = url.path().to_ascii_lowercase();
        if reply.body.is_empty() {
            return Err(FailureKind::Truncated { received: 0, cause: "the body is empty".to_owned() });
        }
        if page && !path.ends_with(".html") && !path.ends_with(".htm") {
            return Err(self.redacted(reply).html_page());
        }
        let header = |name| retry::text(&reply.headers, name).map(str::to_owned);
        Ok(AssetAnswer::Body {
            mime,
            validators: Validators { etag: header(ETAG), last_modified: header(LAST_MODIFIED) },
            bytes: reply.body,
        })
    }
}

/// Whether the bytes are an HTML page, whatever the content type says: a sign-in page is sometimes sent under another's.
fn is_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    let begins = |mark: &[u8]| body.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    begins(b"<!doctype html") || begins(b"<html")
}

/// Where a redirect leads, if it stays at the scheme, host and port it came from.
fn next_hop(url: &Url, reply: &Reply) -> Option<Url> {
    if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = url.join(retry::text(&reply.headers, LOCATION)?).ok()?;
    // A sign-in page would come back as an HTML page; the redirect says more.
    let signs_in = matches!(reply.unsuccessful(), FailureKind::SignIn { .. });
    (next.origin() == url.origin() && !signs_in).then_some(next)
}

/// Host and, if one is written, port; the scheme of an address without host.
fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => format!("{}:", url.scheme()),
    }
}

/// The location as part of an address. `_path` is raw, URLs in rich text are encoded: AEM allows neither `%` nor `?` in the
/// names of assets, so `%2F` is an encoded character and a `%` without two digits is one to be encoded.
fn encoded(location: &str) -> String {
    let bytes = location.trim().as_bytes();
    let mut text = String::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let digits = bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let keep = byte.is_ascii_graphic() && byte != b'\\' && (byte != b'%' || digits);
        if keep {
            text.push(char::from(byte));
        } else {
            text.push_str(percent_encoding::percent_encode_byte(byte));
        }
    }
    text
}

#[cfg(test)]
#[path = "assets_tests.rs"]
mod tests;
