//! `build`: the export.

use std::collections::BTreeSet;
use std::sync::Arc;

use aem_static::aem::SetupError;
use aem_static::output::{Adopt, Mode};
use aem_static::pipeline::{self, AnswersFrom, Cancel, Facts, Folders, Options, Outcome, Versions, Worst};
use aem_static::report::Reporter;
use aem_static::site::OnError;

use super::args::{BuildArgs, Global, Tier};
use super::interrupt;
use super::load::{self, Connected};
use super::outcome::Status;
use super::terminal::Terminal;

/// Exports the site.
pub fn run(args: &BuildArgs, global: &Global, terminal: &Arc<Terminal>) -> Status {
    let mut flags = load::Flags::new();
    if let Some(workers) = args.workers {
        flags.push(("build.workers".to_owned(), workers.to_string(), "--workers".to_owned()));
    }
    let loaded = match load::site("build", global, args.tier.map(Tier::name), flags, terminal) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    super::threads::run(terminal, async {
        let connected = match args.offline {
            true => loaded.unconnected(),
            false => loaded.connect(args.concurrency.map(Into::into), terminal).await,
        };
        let connected = match connected {
            Ok(connected) => connected,
            Err(status) => return status,
        };
        let mut connected = connected;
        connected.connection.keep_partial = args.allow_partial;
        export(args, &loaded, connected, terminal).await
    })
}

async fn export(args: &BuildArgs, loaded: &load::Loaded, connected: Connected, terminal: &Arc<Terminal>) -> Status {
    let options = Options {
        folders: Folders::of(&loaded.site),
        mode: if args.dry_run { Mode::DryRun } else { Mode::Write },
        adopt: if args.adopt { Adopt::Yes } else { Adopt::No },
        allow_removals: args.allow_removals,
        withdrawn: BTreeSet::new(),
        full: args.full,
        versions: if args.locked { Versions::Locked } else { Versions::Warned },
        answers: if args.offline { AnswersFrom::Kept } else { AnswersFrom::Aem },
        on_error: if args.keep_going {
            OnError::Hold
        } else {
            loaded.site.config.build.on_error.unwrap_or(OnError::Stop)
        },
        workers: loaded.site.config.build.workers,
        dump: false,
        facts: Facts::default(),
        source: connected.source.clone(),
    };
    let cancel = Cancel::default();
    let reporter: Arc<dyn Reporter> = terminal.clone();
    let build = pipeline::export(loaded.site.clone(), connected.connection.clone(), &options, reporter, cancel.clone());
    let outcome = interrupt::cancelling(build, &cancel).await;
    connected.close().await;
    ended("build", outcome, terminal)
}

/// Says how a build, or what is done in the way of one, ended.
pub fn ended(command: &str, outcome: Result<Outcome, SetupError>, terminal: &Terminal) -> Status {
    match outcome {
        Ok(Outcome::Done(summary)) if summary.errors > 0 || summary.held > 0 => {
            terminal.failure(&super::summary::held(&summary));
            Status::Problems
        }
        Ok(Outcome::Done(_)) => Status::Done,
        Ok(Outcome::Interrupted) => {
            terminal.failure("interrupted; out/ is as it was");
            Status::Interrupted
        }
        Ok(Outcome::Failed { errors, warnings, worst, broke_off }) => {
            terminal.failure(&match broke_off {
                true => super::summary::broke_off(errors, warnings),
                false => format!("{}; out/ is as it was", super::summary::failed_command(command, errors, warnings)),
            });
            match worst {
                Worst::Content => Status::Problems,
                Worst::Setup => Status::Usage,
                Worst::Access => Status::Unreachable,
            }
        }
        Err(error) => {
            terminal.failure(&error.to_string());
            Status::Usage
        }
    }
}
