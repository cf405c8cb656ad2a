//! The fault matrix: what every fault of the origin does to a build, now and then, all together, and always.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aem_static::origin::{Access, Faults, ImsOptions, Kind, Options, Tier};
use serde_json::json;

use crate::doctor::{Aem, service_credentials};
use crate::site::{EACH, Run, SiteDir, Tree};

/// Twelve stories with images: a list, a query for each of them, and the assets.
fn site() -> SiteDir {
    let site = SiteDir::with("");
    for number in 0..12 {
        let name = format!("s{number}");
        site.image(&format!("{name}.gif"), number * 20);
        let image = format!("/content/dam/acme/{name}.gif");
        site.story(&name, json!({ "slug": name, "title": format!("Story {number}"), "image": image }));
    }
    let one = "query one($path: String!) {\n  storyByPath(_path: $path) {\n    item {\n      _path\n      slug\n      title\n      \
               image {\n        ... on ImageRef {\n          _path\n        }\n      }\n    }\n  }\n}\n";
    site.file("content-queries/one.graphql", one);
    site.file("templates/one.html", "<h1>{{ item.title }}</h1><a href=\"{{ asset(ref=item.image) }}\">image</a>\n");
    site
}

const ONE: &str = "[[route]]\nname = \"one\"\nquery = \"one\"\neach = \"/one/{{ slug }}/\"\ntemplate = \"one.html\"\n\
                   for_each = { query = \"stories\", variables = { path = \"{{ _path }}\" } }\n";

/// The site on an origin with these faults, as publish or, for faults of tokens, as author with IMS.
fn on(fault: &str, faults: Faults) -> (SiteDir, Aem) {
    let site = site();
    let author = fault.starts_with("token");
    let ims = ImsOptions { service_credentials: Some(service_credentials().into()), ..ImsOptions::default() };
    let access = Access { ims: author.then_some(ims), ..Access::default() };
    let tier = if author { Tier::Author } else { Tier::Publish };
    let aem = Aem::of(&site, Options { tier, access, faults, ..Options::default() });
    let name = if author { "author" } else { "publish" };
    let freshness = if fault.starts_with("stale") && !fault.starts_with("stale-post") { "cdn" } else { "origin" };
    let text = format!(
        "tier = \"{name}\"\nqueries = \"persisted\"\nfreshness = \"{freshness}\"\nims = \"{0}\"\npatience = 3\ntimeout = 5\n\
         [aem.hosts]\n{name} = \"{0}\"\n\n[build]\ntime_limit = 60",
        aem.url()
    );
    site.config("locales = []", &text, &format!("{EACH}\n{ONE}"));
    (site, aem)
}

fn build(site: &SiteDir) -> Run {
    let mut command = site.command(&["build"]);
    if site.read("aem-static.toml").contains("tier = \"author\"") {
        command.env("AEM_SERVICE_CREDENTIALS", service_credentials());
    }
    Run::of(&mut command)
}

/// What visitors get. The list of the tool's files names the commit, not only bytes.
fn visible(site: &SiteDir) -> Tree {
    site.tree().into_iter().filter(|(path, _)| path != ".aem-static").collect()
}

fn spoiled(words: &[String]) -> Faults {
    // Without the fault, latency would be for every answer.
    let late = words.iter().any(|word| word.starts_with("latency"));
    let latency = if late { Duration::from_millis(20) } else { Duration::ZERO };
    let list = words.iter().map(|word| word.parse().unwrap()).collect();
    Faults { list, latency, pause: Duration::from_millis(2), retry_after: 1, ..Faults::default() }
}

fn clean() -> Tree {
    let (site, _aem) = on("none", Faults::default());
    let run = build(&site);
    assert_eq!(run.status, 0, "{run}");
    let tree = visible(&site);
    assert!(tree.len() > 12 + 12 + 12, "{:?}", tree.keys());
    tree
}

/// Runs it for every fault, four at a time: they wait more than they work.
fn for_every_fault(check: impl Fn(Kind) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(kind) = Kind::ALL.get(next.fetch_add(1, Ordering::SeqCst)) {
            wrong.extend(check(*kind).err());
        }
        wrong
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One expectation of the matrix; all that do not hold are told together.
fn expect(holds: bool, what: String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what) }
}

