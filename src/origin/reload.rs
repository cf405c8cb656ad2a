//! Serving what the content directory holds now: watches it and the query files, loads everything anew beside what is served,
//! and exchanges the two at once. A request has one content from its beginning to its end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::watch;

use super::content::load;
use super::content::problem::Problem;
use super::graphql::configurations::Configurations;
use super::http::endpoints::Shared;
use super::http::persisted;
use super::{Options, StartError};

/// How long files have to be quiet: an editor saves in several steps, a checkout in many.
const QUIET: Duration = Duration::from_millis(50);

/// What is served since a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// How many fragments are served.
    pub fragments: usize,
    /// What is wrong with the content; everything else is served.
    pub problems: Vec<Problem>,
}

/// Tells of content that was exchanged; see [`Running::changes`](super::Running::changes).
#[derive(Debug, Clone)]
pub struct Changes(watch::Receiver<Arc<Loaded>>);

impl Changes {
    pub(super) fn new(receiver: watch::Receiver<Arc<Loaded>>) -> Self {
        Self(receiver)
    }

    /// Waits for the next exchange and says what is served then; of several that happened meanwhile, the last. `None` when the
    /// origin is over, or does not reload.
    pub async fn next(&mut self) -> Option<Arc<Loaded>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }
}

/// What is seen of the file system: how often something changed, and how often one of the watched directories itself did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    changes: u64,
    roots: u64,
}

type Watcher = Debouncer<RecommendedWatcher, RecommendedCache>;

/// The directories of the options, watched.
pub(super) struct Watch {
    roots: Vec<PathBuf>,
    watcher: Arc<Mutex<Watcher>>,
    seen: watch::Receiver<Seen>,
}

impl Watch {
    /// Begins to watch; what changes from now on is seen. A directory need not be there yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(options: &Options) -> Result<Self, String> {
        let given = std::iter::once(&options.content).chain(&options.queries);
        let roots: Vec<PathBuf> =
            given.map(|root| std::path::absolute(root).unwrap_or_else(|_| root.clone())).collect();
        let (sender, seen) = watch::channel(Seen::default());
        // Some systems tell of the place a path really leads to.
        let real = roots.iter().filter_map(|root| root.canonicalize().ok());
        let known: Vec<PathBuf> = roots.iter().cloned().chain(real).collect();
        let note = move |result: DebounceEventResult| {
            let noted = noted(&result, &known);
            if noted != Seen::default() {
                sender.send_modify(|seen| {
                    seen.changes += noted.changes;
                    seen.roots += noted.roots;
                });
            }
        };
        let watcher = new_debouncer(QUIET, None, note).map_err(|error| error.to_string())?;
        let watch = Self { roots, watcher: Arc::new(Mutex::new(watcher)), seen };
        // Beside the directories, the folders they stand in: a directory may be put in the place of another.
        let mut watcher = watch.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        for parent in watch.roots.iter().filter_map(|root| root.parent()).filter(|parent| parent.is_dir()) {
            watcher.watch(parent, RecursiveMode::NonRecursive).map_err(|error| error.to_string())?;
        }
        for root in watch.roots.iter().filter(|root| root.is_dir()) {
            watcher.watch(root, RecursiveMode::Recursive).map_err(|error| error.to_string())?;
        }
        drop(watcher);
        Ok(watch)
    }
}

/// What a batch of events means for the directories.
fn noted(result: &DebounceEventResult, roots: &[PathBuf]) -> Seen {
    let Ok(events) = result else {
        // The system lost track; look at everything.
        return Seen { changes: 1, roots: 1 };
    };
    let mut seen = Seen::default();
    // Reading a file is an event, too: the origin's own, when it loads.
    for event in events.iter().filter(|event| !event.kind.is_access()) {
        let within = |path: &PathBuf| roots.iter().any(|root| path.starts_with(root));
        if event.need_rescan() || event.paths.iter().any(within) {
            seen.changes += 1;
        }
        if event.need_rescan() || event.paths.iter().any(|path| roots.contains(path)) {
            seen.roots += 1;
        }
    }
    seen
}

