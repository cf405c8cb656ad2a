//! Each fault as a client sees it, byte for byte; the limits; the control endpoint.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use aem_static::origin::{Faults, Options, Running};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Answer, get, send};

const PERSISTED: &str = "/graphql/execute.json/sample-content-fragments/cities";
const ENDPOINT: &str = "/content/_cq_graphql/sample-content-fragments/endpoint.json";
const QUERY: &str = r#"{"query":"{ cityList { items { name } } }"}"#;

struct Site {
    _dir: tempfile::TempDir,
    origin: Running,
}

impl std::ops::Deref for Site {
    type Target = Running;
    fn deref(&self) -> &Running {
        &self.origin
    }
}

fn faults(list: &[&str]) -> Faults {
    Faults { list: list.iter().map(|fault| fault.parse().unwrap()).collect(), ..Faults::default() }
}

/// The conformance content with one persisted query.
async fn serve(faults: Faults) -> Site {
    let dir = tempfile::tempdir().unwrap();
    let query = "# configuration: sample-content-fragments\n{ cityList { items { name } } }";
    std::fs::write(dir.path().join("cities.graphql"), query).unwrap();
    let content = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conformance/content");
    let options = Options { faults, control: true, ..Options::default() };
    let origin = super::serve_as(options, &content, Some(dir.path())).await;
    Site { _dir: dir, origin }
}

async fn direct(url: &str) -> Answer {
    send(url, "POST", ENDPOINT, &[("Content-Type", "application/json")], QUERY.as_bytes()).await
}

async fn post(url: &str) -> Answer {
    send(url, "POST", PERSISTED, &[("Content-Type", "application/json")], b"{}").await
}

/// What a connection brings until it ends, and how it ends.
async fn raw(url: &str, path: &str) -> (Vec<u8>, std::io::Result<()>) {
    let host = url.strip_prefix("http://").unwrap().to_owned();
    let message = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(message.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).map(|_| ());
        (bytes, end)
    });
    client.await.unwrap()
}

