//! `doctor`: the way of a request, link by link, up to the first that is broken; that one is told with its remedy in full.
//!
//! It asks as a build asks, through the same client, and writes nothing. Checks are data; the terminal draws them.

mod access;
mod any;
mod contents;
mod dispatcher;
mod filters;
mod network;
mod queries;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Cancel, failures};
use crate::aem::{Aem, Connection, Execution, Failure, FailureKind, RetryPolicy, SetupError, Tier};
use crate::report::{Check, CheckOutcome, Code, Diagnostic, Event, Reporter, codes};
use crate::site::Site;

/// A fault that passes is met this often.
const ATTEMPTS: u32 = 2;

/// What is to be looked at, besides site and connection.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// Where the host comes from: `https://… (publish, from AEM_HOST)`.
    pub source: String,
    /// The variable that named the credentials.
    pub credentials_from: Option<&'static str>,
    /// The project's Dispatcher folder.
    pub dispatcher: Option<PathBuf>,
}

/// How an examination ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diagnosed {
    /// AEM can be reached and read.
    Well {
        /// Checks that passed.
        passed: u64,
        /// Checks there was no need for.
        left_out: u64,
        /// Warnings told.
        warnings: u64,
    },
    /// A link is broken, and was told.
    Broken {
        /// Which one: `dispatcher`, `query stories`.
        at: String,
        /// It is a setting that is wrong, not AEM.
        setting: bool,
    },
    /// Cancelled.
    Interrupted,
}

/// Walks the way of a request.
///
/// # Errors
/// When no client can be made of the connection: its own setting is wrong.
pub async fn diagnose(
    site: Arc<Site>,
    connection: Connection,
    inquiry: Inquiry,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
) -> Result<Diagnosed, SetupError> {
    // Somebody waits for the answer: no fault is sat out.
    let retry_for =
        RetryPolicy { attempts: ATTEMPTS, most_attempts: ATTEMPTS, patience: Duration::ZERO, ..RetryPolicy::default() };
    // Each way is looked at as it is: a fall-back would hide that a query is not persisted.
    let aem = Aem::new(Connection { retry_for, time_limit: None, direct_if_missing: false, ..connection })?;
    let anonymous = aem.anonymous()?;
    let mut doctor = Doctor { site, aem, anonymous, inquiry, reporter, passed: 0, left_out: 0, warnings: 0 };
    let examined = tokio::select! {
        examined = doctor.examine() => examined,
        () = cancel.wait() => return Ok(Diagnosed::Interrupted),
    };
    let Doctor { passed, left_out, warnings, .. } = doctor;
    Ok(match examined {
        Ok(()) => Diagnosed::Well { passed, left_out, warnings },
        Err(Broken { at, setting }) => Diagnosed::Broken { at, setting },
    })
}

/// The chain is broken here, and that was told: nothing behind it is looked at.
struct Broken {
    at: String,
    setting: bool,
}

type Step = Result<(), Broken>;

struct Doctor {
    site: Arc<Site>,
    aem: Aem,
    /// The same client, but nobody.
    anonymous: Aem,
    inquiry: Inquiry,
    reporter: Arc<dyn Reporter>,
    passed: u64,
    left_out: u64,
    warnings: u64,
}

impl Doctor {
    async fn examine(&mut self) -> Step {
        self.settings()?;
        self.network().await?;
        self.credentials().await?;
        let way = self.reaches_aem().await?;
        self.dispatcher(&way).await?;
        self.endpoint(&way)?;
        let runs = self.queries().await?;
        self.permission(&runs).await?;
        self.caching(&runs).await;
        self.posts_are_not_kept(&runs).await
    }

    fn tell(&mut self, check: Check) {
        match check.outcome {
            CheckOutcome::Passed => self.passed += 1,
            CheckOutcome::LeftOut => self.left_out += 1,
            CheckOutcome::Failed => {}
        }
        let detail = failures::masked(self.connection(), &check.detail);
        self.reporter.emit(Event::Check(Check { detail, ..check }));
    }

    fn warn(&mut self, warning: Diagnostic) {
        self.warnings += 1;
        self.reporter.emit(Event::Diagnostic(warning));
    }

