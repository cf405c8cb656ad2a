//! Permalinks: where a page is written below `out/`, and the URL it has there (design.md §4, "Paths").
//!
//! Unsafe paths are refused, never repaired: a repaired path would be one that nobody wrote in a route.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization as _;

mod claims;

pub use claims::{Claims, Conflict, ConflictKind};

/// The greatest length of one segment, in bytes of UTF-8 after NFC: what every file system holds, with room for the
/// suffix of a file that is being written.
pub const MAX_SEGMENT_BYTES: usize = 200;

/// The greatest length of a whole path, in bytes: with the site's own folder before it, it stays below the 4,096 of a
/// system call, so that no commit stops half-way at a path that cannot be written.
pub const MAX_PATH_BYTES: usize = 2_000;

/// The state file of the tool in `out/`: no page may take its place.
const RESERVED: &str = ".aem-static";

/// What may stand in a URL's segment as it is: RFC 3986 `pchar`, less `'`, which would end an attribute in single quotes.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// A validated path of the site, made by [`parse`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permalink {
    output: String,
    url: String,
}

impl Permalink {
    /// The file below `out/`, such as `tours/x/index.html`: NFC, relative, of plain segments only.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// The percent-encoded URL path, such as `/tours/x/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the file is an HTML page: its name ends in `.html` or `.htm`.
    pub fn is_html(&self) -> bool {
        let lowered = self.output.to_ascii_lowercase();
        lowered.ends_with(".html") || lowered.ends_with(".htm")
    }
}

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path does not begin with `/`.
    #[error("path `{path}` does not start with `/`")]
    Relative {
        /// The path as it was found.
        path: String,
    },
    /// Two slashes with nothing between them.
    #[error("path `{path}` has an empty segment")]
    EmptySegment {
        /// The path as it was found.
        path: String,
    },
    /// A segment is `.` or `..`.
    #[error("path `{path}` has the segment `{segment}`")]
    DotSegment {
        /// The path as it was found.
        path: String,
        /// `.` or `..`.
        segment: String,
    },
    /// A character that no path may hold.
    #[error("path {path:?} holds {}", name_of(*.char))]
    Character {
        /// The path as it was found.
        path: String,
        /// The first such character.
        char: char,
    },
    /// A segment is longer than [`MAX_SEGMENT_BYTES`].
    #[error("a segment of {bytes} bytes is longer than {MAX_SEGMENT_BYTES}: `{segment}`")]
    LongSegment {
        /// The beginning of the segment.
        segment: String,
        /// Its length, in bytes.
        bytes: usize,
    },
    /// The path is longer than [`MAX_PATH_BYTES`].
    #[error("a path of {bytes} bytes is longer than {MAX_PATH_BYTES}: `{path}`")]
    LongPath {
        /// The beginning of the path.
        path: String,
        /// Its length, in bytes.
        bytes: usize,
    },
    /// The path neither ends in `/` nor names a file with an extension.
    #[error("path `{path}` has neither a final `/` nor an extension")]
    NoExtension {
        /// The path as it was found.
        path: String,
    },
    /// The path is the tool's own.
    #[error("path `{path}` begins with `{segment}`, which belongs to aem-static")]
    Reserved {
        /// The path as it was found.
        path: String,
        /// Its first segment.
        segment: String,
    },
}

impl PathError {
    /// What to do next.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Relative { .. } => "begin the path with `/`",
            Self::EmptySegment { .. } => "leave out one of the two slashes, or insert text between them",
            Self::DotSegment { .. } => "write the path without `.` and `..`",
            Self::Character { .. } => "put the text through `slugify`, or change it in the content",
            Self::LongSegment { .. } | Self::LongPath { .. } => "use a shorter field, or `truncate` the text",
            Self::NoExtension { .. } => {
                "end the path in `/` for a page of its own folder, or in an extension such as `.json`"
            }
            Self::Reserved { .. } => "choose another first segment",
        }
    }
}

/// Why a text may not be inserted into a path by an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// Null, or nothing but white space.
    #[error("the inserted text is empty")]
    Empty,
    /// A slash in a text that is not marked as a path.
    #[error("the inserted text `{text}` holds `/`")]
    Slash {
        /// The beginning of the text.
        text: String,
    },
    /// A character that no path may hold.
    #[error("the inserted text {text:?} holds {}", name_of(*.char))]
    Character {
        /// The beginning of the text.
        text: String,
        /// The first such character.
        char: char,
    },
    /// The text, or a segment of it, is `.` or `..`.
    #[error("the inserted text is `{text}`, a step to another folder")]
    Dots {
        /// The beginning of the text.
        text: String,
    },
}

