//! Adobe's journal instead of the webhook (protocol 8.7).

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{CLIENT, DEPLOY, Listening, event, key_server, site};
use crate::server::{Reply, Server, say};

const PATH: &str = "/events/organizations/1/integrations/2/3";

fn next(position: &str) -> String {
    format!("content-type: application/json\r\nlink: <{PATH}?since={position}>; rel=\"next\"\r\n")
}

fn entries(position: &str, events: &[Value]) -> Reply {
    let entries: Vec<Value> = events.iter().map(|event| json!({ "position": position, "event": event })).collect();
    let body = json!({ "events": entries, "_page": { "last": position, "count": entries.len() } });
    say("200 OK", &next(position), body.to_string())
}

/// A journal that ends at `a`, and goes on when a test says so: (since, answer), each given once.
fn journal(script: Arc<Mutex<Vec<(&'static str, Reply)>>>) -> Server {
    Server::start(move |request| {
        let since = request.path.split_once('?').map_or("", |(_, query)| query).to_owned();
        let mut script = script.lock().unwrap();
        match script.iter().position(|(at, _)| *at == since) {
            Some(index) => script.remove(index).1,
            None => {
                let position = since.strip_prefix("since=").unwrap_or("a");
                say("204 No Content", &format!("retry-after: 1\r\n{}", next(position)), "")
            }
        }
    })
}

const TOKEN: [(&str, &str); 1] = [("AEM_EVENTS_TOKEN", "t-o-k-e-n")];

#[test]
fn entries_are_followed_and_the_place_survives_a_restart() {
    let (keys, script) = (key_server(), Arc::new(Mutex::new(Vec::new())));
    let journal = journal(script.clone());
    let site = site(&keys, "quiet = 0\nask_again = []\norganization = \"1@AdobeOrg\"", DEPLOY);
    let flags = [format!("{}{PATH}", journal.url)];
    let flags = ["--journal", flags[0].as_str()];
    let mut listening = Listening::start(&site, &TOKEN, &flags);
    listening.until("deployed");
    site.story("one", json!({ "slug": "one", "title": "From the journal" }));
    script.lock().unwrap().push(("since=a", entries("b", &[json!(7), event("1", "published", "one")])));
    listening.until("deployed");
    assert!(site.out("stories/one/index.html").contains("From the journal"));
    listening.status_when(|status| status["journal"]["entries"] == 2 && status["queue"]["waiting"] == 0);
    assert!(!listening.said().contains("t-o-k-e-n"));
    drop(listening);
    let before = journal.requests().len();
    let mut listening = Listening::start(&site, &TOKEN, &flags);
    listening.until("built");
    journal.wait_for(before + 1);
    let requests = journal.requests();
    assert_eq!(requests[0].path, format!("{PATH}?latest=true"));
    assert_eq!(requests[before].path, format!("{PATH}?since=b"), "it goes on where it was");
    for header in ["authorization: Bearer t-o-k-e-n", "x-ims-org-id: 1@AdobeOrg", &format!("x-api-key: {CLIENT}")] {
        assert!(requests[0].headers.contains(&header.to_owned()), "{header}: {:?}", requests[0].headers);
    }
}

#[test]
fn a_place_that_is_gone_means_a_full_check_and_a_refusal_is_told_once() {
    let (keys, script) = (key_server(), Arc::new(Mutex::new(Vec::new())));
    let journal = journal(script.clone());
    let site = site(&keys, "quiet = 0\norganization = \"1@AdobeOrg\"\nreconcile = 0", DEPLOY);
    let flag = format!("{}{PATH}", journal.url);
    let mut listening = Listening::start(&site, &TOKEN, &["--journal", &flag]);
    // The first full check is that of the first answer.
    while listening.until("built")["cause"] != "reconciliation" {}
    site.story("one", json!({ "slug": "one", "title": "Missed" }));
    script.lock().unwrap().push(("since=a", say("410 Gone", "", "")));
    while listening.until("built")["cause"] != "reconciliation" {}
    assert!(site.out("stories/one/index.html").contains("Missed"));
    script
        .lock()
        .unwrap()
        .extend([("since=a", say("403 Forbidden", "", "")), ("since=a", say("403 Forbidden", "", ""))]);
    listening.until("journal");
    listening.status_when(|status| status["journal"]["problem"].is_string());
    listening.status_when(|status| status["journal"]["problem"].is_null());
    let said = listening.said();
    assert_eq!(said.matches("the journal cannot be read").count(), 1, "{said}");
}
