//! What `content/` holds, read once: content fragment models, fragments, assets. Immutable after [`load::load`].

pub(super) mod asset_metadata;
pub(super) mod assets;
pub(super) mod fragments;
pub(super) mod identity;
pub(super) mod load;
pub(super) mod models;
pub(super) mod problem;
pub(super) mod repository;
