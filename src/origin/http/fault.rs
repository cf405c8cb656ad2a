//! Faults on demand: which request gets which, by counting and never by chance.
//!
//! What a fault looks like on the wire is `spoiled.rs`; this file only decides.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::asked::Asked;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The answer is late by [`Faults::latency`], or by a second when none is set.
    Latency,
    /// 429 with `Retry-After` in seconds (protocol §12, 28).
    TooManyRequests,
    /// 429 with `Retry-After` as a date (protocol §12, 28).
    TooManyRequestsDate,
    /// 500 with a page of the server.
    InternalError,
    /// 502 with a page of the server.
    BadGateway,
    /// 503 with a page of the server.
    Unavailable,
    /// The connection is reset (RST) before a byte of the answer.
    Reset,
    /// `Content-Length` of the whole answer, half its bytes, then the end of the connection.
    Truncated,
    /// The whole answer in sixteen pieces, [`Faults::pause`] apart.
    Slow,
    /// The sign-in page with status 200 (protocol §12, 10).
    SignIn,
    /// 302 to the sign-in page (protocol §7.7).
    Redirect,
    /// `errors` beside a `data` that holds half of the items (protocol §2.2).
    GraphqlErrors,
    /// Every second item is null, without an error.
    NullItems,
    /// 404 with the page of a Dispatcher that blocks the path (protocol §3.7).
    Dispatcher,
    /// GET answers of persisted queries out of a cache that no publication empties (protocol §3.6).
    Stale,
    /// The same for POST, as a proxy that is set up wrongly keeps it.
    StalePost,
    /// Every token that the IMS stand-in has given out expires before the request is looked at.
    TokenExpiry,
}

impl Kind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Kind; 17] = [
        Kind::Latency,
        Kind::TooManyRequests,
        Kind::TooManyRequestsDate,
        Kind::InternalError,
        Kind::BadGateway,
        Kind::Unavailable,
        Kind::Reset,
        Kind::Truncated,
        Kind::Slow,
        Kind::SignIn,
        Kind::Redirect,
        Kind::GraphqlErrors,
        Kind::NullItems,
        Kind::Dispatcher,
        Kind::Stale,
        Kind::StalePost,
        Kind::TokenExpiry,
    ];

    /// The word of flags, of the control endpoint and of the counts.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Latency => "latency",
            Kind::TooManyRequests => "429",
            Kind::TooManyRequestsDate => "429-date",
            Kind::InternalError => "500",
            Kind::BadGateway => "502",
            Kind::Unavailable => "503",
            Kind::Reset => "reset",
            Kind::Truncated => "truncated",
            Kind::Slow => "slow",
            Kind::SignIn => "sign-in",
            Kind::Redirect => "redirect",
            Kind::GraphqlErrors => "graphql-errors",
            Kind::NullItems => "null-items",
            Kind::Dispatcher => "dispatcher",
            Kind::Stale => "stale",
            Kind::StalePost => "stale-post",
            Kind::TokenExpiry => "token-expiry",
        }
    }

    /// Can a request of this kind meet the fault? Only such requests are counted for it.
    fn concerns(self, asked: Asked) -> bool {
        match self {
            Kind::GraphqlErrors | Kind::NullItems => asked.is_query(),
            Kind::Stale => asked == Asked::PersistedGet,
            Kind::StalePost => matches!(asked, Asked::PersistedPost | Asked::Direct),
            _ => true,
        }
    }
}

/// One fault: its kind, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// Every so-manieth request that it can concern; 1 is each.
    pub every: NonZeroU32,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind.name(), self.every)
    }
}

/// Why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such kind.
    #[error("no fault is called `{0}`; there are {list}", list = Kind::ALL.map(Kind::name).join(", "))]
    Kind(String),
    /// What follows the colon is no number from 1.
    #[error("`{0}` does not say every how many requests: a number from 1")]
    Every(String),
}

impl FromStr for Fault {
    type Err = FaultError;

    /// `KIND` or `KIND:EVERY`.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, every) = text.split_once(':').unwrap_or((text, "1"));
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind.ok_or_else(|| FaultError::Kind(name.to_owned()))?;
        let every = every.parse().map_err(|_| FaultError::Every(every.to_owned()))?;
        Ok(Fault { kind, every })
    }
}

/// What goes wrong, how often, and how the origin holds requests back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The faults. Where several are due at once, the one that came least often has its turn.
    pub list: Vec<Fault>,
    /// How late answers are: every one, or with [`Kind::Latency`] in the list only those that it strikes.
    pub latency: Duration,
    /// `Retry-After` of 429, in seconds.
    pub retry_after: u32,
    /// How long [`Kind::Stale`] keeps an answer. Publish's documented `s-maxage` unless set (protocol §3.6).
    pub stale_for: Duration,
    /// Time between the pieces of a [`Kind::Slow`] answer.
    pub pause: Duration,
    /// Requests within any second; the ones above it get 429.
    pub limit: Option<NonZeroU32>,
    /// Requests under way at once; the ones above it get 429.
    pub limit_at_once: Option<NonZeroU32>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            latency: Duration::ZERO,
            retry_after: 1,
            stale_for: Duration::from_secs(7200),
            pause: Duration::from_millis(250),
            limit: None,
            limit_at_once: None,
        }
    }
}

