//! The built-in origin over its socket: Adobe's documented cases, and content made here.

mod conformance;
mod content;
mod http;
mod protocol;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use aem_static::origin::{Options, Running, start};

/// An origin on a free port.
async fn serve(content: &Path, queries: Option<&Path>) -> Running {
    let options = Options {
        content: content.to_owned(),
        queries: queries.map(Path::to_owned),
        configuration: "acme".to_owned(),
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
    };
    start(options).await.unwrap()
}
