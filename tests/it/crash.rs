//! Builds killed by SIGKILL at any moment, in the middle of the commit above all (design.md §2, promise 1; §8).
//!
//! `KILLS=300 cargo test --test it crash::` kills so many builds for each way of committing.

use std::io::Write as _;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{EACH, Run, SiteDir, Tree, tree_of};

const STORIES: usize = 80;

const MORE: &str = r#"
[[route]]
name = "json"
query = "stories"
each = "/api/{{ slug }}.json"

[[route]]
name = "list"
query = "stories"
list = "/stories/"
template = "list.html"
per_page = 20

[[route]]
name = "home"
query = "stories"
page = "/"
template = "home.html"
"#;

/// One of the two versions of the site. Every page differs, some are in one of them only, a page of one is a folder of the other.
fn write(site: &SiteDir, version: usize, commit: &str) {
    site.config(
        &format!("[build]\ncommit = \"{commit}\"\nmax_removals = 1.0"),
        "tier = \"local\"",
        &format!("{EACH}{MORE}"),
    );
    site.query("stories", "slug title image { ... on ImageRef { _path } }");
    let _ = std::fs::remove_dir_all(site.path("content/fragments"));
    for number in 0..STORIES {
        // Every fifth has another slug in the other version, so its files go and others come.
        let slug = if number % 5 == 0 { format!("s{number}v{version}") } else { format!("s{number}") };
        let image = (number % 7 == 0).then_some("/content/dam/acme/images/a.gif");
        site.story(&format!("n{number}"), json!({ "slug": slug, "title": format!("Story {number}"), "image": image }));
    }
    site.image("images/a.gif", u8::try_from(version).unwrap());
    let filler = format!("version {version} ").repeat(80);
    let shown =
        "{% if item.image %}{% set picture = image(ref=item.image) %}<img src=\"{{ picture.src }}\">{% endif %}";
    site.file("templates/story.html", format!("<h1>{{{{ item.title }}}}</h1>{shown}<a href=\"/\">home</a>{filler}\n"));
    let links = "{% for item in items %}<a href=\"{{ url_for(path=item._path, route=\"story\") }}\">x</a>{% endfor %}";
    site.file("templates/list.html", format!("{links}{filler}\n"));
    site.file("templates/home.html", format!("<a href=\"/stories/\">all</a>{filler}\n"));
    let _ = std::fs::remove_dir_all(site.path("static"));
    site.file(["static/turn", "static/turn/inside.txt"][version], filler);
}

/// What a build from nothing makes of a version.
fn clean(version: usize, commit: &str) -> Tree {
    let site = SiteDir::with("");
    write(&site, version, commit);
    site.build();
    site.tree()
}

/// How far a build gets before it is killed.
enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after its journal stands.
    InCommit(Duration),
}

struct Killed {
    /// Whether it was killed, and had not ended before.
    in_time: bool,
    in_commit: bool,
}