    /// Tells a failed check and how to mend it.
    fn broken(&mut self, check: Check, remedies: impl IntoIterator<Item = Diagnostic>) -> Broken {
        let at = check.title();
        self.tell(check);
        for remedy in remedies {
            let message = failures::masked(self.connection(), &remedy.message);
            self.reporter.emit(Event::Diagnostic(Diagnostic { message, ..remedy }));
        }
        Broken { at, setting: false }
    }

    /// A check that failed because a request brought nothing that could be looked at.
    fn unanswered(&mut self, name: &'static str, failure: &Failure) -> Broken {
        let (code, help) = remedy(&failure.kind);
        let message = format!("{} cannot be asked: {}", self.host(), failure.kind);
        let problem = Diagnostic::error(code, message).note("host from", self.host_source()).help(help);
        self.broken(Check::failed(name, failure.kind.to_string()), [problem])
    }

    fn connection(&self) -> &Connection {
        self.aem.connection()
    }

    fn tier(&self) -> Tier {
        self.connection().tier
    }

    fn execution(&self) -> Execution {
        self.connection().execution
    }

    /// The host as people may see it: that of author stays out of logs (promise 5).
    fn host(&self) -> String {
        match self.connection().base.host_str() {
            Some(host) if self.tier() != Tier::Author => host.to_owned(),
            _ => format!("AEM ({})", self.tier()),
        }
    }

    fn host_source(&self) -> String {
        match self.tier() {
            Tier::Local => "the built-in origin".to_owned(),
            _ => self.site.config.aem.host_source.clone(),
        }
    }
}

/// Code and remedy for a host that gives no answer.
fn remedy(kind: &FailureKind) -> (Code, &'static str) {
    match kind {
        FailureKind::Tls { problem, .. } => (codes::TLS, failures::tls(*problem)),
        FailureKind::NoToken { .. } => (codes::REFUSED, failures::NO_TOKEN),
        FailureKind::Status { .. } => {
            (codes::SERVER_ERROR, "the host is there and ill, or busy: look at AEM's log, and try again later")
        }
        FailureKind::Timeout { .. } => (
            codes::UNREACHABLE,
            "something swallows the request: a firewall, a VPN that is off, or a proxy that is needed (HTTPS_PROXY)",
        ),
        FailureKind::Truncated { .. } => (codes::TRUNCATED, "something between here and AEM cuts answers off"),
        FailureKind::TooLarge { .. } => {
            (codes::TOO_LARGE, "ask for smaller pages (`$first`, `$limit`), or raise `[aem] max_response`")
        }
        _ => (
            codes::UNREACHABLE,
            "check scheme and port of the host, a firewall or VPN, and whether a proxy is needed (HTTPS_PROXY)",
        ),
    }
}

/// A day and a time for people.
fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The author tier of `author-p1-e1.adobeaemcloud.com` (protocol 1.1); `None` for a name that does not say.
fn tier_of(host: &str) -> Option<Tier> {
    // One sample of Adobe's spells the domain with `.net`.
    let bucket = host.strip_suffix(".adobeaemcloud.com").or_else(|| host.strip_suffix(".adobeaemcloud.net"))?;
    let (tier, rest) = bucket.split_once("-p")?;
    let environment = rest.split_once("-e").is_some();
    match tier {
        "author" if environment => Some(Tier::Author),
        "preview" if environment => Some(Tier::Preview),
        "publish" if environment => Some(Tier::Publish),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_cloud_service_says_its_tier() {
        assert_eq!(tier_of("author-p4711-e8080.adobeaemcloud.com"), Some(Tier::Author));
        assert_eq!(tier_of("publish-p4711-e8080.adobeaemcloud.net"), Some(Tier::Publish));
        assert_eq!(tier_of("preview-p4711-e8080.adobeaemcloud.com"), Some(Tier::Preview));
        for silent in ["www.example.com", "author-p1.adobeaemcloud.com", "delivery-p1-e1.adobeaemcloud.com"] {
            assert_eq!(tier_of(silent), None, "{silent}");
        }
    }
}
