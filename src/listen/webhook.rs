//! What becomes of a delivery: nobody is told that it was accepted before it is on disk, and nothing of one that is refused is kept.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::time::Instant;

use super::delivery::{self, Delivery, Event, Kind};
use super::keys::Verdict;
use super::queue::QueueError;
use super::rebuild::{self, Claims, Refused, Sender};
use super::server::{self, seconds, text};
use super::signature::KeyPath;
use super::status::{Topic, log, now};
use super::{App, challenge};
use crate::report::Event as Told;

/// The request to confirm a webhook is short.
const MAX_CONFIRMATION: usize = 8 << 10;
/// Adobe gives up after 10 s (protocol 8.5), whatever we wait for: a body, a key, the disk.
const LONGEST: Duration = Duration::from_millis(9_500);

/// `POST /events`.
pub(super) async fn deliver(State(app): State<Arc<App>>, request: Request) -> Response {
    let began = Instant::now();
    let headers = request.headers().clone();
    let body = match server::body(request).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    match tokio::time::timeout_at(began + LONGEST, take(&app, &headers, &body)).await {
        Ok(answer) => answer,
        Err(_) => later(&app, "late", "it takes too long now"),
    }
}

async fn take(app: &Arc<App>, headers: &HeaderMap, body: &Bytes) -> Response {
    let (Some(keys), Some(client_id)) = (&app.keys, &app.client_id) else {
        return refused(app, "off", StatusCode::NOT_FOUND, "events are off: no client id is set");
    };
    let signatures = signatures(headers);
    if signatures.is_empty() {
        return unsigned(app, body);
    }
    match keys.verify(body, &signatures).await {
        Verdict::Good => {}
        Verdict::Bad => return refused(app, "signature", StatusCode::UNAUTHORIZED, "no signature fits"),
        Verdict::Unknown => {
            return later(app, "key", "the key of the signature could not be had");
        }
    }
    match delivery::read(body) {
        Ok(Delivery::Events(events)) => {
            if events.iter().any(|event| event.recipient.as_ref() != Some(client_id)) {
                return refused(app, "recipient", StatusCode::UNAUTHORIZED, "an event is for another client");
            }
            accept(app, events).await
        }
        Ok(Delivery::Validation(url)) => confirm(app, &url),
        Err(problem) => refused(app, "malformed", StatusCode::BAD_REQUEST, &problem.to_string()),
    }
}

/// Signature 1 goes with key 1, signature 2 with key 2.
fn signatures(headers: &HeaderMap) -> Vec<(String, KeyPath)> {
    let pair =
        |signature: &str, key: &str| Some((text(headers, signature)?.to_owned(), KeyPath::parse(text(headers, key)?)?));
    let one = pair("x-adobe-digital-signature-1", "x-adobe-public-key1-path");
    let two = pair("x-adobe-digital-signature-2", "x-adobe-public-key2-path");
    one.into_iter().chain(two).collect()
}

/// Without a signature only the request to confirm the webhook is taken: it names an address of Adobe's or is refused.
fn unsigned(app: &Arc<App>, body: &Bytes) -> Response {
    if body.len() <= MAX_CONFIRMATION
        && let Ok(Delivery::Validation(url)) = delivery::read(body)
    {
        return confirm(app, &url);
    }
    refused(app, "signature", StatusCode::UNAUTHORIZED, "not signed, or by a key that is none")
}

/// Asks the address in the background: Adobe wants its answer first (protocol 8.2).
fn confirm(app: &Arc<App>, asked: &str) -> Response {
    let Some(url) = challenge::confirmation(asked, &app.confirm.connection().base) else {
        return refused(app, "confirmation", StatusCode::BAD_REQUEST, "the address to confirm is not Adobe's");
    };
    let Ok(place) = app.confirming.clone().try_acquire_owned() else {
        return later(app, "confirmation", "another confirmation is under way");
    };
    let app = app.clone();
    tokio::spawn(async move {
        let text = match app.confirm.fetch(&url).await {
            Ok(received) if (200..300).contains(&received.status) => "the webhook is confirmed".to_owned(),
            Ok(received) => format!("the webhook could not be confirmed: status {}", received.status),
            Err(failure) => format!("the webhook could not be confirmed: {}", failure.kind),
        };
        app.reporter.emit(log("confirmed", text).into());
        drop(place);
    });
    server::json(StatusCode::OK, &json!({ "confirming": true }))
}

