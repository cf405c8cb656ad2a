//! The end of the process at any moment: no event that was accepted is lost (design.md §2, promise 8).

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::{Listening, deliver, event, key_server, site};

/// Events one after another until the process is gone; those that were answered 200 have to be known afterwards.
#[test]
fn a_kill_in_a_storm_loses_no_accepted_event() {
    let keys = key_server();
    // Nothing is built for them in time, so that every one of them still waits.
    let site = site(&keys, "quiet = 3600\nlongest = 3600\nrate = 100000", "");
    let accepted = Mutex::new(Vec::new());
    for round in 0..5u64 {
        let mut listening = Listening::start(&site, &[], &[]);
        listening.until("built");
        let url = listening.url.clone();
        std::thread::scope(|scope| {
            for sender in 0..4 {
                let (accepted, url) = (&accepted, &url);
                scope.spawn(move || {
                    for number in 0..10_000 {
                        let id = format!("{round}-{sender}-{number}");
                        match deliver(url, &event(&id, "published", "one")).status {
                            200 => accepted.lock().unwrap().push(id),
                            // It is gone.
                            _ => return,
                        }
                    }
                });
            }
            let before = accepted.lock().unwrap().len();
            while accepted.lock().unwrap().len() < before + 20 {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(round * 7));
            listening.child.kill().unwrap();
        });
    }
    let accepted = accepted.into_inner().unwrap();
    assert!(accepted.len() >= 100, "{}", accepted.len());
    let mut listening = Listening::start(&site, &[], &[]);
    listening.until("built");
    for batch in accepted.chunks(100) {
        let events: Vec<_> = batch.iter().map(|id| event(id, "published", "one")).collect();
        let answer = listening.deliver(&json!(events));
        assert_eq!(answer.body, format!(r#"{{"accepted":0,"repeated":{},"ignored":0}}"#, batch.len()));
    }
}

/// An event that was accepted before the end has its effect after the next start, though nobody sends it again.
#[test]
fn after_a_kill_the_queue_goes_on() {
    let keys = key_server();
    let site = site(&keys, "quiet = 3600\nlongest = 3600", super::DEPLOY);
    let listening = Listening::ready(&site, &[]);
    assert_eq!(listening.deliver(&event("1", "published", "one")).status, 200);
    assert_eq!(listening.status()["queue"]["waiting"], 1);
    drop(listening);
    site.story("one", json!({ "slug": "one", "title": "After" }));
    let listening = Listening::ready(&site, &[]);
    assert!(site.out("stories/one/index.html").contains("After"));
    listening.status_when(|status| status["queue"]["waiting"] == 0);
}
