//! AEM's rich text, as JSON or as html, turned into html of this site (protocol §6).
//!
//! Links to content fragments become links to their pages, assets become the site's own files, and nothing that runs code
//! gets through. Which page, which file: the caller's [`Targets`] answer; this module looks nothing up and reads nothing.

mod html;
mod json;
mod link;

pub use html::from_html;
pub use json::from_json;

/// Where the site has what a rich text refers to. Asked in the order of the text, also for what is not there.
pub trait Targets {
    /// The URL of the page of the content fragment at `fragment_path`, if it has one.
    fn page(&mut self, fragment_path: &str) -> Option<String>;

    /// The site's own file of the asset at `dam_path`, if it can be had.
    fn asset(&mut self, dam_path: &str) -> Option<Image>;
}

/// A copied asset; a picture, if `mime` says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its URL in the site.
    pub src: String,
    /// Its width in pixels, for a picture.
    pub width: Option<u32>,
    /// Its height in pixels, for a picture.
    pub height: Option<u32>,
    /// Its media type, such as `image/jpeg`.
    pub mime: String,
}

/// Html, and what was noticed on the way to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RichText {
    /// Html that may be inserted as it is.
    pub html: String,
    /// Every kind of problem once, in the order of the text; at most [`MAX_NOTES`].
    pub notes: Vec<Note>,
}

/// How many notes a rich text keeps: enough to find the cause, however long the text is.
pub const MAX_NOTES: usize = 50;

/// Something in a rich text that was not rendered as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// A node of a type that AEM does not document; its contents were rendered.
    #[error("unknown rich text node `{0}`, only its contents were rendered")]
    UnknownNode(String),
    /// A mark that AEM does not document; the text was rendered without it.
    #[error("unknown rich text mark `{0}`, the text was rendered without it")]
    UnknownMark(String),
    /// A header of another style than `h1` to `h6`; rendered as a paragraph.
    #[error("unknown header style `{0}`, rendered as a paragraph")]
    UnknownHeader(String),
    /// A value that is not a node; left out.
    #[error("a rich text node is not an object with a `nodeType`, it was left out")]
    NotANode,
    /// A link that would run code; its text was kept.
    #[error("the link `{0}` would run code, it was removed")]
    CodeLink(String),
    /// A link to a content fragment without a page, or to an asset that cannot be had; its text was kept.
    #[error("`{0}` has neither a page nor a file in the site, the link was rendered as text")]
    NoTarget(String),
    /// A picture that cannot be had; left out, but for its alternative text.
    #[error("the image `{0}` cannot be had, it was left out")]
    NoImage(String),
    /// An element or attribute that runs code or changes the whole page; removed.
    #[error("`{0}` is not allowed in rich text, it was removed")]
    Removed(String),
    /// Nodes below the greatest depth; left out.
    #[error("rich text is nested more than {} levels deep, what is below was left out", json::MAX_DEPTH)]
    TooDeep,
    /// Html that swallows what follows it, such as an unfinished tag or comment; rendered as plain text.
    #[error("html that is not closed or not clear was rendered as plain text")]
    Broken,
}

impl RichText {
    /// Keeps `note` unless it was kept before.
    fn note(&mut self, note: Note) {
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Enough of a text of the content to find it again.
fn beginning(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests;
