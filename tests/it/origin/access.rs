//! Authorisation (protocol §7): basic, bearer, and the stand-in for IMS.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aem_static::origin::{Access, Basic, ImsOptions, OauthClient, Options, Refusal, Running, Tier, Unit};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs1KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::http::{Answer, send};

const LIST: &str = "/graphql/list.json";
const EXCHANGE: &str = "/ims/exchange/jwt";
const OAUTH: &str = "/ims/token/v3";

fn credentials() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/credentials/service-credentials.json")
}

/// An origin without content: what is asked is whether one may ask.
async fn serve(options: Options) -> Running {
    let content = tempfile::tempdir().unwrap();
    super::serve_as(options, content.path(), None).await
}

async fn guarded(access: Access) -> Running {
    serve(Options { access, control: true, ..Options::default() }).await
}

fn ims() -> ImsOptions {
    ImsOptions {
        service_credentials: Some(credentials()),
        oauth: Some(OauthClient {
            id: "client".to_owned(),
            secret: "s&cret=".to_owned().into(),
            scopes: "openid,AdobeID,aem.folders".to_owned(),
        }),
        ..ImsOptions::default()
    }
}

async fn asked(origin: &Running, path: &str, authorization: Option<&str>) -> Answer {
    let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", *value)).collect();
    send(origin.url(), "GET", path, &headers, b"").await
}

async fn status(origin: &Running, authorization: Option<&str>) -> u16 {
    asked(origin, LIST, authorization).await.status
}

async fn form(origin: &Running, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    send(origin.url(), "POST", path, &headers, body.as_bytes()).await
}

/// The integration of the test file, its claims as Adobe's client makes them, and its JWT.
struct Signer {
    integration: Value,
    key: RsaKeyPair,
}

impl Signer {
    fn new() -> Self {
        let text = std::fs::read(credentials()).unwrap();
        let integration = serde_json::from_slice::<Value>(&text).unwrap()["integration"].take();
        let pem = integration["privateKey"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\r\n"));
        let key = PrivatePkcs1KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = RsaKeyPair::from_der(key.secret_pkcs1_der()).unwrap();
        Self { integration, key }
    }

    fn text(&self, name: &str) -> &str {
        self.integration.pointer(name).unwrap().as_str().unwrap()
    }

    fn claims(&self) -> Value {
        let ims = self.text("/imsEndpoint");
        let exp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 8 * 3600;
        let mut claims = json!({
            "iss": self.text("/org"),
            "sub": self.text("/id"),
            "exp": exp,
            "aud": format!("https://{ims}/c/{}", self.text("/technicalAccount/clientId")),
        });
        for scope in self.text("/metascopes").split(',') {
            claims[format!("https://{ims}/s/{scope}")] = json!(true);
        }
        claims
    }

    fn jwt(&self, algorithm: &str, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": algorithm, "typ": "JWT" })), part(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    async fn exchange(&self, origin: &Running, jwt: &str) -> Answer {
        let account = &self.integration["technicalAccount"];
        let (id, secret) = (account["clientId"].as_str().unwrap(), account["clientSecret"].as_str().unwrap());
        form(origin, EXCHANGE, &[("client_id", id), ("client_secret", secret), ("jwt_token", jwt)]).await
    }

    async fn token(&self, origin: &Running) -> String {
        let answer = self.exchange(origin, &self.jwt("RS256", &self.claims())).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        format!("Bearer {}", answer.json()["access_token"].as_str().unwrap())
    }
}

#[tokio::test]
async fn without_access_everybody_may_ask() {
    let origin = guarded(Access::default()).await;
    assert_eq!(status(&origin, None).await, 200);
    assert_eq!(status(&origin, Some("Bearer whatever")).await, 200);
    // No stand-in for IMS that nobody asked for.
    assert_eq!(form(&origin, EXCHANGE, &[]).await.status, 404);
}

#[tokio::test]
async fn author_wants_the_token_or_the_user() {
    let access = Access {
        token: Some("dev-token".to_owned().into()),
        basic: Some(Basic { user: "jörg".to_owned(), password: "a:b ü".to_owned().into() }),
        ..Access::default()
    };
    let origin = guarded(access).await;
    let refused = asked(&origin, LIST, None).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("content-type"), Some("text/html;charset=utf-8"));
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic realm="));
    // Everything is guarded, endpoints and assets too.
    for path in ["/content/dam/a.jpg", "/graphql/execute.json/acme/a", "/content/cq:graphql/acme/endpoint.GQLschema"] {
        assert_eq!(asked(&origin, path, None).await.status, 401, "{path}");
    }
    let basic = |bytes: &[u8]| format!("Basic {}", BASE64_STANDARD.encode(bytes));
    assert_eq!(status(&origin, Some("Bearer dev-token")).await, 200);
    assert_eq!(status(&origin, Some(&basic("jörg:a:b ü".as_bytes()))).await, 200);
    assert_eq!(status(&origin, Some(&basic(b"j\xF6rg:a:b \xFC"))).await, 200);
    assert_eq!(status(&origin, Some(&basic(b"jorg:a:b u"))).await, 401);
    assert_eq!(status(&origin, Some("Bearer dev-toke")).await, 401);
    assert_eq!(origin.counts().refused, 6);
}