/// `POST /rebuild`.
pub(super) async fn rebuild(State(app): State<Arc<App>>, request: Request) -> Response {
    let headers = request.headers().clone();
    let body = match server::body(request).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let claims = Claims {
        authorization: text(&headers, "authorization"),
        signature: text(&headers, "x-signature-256"),
        timestamp: text(&headers, "x-timestamp"),
    };
    let sender = match rebuild::sender(app.secret.as_ref(), claims, &body, seconds()) {
        Ok(sender) => sender,
        Err(problem) => {
            let status = if problem == Refused::Off { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED };
            return refused(&app, "rebuild", status, &problem.to_string());
        }
    };
    let (id, once) = match &sender {
        Sender::Signed(signature) => (signature.clone(), true),
        Sender::Bearer => (app.name_request(), false),
    };
    let events = match rebuild::events(&body, &id) {
        Ok(events) => events,
        Err(problem) => return refused(&app, "malformed", StatusCode::BAD_REQUEST, &problem.to_string()),
    };
    match app.queue.accept(events, None).await {
        Ok(accepted) if once && accepted.new == 0 => {
            refused(&app, "replay", StatusCode::CONFLICT, "this signature has been used")
        }
        Ok(accepted) => {
            count(&app, [Kind::Asked.word()].into_iter().cycle().take(accepted.new), 0, 0);
            server::json(StatusCode::ACCEPTED, &json!({ "accepted": accepted.new }))
        }
        Err(problem) => not_kept(&app, &problem),
    }
}

/// Keeps what matters of the events, and then says so.
async fn accept(app: &Arc<App>, events: Vec<Event>) -> Response {
    let all = events.len();
    let events: Vec<Event> = events.into_iter().filter(|event| app.follows(event)).collect();
    let ignored = all - events.len();
    let kinds: Vec<&'static str> = events.iter().map(|event| event.kind.word()).collect();
    let sent = events.len();
    let kept = match sent {
        0 => Ok(super::queue::Accepted::default()),
        _ => app.queue.accept(events, None).await,
    };
    match kept {
        Ok(accepted) => {
            // Of a delivery that came in part before, which kinds were new is not worth knowing.
            count(app, kinds.into_iter().take(accepted.new), accepted.known, ignored);
            let told = json!({ "accepted": accepted.new, "repeated": accepted.known, "ignored": ignored });
            server::json(StatusCode::OK, &told)
        }
        Err(problem) => not_kept(app, &problem),
    }
}

fn count(app: &App, new: impl Iterator<Item = &'static str>, repeated: usize, ignored: usize) {
    app.status.change(|known| {
        let mut any = false;
        for kind in new {
            *known.events.entry(kind).or_default() += 1;
            any = true;
        }
        if any {
            known.last_event = Some(now());
            known.trouble(Topic::Queue, None);
        }
        known.repeated += repeated as u64;
        known.ignored += ignored as u64;
    });
}

/// The sender comes again later (protocol 8.5).
fn not_kept(app: &App, problem: &QueueError) -> Response {
    app.status.change(|known| known.trouble(Topic::Queue, Some(problem.to_string())));
    app.reporter.emit(log("not-kept", format!("events were turned away: {problem}")).into());
    later(app, "queue", "events cannot be taken now")
}

fn later(app: &App, reason: &'static str, text: &str) -> Response {
    app.status.change(|known| *known.refused.entry(reason).or_default() += 1);
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], format!("{text}\n")).into_response()
}

/// Nothing of what came is in the answer or a log.
fn refused(app: &App, reason: &'static str, status: StatusCode, text: &str) -> Response {
    app.status.change(|known| *known.refused.entry(reason).or_default() += 1);
    app.reporter.emit(Told::Detail(format!("a request was refused with {}: {text}", status.as_u16())));
    (status, format!("{text}\n")).into_response()
}
