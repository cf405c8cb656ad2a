//! Where AEM is and how to speak to it. Settings only; nothing is sent from here.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use url::Url;

use super::credentials::{Redaction, Secret};
use super::{Credentials, RetryPolicy};

/// A tier of an AEM environment (protocol 1.2), or the built-in origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The built-in origin over `content/`, on loopback.
    Local,
    /// Where content is managed.
    Author,
    /// Content to be checked before it is published.
    Preview,
    /// What visitors see.
    Publish,
}

impl Tier {
    /// Every tier, in the order of the documentation.
    pub const ALL: [Tier; 4] = [Tier::Local, Tier::Author, Tier::Preview, Tier::Publish];

    /// The word of `aem-static.toml` and `AEM_TIER`.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Local => "local",
            Tier::Author => "author",
            Tier::Preview => "preview",
            Tier::Publish => "publish",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tier: local, author, preview or publish")]
pub struct UnknownTier(pub String);

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(word: &str) -> Result<Self, UnknownTier> {
        Tier::ALL.into_iter().find(|tier| tier.name() == word).ok_or_else(|| UnknownTier(word.to_owned()))
    }
}

/// How a query is executed (protocol 2.2, 3.4, 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// POST of the query's text to the endpoint of the configuration. Publish normally refuses it.
    Direct,
    /// GET of the persisted query, which CDN and Dispatcher may keep.
    PersistedGet,
    /// POST to the persisted query, which neither keeps.
    PersistedPost,
}

/// Everything the client needs to know. Resolved once, then only read.
#[derive(Clone)]
pub struct Connection {
    /// Which tier this is; for messages, it changes nothing on the wire.
    pub tier: Tier,
    /// Scheme, host, port, and a path that is kept in front of every request path. No user, query or fragment.
    pub base: Url,
    /// The Sites configuration, one path segment: `wknd-shared`.
    pub configuration: String,
    /// How queries are executed.
    pub execution: Execution,
    /// Whether a persisted query that AEM does not have is sent as a direct one (`queries = "auto"`).
    pub direct_if_missing: bool,
    /// Whether data that came with errors is an answer, after every retry.
    pub keep_partial: bool,
    /// How requests are authorised.
    pub credentials: Credentials,
    /// Where tokens are exchanged, if not at the host that the credentials name: another region, or a stand-in.
    pub ims: Option<Url>,
    /// Further headers (name, value) for every request to `base`. Values are treated as secrets.
    pub headers: Vec<(String, String)>,
    /// Certificates in PEM that are trusted as well as the system's.
    pub trusted: Option<Vec<u8>>,
    /// Requests under way at once, at most; 0 counts as 1. Fewer when AEM is busy.
    pub concurrency: usize,
    /// Requests a second and host, at most; `None`: as many as `concurrency` makes.
    pub rate: Option<u32>,
    /// The longest silence: until the connection stands, until the answer begins, and between two pieces of its body.
    pub timeout: Duration,
    /// How long one request may take from end to end, however steadily its answer trickles.
    pub request_limit: Duration,
    /// How long the client may send requests at all, from its making; `None`: for ever.
    pub time_limit: Option<Duration>,
    /// How faults are met.
    pub retry_for: RetryPolicy,
    /// The largest body in bytes, after decompression.
    pub max_response: u64,
    /// Hosts besides `base` that assets may come from: `cdn.example.com` or `cdn.example.com:8443`. They see no credentials
    /// and no configured headers. A name that leads to an address of a private network is refused, unless the address stands
    /// here, too.
    pub asset_hosts: Vec<String>,
}

impl Connection {
    /// A connection with the defaults: direct execution, anonymous, 8 requests at once, 30 s of silence, 5 minutes a
    /// request, 64 MiB a body.
    pub fn new(tier: Tier, base: Url, configuration: impl Into<String>) -> Self {
        Connection {
            tier,
            base,
            configuration: configuration.into(),
            execution: Execution::Direct,
            direct_if_missing: false,
            keep_partial: false,
            credentials: Credentials::None,
            ims: None,
            headers: Vec::new(),
            trusted: None,
            concurrency: 8,
            rate: None,
            timeout: Duration::from_secs(30),
            request_limit: Duration::from_secs(300),
            time_limit: None,
            retry_for: RetryPolicy::default(),
            max_response: 64 * 1024 * 1024,
            asset_hosts: Vec::new(),
        }
    }

