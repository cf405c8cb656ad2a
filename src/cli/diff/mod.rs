//! `diff`: what the last build changed, or what a build would change.

mod markdown;
mod told;

use std::sync::Arc;

use aem_static::output::{Adopt, Mode, Output};
use aem_static::pipeline::{self, AnswersFrom, Cancel, Folders, Options};
use aem_static::report::{Diagnostic, Event, FileChange, Reporter};
use aem_static::site::{OnError, Site};
use aem_static::state::{self, Changes, Replaced};
use aem_static::text::revision;

use super::args::{DiffArgs, Format, Global, Tier};
use super::load::{self, Loaded};
use super::lock::WAIT;
use super::outcome::Status;
use super::terminal::Terminal;
use super::{build, interrupt};
use told::{Listener, Told, ToldFile, Which};

/// The size of a page that is compared at most.
const COMPARED: u64 = 8 << 20;

/// Tells it.
pub fn run(args: &DiffArgs, global: &Global, terminal: &Arc<Terminal>) -> Status {
    if args.markdown && global.format == Format::Json {
        terminal.failure("--markdown and --format json exclude each other");
        return Status::Usage;
    }
    let loaded = match load::site("diff", global, args.tier.map(Tier::name), load::Flags::new(), terminal) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    let told = Told::new(args, terminal.clone());
    if args.dry_run {
        return would_change(args, &loaded, told, terminal);
    }
    last_build(args, &loaded.site, told, terminal).unwrap_or_else(|problem| {
        terminal.emit(Event::Diagnostic(*problem));
        terminal.failure("diff failed");
        Status::Usage
    })
}

fn last_build(args: &DiffArgs, site: &Site, mut told: Told, terminal: &Terminal) -> Result<Status, Box<Diagnostic>> {
    let _lock = state::lock(&site.dir, "diff", WAIT).map_err(|error| Box::new(error.diagnostic()))?;
    let output = Output::open(&site.out_dir(), Mode::DryRun, Adopt::No);
    let output = output.map_err(|error| Box::new(error.diagnostic()))?;
    let Some(commit) = output.listing().commit() else {
        terminal.failure("nothing was built yet: build once, or see what a build would make with --dry-run");
        return Ok(Status::Usage);
    };
    let changes = match Changes::open(&site.dir, commit) {
        Ok(changes) => changes,
        Err(why) => {
            terminal.failure(&format!(
                "what the last build changed is not known: {why}; --dry-run tells what the next one would"
            ));
            return Ok(Status::Usage);
        }
    };
    if changes.is_first() {
        for (path, _) in output.listing().iter() {
            told.file(ToldFile { change: FileChange::Created, path, reason: "new", text: None });
        }
    }
    for file in changes.files().iter().filter(|file| told.wants(&file.path)).collect::<Vec<_>>() {
        let text = args.text.then(|| match changes.replaced(file) {
            Replaced::None => None,
            Replaced::Missing(why) => Some(Err(why)),
            Replaced::Bytes(before) => Some(match output.made(&file.path, COMPARED) {
                Ok(Some(after)) => revision::diff(&file.path, &before, &after).map_err(str::to_owned),
                Ok(None) => Err("it was changed by hand since".to_owned()),
                Err(error) => Err(error.to_string()),
            }),
        });
        let (change, path, reason) = (file.change, file.path.as_str(), file.reason.as_str());
        told.file(ToldFile { change, path, reason, text: text.flatten() });
    }
    told.end(&Which::Last { at: changes.at().to_owned(), is_first: changes.is_first() });
    Ok(Status::Done)
}

fn would_change(args: &DiffArgs, loaded: &Loaded, told: Told, terminal: &Arc<Terminal>) -> Status {
    let listener = Arc::new(Listener::new(told, terminal.clone()));
    let outcome = crate::cli::threads::wait(terminal, async {
        let connected = match args.offline {
            true => loaded.unconnected(),
            false => loaded.connect(None, terminal).await,
        }?;
        let answers = if args.offline { AnswersFrom::Kept } else { AnswersFrom::Aem };
        let options = Options {
            mode: if args.text { Mode::Compare } else { Mode::DryRun },
            on_error: loaded.site.config.build.on_error.unwrap_or(OnError::Stop),
            workers: loaded.site.config.build.workers,
            source: connected.source.clone(),
            ..Options::reading(answers, Folders::of(&loaded.site))
        };
        let cancel = Cancel::default();
        let reporter: Arc<dyn Reporter> = listener.clone();
        let connection = connected.connection.clone();
        let build = pipeline::export(loaded.site.clone(), connection, &options, reporter, cancel.clone());
        let outcome = interrupt::cancelling(build, &cancel).await;
        connected.close().await;
        Ok(outcome)
    });
    match outcome.and_then(|outcome| outcome) {
        Ok(outcome) => {
            if let Ok(pipeline::Outcome::Done(_)) = &outcome {
                listener.end();
            }
            build::ended("diff", outcome, terminal)
        }
        Err(status) => status,
    }
}
