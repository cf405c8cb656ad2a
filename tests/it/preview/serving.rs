//! What the server gives, and to whom.

use super::{Preview, pages, site};
use crate::site::SiteDir;

#[test]
fn files_are_served_as_a_web_server_would() {
    let site = site();
    let preview = Preview::start(&site, &[]);
    let page = preview.get("/stories/one/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert!(page.text().contains("<h1>One</h1><script src=\"/_aem-static/reload.js\""), "{}", page.text());
    let moved = preview.get("/stories/one");
    assert_eq!((moved.status, moved.header("location")), (307, Some("/stories/one/")));
    let style = preview.get("/a.css");
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert_eq!(style.text(), "h1 { color: rgb(1, 2, 3) }\n");
    let image = preview.get("/dot.gif");
    assert_eq!((image.status, image.header("content-type")), (200, Some("image/gif")));
    // A time of whole seconds would have a browser keep what changed within one.
    assert_eq!(image.header("last-modified"), None);
    let missing = preview.get("/no/such/page");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.page(), "<body><p>not here</p></body>\n");
    let head = preview.send("HEAD", "/stories/one/", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(page.body.len().to_string().as_str()));
}

#[test]
fn parts_of_files_and_compressed_files() {
    let site = site();
    let long = "é0123456789".repeat(1000);
    site.file("static/long.txt", &long);
    let preview = Preview::start(&site, &[]);
    let range = preview.send("GET", "/long.txt", &[("Range", "bytes=2-5"), ("Accept-Encoding", "gzip")]);
    assert_eq!((range.status, range.text().as_str()), (206, "0123"));
    let whole = format!("bytes 2-5/{}", long.len());
    assert_eq!((range.header("content-range"), range.header("content-encoding")), (Some(whole.as_str()), None));
    assert_eq!(preview.send("GET", "/long.txt", &[("Range", "bytes=99999999-")]).status, 416);
    for encoding in ["gzip", "br"] {
        let packed = preview.send("GET", "/long.txt", &[("Accept-Encoding", encoding)]);
        assert_eq!((packed.status, packed.header("content-encoding")), (200, Some(encoding)));
        assert!(packed.body.len() < long.len() / 10);
    }
}

#[test]
fn nothing_but_the_site_is_served() {
    let site = site();
    let preview = Preview::start(&site, &[]);
    preview.says("built");
    assert!(site.path(".aem-static/preview/out/.aem-static").is_file());
    for path in [
        "/.aem-static",
        "/%2eaem-static",
        "/.AEM-STATIC",
        "/./.aem-static",
        "//.aem-static",
        "/../.aem-static/manifest-v2.json",
        "/..%2f..%2f..%2faem-static.toml",
        "/%2e%2e/%2e%2e/%2e%2e/aem-static.toml",
        "/stories/..%5c..%5c..%5caem-static.toml",
        "/stories/../../../../aem-static.toml",
        "/%00",
        "/stories/one/%ff",
    ] {
        let answer = preview.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("configuration ="), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        assert_eq!(preview.send(method, "/", &[]).status, 405, "{method}");
    }
}

/// A page of another site that has its own name lead here can read nothing.
#[test]
fn foreign_names_are_refused_everywhere() {
    let site = site();
    let preview = Preview::start(&site, &["--allow-host", "Tunnel.Test"]);
    for path in ["/", "/a.css", "/_aem-static/", "/_aem-static/events?page=/", "/_preview?path=/x"] {
        for host in ["evil.example", "127.0.0.1.evil.example:80", "10.1.2.3", ""] {
            let answer = preview.send("GET", path, &[("Host", host)]);
            assert_eq!(answer.status, 403, "{host} {path}");
            assert!(!answer.text().contains("One"));
        }
    }
    for host in ["localhost:9", "LOCALHOST", "[::1]:80", "127.0.0.1", "tunnel.test"] {
        assert_eq!(preview.send("GET", "/", &[("Host", host)]).status, 200, "{host}");
    }
    assert_eq!(preview.send("GET", "/", &[("Host", "localhost"), ("Host", "evil.example")]).status, 403);
    assert_eq!(preview.get("/a.css").header("cross-origin-resource-policy"), Some("same-origin"));
}

#[test]
fn what_is_written_is_what_build_writes_and_stands_apart() {
    let site = site();
    let preview = Preview::start(&site, &[]);
    preview.says("built");
    assert!(!site.path("out").exists(), "out/ is build's");
    site.build();
    let of = |folder: &str| {
        let mut tree = crate::site::tree_of(&site.path(folder));
        tree.remove(".aem-static");
        tree
    };
    let own = of(".aem-static/preview/out");
    assert!(own.len() > 5);
    assert!(own == of("out"), "preview wrote other bytes than build");
    drop(preview);
    // With --write it is one folder and one state.
    site.file("templates/story.html", "<p>{{ item.title }}</p>\n");
    let preview = Preview::start(&site, &["--write"]);
    preview.says("built out");
    assert_eq!(site.out("stories/one/index.html"), "<p>One</p>\n");
    drop(preview);
    let cleaned = site.run(&["clean"]);
    assert_eq!(cleaned.status, 0, "{cleaned}");
    assert!(!site.path(".aem-static/preview").exists(), "clean leaves the preview's files");
}

#[test]
fn a_site_below_a_path_is_served_below_it() {
    let site = SiteDir::stories();
    pages(&site);
    let config = site.read("aem-static.toml").replace("https://www.example.com", "https://www.example.com/sub/site");
    site.file("aem-static.toml", config);
    let preview = Preview::start(&site, &[]);
    let root = preview.get("/");
    assert_eq!((root.status, root.header("location")), (307, Some("/sub/site/")));
    assert!(
        preview.get("/sub/site/").text().contains("href=\"&#x2F;sub")
            || preview.get("/sub/site/").text().contains("href=\"/sub/site/stories/one/\"")
    );
    assert_eq!(preview.get("/sub/site/stories/one").header("location"), Some("/sub/site/stories/one/"));
    assert_eq!(preview.get("/sub/site/stories/one/").status, 200);
    assert_eq!(preview.get("/stories/one/").status, 404);
    assert_eq!(preview.get("/sub/sitestories/one/").status, 404);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let site = site();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = site.run(&["preview", "--port", &port]);
    assert_eq!(run.status, 2, "{run}");
    run.says("error[E0901]: cannot listen on 127.0.0.1:").says("choose another port with `--port`");
    let run = SiteDir::empty().run(&["preview"]);
    assert_eq!(run.status, 2, "{run}");
    run.says("error[E0100]");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_while_pages_listen() {
    use std::io::Write as _;
    for signal in ["INT", "TERM"] {
        let site = site();
        let mut preview = Preview::start(&site, &[]);
        preview.says("built");
        let mut listening = std::net::TcpStream::connect(preview.url.strip_prefix("http://").unwrap()).unwrap();
        listening.write_all(b"GET /_aem-static/events?page=/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let began = std::time::Instant::now();
        assert_eq!(preview.signalled(signal), Some(130));
        assert!(began.elapsed() < std::time::Duration::from_secs(10));
    }
}

#[cfg(unix)]
#[test]
fn other_machines_are_let_in_only_when_asked_for() {
    let site = site();
    let preview = Preview::start(&site, &["--host", "0.0.0.0"]);
    preview.says("warning[E0902]");
    assert_eq!(preview.send("GET", "/", &[("Host", "10.1.2.3:1111")]).status, 200);
    assert_eq!(preview.send("GET", "/", &[("Host", "evil.example")]).status, 403);
}
