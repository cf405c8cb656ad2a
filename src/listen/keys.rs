//! Adobe's public keys, kept for a day (protocol 8.4). Which key is needed is said by whoever sends a request, so strangers could
//! have us ask for keys all day: only so many are asked for in a minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::signature::{KeyPath, PublicKey};
use crate::aem::Aem;

/// Keys are kept for at most 24 hours.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// That there is no such key is remembered for a minute.
const ABSENT: Duration = Duration::from_secs(60);
/// Keys asked for in a minute, at most.
const BUDGET: u32 = 30;
/// Keys remembered at once. Adobe has a few.
const MOST: usize = 64;
/// A delivery has to be answered within 10 s.
const PATIENCE: Duration = Duration::from_secs(6);

/// The keys.
#[derive(Debug)]
pub struct Keys {
    aem: Aem,
    known: Mutex<Known>,
    /// Held by the one who asks; the others find what it brought.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    keys: BTreeMap<KeyPath, Entry>,
    /// When the minute began, and what was asked since.
    minute: Option<(Instant, u32)>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// `None`: the server has no such key.
    key: Option<Arc<PublicKey>>,
    until: Instant,
}

/// What came of a delivery's signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// One of them is Adobe's.
    Good,
    /// None is.
    Bad,
    /// A key could not be had: it may be good.
    Unknown,
}

impl Keys {
    /// Keys from the server that `aem` is connected to.
    pub fn new(aem: Aem) -> Self {
        Keys { aem, known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// Whether one of these signatures (its Base64, and the path of its key) is over `body`.
    pub async fn verify(&self, body: &[u8], signatures: &[(String, KeyPath)]) -> Verdict {
        // A key that cannot be had is no reason to wait where the other one is at hand.
        let mut signatures: Vec<&(String, KeyPath)> = signatures.iter().collect();
        signatures.sort_by_key(|(_, path)| self.known(path).is_none());
        let mut verdict = Verdict::Bad;
        for (signature, path) in signatures {
            match self.key(path).await {
                Ok(Some(key)) if key.has_signed(body, signature) => return Verdict::Good,
                Ok(_) => {}
                Err(Unavailable) => verdict = Verdict::Unknown,
            }
        }
        verdict
    }

    async fn key(&self, path: &KeyPath) -> Result<Option<Arc<PublicKey>>, Unavailable> {
        if let Some(entry) = self.known(path) {
            return Ok(entry.key);
        }
        let _turn = self.asking.lock().await;
        if let Some(entry) = self.known(path) {
            return Ok(entry.key);
        }
        if !self.spend() {
            return Err(Unavailable);
        }
        let url = self.aem.connection().base.join(path.as_str()).map_err(|_| Unavailable)?;
        let asked = tokio::time::timeout(PATIENCE, self.aem.fetch(&url)).await;
        let received = asked.map_err(|_| Unavailable)?.map_err(|_| Unavailable)?;
        let key = match received.status {
            200 => PublicKey::from_pem(&received.body).map(Arc::new),
            404 | 410 => None,
            _ => return Err(Unavailable),
        };
        let until = Instant::now() + if key.is_some() { KEPT } else { ABSENT };
        self.remember(path, Entry { key: key.clone(), until });
        Ok(key)
    }

    fn known(&self, path: &KeyPath) -> Option<Entry> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.keys.get(path).filter(|entry| entry.until > Instant::now()).cloned()
    }

    fn remember(&self, path: &KeyPath, entry: Entry) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.keys.retain(|_, entry| entry.until > now);
        if known.keys.len() >= MOST {
            // What strangers made up goes first.
            known.keys.retain(|_, entry| entry.key.is_some());
        }
        if known.keys.len() < MOST {
            known.keys.insert(path.clone(), entry);
        }
    }

    /// Takes one of this minute's requests.
    fn spend(&self) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (began, spent) = known.minute.filter(|(began, _)| now - *began < ABSENT).unwrap_or((now, 0));
        known.minute = Some((began, spent + 1));
        spent < BUDGET
    }
}

/// The key could not be had.
#[derive(Debug)]
struct Unavailable;
