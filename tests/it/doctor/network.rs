//! Settings, name, connection, TLS.

use std::sync::Arc;

use aem_static::origin::{Access, Faults, ImsOptions, Options};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::{Aem, assert_examined, examined, point, service_credentials, stories_on};
use crate::server;
use crate::site::SiteDir;

/// An authority that nobody knows.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(parameters, key) }
    }

    /// A certificate for a name that ends with a year.
    fn sign(&self, name: &str, until: i32) -> rustls::ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (parameters.not_before, parameters.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }
}

/// TLS in front of a server that speaks none.
struct Tls {
    _runtime: Runtime,
    url: String,
}

impl Tls {
    fn before(url: &str, config: rustls::ServerConfig) -> Self {
        let runtime = Runtime::new().unwrap();
        let behind = url.strip_prefix("http://").unwrap().to_owned();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    // A client that does not trust us goes away.
                    let Ok(mut inside) = acceptor.accept(stream).await else { return };
                    let mut outside = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                });
            }
        });
        Tls { _runtime: runtime, url: format!("https://localhost:{port}") }
    }
}

/// Issue 4: with a host and a credentials file alone, against author with IMS and a company's own authority.
#[test]
fn author_by_tls_and_service_credentials_is_well_and_builds() {
    let site = SiteDir::stories();
    let file = service_credentials();
    let ims = ImsOptions { service_credentials: Some(file.clone().into()), ..ImsOptions::default() };
    let access = Access { ims: Some(ims), ..Access::default() };
    let aem = Aem::of(&site, Options { access, ..Options::default() });
    let authority = Authority::new();
    let tls = Tls::before(aem.url(), authority.sign("localhost", 2100));
    site.file("certificates/company.pem", &authority.pem);
    let more = format!("ca = \"certificates/company.pem\"\nims = \"{}\"", tls.url);
    point(&site, "author", &tls.url, &more);
    let variables = [("AEM_SERVICE_CREDENTIALS", file.as_str())];
    let run = examined(&site, &[], &variables, 0);
    assert!(!run.to_string().contains("localhost"), "the author host stays out of logs (promise 5): {run}");
    assert_examined!(run);
    let built = crate::site::Run::of(site.command(&["build"]).envs(variables));
    assert_eq!(built.status, 0, "{built}");
    assert!(site.files().contains(&"stories/one/index.html".to_owned()));
    // Tokens that end in the middle of a build are nobody's concern: the second of two queries meets it.
    site.query("others", "slug");
    let template = "<h1>{{ item.title }}</h1>{% for other in query(name=\"others\") %}{{ other.slug }}{% endfor %}\n";
    site.file("templates/story.html", template);
    let built = crate::site::Run::of(site.command(&["build"]).envs(variables));
    assert_eq!(built.status, 0, "{built}");
    let (tree, exchanges) = (site.tree(), aem.running.counts().exchanges);
    let ending = "token-expiry:2".parse().unwrap();
    aem.running.set_faults(Faults { list: vec![ending], ..Faults::default() });
    let built = crate::site::Run::of(site.command(&["build"]).envs(variables));
    assert_eq!(built.status, 0, "{built}");
    let told = ["warning", "error", "401", "expired"].iter().any(|word| built.stderr.contains(word));
    assert!(!told && site.tree() == tree, "{built}");
    assert!(aem.running.counts().exchanges > exchanges + 1, "{:?}", aem.running.counts());
    aem.running.set_faults(Faults::default());
    // What is held up against the certificate is the host's name, and only authorities that are named are trusted.
    point(&site, "author", &tls.url, "");
    assert_examined!(examined(&site, &[], &variables, 3));
}

#[test]
fn certificates_that_do_not_fit_and_a_port_without_tls() {
    let (site, aem) = stories_on("publish", Options::default(), "");
    let authority = Authority::new();
    site.file("ca.pem", &authority.pem);
    let mut told = String::new();
    for (name, until) in [("www.example.com", 2100), ("localhost", 2021)] {
        let tls = Tls::before(aem.url(), authority.sign(name, until));
        point(&site, "publish", &tls.url, "ca = \"ca.pem\"");
        told.push_str(&format!("==== {name} until {until}\n{}\n", examined(&site, &[], &[], 3)));
    }
    point(&site, "publish", &aem.url().replace("http://", "https://"), "");
    told.push_str(&format!("==== no TLS at all\n{}", examined(&site, &[], &[], 3)));
    // The library adds when and for which names it compared.
    let told = told.lines().map(|line| match line.split_once("no secure connection: ") {
        Some((before, _)) => format!("{before}no secure connection: [CAUSE]\n"),
        None => format!("{line}\n"),
    });
    assert_examined!(told.collect::<String>());
}

/// A build says the same, at once: no waiting mends a certificate.
#[test]
fn a_build_names_the_certificate_too() {
    let (site, aem) = stories_on("publish", Options::default(), "");
    let tls = Tls::before(aem.url(), Authority::new().sign("localhost", 2100));
    point(&site, "publish", &tls.url, "");
    let run = site.fails(3);
    run.says("[E0512]").says("[aem] ca = ");
    assert!(!run.stderr.contains("attempts:"), "{run}");
}

#[test]
fn a_name_that_leads_nowhere() {
    let site = SiteDir::stories();
    point(&site, "publish", "https://publish.invalid", "");
    assert_examined!(examined(&site, &[], &[], 3));
    let by_variable = examined(&site, &[], &[("AEM_HOST", "https://aem.invalid")], 3);
    by_variable.says("host from: AEM_HOST").says("aem.invalid");
}

#[test]
fn a_port_where_nobody_listens() {
    let site = SiteDir::stories();
    point(&site, "publish", &server::closed_port(), "");
    assert_examined!(examined(&site, &[], &[], 3));
}

#[test]
fn a_host_that_is_ill() {
    let server = server::Server::start(|_| server::say("503 Service Unavailable", "", "busy"));
    let site = SiteDir::stories();
    point(&site, "publish", &server.url, "");
    assert_examined!(examined(&site, &[], &[], 3));
    assert_eq!(server.requests().len(), 2, "a fault that may pass is met twice");
}

#[test]
fn settings_that_contradict_themselves_end_with_status_2() {
    let site = SiteDir::stories();
    point(&site, "publish", "https://author-p4711-e8080.adobeaemcloud.com", "");
    assert_examined!(examined(&site, &[], &[], 2));
    site.config("locales = []", "tier = \"publish\"", crate::site::EACH);
    assert_examined!(examined(&site, &[], &[], 2));
}

/// Whether AEM can be reached is no question of templates.
#[test]
fn broken_templates_are_left_to_a_build() {
    let site = SiteDir::stories();
    site.file("templates/story.html", "{{ item.title");
    examined(&site, &[], &[], 0);
    site.fails(1);
}
