//! Web-optimised delivery (protocol §10.2): images of the DAM cut, turned, scaled and encoded on demand, bounded in memory and
//! time whatever is asked. Knows files and parameters, neither HTTP nor GraphQL.

mod encoding;
mod kept;
pub(super) mod parameters;
mod pixels;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::Semaphore;

use kept::Kept;
use parameters::{Format, Parameters};

/// Images worked on at the same time; each may hold some hundred megabytes of pixels.
const AT_ONCE: usize = 2;

/// Bytes of a file that is looked at at all.
const MOST_FILE: u64 = 64 * 1024 * 1024;

/// Why an image is not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The file is not there any more.
    #[error("the image is not there")]
    Gone,
    /// What is asked cannot be made of this image.
    #[error("{0}")]
    Impossible(String),
    /// The work was broken off.
    #[error("the image could not be made")]
    BrokenOff,
}

/// A delivered image.
#[derive(Debug, Clone)]
pub(super) struct Delivered {
    pub bytes: Arc<Vec<u8>>,
    pub mime: &'static str,
}

/// What one delivery is known by. A file that changes has another time or size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    path: String,
    modified: Option<SystemTime>,
    size: u64,
    parameters: Parameters,
}

/// The delivery service of one origin.
pub(super) struct Images {
    kept: Mutex<Kept<Key>>,
    turns: Semaphore,
}

impl Default for Images {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept::default()), turns: Semaphore::new(AT_ONCE) }
    }
}

impl Images {
    /// The image in `file` as the parameters want it. `mime` is the file's own type.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn deliver(&self, file: &Path, mime: &str, parameters: Parameters) -> Result<Delivered, Refusal> {
        let about = tokio::fs::metadata(file).await.map_err(|_| Refusal::Gone)?;
        if about.len() > MOST_FILE {
            return Err(Refusal::Impossible(format!("the file has more than {MOST_FILE} bytes")));
        }
        let format = parameters.delivered();
        let path = file.to_string_lossy().into_owned();
        let key = Key { path, modified: about.modified().ok(), size: about.len(), parameters };
        if let Some(bytes) = self.kept().get(&key) {
            return Ok(Delivered { bytes, mime: format.mime() });
        }
        // Two who ask for the same at once do the work twice and get the same bytes.
        let _turn = self.turns.acquire().await.map_err(|_| Refusal::BrokenOff)?;
        let stored = tokio::fs::read(file).await.map_err(|_| Refusal::Gone)?;
        let untouched = key.parameters.changes_nothing() && Format::of_mime(mime) == Some(format);
        let bytes = if untouched {
            stored
        } else {
            let parameters = key.parameters.clone();
            let work = tokio::task::spawn_blocking(move || make(&stored, &parameters));
            work.await.map_err(|_| Refusal::BrokenOff)??
        };
        let bytes = Arc::new(bytes);
        self.kept().put(key, bytes.clone());
        Ok(Delivered { bytes, mime: format.mime() })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept<Key>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(stored: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Refusal> {
    let pixels = pixels::changed(pixels::decoded(stored)?, parameters)?;
    encoding::encoded(pixels.into_rgba8(), parameters.delivered(), parameters.quality).map_err(Refusal::Impossible)
}
