//! What the client does by itself, as notes: long pauses and renewed tokens.

use std::sync::Arc;

use crate::aem::{Incident, Observer};
use crate::report::{Event, Reporter};

/// Tells a reporter. A pause is worth a line, since nothing else moves meanwhile.
pub(super) fn observer(reporter: &Arc<dyn Reporter>) -> Observer {
    let reporter = reporter.clone();
    Arc::new(move |incident| {
        reporter.emit(match incident {
            Incident::HeldBack { status, pause } => {
                Event::Note(format!("AEM is busy ({status}) and asks to wait: going on in {} s", pause.as_secs()))
            }
            Incident::TokenRefused { status } => {
                Event::Detail(format!("AEM refused the access token ({status}): asking for another"))
            }
        });
    })
}
