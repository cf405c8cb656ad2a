//! What was typed: flags and arguments as clap reads them, typed, with nothing derived, no file read and no environment seen.

#[cfg(feature = "origin")]
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

mod diff;
#[cfg(feature = "listen")]
mod listen;
#[cfg(feature = "origin")]
mod origin;
#[cfg(feature = "preview")]
mod preview;
mod queries;

#[cfg(feature = "origin")]
pub use origin::{AccessArgs, FaultArgs, RefusalStatus, TimeUnit};

pub use diff::DiffArgs;
#[cfg(feature = "listen")]
pub use listen::ListenArgs;
#[cfg(feature = "preview")]
pub use preview::PreviewArgs;
pub use queries::{QueriesCommand, QueriesDiffArgs, QueriesPullArgs, QueriesPushArgs, QueriesShowArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "aem-static",
    version,
    about = "Exports the content of Adobe Experience Manager as a static site",
    long_about = "Exports the content of Adobe Experience Manager as a static site.\n\n\
        Runs every GraphQL query in content-queries/ against AEM, turns each content fragment into pages through the Tera \
        templates in templates/, and writes HTML, JSON, feeds, sitemap and images to out/.",
    after_help = "Exit status: 0 done, 1 problems, 2 usage, 3 AEM unreachable, 130 interrupted. More with --help.",
    after_long_help = super::help::after_long_help(),
    max_term_width = 100,
    infer_long_args = false,
    disable_help_subcommand = true
)]
pub struct CommandLine {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The site directory, the one that holds aem-static.toml
    #[arg(short = 'C', value_name = "DIR", global = true, default_value = ".", hide_default_value = true)]
    pub directory: PathBuf,
    /// Applies [profile.NAME] of aem-static.toml
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// How to report: for people, or one JSON event a line on stdout
    #[arg(long, value_enum, global = true, default_value_t = Format::Human)]
    pub format: Format,
    /// Says only what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Says more: every file, and where each setting came from
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colour; auto heeds NO_COLOR, CLICOLOR_FORCE and TERM=dumb
    #[arg(long, value_enum, value_name = "WHEN", global = true, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
}

/// For whom output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text, and bars on a terminal
    Human,
    /// One JSON event a line
    Json,
}

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where content is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// The built-in origin over content/
    Local,
    /// AEM's author tier
    Author,
    /// AEM's preview tier
    Preview,
    /// AEM's publish tier
    Publish,
}

