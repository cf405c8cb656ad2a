//! What changed in `out/` and is not deployed yet, on disk from before each commit until the deploy command has taken it. What it
//! holds may be more than what changed, never less: a commit that was announced may not have happened.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::state::make_private;
use crate::text::permalink;

const NAME: &str = "undeployed-v1.json";
const DRAFT: &str = "undeployed-v1.json.new";
/// The lists on disk.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    lists: Mutex<Lists>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lists {
    /// Paths that the command has not seen.
    deploy: BTreeSet<String>,
    /// Paths that the command has seen, and that are not purged.
    purge: BTreeSet<String>,
}

/// What the command is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Files that are new or different, relative to `out/`.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
}

impl Ledger {
    /// Opens the ledger in `folder`. Without one nothing was ever deployed from here: every file of `out` is to be.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(folder: &Path, out: &Path) -> io::Result<Self> {
        make_private(folder)?;
        let kept = match fs::read(folder.join(NAME)) {
            Ok(bytes) => serde_json::from_slice(&bytes).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let lists = kept.unwrap_or_else(|| Lists { deploy: files(out), ..Lists::default() });
        let ledger = Ledger { folder: folder.to_owned(), lists: Mutex::new(lists) };
        ledger.save(&ledger.lists())?;
        Ok(ledger)
    }

    /// Writes down what a commit is about to change.
    ///
    /// # Errors
    /// What the system says.
    pub fn announce(&self, paths: impl IntoIterator<Item = String>) -> io::Result<()> {
        let mut lists = self.lists();
        let before = lists.deploy.len();
        lists.deploy.extend(paths);
        if lists.deploy.len() == before { Ok(()) } else { self.save(&lists) }
    }

    /// What is to be deployed: what stands in `out` now has changed, what does not is removed.
    pub fn undeployed(&self, out: &Path) -> Changes {
        let mut changes = Changes::default();
        for path in &self.lists().deploy {
            let list = if out.join(path).is_file() { &mut changes.changed } else { &mut changes.removed };
            list.push(path.clone());
        }
        changes
    }

    /// The command has taken these; `purges` tells whether a CDN has to hear of them.
    ///
    /// # Errors
    /// What the system says: they are deployed again then.
    pub fn deployed(&self, changes: &Changes, purges: bool) -> io::Result<()> {
        let mut lists = self.lists();
        for path in changes.changed.iter().chain(&changes.removed) {
            lists.deploy.remove(path);
            if purges {
                lists.purge.insert(path.clone());
            }
        }
        self.save(&lists)
    }

    /// What a CDN has to be told of: paths of URLs.
    pub fn unpurged(&self) -> Vec<String> {
        let lists = self.lists();
        let urls: BTreeSet<String> = lists.purge.iter().map(|path| url_path(path)).collect();
        urls.into_iter().collect()
    }

    /// The CDN knows.
    ///
    /// # Errors
    /// What the system says: it is told again then.
    pub fn purged(&self) -> io::Result<()> {
        let mut lists = self.lists();
        lists.purge.clear();
        self.save(&lists)
    }

    /// Whether anything waits.
    pub fn is_empty(&self) -> bool {
        let lists = self.lists();
        lists.deploy.is_empty() && lists.purge.is_empty()
    }

    /// How many files wait.
    pub fn len(&self) -> usize {
        let lists = self.lists();
        lists.deploy.len() + lists.purge.len()
    }

    /// On disk when it returns.
    fn save(&self, lists: &Lists) -> io::Result<()> {
        let draft = self.folder.join(DRAFT);
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(lists)?)?;
        file.sync_all()?;
        fs::rename(&draft, self.folder.join(NAME))?;
        // Its new name is on the disk only with the folder.
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every file of a folder that visitors may see: none whose name at the top begins with a dot.
fn files(out: &Path) -> BTreeSet<String> {
    let seen = |entry: &walkdir::DirEntry| entry.depth() != 1 || !entry.file_name().to_string_lossy().starts_with('.');
    let entries = walkdir::WalkDir::new(out).into_iter().filter_entry(seen).filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.filter_map(|entry| Some(entry.path().strip_prefix(out).ok()?.to_str()?.replace('\\', "/"))).collect()
}

/// The path of the URL under which visitors ask for a file: that of the folder for an `index.html`.
pub fn url_path(path: &str) -> String {
    let path = match path.strip_suffix("index.html") {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => folder,
        _ => path,
    };
    permalink::url_of(path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_was_announced_is_deployed_as_it_came_to_be_even_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, out) = (dir.path().join("listen"), dir.path().join("out"));
        fs::create_dir_all(out.join(".git")).unwrap();
        fs::create_dir_all(out.join("a/.b")).unwrap();
        for file in ["index.html", ".aem-static", ".git/x", "a/index.html", "a/.b/c"] {
            fs::write(out.join(file), "x").unwrap();
        }
        let ledger = Ledger::open(&folder, &out).unwrap();
        let all = ledger.undeployed(&out);
        assert_eq!(all.changed, ["a/.b/c", "a/index.html", "index.html"], "never deployed: everything");
        ledger.deployed(&all, true).unwrap();
        assert_eq!(ledger.unpurged(), ["/", "/a/", "/a/.b/c"]);
        ledger.announce(texts(&["a/index.html", "b.json"])).unwrap();
        fs::remove_file(out.join("a/index.html")).unwrap();
        drop(ledger);
        let ledger = Ledger::open(&folder, &out).unwrap();
        // The commit that should have made b.json never happened.
        assert_eq!(ledger.undeployed(&out), Changes { changed: vec![], removed: texts(&["a/index.html", "b.json"]) });
        ledger.purged().unwrap();
        assert!(!ledger.is_empty());
        ledger.deployed(&ledger.undeployed(&out), false).unwrap();
        assert!(ledger.is_empty());
    }

    #[test]
    fn urls_are_those_that_visitors_ask_for() {
        assert_eq!(url_path("index.html"), "/");
        assert_eq!(url_path("tours/järvi 1/index.html"), "/tours/j%C3%A4rvi%201/");
        // As pages link to it.
        assert_eq!(url_path("o'hara/index.html"), "/o%27hara/");
        assert_eq!(url_path("reindex.html"), "/reindex.html");
        assert_eq!(url_path("a/feed.xml"), "/a/feed.xml");
    }
}
