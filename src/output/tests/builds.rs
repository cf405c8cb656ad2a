//! Chains of builds: first, none, one change, removals, files that become folders.

use std::sync::Mutex;
use std::time::SystemTime;

use super::*;

const FIRST: Files = &[
    ("assets/a.png", "image"),
    ("index.html", "home"),
    ("sitemap.xml", "map"),
    ("tours/bali/index.html", "bali"),
    ("tours/list.html", "all tours"),
    ("tours/oslo/index.html", "oslo"),
];

fn times(site: &Site) -> Vec<(PathBuf, SystemTime, SystemTime)> {
    let mut times = Vec::new();
    for entry in walkdir::WalkDir::new(site.dir.path()).sort_by_file_name() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        // A new inode would have another birth; a touched folder another modification.
        times.push((entry.path().to_owned(), metadata.modified().unwrap(), metadata.created().unwrap()));
    }
    times
}

#[test]
fn first_build_into_no_folder() {
    let site = Site::new();
    let staged = site.stage(FIRST).unwrap();
    assert!(!site.out.exists(), "nothing before the commit");
    assert_eq!((staged.change_count(), staged.previous_pages(), staged.removed_pages().count()), (6, 0, 0));
    let id = staged.stamps().commit;
    let done = Mutex::new(Vec::new());
    staged.commit(&|count| done.lock().unwrap().push(count)).unwrap();
    assert_eq!(done.into_inner().unwrap(), [6]);
    assert_eq!(site.pages(), owned(FIRST));
    let output = site.open().unwrap();
    assert_eq!(output.listing().commit(), Some(id.as_str()));
    assert_eq!(output.listing().len(), 6);
    let entry = output.listing().get("sitemap.xml").unwrap().entry;
    assert_eq!((entry.size, entry.class, entry.digest), (3, Class::Index, *blake3::hash(b"map").as_bytes()));
}

#[test]
fn first_build_into_a_folder_with_dot_names_and_an_empty_folder_of_the_same_name() {
    let site = Site::new();
    site.write(".nojekyll", "");
    site.write(".well-known/mine.txt", "mine");
    let files: Files = &[(".well-known/security.txt", "s"), ("index.html", "home"), ("tours/a.html", "a")];
    site.build(files);
    let mut expected = owned(files);
    expected.extend([(".nojekyll".to_owned(), String::new()), (".well-known/mine.txt".to_owned(), "mine".to_owned())]);
    expected.sort();
    assert_eq!(site.pages(), expected);
}

#[test]
fn same_files_make_the_same_list_whatever_the_order() {
    let (one, two) = (Site::built(FIRST), Site::new());
    let reversed: Vec<_> = FIRST.iter().rev().copied().collect();
    two.build(&reversed[..3]);
    two.build(&reversed);
    assert_eq!(one.tree(), two.tree());
}

#[test]
fn no_change_writes_nothing() {
    let site = Site::built(FIRST);
    let before = times(&site);
    assert_eq!(site.build(FIRST), Vec::<String>::new());
    let staged = site.stage(FIRST).unwrap();
    assert_eq!((staged.change_count(), staged.stamps().times.len()), (0, 6));
    staged.commit(&|_| panic!("there is nothing to do")).unwrap();
    assert_eq!(times(&site), before);
}

#[test]
fn one_change_touches_one_file_and_the_list() {
    let site = Site::built(FIRST);
    let before = times(&site);
    let mut files = FIRST.to_vec();
    files[3].1 = "bali, revised";
    assert_eq!(site.build(&files), ["updated tours/bali/index.html"]);
    assert_eq!(site.pages(), owned(&files));
    let after = times(&site);
    let changed = after.iter().filter(|entry| !before.contains(entry));
    let changed: Vec<_> = changed.filter(|(path, ..)| path.is_file()).map(|(path, ..)| path.clone()).collect();
    assert_eq!(changed, [site.out.join(".aem-static"), site.out.join("tours/bali/index.html")]);
}

#[test]
fn removal_takes_the_folders_it_leaves_empty_and_no_others() {
    let site = Site::built(&[("a/b/c/x.html", "x"), ("a/y.html", "y"), ("d/e/z.html", "z"), ("index.html", "i")]);
    site.write("d/mine.txt", "mine");
    fs::create_dir(site.out.join("empty")).unwrap();
    let changes = site.build(&[("a/y.html", "y"), ("index.html", "i")]);
    assert_eq!(changes, ["removed a/b/c/x.html", "removed d/e/z.html"]);
    let left: Vec<_> = site.tree().into_keys().collect();
    assert_eq!(left, [".aem-static", "a/", "a/y.html", "d/", "d/mine.txt", "empty/", "index.html"]);
}

