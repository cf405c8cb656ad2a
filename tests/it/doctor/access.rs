//! Credentials, and who answers.

use aem_static::origin::{Access, ImsOptions, OauthClient, Options};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::{Aem, assert_examined, examined, point, stories_on};
use crate::server::{Server, say};
use crate::site::SiteDir;

fn guarded() -> Access {
    Access { token: Some("right-token".to_owned().into()), ..Access::default() }
}

#[test]
fn author_wants_to_know_who_asks() {
    let (site, _aem) = stories_on("author", Options { access: guarded(), ..Options::default() }, "");
    assert_examined!(examined(&site, &[], &[], 3));
}

#[test]
fn credentials_of_another_environment() {
    let (site, _aem) = stories_on("author", Options { access: guarded(), ..Options::default() }, "");
    let run = examined(&site, &[], &[("AEM_TOKEN", "wrong-token")], 3);
    assert!(!run.to_string().contains("wrong-token"), "{run}");
    assert_examined!(run);
    examined(&site, &[], &[("AEM_TOKEN", "right-token")], 0);
}

#[test]
fn a_token_that_has_ended_says_so_before_it_is_sent() {
    let (site, aem) = stories_on("author", Options { access: guarded(), ..Options::default() }, "");
    let claims = BASE64_URL_SAFE_NO_PAD.encode(json!({ "exp": 1_700_000_000 }).to_string());
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{claims}.c2ln");
    let run = examined(&site, &[], &[("AEM_TOKEN", &token)], 3);
    assert!(run.stderr.contains("2023-11-14 22:13 UTC") && !run.to_string().contains(&claims), "{run}");
    assert_eq!(run.count("E0107"), 1, "told once: {run}");
    assert_examined!(run);
    // Only the request that shows that the host answers, and that one carries no token.
    assert_eq!(aem.running.counts().refused, 1);
}

#[test]
fn ims_knows_another_secret() {
    let oauth =
        OauthClient { id: "client".to_owned(), secret: "right-secret".to_owned().into(), scopes: String::new() };
    let access = Access { ims: Some(ImsOptions { oauth: Some(oauth), ..ImsOptions::default() }), ..Access::default() };
    let site = SiteDir::stories();
    let aem = Aem::of(&site, Options { access, ..Options::default() });
    point(&site, "author", aem.url(), &format!("ims = \"{}\"", aem.url()));
    let client = |secret| [("AEM_CLIENT_ID", "client"), ("AEM_CLIENT_SECRET", secret), ("AEM_SCOPES", "openid")];
    let run = examined(&site, &[], &client("wrong-secret"), 3);
    assert!(!run.to_string().contains("wrong-secret"), "{run}");
    assert_examined!(run);
    examined(&site, &[], &client("right-secret"), 0);
}

#[test]
fn another_site_is_not_aem() {
    let html = "content-type: text/html\r\n";
    let site = SiteDir::stories();
    let mut told = String::new();
    for (what, status, headers, body) in [
        ("a web site", "200 OK", html, "<!doctype html><title>Our shop</title>"),
        ("an API", "404 Not Found", "content-type: application/json\r\n", "{\"message\":\"no route\"}"),
        ("a redirect", "301 Moved Permanently", "location: https://www.example.com/graphql\r\n", ""),
        ("an IP allow list", "405 Method Not Allowed", html, "<title>405</title>"),
    ] {
        let server = Server::start(move |_| say(status, headers, body));
        point(&site, "publish", &server.url, "");
        told.push_str(&format!("==== {what}\n{}\n", examined(&site, &[], &[], 3)));
    }
    assert_examined!(told);
}

/// On author nothing stands before AEM: a page with 404 is no Dispatcher's.
#[test]
fn a_404_on_author_is_another_path() {
    let server = Server::start(|_| say("404 Not Found", "content-type: text/html\r\n", "<title>No such page</title>"));
    let site = SiteDir::stories();
    point(&site, "author", &server.url, "");
    assert_examined!(examined(&site, &[], &[], 3));
}

#[test]
fn a_configuration_without_endpoint() {
    let (site, aem) = stories_on("author", Options::default(), "");
    let config = site.read("aem-static.toml").replace("configuration = \"acme\"", "configuration = \"shop\"");
    site.file("aem-static.toml", config);
    assert_examined!(examined(&site, &[], &[], 3));
    drop(aem);
}