fn pass(from: Instant, time: Duration) {
    // Not a sleep: a commit takes a few milliseconds, and it is to be hit everywhere.
    while from.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Waits for the journal of a commit; false if the build ended before.
fn journal_stands(site: &SiteDir, child: &mut Child) -> bool {
    let journal = site.path(".out.staging/journal");
    while !journal.exists() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

fn killed(site: &SiteDir, moment: &Moment) -> Killed {
    let mut child = site.command(&["build"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    match moment {
        Moment::After(time) => {
            let started = Instant::now();
            while started.elapsed() < *time && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Moment::InCommit(time) => {
            if journal_stands(site, &mut child) {
                pass(Instant::now(), *time);
            }
        }
    }
    child.kill().unwrap();
    let in_time = by_kill(child.wait().unwrap());
    Killed { in_time, in_commit: in_time && site.path(".out.staging/journal").exists() }
}

#[cfg(unix)]
fn by_kill(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}

#[cfg(not(unix))]
fn by_kill(status: ExitStatus) -> bool {
    !status.success()
}

/// How long a build takes, and how long its journal stands.
fn times(site: &SiteDir) -> (Duration, Duration) {
    let started = Instant::now();
    let mut child = site.command(&["build"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    assert!(journal_stands(site, &mut child), "a build that changes everything has a journal");
    let begun = Instant::now();
    while site.path(".out.staging/journal").exists() {
        std::thread::yield_now();
    }
    let commit = begun.elapsed();
    assert!(child.wait().unwrap().success());
    (started.elapsed(), commit)
}

/// Every file is wholly of one version, what a page links to is there, and what is the user's is untouched.
fn look(site: &SiteDir, versions: &[Tree; 2], commit: &str) -> Tree {
    let mut there = site.tree();
    assert_eq!(there.remove("mine.txt").as_deref(), Some(&b"mine"[..]));
    assert_eq!(there.remove("stories/own/mine.txt").as_deref(), Some(&b"mine, too"[..]));
    for (path, bytes) in &there {
        let known = versions.iter().any(|version| version.get(path) == Some(bytes));
        assert!(known, "{path} is neither old nor new: {}", String::from_utf8_lossy(bytes));
        for link in String::from_utf8_lossy(bytes).split(&[' ', '<', '>'][..]) {
            let link = link.strip_prefix("href=\"/").or_else(|| link.strip_prefix("src=\"/"));
            if let Some(target) = link.map(|link| link.trim_end_matches('"')) {
                let file = if target.is_empty() || target.ends_with('/') {
                    format!("{target}index.html")
                } else {
                    target.to_owned()
                };
                assert!(there.contains_key(&file), "{path} links to {file}, which is not there");
            }
        }
    }
    if commit == "exchange" {
        assert!(versions.contains(&there), "some of both versions");
    }
    there
}

/// Kills of the whole run, and how many of them have to hit the commit.
fn wanted() -> (usize, usize) {
    match std::env::var("KILLS") {
        Ok(kills) => {
            let kills = kills.parse().expect("KILLS is a number");
            (kills, (kills / 6).max(1))
        }
        Err(_) => (6, 2),
    }
}

/// Kills builds that turn one version into the other; most are followed by a whole build, which has to equal a clean one.
fn kill_builds(commit: &str) {
    let versions = [clean(0, commit), clean(1, commit)];
    let both = versions[0].keys().filter(|path| versions[1].contains_key(*path)).count();
    assert!(
        both > 100 && both + 30 < versions[0].len() + versions[1].len() - both,
        "{both}: some in both, some in one of them"
    );
    let site = SiteDir::with("");
    write(&site, 0, commit);
    site.build();
    site.file("out/mine.txt", "mine");
    site.file("out/stories/own/mine.txt", "mine, too");
    write(&site, 1, commit);
    let (build, in_commit) = times(&site);
    let (kills, inside) = wanted();
    let (mut version, mut count, mut hits, mut finished, mut rounds, mut new) = (1, 0, 0, 0, 0usize, 0);
    while count < kills || hits < inside {
        rounds += 1;
        assert!(
            rounds < kills * 6 + 40,
            "{count} of {rounds} builds killed, {hits} in their commit: too quick to be hit"
        );
        version = 1 - version;
        write(&site, version, commit);
        // Spread evenly, whatever the number: the golden ratio's multiples.
        let share = (rounds as f64 * 0.618_034).fract();
        let aimed = rounds.is_multiple_of(2);
        let moment =
            if aimed { Moment::InCommit(in_commit.mul_f64(share)) } else { Moment::After(build.mul_f64(share)) };
        let killed = killed(&site, &moment);
        count += usize::from(killed.in_time);
        hits += usize::from(killed.in_commit);
        let there = look(&site, &versions, commit);
        new += usize::from(killed.in_commit && there == versions[version]);
        match rounds % 4 {
            // Killed again before it was made good.
            3 => continue,
            // A command that writes nothing finishes the commit, too.
            2 if killed.in_commit => {
                let run = site.run(&["build", "--dry-run"]);
                run.says("finished an interrupted commit");
                assert_eq!(run.status, 0, "{run}");
                assert!(look(&site, &versions, commit) == versions[version], "{run}");
                finished += 1;
            }
            _ => {}
        }
        let run = site.build();
        assert!(look(&site, &versions, commit) == versions[version], "{run}");
        assert!(tree_of(&site.path(".out.staging")).is_empty());
    }
    if std::env::var_os("KILLS").is_some() {
        let told = format!(
            "{commit}: {count} builds killed, {hits} with their journal standing ({new} of these with all files new), \
             {finished} finished by a dry run; a build took {build:.2?}, its commit {in_commit:.1?}\n"
        );
        // Not by a macro, whose output a passing test would hide.
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
}

#[test]
fn killed_while_committing_file_by_file() {
    kill_builds("journal");
}

#[cfg(target_os = "linux")]
#[test]
fn killed_while_exchanging() {
    kill_builds("exchange");
}

/// The whole way through the command: another folder, the user's files in it, and where it cannot be.
#[cfg(target_os = "linux")]
#[test]
fn commit_by_exchange_is_a_setting() {
    use std::os::unix::fs::MetadataExt as _;
    let site = SiteDir::stories();
    site.build();
    let folder = |site: &SiteDir| std::fs::metadata(site.path("out")).unwrap().ino();
    let before = folder(&site);
    site.story("one", json!({ "slug": "one", "title": "Uno" }));
    site.build();
    assert_eq!(folder(&site), before);
    site.story("one", json!({ "slug": "one", "title": "Un" }));
    let run = Run::of(site.command(&["build"]).env("AEM_STATIC_BUILD_COMMIT", "exchange"));
    assert_eq!(run.status, 0, "{run}");
    assert_ne!(folder(&site), before);
    assert!(site.out("stories/one/index.html").contains("Un<"));
    let run = Run::of(site.command(&["build"]).env("AEM_STATIC_BUILD_COMMIT", "exchanged"));
    assert_eq!(run.status, 2, "{run}");
    run.says("\"journal\"").says("\"exchange\"");
}
