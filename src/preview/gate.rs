//! Who may ask, and what every answer carries.
//!
//! A page of another site can have its name lead to 127.0.0.1 (DNS rebinding) and then read what a server there says as if it
//! were its own. Such a request carries that name in `Host`; so names are checked, and addresses are not, for they cannot be
//! made to lead elsewhere.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// What the pages of the tool itself may do: nothing but what comes from here.
pub(super) const OWN_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The names and addresses that may stand in `Host`.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    host: IpAddr,
    names: Vec<String>,
}

impl Gate {
    pub(super) fn new(host: IpAddr, names: &[String]) -> Self {
        Gate { host, names: names.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Whether a request with this `Host` is meant for this server.
    fn lets_pass(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return address.is_loopback() || !self.host.is_loopback();
        }
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }
}

/// Without `:1111`; the port may be another's, that of a tunnel.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Stands in front of everything.
pub(super) async fn check(
    axum::extract::State(gate): axum::extract::State<std::sync::Arc<Gate>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    if hosts.next().is_some() || !gate.lets_pass(&host) {
        let text = "this server is not asked under that name: use http://localhost with its port, or start preview with \
            --allow-host NAME\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // What is shown has to be what there is now, and no other site may take it into its pages.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_do_not_pass() {
        let gate = Gate::new("127.0.0.1".parse().unwrap_or(IpAddr::from([127, 0, 0, 1])), &["Site.Test".to_owned()]);
        for host in
            ["localhost", "LOCALHOST:1111", "127.0.0.1:1111", "[::1]:1111", "[::1]", "site.test:80", "a.localhost"]
        {
            assert!(gate.lets_pass(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:1111",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]",
        ] {
            assert!(!gate.lets_pass(host), "{host}");
        }
        let open = Gate::new(IpAddr::from([0, 0, 0, 0]), &[]);
        assert!(open.lets_pass("10.0.0.1:1111") && !open.lets_pass("evil.example"));
    }
}
