//! reproducible
