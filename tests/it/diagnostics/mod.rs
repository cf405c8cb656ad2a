//! Every problem of issue 2 as a whole snapshot of what the command says, with its exit status; out/ is as it was after each.

mod paths;
mod setup;
mod templates;
mod together;
mod wire;

use crate::site::{Run, SiteDir};

/// A site that has been built, broken by `change`, and built again: it has to fail with `status` and keep out/.
#[track_caller]
fn broken(site: &SiteDir, status: i32, change: impl FnOnce(&SiteDir)) -> Run {
    site.build();
    assert!(!site.tree().is_empty());
    change(site);
    site.fails(status)
}

/// [`broken`] for the site of two stories.
#[track_caller]
fn broken_stories(status: i32, change: impl FnOnce(&SiteDir)) -> Run {
    broken(&SiteDir::stories(), status, change)
}
