//! The door: parse, run the command, turn its outcome into an exit status.

mod cli;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use cli::args::{Command, CommandLine};
use cli::outcome::Status;
use cli::terminal::{Files, Terminal};

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version are asked for, and end well; whether anybody still reads them is not our concern.
            let _ = error.print();
            return if error.use_stderr() { Status::Usage.into() } else { Status::Done.into() };
        }
    };
    let files = match &line.command {
        Command::Build(args) if args.dry_run => Files::Result,
        Command::Build(args) if args.explain => Files::Reasons,
        _ => Files::Detail,
    };
    let terminal = Arc::new(Terminal::standard(&line.global, files));
    let status = run(&line, &terminal);
    terminal.close(status).into()
}

fn run(line: &CommandLine, terminal: &Arc<Terminal>) -> Status {
    let global = &line.global;
    match &line.command {
        Command::Init(args) => cli::init::run(args, global, terminal),
        Command::Build(args) => cli::build::run(args, global, terminal),
        #[cfg(feature = "preview")]
        Command::Preview(args) => cli::preview::run(args, global, terminal),
        #[cfg(feature = "listen")]
        Command::Listen(args) => cli::listen::run(args, global, terminal),
        Command::Doctor(args) => cli::doctor::run(args, global, terminal),
        Command::Routes(args) => cli::routes::run(args, global, terminal),
        Command::Diff(args) => cli::diff::run(args, global, terminal),
        Command::Why(args) => cli::why::run(args, global, terminal),
        Command::Lock(args) => cli::lock::run(args, global, terminal),
        Command::Queries(command) => cli::queries::run(command, global, terminal),
        Command::Clean => cli::clean::run(global, terminal),
        Command::Explain(args) => cli::explain::run(args, terminal),
        Command::Completions(args) => cli::completions::run(args, terminal),
        #[cfg(feature = "origin")]
        Command::Origin(args) => cli::origin::run(args, global, terminal),
    }
}
