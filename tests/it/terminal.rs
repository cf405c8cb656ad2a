//! Whole outputs of commands that work, for people and for machines.

use serde_json::Value;

use crate::site::SiteDir;

#[test]
fn a_build_and_a_second_one() {
    let site = SiteDir::stories();
    let (first, second) = (site.build(), site.build());
    assert_told!(format!("{first}\n==== again\n{second}"));
}

#[test]
fn a_dry_run() {
    assert_told!(SiteDir::stories().run(&["build", "--dry-run"]));
}

#[test]
fn routes() {
    let site = SiteDir::starter();
    assert_told!(site.run(&["routes"]));
    assert!(!site.path("out").exists());
}

#[test]
fn quiet_and_verbose() {
    let site = SiteDir::stories();
    let quiet = site.run(&["build", "-q"]);
    assert_eq!((quiet.status, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
    site.file("templates/story.html", "<h2>{{ item.title }}</h2>\n");
    assert_told!(site.run(&["build", "-v"]));
}

#[test]
fn json_is_one_event_a_line() {
    let site = SiteDir::stories();
    let run = site.run(&["build", "--format", "json"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run}");
    let events: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // How often progress is told depends on the clock.
    let lines = run.stdout.lines().zip(&events).filter(|(_, event)| event["event"] != "progress");
    assert_told!(lines.map(|(line, _)| format!("{line}\n")).collect::<String>());
    let last = events.last().unwrap();
    assert_eq!(last["created"], 3, "{last}");
    site.file("templates/story.html", "{{ item.teaser }}\n");
    let failed = site.run(&["build", "--format", "json"]);
    assert_eq!((failed.status, failed.stderr.as_str()), (1, ""));
    let lines = failed.stdout.lines().filter(|line| !line.contains("\"event\":\"progress\""));
    assert_told!(lines.map(|line| format!("{line}\n")).collect::<String>());
}

#[test]
fn the_sent_form_of_a_query() {
    let site = SiteDir::stories();
    site.query("stories", "slug ...card");
    site.file("content-queries/fragments/card.graphql", "fragment card on StoryModel {\n  title\n}\n");
    assert_told!(site.run(&["queries", "show", "stories"]));
    assert_told!(site.run(&["queries", "show", "storis"]));
}

#[test]
fn colour_is_only_for_those_who_ask() {
    let site = SiteDir::empty();
    assert!(!site.run(&["build"]).stderr.contains('\u{1b}'));
    assert!(site.run(&["build", "--color", "always"]).stderr.contains('\u{1b}'));
}

#[test]
fn another_site_directory_by_flag() {
    let site = SiteDir::stories();
    let mut command = site.command(&["-C", "site", "build"]);
    let run = crate::site::Run::of(command.current_dir(site.path("").parent().unwrap()));
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(site.files().len(), 3);
}

#[test]
fn completions_and_help_name_every_command() {
    let site = SiteDir::empty();
    for command in ["init", "build", "doctor", "diff", "routes", "queries", "clean", "explain", "completions", "origin"]
    {
        assert!(site.run(&["--help"]).stdout.contains(&format!("\n  {command} ")), "{command}");
        assert_eq!(site.run(&[command, "--help"]).status, 0);
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(site.run(&["completions", shell]).stdout.contains("aem-static"));
    }
}

/// design.md §6: flag, then environment, then file.
#[test]
fn the_environment_stands_between_flag_and_file() {
    let site = SiteDir::stories();
    site.file("templates/story.html", "{{ site.title }}\n");
    let run = crate::site::Run::of(site.command(&["build"]).env("AEM_STATIC_SITE_TITLE", "From the environment"));
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(site.out("stories/one/index.html"), "From the environment\n");
    let run = crate::site::Run::of(site.command(&["build", "--tier", "local"]).env("AEM_HOST", "http://127.0.0.1:9"));
    assert_eq!(run.status, 0, "{run}");
    let run = crate::site::Run::of(site.command(&["build"]).env("AEM_STATIC_SITE_TITEL", "x"));
    assert_eq!(run.status, 2, "{run}");
    run.says("did you mean `AEM_STATIC_SITE_TITLE`?");
    site.file(".env", "AEM_STATIC_SITE_TITLE=\"From the file\"\n");
    site.build();
    assert_eq!(site.out("stories/one/index.html"), "From the file\n");
}
