//! Where assets may come from, and what counts as one.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::super::scripted::{Act, Scripted, say};
use super::super::{Connection, Credentials, Secret, Tier};
use super::*;

fn aem(base: &str) -> Aem {
    let mut connection = Connection::new(Tier::Publish, Url::parse(base).unwrap(), "acme");
    connection.asset_hosts = vec!["cdn.example.com".into(), "images.example.com:8443".into()];
    Aem::new(connection).unwrap()
}

fn image() -> Act {
    say(
        "200 OK",
        "content-type: Image/PNG; q=1\r\netag: \"v1\"\r\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        "png",
    )
}

#[test]
fn locations_become_addresses() {
    let aem = aem("http://127.0.0.1:4503/aem");
    for (location, address) in [
        ("/content/dam/acme/a b.jpg", "http://127.0.0.1:4503/aem/content/dam/acme/a%20b.jpg"),
        ("/content/dam/acme/a%20b.jpg", "http://127.0.0.1:4503/aem/content/dam/acme/a%20b.jpg"),
        ("/content/dam/100% süß.jpg", "http://127.0.0.1:4503/aem/content/dam/100%25%20s%C3%BC%C3%9F.jpg"),
        ("/adobe/dm/x.jpg?width=10&size=1,2#top", "http://127.0.0.1:4503/aem/adobe/dm/x.jpg?width=10&size=1,2"),
        ("/content\\dam\n/x", "http://127.0.0.1:4503/aem/content%5Cdam%0A/x"),
        ("http://127.0.0.1:4503/aem/content/dam/x.jpg", "http://127.0.0.1:4503/aem/content/dam/x.jpg"),
        ("https://user:pass@cdn.example.com/x.jpg", "https://cdn.example.com/x.jpg"),
        ("//CDN.example.com/x.jpg", "http://cdn.example.com/x.jpg"),
        ("https://images.example.com:8443/x.jpg", "https://images.example.com:8443/x.jpg"),
    ] {
        assert_eq!(aem.asset_address(location).unwrap().as_str(), address);
    }
}

#[test]
fn other_hosts_are_refused() {
    let aem = aem("https://publish.example.com");
    for (location, named) in [
        ("https://evil.example.com/x.jpg", "evil.example.com"),
        ("//evil.example.com/x.jpg", "evil.example.com"),
        ("https://publish.example.com:8443/x.jpg", "publish.example.com:8443"),
        ("http://publish.example.com/x.jpg", "publish.example.com"),
        ("https://publish.example.com/bin/querybuilder.json", "publish.example.com"),
        ("https://publish.example.com/content/dam/../../bin/x", "publish.example.com"),
        ("https://images.example.com/x.jpg", "images.example.com"),
        ("data:image/png;base64,AAAA", "data:"),
        ("file:///etc/passwd", "file:"),
        ("content/dam/x.jpg", "content/dam/x.jpg"),
        ("", ""),
    ] {
        let failed = aem.asset_address(location).unwrap_err();
        assert_eq!(failed.kind, FailureKind::HostNotAllowed { host: named.into() }, "{location}");
        assert_eq!(failed.attempts, 0);
    }
}

#[tokio::test]
async fn an_asset_comes_with_its_validators() {
    let server = Scripted::start(vec![image(), say("304 Not Modified", "", "")]).await;
    let aem = server.aem();
    let AssetAnswer::Body { bytes, mime, validators } = aem.asset("/content/dam/x.png", None).await.unwrap() else {
        panic!()
    };
    assert_eq!((bytes.as_slice(), mime.as_deref()), (b"png".as_slice(), Some("image/png")));
    assert_eq!(aem.asset("/content/dam/x.png", Some(&validators)).await.unwrap(), AssetAnswer::NotModified);
    let second = server.requests()[1].to_ascii_lowercase();
    assert!(second.contains("\r\nif-none-match: \"v1\"\r\n"), "{second}");
    assert!(second.contains("\r\nif-modified-since: sun, 06 nov 1994 08:49:37 gmt\r\n"), "{second}");
    assert!(second.contains("\r\naccept: */*\r\n"), "{second}");
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_a_failure() {
    let server = Scripted::start(vec![say("304 Not Modified", "", "")]).await;
    let failed = server.aem().asset("/x.png", Some(&Validators::default())).await.unwrap_err();
    assert!(matches!(failed.kind, FailureKind::Status { status: 304, .. }));
}

#[tokio::test]
async fn redirects_are_followed_at_home_only() {
    let server = Scripted::start(vec![say("301 Moved", "location: /y.png?a=1\r\n", ""), image()]).await;
    server.aem().asset("/x.png", None).await.unwrap();
    assert!(server.requests()[1].starts_with("GET /y.png?a=1 "));

    let server = Scripted::start(vec![say("302 Found", "location: https://cdn.example.com/x.png\r\n", "")]).await;
    let failed = server.aem().asset("/x.png", None).await.unwrap_err();
    let location = Some("https://cdn.example.com/x.png".to_owned());
    assert_eq!(failed.kind, FailureKind::Redirected { status: 302, location });

    let around = (0..=HOPS).map(|_| say("302 Found", "location: /x.png\r\n", "")).collect();
    let failed = Scripted::start(around).await.aem().asset("/x.png", None).await.unwrap_err();
    assert!(matches!(failed.kind, FailureKind::Redirected { .. }), "{failed:?}");
}

#[tokio::test]
async fn pages_are_not_assets() {
    let page = || say("200 OK", "content-type: text/html\r\n", "<title>Log in</title>");
    let server = Scripted::start(vec![page(), page(), page(), page(), page()]).await;
    let failed = server.aem().asset("/x.png", None).await.unwrap_err();
    assert_eq!((failed.kind, failed.attempts), (FailureKind::SignIn { location: None }, 4));
    assert!(server.aem().asset("/x.html", None).await.is_ok());

    let missing = || say("404 Not Found", "content-type: text/html\r\n", "<title>No</title>");
    let server = Scripted::start(vec![missing(), missing(), missing(), missing()]).await;
    let failed = server.aem().asset("/x.png", None).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::NotFound { what: NotFound::Asset, details: "No".into() });
}

#[tokio::test]
async fn credentials_stay_at_home() {
    let home = Scripted::start(vec![image()]).await;
    let other = Scripted::start(vec![image()]).await;
    let mut connection = home.connection();
    connection.credentials = Credentials::Bearer(Secret::new("s3cr3t"));
    connection.headers = vec![("X-Key".into(), "s3cr3t".into())];
    connection.asset_hosts = vec![format!("127.0.0.1:{}", other.base.port().unwrap())];
    let aem = Aem::new(connection).unwrap();
    aem.asset("/x.png", None).await.unwrap();
    aem.asset(other.base.join("/x.png").unwrap().as_str(), None).await.unwrap();
    assert_eq!(home.requests()[0].matches("s3cr3t").count(), 2);
    assert_eq!(other.requests()[0].matches("s3cr3t").count(), 0);
    assert!(other.requests()[0].contains(concat!("aem-static/", env!("CARGO_PKG_VERSION"))));
}
