//! How faults are met: which of them may pass, how often a request is repeated, and how long it waits.
//!
//! Jitter is random and waits follow the clock; neither reaches what a build writes.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use super::governor::Governor;
use super::{FailureKind, NotFound, TlsProblem};

/// How often and how patiently a request is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts at a request, the first included; 0 counts as 1.
    pub attempts: u32,
    /// Attempts in all while the host shows that faults of this kind pass: another request succeeded after one.
    pub most_attempts: u32,
    /// The longest pause after the first attempt; it doubles from one attempt to the next. The pause is a random part of it.
    pub first_pause: Duration,
    /// No pause of our own choice is longer. One that AEM asks for is kept as it is.
    pub longest_pause: Duration,
    /// For how long a host that says 429, 502, 503 or 504 and nothing else is asked again, and the longest `Retry-After` that is
    /// waited for.
    pub patience: Duration,
}

impl Default for RetryPolicy {
    /// 5 attempts, 12 while faults pass; 200 ms, at most 5 s; patience for 2 minutes.
    fn default() -> Self {
        RetryPolicy {
            attempts: 5,
            most_attempts: 12,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
            patience: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after `miss`, the `number`-th attempt; `None`: give up.
    fn pause_after(&self, miss: &Miss, number: u32, governor: &Governor, dice: &Dice) -> Option<Duration> {
        if miss.lasting || miss.kind.retry_after().is_some_and(|asked| asked > self.patience) {
            return None;
        }
        let attempts = match miss.kind.hope() {
            Hope::None => 1,
            Hope::Some(name) if governor.has_passed(name) => self.most_attempts.max(self.attempts),
            Hope::Some(_) => self.attempts,
        };
        let storm = miss.kind.is_busy() && governor.busy_for().is_some_and(|busy| busy < self.patience);
        if number >= attempts && !storm {
            return None;
        }
        let longest = self.first_pause.saturating_mul(1 << (number - 1).min(20)).min(self.longest_pause);
        Some(dice.part_of(longest))
    }
}

/// Repeats `attempt` as the policy and the kind of failure allow; the last miss with the number of attempts. `repeating` is
/// told before each repetition.
pub(super) async fn persevere<T, Sent>(
    policy: &RetryPolicy,
    governor: &Governor,
    dice: &Dice,
    repeating: impl Fn(),
    mut attempt: impl FnMut() -> Sent,
) -> Result<T, (Miss, u32)>
where
    Sent: Future<Output = Result<T, Miss>>,
{
    let (mut met, mut number) = (Vec::new(), 0);
    loop {
        number += 1;
        let miss = match attempt().await {
            Ok(answer) => {
                met.into_iter().for_each(|name| governor.passes(name));
                return Ok(answer);
            }
            Err(miss) => miss,
        };
        let Some(pause) = policy.pause_after(&miss, number, governor, dice) else {
            return Err((miss, number));
        };
        if let Hope::Some(name) = miss.kind.hope() {
            met.push(name);
        }
        repeating();
        tokio::time::sleep(pause).await;
    }
}

/// One attempt that did not bring an answer.
#[derive(Debug)]
pub(super) struct Miss {
    /// What came instead.
    pub kind: FailureKind,
    /// It will not pass by waiting, whatever its kind: a certificate that is not trusted.
    pub lasting: bool,
}

impl From<FailureKind> for Miss {
    fn from(kind: FailureKind) -> Self {
        Miss { kind, lasting: false }
    }
}

/// Whether a fault may pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hope {
    /// It is an answer, though not one that was hoped for (protocol 12, advice).
    None,
    /// It may; faults of one name pass or stay together.
    Some(&'static str),
}

impl FailureKind {
    fn hope(&self) -> Hope {
        match self {
            FailureKind::Unreachable { .. } | FailureKind::Tls { problem: TlsProblem::Handshake, .. } => {
                Hope::Some("unreachable")
            }
            // No waiting mends a certificate.
            FailureKind::Tls { .. } => Hope::None,
            FailureKind::Timeout { .. } => Hope::Some("timeout"),
            FailureKind::Truncated { .. } => Hope::Some("truncated"),
            // 500 may pass because every request of this room only reads.
            FailureKind::Status { status: 429 | 500 | 502 | 503 | 504, .. } => Hope::Some("status"),
            // A fault in front of AEM may be passing, or not.
            FailureKind::SignIn { .. } => Hope::Some("sign-in"),
            FailureKind::Html { .. } | FailureKind::NotJson { .. } | FailureKind::OtherShape { .. } => {
                Hope::Some("no answer")
            }
            // A page instead of AEM's own words: one Dispatcher of several may be starting.
            FailureKind::NotFound { what: NotFound::Dispatcher | NotFound::Asset, .. } => Hope::Some("not found"),
            // A resolver may have failed once; a query that does not fit the schema has no data at all.
            FailureKind::GraphQl { partial: true, .. } => Hope::Some("partial data"),
            FailureKind::GraphQl { .. }
            | FailureKind::Status { .. }
            | FailureKind::Refused { .. }
            | FailureKind::NoToken { .. }
            | FailureKind::NotFound { .. }
            | FailureKind::Redirected { .. }
            | FailureKind::TooLarge { .. }
            | FailureKind::OutOfTime { .. }
            | FailureKind::PrivateAddress { .. }
            | FailureKind::HostNotAllowed { .. } => Hope::None,
        }
    }

    /// Whether the host says that it cannot serve now, rather than that this request fails.
    fn is_busy(&self) -> bool {
        matches!(self, FailureKind::Status { status: 429 | 502 | 503 | 504, .. })
    }
}

/// Random parts of pauses, from a seed that tests choose.
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

impl Dice {
    /// Another sequence every time.
    pub fn new() -> Self {
        Dice::seeded(RandomState::new().hash_one(0))
    }

    pub fn seeded(seed: u64) -> Self {
        Dice(AtomicU64::new(seed))
    }

    /// Full jitter: anything from nothing to all of `longest`, so that requests that failed together do not return together.
    pub(super) fn part_of(&self, longest: Duration) -> Duration {
        // SplitMix64 (Steele, Lea, Flood 2014).
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut mixed = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        #[expect(clippy::cast_precision_loss, reason = "a share of a pause needs no more digits")]
        let share = mixed as f64 / u64::MAX as f64;
        longest.mul_f64(share)
    }
}

/// `Retry-After` as a time span: seconds, or a date, measured against the server's own clock where it tells it.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER)?;
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(text)?;
    let now = self::text(headers, DATE).and_then(http_date).unwrap_or_else(Timestamp::now);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// A header's text, trimmed; `None` also when it is not ASCII.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`: the form that RFC 9110 has servers send is one of RFC 2822's.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::super::governor::Mood;
    use super::*;

    fn asked(pairs: &[(HeaderName, &str)]) -> Option<Duration> {
        retry_after(&pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[(RETRY_AFTER, " 7 ")]), Some(Duration::from_secs(7)));
        let date = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        let later = (RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(asked(&[date.clone(), later.clone()]), Some(Duration::from_secs(30)));
        assert_eq!(asked(&[later]), Some(Duration::ZERO), "long past by our own clock");
        for nonsense in ["-3", "soon", "", "99999999999999999999999"] {
            assert_eq!(asked(&[(RETRY_AFTER, nonsense)]), None, "{nonsense}");
        }
    }

    fn status(status: u16, retry_after: Option<u64>) -> Miss {
        Miss::from(FailureKind::Status {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            excerpt: String::new(),
        })
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_random_parts() {
        let (policy, governor, dice) = (RetryPolicy::default(), Governor::new(8, None), Dice::seeded(7));
        let longest = |number: u32| {
            let pauses = (0..400).map(|_| {
                RetryPolicy { attempts: 99, ..policy.clone() }.pause_after(&status(500, None), number, &governor, &dice)
            });
            let pauses: Vec<Duration> = pauses.map(Option::unwrap).collect();
            assert!(*pauses.iter().min().unwrap() < policy.first_pause.mul_f64(0.5 * f64::from(number)), "full jitter");
            *pauses.iter().max().unwrap()
        };
        let bounds = [(1, 0.2), (2, 0.4), (3, 0.8), (6, 5.0), (70, 5.0)];
        for (number, seconds) in bounds {
            let (longest, bound) = (longest(number).as_secs_f64(), seconds);
            assert!(longest <= bound && longest > bound * 0.9, "{number}: {longest}");
        }
    }

    #[test]
    fn attempts_end_sooner_or_later() {
        let (policy, governor, dice) = (RetryPolicy::default(), Governor::new(8, None), Dice::seeded(7));
        let goes_on = |miss: &Miss, number| policy.pause_after(miss, number, &governor, &dice).is_some();
        assert!(goes_on(&status(500, None), 4) && !goes_on(&status(500, None), 5));
        governor.passes("status");
        assert!(goes_on(&status(500, None), 11) && !goes_on(&status(500, None), 12));
        assert!(goes_on(&status(503, Some(120)), 1));
        assert!(!goes_on(&status(503, Some(121)), 1), "longer than our patience: the build says so and ends");
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_host_is_sat_out_while_patience_lasts() {
        let (policy, governor, dice) = (RetryPolicy::default(), Governor::new(8, None), Dice::seeded(7));
        governor.enter().await.learn(Mood::Busy);
        tokio::time::advance(Duration::from_secs(119)).await;
        assert!(policy.pause_after(&status(503, None), 40, &governor, &dice).is_some());
        assert_eq!(policy.pause_after(&status(500, None), 40, &governor, &dice), None, "500 is about the request");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(policy.pause_after(&status(503, None), 40, &governor, &dice), None);
    }

    #[test]
    fn what_cannot_pass_is_not_repeated() {
        for code in [400, 401, 403, 405, 410, 501] {
            assert_eq!(status(code, None).kind.hope(), Hope::None, "{code}");
        }
        for partial in [true, false] {
            let errors = FailureKind::GraphQl { errors: Vec::new(), partial };
            assert_eq!(errors.hope() != Hope::None, partial);
        }
        let (policy, governor, dice) = (RetryPolicy::default(), Governor::new(8, None), Dice::seeded(7));
        let cause = "certificate".to_owned();
        let miss = Miss { lasting: true, kind: FailureKind::Unreachable { cause } };
        assert_eq!(policy.pause_after(&miss, 1, &governor, &dice), None);
    }
}
