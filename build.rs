//! Checks and packs the starter site.
fn main() {}