impl Tier {
    /// The word as the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Local => "local",
            Tier::Author => "author",
            Tier::Preview => "preview",
            Tier::Publish => "publish",
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes the starter site; never overwrites a file
    #[command(after_help = "Example:\n  aem-static init my-site && aem-static -C my-site build")]
    Init(InitArgs),
    /// Exports the site to out/
    #[command(after_help = "Examples:\n  \
        aem-static build                       renders what changed and writes the files that differ\n  \
        aem-static build --dry-run             what would change, written nowhere\n  \
        AEM_HOST=https://publish-p1-e1.adobeaemcloud.com aem-static build --tier publish\n\n\
        Any exit status but 0 means that out/ is as it was.")]
    Build(BuildArgs),
    /// Serves the site while it is written: rebuilds what changes and reloads the browser
    #[cfg(feature = "preview")]
    #[command(after_help = "Its URL is the first line on stdout. Ctrl-C stops it. Inspector: <URL>/_aem-static/\n\n\
        Examples:\n  \
        aem-static preview --open                  the site as it is configured, in a browser\n  \
        aem-static preview --tier author           what editors see, asked for anew every 5 s")]
    Preview(PreviewArgs),
    /// Receives publish events of AEM, rebuilds the site and deploys it
    #[cfg(feature = "listen")]
    #[command(
        after_help = "Its URL is the first line on stdout. SIGTERM or Ctrl-C stops it when the running build is done; a second one \
        stops that, too.\n\n\
        Example:\n  aem-static listen --port 8080       # Adobe posts to https://…/events, through a proxy with TLS\n\n\
        docs/listen.md shows how to register it with Adobe, and how to deploy."
    )]
    Listen(ListenArgs),
    /// Says whether AEM can be reached and read, and what to mend if not
    #[command(after_help = "Examples:\n  \
        aem-static doctor --tier author\n  \
        aem-static doctor --dispatcher ../aem/dispatcher/src   # reads the filters of the AEM project as well\n\n\
        Exit status: 0 a build can read AEM, 3 a link is broken, 2 a setting is wrong.")]
    Doctor(DoctorArgs),
    /// Tells what a file of out/ was made from and why it was rendered, or every file that a content fragment reaches
    #[command(after_help = "Examples:\n  \
        aem-static why tours/saimaa-by-canoe/index.html\n  \
        aem-static why /tours/saimaa-by-canoe/\n  \
        aem-static why --fragment /content/dam/longlight/en/authors/aino")]
    Why(WhyArgs),
    /// Tells what the last build changed, or what one would change: pages created, changed, removed, each with its reason
    #[command(after_help = "A build that changes nothing leaves what is told as it was.\n\nExamples:\n  \
        aem-static diff --text                     with what visitors see change\n  \
        aem-static diff --text /tours/             of this file, or of all below this path\n  \
        aem-static diff --dry-run --text --markdown > comment.md   # for a pull request")]
    Diff(DiffArgs),
    /// Runs a command, such as an uploader, while no build can start
    #[command(after_help = "Its exit status is the command's.\n\n\
        Example:\n  aem-static lock -- rsync -a --exclude .aem-static out/ web:/srv/www/")]
    Lock(LockArgs),
    /// Shows every route, how many pages it makes, and an example of each
    Routes(RoutesArgs),
    /// Compares content-queries/ with AEM's persisted queries, and brings one to the other
    #[command(subcommand)]
    Queries(QueriesCommand),
    /// Removes the tool's files from out/, and its state
    #[command(after_help = "Only files that a build made are removed; yours stay.")]
    Clean,
    /// Tells more about a diagnostic code
    #[command(after_help = "Example:\n  aem-static explain E0302")]
    Explain(ExplainArgs),
    /// Prints a completion script for a shell
    #[command(
        after_help = "Example:\n  aem-static completions bash > ~/.local/share/bash-completion/completions/aem-static"
    )]
    Completions(CompletionsArgs),
    /// Runs the built-in AEM-compatible origin as a server of its own
    #[cfg(feature = "origin")]
    #[command(after_help = "Its URL is the first line on stdout. Ctrl-C stops it.\n\n\
        Example:\n  aem-static origin --port 4502")]
    Origin(Box<OriginArgs>),
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder for the new site; made if it is not there
    // The flag -C has the id `directory`; with the same one the argument would be that flag's value.
    #[arg(id = "into", value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub into: PathBuf,
}

/// `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// A file of out/, or its URL path
    #[arg(required_unless_present = "fragment")]
    pub path: Option<String>,
    /// Lists every file that this content fragment reaches
    #[arg(long, value_name = "PATH", conflicts_with = "path")]
    pub fragment: Option<String>,
}

