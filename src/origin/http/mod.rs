//! The service on the socket: endpoints, persisted queries (protocol §2, §3), assets; around it authorisation (§7) and faults.

pub(super) mod access;
mod answers;
mod asked;
mod caching;
mod control;
pub(super) mod counts;
mod delivery;
pub(super) mod endpoints;
pub(super) mod execute_path;
pub(super) mod fault;
pub(super) mod gate;
mod ims;
mod jwt;
mod pages;
pub(super) mod persist;
pub(super) mod persisted;
mod query_service;
mod spoiled;
mod stale;
mod store;
pub(super) mod wire;
