//! Publish events in, rebuilt and deployed site out: the real command, events signed as Adobe signs them, a key server of our own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::server::{Server, say};
use crate::site::SiteDir;

/// A change in AEM, and what is on disk and deployed afterwards.
mod events;

/// The journal instead of the webhook.
mod journal;

/// The end of the process at any moment.
mod crash;

/// The deploy command, its failures, the CDN.
mod deploy;

/// What must not get in.
mod refused;

/// Thousands of events, kills among them, and how long it takes.
mod storm;

/// `POST /rebuild`, the status, the handshake.
mod other;

const CLIENT: &str = "00112233445566778899aabbccddeeff";
const KEY: &str = "/prod/keys/pub-key-6a1d0c35-0000-4000-8000-000000000001.pem";
const LONG: Duration = Duration::from_secs(60);

/// A page a story, and the list that all stand in.
const ROUTES: &str = r#"
[[route]]
name     = "story"
query    = "stories"
each     = "/stories/{{ slug }}/"
template = "story.html"

[[route]]
name     = "list"
query    = "stories"
list     = "/stories/"
template = "list.html"
"#;

/// Writes down what it is told on stdin, a line a run.
const DEPLOY: &str = "[deploy]\ncommand = [\"sh\", \"-c\", \"cat >> deployed\"]\n";

/// Adobe's server of keys, with one key.
fn key_server() -> Server {
    Server::start(|request| match request.path.as_str() {
        KEY => say("200 OK", "", include_str!("public-key.pem")),
        _ => say("404 Not Found", "", ""),
    })
}

/// Two stories and their list, `[listen]` with these further keys, and further tables.
fn site(keys: &Server, listen: &str, tables: &str) -> SiteDir {
    let site = SiteDir::stories();
    site.file("templates/list.html", "{% for item in items %}<li>{{ item.title }}</li>\n{% endfor %}");
    let head = format!("[listen]\nclient_id = \"{CLIENT}\"\nkeys = \"{}\"\n{listen}\n{tables}", keys.url);
    site.config("locales = []", "tier = \"local\"", &format!("{ROUTES}\n{head}"));
    site
}

/// `listen` at work on a site. It is killed when it goes.
struct Listening {
    child: Child,
    url: String,
    lines: Receiver<Value>,
    errors: Arc<Mutex<String>>,
    log: Vec<Value>,
}

impl Listening {
    /// Starts it, without waiting for its first build.
    fn start(site: &SiteDir, environment: &[(&str, &str)], flags: &[&str]) -> Self {
        let mut command = site.command(&["listen", "--port", "0", "--format", "json"]);
        command.args(flags).envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let kept = errors.clone();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            kept.lock().unwrap().push_str(&text);
        });
        let mut listening = Listening { child, url: String::new(), lines, errors, log: Vec::new() };
        listening.url = listening.until("listening")["url"].as_str().unwrap().to_owned();
        listening
    }

    /// Starts it, and is back when its first build is done and deployed.
    fn ready(site: &SiteDir, environment: &[(&str, &str)]) -> Self {
        let mut listening = Listening::start(site, environment, &[]);
        listening.until("deployed");
        listening
    }

    /// The next event of this name; those before it are kept in the log.
    #[track_caller]
    fn until(&mut self, name: &str) -> Value {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line["event"] == name {
                        return line;
                    }
                }
                Err(error) => panic!("no `{name}`: {error}\n{:#?}\n{}", self.log, self.errors.lock().unwrap()),
            }
        }
    }

    /// Everything that it has said until now, as one text.
    fn said(&mut self) -> String {
        self.log.extend(self.lines.try_iter());
        let lines: Vec<String> = self.log.iter().map(Value::to_string).collect();
        format!("{}\n{}", lines.join("\n"), self.errors.lock().unwrap())
    }

    /// Sends a request of these bytes, and gives the answer.
    fn raw(&self, request: &[u8]) -> Answer {
        Answer::of(&self.url, request)
    }

    fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        post(&self.url, path, headers, body)
    }

    /// Delivers events as Adobe does.
    fn deliver(&self, body: &Value) -> Answer {
        deliver(&self.url, body)
    }

    /// `/status.json`.
    fn status(&self) -> Value {
        let answer = self.get("/status.json");
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// The status, when it is as a test wants it.
    #[track_caller]
    fn status_when(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let status = self.status();
            if fits(&status) {
                return status;
            }
            assert!(begun.elapsed() < LONG, "{status:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.said())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            assert!(!self.errors.lock().unwrap().contains("panicked"), "{}", self.errors.lock().unwrap());
        }
    }
}

/// What came back; status 0 where nobody listens, and for a connection that was closed without an answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn of(url: &str, request: &[u8]) -> Self {
        let Ok(mut stream) = TcpStream::connect(url.strip_prefix("http://").unwrap()) else {
            return Answer { status: 0, head: String::new(), body: String::new() };
        };
        stream.set_read_timeout(Some(LONG)).unwrap();
        // The other side may have had enough.
        let _ = stream.write_all(request);
        Answer::read(&mut stream)
    }

    fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

fn post(url: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    Answer::of(url, &[head.as_bytes(), body].concat())
}

fn deliver(url: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let signature = sign(body.as_bytes());
    let headers = [
        ("content-type", "application/cloudevents+json; charset=UTF-8"),
        ("x-adobe-digital-signature-1", signature.as_str()),
        ("x-adobe-public-key1-path", KEY),
    ];
    post(url, "/events", &headers, body.as_bytes())
}

/// RSA PKCS#1 v1.5 with SHA-256 over the bytes, in Base64 (protocol 8.4).
fn sign(bytes: &[u8]) -> String {
    let pem = include_str!("private-key.pem");
    let inner: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = RsaKeyPair::from_pkcs8(&STANDARD.decode(inner).unwrap()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
    STANDARD.encode(signature)
}

/// An event about the story `name`, as seen live (protocol 8.6).
fn event(id: &str, kind: &str, name: &str) -> Value {
    json!({
        "specversion": "1.0", "id": format!("inner-{id}"), "source": "acct:aem-p1-e1@adobe.com",
        "type": format!("aem.sites.contentFragment.{kind}"), "datacontenttype": "application/json",
        "time": jiff::Timestamp::now().to_string(), "eventid": id, "recipientclientid": CLIENT,
        "data": {
            "path": format!("/content/dam/acme/stories/{name}"), "tier": "publish",
            "model": { "path": "/conf/acme/settings/dam/cfm/models/story" },
            "user": { "principalId": "editor@example.com" },
        },
    })
}

/// What the deploy command was told, run by run: (changed, removed).
fn deployments(site: &SiteDir) -> Vec<(Vec<String>, Vec<String>)> {
    let text = std::fs::read_to_string(site.path("deployed")).unwrap_or_default();
    let paths =
        |value: &Value| value.as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect();
    text.lines()
        .map(|line| {
            let told: Value = serde_json::from_str(line).unwrap();
            (paths(&told["changed"]), paths(&told["removed"]))
        })
        .collect()
}
