//! `lock -- COMMAND`: runs a command while no build can start, so that an uploader sees one site and not half of the next.

use std::process::Command;
use std::time::Duration;

use aem_static::output::{Adopt, Mode, Output};
use aem_static::report::{Event, Reporter};
use aem_static::state;

use super::args::{Global, LockArgs};
use super::load;
use super::outcome::Status;
use super::terminal::Terminal;

/// How long a command that only reads waits for a build.
pub const WAIT: Duration = Duration::from_secs(5);

/// Runs the command; its exit status is the result, as far as it has one.
pub fn run(args: &LockArgs, global: &Global, terminal: &Terminal) -> Status {
    held(args, global, terminal).unwrap_or_else(|status| status)
}

fn held(args: &LockArgs, global: &Global, terminal: &Terminal) -> Result<Status, Status> {
    let loaded = load::site("lock", global, None, load::Flags::new(), terminal)?;
    let failed = |diagnostic| {
        terminal.emit(Event::Diagnostic(diagnostic));
        terminal.failure("lock failed; the command was not run");
        Status::Usage
    };
    let _lock = state::lock(&loaded.site.dir, "lock", WAIT).map_err(|error| failed(error.diagnostic()))?;
    // Half a commit is no site to upload: it is finished first.
    if let Err(error) = Output::open(&loaded.site.out_dir(), Mode::DryRun, Adopt::No) {
        return Err(failed(error.diagnostic()));
    }
    let mut command = Command::new(&args.command[0]);
    match command.args(&args.command[1..]).status() {
        Ok(status) => {
            Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(Status::Problems, Status::Command))
        }
        Err(error) => {
            let name = args.command[0].to_string_lossy();
            terminal.failure(&format!("`{name}` could not be run: {error}"));
            Err(Status::Usage)
        }
    }
}
