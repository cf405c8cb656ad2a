//! The built-in origin over its socket: Adobe's documented cases, and content made here.

mod access;
mod command;
mod configurations;
mod conformance;
mod content;
mod faults;
pub mod http;
mod images;
pub mod node_client;
mod persisted;
mod problems;
mod properties;
mod protocol;
mod published;
mod reload;
mod schema;
mod shapes;
mod tiers;
mod wknd;

use std::path::Path;

use aem_static::origin::{Options, Running, start};

/// An origin on a free port, as author.
async fn serve(content: &Path, queries: Option<&Path>) -> Running {
    serve_as(Options::default(), content, queries).await
}

/// An origin on a free port with options of its own.
async fn serve_as(options: Options, content: &Path, queries: Option<&Path>) -> Running {
    let (content, queries) = (content.to_owned(), queries.map(Path::to_owned));
    start(Options { content, queries, configuration: "acme".to_owned(), ..options }).await.unwrap()
}
