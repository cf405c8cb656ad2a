//! What stands in the way, and what must never be touched.

use super::*;

#[test]
fn folder_of_somebody_else_is_refused_and_adopted_only_when_asked() {
    let site = Site::new();
    site.write("notes/mine.txt", "mine");
    site.write("index.html", "same");
    site.write("old.html", "old");
    site.write(".git/config", "git");
    let before = site.tree();
    let refused = site.stage(&[("index.html", "same")]).unwrap_err();
    assert!(matches!(&refused, OutputError::NotOurs { example, .. } if example == "index.html"));
    assert_eq!(site.tree(), before);

    let output = Output::open(&site.out, Mode::Write, Adopt::Yes).unwrap();
    let files: Files = &[("index.html", "same"), ("notes", "a file now"), ("new.html", "n")];
    let staged = put_all(output, files).unwrap();
    assert_eq!(told(&staged), ["created new.html", "created notes", "removed notes/mine.txt", "removed old.html"]);
    assert_eq!((staged.unchanged_pages(), staged.previous_pages()), (1, 0));
    staged.commit(&|_| {}).unwrap();
    let left: Vec<_> = site.tree().into_keys().collect();
    assert_eq!(left, [".aem-static", ".git/", ".git/config", "index.html", "new.html", "notes"]);
}

#[test]
fn site_directory_is_never_adopted() {
    let site = Site::new();
    site.write("deep/aem-static.toml", "");
    let refused = Output::open(&site.out, Mode::Write, Adopt::Yes).unwrap_err();
    assert!(matches!(refused, OutputError::SiteInside { .. }));
}

#[test]
fn users_file_in_the_way_is_named_and_left() {
    let site = Site::built(&[("index.html", "i")]);
    site.write("page.html", "mine");
    site.write("folder", "mine");
    site.write("file/mine.txt", "mine");
    let before = site.tree();
    for (path, stands) in [("page.html", "page.html"), ("folder/x/y.html", "folder"), ("file", "file/mine.txt")] {
        let refused = site.stage(&[("index.html", "i"), (path, "new")]).unwrap_err();
        let OutputError::UserFile { path: found, wanted } = &refused else { panic!("{refused:?}") };
        assert_eq!((found, wanted.as_str()), (&site.out.join(stands), path));
        assert_eq!(refused.diagnostic().code, crate::report::codes::USER_FILE);
        assert_eq!(site.tree(), before);
        assert!(!site.staging().exists());
    }
}

#[cfg(unix)]
#[test]
fn link_is_never_written_or_removed_through() {
    use std::os::unix::fs::symlink;
    let site = Site::built(&[("a/x.html", "x"), ("b/y.html", "y"), ("c.html", "c"), ("index.html", "i")]);
    let elsewhere = site.dir.path().join("elsewhere");
    fs::rename(site.out.join("a"), &elsewhere).unwrap();
    symlink(&elsewhere, site.out.join("a")).unwrap();
    fs::remove_file(site.out.join("c.html")).unwrap();
    symlink(elsewhere.join("x.html"), site.out.join("c.html")).unwrap();
    let outside = tree(&elsewhere);

    // A changed page behind the link is refused.
    let refused = site.stage(&[("a/x.html", "changed"), ("c.html", "c"), ("index.html", "i")]).unwrap_err();
    assert!(matches!(&refused, OutputError::UserFile { path, .. } if *path == site.out.join("a")), "{refused:?}");
    // A removed page behind the link stays, a link in a page's place is replaced itself.
    let staged = site.stage(&[("c.html", "c"), ("index.html", "i")]).unwrap();
    assert_eq!(staged.repaired().collect::<Vec<_>>(), ["c.html"]);
    staged.commit(&|_| {}).unwrap();
    assert_eq!(tree(&elsewhere), outside);
    assert_eq!(site.tree()["c.html"], "c");
    assert_eq!(site.tree()["a"], format!("-> {}", elsewhere.display()));
    // Adopting removes the link, not what it leads to.
    let output = Output::open(&site.out, Mode::Write, Adopt::Yes).unwrap();
    put_all(output, &[("a/x.html", "new")]).unwrap().commit(&|_| {}).unwrap();
    assert_eq!(tree(&elsewhere), outside);
    assert_eq!(site.pages(), owned(&[("a/x.html", "new")]));
}

