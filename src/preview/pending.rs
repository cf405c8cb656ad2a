//! What happened since the last build began: the reasons for the next one.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::watcher::FOLDERS;

/// How long files have to be quiet: an editor saves in several steps.
const QUIET: Duration = Duration::from_millis(20);
/// For how long changes that do not end are waited for.
const LONGEST: Duration = Duration::from_millis(500);
/// Files that are named; more are only counted.
const NAMED: usize = 50;

/// Reasons for a build that have not been seen to, whoever found them. However many they are, they are one build.
#[derive(Debug, Default)]
pub struct Pending {
    causes: Mutex<Causes>,
    noted: Notify,
    /// The number of the last reason that was seen to.
    settled: watch::Sender<u64>,
}

/// Why a build is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Causes {
    /// Files of the site that changed.
    pub(super) files: BTreeSet<String>,
    /// Further files.
    pub(super) more: usize,
    /// The source of the content said that it changed.
    pub(super) content: bool,
    /// It is time to ask AEM.
    pub(super) asked: bool,
    /// When a file changed last.
    last: Option<Instant>,
    /// The number of the last reason.
    number: u64,
}

impl Causes {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.more == 0 && !self.content && !self.asked
    }

    /// Whether there is nothing but the time.
    pub(super) fn only_asked(&self) -> bool {
        self.asked && !self.content && self.files.is_empty()
    }

    /// Whether only files changed that say nothing of the content: the answers that are kept are those that AEM would give.
    pub(super) fn leave_content(&self) -> bool {
        let templates_and_the_like = |file: &String| file.contains('/') || FOLDERS.contains(&file.as_str());
        !self.files.is_empty() && !self.content && !self.asked && self.files.iter().all(templates_and_the_like)
    }

    /// In words, for people.
    pub(super) fn described(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        match (self.files.len() + self.more, self.files.iter().next()) {
            (0, _) | (_, None) => {}
            (1, Some(file)) => parts.push(format!("{file} changed")),
            (2 | 3, _) => {
                parts.push(format!("{} changed", self.files.iter().cloned().collect::<Vec<_>>().join(", ")));
            }
            (count, Some(file)) => parts.push(format!("{file} and {} more files changed", count - 1)),
        }
        if self.content {
            parts.push("content changed".to_owned());
        }
        if self.asked && parts.is_empty() {
            parts.push("AEM was asked".to_owned());
        }
        if parts.is_empty() { "start".to_owned() } else { parts.join("; ") }
    }
}

impl Pending {
    /// A file of the site changed; its path in the site directory.
    pub fn file(&self, file: String) {
        self.note(|causes| {
            causes.last = Some(Instant::now());
            match causes.files.len() < NAMED || causes.files.contains(&file) {
                true => _ = causes.files.insert(file),
                false => causes.more += 1,
            }
        });
    }

    /// The content changed.
    pub fn content(&self) {
        self.note(|causes| causes.content = true);
    }

    /// AEM is to be asked whether the content changed.
    pub fn ask(&self) {
        self.note(|causes| causes.asked = true);
    }

    /// Waits until there is a reason and files are quiet, and takes all there are.
    pub(super) async fn next(&self) -> Causes {
        loop {
            let noted = self.noted.notified();
            if !self.causes().is_empty() {
                break;
            }
            noted.await;
        }
        let begun = Instant::now();
        loop {
            let quiet = self.causes().last.map_or(QUIET, |last| last.elapsed());
            if quiet >= QUIET || begun.elapsed() >= LONGEST {
                let mut causes = self.causes();
                let number = causes.number;
                return std::mem::replace(&mut *causes, Causes { number, ..Causes::default() });
            }
            tokio::time::sleep(QUIET.saturating_sub(quiet)).await;
        }
    }

    /// These reasons were seen to.
    pub(super) fn settle(&self, causes: &Causes) {
        self.settled.send_replace(causes.number);
    }

    /// Waits until every reason there is now has been seen to, but no longer than `patience`.
    pub(super) async fn settled(&self, patience: Duration) {
        let number = self.causes().number;
        let mut settled = self.settled.subscribe();
        // Late is no failure: what there is by then is shown.
        let _ = tokio::time::timeout(patience, settled.wait_for(|settled| *settled >= number)).await;
    }

    fn note(&self, note: impl FnOnce(&mut Causes)) {
        let mut causes = self.causes();
        note(&mut causes);
        causes.number += 1;
        drop(causes);
        self.noted.notify_one();
    }

    fn causes(&self) -> MutexGuard<'_, Causes> {
        self.causes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_reason() {
        let pending = Pending::default();
        for number in 0..100 {
            pending.file(format!("templates/{number}.html"));
            pending.file("templates/base.html".to_owned());
        }
        pending.content();
        let causes = pending.next().await;
        assert_eq!((causes.files.len(), causes.more, causes.content, causes.asked), (50, 51, true, false));
        assert_eq!(causes.described(), "templates/0.html and 100 more files changed; content changed");
        assert!(tokio::time::timeout(Duration::from_secs(60), pending.next()).await.is_err(), "it was taken");
    }

    #[tokio::test]
    async fn what_comes_while_nobody_waits_is_kept() {
        let pending = Pending::default();
        pending.ask();
        let causes = pending.next().await;
        assert!(causes.only_asked());
        assert_eq!(causes.described(), "AEM was asked");
        pending.file(".env".to_owned());
        assert_eq!(pending.next().await.described(), ".env changed");
    }

    #[test]
    fn only_templates_and_the_like_leave_the_content() {
        let causes = |files: &[&str]| Causes {
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            ..Causes::default()
        };
        for files in [&["templates/a.html", "static"][..], &["content-queries/a.graphql"]] {
            assert!(causes(files).leave_content(), "{files:?}");
            assert!(!Causes { content: true, ..causes(files) }.leave_content());
            assert!(!Causes { asked: true, ..causes(files) }.leave_content());
        }
        // Another host, other credentials, events that were lost; and the first build.
        for files in [&["templates/a.html", ".env"][..], &["aem-static.toml"], &["schema.graphql"], &["a file"], &[]] {
            assert!(!causes(files).leave_content(), "{files:?}");
        }
    }
}
