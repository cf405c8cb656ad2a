//! Events whose effect is looked for: shown by the site, to be asked for again, or given up until reconciliation (design.md §6).

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::freshness::{Effect, Freshness};
use super::queue::{Held, Id};
use crate::aem::Tier;

/// Events between their arrival and their end.
#[derive(Debug)]
pub(super) struct Pending {
    tier: Tier,
    /// How long after a build without the effect the next one is made.
    ask_again: Vec<Duration>,
    freshness: Freshness,
    asked: HashMap<Id, Asked>,
    shown: BTreeSet<Id>,
}

/// An event whose effect was not shown.
#[derive(Debug, Clone, Copy)]
struct Asked {
    times: usize,
    /// When it is to be asked again.
    next: Instant,
}

/// What a build means for the events that waited for it.
#[derive(Debug, Default)]
pub(super) struct Weighed<'a> {
    /// Asked for often enough: they wait for reconciliation now.
    pub(super) given_up: Vec<&'a Held>,
    /// When the next build is due, for those that the site does not show.
    pub(super) again: Option<Instant>,
}

impl Pending {
    pub(super) fn new(tier: Tier, ask_again: Vec<Duration>, started: i64) -> Self {
        let freshness = Freshness::starting(started);
        Pending { tier, ask_again, freshness, asked: HashMap::new(), shown: BTreeSet::new() }
    }

    /// Takes notice of what was there before us.
    pub(super) fn begin(&mut self, dir: &Path) {
        self.freshness.notice(dir, 0);
    }

    /// After a build that began at `began`, in milliseconds since 1970. After a full check no event is left that was given up: there is nobody
    /// else to ask.
    pub(super) fn weigh<'a>(&mut self, dir: &Path, began: i64, held: &'a [Held], full_check: bool) -> Weighed<'a> {
        let known = self.freshness.notice(dir, began);
        let (mut weighed, now) = (Weighed::default(), Instant::now());
        for held in held {
            let id = Id::of(&held.event.id);
            let shows = || self.freshness.shows(held, Effect::of(&held.event, self.tier));
            if !known || (held.stale && full_check) || shows() {
                self.asked.remove(&id);
                self.shown.insert(id);
            } else if !held.stale {
                match self.next(id, now) {
                    Some(next) => weighed.again = Some(weighed.again.map_or(next, |again| again.min(next))),
                    None => weighed.given_up.push(held),
                }
            }
        }
        weighed
    }

    /// When an event is to be asked for again; `None`: no more.
    fn next(&mut self, id: Id, now: Instant) -> Option<Instant> {
        let asked = self.asked.entry(id).or_insert(Asked { times: 0, next: now });
        // Builds for other events in between are not its turn.
        if asked.next <= now {
            let Some(pause) = self.ask_again.get(asked.times) else {
                self.asked.remove(&id);
                return None;
            };
            *asked = Asked { times: asked.times + 1, next: now + *pause };
        }
        Some(asked.next)
    }

    /// Events whose effect stands in `out/`.
    pub(super) fn shown(&self) -> Vec<Id> {
        self.shown.iter().copied().collect()
    }

    /// Their effect is deployed, and they are settled.
    pub(super) fn settled(&mut self) {
        self.shown.clear();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::super::delivery::{Event, Kind};
    use super::*;

    fn held(id: &str, stale: bool) -> Held {
        let event = Event {
            id: id.to_owned(),
            kind: Kind::Published,
            fragment: Some("/content/dam/a".to_owned()),
            model: None,
            tier: None,
            time: None,
            recipient: None,
        };
        Held { event, at: 100_000, stale }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_asked_for_as_often_as_configured_and_other_builds_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let mut pending = Pending::new(Tier::Publish, [2, 5].map(Duration::from_secs).to_vec(), 0);
        let waiting = [held("1", false)];
        let mut weigh = |waiting: &[Held]| {
            let weighed = pending.weigh(dir.path(), 1, waiting, false);
            (weighed.again.map(|at| (at - Instant::now()).as_millis()), weighed.given_up.len())
        };
        assert_eq!(weigh(&waiting), (Some(2000), 0));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(weigh(&waiting), (Some(1000), 0), "a build for another event");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(weigh(&waiting), (Some(5000), 0));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(weigh(&waiting), (None, 1));
        assert_eq!(pending.shown(), []);
    }

    #[tokio::test]
    async fn a_full_check_closes_what_was_given_up_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut pending = Pending::new(Tier::Publish, vec![Duration::from_secs(2)], 0);
        let waiting = [held("1", false), held("2", true)];
        pending.weigh(dir.path(), 1, &waiting, false);
        assert_eq!(pending.shown(), []);
        pending.weigh(dir.path(), 1, &waiting, true);
        assert_eq!(pending.shown(), [Id::of("2")]);
        pending.settled();
        assert_eq!(pending.shown(), []);
    }
}
