//! When a build begins after events have come: when it is quiet, or when it has been loud for long enough. Pure: the clock is given.

use std::time::{Duration, Instant};

/// Events that wait for a build to begin.
#[derive(Debug)]
pub struct Coalesce {
    quiet: Duration,
    longest: Duration,
    /// When the first of them came, and the last.
    waiting: Option<(Instant, Instant)>,
}

impl Coalesce {
    /// Waits until nothing has come for `quiet`, at most `longest` from the first event on.
    pub fn new(quiet: Duration, longest: Duration) -> Self {
        Coalesce { quiet, longest: longest.max(quiet), waiting: None }
    }

    /// Events have come.
    pub fn arrived(&mut self, now: Instant) {
        self.waiting = Some(match self.waiting {
            Some((first, last)) => (first, last.max(now)),
            None => (now, now),
        });
    }

    /// When the build is to begin; `None` while nothing waits.
    pub fn due(&self) -> Option<Instant> {
        self.waiting.map(|(first, last)| (last + self.quiet).min(first + self.longest))
    }

    /// A build begins, and takes all that has come.
    pub fn taken(&mut self) {
        self.waiting = None;
    }
}

/// How long a build, or a deployment, that failed so often before waits to be tried again.
pub(super) fn patience(failures: usize) -> Duration {
    const PATIENCE: [u64; 5] = [2, 5, 15, 60, 300];
    Duration::from_secs(PATIENCE[failures.min(PATIENCE.len() - 1)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUIET: Duration = Duration::from_secs(2);
    const LONGEST: Duration = Duration::from_secs(30);

    /// When builds begin, for events at these times in milliseconds; a build takes no time.
    fn builds(events: &[u64]) -> Vec<u64> {
        let start = Instant::now();
        let since = |at: Instant| u64::try_from((at - start).as_millis()).unwrap_or(u64::MAX);
        let (mut coalesce, mut builds) = (Coalesce::new(QUIET, LONGEST), Vec::new());
        for event in events {
            let now = start + Duration::from_millis(*event);
            if let Some(due) = coalesce.due().filter(|due| *due <= now) {
                builds.push(since(due));
                coalesce.taken();
            }
            coalesce.arrived(now);
        }
        builds.extend(coalesce.due().map(since));
        builds
    }

    #[test]
    fn a_burst_is_one_build_and_a_storm_few() {
        assert_eq!(builds(&[0]), [2000]);
        assert_eq!(builds(&[0, 1500, 3000]), [5000]);
        assert_eq!(builds(&[0, 2000]), [2000, 4000]);
        // 10,000 events in a minute.
        let storm: Vec<u64> = (0..10_000).map(|number| number * 6).collect();
        assert_eq!(builds(&storm), [30_000, 60_000]);
    }

    proptest! {
        #[test]
        fn no_event_waits_too_long_and_none_is_forgotten(gaps in proptest::collection::vec(0u64..5000, 1..200)) {
            let events: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let builds = builds(&events);
            for event in &events {
                let after = builds.iter().find(|build| *build >= event);
                prop_assert!(after.is_some_and(|build| build - event <= 30_000), "{event}: {builds:?}");
            }
            // Between two builds there is an event, so there are never more builds than events.
            prop_assert!(builds.len() <= events.len());
        }
    }
}
