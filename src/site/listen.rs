//! How `listen` hears of publish events and what it does with a changed site: `[listen]` and `[deploy]` of aem-static.toml.

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use super::access::{HeaderSource, header_source};
use super::config::url;
use super::toml_tree::{Origin, Reader, Table, Value};
use crate::report::{Diagnostic, codes};

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    /// The client id of the events project; events for another one are refused.
    pub client_id: Option<String>,
    /// The organisation that the journal belongs to: `…@AdobeOrg`.
    pub organization: Option<String>,
    /// Where Adobe's public keys are.
    pub keys: Url,
    /// Where a webhook is confirmed.
    pub confirm: Url,
    /// Adobe's journal of the registration.
    pub journal: Option<Url>,
    /// How long nothing may have come before a build begins.
    pub quiet: Duration,
    /// How long a build waits for quiet, at most.
    pub longest: Duration,
    /// When an answer that does not show the effect of an event is asked again, after the build.
    pub ask_again: Vec<Duration>,
    /// How often everything is checked; `None`: never.
    pub reconcile: Option<Duration>,
    /// Requests a second from one address, at most.
    pub rate: u32,
    /// Events that may wait at once.
    pub max_pending: usize,
    /// The proxies whose `X-Forwarded-*` is believed.
    pub proxies: Vec<Network>,
    /// Who may read `/status` and `/metrics`, besides this machine.
    pub monitors: Vec<Network>,
    /// Only events of fragments below these paths matter; empty: all.
    pub paths: Vec<String>,
    /// Only events of these models matter; empty: all.
    pub models: Vec<String>,
}

/// `[deploy]`
#[derive(Debug, Clone)]
pub struct Deploy {
    /// The command and its arguments; empty: none.
    pub command: Vec<String>,
    /// How long it may run.
    pub time_limit: Duration,
    /// Under which addresses a CDN keeps the site: what changed is purged there.
    pub purge: Vec<Url>,
    /// Headers of those requests.
    pub purge_headers: Vec<(String, HeaderSource)>,
}

/// Addresses with a common beginning: `10.0.0.0/8`, or one: `127.0.0.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `address` or `address/bits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Network { address, bits })
    }

    /// Whether an address lies in it; IPv4 in the clothes of IPv6 is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |one: u128, other: u128, width: u8| {
            let rest = u32::from(width - self.bits.min(width));
            rest >= 128 || one >> rest == other >> rest
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

/// `[listen]`.
pub(super) fn read_listen(table: Table, text: &str, problems: &mut Vec<Diagnostic>) -> Listen {
    let mut reader = Reader::new("listen", table, text, problems);
    let seconds = |reader: &mut Reader<'_>, key, usual| Duration::from_secs(reader.count(key, 0).unwrap_or(usual));
    let address = |reader: &mut Reader<'_>, key| {
        let (value, origin) = reader.text_node(key)?;
        url(reader, &format!("listen.{key}"), &value, &origin)
    };
    let usual = |address: &str| Url::parse(address).expect("a constant that is an address");
    let listen = Listen {
        client_id: reader.text("client_id"),
        organization: reader.text("organization"),
        keys: address(&mut reader, "keys").unwrap_or_else(|| usual("https://static.adobeioevents.com")),
        confirm: address(&mut reader, "confirm").unwrap_or_else(|| usual("https://csm.adobe.io")),
        journal: address(&mut reader, "journal"),
        quiet: seconds(&mut reader, "quiet", 2),
        longest: seconds(&mut reader, "longest", 30),
        ask_again: ask_again(&mut reader),
        reconcile: Some(seconds(&mut reader, "reconcile", 3600)).filter(|every| !every.is_zero()),
        rate: reader.count("rate", 1).and_then(|rate| u32::try_from(rate).ok()).unwrap_or(500),
        max_pending: reader.count("max_pending", 1).and_then(|most| usize::try_from(most).ok()).unwrap_or(100_000),
        proxies: networks(&mut reader, "proxies"),
        monitors: networks(&mut reader, "monitors"),
        paths: reader.texts("paths").unwrap_or_default(),
        models: reader.texts("models").unwrap_or_default(),
    };
    reader.finish();
    listen
}

