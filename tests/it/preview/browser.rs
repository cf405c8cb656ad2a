//! In Debian's Chromium, by way of `tests/node/browser.cjs`: what somebody sees who never touches the browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Once;

use serde_json::{Value, json};

use super::{Preview, site};

/// A browser with one page.
struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The driver, if it, Node and Chromium are here.
fn driver() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    let runs =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    let missing = if !runs("node") {
        "there is no `node`"
    } else if !folder.join("node_modules/playwright-core/package.json").is_file() {
        "`npm ci` in tests/node has not run"
    } else if !runs(&chromium) {
        "there is no Chromium: install it, or name it with CHROMIUM"
    } else {
        return Some(folder.join("browser.cjs"));
    };
    let required = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!required, "no browser could be driven: {missing}");
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        let line = format!("left out: preview in a browser, since {missing}\n");
        // Not by a macro, whose output a passing test would hide. Whether it can be written changes nothing.
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
    None
}

impl Browser {
    fn start() -> Option<Self> {
        let script = driver()?;
        let mut command = Command::new("node");
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Loopback needs no proxy, whatever the machine is told.
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name);
        }
        let mut child = command.spawn().unwrap();
        let (commands, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Browser { child, commands, answers })
    }

    #[track_caller]
    fn tell(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command}: {line}"));
        assert!(answer.get("error").is_none(), "{command}: {}", answer["error"].as_str().unwrap_or_default());
        answer["value"].clone()
    }

    #[track_caller]
    fn goto(&mut self, url: &str) {
        self.tell(&json!({ "do": "goto", "url": url }));
    }

    /// Waits until an expression is true.
    #[track_caller]
    fn until(&mut self, expression: &str) {
        self.tell(&json!({ "do": "until", "expression": expression }));
    }

    #[track_caller]
    fn evaluate(&mut self, expression: &str) -> Value {
        self.tell(&json!({ "do": "evaluate", "expression": expression }))
    }

    #[track_caller]
    fn shows(&mut self, text: &str) {
        self.until(&format!("document.body && document.body.innerText.includes({})", json!(text)));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes its browser when nobody talks to it any more.
        let closed = std::mem::replace(&mut self.commands, unused_pipe());
        drop(closed);
        let _ = self.child.wait();
    }
}

/// A pipe that nobody reads, to put in the place of one that is to be closed.
fn unused_pipe() -> ChildStdin {
    let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take().unwrap();
    let _ = child.wait();
    pipe
}

#[test]
fn a_page_changes_breaks_and_is_mended_without_a_touch() {
    let Some(mut browser) = Browser::start() else { return };
    let site = site();
    let preview = Preview::start(&site, &[]);
    browser.goto(&format!("{}/stories/one/", preview.url));
    browser.shows("One");
    site.file("templates/story.html", "<h1>{{ item.title }} edited</h1>\n");
    browser.shows("One edited");
    site.file("templates/story.html", "<h1>{{ item.titel }} broken</h1>\n");
    browser.shows("The build failed");
    browser.shows("did you mean title?");
    assert_eq!(browser.evaluate("document.querySelector('mark').textContent"), "titel");
    browser.tell(&json!({ "do": "click", "selector": ".button" }));
    browser.shows("One edited");
    assert_eq!(browser.evaluate("location.search"), "?_aem-static=last-good");
    // Another mistake: the last good page makes way for it.
    browser.goto(&format!("{}/stories/one/", preview.url));
    browser.shows("titel");
    site.file("templates/story.html", "<h1>{{ item.tittle }}</h1>\n");
    browser.shows("tittle");
    site.file("templates/story.html", "<h1>{{ item.title }} mended</h1>\n");
    browser.shows("One mended");
    site.story("one", json!({ "slug": "one", "title": "From content" }));
    browser.shows("From content mended");
    // A page that comes to be where there was none.
    browser.goto(&format!("{}/stories/three/", preview.url));
    browser.shows("not here");
    site.story("three", json!({ "slug": "three", "title": "Three" }));
    browser.shows("Three mended");
}

