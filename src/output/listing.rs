//! `out/.aem-static`: the list of the tool's files, one line each, and the id of the commit that made them.
//!
//! ```text
//! aem-static 1 <digest over the lines below, hex>
//! <digest, hex> <size> <class letter> <path>
//! ```
//!
//! Sorted by path and free of times, so that the same site has the same list.

use std::{fs, io};

use super::error::OutputError;
use super::files::SortedFiles;
use super::folder::Folder;
use super::path::{self, LIST};
use crate::text::texts::{Text, Texts};

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
#[derive(Debug, Default)]
pub struct Listing {
    paths: Texts,
    /// Sorted by path.
    entries: Vec<(Text, Entry)>,
    /// An entry each, or none at all.
    stamps: Vec<u64>,
    commit: Option<String>,
}

/// The modification times of the files of one commit, in nanoseconds since 1970 and in the order of the list; 0 is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The id of the commit.
    pub commit: String,
    /// A time a file.
    pub times: Vec<u64>,
}

/// A file of the last build.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    pub(super) entry: Entry,
    /// Its modification time, where it is known.
    pub(super) stamp: Option<u64>,
}

impl Listing {
    /// The file of this output path.
    pub(super) fn get(&self, path: &str) -> Option<Listed> {
        let at = self.position(path)?;
        Some(Listed { entry: self.entries[at].1, stamp: self.stamps.get(at).copied().filter(|stamp| *stamp != 0) })
    }

    /// Where a path stands in the order of the list.
    pub fn position(&self, path: &str) -> Option<usize> {
        self.entries.binary_search_by(|(other, _)| self.paths.get(*other).cmp(path)).ok()
    }

    /// Takes the times that belong to this commit.
    pub(super) fn stamp(&mut self, stamps: Stamps) {
        if self.commit.as_deref() == Some(&*stamps.commit) && stamps.times.len() == self.entries.len() {
            self.stamps = stamps.times;
        }
    }

    /// All entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (self.paths.get(*path), entry))
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
    let mut listing = Listing { commit: Some(commit.to_owned()), ..Listing::default() };
    let mut last = "";
    for (index, line) in lines.lines().enumerate() {
        let (path, entry) = parse_line(line).map_err(|why| (index + 2, why))?;
        if path <= last {
            return Err((index + 2, "the paths are not in order"));
        }
        let text = listing.paths.push(path).ok_or((index + 2, path::TOO_LONG))?;
        listing.entries.push((text, entry));
        last = path;
    }
    Ok(listing)
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

/// The id of a commit: the digest over the lines of its list.
pub(super) fn id(files: &SortedFiles) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut line = String::new();
    for (path, made) in files.iter() {
        write_line(&mut line, path, &made.entry);
        hasher.update(line.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Writes the list of a commit.
pub(super) fn write(files: &SortedFiles, id: &str, to: &mut dyn io::Write) -> io::Result<()> {
    writeln!(to, "{HEADER}{id}")?;
    let mut line = String::new();
    for (path, made) in files.iter() {
        write_line(&mut line, path, &made.entry);
        to.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn write_line(line: &mut String, path: &str, entry: &Entry) {
    line.clear();
    let hex = blake3::Hash::from_bytes(entry.digest).to_hex();
    let size = entry.size.to_string();
    for part in [hex.as_str(), " ", &size, " ", entry.class.letter(), " ", path, "\n"] {
        line.push_str(part);
    }
}
