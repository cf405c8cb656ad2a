//! From AEM into content-queries/. A file that differs is written only where that was said, and a name that AEM sends is a file's
//! name only if it can be nothing else.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::{Compared, Comparison, Standing, versions};
use crate::site::Site;

/// Where queries stand.
const FOLDER: &str = "content-queries";

/// One file that a pull writes.
#[derive(Debug, Clone)]
pub struct Pull<'a> {
    /// The query.
    pub query: &'a Compared,
    /// The file, relative to the site directory.
    pub file: String,
    /// Whether a file of that name is there, with another text.
    pub replaces: bool,
    text: String,
}

/// A query that a pull leaves out.
#[derive(Debug, Clone)]
pub struct NotPulled<'a> {
    /// The query.
    pub query: &'a Compared,
    /// Why.
    pub why: String,
}

/// What a pull would write: what only AEM has, and what differs, of all queries or of those that are named.
pub fn pulls<'a>(site: &Site, comparison: &'a Comparison, named: &[String]) -> (Vec<Pull<'a>>, Vec<NotPulled<'a>>) {
    let (mut pulls, mut left) = (Vec::new(), Vec::new());
    for query in comparison.queries.iter().filter(|query| named.is_empty() || named.contains(&query.name)) {
        let Some(remote) = &query.remote else { continue };
        let planned = match (query.standing, &query.local, &query.file) {
            (Standing::OnlyInAem, ..) => created(site, query, &remote.text, &pulls),
            // Only settings differ, which no file holds.
            (Standing::Differs, Some(local), _) if versions::same_text(&remote.text, &local.text) => continue,
            (Standing::Differs, Some(local), Some(file)) => match own_part(&remote.text, &local.shared) {
                Some(text) => Ok(Pull { query, file: file.clone(), replaces: true, text }),
                None => {
                    Err("its text is made of several files, and AEM's fragments are others: compare by `queries diff`"
                        .to_owned())
                }
            },
            _ => continue,
        };
        match planned {
            Ok(pull) => pulls.push(pull),
            Err(why) => left.push(NotPulled { query, why }),
        }
    }
    (pulls, left)
}

/// AEM's text without the fragment files that stand behind a query's own.
fn own_part(remote: &str, shared: &str) -> Option<String> {
    let (remote, shared) = (super::with_line_end(remote), shared.replace("\r\n", "\n"));
    if shared.trim().is_empty() {
        return Some(remote);
    }
    let own = remote.trim_end().strip_suffix(shared.trim_end())?;
    Some(own.to_owned())
}

fn created<'a>(site: &Site, query: &'a Compared, remote: &str, before: &[Pull<'_>]) -> Result<Pull<'a>, String> {
    let name = &query.name;
    if !is_file_name(name) {
        return Err("its name cannot be a file's".to_owned());
    }
    if site.queries.get(name).is_some() || site.queries.is_broken(name) {
        return Err(format!("content-queries/ has a query `{name}` of another configuration"));
    }
    let file = format!("{FOLDER}/{name}.graphql");
    let taken = before.iter().any(|pull| pull.file.eq_ignore_ascii_case(&file));
    if taken || site.dir.join(&file).symlink_metadata().is_ok() {
        return Err(format!("{file} is there, and is something else"));
    }
    let mut text = super::with_line_end(remote);
    if query.configuration != site.config.aem.configuration && !versions::names_configuration(&text) {
        text = format!("# configuration: {}\n{text}", query.configuration);
    }
    Ok(Pull { query, file, replaces: false, text })
}

/// A name that is one segment on every system.
fn is_file_name(name: &str) -> bool {
    let odd = |letter: char| letter.is_control() || r#"/\:*?"<>|"#.contains(letter);
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && !name.ends_with(['.', ' '])
        && !name.contains(odd)
}

/// Writes one file, whole or not at all; a new one never over another.
///
/// # Errors
/// What the system says.
pub fn pull(site: &Path, pull: &Pull<'_>) -> io::Result<()> {
    let file = site.join(&pull.file);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    if !pull.replaces {
        let mut new = fs::File::options().write(true).create_new(true).open(&file)?;
        return new.write_all(pull.text.as_bytes());
    }
    // Beside it, so that a reader sees the old file or the new one.
    let beside = file.with_extension("graphql.new");
    fs::write(&beside, &pull.text)?;
    fs::rename(&beside, &file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_s_own_part_is_what_stands_before_its_fragments() {
        assert_eq!(own_part("{ a }", "").as_deref(), Some("{ a }\n"));
        assert_eq!(own_part("{ b }\n\nfragment f on F { x }", "\nfragment f on F { x }\n").as_deref(), Some("{ b }\n"));
        assert_eq!(own_part("{ b }\n\nfragment f on F { y }", "\nfragment f on F { x }\n"), None);
    }

    #[test]
    fn names_that_are_more_than_a_name_are_no_files() {
        for odd in ["", "..", "../x", "a/b", "a\\b", ".git", "a\n", "c:x", "x.", "x ", &"x".repeat(201)] {
            assert!(!is_file_name(odd), "{odd:?}");
        }
        for fine in ["stories", "Rezepte für alle", "a.b", "a-b_c"] {
            assert!(is_file_name(fine), "{fine:?}");
        }
    }
}
