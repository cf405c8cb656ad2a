//! What is served since the last build. A value of its own for every build, exchanged at once: a request has one of them from its
//! beginning to its end.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::links::Links;
use super::{Changes, Loaded};
use crate::aem::Tier;
use crate::pipeline::{Folders, Made, PageFacts};
use crate::report::{Diagnostic, Summary};
use crate::site::Site;

/// Builds that are remembered.
const REMEMBERED: usize = 50;

/// Where the builds leave what they made, and requests find it.
#[derive(Debug)]
pub(super) struct Stage {
    now: watch::Sender<Arc<Shown>>,
    /// Tells this process from one before it on the same port.
    pub(super) run: String,
}

/// The state of things after a build.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// How many builds there were; 0 before the first has ended.
    pub(super) build: u64,
    /// What the last build that succeeded made.
    pub(super) good: Option<Arc<Good>>,
    /// Why the last build failed, if it did.
    pub(super) failed: Option<Arc<Failed>>,
    /// The last builds, the newest first.
    pub(super) past: Arc<VecDeque<Past>>,
}

/// A site that was built.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) site: Arc<Site>,
    pub(super) folders: Folders,
    pub(super) tier: Tier,
    pub(super) changes: Changes,
    pub(super) summary: Summary,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) made: Made,
    /// How many pages this build rendered; the others were kept.
    pub(super) rendered: u64,
    /// This build's number in the state, if it rendered anything.
    pub(super) recorded: Option<u32>,
    /// Made when somebody looks.
    pub(super) links: OnceLock<Links>,
}

/// A build that failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// The site directory, for links to its files.
    pub(super) dir: PathBuf,
    pub(super) problems: Vec<Diagnostic>,
}

/// One of the last builds.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) build: u64,
    /// Its number in the state, if it rendered anything: what pages say who rendered them.
    pub(super) recorded: Option<u32>,
    pub(super) cause: String,
    pub(super) ended: Ended,
    pub(super) elapsed: Duration,
    /// Files that are no pages and were created or updated: what a page may be made of.
    pub(super) parts: Arc<Vec<String>>,
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Failed { errors: usize },
    Built { rendered: u64, created: u64, updated: u64, removed: u64, assets: u64 },
}

impl Stage {
    pub(super) fn new() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let run = format!("{:x}-{:x}", since.as_nanos(), std::process::id());
        Stage { now: watch::channel(Arc::default()).0, run }
    }

    /// What is shown now.
    pub(super) fn now(&self) -> Arc<Shown> {
        self.now.borrow().clone()
    }

    /// Takes up a build that wrote and rendered nothing, and has other answers: those before are gone.
    pub(super) fn refresh(&self, good: Arc<Good>) {
        let before = self.now();
        self.now.send_replace(Arc::new(Shown { good: Some(good), ..Shown::clone(&before) }));
    }

    /// What is shown now, once the first build has ended.
    pub(super) async fn built(&self) -> Arc<Shown> {
        let mut now = self.now.subscribe();
        match now.wait_for(|shown| shown.build > 0).await {
            Ok(shown) => shown.clone(),
            Err(_) => self.now(),
        }
    }

    /// Tells of every build from now on.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<Shown>> {
        self.now.subscribe()
    }

    /// Shows what a build made: the good site it has, or why there is none.
    pub(super) fn show(&self, made: Result<Arc<Good>, Failed>, cause: String, elapsed: Duration, parts: Vec<String>) {
        let before = self.now();
        let build = before.build + 1;
        let (good, failed) = match made {
            Ok(good) => (Some(good), None),
            Err(failed) => (before.good.clone(), Some(Arc::new(failed))),
        };
        let ended = match (&failed, &good) {
            (Some(failed), _) => {
                Ended::Failed { errors: failed.problems.iter().filter(|problem| problem.is_error()).count() }
            }
            (None, Some(good)) => {
                let Summary { created, updated, removed, assets, .. } = good.summary;
                Ended::Built { rendered: good.rendered, created, updated, removed, assets }
            }
            (None, None) => Ended::Failed { errors: 0 },
        };
        let mut past = VecDeque::clone(&before.past);
        let recorded = good.as_ref().filter(|_| failed.is_none()).and_then(|good| good.recorded);
        past.push_front(Past { build, recorded, cause, ended, elapsed, parts: Arc::new(parts) });
        past.truncate(REMEMBERED);
        self.now.send_replace(Arc::new(Shown { build, good, failed, past: Arc::new(past) }));
    }
}

impl Shown {
    /// Whether these are the facts that are shown.
    pub(super) fn is_of(&self, made: &Made) -> bool {
        self.good.as_ref().is_some_and(|good| good.made == *made)
    }

    /// Whether AEM has to be asked for changes; also while nobody knows yet.
    pub(super) fn asks(&self) -> bool {
        self.build > 0 && self.good.as_ref().is_none_or(|good| good.changes == Changes::Asked)
    }

    /// Files that are no pages and changed after `build`; `None` if that is not remembered any more.
    pub(super) fn parts_since(&self, build: u64) -> Option<Vec<&str>> {
        let newer = || self.past.iter().take_while(|past| past.build > build);
        let known = build >= self.build || newer().count() as u64 == self.build - build;
        known.then(|| newer().flat_map(|past| past.parts.iter().map(String::as_str)).collect())
    }
}

impl Good {
    /// A site that was just built.
    pub(super) fn new(
        loaded: &Loaded,
        folders: Folders,
        told: super::build::Told,
        mut made: Made,
        before: &Shown,
    ) -> Self {
        let recorded = made.pages.iter().filter(|page| page.elapsed.is_some()).map(|page| page.build).max();
        // Of pages that were kept, the last rendering that was seen is told.
        for page in made.pages.iter_mut().filter(|page| page.elapsed.is_none()) {
            let known = before.good.as_ref().and_then(|good| good.page(&page.path));
            page.elapsed = known.and_then(|page| page.elapsed);
        }
        Good {
            site: loaded.site.clone(),
            folders,
            tier: loaded.connection.tier,
            changes: loaded.changes,
            summary: told.summary,
            warnings: told.problems,
            made,
            rendered: told.rendered,
            recorded,
            links: OnceLock::new(),
        }
    }

    /// All pages, by path.
    pub(super) fn pages(&self) -> &[PageFacts] {
        &self.made.pages
    }

    /// The page with this path.
    pub(super) fn page(&self, path: &str) -> Option<&PageFacts> {
        let at = self.pages().binary_search_by(|page| page.path.as_str().cmp(path)).ok()?;
        self.pages().get(at)
    }

    /// The path of the site's root on the web: that of `base_url`, without a final `/`.
    pub(super) fn root(&self) -> &str {
        self.site.config.site.base_url.as_ref().map_or("", |base| base.path().trim_end_matches('/'))
    }
}
