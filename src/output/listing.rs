//! `out/.aem-static`: the list of the tool's files, one line each, and the id of the commit that made them.
//!
//! ```text
//! aem-static 1 <digest over the lines below, hex>
//! <digest, hex> <size> <class letter> <path>
//! ```
//!
//! Sorted by path and free of times, so that the same site has the same list.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{fs, io};

use super::error::OutputError;
use super::folder::Folder;
use super::path::{self, LIST};

const HEADER: &str = "aem-static 1 ";

/// What kind of file it is. A commit goes by this order, so that no page links to a file that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Images, files of `static/`.
    Asset,
    /// Pages of `each` routes.
    Page,
    /// Listings and groups.
    List,
    /// What points at everything: pages of `page` routes, feeds, sitemap.
    Index,
}

impl Class {
    const ALL: [Class; 4] = [Class::Asset, Class::Page, Class::List, Class::Index];

    fn letter(self) -> &'static str {
        match self {
            Class::Asset => "a",
            Class::Page => "p",
            Class::List => "l",
            Class::Index => "i",
        }
    }
}

/// One file as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    /// Its length in bytes.
    pub size: u64,
    /// Its place in the order of a commit.
    pub class: Class,
}

/// What the last build made: path relative to `out/` → [`Entry`].
#[derive(Debug, Clone, Default)]
pub struct Listing {
    entries: BTreeMap<String, Entry>,
    commit: Option<String>,
}

impl Listing {
    /// The entry of this output path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// All entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// How many files.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the last build made no file, or there was none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The id of the commit: the digest over all entries, hex. `None` if there is no list.
    pub fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    pub(super) fn is_absent(&self) -> bool {
        self.commit.is_none()
    }

    /// Reads the list; an absent one is empty. A list whose lines do not fit its id was changed by somebody, and what it names
    /// is not safe to remove.
    pub(super) fn read(folder: &Folder) -> Result<Self, OutputError> {
        let shown = folder.shown(LIST);
        let text = match fs::read(folder.path(LIST)) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
            Err(cause) => return Err(OutputError::io("read", shown, cause)),
        };
        parse(&text).map_err(|(line, why)| OutputError::List { path: shown, line, why })
    }
}

fn parse(text: &[u8]) -> Result<Listing, (usize, &'static str)> {
    let text = str::from_utf8(text).map_err(|_| (1, "it is not UTF-8"))?;
    let (header, lines) = text.split_once('\n').ok_or((1, "it has no header"))?;
    let commit = header.strip_prefix(HEADER).ok_or((1, "it is not a list of aem-static, or one of another version"))?;
    if blake3::hash(lines.as_bytes()).to_hex().as_str() != commit {
        return Err((1, "it was changed by hand: its lines do not fit its id"));
    }
    let mut entries = BTreeMap::new();
    for (index, line) in lines.lines().enumerate() {
        let (path, entry) = parse_line(line).map_err(|why| (index + 2, why))?;
        entries.insert(path.to_owned(), entry);
    }
    Ok(Listing { entries, commit: Some(commit.to_owned()) })
}

fn parse_line(line: &str) -> Result<(&str, Entry), &'static str> {
    let mut parts = line.splitn(4, ' ');
    let mut part = || parts.next().ok_or("it is not `<digest> <size> <class> <path>`");
    let digest = blake3::Hash::from_hex(part()?).map_err(|_| "the digest is not one")?;
    let size = part()?.parse().map_err(|_| "the size is not a number")?;
    let letter = part()?;
    let class = Class::ALL.into_iter().find(|class| class.letter() == letter);
    let path = part()?;
    if path::objection(path).is_some() {
        return Err("the path is unsafe");
    }
    let entry = Entry { digest: *digest.as_bytes(), size, class: class.ok_or("the class is unknown")? };
    Ok((path, entry))
}

/// The text of the list and the commit's id.
pub(super) fn write<'a>(entries: impl Iterator<Item = (&'a str, &'a Entry)>) -> (String, String) {
    let mut lines = String::new();
    for (path, entry) in entries {
        let hex = blake3::Hash::from_bytes(entry.digest).to_hex();
        writeln!(lines, "{hex} {} {} {path}", entry.size, entry.class.letter()).expect("a String takes any text");
    }
    let commit = blake3::hash(lines.as_bytes()).to_hex().to_string();
    (format!("{HEADER}{commit}\n{lines}"), commit)
}
