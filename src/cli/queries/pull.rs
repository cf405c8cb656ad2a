//! `queries pull`: what is new is written, what differs only after it was agreed.

use std::sync::Arc;

use aem_static::pipeline::queries::{self, Comparison, Pull};
use aem_static::report::{Event, Reporter as _};
use aem_static::site::Site;

use super::super::args::QueriesPullArgs;
use super::super::outcome::Status;
use super::super::summary::counted;
use super::super::terminal::Terminal;

/// Pulls.
pub fn run(args: &QueriesPullArgs, site: &Arc<Site>, comparison: &Comparison, terminal: &Terminal) -> Status {
    let (pulls, left) = queries::pulls(site, comparison, &args.names);
    for not in &left {
        terminal.emit(Event::Note(format!("{} is left out: {}", not.query.short_path(), not.why)));
    }
    let (replacing, new): (Vec<Pull<'_>>, Vec<Pull<'_>>) = pulls.into_iter().partition(|pull| pull.replaces);
    for pull in &replacing {
        let diff = pull.query.diff();
        let fields = [("file", pull.file.as_str().into()), ("diff", diff.as_str().into())];
        let text = format!("{} would be replaced: lines with + go, lines with - come\n{diff}", pull.file);
        terminal.result(&text, "pull", &fields);
    }
    let replace = replacing.is_empty() || args.yes || {
        let question = format!("replace {} by AEM's text?", counted(replacing.len() as u64, "file"));
        terminal.ask(&question).unwrap_or(false)
    };
    for pull in new.iter().chain(replacing.iter().filter(|_| replace)) {
        if let Err(error) = queries::pull(&site.dir, pull) {
            terminal.failure(&format!("{} cannot be written: {error}", pull.file));
            return Status::Usage;
        }
        let word = if pull.replaces { "replaced" } else { "created" };
        let fields = [("change", word.into()), ("file", pull.file.as_str().into())];
        terminal.result(&format!("{word} {}\n", pull.file), "pulled", &fields);
    }
    if new.is_empty() && replacing.is_empty() && left.is_empty() {
        terminal.emit(Event::Note("nothing to pull: the files have AEM's queries".to_owned()));
    }
    if !replace {
        let files = counted(replacing.len() as u64, "file");
        terminal.failure(&format!("not replaced: {files} of which AEM has another text; say `--yes` to replace"));
        return Status::Problems;
    }
    if left.is_empty() {
        return Status::Done;
    }
    terminal.failure(&format!("{} left out", counted(left.len() as u64, "persisted text")));
    Status::Problems
}
