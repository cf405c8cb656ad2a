//! `init [DIR]`: writes the starter site that build.rs checked and packed. It never overwrites: if one file is in the way,
//! nothing is written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::args::{Global, InitArgs};
use super::outcome::Status;
use super::summary::counted;
use super::terminal::Terminal;

mod packed {
    include!(concat!(env!("OUT_DIR"), "/starter.rs"));
}

/// How many files in the way are named.
const NAMED: usize = 10;

/// Writes the starter site into the folder, and says what to do next.
pub fn run(args: &InitArgs, global: &Global, terminal: &Terminal) -> Status {
    let directory = global.directory.join(&args.into);
    let in_the_way = in_the_way(&directory, packed::STARTER);
    if !in_the_way.is_empty() {
        terminal.failure(&refusal(&in_the_way));
        return Status::Usage;
    }
    let mut written = Vec::new();
    if let Err((path, error)) = write(&directory, packed::STARTER, &mut written) {
        take_back(&written);
        terminal.failure(&format!("{} cannot be written: {error}; nothing was kept", path.display()));
        return Status::Usage;
    }
    let shown = directory.display().to_string();
    let files = packed::STARTER.len();
    let fields = [("directory", shown.as_str().into()), ("files", files.into())];
    terminal.result(&next(&directory, files), "initialised", &fields);
    Status::Done
}

fn next(directory: &Path, files: usize) -> String {
    let here = directory.components().all(|part| part == std::path::Component::CurDir);
    let files = counted(files as u64, "file");
    let (place, flag) = if here {
        ("the current folder".to_owned(), String::new())
    } else {
        let directory = directory.display();
        (directory.to_string(), format!(" -C {directory}"))
    };
    format!(
        "wrote the starter site to {place}: {files}\n\nnext:\n  \
         aem-static{flag} build     exports it to out/, from content/ and without AEM\n  \
         aem-static{flag} routes    shows every route and what it makes\n\n\
         then edit aem-static.toml, content-queries/ and templates/, and set AEM_HOST to read from your AEM\n"
    )
}

/// What stands where a file of the starter site goes, or where a folder for one has to be; sorted.
fn in_the_way(directory: &Path, starter: &[(&str, &[u8])]) -> Vec<PathBuf> {
    let mut found = std::collections::BTreeSet::new();
    for (path, _) in starter {
        let target = directory.join(path);
        if target.symlink_metadata().is_ok() {
            found.insert(target);
            continue;
        }
        let folders = target.ancestors().skip(1).filter(|folder| folder.exists() && !folder.is_dir());
        found.extend(folders.map(Path::to_path_buf));
    }
    found.into_iter().collect()
}

fn refusal(in_the_way: &[PathBuf]) -> String {
    let named: Vec<_> = in_the_way.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    let more = match in_the_way.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("init never overwrites, and nothing was written; in the way: {}{more}", named.join(", "))
}

/// Writes every file, noting files and folders it made in the order it made them.
fn write(directory: &Path, starter: &[(&str, &[u8])], written: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    for (path, bytes) in starter {
        let target = directory.join(path);
        let folders: Vec<_> = target.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
        for folder in folders.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir(folder).map_err(|error| (folder.to_path_buf(), error))?;
            written.push(folder.to_path_buf());
        }
        // `create_new` also refuses a file that appeared since it was looked for.
        let mut file = File::create_new(&target).map_err(|error| (target.clone(), error))?;
        written.push(target.clone());
        file.write_all(bytes).map_err(|error| (target, error))?;
    }
    Ok(())
}

/// Removes what a failed run made, newest first; a folder that somebody else has used by now stays.
fn take_back(written: &[PathBuf]) {
    for path in written.iter().rev() {
        let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    const SITE: &[(&str, &[u8])] = &[("a.toml", b"x"), ("b/c/d.html", b"y"), ("b/e.html", b"z")];

    #[test]
    fn a_failed_run_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/e.html"), "mine").unwrap();
        let mut written = Vec::new();
        let (path, _) = write(folder.path(), SITE, &mut written).unwrap_err();
        assert_eq!(path, folder.path().join("b/e.html"));
        take_back(&written);
        assert!(!folder.path().join("a.toml").exists() && !folder.path().join("b/c").exists());
        assert_eq!(fs::read(folder.path().join("b/e.html")).unwrap(), b"mine");
    }

    #[test]
    fn files_and_folders_in_the_way_are_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b"), "a file where a folder goes").unwrap();
        fs::write(folder.path().join("a.toml"), "mine").unwrap();
        let found = in_the_way(folder.path(), SITE);
        assert_eq!(found, [folder.path().join("a.toml"), folder.path().join("b")]);
    }

    #[test]
    fn the_packed_site_is_whole() {
        let paths: Vec<_> = packed::STARTER.iter().map(|(path, _)| *path).collect();
        assert!(paths.is_sorted() && paths.contains(&"aem-static.toml") && paths.contains(&".gitignore"));
    }
}
