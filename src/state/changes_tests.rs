//! Records that come back, for the right commit, or are said to be broken.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use super::*;

fn drafted(site: &Path, before: Option<&str>, commit: &str) -> ChangesDraft {
    let mut writer = ChangesWriter::create(&site.join(FOLDER), before, commit, false).unwrap();
    writer.add("a/index.html", FileChange::Updated, "content changed", &Replaced::Bytes(b"old".to_vec())).unwrap();
    writer.add("b.json", FileChange::Created, "new", &Replaced::None).unwrap();
    writer.add("c.html", FileChange::Updated, "x", &Replaced::Missing("too long".to_owned())).unwrap();
    writer.finish().unwrap()
}

fn told(changes: &Changes) -> Vec<(&str, FileChange, Replaced<Vec<u8>>)> {
    changes.files().iter().map(|file| (file.path.as_str(), file.change, changes.replaced(file))).collect()
}

#[test]
fn a_record_comes_back_for_its_commit_and_for_no_other() {
    let site = tempfile::tempdir().unwrap();
    assert_eq!(Changes::open(site.path(), "1").unwrap_err(), NoChanges::Absent);
    drafted(site.path(), None, "1").put().unwrap();
    let changes = Changes::open(site.path(), "1").unwrap();
    let expected = [
        ("a/index.html", FileChange::Updated, Replaced::Bytes(b"old".to_vec())),
        ("b.json", FileChange::Created, Replaced::None),
        ("c.html", FileChange::Updated, Replaced::Missing("too long".to_owned())),
    ];
    assert_eq!((told(&changes), changes.is_first()), (expected.to_vec(), false));
    assert!(changes.at().ends_with('Z'));
    assert_eq!(Changes::open(site.path(), "2").unwrap_err(), NoChanges::Absent);
}

#[test]
fn a_build_killed_around_its_commit_leaves_the_right_record() {
    let site = tempfile::tempdir().unwrap();
    drafted(site.path(), None, "1").put().unwrap();
    // Before the commit out/ has the last one, after it the new one; either is found.
    drop(drafted(site.path(), Some("1"), "2"));
    for commit in ["1", "2"] {
        assert!(Changes::open(site.path(), commit).is_ok(), "{commit}");
    }
    // The next draft does not cost the one whose commit is there.
    drop(drafted(site.path(), Some("2"), "3"));
    for (commit, is_known) in [("1", false), ("2", true), ("3", true)] {
        assert_eq!(Changes::open(site.path(), commit).is_ok(), is_known, "{commit}");
    }
}

#[test]
fn a_record_cut_or_changed_anywhere_tells_nothing_wrong() {
    let site = tempfile::tempdir().unwrap();
    drafted(site.path(), None, "1").put().unwrap();
    let file = site.path().join(FOLDER).join(FILE);
    let whole = fs::read(&file).unwrap();
    let changes = Changes::open(site.path(), "1").unwrap();
    let right = told(&changes);
    let damaged = Replaced::Missing("its old text was damaged".to_owned());
    for at in 0..whole.len() {
        fs::write(&file, &whole[..at]).unwrap();
        assert_eq!(Changes::open(site.path(), "1").unwrap_err(), NoChanges::Broken, "{at}");
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        fs::write(&file, &changed).unwrap();
        match Changes::open(site.path(), "1") {
            Err(found) => assert_eq!(found, NoChanges::Broken, "{at}"),
            Ok(changes) => {
                let mut expected = right.clone();
                expected[0].2 = damaged.clone();
                assert_eq!(told(&changes), expected, "{at}");
            }
        }
    }
    delete(&site.path().join(FOLDER)).unwrap();
    assert_eq!(Changes::open(site.path(), "1").unwrap_err(), NoChanges::Absent);
}