#[tokio::test]
async fn publish_is_there_for_everybody_but_not_for_wrong_credentials() {
    let access = Access { token: Some("dev-token".to_owned().into()), ..Access::default() };
    for tier in [Tier::Preview, Tier::Publish] {
        let origin = serve(Options { tier, access: access.clone(), ..Options::default() }).await;
        let path = "/content/dam/missing.jpg";
        assert_eq!(asked(&origin, path, None).await.status, 404);
        assert_eq!(asked(&origin, path, Some("Bearer dev-token")).await.status, 404);
        assert_eq!(asked(&origin, path, Some("Bearer other")).await.status, 401);
    }
}

#[tokio::test]
async fn service_credentials_are_exchanged_for_a_token() {
    let origin = guarded(Access { ims: Some(ims()), ..Access::default() }).await;
    let signer = Signer::new();
    assert_eq!(status(&origin, None).await, 401);
    let answer = signer.exchange(&origin, &signer.jwt("RS256", &signer.claims())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(86_400_000)));
    let token = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    assert_eq!(status(&origin, Some(&token)).await, 200);
    let counts = origin.counts();
    assert_eq!((counts.exchanges, counts.exchanges_refused, counts.requests, counts.refused), (1, 0, 2, 1));
}

#[tokio::test]
async fn every_claim_is_checked() {
    let origin = guarded(Access { ims: Some(ims()), ..Access::default() }).await;
    let signer = Signer::new();
    let scope = "https://ims-na1.adobelogin.com/s/ent_cloudmgr_sdk";
    let other = "https://ims-na1.adobelogin.com/s/other";
    let changes: [(&str, Value, &str, &str); 9] = [
        ("iss", json!("other@AdobeOrg"), "invalid_token", "`iss` is not the organisation"),
        ("sub", json!("other@techacct.adobe.com"), "invalid_token", "`sub` is not the technical account"),
        ("aud", json!("https://ims-na1.adobelogin.com/c/other"), "invalid_token", "`aud` is not IMS and the client"),
        ("exp", json!(1_000_000_000), "invalid_token", "the JWT has expired, or has no `exp` in seconds"),
        ("exp", json!("4000000000"), "invalid_token", "the JWT has expired, or has no `exp` in seconds"),
        ("exp", Value::Null, "invalid_token", "the JWT has expired, or has no `exp` in seconds"),
        (scope, json!(false), "invalid_scope", "the metascopes are not those"),
        (scope, json!("true"), "invalid_scope", "the metascopes are not those"),
        (other, json!(true), "invalid_scope", "the metascopes are not those"),
    ];
    let mut refused = 0;
    for (claim, value, error, description) in changes {
        let mut claims = signer.claims();
        claims[claim] = value;
        let answer = signer.exchange(&origin, &signer.jwt("RS256", &claims)).await;
        let body = answer.json();
        assert_eq!((answer.status, body["error"].as_str()), (400, Some(error)), "{claim}");
        let told = body["error_description"].as_str().unwrap();
        assert!(told.starts_with(description), "{claim}: {told}");
        refused += 1;
    }
    // The claims of one JWT with the signature of another.
    let good = signer.jwt("RS256", &signer.claims());
    let forged = signer.claims().as_object().unwrap().iter().rev().map(|(k, v)| (k.clone(), v.clone())).collect();
    let forged = signer.jwt("RS256", &Value::Object(forged));
    let mixed = format!("{}.{}", forged.rsplit_once('.').unwrap().0, good.rsplit_once('.').unwrap().1);
    let none = format!("{}.", signer.jwt("none", &signer.claims()).rsplit_once('.').unwrap().0);
    for (jwt, told) in [
        (mixed.as_str(), "could not match the JWT signature to any of the bindings"),
        (&signer.jwt("HS256", &signer.claims()), "the JWT is not signed with RS256"),
        (&none, "the JWT is not signed with RS256"),
        ("a.b", "the JWT is malformed"),
        (&format!("{good}.x"), "the JWT is malformed"),
    ] {
        let answer = signer.exchange(&origin, jwt).await;
        assert_eq!((answer.status, answer.json()["error_description"].as_str()), (400, Some(told)), "{jwt}");
        refused += 1;
    }
    let counts = origin.counts();
    assert_eq!((counts.exchanges, counts.exchanges_refused), (0, refused));
}

