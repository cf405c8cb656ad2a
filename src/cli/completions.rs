//! `completions SHELL`: a completion script on stdout.

use clap::CommandFactory;

use super::args::{CommandLine, CompletionsArgs};
use super::outcome::Status;
use super::terminal::Terminal;

/// Prints the script, made from the same definition as the flags themselves.
pub fn run(args: &CompletionsArgs, terminal: &Terminal) -> Status {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "aem-static", &mut script);
    let script = String::from_utf8_lossy(&script);
    let fields = [("shell", args.shell.to_string().into()), ("script", script.as_ref().into())];
    terminal.result(&script, "completions", &fields);
    Status::Done
}
