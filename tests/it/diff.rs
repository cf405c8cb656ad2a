//! `diff`: what the last build changed, and what one would change (design.md §7).

use std::fs;

use serde_json::{Value, json};

use crate::site::{EACH, Run, SiteDir, tree_of};

const LIST: &str = "\n[[route]]\nname = \"all\"\nquery = \"stories\"\nlist = \"/all/\"\ntemplate = \"all.html\"\n";

/// Two pages, a list of them, and a copy of one as JSON.
fn site() -> SiteDir {
    let json = "\n[[route]]\nname = \"json\"\nquery = \"stories\"\neach = \"/api/{{ slug }}.json\"\n";
    let site = SiteDir::with(&format!("{EACH}{LIST}{json}"));
    site.query("stories", "slug title body { html }");
    site.file("templates/story.html", "<h1>{{ item.title }}</h1>\n{{ item.body.html | safe }}\n");
    site.file("templates/all.html", "<ul>{% for item in items %}<li>{{ item.title }}</li>{% endfor %}</ul>\n");
    for name in ["one", "two"] {
        site.story(name, json!({ "slug": name, "title": name.to_uppercase(), "body": format!("<p>{PARAGRAPH}</p>") }));
    }
    site
}

const PARAGRAPH: &str =
    "The first sentence is here to make it long. The second one is the one that changes. The third one stays.";

/// One story edited, one withdrawn, one new.
fn edit(site: &SiteDir) {
    let text = PARAGRAPH.replace("that changes", "that was <em>edited</em>");
    site.story("one", json!({ "slug": "one", "title": "One", "body": format!("<p>{text}</p>") }));
    site.remove("content/fragments/acme/stories/two.json");
    site.story("three", json!({ "slug": "three", "title": "Three", "body": "" }));
}

/// Without the time of the build.
fn told(run: &Run) -> String {
    let (before, rest) = run.to_string().split_once(", at 2").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    format!("{before}, at [WHEN]{}", &rest["026-11-25T14:37:19Z".len()..])
}