#[test]
fn styles_are_exchanged_and_what_is_of_no_concern_is_left_alone() {
    let Some(mut browser) = Browser::start() else { return };
    let site = site();
    let preview = Preview::start(&site, &[]);
    let colour = |colour: &str| format!("getComputedStyle(document.querySelector('h1')).color === '{colour}'");
    browser.goto(&format!("{}/stories/one/", preview.url));
    browser.until(&colour("rgb(1, 2, 3)"));
    browser.evaluate("window.kept = true");
    // Its name holds a digest, so the page names another file.
    site.file("static/a.css", "h1 { color: rgb(4, 5, 6) }\n");
    browser.until(&colour("rgb(4, 5, 6)"));
    site.file("static/a.css", "h1 { color: rgb(7, 8, 9) }\n");
    browser.until(&colour("rgb(7, 8, 9)"));
    browser.until("document.querySelectorAll('link[rel=stylesheet]').length === 1");
    // Another page's template.
    site.file("templates/home.html", "<body><p>another home</p></body>\n");
    preview.until("/", |answer| answer.text().contains("another home"));
    site.file("static/a.css", "h1 { color: rgb(10, 11, 12) }\n");
    browser.until(&colour("rgb(10, 11, 12)"));
    assert_eq!(browser.evaluate("window.kept"), true, "the page was loaded anew");
    // A stylesheet under its own name.
    site.file(
        "templates/story.html",
        "<link rel=\"stylesheet\" href=\"/a.css\"><h1>{{ item.title }}</h1><img src=\"/dot.gif\">\n",
    );
    browser.until("window.kept === undefined && document.querySelector('img')");
    browser.evaluate("window.kept = true");
    site.file("static/a.css", "h1 { color: rgb(13, 14, 15) }\n");
    browser.until(&colour("rgb(13, 14, 15)"));
    assert_eq!(browser.evaluate("window.kept"), true, "the page was loaded anew");
    // An image that it shows.
    site.file("static/dot.gif", "GIF89a-and-other");
    // The new page counts once its script has run: a server that goes before that leaves a page that cannot listen.
    browser.until("window.kept === undefined && document.readyState === 'complete'");
    // The server is started anew, on the same port: the page finds back to it.
    browser.evaluate("window.kept = true");
    let port = preview.url.rsplit(':').next().unwrap().to_owned();
    drop(preview);
    site.file("templates/story.html", "<h1>{{ item.title }} again</h1>\n");
    let _preview = Preview::start_at(&port, &site, &[]);
    browser.shows("One again");
}

#[test]
fn the_inspector_is_used_by_keys_and_asks_nobody_else() {
    let Some(mut browser) = Browser::start() else { return };
    let site = site();
    let preview = Preview::start(&site, &[]);
    browser.goto(&format!("{}/_aem-static/", preview.url));
    browser.tell(&json!({ "do": "press", "key": "/" }));
    assert_eq!(browser.evaluate("document.activeElement.id"), "q");
    browser.tell(&json!({ "do": "type", "text": "/content/dam/acme/stories/two" }));
    browser.tell(&json!({ "do": "press", "key": "Enter" }));
    browser.shows("Show it");
    browser.tell(&json!({ "do": "click", "selector": ".pages a[href*='two']" }));
    browser.shows("Made from");
    // What is open follows the builds.
    site.file("templates/story.html", "<h1>{{ item.title }} anew</h1>\n");
    browser.shows("templates/story.html changed");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), true);
    let noise = browser.tell(&json!({ "do": "noise" }));
    assert_eq!(noise["noise"], json!([]), "the console has errors");
    let asked: Vec<&str> = noise["asked"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let foreign: Vec<_> =
        asked.iter().filter(|url| !url.starts_with(&preview.url) && !url.starts_with("data:")).collect();
    assert!(asked.len() > 5 && foreign.is_empty(), "{foreign:?}");
    // From a page to what it was made of.
    browser.goto(&format!("{}/stories/one/", preview.url));
    let opened = "window.opened = null; window.open = (url) => { window.opened = url; }; true";
    browser.evaluate(opened);
    browser.tell(&json!({ "do": "press", "key": "Alt+Shift+KeyI" }));
    browser.until("window.opened === '/_aem-static/page?path=%2Fstories%2Fone%2F'");
}
