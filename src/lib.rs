//! aem-static: a static-site content exporter for AEM Headless.
//!
//! The library is a river: **load, plan, fetch, shape, render, write, report**. Rooms stand here in floor order, and a
//! room uses only the rooms above it; `tests/it/floors.rs` checks that. The terminal (flags, bars, exit statuses) belongs to
//! the binary (`src/cli/`), so nothing here can print, exit, or read flags and environment.
//!
//! [`origin`] is an annex: an AEM-compatible GraphQL server over `content/`. It shares nothing with the river but HTTP.

pub mod report;

pub mod aem;

pub mod text;

pub mod site;

pub mod shape;

pub mod state;

pub mod plan;

pub mod render;

pub mod output;

pub mod pipeline;

#[cfg(feature = "listen")]
pub mod listen;
#[cfg(feature = "preview")]
pub mod preview;

#[cfg(feature = "origin")]
pub mod origin;
