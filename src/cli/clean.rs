//! `clean`: removes the tool's files from `out/`, and the state. What somebody else put there stays.

use std::path::Path;
use std::time::Duration;

use aem_static::output::{self, OutputError};
use aem_static::report::{Diagnostic, Event, Reporter};
use aem_static::state::{self, State};

use super::args::Global;
use super::load;
use super::outcome::Status;
use super::summary::counted;
use super::terminal::Terminal;

/// Removes what builds of the site made in `out/`. An `out/` without the tool's list is left alone.
pub fn run(global: &Global, terminal: &Terminal) -> Status {
    match load::site("clean", global, None, load::Flags::new(), terminal) {
        Ok(loaded) => clean(&loaded.site.dir, &loaded.site.out_dir(), terminal),
        Err(status) => status,
    }
}

fn clean(site: &Path, out: &Path, terminal: &Terminal) -> Status {
    let _lock = match state::lock(site, "clean", Duration::ZERO) {
        Ok(lock) => lock,
        Err(error) => return failed(terminal, error.diagnostic()),
    };
    let files = match output::clean(out) {
        Ok(cleaned) => cleaned.files,
        Err(OutputError::NoList { .. }) => {
            let out = out.display();
            terminal.emit(Event::Note(format!("{out} has no list of the tool's files; nothing was removed there")));
            0
        }
        Err(error) => return failed(terminal, error.diagnostic()),
    };
    if let Err(error) = State::clean(site) {
        return failed(terminal, error.diagnostic());
    }
    if let Err(error) = State::clean_preview(site) {
        return failed(terminal, error.diagnostic());
    }
    let text = format!("removed {} and the state\n", counted(files as u64, "file"));
    terminal.result(&text, "cleaned", &[("files", files.into())]);
    Status::Done
}

fn failed(terminal: &Terminal, diagnostic: Diagnostic) -> Status {
    terminal.emit(Event::Diagnostic(diagnostic));
    terminal.failure("clean failed; what it has not removed is as it was");
    Status::Usage
}