#[test]
fn every_third_request_and_the_bytes_are_the_same() {
    let expected = clean();
    for_every_fault(|kind| {
        let word = format!("{}:3", kind.name());
        let (site, aem) = on(&word, spoiled(std::slice::from_ref(&word)));
        // A cache has nothing at first.
        for _ in 0..if word.starts_with("stale") { 2 } else { 1 } {
            let run = build(&site);
            expect(run.status == 0, format!("{word}: {run}"))?;
            expect(visible(&site) == expected, format!("{word}: other bytes\n{run}"))?;
        }
        let counts = aem.running.counts();
        let struck = counts.faults.get(kind.name()).copied().unwrap_or(0);
        expect(struck > 2, format!("{word}: {counts:?}"))
    });
}

#[test]
fn all_of_them_mixed_and_the_bytes_are_the_same() {
    let expected = clean();
    let kinds = Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Stale | Kind::StalePost));
    // Each is rare, and together they spoil every third request or so.
    let words: Vec<String> = kinds.zip(0..).map(|(kind, at)| format!("{}:{}", kind.name(), 11 + 3 * at)).collect();
    let (site, aem) = on("token, and all others", spoiled(&words));
    for _ in 0..3 {
        let run = build(&site);
        assert_eq!(run.status, 0, "{run}");
        assert!(visible(&site) == expected, "other bytes\n{run}");
    }
    let counts = aem.running.counts();
    let struck: u64 = counts.faults.values().sum();
    assert!(struck * 4 > counts.requests && counts.faults.len() == words.len(), "{counts:?}");
}

/// Status of a build that meets the fault on every request, and what it says.
fn lasting(kind: Kind) -> (i32, &'static [&'static str]) {
    match kind {
        Kind::Latency | Kind::Slow | Kind::Stale => (0, &[]),
        Kind::StalePost => (0, &["[E0515]", "a cache answers POST"]),
        Kind::TooManyRequests | Kind::TooManyRequestsDate => (3, &["status 429"]),
        Kind::InternalError => (3, &["status 500"]),
        Kind::BadGateway => (3, &["status 502"]),
        Kind::Unavailable => (3, &["status 503"]),
        Kind::Reset => (3, &["[E0501]"]),
        Kind::Truncated => (3, &["broke off"]),
        Kind::SignIn | Kind::Redirect => (3, &["[E0504]", "sign-in"]),
        Kind::GraphqlErrors => (1, &["[E0505]"]),
        Kind::NullItems => (1, &["[E0511]", "null"]),
        Kind::Dispatcher => (3, &["Dispatcher", "/graphql/execute.json"]),
        Kind::TokenExpiry => (3, &["[E0502]"]),
    }
}

#[test]
fn every_request_and_the_cause_is_named() {
    for_every_fault(|kind| {
        let word = kind.name().to_owned();
        let (site, aem) = on(&word, Faults::default());
        let first = build(&site);
        expect(first.status == 0, format!("{word}: {first}"))?;
        let before = site.tree();
        aem.running.set_faults(spoiled(std::slice::from_ref(&word)));
        let began = Instant::now();
        // Of a cache the second build is the first that meets it.
        let runs: Vec<Run> = (0..if word.starts_with("stale") { 2 } else { 1 }).map(|_| build(&site)).collect();
        let run = runs.last().unwrap();
        let (status, phrases) = lasting(kind);
        expect(run.status == status, format!("{word}, not {status}: {run}"))?;
        expect(began.elapsed() < Duration::from_secs(60), format!("{word}: {:?}", began.elapsed()))?;
        expect(site.tree() == before, format!("{word}: out/ changed\n{run}"))?;
        expect(!run.stderr.contains("panicked"), format!("{word}: {run}"))?;
        for phrase in phrases {
            expect(run.stderr.contains(phrase), format!("{word}: not said: {phrase}\n{run}"))?;
        }
        expect(status == 0 || run.stderr.contains("help: "), format!("{word}: no remedy\n{run}"))
    });
}