fn items(answer: &Answer) -> Vec<Value> {
    answer.json()["data"]["cityList"]["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_third_request_fails_and_no_other() {
    let origin = serve(faults(&["503:3"])).await;
    let mut statuses = Vec::new();
    for _ in 0..9 {
        statuses.push(direct(origin.url()).await.status);
    }
    assert_eq!(statuses, [200, 200, 503, 200, 200, 503, 200, 200, 503]);
    let counts = origin.counts();
    assert_eq!((counts.requests, counts.direct, counts.faults["503"]), (9, 9, 3));
    assert_eq!(counts.under_way, 0);
}

#[tokio::test]
async fn statuses_come_as_pages_of_a_server() {
    let origin = serve(Faults::default()).await;
    for (fault, status, title) in [
        ("500", 500, "500 Internal Server Error"),
        ("502", 502, "502 Bad Gateway"),
        ("503", 503, "503 Service Unavailable"),
        ("dispatcher", 404, "404 Not Found"),
    ] {
        origin.set_faults(faults(&[fault]));
        for answer in [get(origin.url(), PERSISTED).await, direct(origin.url()).await] {
            assert_eq!(answer.status, status);
            assert!(answer.header("content-type").unwrap().starts_with("text/html"));
            assert!(answer.text().contains(&format!("<title>{title}</title>")), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn too_many_requests_say_when_to_come_back_in_both_forms() {
    let origin = serve(Faults { retry_after: 7, ..faults(&["429"]) }).await;
    let answer = get(origin.url(), PERSISTED).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    origin.set_faults(Faults { retry_after: 7, ..faults(&["429-date"]) });
    let before = jiff::Timestamp::now();
    let answer = get(origin.url(), PERSISTED).await;
    let after = jiff::Timestamp::now();
    let date = answer.header("retry-after").unwrap();
    let then = jiff::fmt::rfc2822::parse(date).unwrap().timestamp();
    assert_eq!(answer.status, 429);
    assert!(then >= before + Duration::from_secs(7) && then <= after + Duration::from_secs(8), "{date}");
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let origin = serve(faults(&["reset:2"])).await;
    assert_eq!(get(origin.url(), PERSISTED).await.status, 200);
    let (bytes, end) = raw(origin.url(), PERSISTED).await;
    assert!(bytes.is_empty());
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(get(origin.url(), PERSISTED).await.status, 200);
    assert_eq!(origin.counts().faults["reset"], 1);
}

#[tokio::test]
async fn a_truncated_answer_states_its_length_and_ends_early() {
    let origin = serve(Faults::default()).await;
    let whole = get(origin.url(), PERSISTED).await.body;
    origin.set_faults(faults(&["truncated"]));
    // Without `Connection: close`: it is the server that ends the connection, and in order.
    let (bytes, end) = raw(origin.url(), PERSISTED).await;
    end.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains(&format!("content-length: {}", whole.len())), "{head}");
    assert_eq!(body.as_bytes(), &whole[..whole.len() / 2]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_whole_and_late() {
    let origin = serve(Faults::default()).await;
    let whole = get(origin.url(), PERSISTED).await.body;
    origin.set_faults(Faults { pause: Duration::from_secs(60), ..faults(&["slow"]) });
    let start = Instant::now();
    let slow = asynchronous(origin.url(), PERSISTED).await;
    // Sixteen pieces have fifteen pauses between them; the clock is the test's, and stands still but for them.
    assert_eq!(start.elapsed().as_secs(), 15 * 60);
    assert_eq!(slow, whole);
}

/// A request on the runtime itself, so that its clock goes on while nothing else happens.
async fn asynchronous(url: &str, path: &str) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let message = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(message.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    bytes.split_off(end + 4)
}

#[tokio::test(start_paused = true)]
async fn latency_delays_every_answer_or_those_that_it_strikes() {
    let origin = serve(Faults { latency: Duration::from_secs(60), ..Faults::default() }).await;
    let mut seconds = Vec::new();
    for list in [&[][..], &["latency:2"]] {
        origin.set_faults(Faults { latency: Duration::from_secs(60), ..faults(list) });
        for _ in 0..2 {
            let start = Instant::now();
            asynchronous(origin.url(), PERSISTED).await;
            seconds.push(start.elapsed().as_secs());
        }
    }
    assert_eq!(seconds, [60, 60, 0, 60]);
    assert_eq!(origin.counts().faults["latency"], 1);
}

#[tokio::test]
async fn people_are_sent_to_sign_in() {
    let origin = serve(faults(&["sign-in"])).await;
    let page = direct(origin.url()).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html;charset=utf-8")));
    assert!(page.text().contains("AEM Sign In"));
    origin.set_faults(faults(&["redirect"]));
    let answer = get(origin.url(), PERSISTED).await;
    let location = answer.header("location").unwrap();
    assert_eq!(answer.status, 302);
    assert!(
        location.starts_with("/libs/granite/core/content/login.html?resource=%2Fgraphql%2Fexecute.json"),
        "{location}"
    );
    // Whoever follows arrives.
    let followed = get(origin.url(), location).await;
    assert_eq!((followed.status, followed.text()), (200, page.text()));
}

#[tokio::test]
async fn errors_stand_beside_partial_data() {
    let origin = serve(Faults::default()).await;
    let whole = items(&get(origin.url(), PERSISTED).await);
    origin.set_faults(faults(&["graphql-errors"]));
    for answer in [get(origin.url(), PERSISTED).await, post(origin.url()).await, direct(origin.url()).await] {
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(items(&answer), whole[..whole.len() / 2]);
        assert_eq!(answer.json()["errors"][0]["path"], json!(["cityList", "items", whole.len() / 2]));
        // No cache may take it for the answer, and no client for the one it has.
        assert_eq!((answer.header("etag"), answer.header("cache-control")), (None, None));
    }
    // What is no GraphQL answer stays as it is, and counts for nothing.
    assert_eq!(get(origin.url(), "/graphql/execute.json/sample-content-fragments/none").await.status, 404);
    assert_eq!(origin.counts().faults["graphql-errors"], 3);
}

#[tokio::test]
async fn null_items_have_no_error() {
    let origin = serve(Faults::default()).await;
    let first = get(origin.url(), PERSISTED).await;
    let whole = items(&first);
    origin.set_faults(faults(&["null-items"]));
    // A client that has the answer is not told that nothing changed.
    let tag = first.header("etag").unwrap();
    let answer = send(origin.url(), "GET", PERSISTED, &[("If-None-Match", tag)], b"").await;
    let halved = items(&answer);
    assert_eq!((answer.status, halved.len()), (200, whole.len()));
    for (at, item) in halved.iter().enumerate() {
        assert_eq!(item, if at % 2 == 0 { &Value::Null } else { &whole[at] });
    }
    assert_eq!(answer.json().get("errors"), None);
}

#[tokio::test]
async fn faults_take_turns() {
    let origin = serve(faults(&["500:2", "502:2", "503:2"])).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(post(origin.url()).await.status);
    }
    assert_eq!(statuses, [200, 500, 200, 502, 200, 503, 200, 500]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_back_what_is_too_much() {
    let origin = serve(Faults { limit: NonZeroU32::new(3), ..Faults::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(get(origin.url(), PERSISTED).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(get(origin.url(), PERSISTED).await.header("retry-after"), Some("1"));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(get(origin.url(), PERSISTED).await.status, 200);
    let counts = origin.counts();
    assert_eq!((counts.requests, counts.limited, counts.busiest_second), (7, 3, 6));
}

#[tokio::test(start_paused = true)]
async fn a_limit_at_once_holds_back_what_comes_meanwhile() {
    let minute = Duration::from_secs(60);
    let origin = serve(Faults { latency: minute, limit_at_once: NonZeroU32::new(2), ..Faults::default() }).await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = origin.url().to_owned();
        asked.spawn(async move { get(&url, PERSISTED).await.status });
    }
    // The clock stands still while clients block: the two that were let in are late until it is moved.
    let mut statuses = Vec::new();
    statuses.extend([asked.join_next().await.unwrap().unwrap(), asked.join_next().await.unwrap().unwrap()]);
    assert_eq!((origin.counts().under_way, origin.counts().limited), (2, 2));
    tokio::time::advance(minute).await;
    statuses.extend(asked.join_all().await);
    assert_eq!(statuses, [429, 429, 200, 200]);
}

#[tokio::test]
async fn tokens_expire_in_the_middle() {
    use aem_static::origin::{Access, ImsOptions, OauthClient};
    let client = OauthClient { id: "id".to_owned(), secret: "secret".to_owned().into(), scopes: String::new() };
    let access = Access { ims: Some(ImsOptions { oauth: Some(client), ..ImsOptions::default() }), ..Access::default() };
    let dir = tempfile::tempdir().unwrap();
    let options = Options { access, faults: faults(&["token-expiry:3"]), ..Options::default() };
    let origin = super::serve_as(options, dir.path(), None).await;
    let form = b"grant_type=client_credentials&client_id=id&client_secret=secret&scope=openid";
    let typed = [("Content-Type", "application/x-www-form-urlencoded")];
    let mut token = String::new();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        if token.is_empty() {
            let answer = send(origin.url(), "POST", "/ims/token/v3", &typed, form).await;
            token = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
        }
        let answer = send(origin.url(), "GET", "/graphql/list.json", &[("Authorization", &token)], b"").await;
        statuses.push(answer.status);
        if answer.status == 401 {
            token.clear();
        }
    }
    assert_eq!(statuses, [200, 200, 401, 200, 200, 401]);
    assert_eq!((origin.counts().exchanges, origin.counts().faults["token-expiry"]), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_stale_cache_answers_gets_with_what_it_has() {
    let origin = serve(Faults { stale_for: Duration::from_secs(100), ..faults(&["stale"]) }).await;
    let about =
        |answer: &Answer| (answer.header("x-cache").map(str::to_owned), answer.header("age").map(str::to_owned));
    let some = |cache: &str, age: Option<&str>| (Some(cache.to_owned()), age.map(str::to_owned));
    let first = get(origin.url(), PERSISTED).await;
    assert_eq!(about(&first), some("MISS", None));
    tokio::time::advance(Duration::from_secs(99)).await;
    let kept = get(origin.url(), PERSISTED).await;
    assert_eq!((about(&kept), &kept.body), (some("HIT", Some("99")), &first.body));
    assert_eq!(kept.header("cache-control"), first.header("cache-control"));
    let tag = first.header("etag").unwrap();
    let unchanged = send(origin.url(), "GET", PERSISTED, &[("If-None-Match", tag)], b"").await;
    assert_eq!((unchanged.status, about(&unchanged)), (304, some("HIT", Some("99"))));
    // Another address is another answer; POST passes the cache by (protocol §3.5).
    assert_eq!(about(&get(origin.url(), &format!("{PERSISTED}%3Ba%3D1")).await), some("MISS", None));
    assert_eq!(about(&post(origin.url()).await), (None, None));
    assert_eq!(about(&direct(origin.url()).await), (None, None));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(about(&get(origin.url(), PERSISTED).await), some("MISS", None));
    assert_eq!(about(&get(origin.url(), PERSISTED).await), some("HIT", Some("0")));
    assert_eq!(origin.counts().faults["stale"], 3);
}

#[tokio::test]
async fn a_change_is_not_seen_through_the_stale_cache() {
    let origin = serve(faults(&["stale"])).await;
    let url = origin.url();
    let old = get(url, PERSISTED).await;
    let changed = br#"{"query":"{ cityList { items { _path } } }"}"#;
    let update = send(
        url,
        "POST",
        "/graphql/persist.json/sample-content-fragments/cities",
        &[("Content-Type", "application/json")],
        changed,
    );
    assert_eq!(update.await.status, 200);
    let (stale, fresh) = (get(url, PERSISTED).await, post(url).await);
    assert_eq!((&stale.body, stale.header("x-cache")), (&old.body, Some("HIT")));
    assert!(items(&fresh)[0].get("_path").is_some() && fresh.header("age").is_none());
    // Without the fault everybody sees the change.
    origin.set_faults(Faults::default());
    assert_eq!(get(url, PERSISTED).await.body, fresh.body);
}

#[tokio::test]
async fn a_cache_that_is_set_up_wrongly_keeps_posts() {
    let origin = serve(faults(&["stale-post:2"])).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(direct(origin.url()).await.header("x-cache").map(str::to_owned));
    }
    assert_eq!(seen, ["MISS", "HIT", "MISS", "HIT"].map(|seen| Some(seen.to_owned())));
    // Another body is another answer.
    let other = br#"{"query":"{ cityList { items { _path } } }"}"#;
    send(origin.url(), "POST", ENDPOINT, &[], other).await;
    let second = send(origin.url(), "POST", ENDPOINT, &[], b"{\"query\":\"{ personList { items { name } } }\"}").await;
    assert_eq!(second.header("x-cache"), Some("MISS"));
    assert_eq!(get(origin.url(), PERSISTED).await.header("x-cache"), None);
}

#[tokio::test]
async fn faults_are_changed_while_it_runs() {
    let origin = serve(faults(&["503:3"])).await;
    let url = origin.url();
    let control = async |method: &str, path: &str, body: &str| send(url, method, path, &[], body.as_bytes()).await;
    let standard = json!({
        "faults": [], "latency_ms": 0, "retry_after": 1, "stale_for": 7200, "pause_ms": 250,
        "limit": null, "limit_at_once": null,
    });
    let mut expected = standard.clone();
    expected["faults"] = json!(["503:3"]);
    assert_eq!(control("GET", "/_origin/faults", "").await.json(), expected);
    let changed = control("PUT", "/_origin/faults", r#"{"faults":["502","429:5"],"retry_after":3}"#).await;
    expected["faults"] = json!(["502:1", "429:5"]);
    expected["retry_after"] = json!(3);
    assert_eq!((changed.status, changed.json()), (200, expected.clone()));
    assert_eq!(get(url, PERSISTED).await.status, 502);
    for (body, told) in [
        (r#"{"faults":["504"]}"#, "no fault is called `504`"),
        (r#"{"faults":["503:0"]}"#, "a number from 1"),
        (r#"{"limit":0}"#, "nonzero"),
        (r#"{"fault":[]}"#, "unknown field `fault`"),
    ] {
        let refused = control("PUT", "/_origin/faults", body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.json()["error"].as_str().unwrap().contains(told), "{}", refused.text());
    }
    assert_eq!(control("GET", "/_origin/faults", "").await.json(), expected);
    assert_eq!(control("DELETE", "/_origin/faults", "").await.json(), standard);
    assert_eq!(get(url, PERSISTED).await.status, 200);
    let counts = control("GET", "/_origin/counts", "").await.json();
    assert_eq!(
        (&counts["requests"], &counts["persisted_get"], &counts["faults"]),
        (&json!(2), &json!(2), &json!({"502": 1}))
    );
    assert_eq!(control("DELETE", "/_origin/counts", "").await.json()["requests"], json!(0));
    assert_eq!(control("POST", "/_origin/faults", "").await.status, 405);
    assert_eq!(control("GET", "/_origin/other", "").await.status, 404);
    assert_eq!(control("PUT", "/_origin/token-lifetime", "{\"seconds\":1}").await.status, 404);
}

#[tokio::test]
async fn control_is_off_unless_asked_for_and_for_this_machine_only() {
    let dir = tempfile::tempdir().unwrap();
    let closed = super::serve_as(Options::default(), dir.path(), None).await;
    assert_eq!(get(closed.url(), "/_origin/counts").await.status, 404);
    let origin = serve(Faults::default()).await;
    // A page that a browser shows has an origin; a name that leads here by a lie is not ours.
    let page = [("Origin", "http://evil.example")];
    assert_eq!(send(origin.url(), "GET", "/_origin/counts", &page, b"").await.status, 403);
    let address = origin.url().strip_prefix("http://").unwrap();
    assert_eq!(by_name(address, "evil.example").await, "HTTP/1.1 403 Forbidden");
    assert_eq!(by_name(address, "localhost:1").await, "HTTP/1.1 200 OK");
}

/// The status line of a request that names the host as it likes.
async fn by_name(address: &str, host: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let message = format!("GET /_origin/counts HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(message.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn flags_of_the_command_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let credentials = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/credentials/service-credentials.json");
    let arguments = [
        "--token=dev",
        "--user=admin:a:b",
        "--oauth-client=id:secret",
        "--oauth-scopes=openid",
        "--token-lifetime=60",
        "--expires-in=milliseconds",
        "--refusal=403",
        "--fault=503:9",
        "--fault",
        "reset:7",
        "--latency=1",
        "--retry-after=2",
        "--stale-for=3",
        "--pause=4",
        "--limit=50",
        "--limit-at-once=6",
        "--control",
        "--service-credentials",
        credentials.to_str().unwrap(),
    ];
    let origin = super::command::Origin::start(dir.path(), &arguments);
    let expected = json!({
        "faults": ["503:9", "reset:7"], "latency_ms": 1, "retry_after": 2, "stale_for": 3, "pause_ms": 4,
        "limit": 50, "limit_at_once": 6,
    });
    assert_eq!(get(&origin.url, "/_origin/faults").await.json(), expected);
    let typed = [("Content-Type", "application/x-www-form-urlencoded")];
    let form = b"grant_type=client_credentials&client_id=id&client_secret=secret&scope=openid";
    let answer = send(&origin.url, "POST", "/ims/token/v3", &typed, form).await.json();
    assert_eq!(answer["expires_in"], json!(60_000));
    let token = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    // `admin:a:b`: only the first colon separates.
    for (authorization, status) in
        [(token.as_str(), 200), ("Bearer dev", 200), ("Basic YWRtaW46YTpi", 200), ("Bearer other", 403)]
    {
        let answer = send(&origin.url, "GET", "/graphql/list.json", &[("Authorization", authorization)], b"").await;
        assert_eq!(answer.status, status, "{authorization}");
    }
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    for (arguments, told) in [
        (&["--fault", "504"][..], "no fault is called `504`"),
        (&["--fault", "503:0"], "a number from 1"),
        (&["--user", "admin"], "a name, a colon and a secret are needed"),
        (&["--token-lifetime", "5"], "--service-credentials"),
        (&["--oauth-scopes", "openid"], "--oauth-client"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_aem-static"));
        let output = command.arg("origin").args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
}