/// `lock`.
#[derive(Debug, Args)]
pub struct LockArgs {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

/// `build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Compares every file of out/ byte for byte, trusting nothing that earlier builds wrote down
    #[arg(long)]
    pub full: bool,
    /// Lists what would be created (+), updated (~) and removed (-), with the reason, and writes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Asks nobody: builds from the answers and assets that the last build kept
    #[arg(long)]
    pub offline: bool,
    /// Lists every file that is created (+), updated (~) or removed (-), with the reason
    #[arg(long)]
    pub explain: bool,
    /// Allows more removals than [build] max_removals
    #[arg(long)]
    pub allow_removals: bool,
    /// What fails stays as the last good build left it, and the rest is exported: [build] on_error = "hold"
    #[arg(long)]
    pub keep_going: bool,
    /// Takes over an out/ that has files of somebody else: what the build does not make is removed
    #[arg(long)]
    pub adopt: bool,
    /// Keeps what came when AEM answers with data and errors; the summary names the queries
    #[arg(long)]
    pub allow_partial: bool,
    /// Fails if AEM answers otherwise than the last build, or has another text of a persisted query than its file
    #[arg(long, conflicts_with = "offline")]
    pub locked: bool,
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

/// `routes`.
#[derive(Debug, Args)]
pub struct RoutesArgs {
    /// Reads from this tier instead of the configured one
    #[arg(long, value_enum)]
    pub tier: Option<Tier>,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Looks at this tier instead of the configured one
    #[arg(long, value_enum)]
    pub tier: Option<Tier>,
    /// The project's Dispatcher folder, the one that holds conf.dispatcher.d/
    #[arg(long, value_name = "DIR")]
    pub dispatcher: Option<PathBuf>,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code such as E0302, in upper or lower case
    pub code: String,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `origin`.
#[cfg(feature = "origin")]
#[derive(Debug, Args)]
pub struct OriginArgs {
    /// Content fragments, models and assets [default: content/ of the site]
    #[arg(long, value_name = "DIR")]
    pub content: Option<PathBuf>,
    /// Queries that answer as persisted ones [default: content-queries/ of the site]
    #[arg(long, value_name = "DIR")]
    pub queries: Option<PathBuf>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port to listen on; 0 is a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// The tier to stand in for
    #[arg(long, value_enum, default_value_t = OriginTier::Author)]
    pub tier: OriginTier,
    /// Lets direct queries pass on preview and publish, whose Dispatcher refuses them by default
    #[arg(long)]
    pub allow_post: bool,
    /// Answers 400 or 500 to a query with errors, as application/graphql-response+json, instead of 200
    #[arg(long)]
    pub graphql_response_json: bool,
    /// Who may ask.
    #[command(flatten)]
    pub access: AccessArgs,
    /// What goes wrong.
    #[command(flatten)]
    pub faults: FaultArgs,
}

/// The tier the built-in origin stands in for.
#[cfg(feature = "origin")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OriginTier {
    /// Everything answers, unpublished content too
    Author,
    /// As publish, for content before it goes live
    Preview,
    /// Behind a Dispatcher: persisted queries and assets only
    Publish,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use clap::CommandFactory;

    use super::*;

    fn help(path: &[&str]) -> String {
        let mut command = CommandLine::command().term_width(100);
        command.build();
        let mut command = &mut command;
        for name in path {
            command = command.find_subcommand_mut(name).unwrap();
        }
        command.render_long_help().to_string()
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    #[cfg(feature = "origin")]
    fn help_of_the_tool() {
        insta::assert_snapshot!(help(&[]));
    }

    #[test]
    fn help_of_build() {
        insta::assert_snapshot!(help(&["build"]));
    }

    #[test]
    #[cfg(feature = "origin")]
    fn help_of_origin() {
        insta::assert_snapshot!(help(&["origin"]));
    }

    #[test]
    fn flags_of_every_command_stand_anywhere() {
        let line = CommandLine::try_parse_from(["aem-static", "build", "-C", "site", "--dry-run", "--format", "json"]);
        let line = line.unwrap();
        assert_eq!(line.global.directory, PathBuf::from("site"));
        assert_eq!(line.global.format, Format::Json);
        assert!(matches!(line.command, Command::Build(args) if args.dry_run && !args.full));
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other_and_zero_workers_are_refused() {
        assert!(CommandLine::try_parse_from(["aem-static", "-q", "-v", "clean"]).is_err());
        assert!(CommandLine::try_parse_from(["aem-static", "build", "--workers", "0"]).is_err());
    }
}
