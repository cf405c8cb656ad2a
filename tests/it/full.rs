//! Disks without room, folders without permission, files of the user's in the way, an out/ changed by hand (design.md §8): a clear
//! message, nothing lost, and the next build is as if nothing had been.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use serde_json::json;

use crate::site::{EACH, Run, SiteDir, Tree, tree_of};

/// A small file system of its own, in place of a folder; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounted on the site's folder, with what is in it. `None` where nobody may mount: that is said, and an error where all tests have
    /// to run.
    fn under(site: &SiteDir, kind: &[&str]) -> Option<Disk> {
        let files = tree_of(&site.path(""));
        let disk = Disk::mounted(site, kind)?;
        for (path, bytes) in files {
            site.file(&path, bytes);
        }
        Some(disk)
    }

    fn mounted(site: &SiteDir, kind: &[&str]) -> Option<Disk> {
        let mounted = Command::new("mount").args(kind).arg(site.path("")).output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Disk(site.path("")));
        }
        let cause = mounted
            .map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into_owned());
        // No package brings the right to mount, so this is no failure with CI=true either.
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            let line = format!(
                "left out: builds on full, read-only and layered disks, since none can be mounted: {}\n",
                cause.trim()
            );
            let _ = std::io::stderr().write_all(line.as_bytes());
        });
        None
    }

    /// Leaves so many KiB.
    fn fill(&self, left: u64) {
        let _ = std::fs::remove_file(self.0.join("filler"));
        let free = free(&self.0);
        std::fs::write(self.0.join("filler"), vec![0; usize::try_from(free.saturating_sub(left) * 1024).unwrap()])
            .unwrap();
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// KiB that are free, as `df` says.
fn free(path: &Path) -> u64 {
    let output = Command::new("df").args(["-k", "--output=avail"]).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap().trim().parse().unwrap()
}

const TMPFS: &[&str] = &["-t", "tmpfs", "-o", "size=6m", "tmpfs"];

fn stories(site: &SiteDir, version: u32) {
    for number in 0..40 {
        let slug = if number == 0 { format!("first-{version}") } else { format!("s{number}") };
        site.story(&format!("n{number}"), json!({ "slug": slug, "title": format!("{number} in version {version}") }));
    }
    let filler = format!("version {version} ").repeat(500);
    site.file("templates/story.html", format!("<h1>{{{{ item.title }}}}</h1>{filler}\n"));
}

fn site(commit: &str) -> SiteDir {
    let site = SiteDir::with(&format!("[build]\ncommit = \"{commit}\"\n\n{EACH}"));
    stories(&site, 0);
    site
}

fn clean(commit: &str, version: u32) -> Tree {
    let site = site(commit);
    stories(&site, version);
    site.build();
    site.tree()
}

/// The room runs out earlier and earlier: in the state, in the journal, in the pages.
#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    for commit in ["journal", "exchange"] {
        let site = site(commit);
        let Some(disk) = Disk::under(&site, TMPFS) else { return };
        site.build();
        site.file("out/mine.txt", "mine");
        let versions = [clean(commit, 0), clean(commit, 1)];
        let mut told = [0; 3];
        let mut last = None;
        for (round, left) in
            [0, 4, 8, 16, 40, 120, 240, 320, 352, 368, 380, 400, 480, 800, 1600].into_iter().enumerate()
        {
            let version = (round + 1) % 2;
            stories(&site, u32::try_from(version).unwrap());
            let before = site.tree();
            disk.fill(left);
            let run = site.run(if round % 3 == 2 { &["build", "--keep-going"] } else { &["build"] });
            assert!(!run.stderr.contains("panicked"), "{left} KiB: {run}");
            let mut after = site.tree();
            if run.status == 0 {
                // The site is there; what could not be kept for the next build costs time only, and is said.
                assert_eq!(after.remove("mine.txt").as_deref(), Some(&b"mine"[..]));
                assert!(after == versions[version], "{left} KiB: {run}");
                told[if run.stderr.contains("the state could not be saved") { 1 } else { 2 }] += 1;
            } else {
                assert_eq!(run.status, 2, "{left} KiB: {run}");
                assert!(
                    run.stderr.contains("disk is full") || run.stderr.contains("No space left"),
                    "{left} KiB: {run}"
                );
                run.says("help: ");
                assert!(run.count("E0602") <= 1, "one disk, one message: {run}");
                assert!(after == before, "{left} KiB: out/ changed: {run}");
                assert!(!site.path(".out.staging").exists(), "{left} KiB: staging is left: {run}");
                told[0] += 1;
                last = Some(run);
            }
            disk.empty();
            let run = site.build();
            let mut after = site.tree();
            assert_eq!(after.remove("mine.txt").as_deref(), Some(&b"mine"[..]));
            assert!(after == versions[version], "{left} KiB, then room: {run}");
        }
        assert!(told[0] >= 4 && told[2] >= 1, "{commit}: failed, without state, done: {told:?}");
        if commit == "journal" {
            let told = last.unwrap().stderr;
            let error = told.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>().join("\n");
            assert!(error.contains("the disk is full: cannot"), "{told}");
        }
    }
}

