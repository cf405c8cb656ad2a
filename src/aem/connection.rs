//! Where AEM is and how to speak to it. Settings only; nothing is sent from here.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::RetryPolicy;

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

    /// The text, for this room alone.
    pub(super) fn reveal(&self) -> &str {
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
    /// An access token: Cloud Service.
    Bearer(Secret),
}

impl Credentials {
    /// The value of `Authorization`, marked as sensitive. `Err` if the text cannot stand in a header.
    fn header(&self) -> Result<Option<HeaderValue>, SetupError> {
        let text = match self {
            Credentials::None => return Ok(None),
            Credentials::Basic { user, password } => format!("Basic {}", basic_pair(user, password)),
            Credentials::Bearer(token) => format!("Bearer {}", token.reveal()),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| SetupError::Credentials)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The texts that may appear in no message, whatever a server echoes.
    fn secrets(&self) -> Vec<Secret> {
        match self {
            Credentials::None => Vec::new(),
            Credentials::Basic { user, password } => {
                vec![Secret::new(basic_pair(user, password)), password.clone()]
            }
            Credentials::Bearer(token) => vec![token.clone()],
        }
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
    spellings
}

fn basic_pair(user: &str, password: &Secret) -> String {
    STANDARD.encode(format!("{user}:{}", password.reveal()))
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
    /// How requests are authorised.
    pub credentials: Credentials,
    /// Further headers (name, value) for every request to `base`. Values are treated as secrets.
    pub headers: Vec<(String, String)>,
    /// Requests under way at once; 0 counts as 1.
    pub concurrency: usize,
    /// The longest silence: until the connection stands, until the answer begins, and between two pieces of its body.
    pub timeout: Duration,
    /// How faults are met.
    pub retry_for: RetryPolicy,
    /// The largest body in bytes, after decompression.
    pub max_response: u64,
    /// Hosts besides `base` that assets may come from: `cdn.example.com` or `cdn.example.com:8443`. They see no credentials
    /// and no configured headers.
    pub asset_hosts: Vec<String>,
}

impl Connection {
    /// A connection with the defaults: direct execution, anonymous, 8 requests at once, 30 s of silence, 64 MiB a body.
    pub fn new(tier: Tier, base: Url, configuration: impl Into<String>) -> Self {
        Connection {
            tier,
            base,
            configuration: configuration.into(),
            execution: Execution::Direct,
            credentials: Credentials::None,
            headers: Vec::new(),
            concurrency: 8,
            timeout: Duration::from_secs(30),
            retry_for: RetryPolicy::default(),
            max_response: 64 * 1024 * 1024,
            asset_hosts: Vec::new(),
        }
    }

    /// Whether the host is this machine. There compression costs more than it saves, and a proxy has no business.
    pub(super) fn is_loopback(&self) -> bool {
        match self.base.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
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

    /// The texts that may appear in no message.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let mut secrets = self.credentials.secrets();
        secrets.extend(self.headers.iter().map(|(_, value)| Secret::new(value.clone())));
        // Shorter ones would blot out ordinary words, and protect nothing.
        secrets.retain(|secret| secret.reveal().len() >= 4);
        let spelt: Vec<Secret> =
            secrets.iter().flat_map(|secret| spellings(secret.reveal())).map(Secret::new).collect();
        secrets.extend(spelt);
        secrets
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
            .field("credentials", &self.credentials)
            .field("headers", &names)
            .field("concurrency", &self.concurrency)
            .field("timeout", &self.timeout)
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
        assert!(connection("http://127.0.0.1:4503").is_loopback());
        assert!(connection("http://[::1]:4503").is_loopback());
        assert!(!connection("http://localhost.example.com").is_loopback());
    }
}
