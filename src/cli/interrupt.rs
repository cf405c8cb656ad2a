//! Ctrl-C and SIGTERM.

use std::future::Future;
#[cfg(any(feature = "origin", feature = "preview", feature = "listen"))]
use std::pin::Pin;
#[cfg(any(feature = "origin", feature = "preview", feature = "listen"))]
use std::task::Poll;

use aem_static::pipeline::Cancel;

/// Runs a build to its end; a signal asks it to stop through `cancel`. It then ends by itself, before its commit or after it,
/// and gives back what it holds: staging, the lock.
///
/// Needs a tokio runtime with I/O enabled. Where a signal handler cannot be installed the future simply runs: the system's own
/// default then ends the process, which `out/` survives as it does any kill.
pub async fn cancelling<F: Future>(build: F, cancel: &Cancel) -> F::Output {
    let mut build = std::pin::pin!(build);
    tokio::select! {
        // A build that is over is over, even when the signal came in the same instant.
        biased;
        output = &mut build => return output,
        () = signal() => cancel.set(),
    }
    build.await
}

/// Returns when Ctrl-C or SIGTERM comes.
pub async fn signal() {
    tokio::select! {
        () = ctrl_c() => (),
        () = terminate() => (),
    }
}

/// [`signal`], with its handlers in place already: whoever was told of this process may stop it from then on.
#[cfg(any(feature = "origin", feature = "preview", feature = "listen"))]
pub async fn armed() -> Pin<Box<impl Future<Output = ()>>> {
    let mut stopped = Box::pin(signal());
    // Handlers are installed when the future is first polled.
    let already = std::future::poll_fn(|context| Poll::Ready(stopped.as_mut().poll(context).is_ready())).await;
    Box::pin(async move {
        if !already {
            stopped.await;
        }
    })
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
