//! `POST /rebuild`, the handshake with Adobe, the status, a clean end.

use serde_json::json;

use super::{DEPLOY, Listening, deployments, event, key_server, site};
use crate::server::{Server, say};

const SECRET: &str = "correct-horse-battery";

fn hmac(timestamp: i64, body: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = ring::hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    let digits: Vec<String> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={}", digits.concat())
}

#[test]
fn a_request_to_build_needs_the_secret_or_a_signature_that_is_used_once() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0", DEPLOY);
    let mut listening = Listening::ready(&site, &[("AEM_REBUILD_SECRET", SECRET)]);
    let bearer = format!("Bearer {SECRET}");
    for headers in [vec![], vec![("authorization", "Bearer correct-horse-batter")], vec![("authorization", SECRET)]] {
        assert_eq!(listening.post("/rebuild", &headers, b"").status, 401, "{headers:?}");
    }
    site.story("one", json!({ "slug": "one", "title": "Six Five" }));
    let body = r#"{"fragments":["/content/dam/acme/stories/one"]}"#;
    let answer = listening.post("/rebuild", &[("authorization", bearer.as_str())], body.as_bytes());
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"accepted":1}"#));
    listening.until("deployed");
    assert!(site.out("stories/one/index.html").contains("Six Five"));

    let now = jiff::Timestamp::now().as_second();
    let (signature, timestamp) = (hmac(now, body), now.to_string());
    let headers = [("x-signature-256", signature.as_str()), ("x-timestamp", timestamp.as_str())];
    assert_eq!(listening.post("/rebuild", &headers, body.as_bytes()).status, 202);
    assert_eq!(listening.post("/rebuild", &headers, body.as_bytes()).status, 409, "a replay");
    assert_eq!(listening.post("/rebuild", &headers, b"{}").status, 401, "another body");
    let (old, then) = (hmac(now - 301, body), (now - 301).to_string());
    let headers = [("x-signature-256", old.as_str()), ("x-timestamp", then.as_str())];
    assert_eq!(listening.post("/rebuild", &headers, body.as_bytes()).status, 401, "too old");
    assert!(!listening.said().contains(SECRET));
}

#[test]
fn without_a_secret_nobody_can_ask_for_a_build() {
    let keys = key_server();
    let site = site(&keys, "", DEPLOY);
    let listening = Listening::ready(&site, &[]);
    assert_eq!(listening.post("/rebuild", &[("authorization", "Bearer ")], b"").status, 404);
}

#[test]
fn the_challenge_is_handed_back_in_both_forms() {
    let keys = key_server();
    let adobe = Server::start(|_| say("200 OK", "", ""));
    let site = site(&keys, &format!("confirm = \"{}\"", adobe.url), DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    let answer = listening.get("/events?challenge=8ec8d794-e0ab");
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"challenge":"8ec8d794-e0ab"}"#));
    assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
    assert_eq!(listening.get("/events").status, 400);
    let asked = json!({ "validationUrl": format!("{}/csm/registrations/validate?id=1&challenge=2", adobe.url) });
    assert_eq!(listening.post("/events", &[], asked.to_string().as_bytes()).status, 200);
    listening.until("confirmed");
    assert_eq!(adobe.requests()[0].path, "/csm/registrations/validate?id=1&challenge=2");
    // An address of a stranger's choice is never asked.
    let elsewhere = json!({ "validationUrl": format!("{}/x", keys.url) });
    assert_eq!(listening.post("/events", &[], elsewhere.to_string().as_bytes()).status, 400);
    assert!(keys.requests().is_empty());
}

#[test]
fn the_status_is_for_machines_people_and_those_who_may_look() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0\nask_again = []", DEPLOY);
    let mut listening = Listening::ready(&site, &[("AEM_REBUILD_SECRET", SECRET)]);
    site.story("one", json!({ "slug": "one", "title": "Counted" }));
    listening.deliver(&event("1", "published", "one"));
    listening.until("deployed");
    listening.status_when(|status| status["queue"]["waiting"] == 0);
    assert_eq!(listening.get("/readyz").body, "ready\n");
    let metrics = listening.get("/metrics").body;
    for line in [
        "aem_static_ready 1",
        "aem_static_events_total{kind=\"published\"} 1",
        "aem_static_builds_total{outcome=\"done\"} 2",
        "aem_static_deploys_total{outcome=\"done\"} 2",
        "aem_static_queue_waiting 0",
        "aem_static_answers_total{address=\"/events\",status=\"200\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    let page = listening.get("/status");
    assert!(
        page.head.contains("content-security-policy: default-src 'none'") && page.body.contains("1 event"),
        "{page:?}"
    );
    // Through a proxy that nobody told of, everybody would be this machine.
    let through = |path: &str, more: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 8.8.8.8\r\n{more}connection: close\r\n\r\n");
        listening.raw(request.as_bytes()).status
    };
    for path in ["/status", "/status.json", "/metrics"] {
        assert_eq!(through(path, ""), 403, "{path}");
        assert_eq!(through(path, &format!("authorization: Bearer {SECRET}\r\n")), 200, "{path}");
    }
    assert_eq!((through("/healthz", ""), through("/readyz", "")), (200, 200));
}

#[cfg(unix)]
#[test]
fn sigterm_lets_the_running_build_finish() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0", DEPLOY);
    let gate = std::sync::Arc::new((std::sync::Mutex::new(false), std::sync::Condvar::new()));
    let held = gate.clone();
    let aem = Server::start(move |_| {
        let open = held.0.lock().unwrap();
        drop(held.1.wait_while(open, |open| !*open).unwrap());
        crate::server::stories(&json!([crate::server::story("one")]))
    });
    let config = site.read("aem-static.toml");
    site.file(
        "aem-static.toml",
        config.replace("tier = \"local\"", &format!("tier = \"publish\"\n[aem.hosts]\npublish = \"{}\"", aem.url)),
    );
    let mut listening = Listening::start(&site, &[], &[]);
    aem.wait_for(1);
    listening.signal("TERM");
    // It has heard: the port is closed to newcomers, and the build goes on.
    while listening.until("note")["text"] != "stopping when what is under way is done" {}
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let (status, said) = listening.end();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("\"event\":\"built\""), "{said}");
    assert!(site.path("out/stories/one/index.html").exists());
    assert_eq!(deployments(&site), [], "what waits is deployed after the next start");
    let _again = Listening::ready(&site, &[]);
    assert!(deployments(&site)[0].0.contains(&"stories/one/index.html".to_owned()));
}

#[test]
fn a_second_listener_and_a_missing_setting_are_told() {
    let keys = key_server();
    let site = site(&keys, "", DEPLOY);
    let _listening = Listening::ready(&site, &[]);
    let second = site.run(&["listen", "--port", "0"]);
    assert_eq!(second.status, 2, "{second}");
    second.says("error: another `listen` is at work on this site");
    let other = super::site(&keys, "quite = 1", "");
    let refused = other.run(&["listen", "--port", "0"]);
    assert_eq!(refused.status, 2, "{refused}");
    refused.says("quiet");
    let journal = super::site(&keys, "", "");
    let refused = journal.run(&["listen", "--port", "0", "--journal", "http://127.0.0.1:9/x"]);
    assert_eq!(refused.status, 2, "{refused}");
    refused.says("listen.organization");
}
