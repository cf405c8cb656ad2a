//! The deploy command, its failures, the CDN.

use serde_json::json;

use super::{Listening, deployments, event, key_server, site};
use crate::server::{Server, say};

#[test]
fn a_deployment_that_fails_is_repeated_and_keeps_its_event() {
    let keys = key_server();
    let command = "[deploy]\ncommand = [\"sh\", \"-c\", \"test -e blocked && { echo no space left >&2; exit 7; }; cat >> deployed\"]\n";
    let site = site(&keys, "quiet = 0\nask_again = []", command);
    let mut listening = Listening::ready(&site, &[]);
    site.file("blocked", "");
    site.story("one", json!({ "slug": "one", "title": "Blocked" }));
    listening.deliver(&event("1", "published", "one"));
    let failed = listening.until("deploy-failed");
    let problem = failed["problem"].as_str().unwrap();
    assert!(problem.contains("exit status: 7") && problem.contains("no space left"), "{problem}");
    let status = listening.status();
    assert_eq!((&status["queue"]["waiting"], &status["ready"]), (&json!(1), &json!(false)));
    assert_eq!(listening.get("/readyz").status, 503);
    // Not even a crash loses what is not deployed.
    drop(listening);
    site.remove("blocked");
    let listening = Listening::ready(&site, &[]);
    assert_eq!(deployments(&site)[1].0, ["stories/index.html", "stories/one/index.html"]);
    listening.status_when(|status| status["queue"]["waiting"] == 0 && status["ready"] == true);
}

#[test]
fn a_command_that_hangs_is_stopped() {
    let keys = key_server();
    let command = "[deploy]\ntime_limit = 1\ncommand = [\"sh\", \"-c\", \"exec sleep 600\"]\n";
    let site = site(&keys, "", command);
    let mut listening = Listening::start(&site, &[], &[]);
    let failed = listening.until("deploy-failed");
    assert!(failed["problem"].as_str().unwrap().contains("ran longer than 1 s"), "{failed}");
}

#[test]
fn the_lists_are_files_as_well_and_secrets_are_not_the_commands_business() {
    let keys = key_server();
    let command = "[deploy]\ncommand = [\"sh\", \"-c\", \
        \"cp \\\"$DEPLOY_CHANGED\\\" changed; cp \\\"$DEPLOY_REMOVED\\\" removed; ls \\\"$DEPLOY_OUT\\\" > listed; env > environment\"]\n";
    let site = site(&keys, "", command);
    let _listening = Listening::ready(&site, &[("AEM_REBUILD_SECRET", "hush-hush"), ("COLOUR", "green")]);
    assert_eq!(
        site.read("changed"),
        "sitemap.xml\nstories/index.html\nstories/one/index.html\nstories/two/index.html\n"
    );
    assert_eq!((site.read("removed").as_str(), site.read("listed").as_str()), ("", "sitemap.xml\nstories\n"));
    let environment = site.read("environment");
    assert!(environment.contains("COLOUR=green") && !environment.contains("hush"), "{environment}");
}

#[test]
fn a_cdn_is_told_of_every_url_that_changed() {
    let keys = key_server();
    let cdn = Server::start(|_| say("200 OK", "", ""));
    let tables = format!(
        "[deploy]\npurge = [\"{}\"]\n[deploy.purge_headers]\nX-Purge-Key = {{ env = \"PURGE_KEY\" }}\n",
        cdn.url
    );
    let site = site(&keys, "quiet = 0\nask_again = []", &tables);
    let mut listening = Listening::ready(&site, &[("PURGE_KEY", "k-e-y")]);
    let purged = |from: usize| {
        let requests = cdn.requests();
        let mut paths: Vec<String> =
            requests[from..].iter().map(|request| format!("{} {}", request.method, request.path)).collect();
        paths.sort();
        paths
    };
    let first = purged(0);
    assert_eq!(first, ["PURGE /sitemap.xml", "PURGE /stories/", "PURGE /stories/one/", "PURGE /stories/two/"]);
    site.story("one", json!({ "slug": "one", "title": "Purged" }));
    listening.deliver(&event("1", "published", "one"));
    listening.until("deployed");
    assert_eq!(purged(first.len()), ["PURGE /stories/", "PURGE /stories/one/"]);
    assert!(cdn.requests().iter().all(|request| request.headers.contains(&"x-purge-key: k-e-y".to_owned())));
    assert!(!listening.said().contains("k-e-y"));
}
