//! What a reference in a rich text becomes. Only paths below `/content/dam/` are AEM's to resolve; every other link is
//! the author's.

use percent_encoding::percent_decode_str;

use super::{Image, Targets};
use crate::text::markup::runs_code;

const DAM: &str = "/content/dam/";

/// The fate of a link.
pub(super) enum Link {
    /// As it stands.
    Keep,
    /// Another address.
    To(String),
    /// There is nothing to link to: text only.
    Nowhere,
    /// It would run code.
    Code,
}

/// Resolves `href`, decoded text. A query and an anchor go along to a page; to a file only the anchor goes, since the
/// queries of AEM's assets choose renditions on its server.
pub(super) fn resolve(href: &str, targets: &mut dyn Targets) -> Link {
    if runs_code(href) {
        return Link::Code;
    }
    let Some(path) = dam_path(href) else { return Link::Keep };
    let query = href.trim().find(['?', '#']).map_or("", |at| &href.trim()[at..]);
    let anchor = query.find('#').map_or("", |at| &query[at..]);
    let page = targets.page(&path).or_else(|| targets.page(path.strip_suffix(".html")?));
    if let Some(url) = page {
        return Link::To(format!("{url}{query}"));
    }
    // Fragments have names without an extension: no need to ask AEM for them as files.
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.')) && !path.ends_with(".html");
    match is_file.then(|| file(&path, targets)).flatten() {
        Some(image) => Link::To(format!("{}{anchor}", image.src)),
        None => Link::Nowhere,
    }
}

/// The site's file of `src`, decoded text that is below `/content/dam/`.
pub(super) fn resolve_file(src: &str, targets: &mut dyn Targets) -> Option<Image> {
    file(&dam_path(src)?, targets)
}

/// Whether `url` is a path below `/content/dam/`, which no visitor of a static site can follow.
pub(super) fn is_dam(url: &str) -> bool {
    url.trim_start().starts_with(DAM)
}

/// The path in the repository: without query and anchor, decoded.
fn dam_path(url: &str) -> Option<String> {
    if !is_dam(url) {
        return None;
    }
    let path = url.trim().split(['?', '#']).next().unwrap_or_default();
    let decoded = percent_decode_str(path).decode_utf8();
    Some(decoded.map_or_else(|_| path.to_owned(), String::from))
}

/// Asks for the original of a path that may name one of its renditions. A path that climbs out of the repository's
/// folder is none.
fn file(path: &str, targets: &mut dyn Targets) -> Option<Image> {
    let original = ["/jcr:content", "/_jcr_content"].iter().find_map(|mark| path.find(mark)).map(|at| &path[..at]);
    let original = original.unwrap_or(path);
    if original.split('/').any(|segment| matches!(segment, "." | "..")) {
        return None;
    }
    targets.asset(original)
}
