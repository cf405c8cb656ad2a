//! `aem-static preview` as whoever writes a site meets it: the real command, over sockets and in a real browser.

mod browser;
mod changes;
mod fragments;
mod inspector;
mod serving;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::site::SiteDir;

/// How long something may take before a test gives up; usually it is a tenth of a second.
const DEADLINE: Duration = Duration::from_secs(60);

/// The command, running; killed when the test is over.
pub struct Preview {
    pub url: String,
    child: Child,
    lines: Receiver<String>,
}

/// An answer in parts.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The page without the script that preview adds.
    pub fn page(&self) -> String {
        let text = self.text();
        match (text.find("<script src=\"/_aem-static/reload.js\""), text.find(" defer></script>")) {
            (Some(from), Some(to)) => format!("{}{}", &text[..from], &text[to + " defer></script>".len()..]),
            _ => panic!("it has no script: {text}"),
        }
    }
}

impl Preview {
    /// Starts it on a free port.
    pub fn start(site: &SiteDir, flags: &[&str]) -> Self {
        Preview::start_at("0", site, flags)
    }

    /// Starts it on a port.
    pub fn start_at(port: &str, site: &SiteDir, flags: &[&str]) -> Self {
        let mut child = site.start(&[&["preview", "--port", port], flags].concat());
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        if first.is_empty() {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            panic!("preview did not start: {said}");
        }
        let (sender, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Preview { url: first.trim_end().to_owned(), child, lines }
    }

    /// Asks for a path, as it stands.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[])
    }

    /// Asks with a method and headers; `Host` is that of the server unless it is among them.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut message = format!("{method} {path} HTTP/1.0\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            message.push_str(&format!("Host: {address}\r\n"));
        }
        headers.iter().for_each(|(name, value)| message.push_str(&format!("{name}: {value}\r\n")));
        message.push_str("\r\n");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(message.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| panic!("{bytes:?}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: bytes[end + 4..].to_vec() }
    }

    /// Asks until the answer is as it should be.
    #[track_caller]
    pub fn until(&self, path: &str, test: impl Fn(&Answer) -> bool) -> Answer {
        let began = Instant::now();
        loop {
            let answer = self.get(path);
            if test(&answer) {
                return answer;
            }
            assert!(began.elapsed() < DEADLINE, "{path} never came to be: {} {}", answer.status, answer.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for a line on stderr that holds a text; gives all lines up to it.
    #[track_caller]
    pub fn says(&self, text: &str) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        while said.last().is_none_or(|line| !line.contains(text)) {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => said.push(line),
                Err(_) => panic!("never said: {text}; but {said:#?}"),
            }
        }
        said
    }

    /// How many builds there were.
    pub fn builds(&self) -> usize {
        builds_of(&self.get("/_aem-static/"))
    }

    /// Waits until so many builds are told of; files are in place a moment before.
    #[track_caller]
    pub fn until_builds(&self, count: usize) {
        self.until("/_aem-static/", |answer| builds_of(answer) == count);
    }

    /// Sends a signal and waits for the end; gives the status.
    #[cfg(unix)]
    fn signalled(&mut self, name: &str) -> Option<i32> {
        let sent = std::process::Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap().code()
    }
}

fn builds_of(overview: &Answer) -> usize {
    overview.text().matches("<span class=\"nr\">").count()
}

impl Drop for Preview {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two stories with a page each, a home page, a list, a 404 page, a stylesheet and an image.
fn site() -> SiteDir {
    let site = SiteDir::stories();
    pages(&site);
    site
}

fn pages(site: &SiteDir) {
    site.file(
        "templates/story.html",
        "<head><link rel=\"stylesheet\" href=\"{{ static_url(file='a.css') }}\"></head><body><h1>{{ item.title }}</h1></body>\n",
    );
    site.file("templates/home.html", "<body><p>home</p>{% for item in items %}<a href=\"{{ url_for(path=item._path) }}\">{{ item.title }}</a>{% endfor %}<img src=\"/dot.gif\"></body>\n");
    site.file("templates/404.html", "<body><p>not here</p></body>\n");
    site.file("static/a.css", "h1 { color: rgb(1, 2, 3) }\n");
    site.file("static/dot.gif", "GIF89a-and-more");
    let more = "[[route]]\nname = \"home\"\nquery = \"stories\"\nlist = \"/\"\ntemplate = \"home.html\"\n\n\
        [[route]]\nname = \"gone\"\npage = \"/404.html\"\ntemplate = \"404.html\"\n";
    site.config("locales = []", "tier = \"local\"", &format!("{}\n{more}", crate::site::EACH));
}
