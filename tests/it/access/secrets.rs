//! Promise 5: no secret, in whatever spelling, in anything that is said or written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use crate::doctor::service_credentials;
use crate::server::{Reply, Request, Server, answer, say, stories, story};
use crate::site::{EACH, Run, SiteDir, tree_of};

/// Awkward enough that every encoding of it looks different.
const SECRET: &str = "hush+hush/S3cret=&ä!";
const ISSUED: &str = "issued-token-7f3a+/==";

/// An AEM with IMS. Broken, it repeats everything it was told: address, headers and body.
struct Echo {
    server: Server,
    broken: Arc<AtomicBool>,
}

fn echo() -> Echo {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = broken.clone();
    let server = Server::start(move |request: &Request| -> Reply {
        if request.path.starts_with("/ims/") {
            return answer(&json!({ "access_token": ISSUED, "token_type": "bearer", "expires_in": 86_400_000 }));
        }
        if switch.load(Ordering::SeqCst) {
            let told = format!("you sent {} {} {:?} {}", request.method, request.path, request.headers, request.body);
            // In a header, in a text, and as an error of GraphQL.
            let headers = "content-type: application/json\r\n".to_owned();
            let errors = json!({ "errors": [{ "message": told }] }).to_string();
            return say("400 Bad Request", &headers, errors);
        }
        stories(&json!([story("one"), story("two")]))
    });
    Echo { server, broken }
}

/// How a secret may look: raw, URL-encoded in two ways, as JSON, and in base64 at each of three positions.
fn spellings(secret: &str) -> Vec<String> {
    let mut all = vec![
        secret.to_owned(),
        percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        serde_json::to_string(secret).unwrap().trim_matches('"').to_owned(),
    ];
    for engine in [&BASE64_STANDARD, &BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
        for shift in 0..3 {
            // What stands before and behind it is cut away: only characters that are of the secret alone.
            let text = engine.encode([&vec![b'x'; shift][..], secret.as_bytes()].concat());
            let text = text.trim_end_matches('=');
            let (from, to) = ((shift * 8).div_ceil(6), text.len() - 2);
            all.push(text[from..to].to_owned());
        }
    }
    all.sort();
    all.dedup();
    all
}

#[track_caller]
fn assert_hushed(what: &str, site: &SiteDir, run: &Run, secrets: &[&str]) {
    let mut places = vec![("stdout".to_owned(), run.stdout.clone()), ("stderr".to_owned(), run.stderr.clone())];
    let files = tree_of(&site.path("")).into_iter().filter(|(path, _)| path != "aem-static.toml" && path != ".env");
    places.extend(files.map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned())));
    assert!(places.len() > 4, "{what}: nothing was looked at");
    for secret in secrets {
        for spelling in spellings(secret) {
            let found = places.iter().find(|(_, text)| text.contains(&spelling));
            assert!(found.is_none(), "{what}: `{spelling}` in {}\n{run}", found.unwrap().0);
        }
    }
}

/// A kind of credentials, the variables that hold it, and what of it is secret.
type CredentialKind = (&'static str, Vec<(&'static str, String)>, Vec<String>);

/// What a person or a file tells us to authorise with.
fn kinds() -> Vec<CredentialKind> {
    let text = std::fs::read_to_string(service_credentials()).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let part = |pointer: &str| file.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let key = part("/integration/privateKey");
    let of_key: Vec<String> = key.lines().filter(|line| !line.starts_with("---")).map(str::to_owned).collect();
    let of_service = [vec![part("/integration/technicalAccount/clientSecret"), ISSUED.to_owned()], of_key].concat();
    vec![
        ("token", vec![("AEM_TOKEN", "hush-token-S3cret+/==".to_owned())], vec!["hush-token-S3cret+/==".to_owned()]),
        (
            "user",
            vec![("AEM_USER", "admin".to_owned()), ("AEM_PASSWORD", SECRET.to_owned())],
            vec![SECRET.to_owned(), format!("admin:{SECRET}")],
        ),
        ("service", vec![("AEM_SERVICE_CREDENTIALS", service_credentials())], of_service),
        (
            "oauth",
            vec![
                ("AEM_CLIENT_ID", "client".to_owned()),
                ("AEM_CLIENT_SECRET", SECRET.to_owned()),
                ("AEM_SCOPES", "openid".to_owned()),
            ],
            vec![SECRET.to_owned(), ISSUED.to_owned()],
        ),
    ]
}

#[test]
fn no_secret_is_told_or_written() {
    for (kind, variables, secrets) in kinds() {
        let Echo { server, broken } = echo();
        let site = SiteDir::remote(&server.url, EACH);
        let aem = format!(
            "tier = \"publish\"\nqueries = \"direct\"\nims = \"{0}\"\n[aem.headers.publish]\nX-Key = {{ env = \"EDGE_KEY\" }}\n\
             [aem.hosts]\npublish = \"{0}\"",
            server.url
        );
        site.config("locales = []", &aem, EACH);
        let mut secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        secrets.push("edge-key-S3cret");
        for (command, is_broken) in [("build", false), ("doctor", false), ("build", true), ("doctor", true)] {
            broken.store(is_broken, Ordering::SeqCst);
            for format in ["human", "json"] {
                let mut run = site.command(&[command, "-v", "--format", format]);
                run.envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
                    .env("EDGE_KEY", "edge-key-S3cret");
                let run = Run::of(&mut run);
                let what = format!("{kind}, {command}, broken: {is_broken}, {format}");
                assert!(!run.stderr.contains("panicked"), "{what}: {run}");
                if is_broken {
                    assert_ne!(run.status, 0, "{what}: {run}");
                    assert!(command == "doctor" || run.to_string().contains("you sent"), "{what}: {run}");
                } else if command == "build" {
                    assert_eq!(run.status, 0, "{what}: {run}");
                }
                assert_hushed(&what, &site, &run, &secrets);
            }
        }
        // The secrets were really sent: nothing of this holds for want of them.
        let sent = server.requests().iter().map(|request| request.headers.join("\n")).collect::<String>();
        assert!(sent.contains("authorization: ") && sent.contains("x-key: edge-key-S3cret"), "{kind}: {sent}");
    }
}

/// The search itself finds what it looks for.
#[test]
fn every_spelling_is_looked_for() {
    let spelled = spellings(SECRET);
    for text in [
        format!("a {SECRET} b"),
        format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{SECRET}"))),
        BASE64_URL_SAFE_NO_PAD.encode(format!("xx{SECRET}yy")),
        url::form_urlencoded::Serializer::new(String::new()).append_pair("secret", SECRET).finish(),
        json!({ "secret": SECRET }).to_string(),
    ] {
        assert!(spelled.iter().any(|spelling| text.contains(spelling)), "{text}");
    }
}
