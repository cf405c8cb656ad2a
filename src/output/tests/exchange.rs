//! Commits that exchange `out/` and a whole new tree.

#![cfg(target_os = "linux")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;

use super::*;

const OLD: Files = &[
    ("a", "a file"),
    ("b/one.html", "b1"),
    ("b/two.html", "b2"),
    ("gone/x/y.html", "gone"),
    ("index.html", "old home"),
    ("list.html", "old list"),
    ("same/same.html", "same"),
];
const NEW: Files = &[
    ("a/img.png", "image"),
    ("a/index.html", "a folder"),
    ("b", "b is a file"),
    ("index.html", "new home"),
    ("list.html", "new list"),
    ("new/deep/page.html", "new"),
    ("same/same.html", "same"),
];

/// OLD, and what a user put there: files, names of all kinds, a link, an empty folder, a folder that nobody may write to.
fn inhabited() -> Site {
    let site = Site::exchanging();
    site.build(OLD);
    site.write("mine.txt", "mine");
    site.write("same/mine.txt", "mine, too");
    site.write(".git/objects/00/aa", "blob");
    site.write("shut/in.txt", "shut in");
    fs::create_dir_all(site.out.join("empty/inside")).unwrap();
    symlink("nowhere", site.out.join("link")).unwrap();
    fs::set_permissions(site.out.join("shut"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(site.out.join("same"), fs::Permissions::from_mode(0o2775)).unwrap();
    site
}

/// What `inhabited` has after a build of these files.
fn inhabited_tree(files: Files) -> BTreeMap<String, String> {
    let mut tree = Site::built(files).tree();
    let own = [
        (".git/", ""),
        (".git/objects/", ""),
        (".git/objects/00/", ""),
        (".git/objects/00/aa", "blob"),
        ("empty/", ""),
        ("empty/inside/", ""),
        ("link", "-> nowhere"),
        ("mine.txt", "mine"),
        ("same/mine.txt", "mine, too"),
        ("shut/", ""),
        ("shut/in.txt", "shut in"),
    ];
    tree.extend(own.map(|(path, text)| (path.to_owned(), text.to_owned())));
    tree
}

/// As whoever deletes the folder by hand has to.
fn open_up(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

#[test]
fn one_exchange_makes_what_renames_make_and_keeps_what_is_the_users() {
    let site = inhabited();
    let kept = ["mine.txt", "same/mine.txt", "same/same.html", ".git/objects/00/aa", "link", "shut/in.txt"];
    let inodes = kept.map(|path| inode(&site.out.join(path)));
    let folder = inode(&site.out);
    let changes = site.build(NEW);
    assert_eq!(changes, Site::built(OLD).build(NEW));
    assert_eq!(site.tree(), inhabited_tree(NEW));
    assert_ne!(inode(&site.out), folder, "it is another folder");
    assert_eq!(kept.map(|path| inode(&site.out.join(path))), inodes, "and these are the same files");
    let mode = |path: &str| fs::metadata(site.out.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("shut"), mode("same")), (0o555, 0o2775));
    assert_eq!(kept.map(|path| fs::symlink_metadata(site.out.join(path)).unwrap().nlink()), [1; 6]);
    assert_eq!(site.build(NEW), Vec::<String>::new());
    assert_eq!(site.build(OLD).len(), 10);
    assert_eq!(site.tree(), inhabited_tree(OLD));
    assert_eq!(clean(&site.out).unwrap().files, OLD.len());
    assert_eq!(fs::read_to_string(site.out.join("mine.txt")).unwrap(), "mine");
}

#[test]
fn without_a_change_out_stays_the_folder_it_was() {
    let site = inhabited();
    let folder = inode(&site.out);
    assert_eq!(site.build(OLD), Vec::<String>::new());
    assert_eq!(inode(&site.out), folder);
    site.write("index.html", "by hand");
    assert_eq!(site.build(OLD), ["updated index.html"]);
    assert_eq!(site.tree(), inhabited_tree(OLD));
}

#[test]
fn first_builds_go_where_nothing_is_or_beside_dot_names() {
    let site = Site::exchanging();
    assert_eq!(site.build(NEW).len(), NEW.len());
    assert_eq!(site.tree(), Site::built(NEW).tree());
    let site = Site::exchanging();
    site.write(".nojekyll", "");
    site.write(".well-known/mine.txt", "mine");
    site.build(&[(".well-known/security.txt", "s"), ("index.html", "i")]);
    let files: Vec<_> = site.pages().into_iter().map(|(path, _)| path).collect();
    assert_eq!(files, [".nojekyll", ".well-known/mine.txt", ".well-known/security.txt", "index.html"]);
}

#[test]
fn adopting_removes_what_the_build_does_not_make() {
    let site = Site::exchanging();
    site.write("notes/mine.txt", "mine");
    site.write("index.html", "same");
    site.write(".git/config", "git");
    assert!(matches!(site.stage(&[]), Err(OutputError::NotOurs { .. })));
    put_all(site.open_as(Adopt::Yes).unwrap(), &[("index.html", "same"), ("new.html", "n")])
        .unwrap()
        .commit(&|_| {})
        .unwrap();
    let left: Vec<_> = site.tree().into_keys().collect();
    assert_eq!(left, [".aem-static", ".git/", ".git/config", "index.html", "new.html"]);
}

#[test]
fn what_stands_in_the_way_is_refused_as_ever() {
    let site = inhabited();
    let before = site.tree();
    for (path, stands) in [("mine.txt", "mine.txt"), ("mine.txt/x", "mine.txt"), ("empty", ""), ("link/x", "link")] {
        match site.stage(&[("index.html", "i"), (path, "new")]) {
            Err(OutputError::UserFile { path: found, .. }) => assert_eq!(found, site.out.join(stands)),
            Ok(_) => assert_eq!(path, "empty", "an empty folder is nobody's"),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(matches!(site.stage(&[("shut/page.html", "p")]), Err(OutputError::ReadOnly { .. })));
    assert_eq!(site.tree(), before);
    assert!(!site.staging().exists());
}

#[test]
fn nothing_is_reached_through_a_link() {
    let site = Site::exchanging();
    site.build(&[("a/x.html", "x"), ("b/y.html", "y"), ("index.html", "i")]);
    let elsewhere = site.dir.path().join("elsewhere");
    fs::rename(site.out.join("a"), &elsewhere).unwrap();
    symlink(&elsewhere, site.out.join("a")).unwrap();
    let outside = tree(&elsewhere);
    let changed = site.stage(&[("a/x.html", "changed"), ("b/y.html", "y"), ("index.html", "i")]);
    assert!(matches!(changed, Err(OutputError::UserFile { .. })), "{changed:?}");
    site.build(&[("b/y.html", "Y"), ("index.html", "i")]);
    assert_eq!(tree(&elsewhere), outside);
    assert_eq!(site.tree()["a"], format!("-> {}", elsewhere.display()));
}

/// Stops a commit of NEW over OLD after so many steps; tells how many there are.
fn interrupt(site: &Site, limit: usize) -> usize {
    let mut commit = site.stage(NEW).unwrap().begin().unwrap().unwrap();
    commit.run(limit, &|_| {}).unwrap();
    commit.steps.len()
}

#[test]
fn interrupted_after_any_step_out_is_wholly_old_or_new_and_the_next_command_finishes() {
    for (limit, stands) in [(0, OLD), (1, NEW), (2, NEW)] {
        for mode in [Mode::Write, Mode::DryRun] {
            let site = inhabited();
            assert_eq!(interrupt(&site, limit), 2);
            assert_eq!(site.tree(), inhabited_tree(stands), "after {limit} steps");
            let output = Output::open(&site.out, mode, Adopt::No).unwrap();
            assert_eq!(output.recovered(), Some(if limit == 0 { 10 } else { 0 }));
            drop(output);
            assert_eq!(site.tree(), inhabited_tree(NEW));
            assert!(!site.staging().exists());
            assert_eq!(site.build(NEW), Vec::<String>::new());
        }
    }
}

#[test]
fn first_exchange_interrupted_after_any_step() {
    for limit in 0..=2 {
        let site = Site::exchanging();
        interrupt(&site, limit);
        assert_eq!(site.out.exists(), limit > 0);
        site.open().unwrap();
        assert_eq!(site.tree(), Site::built(NEW).tree());
    }
}

/// The old tree is taken apart file by file: whichever of them is the last one that went, the rest follows.
#[test]
fn interrupted_while_the_old_tree_is_taken_apart() {
    let site = inhabited();
    interrupt(&site, 1);
    let entries = |site: &Site| -> Vec<_> {
        let walk = walkdir::WalkDir::new(site.staging().join("tree")).contents_first(true).sort_by_file_name();
        walk.into_iter().map(|entry| entry.unwrap()).collect()
    };
    let (count, expected) = (entries(&site).len(), inhabited_tree(NEW));
    assert!(count > 20, "{count}");
    for gone in 0..=count {
        let site = inhabited();
        interrupt(&site, 1);
        open_up(&site.staging().join("tree/shut"));
        for entry in entries(&site).into_iter().take(gone) {
            if entry.file_type().is_dir() { fs::remove_dir(entry.path()) } else { fs::remove_file(entry.path()) }
                .unwrap();
        }
        assert_eq!(site.open().unwrap().recovered(), Some(0));
        assert_eq!(site.tree(), expected, "{gone} of {count} gone");
    }
}

/// Between the links and the exchange, and while the command was dead.
#[test]
fn files_that_came_up_meanwhile_are_not_lost() {
    for limit in 0..=1 {
        let site = inhabited();
        if limit == 1 {
            // In the old tree after the exchange, as if they had been made just before it.
            interrupt(&site, 1);
            for (path, text) in [("late.txt", "late"), ("own/deep/late.txt", "late"), ("same/late.txt", "late")] {
                let at = site.staging().join("tree").join(path);
                fs::create_dir_all(at.parent().unwrap()).unwrap();
                fs::write(at, text).unwrap();
            }
            // An editor that saves by renaming: the name is linked, the bytes are new.
            fs::remove_file(site.staging().join("tree/mine.txt")).unwrap();
            fs::write(site.staging().join("tree/mine.txt"), "mine, revised").unwrap();
        } else {
            interrupt(&site, 0);
            for (path, text) in [("late.txt", "late"), ("own/deep/late.txt", "late"), ("same/late.txt", "late")] {
                site.write(path, text);
            }
            fs::remove_file(site.out.join("mine.txt")).unwrap();
            site.write("mine.txt", "mine, revised");
        }
        site.open().unwrap();
        let mut expected = inhabited_tree(NEW);
        for (path, text) in [
            ("late.txt", "late"),
            ("mine.txt", "mine, revised"),
            ("own/", ""),
            ("own/deep/", ""),
            ("own/deep/late.txt", "late"),
            ("same/late.txt", "late"),
        ] {
            expected.insert(path.to_owned(), text.to_owned());
        }
        assert_eq!(site.tree(), expected, "after {limit} steps");
    }
}

#[test]
fn folder_that_is_neither_tree_stops_and_loses_nothing() {
    let site = inhabited();
    interrupt(&site, 1);
    let copy = site.dir.path().join("copy");
    fs::rename(&site.out, &copy).unwrap();
    site.write("index.html", "another folder");
    let before = tree(&site.staging().join("tree"));
    assert!(matches!(site.open().unwrap_err(), OutputError::Journal { .. }));
    assert_eq!(tree(&site.staging().join("tree")), before);
    fs::remove_dir_all(&site.out).unwrap();
    fs::rename(&copy, &site.out).unwrap();
    site.open().unwrap();
    assert_eq!(site.tree(), inhabited_tree(NEW));
}

#[test]
fn folder_deleted_before_the_exchange_is_made_anew() {
    let site = inhabited();
    interrupt(&site, 0);
    open_up(&site.out.join("shut"));
    fs::remove_dir_all(&site.out).unwrap();
    site.open().unwrap();
    assert_eq!(site.tree(), inhabited_tree(NEW), "with the user's files: their links were in the new tree");
}

/// A folder that cannot be renamed, although the trial at the start went well.
#[test]
fn exchange_that_the_system_refuses_is_given_up_and_nothing_has_changed() {
    let site = inhabited();
    let mut commit = site.stage(NEW).unwrap().begin().unwrap().unwrap();
    let mounted = Command::new("mount").arg("--bind").args([&site.out, &site.out]).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return;
    }
    let refused = commit.run(2, &|_| {});
    assert!(Command::new("umount").arg(&site.out).status().unwrap().success());
    let refused = refused.unwrap_err();
    assert!(matches!(refused, OutputError::NoExchange { .. }), "{refused:?}");
    assert!(!site.staging().exists());
    assert_eq!(site.tree(), inhabited_tree(OLD));
    assert_eq!(site.open().unwrap().recovered(), None);
}

#[test]
fn dropped_and_dry_builds_leave_nothing() {
    let site = inhabited();
    let before = site.tree();
    site.stage(NEW).unwrap().discard();
    drop(site.open().unwrap());
    let dry = Output::open(&site.out, Mode::DryRun, Adopt::No).unwrap().exchanging().unwrap();
    put_all(dry, NEW).unwrap().commit(&|_| panic!("a dry run commits nothing")).unwrap();
    assert!(!site.staging().exists());
    assert_eq!(site.tree(), before);
}

/// Killed before its journal stood; the folders already look as in `out/`.
#[test]
fn leftover_with_folders_that_nobody_may_write_to_is_deleted() {
    let site = inhabited();
    drop(site.stage(NEW).unwrap().begin().unwrap().unwrap());
    fs::remove_file(site.staging().join("journal")).unwrap();
    assert_eq!(fs::metadata(site.staging().join("tree/shut")).unwrap().mode() & 0o777, 0o555);
    assert_eq!(site.open().unwrap().recovered(), None);
    assert!(!site.staging().exists());
    assert_eq!(site.tree(), inhabited_tree(OLD));
}

#[test]
fn refusal_names_the_way_out() {
    let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let refused = OutputError::NoExchange { doing: "exchange folders beside", path: "out".into(), source };
    let told = refused.diagnostic();
    assert_eq!(
        told.message,
        "`commit = \"exchange\"` cannot be done: cannot exchange folders beside out: invalid input parameter"
    );
    assert!(told.help.iter().any(|help| help.contains("commit = \"journal\"")), "{told:?}");
}
