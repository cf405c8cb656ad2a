//! Server-sent events: one stream a page that is open, which says what it has to do.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use http_body::Frame;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::inject::Marks;
use super::listening::App;
use super::verdict::{Held, Verdict, judge};

/// How often a stream says that it is there; one that nobody reads ends then.
const PULSE: Duration = Duration::from_secs(15);

/// What a page says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    page: String,
    build: u64,
    run: String,
    all: String,
    rest: String,
}

/// The stream of a page.
pub(super) async fn stream(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Response {
    let (sender, receiver) = mpsc::channel(4);
    let held = Held { path: asked.page, build: asked.build, marks: Marks { all: asked.all, rest: asked.rest } };
    let known = asked.run == app.stage.run;
    tokio::spawn(follow(app, held, known, sender));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Body::new(Events(receiver))).into_response()
}

/// Judges the page after every build, until it has to be loaded anew or is gone.
async fn follow(app: Arc<App>, mut held: Held, known: bool, sender: mpsc::Sender<Bytes>) {
    let mut builds = app.stage.follow();
    // Proxies and browsers hold back a beginning without content.
    if sender.send(Bytes::from_static(b"retry: 500\n: here\n\n")).await.is_err() {
        return;
    }
    if !known {
        // It is a page of a process before this one.
        app.stage.built().await;
        let _ = sender.send(Bytes::from_static(b"event: reload\ndata: now\n\n")).await;
        return;
    }
    loop {
        let shown = builds.borrow_and_update().clone();
        let judged = tokio::task::spawn_blocking(move || {
            let verdict = judge(&shown, &mut held);
            (verdict, held)
        });
        let Ok((verdict, kept)) = judged.await else { return };
        held = kept;
        let event = match verdict {
            Verdict::Stay => None,
            Verdict::Styles => Some(Bytes::from(format!("event: styles\ndata: {}\n\n", held.build))),
            Verdict::Reload => Some(Bytes::from_static(b"event: reload\ndata: now\n\n")),
        };
        if let Some(event) = event
            && (sender.send(event).await.is_err() || verdict == Verdict::Reload)
        {
            return;
        }
        tokio::select! {
            changed = builds.changed() => if changed.is_err() { return },
            sent = pulse(&sender) => if !sent { return },
        }
    }
}

/// Keeps the stream alive; ends when nobody reads it.
async fn pulse(sender: &mpsc::Sender<Bytes>) -> bool {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PULSE) => {
                if sender.send(Bytes::from_static(b":\n\n")).await.is_err() {
                    return false;
                }
            }
            () = sender.closed() => return false,
        }
    }
}

/// A body that grows as events come.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}
