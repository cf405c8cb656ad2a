//! Flags of `listen`.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use clap::Args;

use super::Tier;

/// `listen`.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// The address to listen on; TLS is for a proxy in front
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port to listen on; 0 is a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Reads Adobe's journal at this address as well: works behind a firewall
    #[arg(long, value_name = "URL")]
    pub journal: Option<String>,
    /// Reads from this tier instead of the configured one
    #[arg(long, value_enum)]
    pub tier: Option<Tier>,
    /// Threads that render [default: one a core]
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Requests under way at once
    #[arg(long, value_name = "N")]
    pub concurrency: Option<NonZeroUsize>,
}
