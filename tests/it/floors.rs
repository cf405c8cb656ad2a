//! The house as ARCHITECTURE.md describes it: imports look up, technologies have one home, documents are true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Files longer than 400 lines, each with its reason.
const LONG: &[(&str, &str)] = &[
    ("src/site/expression.rs", "one compiler: parts, expressions, variables"),
    ("src/site/route.rs", "one key after another, and what it must fit; tests included"),
];

/// (crate, where its name may stand in a path): a technology has one home.
const HOMES: &[(&str, &[&str])] = &[
    ("clap", &["src/cli/", "src/main.rs"]),
    ("indicatif", &["src/cli/"]),
    ("reqwest", &["src/aem/"]),
    ("axum", &["src/preview/", "src/listen/", "src/origin/"]),
    ("notify_debouncer_full", &["src/preview/", "src/origin/"]),
    ("tera", &["src/site/", "src/shape/", "src/render/", "src/text/", "src/pipeline/", "src/plan.rs"]),
    ("icu_collator", &["src/text/"]),
    ("lol_html", &["src/text/"]),
    ("rustix", &["src/output/"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below src/, with its text.
fn sources() -> BTreeMap<String, String> {
    let entries = walkdir::WalkDir::new(root().join("src")).into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            let source = fs::read_to_string(entry.path()).unwrap_or_default();
            (path, source)
        })
        .collect()
}

/// The code of a source: no comments, so that a word of prose is no import.
fn code(source: &str) -> String {
    let lines = source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Rooms in the order of lib.rs.
fn rooms() -> Vec<String> {
    let declared = text("src/lib.rs");
    let names = declared.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.map(str::to_owned).collect()
}

/// The room a file of the library belongs to.
fn room_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("src/")?.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name)).filter(|name| !["lib", "main", "cli"].contains(name))
}

/// Names after `crate::` in a code, those of `crate::{…}` included.
fn used(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (at, letter) in list.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        letter if start && !letter.is_whitespace() => {
                            names.insert(word(&list[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => {
                names.insert(word(rest));
            }
        }
    }
    names
}

#[test]
fn imports_look_up() {
    let rooms = rooms();
    assert!(rooms.len() >= 11, "{rooms:?}");
    let floor = |name: &str| rooms.iter().position(|room| room == name);
    let mut wrong = Vec::new();
    for (path, source) in sources().iter().filter(|(path, _)| path.ends_with(".rs")) {
        let Some(room) = room_of(path) else { continue };
        let own = floor(room).unwrap_or_else(|| panic!("{path} is in no room of lib.rs"));
        for name in used(&code(source)) {
            let Some(other) = floor(&name) else { continue };
            if other > own || (other != own && (room == "origin" || name == "origin")) {
                wrong.push(format!("{path} uses {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that look down: {wrong:#?}");
}

#[test]
fn only_the_binary_reaches_the_terminal() {
    for (path, source) in sources() {
        let in_library = !path.starts_with("src/cli/") && path != "src/main.rs";
        assert!(!(in_library && used(&code(&source)).contains("cli")), "{path} uses the terminal");
    }
}

#[test]
fn a_technology_has_one_home() {
    let mut wrong = Vec::new();
    for (path, source) in sources().iter().filter(|(path, _)| path.ends_with(".rs")) {
        let code = code(source);
        for (name, homes) in HOMES {
            let named = code.contains(&format!("{name}::")) || code.contains(&format!("use {name};"));
            if named && !homes.iter().any(|home| path.starts_with(home)) {
                wrong.push(format!("{path} uses {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short() {
    let lines = sources().into_iter().filter(|(path, _)| path.ends_with(".rs"));
    let long: BTreeMap<String, usize> =
        lines.map(|(path, source)| (path, source.lines().count())).filter(|(_, lines)| *lines > 400).collect();
    let known: BTreeSet<&str> = LONG.iter().map(|(path, _)| *path).collect();
    let found: BTreeSet<&str> = long.keys().map(String::as_str).collect();
    assert_eq!(found, known, "files of more than 400 lines, and those with a reason here: {long:#?}");
}

#[test]
fn the_map_is_the_territory() {
    let map = text("ARCHITECTURE.md");
    let named: BTreeSet<&str> =
        map.lines().filter(|line| line.starts_with("src/")).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(named.len() > 50, "the code map has gone");
    let gone: Vec<_> = named.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(gone.is_empty(), "in ARCHITECTURE.md, and not there: {gone:?}");
    let all = sources();
    let files = all.keys().filter(|path| !path.contains(".snap"));
    let missing: Vec<_> = files.filter(|path| !named.contains(path.as_str())).collect();
    assert!(missing.is_empty(), "there, and not in ARCHITECTURE.md: {missing:?}");
    for room in rooms() {
        let whole =
            named.contains(format!("src/{room}/").as_str()) || named.contains(format!("src/{room}.rs").as_str());
        assert!(whole, "the room {room} is not in ARCHITECTURE.md");
    }
}

/// The rows of the table in README.md whose header begins with `head`, as cells.
fn table(head: &str) -> Vec<Vec<String>> {
    let readme = text("README.md");
    let mut lines = readme.lines().skip_while(|line| !line.starts_with(&format!("| {head} |")));
    assert!(lines.next().is_some(), "README.md has no table `{head}`");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The `--help` of the binary, which is made from the registers in the code.
fn help() -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_aem-static")).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_tables_of_the_readme_are_the_registers() {
    let help = help();
    let listed = |heading: &str| -> BTreeMap<String, String> {
        let lines = help.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
        let rows = lines.take_while(|line| line.starts_with("  "));
        rows.filter_map(|line| {
            let (name, meaning) = line.trim().split_once(' ')?;
            Some((name.to_owned(), meaning.trim().to_owned()))
        })
        .collect()
    };
    for (heading, head) in [("Exit status", "status"), ("Environment", "variable")] {
        let register = listed(heading);
        assert!(!register.is_empty(), "--help has no `{heading}`:\n{help}");
        let rows = table(head);
        let readme: BTreeMap<String, String> =
            rows.iter().map(|row| (row[0].trim_matches('`').to_owned(), row[1].replace('`', ""))).collect();
        assert_eq!(readme, register, "README.md and the register differ in `{heading}`");
    }
}
