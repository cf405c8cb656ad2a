//! Hostile sites and servers: what must be refused, said, or survived.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const CONFIG: &str = r#"
[site]
title = "T"
base_url = "https://www.example.com"
[aem]
tier = "publish"
queries = "direct"
configuration = "c"
[[route]]
query = "a"
each = "/a/{{ slug }}/"
template = "a.html"
"#;
const LIST: &str = "{ aList { items { _path slug title } } }";
const PAGES: &str = "query($after: String) { aPaginated(first: 1, after: $after, sort: \"slug\") { \
                     edges { node { _path slug title } } pageInfo { hasNextPage endCursor } } }";

fn site(query: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "aem-static.toml", CONFIG);
    write(folder.path(), "content-queries/a.graphql", query);
    write(folder.path(), "templates/a.html", "<h1>{{ item.title }}</h1>");
    folder
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn tool(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aem-static"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AEM_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn build(folder: &TempDir, host: &str, arguments: &[&str]) -> (i32, String) {
    let output = tool(folder.path(), &[&["build"], arguments].concat(), &[("AEM_HOST", host)]);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

fn out(folder: &TempDir) -> BTreeSet<String> {
    let root = folder.path().join("out");
    let files =
        walkdir::WalkDir::new(&root).into_iter().filter_map(Result::ok).filter(|entry| !entry.file_type().is_dir());
    files.map(|entry| entry.path().strip_prefix(&root).unwrap().to_string_lossy().into_owned()).collect()
}

/// A server that answers each request by what `answer` makes of its body and number; dies with the test process.
fn serve(answer: impl Fn(&str, usize) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().filter_map(Result::ok).enumerate() {
            let _ = reply(stream, |body| answer(body, number));
        }
    });
    host
}

fn reply(mut stream: TcpStream, answer: impl Fn(&str) -> String) -> std::io::Result<()> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        seen.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if read == 0 || body.len() >= length.unwrap_or(0) {
            let answer = answer(body);
            let answer = match answer.starts_with("HTTP/") {
                true => answer,
                false => format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}",
                    answer.len()
                ),
            };
            return stream.write_all(answer.as_bytes());
        }
    }
}