/// Exchanges content whenever it changes, for ever.
pub(super) async fn keep_up(mut watch: Watch, options: Options, shared: Arc<Shared>, told: watch::Sender<Arc<Loaded>>) {
    let options = Arc::new(options);
    let mut roots = watch.seen.borrow_and_update().roots;
    while watch.seen.changed().await.is_ok() {
        let seen = *watch.seen.borrow_and_update();
        let (again, options, shared) = (seen.roots != roots, options.clone(), shared.clone());
        roots = seen.roots;
        let (watcher, directories) = (watch.watcher.clone(), watch.roots.clone());
        let exchanged = tokio::task::spawn_blocking(move || {
            if again {
                watch_again(&mut watcher.lock().unwrap_or_else(PoisonError::into_inner), &directories);
            }
            exchange(&options, &shared)
        });
        if let Ok(loaded) = exchanged.await {
            told.send_replace(Arc::new(loaded));
        }
    }
    // Without a watcher nothing changes any more, but what there is goes on being served.
    std::future::pending::<()>().await;
}

/// Watches the directories that stand at the paths now.
fn watch_again(watcher: &mut Watcher, directories: &[PathBuf]) {
    for directory in directories {
        // It may not have been watched, or not be there: what comes is an event of the folder it stands in.
        let _ = watcher.unwatch(directory);
        if directory.is_dir() {
            let _ = watcher.watch(directory, RecursiveMode::Recursive);
        }
    }
}

/// Loads everything there is.
///
/// # Errors
/// The models make no schema.
pub(super) fn read(options: &Options) -> Result<(Configurations, persisted::Queries, Vec<Problem>), StartError> {
    let (repository, mut problems) = load::load(&options.content, options.tier);
    let content = Configurations::new(repository).map_err(StartError::Schema)?;
    let queries = persisted::load(options.queries.as_deref(), &options.configuration, &mut problems);
    Ok((content, queries, problems))
}

/// Puts what there is in the place of what is served. A file that has become unreadable is not served as it was: what the
/// directory holds now is what counts. Only models that make no schema at all leave everything as it was, and say so.
fn exchange(options: &Options, shared: &Shared) -> Loaded {
    match read(options) {
        Ok((content, queries, problems)) => {
            let fragments = content.global().repository.len();
            shared.exchange(content, queries);
            Loaded { fragments, problems }
        }
        Err(error) => {
            let message = format!("{error}; what was there before the change is served");
            let problem = problem_of(&options.content.join("models"), message);
            Loaded { fragments: shared.serving().repository.len(), problems: vec![problem] }
        }
    }
}

/// A problem of a whole directory.
pub(super) fn problem_of(directory: &Path, message: String) -> Problem {
    Problem { file: directory.to_owned(), line: 0, column: 0, field: None, message }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Instant;

    use notify_debouncer_full::DebouncedEvent;
    use notify_debouncer_full::notify::event::{AccessKind, AccessMode, CreateKind, Flag, ModifyKind, RenameMode};
    use notify_debouncer_full::notify::{Event, EventKind};

    use super::{Seen, noted};

    fn seen(event: Event) -> (u64, u64) {
        let roots = [PathBuf::from("/site/content"), PathBuf::from("/site/queries")];
        let Seen { changes, roots } = noted(&Ok(vec![DebouncedEvent::new(event, Instant::now())]), &roots);
        (changes, roots)
    }

    #[test]
    fn what_counts_as_a_change() {
        let at = |kind: EventKind, path: &str| seen(Event::new(kind).add_path(PathBuf::from(path)));
        let create = EventKind::Create(CreateKind::Any);
        let rename = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        assert_eq!(at(create, "/site/content/fragments/a.json"), (1, 0));
        assert_eq!(at(create, "/site/queries/a.graphql"), (1, 0));
        assert_eq!(at(create, "/site/out"), (0, 0), "beside the content");
        assert_eq!(at(create, "/site/content-old"), (0, 0));
        assert_eq!(at(rename, "/site/content"), (1, 1), "another directory in its place");
        assert_eq!(seen(Event::new(EventKind::Other).set_flag(Flag::Rescan)), (1, 1), "events were lost");
        assert_eq!(noted(&Err(Vec::new()), &[]), Seen { changes: 1, roots: 1 });
    }

    /// The origin reads every file when it loads: if that were a change, it would load for ever.
    #[test]
    fn reading_is_no_change() {
        for mode in [AccessMode::Read, AccessMode::Any] {
            for kind in [AccessKind::Open(mode), AccessKind::Close(mode), AccessKind::Any] {
                let event = Event::new(EventKind::Access(kind)).add_path(PathBuf::from("/site/content/models/a.json"));
                assert_eq!(seen(event), (0, 0));
            }
        }
    }
}
