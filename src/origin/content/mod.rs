//! What `content/` holds, read once: content fragment models, fragments, assets. Immutable after [`load::load`].

pub(super) mod asset_metadata;
pub(super) mod assets;
pub(super) mod files;
pub(super) mod fragments;
pub(super) mod identity;
pub(super) mod load;
pub(super) mod markup;
pub(super) mod model_files;
pub(super) mod models;
pub(super) mod place;
pub(super) mod problem;
pub(super) mod published;
pub(super) mod repository;
pub(super) mod values;