#[test]
fn file_becomes_folder_and_back() {
    let file: Files = &[("a", "file"), ("b", "b")];
    let folder: Files = &[("a/deep/x.png", "asset"), ("a/index.html", "index"), ("b", "b")];
    let site = Site::built(file);
    assert_eq!(site.build(folder), ["removed a", "created a/deep/x.png", "created a/index.html"]);
    assert_eq!(site.pages(), owned(folder));
    fs::create_dir(site.out.join("a/deep/empty")).unwrap();
    assert_eq!(site.build(file), ["created a", "removed a/deep/x.png", "removed a/index.html"]);
    assert_eq!(site.pages(), owned(file));
}

#[test]
fn order_of_a_later_commit_is_assets_pages_lists_indexes_removals() {
    let site = Site::built(&[("old.html", "old")]);
    let staged = site.stage(FIRST).unwrap();
    let commit = staged.begin().unwrap().unwrap();
    let order: Vec<String> = commit.steps.iter().map(|step| format!("{step:?}")).collect();
    let at = |word: &str| order.iter().position(|step| step.contains(word)).unwrap();
    let places = ["a.png", "\"index.html", "bali", "oslo", "list.html", "sitemap", "Remove(\"old", "List"].map(at);
    assert!(places.is_sorted(), "{order:#?}");
}

#[test]
fn stamps_save_reading_and_decide_nothing() {
    let site = Site::new();
    let staged = site.stage(FIRST).unwrap();
    let stamps = staged.stamps();
    staged.commit(&|_| {}).unwrap();
    let mtime = staging::stamp(&fs::metadata(site.out.join("index.html")).unwrap());
    let position = site.open().unwrap().listing().iter().position(|(path, _)| path == "index.html").unwrap();
    assert_eq!(stamps.times[position], mtime, "a rename keeps the time");
    let staged = put_all(site.open().unwrap().with_stamps(stamps.clone()), FIRST).unwrap();
    assert_eq!((told(&staged), staged.stamps()), (vec![], stamps.clone()));
    drop(staged);
    let wrong = Stamps { times: vec![1; stamps.times.len()], ..stamps.clone() };
    let foreign = Stamps { commit: "another".to_owned(), ..stamps.clone() };
    let short = Stamps { times: vec![1], ..stamps.clone() };
    for useless in [wrong, foreign, short] {
        let staged = put_all(site.open().unwrap().with_stamps(useless), FIRST).unwrap();
        assert_eq!((told(&staged), staged.stamps()), (vec![], stamps.clone()));
    }
}

#[test]
fn tampered_and_deleted_files_are_repaired_and_said() {
    let site = Site::built(FIRST);
    site.write("index.html", "HOME");
    fs::remove_file(site.out.join("tours/bali/index.html")).unwrap();
    site.write("tours/list.html", "longer than it was");
    let staged = site.stage(FIRST).unwrap();
    assert_eq!(staged.repaired().collect::<Vec<_>>(), ["index.html", "tours/bali/index.html", "tours/list.html"]);
    assert_eq!(told(&staged), ["updated index.html", "created tours/bali/index.html", "updated tours/list.html"]);
    staged.commit(&|_| {}).unwrap();
    assert_eq!(site.pages(), owned(FIRST));
}

#[test]
fn output_deleted_by_hand_is_made_again() {
    let site = Site::built(FIRST);
    fs::remove_dir_all(&site.out).unwrap();
    assert_eq!(site.build(FIRST).len(), 6);
    assert_eq!(site.pages(), owned(FIRST));
}

#[test]
fn dry_run_writes_nothing_at_all() {
    let site = Site::built(FIRST);
    fs::create_dir_all(site.staging().join("tree")).unwrap();
    let before = times(&site);
    let output = Output::open(&site.out, Mode::DryRun, Adopt::Yes).unwrap();
    output.put("index.html", Class::Page, b"new").unwrap();
    output.put_copy("b.png", Class::Asset, &site.out.join("sitemap.xml")).unwrap();
    assert!(output.put("new/page.html", Class::Page, b"new").is_ok());
    let staged = output.finish().unwrap();
    assert_eq!(staged.change_count(), 8);
    staged.commit(&|_| {}).unwrap();
    assert_eq!(times(&site), before);

    let site = Site::new();
    let output = Output::open(&site.out, Mode::DryRun, Adopt::No).unwrap();
    put_all(output, FIRST).unwrap().commit(&|_| {}).unwrap();
    assert_eq!(fs::read_dir(site.dir.path()).unwrap().count(), 0);
}

