//! Watches what the site is made of: its configuration, `.env`, schema, queries, templates and static files, there or not yet.
//! Content is watched by whoever serves it. What a build writes lies below `.aem-static/` or in the output folder, where
//! nothing is watched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify_debouncer_full::notify::{
    self, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind, recommended_watcher,
};

use super::Pending;

/// Files of the site directory itself that a build reads.
const FILES: &[&str] = &["aem-static.toml", ".env", "schema.graphql"];
/// Its folders that a build reads.
pub(super) const FOLDERS: &[&str] = &["content-queries", "templates", "static"];

/// A site directory, watched.
#[derive(Debug)]
pub(super) struct Watcher {
    dir: PathBuf,
    system: RecommendedWatcher,
}

impl Watcher {
    /// Begins to watch; changes are told to `pending`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn begin(dir: &Path, pending: Arc<Pending>) -> Result<Self, String> {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        // Some systems tell of the place a path really leads to.
        let known: Vec<PathBuf> = std::iter::once(dir.clone()).chain(dir.canonicalize().ok()).collect();
        let note = move |event: notify::Result<notify::Event>| match event {
            Ok(event) => inputs(&known, &event).into_iter().for_each(|file| pending.file(file)),
            // The system lost track: everything may have changed.
            Err(_) => pending.file("a file".to_owned()),
        };
        let system = recommended_watcher(note).map_err(|error| error.to_string())?;
        let mut watcher = Watcher { dir, system };
        watcher.system.watch(&watcher.dir, RecursiveMode::NonRecursive).map_err(|error| error.to_string())?;
        watcher.again();
        Ok(watcher)
    }

    /// Watches the folders that are there now. One that was replaced is another one to the system, and one that comes is seen
    /// by the directory it comes into.
    pub(super) fn again(&mut self) {
        for folder in FOLDERS.iter().map(|name| self.dir.join(name)) {
            let _ = self.system.unwatch(&folder);
            if folder.is_dir() {
                let _ = self.system.watch(&folder, RecursiveMode::Recursive);
            }
        }
    }

    /// Whether these changes are of the folders themselves.
    pub(super) fn concerns_folders<'f>(mut files: impl Iterator<Item = &'f String>) -> bool {
        files.any(|file| FOLDERS.contains(&file.as_str()) || file == "a file")
    }
}

/// The inputs of the site that an event is about, as paths in the site directory. Reading is an event, too: a build's own.
fn inputs(known: &[PathBuf], event: &notify::Event) -> Vec<String> {
    let unimportant = matches!(event.kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)));
    if event.need_rescan() {
        return vec!["a file".to_owned()];
    }
    if unimportant {
        return Vec::new();
    }
    event.paths.iter().filter_map(|path| input(known, path)).collect()
}

fn input(known: &[PathBuf], path: &Path) -> Option<String> {
    let below = known.iter().find_map(|dir| path.strip_prefix(dir).ok())?;
    let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    let name = parts.last()?;
    let counts = match parts.first()?.as_ref() {
        "static" => true,
        // Names that begin with a dot or end in a tilde are an editor's.
        first if FOLDERS.contains(&first) => {
            !parts.iter().any(|part| part.starts_with('.')) && !name.ends_with('~') && name != "4913"
        }
        first => parts.len() == 1 && FILES.contains(&first),
    };
    counts.then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, DataChange, Flag, MetadataKind};

    fn seen(kind: EventKind, path: &str) -> Vec<String> {
        inputs(&[PathBuf::from("/site")], &notify::Event::new(kind).add_path(PathBuf::from(path)))
    }

    #[test]
    fn what_counts_as_a_change() {
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for input in
            ["aem-static.toml", ".env", "templates/a/b.html", "content-queries/a.graphql", "static/.x", "static"]
        {
            assert_eq!(seen(written, &format!("/site/{input}")), [input]);
        }
        for other in [
            "out/index.html",
            ".aem-static/preview/out/index.html",
            "README.md",
            "templates/.a.html.swp",
            "templates/a.html~",
            "templates/4913",
            "content/fragments/a.json",
            "templates-old/a.html",
        ] {
            assert_eq!(seen(written, &format!("/site/{other}")), [""; 0], "{other}");
        }
        assert_eq!(seen(written, "/elsewhere/templates/a.html"), [""; 0]);
        assert_eq!(seen(EventKind::Create(CreateKind::Folder), "/site/templates"), ["templates"]);
        let lost = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(inputs(&[], &lost).len(), 1, "events were lost");
    }

    /// A build reads every file: if that were a change, it would build for ever.
    #[test]
    fn reading_is_no_change() {
        assert_eq!(seen(EventKind::Access(AccessKind::Any), "/site/templates/a.html"), [""; 0]);
        assert_eq!(
            seen(EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)), "/site/templates/a.html"),
            [""; 0]
        );
    }
}