#[tokio::test]
async fn an_exchange_needs_client_and_secret() {
    let origin = guarded(Access { ims: Some(ims()), ..Access::default() }).await;
    let signer = Signer::new();
    let jwt = signer.jwt("RS256", &signer.claims());
    let id = signer.text("/technicalAccount/clientId");
    for (fields, status, error, told) in [
        (vec![("client_id", id), ("client_secret", "p8e-test-only")], 400, "invalid_request", "jwt_token is missing"),
        (
            vec![("client_id", id), ("client_secret", "other"), ("jwt_token", &jwt)],
            401,
            "invalid_client",
            "invalid client_secret parameter",
        ),
        (
            vec![("client_id", "client"), ("client_secret", "p8e-test-only"), ("jwt_token", &jwt)],
            401,
            "invalid_client",
            "invalid client_id parameter",
        ),
    ] {
        let answer = form(&origin, EXCHANGE, &fields).await;
        assert_eq!((answer.status, answer.json()), (status, json!({"error": error, "error_description": told})));
    }
    assert_eq!(send(origin.url(), "GET", EXCHANGE, &[], b"").await.status, 405);
    let typed = [("Content-Type", "application/json")];
    assert_eq!(send(origin.url(), "POST", EXCHANGE, &typed, b"{}").await.status, 400);
}

#[tokio::test]
async fn an_oauth_client_gets_a_token_for_its_scopes() {
    let origin = guarded(Access { ims: Some(ims()), ..Access::default() }).await;
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", "client"),
        ("client_secret", "s&cret="),
        ("scope", "AdobeID,openid"),
    ];
    let answer = form(&origin, OAUTH, &good).await;
    assert_eq!((answer.status, &answer.json()["expires_in"]), (200, &json!(86_400)));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let token = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    assert_eq!(status(&origin, Some(&token)).await, 200);
    for (at, value, status, error) in [
        (0, "password", 400, "unsupported_grant_type"),
        (1, "other", 401, "invalid_client"),
        (2, "s&cret", 401, "invalid_client"),
        (3, "openid,admin", 400, "invalid_scope"),
        (3, "", 400, "invalid_scope"),
    ] {
        let mut fields = good;
        fields[at].1 = value;
        let answer = form(&origin, OAUTH, &fields).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)));
    }
}

