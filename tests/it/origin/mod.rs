//! The built-in origin over its socket: Adobe's documented cases, and content made here.

mod conformance;
mod content;
mod http;
mod protocol;

use std::path::Path;

use aem_static::origin::{Options, Running, start};

/// An origin on a free port.
async fn serve(content: &Path, queries: Option<&Path>) -> Running {
    let options = Options {
        content: content.to_owned(),
        queries: queries.map(Path::to_owned),
        configuration: "acme".to_owned(),
        ..Options::default()
    };
    start(options).await.unwrap()
}
