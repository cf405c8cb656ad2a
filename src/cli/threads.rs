//! The runtime of commands that wait for AEM, or serve.

use std::future::Future;

use super::outcome::Status;
use super::terminal::Terminal;

/// Runs a command's work on threads of its own.
pub fn run(terminal: &Terminal, work: impl Future<Output = Status>) -> Status {
    wait(terminal, work).unwrap_or_else(|status| status)
}

/// Waits for work on threads of its own.
///
/// # Errors
/// The command's status, where the system has no threads to give; it is told.
pub fn wait<T>(terminal: &Terminal, work: impl Future<Output = T>) -> Result<T, Status> {
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => Ok(runtime.block_on(work)),
        Err(error) => {
            terminal.failure(&format!("threads could not be started: {error}"));
            Err(Status::Usage)
        }
    }
}
