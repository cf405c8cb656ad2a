//! Ctrl-C and SIGTERM: runs a future until it ends or one of them comes. Dropping the future is all that is done to it, so
//! whatever it holds (staging, the lock) is given back by its own destructors, and `out/` is as it was.

use std::future::Future;

/// How [`until_interrupted`] ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<T> {
    /// The future came to its end.
    Finished(T),
    /// A signal came first; the future was dropped.
    Interrupted,
}

/// Runs `future` until it ends or Ctrl-C or SIGTERM comes.
///
/// Needs a tokio runtime with I/O enabled. Where a signal handler cannot be installed the future simply runs: the system's own
/// default then ends the process, which `out/` survives as it does any kill.
pub async fn until_interrupted<F: Future>(future: F) -> Ended<F::Output> {
    tokio::select! {
        // A build that is over is over, even when the signal came in the same instant.
        biased;
        output = future => Ended::Finished(output),
        () = signal() => Ended::Interrupted,
    }
}

async fn signal() {
    tokio::select! {
        () = ctrl_c() => (),
        () = terminate() => (),
    }
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_future_that_ends_is_finished() {
        assert_eq!(until_interrupted(async { 7 }).await, Ended::Finished(7));
    }
}