impl Faults {
    fn has(&self, kind: Kind) -> bool {
        self.list.iter().any(|fault| fault.kind == kind)
    }

    /// How late the answer is that meets `met`.
    pub(super) fn delay(&self, met: Option<Kind>) -> Duration {
        match (met, self.has(Kind::Latency)) {
            (Some(Kind::Latency), _) if self.latency.is_zero() => Duration::from_secs(1),
            (Some(Kind::Latency), _) | (_, false) => self.latency,
            _ => Duration::ZERO,
        }
    }

    /// Does an answer to such a request go into the stale cache?
    pub(super) fn keeps(&self, asked: Asked) -> bool {
        [Kind::Stale, Kind::StalePost].into_iter().any(|kind| kind.concerns(asked) && self.has(kind))
    }
}

/// Faults with how far each has counted.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// The settings.
    pub faults: Faults,
    counted: Vec<Counted>,
}

#[derive(Debug, Default, Clone)]
struct Counted {
    seen: u64,
    struck: u64,
}

impl Schedule {
    /// Counts from nothing.
    pub fn new(faults: Faults) -> Self {
        let counted = vec![Counted::default(); faults.list.len()];
        Self { faults, counted }
    }

    /// Counts a request and says what it meets.
    pub fn next(&mut self, asked: Asked) -> Option<Kind> {
        let mut turn: Option<(usize, Kind)> = None;
        for (at, fault) in self.faults.list.iter().enumerate().filter(|(_, fault)| fault.kind.concerns(asked)) {
            self.counted[at].seen += 1;
            let due = self.counted[at].seen.is_multiple_of(u64::from(fault.every.get()));
            if due && turn.is_none_or(|(best, _)| self.counted[at].struck < self.counted[best].struck) {
                turn = Some((at, fault.kind));
            }
        }
        let (at, kind) = turn?;
        self.counted[at].struck += 1;
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    fn schedule(faults: &[&str]) -> Schedule {
        let list = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        Schedule::new(Faults { list, ..Faults::default() })
    }

    fn met(schedule: &mut Schedule, asked: &[Asked]) -> Vec<&'static str> {
        asked.iter().map(|asked| schedule.next(*asked).map_or("-", Kind::name)).collect()
    }

    #[test]
    fn every_name_is_read_back() {
        for kind in Kind::ALL {
            let fault: Fault = format!("{}:7", kind.name()).parse().unwrap();
            assert_eq!((fault.kind, fault.every.get()), (kind, 7));
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert_eq!("503".parse::<Fault>().unwrap().every.get(), 1);
        assert_eq!("503:0".parse::<Fault>(), Err(FaultError::Every("0".to_owned())));
        assert!("504".parse::<Fault>().unwrap_err().to_string().contains("429-date"));
    }

    #[test]
    fn every_third_request_and_only_those() {
        let mut schedule = schedule(&["503:3"]);
        assert_eq!(met(&mut schedule, &[Asked::Direct; 7]), ["-", "-", "503", "-", "-", "503", "-"]);
    }

    #[test]
    fn faults_due_at_once_take_turns() {
        let mut schedule = schedule(&["503:2", "reset:2", "429:4"]);
        let got = met(&mut schedule, &[Asked::Direct; 12]);
        assert_eq!(got, ["-", "503", "-", "reset", "-", "503", "-", "429", "-", "reset", "-", "429"]);
    }

    #[test]
    fn a_fault_counts_only_what_it_can_strike() {
        let mut schedule = schedule(&["null-items:2"]);
        let asked = [Asked::Asset, Asked::Direct, Asked::Asset, Asked::Asset, Asked::PersistedGet, Asked::Other];
        assert_eq!(met(&mut schedule, &asked), ["-", "-", "-", "-", "null-items", "-"]);
    }

    #[test]
    fn latency_strikes_every_request_unless_it_is_a_fault_of_its_own() {
        let second = Duration::from_secs(1);
        let mut faults = Faults { latency: Duration::from_millis(20), ..Faults::default() };
        assert_eq!(faults.delay(None).as_millis(), 20);
        faults.list.push("latency:2".parse().unwrap());
        assert_eq!((faults.delay(None), faults.delay(Some(Kind::Latency)).as_millis()), (Duration::ZERO, 20));
        faults.latency = Duration::ZERO;
        assert_eq!(faults.delay(Some(Kind::Latency)), second);
    }
}
