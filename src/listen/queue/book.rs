//! What is known of events: those that wait, and the ids of all that came. Pure; the file is [`super::log`]'s.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::listen::delivery::Event;

/// For so long the id of an event is remembered: one day longer than Adobe's journal keeps events (protocol 8.7).
const REMEMBERED: i64 = 8 * 24 * 60 * 60 * 1000;
/// So many ids are remembered at most; the oldest are forgotten first. A repetition then costs a build that changes nothing.
const MOST_REMEMBERED: usize = 100_000;

/// An event's id, as a digest: ids are as long as a sender likes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// Of an event with this id.
    pub fn of(id: &str) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
        Id(short)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u128::from_str_radix(&text, 16).map_err(serde::de::Error::custom)?;
        Ok(Id(number.to_be_bytes()))
    }
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// Events came.
    Accepted {
        /// When, in milliseconds since 1970.
        at: i64,
        /// They.
        events: Vec<Event>,
        /// Up to where the journal was read with them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<String>,
    },
    /// The site shows their effect.
    Settled(Vec<Id>),
    /// The site did not show it after all repetitions: they wait for reconciliation.
    Stale(Vec<Id>),
    /// Ids that came, with the time; written when the file is made small.
    Seen(Vec<(Id, i64)>),
}

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// It.
    pub event: Event,
    /// When it came, in milliseconds since 1970.
    pub at: i64,
    /// It waits for reconciliation.
    pub stale: bool,
}

/// Everything that the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// By order of arrival.
    held: BTreeMap<u64, Held>,
    by_id: HashMap<Id, u64>,
    seen: HashMap<Id, i64>,
    next: u64,
    position: Option<String>,
}

impl Book {
    /// Takes a line of the file. Taking one twice changes nothing.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Accepted { at, events, position } => {
                for event in events {
                    self.hold(event, *at);
                }
                if position.is_some() {
                    self.position.clone_from(position);
                }
            }
            Record::Settled(ids) => ids.iter().for_each(|id| {
                if let Some(number) = self.by_id.remove(id) {
                    self.held.remove(&number);
                }
            }),
            Record::Stale(ids) => ids.iter().for_each(|id| {
                if let Some(held) = self.by_id.get(id).and_then(|number| self.held.get_mut(number)) {
                    held.stale = true;
                }
            }),
            Record::Seen(ids) => self.seen.extend(ids.iter().copied()),
        }
    }

    fn hold(&mut self, event: &Event, at: i64) {
        let id = Id::of(&event.id);
        if self.seen.insert(id, at).is_none() {
            self.by_id.insert(id, self.next);
            self.held.insert(self.next, Held { event: event.clone(), at, stale: false });
            self.next += 1;
        }
    }

    /// Whether an event with this id has come before.
    pub fn knows(&self, id: &Id) -> bool {
        self.seen.contains_key(id)
    }

    /// The events that wait, in order of arrival.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &Held> {
        self.held.values()
    }

    /// Up to where the journal was read.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Forgets ids that cannot come again, at `now`.
    pub fn forget(&mut self, now: i64) {
        let by_id = &self.by_id;
        self.seen.retain(|id, at| now.saturating_sub(*at) <= REMEMBERED || by_id.contains_key(id));
        if self.seen.len() > MOST_REMEMBERED {
            let mut times: Vec<i64> = self.seen.values().copied().collect();
            let surplus = times.len() - MOST_REMEMBERED;
            let (_, limit, _) = times.select_nth_unstable(surplus);
            let limit = *limit;
            self.seen.retain(|id, at| *at >= limit || by_id.contains_key(id));
        }
    }

    /// The shortest file that says the same.
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut seen: Vec<(Id, i64)> =
            self.seen.iter().filter(|(id, _)| !self.by_id.contains_key(id)).map(|(id, at)| (*id, *at)).collect();
        seen.sort_unstable();
        records.extend(seen.chunks(1000).map(|ids| Record::Seen(ids.to_vec())));
        for held in self.held.values() {
            records.push(Record::Accepted { at: held.at, events: vec![held.event.clone()], position: None });
        }
        let stale = self.held.values().filter(|held| held.stale).map(|held| Id::of(&held.event.id));
        records.push(Record::Stale(stale.collect()));
        records.push(Record::Accepted { at: 0, events: Vec::new(), position: self.position.clone() });
        records
    }
}
