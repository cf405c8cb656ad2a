//! Commits and builds that ended in the middle.

use super::*;

const OLD: Files = &[
    ("a", "a file"),
    ("b/one.html", "b1"),
    ("b/two.html", "b2"),
    ("gone/x/y.html", "gone"),
    ("index.html", "old home"),
    ("list.html", "old list"),
    ("same.html", "same"),
];
const NEW: Files = &[
    ("a/img.png", "image"),
    ("a/index.html", "a folder"),
    ("b", "b is a file"),
    ("index.html", "new home"),
    ("list.html", "new list"),
    ("new/deep/page.html", "new"),
    ("same.html", "same"),
];

/// Commits `new` over `old` but for all steps after the first `limit`; tells how many steps there are.
fn interrupt(site: &Site, new: Files, limit: usize) -> usize {
    let mut commit = site.stage(new).unwrap().begin().unwrap().unwrap();
    commit.run(limit, &|_| {}).unwrap();
    commit.steps.len()
}

#[test]
fn commit_interrupted_after_any_step_is_finished_by_the_next_open() {
    let expected = Site::built(NEW).tree();
    for mode in [Mode::Write, Mode::DryRun] {
        let mut limit = 0;
        loop {
            let site = Site::built(OLD);
            site.write("mine.txt", "mine");
            let steps = interrupt(&site, NEW, limit);
            for (path, text) in site.pages() {
                let known = OLD.iter().chain(NEW).any(|file| *file == (path.as_str(), text.as_str()));
                assert!(known || path == "mine.txt", "{path} is neither old nor new");
            }
            let output = Output::open(&site.out, mode, Adopt::No).unwrap();
            assert!(output.recovered().is_some());
            assert_eq!(output.listing().len(), NEW.len());
            drop(output);
            let mut tree = site.tree();
            assert_eq!(tree.remove("mine.txt").as_deref(), Some("mine"));
            assert_eq!(tree, expected, "after {limit} of {steps} steps");
            assert!(!site.staging().exists());
            assert_eq!(site.build(NEW), Vec::<String>::new());
            if limit == steps {
                break;
            }
            limit += 1;
        }
    }
}

#[test]
fn first_commit_interrupted_after_any_step() {
    for folder_is_there in [false, true] {
        for limit in 0..6 {
            let site = Site::new();
            if folder_is_there {
                site.write(".keep", "");
                fs::create_dir(site.out.join(".well-known")).unwrap();
            }
            let files: Files = &[(".well-known/x", "x"), ("a/b.html", "b"), ("index.html", "i"), ("pic.png", "p")];
            interrupt(&site, files, limit);
            site.open().unwrap();
            let pages = site.pages().into_iter().filter(|(path, _)| path != ".keep");
            assert_eq!(pages.collect::<Vec<_>>(), owned(files));
            assert_eq!(site.build(files), Vec::<String>::new());
        }
    }
}

#[test]
fn recovery_goes_into_a_folder_that_came_up_meanwhile() {
    let site = Site::new();
    let files: Files = &[("a/b/c.html", "c"), ("a/d.html", "d"), ("index.html", "i")];
    interrupt(&site, files, 0);
    site.write("a/b/mine.txt", "mine");
    assert_eq!(site.open().unwrap().recovered(), Some(3));
    let mut expected = owned(files);
    expected.push(("a/b/mine.txt".to_owned(), "mine".to_owned()));
    expected.sort();
    assert_eq!(site.pages(), expected);
}

#[test]
fn failure_within_a_commit_is_told_and_finished_once_mended() {
    let site = Site::built(&[("index.html", "i"), ("z.html", "old")]);
    let files: Files = &[("a.html", "a"), ("index.html", "j"), ("z.html", "new")];
    let staged = site.stage(files).unwrap();
    // Between look and commit somebody makes a folder where a page goes.
    site.write("index.html.d/x", "");
    fs::remove_file(site.out.join("index.html")).unwrap();
    fs::rename(site.out.join("index.html.d"), site.out.join("index.html")).unwrap();
    let failed = staged.commit(&|_| {}).unwrap_err();
    assert!(matches!(&failed, OutputError::Interrupted { path, .. } if *path == site.out.join("index.html")));
    assert!(matches!(site.open().unwrap_err(), OutputError::Interrupted { .. }));
    fs::remove_dir_all(site.out.join("index.html")).unwrap();
    assert_eq!(site.open().unwrap().recovered(), Some(2));
    assert_eq!(site.pages(), owned(files));
}

#[test]
fn cleaning_finishes_the_commit_first() {
    let site = Site::built(OLD);
    interrupt(&site, NEW, 3);
    assert_eq!(clean(&site.out).unwrap().files, NEW.len());
    assert_eq!(site.tree().len(), 0);
}

#[test]
fn staging_of_a_killed_build_is_deleted_and_its_files_are_not_taken() {
    let site = Site::built(OLD);
    let before = site.tree();
    fs::create_dir_all(site.staging().join("tree/a")).unwrap();
    fs::write(site.staging().join("tree/index.html"), "half").unwrap();
    fs::write(site.staging().join("list"), "half").unwrap();
    fs::write(site.staging().join("journal.new"), "half").unwrap();
    let output = site.open().unwrap();
    assert_eq!(output.recovered(), None);
    assert!(!site.staging().exists());
    drop(output);
    assert_eq!(site.tree(), before);
}

#[test]
fn dropped_builds_leave_nothing() {
    let site = Site::built(OLD);
    let before = site.tree();
    let output = site.open().unwrap();
    output.put("index.html", Class::Page, b"new").unwrap();
    assert!(site.staging().exists());
    drop(output);
    assert!(!site.staging().exists());
    site.stage(NEW).unwrap().discard();
    assert!(!site.staging().exists());
    assert_eq!(site.tree(), before);
}

#[cfg(unix)]
#[test]
fn staging_is_private_and_pages_are_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let site = Site::new();
    let staged = site.stage(NEW).unwrap();
    assert_eq!(mode(&site.staging()), 0o700);
    staged.commit(&|_| {}).unwrap();
    assert_eq!(mode(&site.out.join("a")) & 0o700, 0o700);
    assert_eq!(mode(&site.out.join("index.html")) & !0o022, 0o644 & mode(&site.out.join("index.html")));
}

#[test]
fn hostile_or_foreign_journal_is_not_followed() {
    let site = Site::built(OLD);
    let before = site.tree();
    fs::create_dir(site.staging()).unwrap();
    fs::write(site.dir.path().join("precious"), "precious").unwrap();
    let journals = [
        "",
        "{\"format\":2,\"steps\":0}\n",
        "{\"format\":1,\"steps\":2}\n\"list\"\n",
        "{\"format\":1,\"steps\":1}\n{\"remove\":\"../precious\"}\n",
        "{\"format\":1,\"steps\":1}\n{\"place\":{\"staged\":\"../precious\",\"path\":\"x\",\"files\":1}}\n",
    ];
    for journal in journals {
        fs::write(site.staging().join("journal"), journal).unwrap();
        assert!(matches!(site.open().unwrap_err(), OutputError::Journal { .. }), "{journal:?}");
    }
    assert!(site.dir.path().join("precious").exists());
    assert_eq!(site.tree(), before);
}