fn events(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether any file of the state holds this text.
fn state_holds(site: &SiteDir, text: &str) -> bool {
    let files = tree_of(&site.path(".aem-static"));
    files.values().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn the_last_build_with_what_visitors_see_change() {
    let site = site();
    let run = site.run(&["diff"]);
    assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{run}");
    run.says("nothing was built yet");
    site.build();
    let run = site.run(&["diff"]);
    let expected: String = site.files().iter().map(|path| format!("+ {path} (new)\n")).collect();
    assert_eq!((run.status, run.stdout.as_str()), (0, expected.as_str()), "{run}");
    run.says("the first build, at 20").says("everything is new, 6 files created, 0 updated, 0 removed");
    edit(&site);
    site.build();
    assert_told!(told(&site.run(&["diff"])));
    assert_told!(told(&site.run(&["diff", "--text"])));
    assert_told!(site.run(&["diff", "--text", "--markdown"]).stdout.split_once('\n').unwrap().1);
    // A build that changes nothing leaves it, and so does one that fails.
    let before = site.run(&["diff", "--text"]);
    site.build();
    site.file("templates/all.html", "{{ nothing }}\n");
    site.fails(1);
    let after = site.run(&["diff", "--text"]);
    assert_eq!((after.stdout, after.stderr), (before.stdout, before.stderr));
}

#[test]
fn for_machines() {
    let site = site();
    site.build();
    edit(&site);
    site.build();
    let run = site.run(&["diff", "--text", "--format", "json"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    let lines = run.stdout.lines().filter(|line| line.starts_with("{\"event\":\"file\""));
    assert_told!(lines.map(|line| format!("{line}\n")).collect::<String>());
    let all = events(&run);
    let end = all.iter().find(|event| event["event"] == "diff").unwrap();
    assert_eq!(
        (&end["created"], &end["updated"], &end["removed"], &end["first"]),
        (&json!(2), &json!(4), &json!(2), &json!(false)),
        "{end}"
    );
    assert!(end["built_at"].as_str().unwrap().ends_with('Z'), "{end}");
    let plain = events(&site.run(&["diff", "--format", "json"]));
    assert!(plain.iter().all(|event| event.get("diff").is_none()), "nobody asked for it: {plain:?}");
    assert_eq!(site.run(&["diff", "--markdown", "--format", "json"]).status, 2);
}

#[test]
fn a_dry_run_says_what_the_build_then_does() {
    let site = site();
    let run = site.run(&["diff", "--dry-run", "--text"]);
    assert_eq!((run.status, run.stdout.matches("(new)").count()), (0, 6), "{run}");
    assert!(!site.path("out").exists() && !site.path(".out.staging").exists());
    site.build();
    edit(&site);
    let before = site.tree();
    let would = site.run(&["diff", "--dry-run", "--text"]);
    assert_eq!(would.status, 0, "{would}");
    would.says("a build would change: 2 files created, 4 updated, 2 removed");
    assert!(site.tree() == before && !site.path(".out.staging").exists(), "{would}");
    let short = site.run(&["diff", "--dry-run"]);
    site.build();
    let did = site.run(&["diff", "--text"]);
    assert_eq!(would.stdout, did.stdout);
    assert_eq!(short.stdout, site.run(&["diff"]).stdout);
    // Nothing is left to change, and nobody is asked.
    let run = site.run(&["diff", "--dry-run", "--offline", "--text"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{run}");
    // What keeps a build from being made keeps it from being told.
    site.file("templates/all.html", "{{ nothing }}\n");
    let run = site.run(&["diff", "--dry-run"]);
    assert_eq!((run.status, run.stdout.as_str()), (1, ""), "{run}");
    run.says("diff failed with 1 error; out/ is as it was");
    assert_eq!(site.run(&["diff", "--offline"]).status, 2, "the last build asks nobody anyway");
}

#[test]
fn only_some_files() {
    let site = site();
    site.build();
    for (path, count) in
        [("/stories/", 2), ("stories/one/index.html", 1), ("out/api", 2), ("/", 6), ("/stor", 0), ("/all", 1)]
    {
        let run = site.run(&["diff", path]);
        assert_eq!((run.status, run.stdout.lines().count()), (0, count), "{path}: {run}");
    }
    assert_eq!(site.run(&["diff", "/stories/one/", "/all/"]).stdout.lines().count(), 2);
}

#[test]
fn markup_that_nobody_reads_is_no_text() {
    let site = site();
    site.build();
    site.file("templates/story.html", "<h1 class=\"new\">{{ item.title }}</h1>\n{{ item.body.html | safe }}\n");
    site.build();
    let run = site.run(&["diff", "--text", "/stories/one/"]);
    let expected = "~ stories/one/index.html (template, route or settings changed)\n    the text is the same: markup, links or images differ\n";
    assert_eq!((run.status, run.stdout.as_str()), (0, expected), "{run}");
}

#[test]
fn what_changed_by_hand_is_told_as_such() {
    let site = site();
    site.build();
    edit(&site);
    site.build();
    site.file("out/stories/one/index.html", "<h1>By hand</h1>\n");
    let run = site.run(&["diff", "--text", "/stories/one/"]);
    assert!(run.stdout.ends_with("no diff of the text: it was changed by hand since\n"), "{run}");
    // The build that mends it is one that changed something, though its commit is the same.
    site.build();
    let run = site.run(&["diff", "--text"]);
    assert!(run.stdout.starts_with("~ stories/one/index.html (changed by hand)\n    @@ "), "{run}");
    assert!(run.stdout.contains("\n    -By hand\n    +One\n"), "{run}");
}

#[test]
fn a_record_that_is_gone_or_broken_is_said_and_never_guessed() {
    let site = site();
    site.build();
    edit(&site);
    site.build();
    let (file, draft) = (site.path(".aem-static/changes-v1"), site.path(".aem-static/changes-v1.new"));
    let whole = site.run(&["diff", "--text"]).stdout;
    // As a build leaves it that is killed between its commit and its end.
    fs::rename(&file, &draft).unwrap();
    assert_eq!(site.run(&["diff", "--text"]).stdout, whole);
    fs::rename(&draft, &file).unwrap();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let run = site.run(&["diff"]);
    assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{run}");
    run.says("what the last build changed is not known: its record is broken; --dry-run tells");
    fs::remove_file(&file).unwrap();
    site.run(&["diff"]).says("not known: there is no record of it");
    // A record is that of one commit. After another one it says nothing.
    fs::write(&file, &bytes).unwrap();
    site.file("templates/all.html", "<p>Other</p>\n");
    site.build();
    fs::write(&file, &bytes).unwrap();
    site.run(&["diff"]).says("not known: there is no record of it");
    site.run(&["clean"]);
    assert!(!file.exists() && !draft.exists());
}

#[test]
fn withdrawn_text_is_kept_no_longer_than_until_the_next_change() {
    let site = site();
    site.story("two", json!({ "slug": "two", "title": "Withdrawn title", "body": "<p>Withdrawn text</p>" }));
    site.build();
    edit(&site);
    site.build();
    // Of a page that was removed nothing is kept; its title stood in a list, which was replaced.
    assert!(!state_holds(&site, "Withdrawn text"));
    assert!(state_holds(&site, "Withdrawn title"), "else this test shows nothing");
    site.file("templates/story.html", "<h2>{{ item.title }}</h2>\n");
    site.build();
    assert!(!state_holds(&site, "Withdrawn title"));
    // And not at all where that is too long.
    let read = |site: &SiteDir| site.read("aem-static.toml");
    site.file("aem-static.toml", format!("{}\n[build]\nkeep_replaced = false\n", read(&site)));
    site.story("one", json!({ "slug": "one", "title": "Another", "body": "" }));
    site.build();
    assert!(!state_holds(&site, "<li>One</li>"));
    let run = site.run(&["diff", "--text", "/all/"]);
    let expected = "~ all/index.html (content changed)\n    no diff of the text: its old text was not kept: [build] keep_replaced is false\n";
    assert_eq!((run.status, run.stdout.as_str()), (0, expected), "{run}");
}

/// More than 64 MiB are not kept; what was left out is said.
#[test]
fn what_is_kept_has_a_limit() {
    let site = SiteDir::stories();
    for number in 0..12 {
        site.story(&format!("s{number:02}"), json!({ "slug": format!("s{number:02}"), "title": "One" }));
    }
    let template = |word: &str| {
        site.file(
            "templates/story.html",
            format!("{word}{{% for n in range(end=60000) %}}{}{{% endfor %}}", "x".repeat(100)),
        );
    };
    template("old ");
    site.build();
    template("new ");
    site.build();
    let limit = ["diff", "--text", "/stories/s09/", "/stories/s10/", "/stories/s11/", "/stories/two/"];
    let run = site.run(&limit);
    let pages = run.stdout.lines().filter(|line| line.starts_with("~ stories/")).count();
    let missing =
        run.stdout.matches("no diff of the text: its old text was not kept: more than 64 MiB were replaced").count();
    // 6,000,004 bytes a page: eleven are kept, from `one` to `s09`.
    assert_eq!((run.status, pages, missing), (0, 4, 3), "{}", &run.stdout[..300]);
    let kept = fs::metadata(site.path(".aem-static/changes-v1")).unwrap().len();
    assert!((60 << 20..=65 << 20).contains(&kept), "{kept}");
}
