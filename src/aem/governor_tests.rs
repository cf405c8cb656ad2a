//! The governor and the retries before a host that exists on the paused clock only: what leaves when.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use super::super::retry::{Dice, Miss, RetryPolicy, persevere};
use super::super::{Failure, FailureKind};
use super::*;

/// Status and `Retry-After` of the n-th request, which came so long after the start; `None`: it is answered.
type Script = dyn Fn(Duration, usize) -> Option<(u16, Option<u64>)> + Send + Sync;

/// A host: answers after `latency` as `reply` says, which is handed the time since the start and the number of the request.
struct Host {
    governor: Governor,
    policy: RetryPolicy,
    dice: Dice,
    latency: Duration,
    start: Instant,
    seen: Mutex<Vec<Duration>>,
    under_way: Mutex<(usize, usize)>,
    reply: Box<Script>,
}

impl Host {
    fn new(
        governor: Governor,
        latency: u64,
        reply: impl Fn(Duration, usize) -> Option<(u16, Option<u64>)> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Host {
            governor,
            policy: RetryPolicy::default(),
            dice: Dice::seeded(42),
            latency: Duration::from_millis(latency),
            start: Instant::now(),
            seen: Mutex::default(),
            under_way: Mutex::default(),
            reply: Box::new(reply),
        })
    }

    /// One attempt, as the client makes it.
    async fn attempt(&self) -> Result<(), Miss> {
        let pass = self.governor.enter().await;
        let at = self.start.elapsed();
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(at);
            let mut under_way = self.under_way.lock().unwrap();
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
            seen.len()
        };
        tokio::time::sleep(self.latency).await;
        self.under_way.lock().unwrap().0 -= 1;
        match (self.reply)(at, number) {
            None => {
                pass.learn(Mood::Fine);
                Ok(())
            }
            Some((status, asked)) => {
                let asked = asked.map(Duration::from_secs);
                pass.learn(Mood::Busy);
                asked.map(|asked| self.governor.hold(asked));
                Err(FailureKind::Status { status, retry_after: asked, excerpt: String::new() }.into())
            }
        }
    }

    /// Sends so many requests at once, each until it is answered or given up.
    async fn send(self: &Arc<Self>, count: usize) -> Vec<Result<(), Failure>> {
        let tasks: Vec<_> = (0..count)
            .map(|_| {
                let host = self.clone();
                tokio::spawn(async move {
                    persevere(&host.policy, &host.governor, &host.dice, || (), || host.attempt())
                        .await
                        .map_err(|(miss, attempts)| Failure { kind: miss.kind, url: String::new(), attempts })
                })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        results
    }

    fn seen(&self) -> Vec<Duration> {
        self.seen.lock().unwrap().clone()
    }
}

/// The most requests in any second.
fn densest(seen: &[Duration]) -> usize {
    let second = Duration::from_secs(1);
    seen.iter().map(|from| seen.iter().filter(|at| *at >= from && **at < *from + second).count()).max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn four_hundred_requests_at_fifty_a_second_never_exceed_it() {
    let host = Host::new(Governor::new(32, Some(50)), 20, |_, _| None);
    assert!(host.send(400).await.iter().all(Result::is_ok));
    let seen = host.seen();
    assert_eq!(seen.len(), 400);
    assert!(densest(&seen) <= 50, "{}", densest(&seen));
    assert!(seen[399] <= Duration::from_secs(9), "and they are not much slower than that: {:?}", seen[399]);
}

#[tokio::test(start_paused = true)]
async fn after_429_no_request_leaves_for_as_long_as_was_asked() {
    let host = Host::new(Governor::new(8, None), 20, |_, number| (number == 10).then_some((429, Some(2))));
    assert!(host.send(100).await.iter().all(Result::is_ok));
    let seen = host.seen();
    assert_eq!(seen.len(), 101);
    // The tenth is answered 20 ms after it left; what left before that was under way already.
    let told = seen[9] + Duration::from_millis(20);
    assert!(seen.iter().all(|at| *at <= told || *at >= told + Duration::from_secs(2)), "{seen:?}");
    assert_eq!(host.governor.waited(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_ten_seconds_is_survived_at_a_low_rate() {
    let storm = |at: Duration, _| (at < Duration::from_secs(10)).then_some((503, None));
    let host = Host::new(Governor::new(8, None), 20, storm);
    assert!(host.send(200).await.iter().all(Result::is_ok));
    let seen = host.seen();
    let knocks = seen.iter().filter(|at| **at < Duration::from_secs(10)).count();
    assert!(knocks < 520, "one at a time: {knocks}");
    assert!(*seen.last().unwrap() < Duration::from_secs(25), "and it goes on soon: {:?}", seen.last());
}

#[tokio::test(start_paused = true)]
async fn a_storm_that_does_not_end_is_given_up() {
    let host = Host::new(Governor::new(8, None), 20, |_, _| Some((503, None)));
    assert!(host.send(30).await.iter().all(Result::is_err));
    assert!(host.start.elapsed() < Duration::from_secs(180), "{:?}", host.start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn every_third_request_may_fail() {
    for kind in [429, 500, 502, 503] {
        let host = Host::new(Governor::new(8, None), 20, move |_, number| (number % 3 == 0).then_some((kind, None)));
        assert!(host.send(400).await.iter().all(Result::is_ok), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn concurrency_grows_halves_and_keeps_its_bounds() {
    let host = Host::new(Governor::new(16, None), 20, |_, _| None);
    assert!(host.send(200).await.iter().all(Result::is_ok));
    assert_eq!(host.under_way.lock().unwrap().1, 16);
    let limit = || host.governor.state().limit;
    assert_eq!(limit(), 16);

    let together = [host.governor.enter().await, host.governor.enter().await, host.governor.enter().await];
    together.iter().for_each(|pass| pass.learn(Mood::Busy));
    assert_eq!(limit(), 8, "three answers to one burst halve once");
    drop(together);
    for halved in [4, 2, 1, 1] {
        tokio::time::advance(Duration::from_millis(1)).await;
        host.governor.enter().await.learn(Mood::Busy);
        assert_eq!(limit(), halved);
    }
    assert_eq!(host.governor.permits.available_permits(), 1);
    for grown in [2, 2, 3, 3, 3, 4] {
        host.governor.enter().await.learn(Mood::Fine);
        assert_eq!(limit(), grown, "by one for as many successes as were allowed at once");
    }
}

#[tokio::test(start_paused = true)]
async fn permits_in_use_are_taken_when_they_come_back() {
    let governor = Governor::new(4, None);
    let mut passes = Vec::new();
    for _ in 0..4 {
        passes.push(governor.enter().await);
    }
    passes[0].learn(Mood::Busy);
    assert_eq!(governor.state().issued, 4);
    drop(passes);
    assert_eq!((governor.state().issued, governor.permits.available_permits()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn slow_start_costs_less_than_a_third() {
    let host = Host::new(Governor::new(8, None), 20, |_, _| None);
    host.send(200).await;
    let ideal = Duration::from_millis(200 * 20 / 8);
    assert!(host.start.elapsed() < ideal.mul_f64(1.3), "{:?}", host.start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_gate_keeps_the_longest_wait() {
    let governor = Governor::new(4, None);
    let start = Instant::now();
    assert_eq!(governor.hold(Duration::from_secs(40)), Duration::from_secs(40));
    assert_eq!(governor.hold(Duration::from_secs(1)), Duration::ZERO);
    drop(governor.enter().await);
    assert_eq!(start.elapsed(), Duration::from_secs(40));
    assert_eq!(governor.hold(Duration::MAX), Duration::ZERO, "a wait beyond the clock is no wait");
}
