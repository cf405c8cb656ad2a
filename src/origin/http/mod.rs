//! The service on the socket: endpoints, persisted queries (protocol §2, §3), assets.

mod answers;
mod caching;
pub(super) mod endpoints;
mod execute_path;
mod persist;
pub(super) mod persisted;
mod query_service;
mod store;
