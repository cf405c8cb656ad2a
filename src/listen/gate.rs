//! Who asks, and how often: the address of a client behind proxies that are trusted, its share of requests, and whether it may look
//! at what goes on inside.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::site::Network;

/// Clients that are remembered at once.
const MOST: usize = 10_000;

/// Who sends a request, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Somebody in between speaks for it, and is not known: it is not who it seems to be.
    pub doubtful: bool,
}

/// What stands in front of everything.
#[derive(Debug)]
pub struct Gate {
    proxies: Vec<Network>,
    monitors: Vec<Network>,
    rate: f64,
    shares: Mutex<HashMap<IpAddr, Share>>,
}

/// What a client has left of its requests.
#[derive(Debug, Clone, Copy)]
struct Share {
    left: f64,
    at: Instant,
}

impl Gate {
    /// For `rate` requests a second and client, and as many at once.
    pub fn new(proxies: Vec<Network>, monitors: Vec<Network>, rate: u32) -> Self {
        Gate { proxies, monitors, rate: f64::from(rate.max(1)), shares: Mutex::default() }
    }

    /// The client behind a connection from `peer`. Of `X-Forwarded-For` the last address counts that is no proxy of ours: what
    /// stands before it was written by whoever sent the request.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> Client {
        let peer = peer.to_canonical();
        let trusted = |address: IpAddr| self.proxies.iter().any(|network| network.contains(address));
        let mut chain =
            forwarded.flat_map(|value| value.split(',')).map(str::trim).collect::<Vec<_>>().into_iter().rev();
        let mut client = Client { address: peer, doubtful: false };
        while trusted(client.address) {
            match chain.next() {
                None => return client,
                Some(text) => match text.parse::<IpAddr>() {
                    Ok(address) => client.address = address.to_canonical(),
                    // A trusted proxy that writes no address hides who it is.
                    Err(_) => return Client { doubtful: true, ..client },
                },
            }
        }
        Client { doubtful: client.address == peer && chain.next().is_some(), ..client }
    }

    /// Takes one of the client's requests at `now`; `false`: it has to wait.
    pub fn lets_pass(&self, client: Client, now: Instant) -> bool {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = self.rate;
        let full = |share: &Share| share.left + now.saturating_duration_since(share.at).as_secs_f64() * rate;
        if shares.len() >= MOST {
            // Who has its whole share is as one who never came; a flood of addresses has itself to blame.
            shares.retain(|_, share| full(share) < rate);
            if shares.len() >= MOST {
                shares.clear();
            }
        }
        let share = shares.entry(neighbourhood(client.address)).or_insert(Share { left: rate, at: now });
        share.left = full(share).min(rate);
        share.at = now;
        let passes = share.left >= 1.0;
        if passes {
            share.left -= 1.0;
        }
        passes
    }

    /// Whether the client may read `/status` and `/metrics`: this machine, and those that are named.
    pub fn may_look(&self, client: Client) -> bool {
        let named = self.monitors.iter().any(|network| network.contains(client.address));
        !client.doubtful && (client.address.is_loopback() || named)
    }
}

/// A client of IPv6 has a whole network to choose addresses from.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::time::Duration;

    use super::*;

    fn gate(proxies: &[&str]) -> Gate {
        let networks = |texts: &[&str]| texts.iter().map(|text| Network::parse(text).unwrap()).collect();
        Gate::new(networks(proxies), networks(&["192.0.2.0/24"]), 5)
    }

    fn client(gate: &Gate, peer: &str, forwarded: &[&str]) -> (String, bool) {
        let client = gate.client(peer.parse().unwrap(), forwarded.iter().copied());
        (client.address.to_string(), client.doubtful)
    }

    #[test]
    fn forwarded_addresses_count_only_from_proxies() {
        let gate = gate(&["127.0.0.1", "10.0.0.0/8"]);
        assert_eq!(client(&gate, "8.8.8.8", &[]), ("8.8.8.8".into(), false));
        assert_eq!(client(&gate, "8.8.8.8", &["1.1.1.1"]), ("8.8.8.8".into(), true));
        assert_eq!(client(&gate, "127.0.0.1", &["1.1.1.1"]), ("1.1.1.1".into(), false));
        assert_eq!(client(&gate, "127.0.0.1", &["127.0.0.1, 1.1.1.1", "10.1.1.1"]), ("1.1.1.1".into(), false));
        assert_eq!(client(&gate, "127.0.0.1", &["unknown"]), ("127.0.0.1".into(), true));
        assert_eq!(client(&gate, "::ffff:127.0.0.1", &["1.1.1.1"]), ("1.1.1.1".into(), false));
    }

    #[test]
    fn only_who_is_named_may_look_and_nobody_in_disguise() {
        let may = |gate: &Gate, peer: &str, forwarded: &[&str]| {
            gate.may_look(gate.client(peer.parse().unwrap(), forwarded.iter().copied()))
        };
        let behind = gate(&["127.0.0.1"]);
        assert!(may(&behind, "127.0.0.1", &[]) && may(&behind, "192.0.2.7", &[]) && may(&behind, "::1", &[]));
        assert!(!may(&behind, "8.8.8.8", &[]) && !may(&behind, "127.0.0.1", &["8.8.8.8"]));
        // A proxy that nobody told us of: every request seems to come from this machine.
        assert!(!may(&gate(&[]), "127.0.0.1", &["8.8.8.8"]) && !may(&behind, "127.0.0.1", &["x"]));
    }

    #[test]
    fn a_client_has_its_share_and_takes_nothing_from_others() {
        let gate = gate(&[]);
        let client = |text: &str| Client { address: text.parse().unwrap(), doubtful: false };
        let start = Instant::now();
        let passed = |address: &str, at: Instant| (0..20).filter(|_| gate.lets_pass(client(address), at)).count();
        assert_eq!(passed("8.8.8.8", start), 5);
        assert_eq!(passed("8.8.4.4", start), 5);
        assert_eq!(passed("8.8.8.8", start + Duration::from_millis(400)), 2);
        assert_eq!(passed("2001:db8::1", start), 5);
        assert_eq!(passed("2001:db8::2", start), 0, "the same network");
    }

    #[test]
    fn a_flood_of_addresses_takes_no_more_memory() {
        let gate = gate(&[]);
        let start = Instant::now();
        for number in 0..30_000u32 {
            gate.lets_pass(Client { address: IpAddr::V4(number.into()), doubtful: false }, start);
        }
        assert!(gate.shares.lock().unwrap().len() <= MOST);
    }
}
