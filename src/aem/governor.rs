//! One governor a host: how many requests are under way, how closely they follow each other, and that all of them wait when
//! the host asks for patience (protocol 12, row 28).
//!
//! Concurrency starts low. Until the host is first busy every success allows one more request; after that it takes as many
//! successes as there are requests under way, and 429 or 503 halves the number. Waiting follows tokio's clock, so that tests
//! wait for nothing.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests under way at once before anything is known of the host.
const START: usize = 4;

/// What a host showed of itself by one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// It answered.
    Fine,
    /// It said that it is: 429 or 503.
    Busy,
}

#[derive(Debug)]
pub(super) struct Governor {
    permits: Semaphore,
    most: usize,
    /// The least time between two requests.
    spacing: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Requests that may be under way at once.
    limit: usize,
    /// Permits there are, in use or not; above `limit` until those in use come back.
    issued: usize,
    /// It has been busy at least once.
    busy_once: bool,
    /// Successes since the limit last grew.
    successes: usize,
    halved_at: Option<Instant>,
    /// No request leaves before.
    opens: Option<Instant>,
    /// With a rate: when the next request may leave.
    next: Option<Instant>,
    /// Since when it has been busy and nothing else.
    busy_since: Option<Instant>,
    /// Time for which every request was held back.
    waited: Duration,
    /// Kinds of faults after which the same request succeeded.
    passed: BTreeSet<&'static str>,
}

impl Governor {
    /// For a host that takes at most `most` requests at once, and `rate` a second.
    pub fn new(most: usize, rate: Option<u32>) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let limit = START.min(most);
        Governor {
            permits: Semaphore::new(limit),
            most,
            // A fiftieth slower, so that the network's own jitter cannot push one too many into a second.
            spacing: rate.map(|rate| Duration::from_secs_f64(1.02 / f64::from(rate.max(1)))),
            state: Mutex::new(State {
                limit,
                issued: limit,
                busy_once: false,
                successes: 0,
                halved_at: None,
                opens: None,
                next: None,
                busy_since: None,
                waited: Duration::ZERO,
                passed: BTreeSet::new(),
            }),
        }
    }

    /// Returns when a request may leave; it is under way until the pass is dropped.
    pub async fn enter(&self) -> Pass<'_> {
        // Nobody closes the semaphore; without a permit the request would only be one too many.
        let permit = self.permits.acquire().await.ok();
        while let Some(until) = self.turn() {
            tokio::time::sleep_until(until).await;
        }
        Pass { governor: self, permit, left: Instant::now() }
    }

    /// Takes the turn of one request, or says until when there is none.
    fn turn(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(opens) = state.opens.filter(|opens| *opens > now) {
            return Some(opens);
        }
        let spacing = self.spacing?;
        if let Some(next) = state.next.filter(|next| *next > now) {
            return Some(next);
        }
        state.next = Some(now + spacing);
        None
    }

    /// Lets no request leave before `pause` is over; an earlier, longer wait stays. How much longer everybody waits for it.
    pub fn hold(&self, pause: Duration) -> Duration {
        let now = Instant::now();
        let Some(until) = now.checked_add(pause) else {
            return Duration::ZERO;
        };
        let mut state = self.state();
        let opened = state.opens.map_or(now, |opens| opens.max(now));
        let longer = until.saturating_duration_since(opened);
        if !longer.is_zero() {
            state.opens = Some(until);
            state.waited += longer;
        }
        longer
    }

    /// Time for which every request was held back, in all.
    pub fn waited(&self) -> Duration {
        self.state().waited
    }

    /// For how long the host has been busy and nothing else.
    pub fn busy_for(&self) -> Option<Duration> {
        self.state().busy_since.map(|since| since.elapsed())
    }

    /// Takes notice that a request succeeded after faults of this kind.
    pub fn passes(&self, kind: &'static str) {
        self.state().passed.insert(kind);
    }

    /// Whether a request succeeded after faults of this kind before.
    pub fn has_passed(&self, kind: &'static str) -> bool {
        self.state().passed.contains(kind)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    governor: &'a Governor,
    permit: Option<SemaphorePermit<'a>>,
    left: Instant,
}

impl Pass<'_> {
    /// Takes notice of what the answer showed.
    pub fn learn(&self, mood: Mood) {
        let governor = self.governor;
        let mut state = governor.state();
        match mood {
            Mood::Fine => {
                state.busy_since = None;
                state.successes += 1;
                let enough = if state.busy_once { state.limit } else { 1 };
                if state.limit < governor.most && state.successes >= enough {
                    state.successes = 0;
                    state.limit += 1;
                    if state.issued < state.limit {
                        state.issued += 1;
                        governor.permits.add_permits(1);
                    }
                }
            }
            Mood::Busy => {
                let now = Instant::now();
                state.busy_since.get_or_insert(now);
                // Requests that left before the last halving say nothing about what is under way since.
                if state.halved_at.is_none_or(|halved| self.left > halved) {
                    (state.busy_once, state.successes, state.halved_at) = (true, 0, Some(now));
                    state.limit = (state.limit / 2).max(1);
                    let surplus = state.issued.saturating_sub(state.limit);
                    state.issued -= governor.permits.forget_permits(surplus);
                }
            }
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.governor.state();
        if state.issued > state.limit
            && let Some(permit) = self.permit.take()
        {
            state.issued -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
#[path = "governor_tests.rs"]
mod tests;
