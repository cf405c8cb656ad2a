//! The service on the socket: endpoints, persisted queries (protocol §2, §3), assets.

mod answers;
pub(super) mod endpoints;
mod execute_path;
pub(super) mod persisted;