#[test]
fn a_comparison_stages_what_would_be_updated_and_nothing_else() {
    let site = Site::built(FIRST);
    let before = site.tree();
    let open = || Output::open(&site.out, Mode::Compare, Adopt::No).unwrap();
    let files: Files = &[("index.html", "new"), ("new.html", "new"), ("b.png", "new")];
    let staged = put_all(open(), files).unwrap();
    let read = |path: &str| {
        let [before, after] = [staged.before(path, 1 << 20), staged.after(path, 1 << 20)];
        (before.unwrap().map(|bytes| String::from_utf8(bytes).unwrap()), after.unwrap())
    };
    assert_eq!(read("index.html"), (before.get("index.html").cloned(), Some(b"new".to_vec())));
    assert_eq!(read("new.html"), (None, None));
    assert_eq!((staged.before("index.html", 0).unwrap(), staged.after("index.html", 2).unwrap()), (None, None));
    assert_eq!(fs::read_dir(site.staging().join("flat")).unwrap().count(), 1);
    let (previous, next) = staged.commits();
    assert!(previous.is_some_and(|previous| previous != next));
    staged.commit(&|_| {}).unwrap();
    assert!(site.tree() == before && !site.staging().exists());
    // What the last build made is read back only as long as it is that.
    let text = before["index.html"].clone().into_bytes();
    assert_eq!(open().made("index.html", 1 << 20).unwrap(), Some(text));
    assert_eq!(open().made("nothing.html", 1 << 20).unwrap(), None);
    site.write("index.html", "by hand");
    assert_eq!(open().made("index.html", 1 << 20).unwrap(), None);
}

#[test]
fn copies_are_compared_like_pages() {
    let site = Site::new();
    let source = site.dir.path().join("photo.png");
    let build = |bytes: &[u8]| {
        fs::write(&source, bytes).unwrap();
        let output = site.open().unwrap();
        let change = output.put_copy("img/photo.png", Class::Asset, &source).unwrap();
        output.finish().unwrap().commit(&|_| {}).unwrap();
        assert_eq!(fs::read(site.out.join("img/photo.png")).unwrap(), bytes);
        change
    };
    let large = vec![7; 300_000];
    assert_eq!(build(&large), FileChange::Created);
    assert_eq!(build(&large), FileChange::Unchanged);
    assert_eq!(build(&large[1..]), FileChange::Updated);
    assert_eq!(build(b""), FileChange::Updated);
    let refused = site.open().unwrap().put_copy("x", Class::Asset, &site.dir.path().join("none"));
    assert!(matches!(refused, Err(OutputError::Io { .. })));
}

#[test]
fn four_threads_put_at_once() {
    let site = Site::new();
    for round in 0..2 {
        let output = site.open().unwrap();
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let output = &output;
                scope.spawn(move || {
                    for number in (worker..400).step_by(4) {
                        let text = format!("{number} {}", if number % 10 == 0 { round } else { 0 });
                        output.put(&format!("p/{number}/index.html"), Class::Page, text.as_bytes()).unwrap();
                    }
                });
            }
        });
        let staged = output.finish().unwrap();
        assert_eq!(staged.change_count(), if round == 0 { 400 } else { 40 });
        staged.commit(&|_| {}).unwrap();
        assert_eq!(site.pages().len(), 400);
        assert_eq!(fs::read_to_string(site.out.join("p/30/index.html")).unwrap(), format!("30 {round}"));
    }
}

#[test]
fn cleaning_removes_what_was_made_and_nothing_else() {
    let site = Site::built(FIRST);
    site.write("tours/mine.txt", "mine");
    site.write(".nojekyll", "");
    assert_eq!(clean(&site.out).unwrap(), Cleaned { files: 6, folders: 3 });
    let left: Vec<_> = site.tree().into_keys().collect();
    assert_eq!(left, [".nojekyll", "tours/", "tours/mine.txt"]);
    assert!(matches!(clean(&site.out), Err(OutputError::NoList { .. })));
    assert!(matches!(clean(&site.dir.path().join("none")), Err(OutputError::NoList { .. })));
}
