//! Flags of `queries`.

use clap::{Args, Subcommand};

use super::Tier;

/// `queries …`.
#[derive(Debug, Subcommand)]
pub enum QueriesCommand {
    /// Lists the queries of content-queries/ and AEM's persisted queries, and how they stand to each other
    List(QueriesListArgs),
    /// Prints the sent form of a query: its file, and the fragment files it needs
    #[command(after_help = "Example:\n  aem-static queries show adventures")]
    Show(QueriesShowArgs),
    /// Shows line by line what a push would change in AEM
    #[command(after_help = "Exit status: 0 nothing differs, 1 something does.")]
    Diff(QueriesDiffArgs),
    /// Creates and updates persisted queries in AEM, after showing what it will do
    #[command(after_help = "Examples:\n  \
        aem-static queries push                shows what differs, asks, and does it\n  \
        aem-static queries push home --yes     one query, unasked, even if its text is the same\n\n\
        Publish them afterwards: publish and preview run what was published to them.")]
    Push(QueriesPushArgs),
    /// Writes AEM's persisted queries to content-queries/; a file that differs only if you say so
    Pull(QueriesPullArgs),
}

/// Which AEM is asked.
#[derive(Debug, Clone, Args)]
pub struct AskedTier {
    /// The tier to ask; persisted queries are kept on author, whatever tier a build reads
    #[arg(long, value_enum, default_value_t = Tier::Author)]
    pub tier: Tier,
}

/// `queries list`.
#[derive(Debug, Args)]
pub struct QueriesListArgs {
    /// Which AEM is asked.
    #[command(flatten)]
    pub asked: AskedTier,
}

/// `queries show`.
#[derive(Debug, Args)]
pub struct QueriesShowArgs {
    /// The stem of a file in content-queries/
    pub name: String,
}

/// `queries diff`.
#[derive(Debug, Args)]
pub struct QueriesDiffArgs {
    /// Queries by name [default: all]
    pub names: Vec<String>,
    /// Which AEM is asked.
    #[command(flatten)]
    pub asked: AskedTier,
}

/// `queries push`.
#[derive(Debug, Args)]
pub struct QueriesPushArgs {
    /// Queries by name, sent even if their text is the same [default: all that differ]
    pub names: Vec<String>,
    /// Does it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Deletes persisted queries that content-queries/ does not have, in the configurations that it uses
    #[arg(long, conflicts_with = "names")]
    pub prune: bool,
    /// Which AEM is asked.
    #[command(flatten)]
    pub asked: AskedTier,
}

/// `queries pull`.
#[derive(Debug, Args)]
pub struct QueriesPullArgs {
    /// Queries by name [default: all]
    pub names: Vec<String>,
    /// Replaces files that differ without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Which AEM is asked.
    #[command(flatten)]
    pub asked: AskedTier,
}