    /// The base and `path`, which begins with `/` and is encoded already.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// Refuses a base or configuration that cannot make sound addresses.
    pub(super) fn verify(&self) -> Result<(), SetupError> {
        let base = &self.base;
        let problem = if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            Some("needs http:// or https:// and a host")
        } else if !base.username().is_empty() || base.password().is_some() {
            Some("may not hold a user or password; credentials come from the environment")
        } else if base.query().is_some() || base.fragment().is_some() {
            Some("may not hold `?` or `#`")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(SetupError::Base { problem });
        }
        if !is_segment(&self.configuration) {
            return Err(SetupError::Configuration(self.configuration.clone()));
        }
        Ok(())
    }

    /// The headers that go to `base` only: the configured ones and the authorisation.
    pub(super) fn own_headers(&self) -> Result<HeaderMap, SetupError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let refused = |problem| SetupError::Header { name: name.clone(), problem };
            let key = HeaderName::from_str(name).map_err(|_| refused("is not a header name"))?;
            if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, ACCEPT_ENCODING].contains(&key) {
                return Err(refused("is set by the client itself"));
            }
            if key == AUTHORIZATION && !matches!(self.credentials, Credentials::None) {
                return Err(refused("is set by the credentials"));
            }
            let mut value = HeaderValue::from_str(value).map_err(|_| refused("has a value that no header can hold"))?;
            value.set_sensitive(true);
            headers.append(key, value);
        }
        if let Some(value) = self.credentials.header()? {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    /// Takes out what may appear in no message.
    pub(super) fn redaction(&self) -> Redaction {
        let headers = self.headers.iter().map(|(_, value)| Secret::new(value.clone()));
        Redaction::of(self.credentials.secrets().into_iter().chain(headers))
    }
}

/// Whether the host is this machine. There compression costs more than it saves, and a proxy has no business.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// One path segment that a URL parser leaves alone.
fn is_segment(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\\'])
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Connection")
            .field("tier", &self.tier)
            .field("base", &self.base.as_str())
            .field("configuration", &self.configuration)
            .field("execution", &self.execution)
            .field("direct_if_missing", &self.direct_if_missing)
            .field("keep_partial", &self.keep_partial)
            .field("credentials", &self.credentials)
            .field("headers", &names)
            .field("ims", &self.ims.as_ref().map(Url::as_str))
            .field("concurrency", &self.concurrency)
            .field("rate", &self.rate)
            .field("timeout", &self.timeout)
            .field("request_limit", &self.request_limit)
            .field("time_limit", &self.time_limit)
            .field("retry_for", &self.retry_for)
            .field("max_response", &self.max_response)
            .field("asset_hosts", &self.asset_hosts)
            .finish()
    }
}

/// Why no client could be made. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The host's address is unusable.
    #[error("the AEM host {problem}")]
    Base {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The name of the Sites configuration is not one path segment.
    #[error("`{0}` is not the name of a Sites configuration")]
    Configuration(String),
    /// A configured header is unusable; its value is not told.
    #[error("the header `{name}` {problem}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The token, user or password holds characters that no header can hold.
    #[error("the credentials hold a character that cannot be sent, such as a line break")]
    Credentials,
    /// The address of IMS is unusable.
    #[error("the address of IMS {0}")]
    Ims(&'static str),
    /// The file of trusted certificates is unusable.
    #[error("the file of certificates to trust {0}")]
    Trusted(String),
    /// TLS or the system's certificates could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    fn connection(base: &str) -> Connection {
        Connection::new(Tier::Publish, Url::parse(base).unwrap(), "acme")
    }

    #[test]
    fn tiers_read_what_they_print() {
        for tier in Tier::ALL {
            assert_eq!(tier.to_string().parse::<Tier>(), Ok(tier));
        }
        assert!("Publish".parse::<Tier>().is_err());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let mut connection = connection("https://publish.example.com");
        connection.credentials = Credentials::Basic { user: "admin".into(), password: Secret::new("hunter2") };
        connection.headers = vec![("X-Key".into(), "s3cr3t-key".into())];
        let printed = format!("{connection:?} {:?} {}", Secret::new("hunter2"), Secret::new("hunter2"));
        assert!(!printed.contains("hunter2") && !printed.contains("s3cr3t"), "{printed}");
        assert!(!format!("{:?}", connection.own_headers().unwrap()).contains("s3cr3t"));
    }

    #[test]
    fn unusable_settings_are_refused() {
        for base in ["ftp://h/", "https://u:p@h/", "https://h/?a", "https://h/#a", "data:x"] {
            assert!(matches!(connection(base).verify(), Err(SetupError::Base { .. })), "{base}");
        }
        for configuration in ["", "..", "a/b"] {
            let mut connection = connection("https://h");
            connection.configuration = configuration.into();
            assert!(matches!(connection.verify(), Err(SetupError::Configuration(_))));
        }
        for header in [("Host", "x"), ("a b", "x"), ("X-A", "a\nb"), ("accept-encoding", "zstd")] {
            let mut connection = connection("https://h");
            connection.headers = vec![(header.0.into(), header.1.into())];
            assert!(matches!(connection.own_headers(), Err(SetupError::Header { .. })), "{header:?}");
        }
        let mut connection = connection("https://h");
        connection.credentials = Credentials::Bearer(Secret::new("a\r\nb"));
        assert_eq!(connection.own_headers(), Err(SetupError::Credentials));
    }

    #[test]
    fn a_base_path_is_kept() {
        assert_eq!(connection("https://h/aem/").address("/x"), "https://h/aem/x");
        assert_eq!(connection("https://h").address("/x"), "https://h/x");
        assert!(is_loopback(&connection("http://127.0.0.1:4503").base));
        assert!(is_loopback(&connection("http://[::1]:4503").base));
        assert!(!is_loopback(&connection("http://localhost.example.com").base));
    }
}