impl InsertError {
    /// What to do next.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Empty => "fill the field in AEM, leave such items out with `where`, or use `default`",
            Self::Slash { .. } => "put it through `slugify`, or say `| safe` if it is meant as several segments",
            Self::Character { .. } | Self::Dots { .. } => "put it through `slugify`, or change it in the content",
        }
    }
}

/// Validates the whole text of a path, after its expressions were evaluated.
///
/// A path that ends in `/` is the `index.html` there, every other is the file it names. Percent signs are refused, as a
/// path is written in characters and encoded only in the URL.
///
/// # Errors
/// [`PathError`] says which rule of design.md §4 the path breaks and with which character or segment.
pub fn parse(path: &str) -> Result<Permalink, PathError> {
    // Most paths are ASCII, which is NFC already.
    let path: String = if path.is_ascii() { path.to_owned() } else { path.nfc().collect() };
    if let Some(char) = path.chars().find(|&char| is_refused(char)) {
        return Err(PathError::Character { char, path: beginning(&path) });
    }
    let Some(relative) = path.strip_prefix('/') else {
        return Err(PathError::Relative { path: beginning(&path) });
    };
    if path.len() > MAX_PATH_BYTES {
        return Err(PathError::LongPath { bytes: path.len(), path: beginning(&path) });
    }
    let (folder, directory) = match relative.strip_suffix('/') {
        Some(folder) => (folder, true),
        None => (relative, relative.is_empty()),
    };
    if !relative.is_empty() {
        check_segments(&path, folder)?;
    }
    if !directory && !has_extension(relative) {
        return Err(PathError::NoExtension { path });
    }
    let output = if directory { format!("{relative}index.html") } else { relative.to_owned() };
    let url = utf8_percent_encode(&path, SEGMENT).to_string();
    Ok(Permalink { output, url })
}

/// The URL path of an output path that is not a route's: a static file, an asset. `css/ä.css` is `/css/%C3%A4.css`.
pub fn url_of(output: &str) -> String {
    format!("/{}", utf8_percent_encode(output, SEGMENT))
}

/// Validates a text that an expression inserts into a path: it may not change which folder the path is in.
///
/// `safe` is true when the expression ends in `| safe`: then the text may hold slashes, and nothing else more.
///
/// # Errors
/// [`InsertError`] says what the text holds. Text without anything visible is empty, as it would make the path shorter.
pub fn check_inserted(text: &str, safe: bool) -> Result<(), InsertError> {
    if text.trim().is_empty() {
        return Err(InsertError::Empty);
    }
    if let Some(char) = text.chars().find(|&char| is_refused(char)) {
        return Err(InsertError::Character { char, text: beginning(text) });
    }
    if !safe && text.contains('/') {
        return Err(InsertError::Slash { text: beginning(text) });
    }
    if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(InsertError::Dots { text: beginning(text) });
    }
    Ok(())
}

/// The path of page `number` of a list: `<list>page/<number>/` (design.md §4, "Lists"). `list` ends in `/`.
pub fn with_page(list: &str, number: u32) -> String {
    format!("{list}page/{number}/")
}

fn check_segments(path: &str, folder: &str) -> Result<(), PathError> {
    for (index, segment) in folder.split('/').enumerate() {
        match segment {
            "" => return Err(PathError::EmptySegment { path: beginning(path) }),
            "." | ".." => {
                return Err(PathError::DotSegment { path: beginning(path), segment: segment.to_owned() });
            }
            _ => {}
        }
        if segment.len() > MAX_SEGMENT_BYTES {
            return Err(PathError::LongSegment { segment: beginning(segment), bytes: segment.len() });
        }
        // `.aem-static` on a disk that does not tell cases apart, too; and its temporary neighbours.
        let lowered = segment.to_lowercase();
        if index == 0 && lowered.strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            return Err(PathError::Reserved { path: beginning(path), segment: segment.to_owned() });
        }
    }
    Ok(())
}

fn is_refused(char: char) -> bool {
    matches!(char, '\\' | '?' | '#' | '%') || char.is_control()
}

fn has_extension(relative: &str) -> bool {
    let name = relative.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && !extension.is_empty())
}

/// How a refused character reads in a message.
fn name_of(char: char) -> String {
    if char.is_control() {
        return format!("the control character U+{:04X}", u32::from(char));
    }
    format!("`{char}`")
}

/// Enough of a text to know it again; content may put megabytes here.
fn beginning(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
