//! Adobe's journal of a registration (protocol 8.7): asked for what is new, instead of waiting for it; so it works behind a firewall.
//! The place up to which it was read is written down with the events that stood before it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::delivery::{self, Event};
use super::status::{self, JournalNote, now};
use super::{App, Stop};
use crate::aem::{Aem, Failure, Received};
use crate::report::Event as Told;

/// The pause that Adobe's own client takes where the answer names none.
const PAUSE: Duration = Duration::from_secs(2);
/// No pause that an answer asks for is longer.
const LONGEST: Duration = Duration::from_secs(600);
/// Pauses after failures.
const PATIENCE: [u64; 5] = [2, 5, 15, 60, 300];

/// A journal that is read.
#[derive(Debug)]
pub(super) struct Journal {
    /// A client with the credentials of the events project, for the journal's host alone.
    pub aem: Aem,
    /// The journal, as the console gives it.
    pub url: Url,
}

/// What one answer means.
#[derive(Debug, PartialEq)]
enum Page {
    /// Entries, and where it goes on.
    Entries { events: Vec<Event>, unreadable: usize, next: Url },
    /// Nothing new for so long.
    Nothing { pause: Duration, next: Option<Url> },
    /// The place is older than what is kept.
    Lost,
    /// Anything else.
    Wrong(String),
}

impl Journal {
    /// Reads until stopped.
    pub(super) async fn follow(self, app: Arc<App>, stop: Stop) {
        tokio::select! {
            () = self.read(&app) => {}
            () = stop.wait() => {}
        }
    }

