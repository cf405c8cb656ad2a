//! One integration binary. The tests run the real command as a process; content comes over sockets, from the built-in origin
//! or from a server that misbehaves on purpose.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// The house: imports look up, documents are true.
mod floors;

/// Site directories made for a test, and the command run in them.
#[cfg(feature = "origin")]
#[macro_use]
mod site;

/// An AEM that answers as a test wants it to, faults included.
#[cfg(feature = "origin")]
mod server;

/// Every message that a user can meet, whole.
#[cfg(feature = "origin")]
mod diagnostics;

/// Is AEM there, and what keeps us from it?
#[cfg(feature = "origin")]
mod doctor;

/// From a credentials file to a built site, whatever goes wrong on the way.
#[cfg(feature = "origin")]
mod access;

/// What the terminal shows while things go well.
#[cfg(feature = "origin")]
mod terminal;

/// design.md §4 and §5, sentence by sentence.
#[cfg(feature = "origin")]
mod semantics;

/// Pages of a result, followed to their end.
#[cfg(feature = "origin")]
mod paging;

/// Same input, same bytes; changes, one at a time.
#[cfg(feature = "origin")]
mod reproducible;

/// What a build keeps for the next, and commands that read it.
#[cfg(feature = "origin")]
mod kept;

/// What a build changed, or would.
#[cfg(feature = "origin")]
mod diff;

/// Random changes: a build after any of them is a clean build.
#[cfg(feature = "origin")]
mod model;

/// `on_error = "hold"`: what fails stays as it was.
#[cfg(feature = "origin")]
mod hold;

/// Content and templates that mean harm.
#[cfg(feature = "origin")]
mod hostile;

/// Builds killed at any moment.
#[cfg(feature = "origin")]
mod crash;

/// Disks without room, folders without permission, files in the way.
#[cfg(feature = "origin")]
mod full;

/// Nothing withdrawn stays.
#[cfg(feature = "origin")]
mod withdrawn;

/// Builds that are stopped, and builds that meet.
#[cfg(feature = "origin")]
mod interrupt;

/// The starter site, `init` and `clean`.
#[cfg(feature = "origin")]
mod starter;

/// Publish events in, rebuilt and deployed site out.
#[cfg(all(feature = "origin", feature = "listen"))]
mod listen;
/// The server of whoever writes templates and content.
#[cfg(all(feature = "origin", feature = "preview"))]
mod preview;

/// The built-in origin by itself.
#[cfg(feature = "origin")]
mod origin;
mod sabotage;
