//! What a run of the binary came to, as an exit status; the one place that knows the numbers (design.md §7).

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Everything was done.
    Done,
    /// Content or templates have problems.
    Problems,
    /// The command line or the configuration is wrong.
    Usage,
    /// AEM could not be reached, or refused access.
    Unreachable,
    /// The deploy command failed.
    Deploy,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// The command that `lock` ran ended with this.
    Command(u8),
}

impl Status {
    /// Every status of our own, in the order of the numbers.
    pub const ALL: [Status; 6] =
        [Status::Done, Status::Problems, Status::Usage, Status::Unreachable, Status::Deploy, Status::Interrupted];

    /// The exit status as a number.
    pub fn number(self) -> u8 {
        match self {
            Status::Done => 0,
            Status::Problems => 1,
            Status::Usage => 2,
            Status::Unreachable => 3,
            Status::Deploy => 4,
            Status::Interrupted => 130,
            Status::Command(number) => number,
        }
    }

    /// What the status means, for `--help` and the README's table.
    pub fn meaning(self) -> &'static str {
        match self {
            Status::Done => "done",
            Status::Problems => "content or template problems",
            Status::Usage => "usage or configuration",
            Status::Unreachable => "AEM unreachable or access refused",
            Status::Deploy => "deploy failed",
            Status::Interrupted => "interrupted",
            Status::Command(_) => "that of the command",
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status.number())
    }
}
