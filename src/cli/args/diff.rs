//! Flags of `diff`.

use clap::Args;

use super::Tier;

/// `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Only this file of out/ or URL path, and what lies below it
    pub paths: Vec<String>,
    /// Compares out/ with what a build would make now; nothing is written there
    #[arg(long)]
    pub dry_run: bool,
    /// With a diff of the text that visitors see
    #[arg(long)]
    pub text: bool,
    /// As Markdown, short enough for a comment
    #[arg(long)]
    pub markdown: bool,
    /// Asks nobody: compares with the answers that the last build kept
    #[arg(long, requires = "dry_run")]
    pub offline: bool,
    /// Reads from this tier instead of the configured one
    #[arg(long, value_enum, requires = "dry_run")]
    pub tier: Option<Tier>,
}
