//! What must not get in: the right status, nothing queued, nothing built, nothing secret in a log.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Answer, CLIENT, DEPLOY, KEY, LONG, Listening, event, key_server, sign, site};
use crate::server::{Reply, Server, say};

/// A delivery with this signature over this body, by this key.
fn signed(listening: &Listening, body: &[u8], signature: &str, key: &str) -> Answer {
    let headers = [("x-adobe-digital-signature-1", signature), ("x-adobe-public-key1-path", key)];
    listening.post("/events", &headers, body)
}

#[track_caller]
fn nothing_came(listening: &Listening) {
    let status = listening.status();
    assert_eq!(status["queue"]["waiting"], 0, "{status:#}");
    assert_eq!(status["events"]["accepted"], json!({}), "{status:#}");
    assert_eq!(status["builds"]["done"], 1, "{status:#}");
}

#[test]
fn a_delivery_that_is_not_adobes_is_refused() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0", DEPLOY);
    let mut listening = Listening::ready(&site, &[]);
    let body = event("1", "published", "one").to_string();
    let (body, good) = (body.as_bytes(), sign(body.as_bytes()));
    let other = sign(b"something else");
    let elsewhere = format!("@127.0.0.1:9{KEY}");
    let unknown = KEY.replace("0001", "0002");
    for (signature, key) in [
        (other.as_str(), KEY),
        ("", KEY),
        ("AAAA", KEY),
        (good.as_str(), "/prod/keys/../secret.pem"),
        (good.as_str(), "https://evil.example/prod/keys/pub-key-a.pem"),
        (good.as_str(), elsewhere.as_str()),
        (good.as_str(), unknown.as_str()),
    ] {
        let answer = signed(&listening, body, signature, key);
        assert_eq!(answer.status, 401, "{key}: {answer:?}");
    }
    assert_eq!(listening.post("/events", &[], body).status, 401, "not signed");
    let paths: Vec<String> = keys.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, [KEY, unknown.as_str()], "each key is asked for once, and nothing else");
    nothing_came(&listening);
    let said = listening.said();
    assert!(!said.contains(&good) && !said.contains("editor@example.com"), "{said}");
}

#[test]
fn an_event_for_another_client_is_refused_with_the_whole_batch() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0", DEPLOY);
    let listening = Listening::ready(&site, &[]);
    let mut foreign = event("2", "published", "one");
    foreign["recipientclientid"] = "ffffffffffffffffffffffffffffffff".into();
    let mut nobody = event("3", "published", "one");
    nobody.as_object_mut().unwrap().remove("recipientclientid");
    for batch in [json!([event("1", "published", "one"), foreign]), nobody.clone()] {
        assert_eq!(listening.deliver(&batch).status, 401, "{batch}");
    }
    nothing_came(&listening);
    // The older name of the member counts where the newer is missing (protocol 8.3).
    nobody["recipient_client_id"] = CLIENT.into();
    assert_eq!(listening.deliver(&nobody).status, 200);
}

#[test]
fn bodies_that_are_no_events_are_refused() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0", DEPLOY);
    let listening = Listening::ready(&site, &[]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let many = Value::Array(vec![event("1", "published", "one"); 501]).to_string();
    let wrong_type = br#"{"eventid":7,"type":[]}"#;
    for body in
        [b"".as_slice(), b"{", b"\xff\xfe", b"null", b"[1]", b"{}", wrong_type, deep.as_bytes(), many.as_bytes()]
    {
        let answer = signed(&listening, body, &sign(body), KEY);
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let large = vec![b' '; (2 << 20) + 1];
    let answer = signed(&listening, &large, &sign(&large), KEY);
    assert_eq!(answer.status, 413, "{answer:?}");
    let endless = "x".repeat(60_000);
    assert_eq!(listening.post("/events", &[("x-long", endless.as_str())], b"").status, 431);
    assert_eq!(listening.get("/").status, 404);
    assert_eq!(listening.raw(b"PUT /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").status, 405);
    nothing_came(&listening);
}

#[test]
fn unknown_kinds_are_taken_and_dropped() {
    let keys = key_server();
    let site = site(&keys, "paths = [\"/content/dam/acme/stories\"]\nquiet = 0", DEPLOY);
    let listening = Listening::ready(&site, &[]);
    let mut page = event("1", "published", "one");
    page["type"] = "aem.sites.page.published".into();
    let mut elsewhere = event("2", "published", "one");
    elsewhere["data"]["path"] = "/content/dam/acme/stories-old/one".into();
    let answer = listening.deliver(&json!([page, elsewhere]));
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"accepted":0,"repeated":0,"ignored":2}"#));
    nothing_came(&listening);
}

