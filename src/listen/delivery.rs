//! What Adobe I/O Events delivers, from bytes to events (protocol 8.2, 8.3, 8.6): one envelope, a batch of them, or the request
//! to confirm a webhook. Journal entries hold the same envelopes. Pure: whatever the bytes, it gives events or says why not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// A delivery is at most 2 MB (protocol 8.3).
pub const MAX_BYTES: usize = 2 << 20;
/// Objects and lists in each other, at most; an event has four.
const MAX_DEPTH: usize = 32;
/// Envelopes in one delivery, at most; Adobe sends 20.
const MAX_EVENTS: usize = 500;
/// Ids, types and client ids are short; a path of the repository may be longer.
const MAX_NAME: usize = 256;
const MAX_PATH: usize = 2048;

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Events, in the order in which they stand.
    Events(Vec<Event>),
    /// The address that has to be asked for the webhook to be confirmed.
    Validation(String),
}

/// Why a delivery is none. Nothing of the delivery is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// Too many bytes.
    #[error("the delivery is larger than 2 MB")]
    TooLarge,
    /// Objects and lists too deep in each other.
    #[error("the delivery is nested deeper than 32 levels")]
    TooDeep,
    /// No JSON.
    #[error("the delivery is not JSON")]
    NotJson,
    /// JSON of another kind.
    #[error("the delivery is neither an event nor a list of events")]
    NotEvents,
    /// Too many envelopes.
    #[error("the delivery holds more than 500 events")]
    TooMany,
    /// An envelope without an id or a type.
    #[error("an event has no `{0}`, or one that is no short text")]
    Missing(&'static str),
}

/// One event, reduced to what matters. What became of the content is not in it: that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Equal over all attempts to deliver it.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// The path of the content fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<String>,
    /// The path of its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The tier, of events that say which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// When it happened, in milliseconds since 1970, by AEM's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// The client it is meant for. Checked when it comes, and not kept.
    #[serde(skip)]
    pub recipient: Option<String>,
}

/// What happened to a content fragment (protocol 8.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Made.
    Created,
    /// Fields or metadata changed.
    Modified,
    /// Gone.
    Deleted,
    /// On a tier.
    Published,
    /// Taken from a tier.
    Unpublished,
    /// A variation came, changed or went.
    Variation,
    /// Elsewhere.
    Moved,
    /// Somebody asked for a build, by `POST /rebuild`.
    Asked,
    /// Something that the tool does not follow, by its type.
    Other(String),
}

impl Kind {
    const PREFIX: &str = "aem.sites.contentFragment.";

    fn of(name: &str) -> Self {
        match name.strip_prefix(Kind::PREFIX) {
            Some("created") => Kind::Created,
            Some("modified") => Kind::Modified,
            Some("deleted") => Kind::Deleted,
            Some("published") => Kind::Published,
            Some("unpublished") => Kind::Unpublished,
            Some("variation") => Kind::Variation,
            Some("moved") => Kind::Moved,
            _ => Kind::Other(name.to_owned()),
        }
    }

    /// The word for logs and counters; one for all that is not followed.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Created => "created",
            Kind::Modified => "modified",
            Kind::Deleted => "deleted",
            Kind::Published => "published",
            Kind::Unpublished => "unpublished",
            Kind::Variation => "variation",
            Kind::Moved => "moved",
            Kind::Asked => "asked",
            Kind::Other(_) => "other",
        }
    }
}

/// Reads a delivery.
///
/// # Errors
/// [`Unreadable`]; then nothing of it is to be taken.
pub fn read(bytes: &[u8]) -> Result<Delivery, Unreadable> {
    match parse(bytes)? {
        Value::Array(entries) if entries.len() > MAX_EVENTS => Err(Unreadable::TooMany),
        Value::Array(entries) => entries.iter().map(event).collect::<Result<_, _>>().map(Delivery::Events),
        Value::Object(members) => match members.get("validationUrl") {
            Some(Value::String(url)) if !members.contains_key("type") => Ok(Delivery::Validation(url.clone())),
            _ => Ok(Delivery::Events(vec![envelope(&members)?])),
        },
        _ => Err(Unreadable::NotEvents),
    }
}

/// JSON that is neither too large nor too deep.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::TooLarge);
    }
    if depth(bytes) > MAX_DEPTH {
        return Err(Unreadable::TooDeep);
    }
    serde_json::from_slice(bytes).map_err(|_| Unreadable::NotJson)
}

/// How deep objects and lists are in each other. For JSON it is exact; other bytes are refused by the parser.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// One envelope: CloudEvents 1.0 with Adobe's members, new names before old ones (protocol 8.3).
pub(super) fn event(value: &Value) -> Result<Event, Unreadable> {
    value.as_object().ok_or(Unreadable::NotEvents).and_then(envelope)
}

fn envelope(members: &Map<String, Value>) -> Result<Event, Unreadable> {
    let named = |names: &[&str]| names.iter().find_map(|name| short(members.get(*name)?, MAX_NAME));
    let id = named(&["eventid", "event_id", "id"]).ok_or(Unreadable::Missing("eventid"))?;
    let kind = named(&["type"]).ok_or(Unreadable::Missing("type"))?;
    let data = members.get("data").and_then(Value::as_object);
    let text = |name: &str, most| short(data?.get(name)?, most);
    let time = named(&["time"]).and_then(|time| time.parse::<Timestamp>().ok());
    Ok(Event {
        id: id.to_owned(),
        kind: Kind::of(kind),
        fragment: text("path", MAX_PATH).map(str::to_owned),
        model: data
            .and_then(|data| data.get("model")?.as_object()?.get("path"))
            .and_then(|path| short(path, MAX_PATH))
            .map(str::to_owned),
        tier: text("tier", MAX_NAME).map(str::to_owned),
        time: time.map(Timestamp::as_millisecond),
        recipient: named(&["recipientclientid", "recipient_client_id"]).map(str::to_owned),
    })
}

fn short(value: &Value, most: usize) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty() && text.len() <= most && !text.contains(char::is_control))
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
