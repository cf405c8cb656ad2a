//! `queries push`: shown, agreed, done, looked at again.

use std::sync::Arc;

use aem_static::aem::Aem;
use aem_static::pipeline::queries::{self, Comparison, Push, PushKind, Standing};
use aem_static::report::{Event, Reporter as _};
use aem_static::site::Site;

use super::super::args::QueriesPushArgs;
use super::super::outcome::Status;
use super::super::summary::counted;
use super::super::terminal::Terminal;
use super::failed;

/// Pushes.
pub async fn run(
    args: &QueriesPushArgs,
    site: &Arc<Site>,
    aem: &Aem,
    comparison: &Comparison,
    terminal: &Terminal,
) -> Status {
    let pushes = queries::pushes(comparison, &args.names, args.prune);
    if !args.prune && args.names.is_empty() {
        let others = comparison.queries.iter().filter(|query| query.standing == Standing::OnlyInAem);
        others.for_each(|query| {
            terminal.emit(Event::Detail(format!("{} is only in AEM: left alone", query.short_path())))
        });
    }
    if pushes.is_empty() {
        terminal.emit(Event::Note("nothing to push: AEM has the queries of the files".to_owned()));
        return Status::Done;
    }
    pushes.iter().for_each(|push| show(push, terminal));
    let tier = aem.connection().tier;
    let agreed = args.yes || {
        let what = counted(pushes.len() as u64, "change");
        match terminal.ask(&format!("make {what} on {tier}?")) {
            Some(agreed) => agreed,
            None => {
                terminal.failure("nothing was pushed: there is no terminal to ask, so say `--yes` if that is meant");
                return Status::Usage;
            }
        }
    };
    if !agreed {
        terminal.failure("nothing was pushed");
        return Status::Problems;
    }
    carry_out(site, aem, &pushes, terminal).await
}

fn show(push: &Push<'_>, terminal: &Terminal) {
    let (verb, _) = push.kind.words();
    let path = push.query.short_path();
    let diff = match push.kind {
        PushKind::Delete => String::new(),
        _ => push.query.diff(),
    };
    let fields = [("change", verb.into()), ("query", path.as_str().into()), ("diff", diff.as_str().into())];
    terminal.result(&format!("{verb} {path}\n{diff}"), "push", &fields);
}

async fn carry_out(site: &Arc<Site>, aem: &Aem, pushes: &[Push<'_>], terminal: &Terminal) -> Status {
    let (mut done, mut problems) = (Vec::new(), Vec::new());
    for push in pushes {
        match queries::push(aem, push).await {
            Ok(()) => {
                let ((_, word), path) = (push.kind.words(), push.query.short_path());
                terminal.result(
                    &format!("{word} {path}\n"),
                    "pushed",
                    &[("change", word.into()), ("query", path.into())],
                );
                done.push(push.clone());
            }
            Err(problem) => problems.push(*problem),
        }
    }
    if !done.is_empty() {
        match queries::compare(site, aem).await {
            Ok(after) => problems.extend(queries::verified(&done, &after).err().into_iter().flatten()),
            Err(problem) => problems.push(*problem),
        }
    }
    if !problems.is_empty() {
        return failed(terminal, problems);
    }
    if done.iter().any(|push| push.kind != PushKind::Delete) {
        terminal.emit(Event::Note("publish them: publish and preview run what was published to them".to_owned()));
    }
    Status::Done
}
