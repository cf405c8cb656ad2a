//! Builds that are stopped by a signal, or meet another build (design.md §2, promise 1; §8).

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

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

/// Two builds started at once, twenty times: one wins, the other names it; what the winner writes is whole.
#[test]
fn of_two_builds_at_once_one_wins_and_the_other_names_it() {
    // Answers wait for the loser, so that no build is over before the other has begun.
    let gate: Arc<(Mutex<(bool, usize)>, Condvar)> = Arc::default();
    let (waits, release) = (gate.clone(), gate);
    let server = Server::start(move |_| {
        let (gate, opened) = &*waits;
        let gate = opened.wait_while(gate.lock().unwrap(), |(open, _)| !*open).unwrap();
        let mut one = story("one");
        one["title"] = json!(format!("Round {}", gate.1));
        stories(&json!([one]))
    });
    let set = |open: bool, round: usize| {
        *release.0.lock().unwrap() = (open, round);
        release.1.notify_all();
    };
    let site = SiteDir::remote(&server.url, EACH);
    for round in 1..=20 {
        set(false, round);
        let mut builds = [site.start(&["build"]), site.start(&["build"])];
        let loser = loop {
            if let Some(at) = builds.iter_mut().position(|build| build.try_wait().unwrap().is_some()) {
                break at;
            }
            std::thread::yield_now();
        };
        set(true, round);
        let [first, second] = builds;
        let (lost, won) = if loser == 0 { (first, second) } else { (second, first) };
        let winner = won.id();
        let (lost, won) = (Run::ended(lost.wait_with_output().unwrap()), Run::ended(won.wait_with_output().unwrap()));
        assert_eq!((lost.status, won.status), (2, 0), "round {round}: {lost}{won}");
        lost.says("[E0604]").says(&format!("process {winner},"));
        assert!(site.out("stories/one/index.html").contains(&format!("Round {round}<")), "{won}");
        assert!(!site.path(".out.staging").exists());
    }
}
