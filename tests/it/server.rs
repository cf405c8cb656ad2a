//! An AEM of a few lines on the standard library alone: it answers as a closure says, late, cut off or not at all.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<String>,
    /// The body as JSON; null when there is none.
    pub body: Value,
}

impl Request {
    /// A variable of the query.
    pub fn variable(&self, name: &str) -> &Value {
        &self.body["variables"][name]
    }
}

/// What the server does with a request.
pub enum Reply {
    /// Answers.
    Say { status: &'static str, headers: String, body: Vec<u8> },
    /// Announces the whole body and sends only its first bytes.
    Cut { body: Vec<u8>, at: usize },
    /// Keeps silent until the other side gives up.
    Silence,
}

/// A JSON answer.
pub fn answer(body: &Value) -> Reply {
    say("200 OK", "content-type: application/json\r\n", body.to_string())
}

/// An answer of any kind; `headers` end in line breaks.
pub fn say(status: &'static str, headers: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply::Say { status, headers: headers.to_owned(), body: body.into() }
}

/// The answer to the query `stories`.
pub fn stories(items: &Value) -> Reply {
    answer(&json!({ "data": { "storyList": { "items": items } } }))
}

/// A story as the answer holds it.
pub fn story(slug: &str) -> Value {
    json!({ "_path": format!("/content/dam/acme/stories/{slug}"), "slug": slug, "title": slug.to_uppercase() })
}

/// A server on a free port; ends with the test process.
pub struct Server {
    pub url: String,
    seen: Arc<(Mutex<Vec<Request>>, Condvar)>,
}

impl Server {
    /// Starts one that lists no persisted queries, whatever its script, as the Dispatcher's rules have it (protocol 3.3).
    pub fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(script, false)
    }

    /// Starts one whose script is asked for the list of persisted queries, too.
    pub fn that_lists(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(script, true)
    }

    fn of(script: impl Fn(&Request) -> Reply + Send + Sync + 'static, lists: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<(Mutex<Vec<Request>>, Condvar)> = Arc::default();
        let (script, log) = (Arc::new(script), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log) = (script.clone(), log.clone());
                std::thread::spawn(move || serve(&stream, &*script, &log, lists));
            }
        });
        Server { url, seen }
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.0.lock().unwrap().clone()
    }

    /// Returns when so many requests have come.
    pub fn wait_for(&self, count: usize) {
        let seen = self.seen.0.lock().unwrap();
        let limit = Duration::from_secs(60);
        let seen = self.seen.1.wait_timeout_while(seen, limit, |seen| seen.len() < count).unwrap().0;
        assert!(seen.len() >= count, "{count} requests never came");
    }
}

/// An address at which nobody listens.
pub fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn serve(stream: &TcpStream, script: &dyn Fn(&Request) -> Reply, log: &(Mutex<Vec<Request>>, Condvar), lists: bool) {
    let Some(request) = read(stream) else { return };
    if !lists && request.path == "/graphql/list.json" {
        let _ = send(stream, "404 Not Found", "", 0, b"");
        return;
    }
    log.0.lock().unwrap().push(request.clone());
    log.1.notify_all();
    let mut stream = stream;
    // A client that has gone away is no concern of the server's.
    let _ = match script(&request) {
        Reply::Say { status, headers, body } => send(stream, status, &headers, body.len(), &body),
        Reply::Cut { body, at } => {
            send(stream, "200 OK", "content-type: application/json\r\n", body.len(), &body[..at])
        }
        Reply::Silence => stream.read(&mut [0]).map(|_| ()),
    };
}

fn send(mut stream: &TcpStream, status: &str, headers: &str, length: usize, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(body)?;
    stream.flush()
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        // Names in small letters, values as they came.
        let (name, value) = line.split_once(':')?;
        headers.push(format!("{}:{value}", name.to_ascii_lowercase()));
    }
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}
