//! A server of a few lines for this room's tests: one connection a reply, replies in the order of the script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{Aem, Connection, RetryPolicy, Tier};

/// What the server does with one connection.
pub(super) enum Act {
    /// Reads the request, writes these bytes, closes.
    Say(String),
    /// Closes at once, with the request unread.
    Reset,
    /// Reads the request and keeps silent.
    Silence,
    /// Reads the request, writes these bytes, then one more at a time with these pauses.
    Trickle(String, Duration),
}

/// A reply with a correct length.
pub(super) fn say(status: &str, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Say(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"))
}

/// A JSON reply with status 200.
pub(super) fn json(body: &str) -> Act {
    say("200 OK", "content-type: application/json\r\n", body)
}

pub(super) struct Scripted {
    pub base: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Starts it; after the script every connection is refused.
    pub async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut silent = Vec::new();
            for act in script {
                let Ok((mut stream, _)) = listener.accept().await else {
                    return;
                };
                if matches!(act, Act::Reset) {
                    // Closing is only a reset if something unread has come.
                    let _ = stream.readable().await;
                    continue;
                }
                let request = read_request(&mut stream).await;
                seen.lock().expect("no test panics here").push(request);
                match act {
                    Act::Say(text) => {
                        let _ = stream.write_all(text.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                    Act::Trickle(text, pause) => {
                        let _ = stream.write_all(text.as_bytes()).await;
                        while stream.write_all(b" ").await.is_ok() {
                            tokio::time::sleep(pause).await;
                        }
                    }
                    _ => silent.push(stream),
                }
            }
            drop(listener);
            // Silent connections stay open as long as the test runs.
            std::future::pending::<()>().await;
        });
        let base = Url::parse(&format!("http://{address}")).expect("an address is a URL");
        Scripted { base, requests }
    }

    /// Every request so far: head and body as sent.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics here").clone()
    }

    /// A connection with short pauses.
    pub fn connection(&self) -> Connection {
        let mut connection = Connection::new(Tier::Local, self.base.clone(), "acme");
        connection.retry_for = RetryPolicy {
            attempts: 4,
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(20),
            patience: Duration::ZERO,
            ..RetryPolicy::default()
        };
        connection
    }

    /// A client with short pauses.
    pub fn aem(&self) -> Aem {
        Aem::new(self.connection()).expect("a sound connection")
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let lower = text.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let length: usize = length.and_then(|digits| digits.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}
