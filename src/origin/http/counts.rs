//! What the origin was asked, and what it did to the askers.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::asked::Asked;

/// The window of the request limit.
const SECOND: Duration = Duration::from_secs(1);

/// What the origin was asked since the start or since the counts were last set to nothing.
///
/// Requests to the control endpoint and to the IMS stand-in are not requests for content: of those, only exchanges are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Every request for content, whatever became of it.
    pub requests: u64,
    /// Persisted queries by GET.
    pub persisted_get: u64,
    /// Persisted queries by POST.
    pub persisted_post: u64,
    /// Queries on endpoints.
    pub direct: u64,
    /// Assets.
    pub assets: u64,
    /// Everything else.
    pub other: u64,
    /// Requests refused for want of authorisation.
    pub refused: u64,
    /// Requests above a limit.
    pub limited: u64,
    /// Faults that were really given, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Tokens that the IMS stand-in gave out.
    pub exchanges: u64,
    /// Requests for a token that it refused.
    pub exchanges_refused: u64,
    /// Requests under way now.
    pub under_way: u64,
    /// Most requests under way at once.
    pub most_under_way: u64,
    /// Most requests that came within one second.
    pub busiest_second: u64,
}

#[derive(Debug, Default)]
struct Tally {
    counts: Counts,
    /// When the requests of the last second came.
    arrivals: VecDeque<Instant>,
    /// When those of them came that were let in.
    admitted: VecDeque<Instant>,
    /// How many of those under way were let in. Those turned away must not keep others out.
    inside: u64,
}

/// The counts while they are counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter(Arc<Mutex<Tally>>);

/// A request under way; dropping it ends it, also when the client has gone.
#[derive(Debug)]
pub(super) struct UnderWay {
    counter: Counter,
    inside: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut tally = self.counter.lock();
        tally.counts.under_way -= 1;
        tally.inside -= u64::from(self.inside);
    }
}

impl UnderWay {
    /// May the request go on? `Err` says after how long it could.
    pub fn admit(
        &mut self,
        limit: Option<NonZeroU32>,
        at_once: Option<NonZeroU32>,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut tally = self.counter.lock();
        if at_once.is_some_and(|most| tally.inside >= u64::from(most.get())) {
            tally.counts.limited += 1;
            return Err(SECOND);
        }
        if let Some(limit) = limit {
            forget(&mut tally.admitted, now);
            if tally.admitted.len() >= limit.get() as usize {
                tally.counts.limited += 1;
                return Err(tally.admitted.front().map_or(SECOND, |oldest| *oldest + SECOND - now));
            }
            tally.admitted.push_back(now);
        }
        tally.inside += 1;
        self.inside = true;
        Ok(())
    }
}

impl Counter {
    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts of this moment.
    pub fn now(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Counts from nothing, but for what is under way.
    pub fn reset(&self) {
        let mut tally = self.lock();
        let (under_way, inside) = (tally.counts.under_way, tally.inside);
        *tally = Tally { inside, ..Tally::default() };
        tally.counts = Counts { under_way, most_under_way: under_way, ..Counts::default() };
    }

    /// Counts something.
    pub fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock().counts);
    }

    /// A request has come.
    pub fn begin(&self, asked: Asked, now: Instant) -> UnderWay {
        let mut tally = self.lock();
        tally.arrivals.push_back(now);
        forget(&mut tally.arrivals, now);
        let busy = tally.arrivals.len() as u64;
        let counts = &mut tally.counts;
        counts.busiest_second = counts.busiest_second.max(busy);
        counts.requests += 1;
        counts.under_way += 1;
        counts.most_under_way = counts.most_under_way.max(counts.under_way);
        match asked {
            Asked::PersistedGet => counts.persisted_get += 1,
            Asked::PersistedPost => counts.persisted_post += 1,
            Asked::Direct => counts.direct += 1,
            Asked::Asset => counts.assets += 1,
            Asked::Other => counts.other += 1,
        }
        drop(tally);
        UnderWay { counter: self.clone(), inside: false }
    }
}

/// Drops what is a second old.
fn forget(times: &mut VecDeque<Instant>, now: Instant) {
    while times.front().is_some_and(|time| now.duration_since(*time) >= SECOND) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    #[test]
    fn a_limit_holds_within_any_second() {
        let (counter, start) = (Counter::default(), Instant::now());
        let two = NonZeroU32::new(2);
        let ask = |milliseconds| {
            let now = start + Duration::from_millis(milliseconds);
            counter.begin(Asked::Direct, now).admit(two, None, now).map_err(|wait| wait.as_millis())
        };
        assert_eq!([ask(0), ask(600), ask(700)], [Ok(()), Ok(()), Err(300)]);
        assert_eq!([ask(999), ask(1000), ask(1500), ask(1600)], [Err(1), Ok(()), Err(100), Ok(())]);
        let counts = counter.now();
        assert_eq!((counts.requests, counts.limited, counts.busiest_second), (7, 3, 5));
    }

    #[test]
    fn what_is_under_way_is_known_and_survives_a_reset() {
        let (counter, now) = (Counter::default(), Instant::now());
        let one = NonZeroU32::new(1);
        let mut first = counter.begin(Asked::Asset, now);
        first.admit(None, one, now).unwrap();
        let mut second = counter.begin(Asked::Asset, now);
        assert!(second.admit(None, one, now).is_err());
        drop(second);
        assert!(counter.begin(Asked::Asset, now).admit(None, one, now).is_err());
        counter.reset();
        assert_eq!((counter.now().under_way, counter.now().requests), (1, 0));
        drop(first);
        assert!(counter.begin(Asked::Asset, now).admit(None, one, now).is_ok());
        assert_eq!((counter.now().under_way, counter.now().most_under_way), (0, 1));
    }
}