/// A file system that nobody may write to any more; root neither.
#[test]
fn a_read_only_file_system_is_told_at_the_start() {
    let site = site("journal");
    let Some(disk) = Disk::under(&site, TMPFS) else { return };
    site.build();
    let before = site.tree();
    let remount = |how: &str| {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&disk.0).status().unwrap();
        assert!(done.success());
    };
    remount("ro");
    let run = site.run(&["build"]);
    assert_eq!(run.status, 2, "{run}");
    run.says("error[E0608]: cannot lock ").says("ead-only file system").says("help: ");
    assert!(site.tree() == before);
    remount("rw");
    stories(&site, 1);
    site.build();
    assert!(site.tree() == clean("journal", 1));
}

/// The staging folder would lie on another file system.
#[test]
fn an_out_that_is_a_mount_point_is_told_at_the_start() {
    let site = site("exchange");
    std::fs::create_dir(site.path("out")).unwrap();
    let mounted = SiteDir::empty();
    let Some(_other) = Disk::under(&mounted, TMPFS) else { return };
    let bind = Command::new("mount").arg("--bind").args([mounted.path(""), site.path("out")]).status().unwrap();
    assert!(bind.success());
    let run = site.run(&["build"]);
    assert!(Command::new("umount").arg(site.path("out")).status().unwrap().success());
    assert_eq!(run.status, 2, "{run}");
    run.says("error[E0602]: ").says("is on another file system than its staging folder").says("below the mount point");
    site.build();
}

/// An out/ in the lower layer of an overlay, as in the image of a container: its folders can be changed, and not exchanged.
#[cfg(target_os = "linux")]
#[test]
fn an_exchange_that_is_refused_changes_nothing() {
    let site = site("exchange");
    site.build();
    let (layers, before) = (SiteDir::empty(), site.tree());
    let folders = ["upper", "work"].map(|name| layers.path(name));
    folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let [lower, upper, work] = [&site.path(""), &folders[0], &folders[1]].map(|folder| folder.display().to_string());
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off");
    // Over the site itself: what is written goes to the upper layer.
    let Some(_overlay) = Disk::mounted(&site, &["-t", "overlay", "-o", &options, "overlay"]) else { return };
    stories(&site, 1);
    let run = site.fails(2);
    run.says("error[E0602]: `commit = \"exchange\"` cannot be done: cannot exchange folders beside ");
    run.says("help: nothing in the output folder was changed; set `[build] commit = \"journal\"`");
    assert!(site.tree() == before);
    let run = Run::of(site.command(&["build"]).env("AEM_STATIC_BUILD_COMMIT", "journal"));
    assert_eq!(run.status, 0, "{run}");
    assert!(site.tree() == clean("journal", 1));
}

#[test]
fn a_file_of_the_users_in_the_way_is_named_and_kept() {
    for commit in ["journal", "exchange"] {
        let site = site(commit);
        site.build();
        site.file("out/stories/first-1/index.html", "mine");
        stories(&site, 1);
        let run = site.fails(2);
        run.says("error[E0605]: a file of yours stands where the build wants to write: ").says("first-1/index.html");
        run.says("help: move it, change the route, or build with `--adopt`");
        site.remove("out/stories/first-1/index.html");
        site.build();
        assert!(site.tree() == clean(commit, 1));
    }
}

#[test]
fn an_out_that_was_changed_by_hand_is_mended_and_said() {
    for commit in ["journal", "exchange"] {
        let site = site(commit);
        site.build();
        let whole = site.tree();
        site.file("out/stories/s1/index.html", "by hand");
        site.remove("out/stories/s2/index.html");
        let run = site.build();
        run.says("stories/s1/index.html was changed or deleted by hand and is made anew");
        run.says("stories/s2/index.html was changed or deleted by hand and is made anew");
        assert!(site.tree() == whole);
        std::fs::remove_dir_all(site.path("out")).unwrap();
        site.build();
        assert!(site.tree() == whole);
        // Without its list it is somebody else's.
        site.remove("out/.aem-static");
        site.fails(2).says("[E0601]").says("--adopt");
    }
}
