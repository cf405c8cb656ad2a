//! `doctor`: the way of a request, up to the first broken link.

use std::sync::Arc;

use aem_static::pipeline::{self, Cancel, Diagnosed, Inquiry};
use aem_static::report::Reporter;

use super::args::{DoctorArgs, Global, Tier};
use super::interrupt;
use super::load;
use super::outcome::Status;
use super::summary;
use super::terminal::Terminal;

/// Examines the connection.
pub fn run(args: &DoctorArgs, global: &Global, terminal: &Arc<Terminal>) -> Status {
    let loaded = match load::site_to_ask("doctor", global, args.tier.map(Tier::name), terminal) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    super::threads::run(terminal, async {
        let connected = match loaded.connect(None, terminal).await {
            Ok(connected) => connected,
            Err(status) => return status,
        };
        let inquiry = Inquiry {
            source: connected.source.clone(),
            credentials_from: connected.credentials_from,
            dispatcher: args.dispatcher.clone(),
        };
        let cancel = Cancel::default();
        let reporter: Arc<dyn Reporter> = terminal.clone();
        let (site, connection) = (loaded.site.clone(), connected.connection.clone());
        let examined = pipeline::diagnose(site, connection, inquiry, reporter, cancel.clone());
        let diagnosed = interrupt::cancelling(examined, &cancel).await;
        connected.close().await;
        match diagnosed {
            Ok(diagnosed) => ended(diagnosed, terminal),
            Err(error) => {
                terminal.failure(&error.to_string());
                Status::Usage
            }
        }
    })
}

fn ended(diagnosed: Diagnosed, terminal: &Terminal) -> Status {
    match diagnosed {
        Diagnosed::Well { passed, left_out, warnings } => {
            let warned = match warnings {
                0 => String::new(),
                warnings => format!(", {}", summary::counted(warnings, "warning")),
            };
            let text = format!(
                "{} passed, {left_out} left out{warned}: a build can read AEM\n",
                summary::counted(passed, "check")
            );
            let fields = [("passed", passed.into()), ("left_out", left_out.into()), ("warnings", warnings.into())];
            terminal.result(&text, "doctor", &fields);
            Status::Done
        }
        Diagnosed::Broken { at, setting } => {
            terminal.failure(&format!("doctor stopped at `{at}`: what comes after it was not looked at"));
            if setting { Status::Usage } else { Status::Unreachable }
        }
        Diagnosed::Interrupted => {
            terminal.failure("interrupted");
            Status::Interrupted
        }
    }
}
