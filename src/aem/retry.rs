//! How faults are met: which of them may pass, how long to wait, and one gate for all requests of a client.
//!
//! Jitter is random and waits follow the clock; neither reaches what a build writes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::ExponentialBuilder;
use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use tokio::time::Instant;

use super::FailureKind;

/// How often and how patiently a request is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; 0 counts as 1.
    pub attempts: u32,
    /// The pause after the first attempt, before jitter; it doubles from one attempt to the next.
    pub first_pause: Duration,
    /// No pause is longer, also when `Retry-After` asks for more.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    /// 5 attempts, 200 ms, at most 60 s.
    fn default() -> Self {
        RetryPolicy { attempts: 5, first_pause: Duration::from_millis(200), longest_pause: Duration::from_secs(60) }
    }
}

impl RetryPolicy {
    /// The pauses between attempts: doubling, with jitter.
    pub(super) fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_factor(2.0)
            .with_jitter()
            .with_max_times(self.attempts.saturating_sub(1) as usize)
    }

    /// How long to wait after `miss` if the back-off says `pause`; `None`: give up.
    pub(super) fn pause_after(&self, miss: &Miss, pause: Option<Duration>) -> Option<Duration> {
        if miss.attempts > miss.repeats() {
            return None;
        }
        let asked = miss.kind.retry_after().unwrap_or_default();
        pause.map(|pause| pause.max(asked).min(self.longest_pause))
    }
}

/// One attempt that did not bring an answer.
#[derive(Debug)]
pub(super) struct Miss {
    /// What came instead.
    pub kind: FailureKind,
    /// It will not pass by waiting, whatever its kind: a certificate that is not trusted.
    pub lasting: bool,
    /// Which attempt this was, from 1.
    pub attempts: u32,
}

impl From<FailureKind> for Miss {
    fn from(kind: FailureKind) -> Self {
        Miss { kind, lasting: false, attempts: 1 }
    }
}

impl Miss {
    /// How often a request with this outcome is sent again at most; the policy may allow less (protocol 12, advice).
    fn repeats(&self) -> u32 {
        if self.lasting {
            return 0;
        }
        match &self.kind {
            FailureKind::Unreachable { .. } | FailureKind::Timeout { .. } | FailureKind::Truncated { .. } => u32::MAX,
            FailureKind::Status { status, .. } if is_passing(*status) => u32::MAX,
            // A fault in front of AEM may be passing, or not.
            FailureKind::SignIn { .. }
            | FailureKind::Html { .. }
            | FailureKind::NotJson { .. }
            | FailureKind::OtherShape { .. } => 2,
            // A resolver may have failed once; a query that does not fit the schema has no data at all.
            FailureKind::GraphQl { partial: true, .. } => 1,
            FailureKind::GraphQl { .. }
            | FailureKind::Status { .. }
            | FailureKind::Refused { .. }
            | FailureKind::NotFound { .. }
            | FailureKind::Redirected { .. }
            | FailureKind::TooLarge { .. }
            | FailureKind::HostNotAllowed { .. } => 0,
        }
    }
}

/// Statuses that may pass. 500 is one of them because every request of this room only reads.
fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

/// Holds back every request of a client until a moment that AEM asked for (protocol 12, row 28).
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// Lets no request leave before `pause` is over. An earlier, longer wait stays.
    pub fn hold(&self, pause: Duration) {
        let Some(until) = Instant::now().checked_add(pause) else {
            return;
        };
        let mut opens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if opens.is_none_or(|opens| opens < until) {
            *opens = Some(until);
        }
    }

    /// Returns when the gate is open.
    pub async fn pass(&self) {
        while let Some(opens) = self.opens() {
            tokio::time::sleep_until(opens).await;
        }
    }

    fn opens(&self) -> Option<Instant> {
        let opens = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opens.filter(|opens| *opens > Instant::now())
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
    fn pauses_honour_the_server_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let second = Some(Duration::from_secs(1));
        assert_eq!(policy.pause_after(&status(429, Some(7)), second), Some(Duration::from_secs(7)));
        assert_eq!(policy.pause_after(&status(429, Some(0)), second), second);
        assert_eq!(policy.pause_after(&status(503, Some(u64::MAX)), second), Some(policy.longest_pause));
        assert_eq!(policy.pause_after(&status(503, None), None), None, "attempts are used up");
    }

    #[test]
    fn what_cannot_pass_is_not_repeated() {
        for code in [400, 401, 403, 404, 405, 410, 501] {
            assert_eq!(status(code, None).repeats(), 0, "{code}");
        }
        for what in [true, false] {
            let errors = FailureKind::GraphQl { errors: Vec::new(), partial: what };
            assert_eq!(Miss::from(errors).repeats(), u32::from(what));
        }
        let cause = "certificate".to_owned();
        let miss = Miss { lasting: true, ..Miss::from(FailureKind::Unreachable { cause }) };
        assert_eq!(miss.repeats(), 0);
    }

    #[tokio::test]
    async fn the_gate_keeps_the_longest_wait() {
        let (gate, start) = (Gate::default(), Instant::now());
        gate.hold(Duration::from_millis(40));
        gate.hold(Duration::from_millis(1));
        gate.pass().await;
        assert!(start.elapsed() >= Duration::from_millis(40));
        assert_eq!(gate.opens(), None);
        gate.hold(Duration::MAX);
        assert_eq!(gate.opens(), None, "a wait beyond the clock is no wait");
    }
}