fn item(slug: &str) -> String {
    format!(r#"{{"_path":"/content/dam/c/{slug}","slug":"{slug}","title":"T {slug}"}}"#)
}

fn list(items: &[String]) -> String {
    format!(r#"{{"data":{{"aList":{{"items":[{}]}}}}}}"#, items.join(","))
}

fn page(edges: &str, page_info: &str) -> String {
    format!(r#"{{"data":{{"aPaginated":{{"edges":[{edges}]{page_info}}}}}}}"#)
}

fn node(slug: &str) -> String {
    format!(r#"{{"node":{}}}"#, item(slug))
}

fn listing(items: &[&str]) -> String {
    let body = list(&items.iter().map(|slug| item(slug)).collect::<Vec<_>>());
    serve(move |_, _| body.clone())
}

#[test]
fn init_writes_to_the_folder_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    assert!(tool(folder.path(), &["init", "mine"], &[]).status.success());
    assert!(folder.path().join("mine/aem-static.toml").is_file());
    assert!(!folder.path().join("mine/mine").exists());
}

#[test]
fn a_page_that_does_not_say_whether_more_follows_is_not_the_last() {
    for page_info in
        ["", r#","pageInfo":null"#, r#","pageInfo":{}"#, r#","pageInfo":{"hasNextPage":"true","endCursor":"x"}"#]
    {
        let site = site(PAGES);
        let host = serve(move |_, _| page(&node("x"), page_info));
        let (status, text) = build(&site, &host, &[]);
        assert!(status != 0 && text.contains("does not say whether more follows"), "{page_info}: {text}");
        assert!(out(&site).is_empty(), "{page_info}");
    }
}

#[test]
fn an_edge_without_node_is_no_missing_item() {
    let site = site(PAGES);
    let edges = format!("{},{{}}", node("x"));
    let host = serve(move |_, _| page(&edges, r#","pageInfo":{"hasNextPage":false,"endCursor":""}"#));
    let (status, text) = build(&site, &host, &[]);
    assert!(status != 0 && text.contains("an edge has no `node`"), "{text}");
}

#[test]
fn an_empty_page_in_the_middle_is_not_the_end() {
    let site = site(PAGES);
    let more = |cursor: &str, more: bool| format!(r#","pageInfo":{{"hasNextPage":{more},"endCursor":"{cursor}"}}"#);
    let host = serve(move |body, _| match body {
        body if body.contains("\"c1\"") => page("", &more("c2", true)),
        body if body.contains("\"c2\"") => page(&node("b"), &more("c3", false)),
        _ => page(&node("a"), &more("c1", true)),
    });
    let (status, text) = build(&site, &host, &[]);
    assert_eq!(status, 0, "{text}");
    assert!(out(&site).contains("a/a/index.html") && out(&site).contains("a/b/index.html"), "{:?}", out(&site));
}

#[test]
fn empty_pages_without_end_are_an_error() {
    let site = site(PAGES);
    let host = serve(|_, number| page("", &format!(r#","pageInfo":{{"hasNextPage":true,"endCursor":"c{number}"}}"#)));
    let (status, text) = build(&site, &host, &[]);
    assert!(status == 1 && text.contains("empty pages in a row"), "{text}");
}

#[test]
fn an_item_that_comes_twice_is_an_error_without_paging_too() {
    let site = site(LIST);
    let config = CONFIG.replace("each = \"/a/{{ slug }}/\"", "list = \"/\"").replace("a.html", "l.html");
    write(site.path(), "aem-static.toml", &config);
    write(site.path(), "templates/l.html", "{% for item in items %}{{ item.title }}{% endfor %}");
    let (status, text) = build(&site, &listing(&["x", "x"]), &[]);
    assert!(status == 1 && text.contains("/content/dam/c/x came twice"), "{text}");
}

#[test]
fn an_item_that_cannot_be_read_is_named() {
    let site = site(LIST);
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let body = list(&[item("fine"), item("deep").replace("\"T deep\"", &deep)]);
    let (status, text) = build(&site, &serve(move |_, _| body.clone()), &[]);
    assert!(status != 0 && text.contains("fragment: /content/dam/c/deep") && text.contains("help: "), "{text}");
}

#[test]
fn out_may_not_be_among_the_sources() {
    for folder in
        ["content-queries", "templates", "templates/x", "static", "content/y", ".aem-static", "./templates/../static"]
    {
        let site = site(LIST);
        write(
            site.path(),
            "aem-static.toml",
            &CONFIG.replacen("[[route]]", &format!("[build]\nout = \"{folder}\"\n[[route]]"), 1),
        );
        let (status, text) = build(&site, &listing(&["x"]), &["--adopt"]);
        assert!(
            status == 2 && text.contains("aem-static.toml:10:7") && text.contains("the site's own"),
            "{folder}: {text}"
        );
        assert!(
            site.path().join("content-queries/a.graphql").exists() && site.path().join("templates/a.html").exists()
        );
    }
}

#[test]
fn out_at_or_above_the_site_is_told_once() {
    for folder in ["", ".", "..", "/"] {
        let site = site(LIST);
        write(
            site.path(),
            "aem-static.toml",
            &CONFIG.replacen("[[route]]", &format!("[build]\nout = \"{folder}\"\n[[route]]"), 1),
        );
        let (status, text) = build(&site, &listing(&["x"]), &[]);
        assert!(status == 2 && text.matches("E0103").count() == 1, "{folder}: {text}");
    }
}

#[test]
fn static_files_whose_names_begin_with_a_dot_are_copied() {
    let site = site(LIST);
    for file in [".well-known/security.txt", ".nojekyll", ".htaccess"] {
        write(site.path(), &format!("static/{file}"), "x");
    }
    let (status, text) = build(&site, &listing(&["x"]), &[]);
    assert_eq!(status, 0, "{text}");
    for file in [".well-known/security.txt", ".nojekyll", ".htaccess"] {
        assert!(out(&site).contains(file), "{file}");
    }
    assert_eq!(build(&site, &listing(&["x"]), &[]).0, 0, "and the next build knows them for its own");
}

#[cfg(unix)]
#[test]
fn a_static_file_that_cannot_be_reached_is_not_withdrawn() {
    let site = site(LIST);
    write(site.path(), "elsewhere/logo.svg", "<svg/>");
    fs::create_dir(site.path().join("static")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", site.path().join("static/brand")).unwrap();
    let host = listing(&["x"]);
    assert_eq!(build(&site, &host, &[]).0, 0);
    assert!(out(&site).contains("brand/logo.svg"));
    fs::rename(site.path().join("elsewhere"), site.path().join("gone")).unwrap();
    let (status, text) = build(&site, &host, &[]);
    assert!(status == 2 && text.contains("static/brand cannot be read"), "{text}");
    assert!(out(&site).contains("brand/logo.svg"));
}

#[test]
fn a_clash_with_the_sitemap_names_both() {
    let site = site(LIST);
    write(site.path(), "aem-static.toml", &CONFIG.replace("/a/{{ slug }}/", "/{{ slug }}/"));
    let (status, text) = build(&site, &listing(&["sitemap.xml"]), &[]);
    assert!(
        status == 1 && text.contains("fragment: /content/dam/c/sitemap.xml") && text.contains("each route `a`"),
        "{text}"
    );
    assert_eq!(text.matches("E0403").count(), 1, "{text}");
}

#[test]
fn a_list_or_an_object_is_no_path() {
    for value in ["[]", r#"["a"]"#, r#"["a/b"]"#, "{}", r#"{"a":1}"#, r#""a\u0001b""#] {
        let site = site(LIST);
        let body = list(&[item("x").replace(r#""slug":"x""#, &format!(r#""slug":{value}"#))]);
        let (status, text) = build(&site, &serve(move |_, _| body.clone()), &[]);
        assert!(
            status == 1
                && (text.contains("is no text for a path") || text.contains("U+0001"))
                && text.contains("fragment: /content/dam/c/x"),
            "{value}: {text}"
        );
    }
}

#[cfg(unix)]
#[test]
fn state_is_private_also_where_the_folder_was_there() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = site(LIST);
    let state = site.path().join(".aem-static");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(build(&site, &listing(&["x"]), &[]).0, 0);
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn an_argument_that_a_function_does_not_take_is_refused() {
    for (call, message) in [
        ("url_for(path=item._path, locale=\"de\")", "`url_for` takes no `locale`"),
        ("query(name=\"a\", slug=1)", "`query` takes no `slug`"),
        ("static_url(file=\"x\", digest=true)", "`static_url` takes no `digest`"),
        ("asset(ref=\"/content/dam/x.jpg\", width=1)", "`asset` takes no `width`"),
        ("image(ref=\"/content/dam/x.jpg\", width=1)", "`image` takes no `width`"),
    ] {
        let site = site(LIST);
        write(site.path(), "templates/a.html", &format!("{{{{ {call} }}}}"));
        let (status, text) = build(&site, &listing(&["x"]), &[]);
        assert!(status == 1 && text.contains(message) && text.contains("templates/a.html:1:4"), "{call}: {text}");
    }
}

#[test]
fn no_reference_climbs_out_of_the_assets() {
    let climbing = ["..", "%2e%2e", ".%2E", "..%2f..", "..%5c..", "..;", "%2e%2e;x=1", "%2e"];
    for step in climbing {
        let site = site(LIST);
        write(site.path(), "templates/a.html", &format!("{{{{ asset(ref=\"/content/dam/{step}/x.jpg\") }}}}"));
        let (status, text) = build(&site, &listing(&["x"]), &[]);
        assert!(status == 1 && text.contains("takes an asset's path below /content/dam/"), "{step}: {text}");
    }
}

#[test]
fn an_empty_body_or_an_html_page_is_no_image() {
    for (asset, why) in [("", "the body is empty"), ("<!DOCTYPE html><title>x</title>", "an HTML page came instead")] {
        let site = site(LIST);
        write(site.path(), "templates/a.html", "{{ asset(ref=\"/content/dam/x.jpg\") }}");
        let body = list(&[item("x")]);
        let host = serve(move |request, _| match request.is_empty() {
            false => body.clone(),
            true => format!(
                "HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{asset}",
                asset.len()
            ),
        });
        let (status, text) = build(&site, &host, &[]);
        assert!(status == 1 && text.contains(why) && text.contains("copied   0 assets"), "{text}");
    }
}

#[test]
fn a_token_is_told_in_no_spelling() {
    let token = "S3cr+t/Tok=en-0123456789";
    let spelt = ["S3cr+t/Tok=en", "S3cr%2Bt%2FTok%3Den", "S3cr%2Bt/Tok%3Den", "UzNjcit0L1Rvaz1lbi0wMTIzNDU2Nzg5"];
    let replies = [
        "HTTP/1.1 302 Found\r\nlocation: /login/S3cr%2Bt%2FTok%3Den-0123456789\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: /login/S3cr%2Bt/Tok%3Den-0123456789\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 400 Bad\r\nconnection: close\r\ncontent-length: 32\r\n\r\nUzNjcit0L1Rvaz1lbi0wMTIzNDU2Nzg5",
        r#"{"errors":[{"message":"no S3cr%2Bt%2FTok%3Den-0123456789"}]}"#,
    ];
    for reply in replies {
        let site = site(LIST);
        let host = serve(move |_, _| reply.to_owned());
        let output = tool(site.path(), &["build", "-v"], &[("AEM_HOST", &host), ("AEM_TOKEN", token)]);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success() && text.contains("[redacted]"), "{text}");
        assert!(spelt.iter().all(|spelling| !text.contains(spelling)), "{text}");
    }
}