#[cfg(unix)]
#[test]
fn cleaning_does_not_follow_links() {
    let site = Site::built(&[("a/x.html", "x")]);
    let elsewhere = site.dir.path().join("elsewhere");
    fs::rename(site.out.join("a"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, site.out.join("a")).unwrap();
    assert_eq!(clean(&site.out).unwrap(), Cleaned { files: 0, folders: 0 });
    assert!(elsewhere.join("x.html").exists());
}

#[cfg(unix)]
#[test]
fn output_folder_may_itself_be_a_link() {
    let site = Site::new();
    let target = site.dir.path().join("www");
    fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink(&target, &site.out).unwrap();
    site.build(&[("index.html", "i")]);
    site.build(&[("index.html", "j")]);
    assert_eq!(fs::read_to_string(target.join("index.html")).unwrap(), "j");
    assert!(fs::symlink_metadata(&site.out).unwrap().is_symlink());
}

#[test]
fn unsafe_paths_are_refused_and_end_the_build() {
    let site = Site::new();
    let unsafe_paths = [
        "",
        "/etc/x",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "./a",
        "a/.",
        "a\\b",
        "a\nb",
        "a\0b",
        ".aem-static",
        ".AEM-static/x",
    ];
    for path in unsafe_paths {
        let output = site.open().unwrap();
        output.put("fine.html", Class::Page, b"fine").unwrap();
        assert!(matches!(output.put(path, Class::Page, b"x"), Err(OutputError::Unsafe { .. })), "{path:?}");
        assert!(matches!(output.finish(), Err(OutputError::Incomplete { .. })));
    }
    assert_eq!(fs::read_dir(site.dir.path()).unwrap().count(), 0);
}

#[test]
fn two_files_for_one_place_are_a_clash() {
    for built in [false, true] {
        let site = if built { Site::built(&[("z", "z")]) } else { Site::new() };
        let twice = site.stage(&[("a.html", "one"), ("a.html", "two")]).unwrap_err();
        assert!(matches!(twice, OutputError::Clash { .. }));
        let nested = site.stage(&[("a", "file"), ("a.html", "between"), ("a/b/c.html", "x")]).unwrap_err();
        assert!(matches!(nested, OutputError::Clash { .. }), "{nested:?}");
        assert_eq!(site.out.exists(), built);
        assert!(!site.staging().exists());
    }
}

#[test]
fn list_changed_by_hand_is_not_trusted() {
    let site = Site::built(&[("index.html", "i")]);
    let list = site.out.join(".aem-static");
    let text = fs::read_to_string(&list).unwrap();
    let forged = text.replace("index.html", "../precious");
    let lines = forged.split_once('\n').unwrap().1;
    let with_id = format!("aem-static 1 {}\n{lines}", blake3::hash(lines.as_bytes()).to_hex());
    for broken in ["", "x\n", "aem-static 2 00\n", &text[..text.len() - 2], &forged, &with_id] {
        fs::write(&list, broken).unwrap();
        let refused = site.open().unwrap_err();
        assert!(matches!(refused, OutputError::List { .. }), "{broken:?}: {refused:?}");
        assert!(matches!(clean(&site.out), Err(OutputError::List { .. })));
    }
    assert!(site.out.join("index.html").exists());
}

#[test]
fn folders_that_cannot_be_written_to_are_told_before_the_commit() {
    let site = Site::built(&[("a/x.html", "x"), ("index.html", "i")]);
    let folder = site.out.join("a");
    let mut permissions = fs::metadata(&folder).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&folder, permissions).unwrap();
    let before = site.tree();
    for files in [&[("a/x.html", "new"), ("index.html", "j")][..], &[("a/x.html", "x"), ("a/n/z.html", "z")], &[]] {
        let refused = site.stage(files).unwrap_err();
        assert!(matches!(&refused, OutputError::ReadOnly { path, .. } if *path == folder), "{refused:?}");
        assert_eq!(site.tree(), before);
    }
    assert_eq!(site.build(&[("a/x.html", "x"), ("index.html", "j")]), ["updated index.html"]);
}

#[test]
fn output_or_staging_that_is_no_folder_is_an_error() {
    let site = Site::new();
    fs::write(&site.out, "a file").unwrap();
    assert!(matches!(site.open().unwrap_err(), OutputError::NotAFolder { .. }));
    fs::remove_file(&site.out).unwrap();
    fs::write(site.staging(), "a file").unwrap();
    assert!(matches!(site.open().unwrap_err(), OutputError::Io { .. }));
    fs::remove_file(site.staging()).unwrap();
    fs::create_dir(site.staging()).unwrap();
    fs::write(site.staging().join("mine"), "mine").unwrap();
    assert!(site.open().is_err(), "a folder of that name with other things in it is not deleted");
    assert!(site.staging().join("mine").exists());
}
