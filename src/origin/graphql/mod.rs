//! The schema AEM would generate (protocol §4), its arguments (§5), and the values behind its fields.

pub(super) mod asset_transform;
pub(super) mod configurations;
pub(super) mod errors;
pub(super) mod execute;
mod filter;
mod fragment_value;
mod inline;
pub(super) mod limits;
mod matching;
mod orders;
mod reference_value;
mod root_value;
mod scalar;
pub(super) mod schema;
mod selecting;
mod sort;
