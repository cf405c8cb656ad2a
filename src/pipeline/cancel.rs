//! One way to stop a build before its commit.

use std::sync::Arc;

use tokio::sync::watch;

/// A switch that is set once, by Ctrl-C, and looked at by every step.
#[derive(Debug, Clone)]
pub struct Cancel {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Cancel { sender: Arc::new(watch::channel(false).0) }
    }
}

impl Cancel {
    /// Asks the build to stop. A commit that has begun is finished.
    pub fn set(&self) {
        self.sender.send_replace(true);
    }

    /// Whether the build is to stop.
    pub fn is_set(&self) -> bool {
        *self.sender.borrow()
    }

    /// Returns when the build is to stop.
    pub async fn wait(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.sender.subscribe().wait_for(|set| *set).await;
    }
}
