//! What a page that is open in a browser has to do after a build: nothing, exchange its stylesheets, or load anew.

use std::path::PathBuf;

use super::files::{below_root, error_document};
use super::inject::Marks;
use super::shown::{Good, Shown};

/// What a page in a browser is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Its address, without the query.
    pub(super) path: String,
    /// The build it was served after.
    pub(super) build: u64,
    /// What it is known by.
    pub(super) marks: Marks,
}

/// What it has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stay,
    Styles,
    Reload,
}

/// Judges a page that is shown against what there is now; it is brought up to date in `held` if it stays.
pub(super) fn judge(shown: &Shown, held: &mut Held) -> Verdict {
    if shown.build == held.build {
        return Verdict::Stay;
    }
    let (Some(good), None) = (&shown.good, &shown.failed) else {
        return Verdict::Reload;
    };
    let Some(page) = bytes_of(good, &held.path) else {
        return Verdict::Reload;
    };
    let (Some(parts), marks) = (shown.parts_since(held.build), Marks::of(&page)) else {
        return Verdict::Reload;
    };
    if marks.rest != held.marks.rest || parts.iter().any(|part| concerns(part, &page)) {
        return Verdict::Reload;
    }
    let styles = marks.all != held.marks.all || parts.iter().any(|part| part.ends_with(".css"));
    held.build = shown.build;
    held.marks = marks;
    if styles { Verdict::Styles } else { Verdict::Stay }
}

/// Whether a file that changed may be part of a page: a script, or something that the page names.
fn concerns(part: &str, page: &[u8]) -> bool {
    let has = |text: &str| page.windows(text.len().max(1)).any(|window| window == text.as_bytes());
    let name = part.rsplit('/').next().unwrap_or(part);
    match name.rsplit('.').next().unwrap_or_default() {
        "css" => false,
        "js" | "mjs" | "wasm" | "json" => has("<script"),
        _ => has(name) || has(&crate::text::permalink::url_of(name)[1..]),
    }
}

/// The file that is shown at an address.
fn bytes_of(good: &Good, path: &str) -> Option<Vec<u8>> {
    let below = below_root(good, path)?;
    let decoded = percent_encoding::percent_decode_str(&below).decode_utf8().ok()?;
    let parts: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| *part == ".." || part.contains('\\')) {
        return None;
    }
    let mut file: PathBuf = good.folders.out.join(parts.join("/"));
    if below.ends_with('/') {
        file = file.join("index.html");
    }
    std::fs::read(file).ok().or_else(|| std::fs::read(error_document(good, path)?).ok())
}

#[cfg(test)]
mod tests {
    use super::concerns;

    #[test]
    fn what_a_page_is_made_of() {
        let page = b"<script src=/a.js></script><img src=/img/a%20b.png><a href=/feed.xml>";
        for part in ["js/lib.mjs", "api/x.json", "img/a b.png", "feed.xml"] {
            assert!(concerns(part, page), "{part}");
        }
        for part in ["css/a.css", "img/c.png", "sitemap.xml"] {
            assert!(!concerns(part, page), "{part}");
        }
        assert!(!concerns("a.js", b"<p>no script</p>"));
    }
}