    async fn read(&self, app: &App) {
        let kept = app.queue.position().and_then(|position| Url::parse(&position).ok());
        let mut at = kept.filter(|url| url.origin() == self.url.origin());
        let mut failures = 0;
        loop {
            let url = at.clone().unwrap_or_else(|| self.latest());
            let page = match self.aem.fetch(&url).await {
                Ok(received) => page(&received, &url),
                Err(failure) => Page::Wrong(said(&failure)),
            };
            let pause = match page {
                Page::Wrong(problem) => self.failed(app, &problem, &mut failures),
                page => {
                    failures = 0;
                    self.take(app, page, &mut at).await
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// The end of the journal: what was before it is in the first build, which begins afterwards.
    fn latest(&self) -> Url {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("latest", "true");
        url
    }

    /// The pause before the next request.
    async fn take(&self, app: &App, page: Page, at: &mut Option<Url>) -> Duration {
        let (count, pause) = match page {
            Page::Entries { events, unreadable, next } => {
                let count = events.len() + unreadable;
                let events: Vec<Event> = events.into_iter().filter(|event| app.follows(event)).collect();
                let kinds: Vec<&'static str> = events.iter().map(|event| event.kind.word()).collect();
                // What stands before the place has to be kept with it, or not be passed.
                match app.queue.accept(events, Some(next.as_str().to_owned())).await {
                    Ok(accepted) => app.status.change(|known| {
                        for kind in kinds.into_iter().take(accepted.new) {
                            *known.events.entry(kind).or_default() += 1;
                            known.last_event = Some(now());
                        }
                        known.repeated += accepted.known as u64;
                    }),
                    Err(problem) => {
                        app.reporter.emit(log(format!("events of the journal were not kept: {problem}")));
                        return PAUSE;
                    }
                }
                if at.is_none() || unreadable > 0 {
                    app.check_everything.notify_one();
                }
                *at = Some(next);
                (count, Duration::ZERO)
            }
            Page::Nothing { pause, next } => {
                if let Some(next) = next.filter(|next| at.as_ref() != Some(next)) {
                    // A position that is lost costs reading again what is known.
                    let _ = app.queue.accept(Vec::new(), Some(next.as_str().to_owned())).await;
                    if at.is_none() {
                        app.check_everything.notify_one();
                    }
                    *at = Some(next);
                }
                (0, pause)
            }
            Page::Lost => {
                app.reporter
                    .emit(log("the journal no longer has the place it was read up to: everything is checked".into()));
                app.check_everything.notify_one();
                *at = Some(self.url.clone());
                (0, Duration::ZERO)
            }
            Page::Wrong(_) => (0, PAUSE),
        };
        app.status.change(|known| {
            let entries = known.journal.take().map_or(0, |note| note.entries) + count as u64;
            known.journal = Some(JournalNote { entries, answered: Some(now()), problem: None });
        });
        pause
    }

    /// Told once, until it answers again.
    fn failed(&self, app: &App, problem: &str, failures: &mut usize) -> Duration {
        if *failures == 0 {
            app.reporter.emit(log(format!("the journal cannot be read: {problem}")));
        }
        app.status.change(|known| {
            let note = known.journal.take().unwrap_or_default();
            known.journal = Some(JournalNote { problem: Some(problem.to_owned()), ..note });
        });
        let pause = PATIENCE[(*failures).min(PATIENCE.len() - 1)];
        *failures += 1;
        Duration::from_secs(pause)
    }
}

fn log(text: String) -> Told {
    status::log("journal", text).into()
}

/// Without the address: its parts name an organisation and its projects.
fn said(failure: &Failure) -> String {
    failure.kind.to_string()
}

fn page(received: &Received, asked: &Url) -> Page {
    let next = received.next.clone().filter(|next| next.origin() == asked.origin());
    match received.status {
        200 => match (entries(&received.body), next) {
            (Some((events, unreadable)), Some(next)) => Page::Entries { events, unreadable, next },
            (None, _) => Page::Wrong("the answer is not that of a journal".to_owned()),
            (_, None) => Page::Wrong("the answer does not say where it goes on".to_owned()),
        },
        204 => Page::Nothing {
            pause: received.retry_after.unwrap_or(PAUSE).clamp(Duration::from_millis(100), LONGEST),
            next,
        },
        410 => Page::Lost,
        401 | 403 => Page::Wrong(format!("access refused with status {}", received.status)),
        status => Page::Wrong(format!("status {status}")),
    }
}

/// The events, and how many entries are none that can be read: they must not keep the others.
fn entries(body: &[u8]) -> Option<(Vec<Event>, usize)> {
    let value: Value = delivery::parse(body).ok()?;
    let entries = value.get("events")?.as_array()?;
    let events: Vec<Event> = entries.iter().filter_map(|entry| delivery::event(entry.get("event")?).ok()).collect();
    let unreadable = entries.len() - events.len();
    Some((events, unreadable))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    fn received(status: u16, next: Option<&str>, body: &str) -> Page {
        let asked = Url::parse("https://events.example/events/organizations/1?since=a").unwrap();
        let next = next.map(|next| Url::parse(next).unwrap());
        page(&Received { status, retry_after: None, next, body: body.as_bytes().to_vec() }, &asked)
    }

    #[test]
    fn statuses_mean_what_the_protocol_says() {
        let next = Some("https://events.example/events/organizations/1?since=b");
        let body = r#"{"events":[{"position":"b","event":{"eventid":"1","type":"x"}},{"position":"c","event":7}],"_page":{"count":2}}"#;
        let Page::Entries { events, unreadable, next: goes_on } = received(200, next, body) else { panic!("entries") };
        assert_eq!((events.len(), unreadable, goes_on.query()), (1, 1, Some("since=b")));
        assert_eq!(received(204, None, ""), Page::Nothing { pause: PAUSE, next: None });
        assert_eq!(received(410, None, ""), Page::Lost);
        assert!(matches!(received(200, None, body), Page::Wrong(_)));
        assert!(matches!(received(200, Some("https://evil.example/"), body), Page::Wrong(_)));
        assert!(matches!(received(200, next, "<html>"), Page::Wrong(_)));
        assert!(matches!(received(401, None, ""), Page::Wrong(_)));
    }
}
