//! What a run of the binary came to, as an exit status; the one place that knows the numbers (design.md §7).

use std::process::ExitCode;

/// How a command ended. The number is the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Everything was done.
    Done = 0,
    /// Content or templates have problems.
    Problems = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// AEM could not be reached, or refused access.
    Unreachable = 3,
    /// The deploy command failed.
    Deploy = 4,
    /// Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl Status {
    /// Every status, in the order of the numbers.
    pub const ALL: [Status; 6] =
        [Status::Done, Status::Problems, Status::Usage, Status::Unreachable, Status::Deploy, Status::Interrupted];

    /// The exit status as a number.
    pub fn number(self) -> u8 {
        self as u8
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
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status.number())
    }
}
