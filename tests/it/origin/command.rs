//! `aem-static origin` as a process: what it prints, what it takes, how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::content::{kitchen, write};
use super::http::{get, send};

/// The command, running; killed when the test is over.
pub struct Origin {
    pub url: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// How it ended, and what it said besides its first line.
#[cfg(unix)]
struct Ended {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Origin {
    /// Starts it in `dir` and reads its first line.
    pub fn start(dir: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aem-static"));
        command.current_dir(dir).arg("origin").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        Origin { url: first.trim_end().to_owned(), child, stdout }
    }

    /// Its lines on stderr, as they come.
    pub fn stderr(&mut self) -> std::sync::mpsc::Receiver<String> {
        let (sender, lines) = std::sync::mpsc::channel();
        let stderr = BufReader::new(self.child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        lines
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    #[cfg(unix)]
    fn ended(mut self) -> Ended {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ended { status: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_url_is_the_first_line_and_a_signal_ends_it() {
    for name in ["INT", "TERM"] {
        let dir = kitchen();
        write(dir.path(), "queries/cooks.graphql", "{ cookList { items { name } } }");
        let origin = Origin::start(dir.path(), &["--content", ".", "--queries", "queries"]);
        let port = origin.url.strip_prefix("http://127.0.0.1:").unwrap();
        assert_ne!(port, "0");
        let answer = get(&origin.url, "/graphql/execute.json/global/cooks").await;
        assert_eq!(answer.text(), r#"{"data":{"cookList":{"items":[{"name":"Ann"}]}}}"#);
        // Clients that keep a connection, or never finish a request, do not keep it alive.
        let idle = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let mut stuck = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        stuck.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
        origin.signal(name);
        let ended = origin.ended();
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(130), ""));
        assert_eq!(ended.stderr, "serving 4 content fragments; Ctrl-C stops it\n");
        drop((idle, stuck));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_tier_and_its_switches_are_flags() {
    let dir = kitchen();
    let content = ["--content", "."];
    let direct = br#"{"query": "{ cookList { items { nome } } }"}"#;
    let path = "/content/_cq_graphql/global/endpoint.json";
    for (flags, expected) in [
        (&[][..], 200),
        (&["--tier", "author", "--graphql-response-json"], 400),
        (&["--tier", "publish"], 404),
        (&["--tier", "preview"], 404),
        (&["--tier", "publish", "--allow-post"], 200),
    ] {
        let origin = Origin::start(dir.path(), &[&content[..], flags].concat());
        assert_eq!(send(&origin.url, "POST", path, &[], direct).await.status, expected, "{flags:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_address_for_everybody_is_a_warning() {
    let dir = kitchen();
    let origin = Origin::start(dir.path(), &["--content", ".", "--host", "0.0.0.0"]);
    let port = origin.url.strip_prefix("http://0.0.0.0:").unwrap();
    assert_eq!(get(&format!("http://127.0.0.1:{port}"), "/content/dam/acme/pot.svg").await.status, 200);
    origin.signal("INT");
    let told = origin.ended().stderr;
    let expected = "warning[E0702]: the built-in origin listens on 0.0.0.0, which other machines may reach";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("help: leave out `--host`"), "{told}");
}
