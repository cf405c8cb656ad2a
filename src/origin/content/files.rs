//! The JSON files of a directory: which there are, and their values, read by several threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use apollo_compiler::response::JsonValue;

use super::problem::{Page, Problem};

/// Files a thread takes at once.
const BLOCK: usize = 32;
/// Threads beyond this wait for the same disk.
const MOST_THREADS: usize = 8;

/// Every `*.json` below a directory, in order of name; hidden files are none. A directory that is not there holds none.
pub(in crate::origin) fn list(directory: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let json = |file: &Path| file.extension().is_some_and(|extension| extension == "json");
    walk(directory, problems).into_iter().filter(|file| json(file)).collect()
}

/// Every file below a directory, in order of name; hidden files are none. Symbolic links are not followed, for they may lead
/// out of the directory; that something is left out has to be said, or its pages would be taken for withdrawn.
pub(in crate::origin) fn walk(directory: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if !directory.exists() {
        return files;
    }
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let mut problem = |file: &Path, message: String| Page { file, text: "", problems }.problem(message);
        match entry {
            Ok(entry) if entry.file_name().to_string_lossy().starts_with('.') => {}
            Ok(entry) if entry.path_is_symlink() && entry.depth() > 0 => {
                problem(entry.path(), "a symbolic link, which is not followed; put the file itself here".to_owned());
            }
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => problem(error.path().unwrap_or(directory), format!("not readable: {error}")),
        }
    }
    files
}

/// The text of a file without its mark of encoding, and its value.
pub(in crate::origin) fn read(file: &Path, problems: &mut Vec<Problem>) -> Option<(String, JsonValue)> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            Page { file, text: "", problems }.problem(format!("not readable: {error}"));
            return None;
        }
    };
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    match serde_json::from_str::<JsonValue>(&text) {
        Ok(json) => Some((text, json)),
        Err(error) => {
            Page { file, text: &text, problems }.syntax(&error);
            None
        }
    }
}

/// Does something with every file, on as many threads as there are cores; the results stand in the order of the files.
pub(in crate::origin) fn in_parallel<T: Send>(files: &[PathBuf], work: impl Fn(&Path) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let threads = cores.min(files.len().div_ceil(BLOCK));
    if threads <= 1 {
        return files.iter().map(|file| work(file)).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let block = next.fetch_add(1, Ordering::Relaxed);
            let Some(files) = files.chunks(BLOCK).nth(block) else {
                return done;
            };
            done.push((block, files.iter().map(|file| work(file)).collect::<Vec<T>>()));
        }
    };
    let mut blocks = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        let mut blocks = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(done) => blocks.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        blocks
    });
    blocks.sort_unstable_by_key(|(block, _)| *block);
    blocks.into_iter().flat_map(|(_, done)| done).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::in_parallel;

    #[test]
    fn results_keep_the_order_of_the_files() {
        let files: Vec<PathBuf> = (0..1_000).map(|number| PathBuf::from(number.to_string())).collect();
        let names = in_parallel(&files, |file| file.to_string_lossy().into_owned());
        assert_eq!(names, (0..1_000).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(in_parallel(&[], |_| ()).is_empty());
    }
}
