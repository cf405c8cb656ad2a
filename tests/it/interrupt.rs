//! Builds that are stopped by a signal, killed at any moment, or meet another build (design.md §2, promise 1; §8).

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::server::{Reply, Server, stories, story};
use crate::site::{EACH, Run, SiteDir};

/// A site, built; and its server, which keeps silent from the second request on.
fn stuck() -> (Server, SiteDir) {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => stories(&json!([story("one"), story("two")])),
        _ => Reply::Silence,
    });
    let site = SiteDir::remote(&server.url, EACH);
    site.build();
    (server, site)
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_fetching_leaves_everything_as_it_was() {
    for name in ["INT", "TERM"] {
        let (server, site) = stuck();
        let before = site.tree();
        let child = site.start(&["build"]);
        server.wait_for(2);
        signal(&child, name);
        let run = Run::ended(child.wait_with_output().unwrap());
        assert_eq!(run.status, 130, "{name}: {run}");
        assert_eq!(run.stderr, "error: interrupted; out/ is as it was\n");
        assert!(site.tree() == before);
        assert!(!site.path(".out.staging").exists());
        assert!(
            !std::fs::read_dir(site.path(""))
                .unwrap()
                .flatten()
                .any(|entry| { entry.file_name().to_string_lossy().contains("staging") })
        );
    }
}

#[test]
fn a_second_build_names_the_owner() {
    let (server, site) = stuck();
    let mut child = site.start(&["build"]);
    server.wait_for(2);
    let run = site.fails(2);
    run.says(&format!("process {}", child.id()));
    assert_told!(run);
    let cleaned = site.run(&["clean"]);
    assert_eq!(cleaned.status, 2, "{cleaned}");
    assert!(!site.tree().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    // A lock ends with its process: the next build is stopped by the silent server only.
    let child = site.start(&["build"]);
    server.wait_for(3);
    let mut child = child;
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Every file is wholly its old or wholly its new version, whenever a build is killed, and the next build equals a clean one.
#[test]
fn a_build_killed_at_any_moment_is_made_good_by_the_next() {
    let small = Arc::new(SiteDir::with(EACH));
    let content = |site: &SiteDir, round: usize| {
        site.file("templates/story.html", format!("<h1>{{{{ item.title }}}}</h1> round {round}\n"));
    };
    for number in 0..60 {
        small.story(&format!("s{number}"), json!({ "slug": format!("s{number}"), "title": format!("{number}") }));
    }
    content(&small, 0);
    let started = std::time::Instant::now();
    small.build();
    let whole = started.elapsed();
    let mut killed = 0;
    for round in 1..=20usize {
        content(&small, round);
        let mut child = small.start(&["build"]);
        // Spread over the length of a build; where exactly it is hit does not matter, that it is hit everywhere does.
        let deadline = std::time::Instant::now() + whole.mul_f64(round as f64 / 18.0);
        while std::time::Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        let run = Run::ended(child.wait_with_output().unwrap());
        killed += usize::from(run.status == -1);
        for (path, bytes) in small.tree() {
            if path.ends_with(".html") {
                let text = String::from_utf8(bytes).unwrap();
                let number = text.split("round ").nth(1).unwrap_or_else(|| panic!("{path} is cut off: {text}"));
                assert!(number.trim().parse::<usize>().unwrap() <= round && text.ends_with('\n'), "{path}: {text}");
            }
        }
    }
    assert!(killed >= 3, "only {killed} of 20 builds were killed before they ended");
    small.build();
    let clean = SiteDir::with(EACH);
    for number in 0..60 {
        clean.story(&format!("s{number}"), json!({ "slug": format!("s{number}"), "title": format!("{number}") }));
    }
    content(&clean, 20);
    clean.build();
    assert!(small.tree() == clean.tree());
}
