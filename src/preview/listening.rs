//! The server: its addresses, and what stands in front of them.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;

use super::gate::{self, Gate};
use super::shown::Stage;
use super::{Options, Pending, events, files, fragment, inspector};
use crate::pipeline::Cancel;

/// What every request sees.
#[derive(Debug)]
pub(super) struct App {
    pub(super) options: Arc<Options>,
    pub(super) stage: Arc<Stage>,
    pub(super) pending: Arc<Pending>,
}

/// Serves until cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    options: Arc<Options>,
    stage: Arc<Stage>,
    pending: Arc<Pending>,
    cancel: Cancel,
) {
    let gate = Arc::new(Gate::new(options.host, &options.names));
    let app = Arc::new(App { options, stage, pending });
    let router = Router::new()
        .merge(tool())
        .route("/_preview", get(fragment::find))
        .fallback(files::serve)
        .with_state(app)
        // It leaves ranges, images and streams of events alone.
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(gate, gate::check));
    tokio::select! {
        // Streams of events have no end: nobody waits for them.
        _ = axum::serve(listener, router) => {}
        () = cancel.wait() => {}
    }
}

/// The tool's own addresses.
fn tool() -> Router<Arc<App>> {
    Router::new()
        .route("/_aem-static", get(inspector::overview))
        .route("/_aem-static/", get(inspector::overview))
        .route("/_aem-static/route", get(inspector::route))
        .route("/_aem-static/page", get(inspector::page))
        .route("/_aem-static/search", get(inspector::search))
        .route("/_aem-static/events", get(events::stream))
        .route(
            "/_aem-static/style.css",
            get(|| async { text("text/css; charset=utf-8", include_str!("client/style.css")) }),
        )
        .route("/_aem-static/reload.js", get(|| async { script(include_str!("client/reload.js")) }))
        .route("/_aem-static/inspector.js", get(|| async { script(include_str!("client/inspector.js")) }))
        .route("/_aem-static/{*other}", get(inspector::nothing))
}

fn script(source: &'static str) -> Response {
    text("text/javascript; charset=utf-8", source)
}

fn text(kind: &'static str, source: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], source).into_response()
}