#[tokio::test]
async fn tokens_end_when_told_to() {
    for (refusal, expected) in [(Refusal::Unauthorized, 401), (Refusal::Forbidden, 403)] {
        let origin = guarded(Access { ims: Some(ims()), refusal, ..Access::default() }).await;
        let signer = Signer::new();
        let (first, second) = (signer.token(&origin).await, signer.token(&origin).await);
        assert_ne!(first, second);
        assert_eq!((status(&origin, Some(&first)).await, status(&origin, Some(&second)).await), (200, 200));
        let told = send(origin.url(), "POST", "/_origin/expire-tokens", &[], b"").await;
        assert_eq!(told.json(), json!({ "expired": 2 }));
        assert_eq!((status(&origin, Some(&first)).await, status(&origin, Some(&second)).await), (expected, expected));
        let third = signer.token(&origin).await;
        assert_eq!(status(&origin, Some(&third)).await, 200);
        assert_eq!((origin.expire_tokens(), status(&origin, Some(&third)).await), (1, expected));
        // Only a token is refused with the other status; nobody at all is always 401.
        assert_eq!(status(&origin, None).await, 401);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_as_long_as_it_says() {
    let ims = ImsOptions { lifetime: Duration::from_secs(600), unit: Some(Unit::Seconds), ..ims() };
    let origin = guarded(Access { ims: Some(ims), ..Access::default() }).await;
    let signer = Signer::new();
    let answer = signer.exchange(&origin, &signer.jwt("RS256", &signer.claims())).await;
    assert_eq!(answer.json()["expires_in"], json!(600));
    let token = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    tokio::time::advance(Duration::from_secs(599)).await;
    assert_eq!(status(&origin, Some(&token)).await, 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(status(&origin, Some(&token)).await, 401);
    // Told while it runs: the next token is good for a minute.
    let told = send(origin.url(), "PUT", "/_origin/token-lifetime", &[], br#"{"seconds":60}"#).await;
    assert_eq!(told.json(), json!({ "seconds": 60 }));
    let token = signer.token(&origin).await;
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(status(&origin, Some(&token)).await, 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(status(&origin, Some(&token)).await, 401);
}

#[tokio::test]
async fn a_credentials_file_that_does_not_fit_is_named_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(credentials()).unwrap();
    let file = dir.path().join("credentials.json");
    for (broken, told) in [
        (text.replace("BEGIN CERTIFICATE", "BEGIN NOTHING"), "has no certificate in integration.publicKey"),
        (text.replace("\"metascopes\"", "\"scopes\""), "is no service-credentials file"),
        (text.replace("\"clientSecret\": \"p8e-test-only\"", "\"clientSecret\": 17"), "is no service-credentials file"),
    ] {
        std::fs::write(&file, broken).unwrap();
        let ims = ImsOptions { service_credentials: Some(file.clone()), ..ImsOptions::default() };
        let access = Access { ims: Some(ims), ..Access::default() };
        let options = Options { content: dir.path().to_owned(), access, ..Options::default() };
        let error = aem_static::origin::start(options).await.unwrap_err().to_string();
        assert!(error.contains("credentials.json") && error.contains(told), "{error}");
        assert!(!error.contains("p8e") && !error.contains("MII"), "{error}");
    }
}

#[tokio::test]
async fn secrets_do_not_print() {
    let access = Access {
        token: Some("hush-token".to_owned().into()),
        basic: Some(Basic { user: "admin".to_owned(), password: "hush-password".to_owned().into() }),
        ims: Some(ImsOptions {
            oauth: Some(OauthClient {
                id: "client".to_owned(),
                secret: "hush-secret".to_owned().into(),
                scopes: String::new(),
            }),
            ..ImsOptions::default()
        }),
        ..Access::default()
    };
    let options = Options { access, ..Options::default() };
    let shown = format!("{options:?}");
    assert!(shown.contains("admin") && !shown.contains("hush"), "{shown}");
    let origin = serve(options).await;
    assert!(!format!("{origin:?}").contains("hush"));
}
