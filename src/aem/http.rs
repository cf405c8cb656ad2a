//! The HTTP clients: one for AEM, one for IMS, one for every other host. What they trust, how they find hosts, and what they
//! say of errors.
//!
//! None follows a redirect. HTTP/2 is chosen by ALPN where TLS is spoken, proxies are taken from the environment (this is
//! reqwest's doing; the room reads none of it).

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Certificate, Client, ClientBuilder};
use rustls::CertificateError;
use url::Url;

use super::TlsProblem;
use super::connection::{Connection, SetupError, is_loopback};

/// Not a browser's, which AEM's Referrer Filter would refuse on POST (protocol 1.5).
const AGENT: &str = concat!("aem-static/", env!("CARGO_PKG_VERSION"));

/// The client for the connection's own scheme, host and port, with its headers and constant credentials.
pub(super) fn home(connection: &Connection) -> Result<Client, SetupError> {
    let mut headers = connection.own_headers()?;
    let mut builder = to_host(connection, &connection.base)?.tls_info(true);
    if is_loopback(&connection.base) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        builder = builder.gzip(false).brotli(false);
    }
    build(builder, headers)
}

/// The client for IMS: nothing but what a request says itself.
pub(super) fn ims(connection: &Connection, url: &Url) -> Result<Client, SetupError> {
    build(to_host(connection, url)?, HeaderMap::new())
}

/// The client for allowed hosts of assets: nothing secret, and no way into private networks.
pub(super) fn elsewhere(connection: &Connection) -> Result<Client, SetupError> {
    let guard = Guard::new(&connection.asset_hosts);
    build(client(connection)?.dns_resolver(Arc::new(guard)), HeaderMap::new())
}

/// The proxy that stands between this machine and a host: its host and port. Chosen as `reqwest` chooses it, which asks the
/// same function.
pub(super) fn proxy(url: &Url) -> Option<String> {
    if is_loopback(url) {
        return None;
    }
    let address = url.as_str().parse().ok()?;
    let proxy = Matcher::from_system().intercept(&address)?;
    Some(proxy.uri().authority()?.to_string())
}

/// A client for one host.
fn to_host(connection: &Connection, url: &Url) -> Result<ClientBuilder, SetupError> {
    if !is_loopback(url) {
        return client(connection);
    }
    if url.scheme() == "http" {
        // It never speaks TLS, so it needs no certificates: a machine without any can still build a local site.
        return Ok(bare(connection).no_proxy().tls_certs_only([]));
    }
    Ok(client(connection)?.no_proxy())
}

/// What all clients have in common.
fn client(connection: &Connection) -> Result<ClientBuilder, SetupError> {
    let Some(pem) = &connection.trusted else {
        return Ok(bare(connection));
    };
    let certificates = Certificate::from_pem_bundle(pem)
        .map_err(|error| SetupError::Trusted(format!("is no PEM: {}", innermost(&error))))?;
    if certificates.is_empty() {
        return Err(SetupError::Trusted("holds no `BEGIN CERTIFICATE` block".to_owned()));
    }
    Ok(bare(connection).tls_certs_merge(certificates))
}

fn bare(connection: &Connection) -> ClientBuilder {
    // Fails only if the process has a provider already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(connection.timeout)
        .read_timeout(connection.timeout)
        .http2_adaptive_window(true)
}

fn build(builder: ClientBuilder, mut headers: HeaderMap) -> Result<Client, SetupError> {
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    let client = builder.default_headers(headers).build();
    client.map_err(|error| SetupError::Client(innermost(&error)))
}

/// Resolves names and refuses those of allowed hosts that lead into a private network: content chooses what is asked there,
/// and whoever owns a name chooses where it leads, at any moment. So it is the address in use that is looked at.
///
/// Names that are not allowed hosts are the proxy's: nobody else is asked by this client. What a proxy resolves is out of
/// sight.
struct Guard {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Guard {
    fn new(hosts: &[String]) -> Self {
        let hosts = hosts.iter().filter_map(|host| Url::parse(&format!("http://{host}")).ok());
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for host in hosts {
            match host.host() {
                Some(url::Host::Domain(name)) => names.push(name.to_owned()),
                Some(url::Host::Ipv4(address)) => addresses.push(IpAddr::V4(address)),
                Some(url::Host::Ipv6(address)) => addresses.push(IpAddr::V6(address)),
                None => {}
            }
        }
        Guard { names, addresses }
    }

    /// The addresses, or the first that is private and not allowed itself.
    fn checked(host: &str, found: Vec<SocketAddr>, allowed: &[IpAddr]) -> Result<Vec<SocketAddr>, PrivateAddress> {
        let refused =
            found.iter().map(SocketAddr::ip).find(|address| is_private(*address) && !allowed.contains(address));
        match refused {
            Some(address) => Err(PrivateAddress { host: host.to_owned(), address }),
            None => Ok(found),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let guarded = self.names.iter().any(|known| known.eq_ignore_ascii_case(&host));
        let allowed = self.addresses.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let found = if guarded { Guard::checked(&host, found, &allowed)? } else { found };
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// An allowed host leads to an address that is not.
#[derive(Debug, thiserror::Error)]
#[error("{host} leads to {address}, an address of a private network")]
pub(super) struct PrivateAddress {
    pub host: String,
    pub address: IpAddr,
}

impl PrivateAddress {
    /// It, if it is why the request was not sent.
    pub fn among_causes(error: &reqwest::Error) -> Option<&PrivateAddress> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }
}

/// Whether an address belongs to this machine, a private network, or nobody in particular (RFC 6890).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        // This network; shared between providers and customers; protocol assignments; benchmarks; reserved.
        || first == 0
        || (first == 100 && second & 0xc0 == 64)
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && second & 0xfe == 18)
        || first >= 240
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // An IPv4 address in disguise: mapped, translated (64:ff9b::/96), 6to4 (2002::/16).
    let within = match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => address.to_ipv4_mapped(),
    };
    within.is_some_and(is_private_v4)
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || segments[..2] == [0x2001, 0xdb8]
}

/// The last error of the chain: the outer ones only say that a request failed, and repeat its address.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// What TLS failed of, if that is why a request was not sent.
pub(super) fn tls_problem(error: &(dyn Error + 'static)) -> Option<TlsProblem> {
    let error = std::iter::successors(Some(error), |cause| (*cause).source()).find_map(|cause| {
        let within = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        within.and_then(|inner| inner.downcast_ref::<rustls::Error>())
    })?;
    Some(match error {
        rustls::Error::InvalidCertificate(refused) => match refused {
            CertificateError::UnknownIssuer => TlsProblem::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsProblem::OtherName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsProblem::NotYetValid,
            _ => TlsProblem::Certificate,
        },
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => TlsProblem::NoTls,
        _ => TlsProblem::Handshake,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_disguise() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn one_private_address_spoils_a_name_unless_it_is_allowed_itself() {
        let found = || vec!["1.1.1.1:0".parse().unwrap(), "10.0.0.7:0".parse().unwrap()];
        let refused = Guard::checked("cdn.example.com", found(), &[]).unwrap_err();
        assert_eq!(refused.to_string(), "cdn.example.com leads to 10.0.0.7, an address of a private network");
        let allowed = ["10.0.0.7".parse().unwrap()];
        assert_eq!(Guard::checked("cdn.example.com", found(), &allowed).unwrap().len(), 2);
    }
}
