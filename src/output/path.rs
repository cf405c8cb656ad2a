//! Output paths, validated once more at the last door: whatever the rooms above let through, nothing leaves `out/`.

use std::path::{Component, Path};

use super::OutputError;

/// The list of the tool's files, at the top of `out/`.
pub(super) const LIST: &str = ".aem-static";

/// Why a path of more than 65,535 bytes is refused.
pub(super) const TOO_LONG: &str = "it is longer than 65,535 bytes";

/// Refuses a path that is not plainly a file below `out/`.
pub(super) fn check(path: &str) -> Result<(), OutputError> {
    match objection(path) {
        None => Ok(()),
        Some(why) => Err(OutputError::Unsafe { path: path.to_owned(), why }),
    }
}

/// Why `path` is refused, if it is.
pub(super) fn objection(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        // A line break would also break the list, which has one path a line.
        return Some("it holds a backslash or a control character");
    }
    for (index, segment) in path.split('/').enumerate() {
        match segment {
            "" => return Some("it is absolute or has an empty segment"),
            "." | ".." => return Some("it has a segment `.` or `..`"),
            _ if index == 0 && segment.eq_ignore_ascii_case(LIST) => {
                return Some("that name is kept for the list of the tool's files");
            }
            _ => {}
        }
    }
    // Drive letters and the like, where the platform has them.
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    (!plain).then_some("it does not lie below the output folder")
}

/// The folder of `path`; empty for `out/` itself.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The folders above `path`, outermost first, `out/` itself left out.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
