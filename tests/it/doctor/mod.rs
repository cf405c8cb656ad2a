//! `doctor`: green where all is well; then each link broken in turn, and named.

mod access;
mod dispatcher;
mod network;
mod queries;

use std::path::Path;

use aem_static::origin::{self, Options, Running};
use tokio::runtime::Runtime;

use crate::site::{EACH, Run, SiteDir};

/// [`assert_told`](crate::site) without dates and what the machine's resolver says.
macro_rules! assert_examined {
    ($told:expr) => {{
        let mut filters = crate::site::FILTERS.to_vec();
        filters.extend(crate::doctor::FILTERS);
        insta::with_settings!({ filters => filters, omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($told)
        })
    }};
}
use assert_examined;

const FILTERS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "[WHEN]"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[WHEN]"),
    (r#""token_seconds":\d+"#, r#""token_seconds":[SECONDS]"#),
    (r"\bport \d+", "port [PORT]"),
    (r"localhost:\d+", "localhost:[PORT]"),
    (r"leads nowhere: [^\n\x22]+", "leads nowhere: [CAUSE]"),
    (r"leads to \d+ address(es)?", "leads to [N] addresses"),
    (r"localhost leads to [^\n\x22]+", "localhost leads to [ADDRESSES]"),
];

/// An origin in this process, over the content of a site.
pub struct Aem {
    /// Its threads; dropped last.
    runtime: Runtime,
    pub running: Running,
}

impl Aem {
    /// Over the content and the queries of `site`.
    pub fn of(site: &SiteDir, options: Options) -> Self {
        Aem::start(Options {
            content: site.path("content"),
            queries: Some(site.path("content-queries")),
            configuration: "acme".to_owned(),
            ..options
        })
    }

    pub fn start(options: Options) -> Self {
        let runtime = Runtime::new().unwrap();
        let running = runtime.block_on(origin::start(options)).unwrap();
        Aem { runtime, running }
    }

    /// Waits for something, beside the origin.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn url(&self) -> &str {
        self.running.url()
    }
}

/// Points a site at a host as one of its tiers; `more` are further lines of `[aem]`.
pub fn point(site: &SiteDir, tier: &str, host: &str, more: &str) {
    site.config("locales = []", &format!("tier = \"{tier}\"\n{more}\n[aem.hosts]\n{tier} = \"{host}\""), EACH);
}

/// Two stories on a tier of an origin with these options.
pub fn stories_on(tier: &str, options: Options, more: &str) -> (SiteDir, Aem) {
    let site = SiteDir::stories();
    let aem = Aem::of(&site, options);
    point(&site, tier, aem.url(), more);
    (site, aem)
}

/// Runs `doctor` with these variables, and looks at its status. It writes nothing.
#[track_caller]
pub fn examined(site: &SiteDir, arguments: &[&str], variables: &[(&str, &str)], status: i32) -> Run {
    let before = crate::site::tree_of(&site.path(""));
    let mut command = site.command(&["doctor"]);
    let run = Run::of(command.args(arguments).envs(variables.iter().copied()));
    assert_eq!(run.status, status, "{run}");
    assert!(!run.stderr.contains("panicked"), "{run}");
    assert_eq!(crate::site::tree_of(&site.path("")), before, "doctor writes");
    run
}

/// The service credentials of the fixtures, whose certificate the origin knows.
pub fn service_credentials() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/credentials/service-credentials.json");
    file.to_str().unwrap().to_owned()
}

#[test]
fn the_starter_site_is_well() {
    assert_examined!(examined(&SiteDir::starter(), &[], &[], 0));
}

#[test]
fn checks_are_events_for_machines() {
    let (site, _aem) = stories_on("publish", Options { tier: origin::Tier::Publish, ..Options::default() }, "");
    let run = examined(&site, &["--format", "json"], &[], 0);
    assert_eq!(run.stderr, "");
    let events: Vec<serde_json::Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|event| event["event"] == "check" && event["facts"]["s_maxage"] == 7200), "{run}");
    assert_examined!(run.stdout);
    point(&site, "publish", &crate::server::closed_port(), "");
    assert_examined!(examined(&site, &["--format", "json"], &[], 3).stdout);
}