/// Whoever sends slowly is let go, and keeps nobody from being answered.
#[test]
fn a_slow_client_is_let_go() {
    let keys = key_server();
    let site = site(&keys, "quiet = 0", DEPLOY);
    let listening = Listening::ready(&site, &[]);
    let address = listening.url.strip_prefix("http://").unwrap();
    let open = |beginning: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(beginning).unwrap();
        stream
    };
    let begun = Instant::now();
    let mut heads: Vec<TcpStream> = (0..20).map(|_| open(b"POST /events HTTP/1.1\r\nhost: x\r\n")).collect();
    let mut body = open(b"POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"a\":");
    assert_eq!(listening.get("/healthz").status, 200);
    assert!(begun.elapsed().as_secs() < 5, "others are answered meanwhile");
    assert_eq!(Answer::read(&mut body).status, 408);
    for head in &mut heads {
        assert!([0, 408].contains(&Answer::read(head).status));
    }
    assert!(begun.elapsed().as_secs() < 30);
    nothing_came(&listening);
}

/// Adobe gives up after 10 s: whatever a delivery waits for, it is answered before, and comes again.
#[test]
fn a_key_server_that_says_nothing_keeps_nobody_waiting_for_ten_seconds() {
    let silent = Server::start(|request| match request.path.as_str() {
        KEY => say("200 OK", "", include_str!("public-key.pem")),
        _ => Reply::Silence,
    });
    let site = site(&silent, "quiet = 0", DEPLOY);
    let listening = Listening::ready(&site, &[]);
    let body = event("1", "published", "one").to_string();
    let body = body.as_bytes();
    std::thread::scope(|scope| {
        for number in 2..6 {
            let (url, key) = (listening.url.clone(), KEY.replace("0001", &format!("000{number}")));
            scope.spawn(move || {
                let begun = Instant::now();
                let signature = sign(body);
                let headers = [("x-adobe-digital-signature-1", signature.as_str()), ("x-adobe-public-key1-path", &key)];
                let answer = super::post(&url, "/events", &headers, body);
                assert_eq!(answer.status, 503, "{answer:?}");
                assert!(answer.head.contains("retry-after"), "{answer:?}");
                assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
            });
        }
    });
    nothing_came(&listening);
}

/// One of the two signatures is enough, whichever it is; and its key is not waited for where it is known (protocol 8.4).
#[test]
fn either_signature_is_enough_and_goes_with_its_own_key() {
    let keys = key_server();
    let site = site(&keys, "quiet = 3600\nlongest = 3600", DEPLOY);
    let listening = Listening::ready(&site, &[]);
    let unknown = KEY.replace("0001", "0002");
    let send = |id: &str, one: (bool, &str), two: (bool, &str)| {
        let body = event(id, "published", "one").to_string();
        let signature = |good| if good { sign(body.as_bytes()) } else { sign(b"something else") };
        let (first, second) = (signature(one.0), signature(two.0));
        let headers = [
            ("x-adobe-digital-signature-1", first.as_str()),
            ("x-adobe-public-key1-path", one.1),
            ("x-adobe-digital-signature-2", second.as_str()),
            ("x-adobe-public-key2-path", two.1),
        ];
        listening.post("/events", &headers, body.as_bytes()).status
    };
    assert_eq!(send("1", (true, KEY), (false, &unknown)), 200);
    assert_eq!(send("2", (false, KEY), (true, KEY)), 200);
    assert_eq!(send("3", (true, "/elsewhere/key.pem"), (true, KEY)), 200);
    assert_eq!(send("4", (true, &unknown), (false, KEY)), 401, "the good signature is by a key that there is not");
    assert_eq!(send("5", (true, "/elsewhere/key.pem"), (false, KEY)), 401);
    assert_eq!(listening.status()["queue"]["waiting"], 3);
    assert_eq!(keys.requests().iter().filter(|request| request.path == KEY).count(), 1, "it is kept");
}

#[test]
fn too_many_requests_are_told_to_wait_and_the_address_in_front_of_a_proxy_is_not_believed() {
    let keys = key_server();
    let site = site(&keys, "rate = 5", DEPLOY);
    let listening = Listening::ready(&site, &[]);
    // Whatever it says of itself, it is one client.
    let statuses: Vec<u16> = (0..30)
        .map(|number| {
            let claimed = format!("8.8.8.{number}");
            listening.post("/events", &[("x-forwarded-for", claimed.as_str())], b"{}").status
        })
        .collect();
    assert!(statuses.contains(&429) && statuses.contains(&401), "{statuses:?}");
    let last = listening.post("/events", &[], b"{}");
    assert!(last.status == 401 || last.head.contains("retry-after: 1"), "{last:?}");
}