fn ask_again(reader: &mut Reader<'_>) -> Vec<Duration> {
    let usual = || [2, 5, 15, 60].map(Duration::from_secs).to_vec();
    let Some(node) = reader.take("ask_again") else { return usual() };
    let seconds = |value: &Value| match value {
        Value::Integer(number) => u64::try_from(*number).ok().map(Duration::from_secs),
        Value::Text(text) => text.trim().parse().ok().map(Duration::from_secs),
        _ => None,
    };
    let read: Option<Vec<Duration>> = match &node.value {
        Value::Array(items) => items.iter().map(|item| seconds(&item.value)).collect(),
        Value::Text(text) if matches!(node.origin, Origin::Setting(_)) => {
            text.split(',').map(|part| seconds(&Value::Text(part.to_owned()))).collect()
        }
        _ => None,
    };
    read.unwrap_or_else(|| {
        reader.wrong("ask_again", &node, "a list of seconds such as [2, 5, 15, 60]");
        usual()
    })
}

fn networks(reader: &mut Reader<'_>, key: &'static str) -> Vec<Network> {
    let texts = reader.texts(key).unwrap_or_default();
    let mut networks = Vec::new();
    for text in texts {
        match Network::parse(&text) {
            Some(network) => networks.push(network),
            None => {
                let message = format!("`listen.{key}` takes addresses such as 127.0.0.1 or 10.0.0.0/8, not `{text}`");
                reader.problems.push(Diagnostic::error(codes::CONFIG_VALUE, message));
            }
        }
    }
    networks
}

/// `[deploy]`.
pub(super) fn read_deploy(table: Table, text: &str, problems: &mut Vec<Diagnostic>) -> Deploy {
    let mut reader = Reader::new("deploy", table, text, problems);
    let command = reader.texts("command").unwrap_or_default();
    let time_limit = Duration::from_secs(reader.count("time_limit", 1).unwrap_or(600));
    let mut purge = Vec::new();
    for address in reader.texts("purge").unwrap_or_default() {
        let origin = Origin::Setting("deploy.purge".to_owned());
        purge.extend(url(&mut reader, "deploy.purge", &address, &origin));
    }
    let mut headers = reader.table("purge_headers").unwrap_or_default();
    let mut purge_headers = Vec::new();
    for name in std::mem::take(&mut headers.order) {
        let Some(node) = headers.entries.remove(&name) else { continue };
        match header_source(&node.value) {
            Some(source) => purge_headers.push((name, source)),
            None => {
                let key = format!("purge_headers.{name}");
                reader.wrong(&key, &node, "a text, or `{ env = \"VARIABLE\" }` for a secret");
            }
        }
    }
    reader.finish();
    Deploy { command, time_limit, purge, purge_headers }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::super::toml_tree::parse;
    use super::*;

    fn read(text: &str) -> (Listen, Deploy, Vec<String>) {
        let mut problems = Vec::new();
        let mut root = Reader::new("", parse(text).unwrap(), text, &mut problems);
        let (listen, deploy) = (root.table("listen").unwrap_or_default(), root.table("deploy").unwrap_or_default());
        root.finish();
        let (listen, deploy) = (read_listen(listen, text, &mut problems), read_deploy(deploy, text, &mut problems));
        (listen, deploy, problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn networks_hold_what_begins_as_they_do() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("127.0.0.1", "::ffff:127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1") && holds("::/0", "fd00::1"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "a", "10.0.0.1/", "10.0.0.1/-1"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let (listen, deploy, problems) = read("");
        assert_eq!(problems, [""; 0]);
        assert_eq!((listen.quiet.as_secs(), listen.longest.as_secs()), (2, 30));
        assert_eq!(listen.ask_again, [2, 5, 15, 60].map(Duration::from_secs));
        assert_eq!(listen.reconcile, Some(Duration::from_secs(3600)));
        assert!(deploy.command.is_empty() && deploy.time_limit.as_secs() == 600);
    }

    #[test]
    fn every_problem_is_told_with_the_nearest_key() {
        let text = "[listen]\nquite = 1\nproxies = [\"x\"]\nask_again = [-1]\njournal = \"events\"\n\
            [deploy]\ncommand = \"./deploy.sh\"\n[deploy.purge_headers]\nX = 1\n";
        insta::assert_snapshot!(read(text).2.join("\n"), @r#"
        `listen.journal` takes an address such as https://www.example.com, without user, query or fragment
        `listen.ask_again` takes a list of seconds such as [2, 5, 15, 60], not a list
        `listen.proxies` takes addresses such as 127.0.0.1 or 10.0.0.0/8, not `x`
        unknown key `listen.quite`
        `deploy.command` takes a list of texts, not `./deploy.sh`
        `deploy.purge_headers.X` takes a text, or `{ env = "VARIABLE" }` for a secret, not 1
        "#);
    }
}
