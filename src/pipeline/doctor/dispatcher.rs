//! The Dispatcher: does it let queries through, what do its files say, and which rule is missing (protocol 1.4, 2.3).

use super::access::Way;
use super::filters::{Filters, Ruling};
use super::rules::Request;
use super::{Broken, Doctor, Step};
use crate::aem::{Execution, FailureKind, Probe, Tier};
use crate::report::{Check, Diagnostic, Place, codes};

/// Where rules of a project belong; the file beside it, `default_filters.any`, is replaced by a deployment.
const OWN: &str = "conf.dispatcher.d/filters/filters.any";

/// The rule for persisted queries (protocol 1.4).
const PERSISTED: &str =
    "/aem-static-persisted { /type \"allow\" /method '(GET|POST|OPTIONS)' /url \"/graphql/execute.json*\" }";

/// The rule for direct queries (protocol 1.4).
const DIRECT: &str =
    "/aem-static-direct { /type \"allow\" /method '(POST|OPTIONS)' /url \"/content/_cq_graphql/*/endpoint.json\" }";

impl Doctor {
    pub(super) async fn dispatcher(&mut self, way: &Way) -> Step {
        let filters = self.filters()?;
        if matches!(self.tier(), Tier::Author | Tier::Local) {
            match filters {
                None => self.tell(Check::left_out("dispatcher", format!("none stands before {}", self.tier()))),
                Some(filters) => self.files_alone(&filters),
            }
            return Ok(());
        }
        let blocked = if *way == Way::Blocked {
            Some(if self.execution() == Execution::Direct { "POST" } else { "GET" })
        } else if self.execution() == Execution::PersistedPost && self.post_is_blocked().await? {
            Some("POST")
        } else {
            None
        };
        match (blocked, filters) {
            (Some(method), filters) => Err(self.blocked(method, filters.as_ref())),
            (None, None) => {
                self.tell(Check::passed("dispatcher", format!("lets {} through", self.asked())));
                Ok(())
            }
            (None, Some(filters)) => {
                self.files_of_an_open_door(&filters);
                Ok(())
            }
        }
    }

    /// The filters of `--dispatcher DIR`.
    fn filters(&mut self) -> Result<Option<Filters>, Broken> {
        let Some(dir) = self.inquiry.dispatcher.clone() else { return Ok(None) };
        Filters::read(&dir).map(Some).map_err(|why| {
            let problem = Diagnostic::error(codes::CONFIG_VALUE, format!("--dispatcher: {why}"))
                .help("name the folder that holds conf.dispatcher.d/, usually dispatcher/src of the AEM project");
            let broken = self.broken(Check::failed("dispatcher", "its files cannot be read"), [problem]);
            Broken { setting: true, ..broken }
        })
    }

    async fn post_is_blocked(&mut self) -> Result<bool, Broken> {
        match self.aem.look(Probe::Way(Execution::PersistedPost)).await {
            Ok(sighting) if matches!(sighting.verdict, Err(FailureKind::Refused { status: 403 | 405 })) => Ok(true),
            Ok(sighting) => Ok(self.way(&sighting)? == Way::Blocked),
            Err(failure) => Err(self.unanswered("dispatcher", &failure)),
        }
    }

    /// What a build asks of the Dispatcher, in words.
    fn asked(&self) -> &'static str {
        match self.execution() {
            Execution::Direct => "direct queries",
            Execution::PersistedGet => "execute.json by GET",
            Execution::PersistedPost => "execute.json by GET and POST",
        }
    }

    /// The same as requests.
    fn requests(&self) -> (Vec<&'static str>, String) {
        let configuration = &self.connection().configuration;
        match self.execution() {
            Execution::Direct => (vec!["POST"], format!("/content/_cq_graphql/{configuration}/endpoint.json")),
            Execution::PersistedGet => (vec!["GET"], format!("/graphql/execute.json/{configuration}/query")),
            Execution::PersistedPost => (vec!["GET", "POST"], format!("/graphql/execute.json/{configuration}/query")),
        }
    }

    fn rule(&self) -> &'static str {
        if self.execution() == Execution::Direct { DIRECT } else { PERSISTED }
    }

    /// The first request that the files deny.
    fn denied<'f>(&self, filters: &'f Filters) -> Option<(&'static str, Ruling<'f>)> {
        let (methods, url) = self.requests();
        let rulings = methods.into_iter().map(|method| (method, filters.ruling(Request { method, url: &url })));
        rulings.into_iter().find(|(_, ruling)| !ruling.allowed)
    }

    fn blocked(&mut self, method: &'static str, filters: Option<&Filters>) -> Broken {
        let (_, url) = self.requests();
        let message = format!("the Dispatcher of {} does not let {method} {url} through (404)", self.tier());
        let mut problem = Diagnostic::error(codes::DISPATCHER_FILTER, message);
        let alternatives = self.alternatives(method);
        let help = match filters.map(|filters| (filters, self.denied(filters))) {
            None => format!("add this rule to {OWN} of the AEM project, and deploy it:\n{}{alternatives}", self.rule()),
            Some((filters, Some((_, ruling)))) => {
                problem = decided(problem, &ruling);
                format!("add this rule as the last of {}, and deploy it:\n{}{alternatives}", filters.own, self.rule())
            }
            Some((filters, None)) => {
                let (_, url) = self.requests();
                let place = filters.ruling(Request { method, url: &url }).rule.cloned();
                problem = problem.at_opt(place);
                format!(
                    "the files allow it, by this rule: deploy them, or find what else answers 404 before AEM{alternatives}"
                )
            }
        };
        let missing = filters.map(|filters| filters.missing.clone()).unwrap_or_default();
        problem = missing.into_iter().fold(problem, |problem, file| problem.note("not there", file));
        let problem = problem
            .note("or else", "the address is not AEM's: a page with 404 looks the same, whoever wrote it")
            .help(help);
        self.broken(Check::failed("dispatcher", format!("does not let {method} {url} through")), [problem])
    }

    /// What helps besides the rule.
    fn alternatives(&self, method: &str) -> String {
        match self.execution() {
            Execution::Direct => {
                "\non AEM as a Cloud Service also set ENABLE_GRAPHQL_ENDPOINT=true in Cloud Manager; or say \
                                  `[aem] queries = \"persisted\"`, which the Dispatcher lets through by default"
                    .to_owned()
            }
            Execution::PersistedPost if method == "POST" => {
                "\nor say `[aem] freshness = \"cdn\"`: queries go by GET, and may be as old as caches keep them"
                    .to_owned()
            }
            _ => String::new(),
        }
    }

    /// The live Dispatcher is open: would it still be after the files are deployed?
    fn files_of_an_open_door(&mut self, filters: &Filters) {
        match self.denied(filters) {
            None => {
                let (methods, url) = self.requests();
                let ruling = filters.ruling(Request { method: methods[0], url: &url });
                let by = ruling.rule.map_or_else(String::new, |place| format!(", by {}:{}", place.file, place.line));
                self.tell(Check::passed("dispatcher", format!("lets {} through{by}", self.asked())));
            }
            Some((_, ruling)) if filters.leave_open(&ruling) => {
                let detail = format!("lets {} through; its files do not say: {}", self.asked(), gone(filters));
                self.tell(Check::passed("dispatcher", detail));
            }
            Some((method, ruling)) => {
                let detail = format!("lets {} through, and its files would not", self.asked());
                self.tell(Check::passed("dispatcher", detail));
                self.warn_of_files(filters, method, &ruling);
            }
        }
    }

    /// No Dispatcher stands before this tier, but somebody wants to know.
    fn files_alone(&mut self, filters: &Filters) {
        let detail = format!("none stands before {}; its files", self.tier());
        match self.denied(filters) {
            None => self.tell(Check::left_out("dispatcher", format!("{detail} let {} through", self.asked()))),
            Some((_, ruling)) if filters.leave_open(&ruling) => {
                self.tell(Check::left_out("dispatcher", format!("{detail} do not say: {}", gone(filters))));
            }
            Some((method, ruling)) => {
                self.tell(Check::left_out("dispatcher", format!("{detail} do not let {} through", self.asked())));
                self.warn_of_files(filters, method, &ruling);
            }
        }
    }

    fn warn_of_files(&mut self, filters: &Filters, method: &str, ruling: &Ruling<'_>) {
        let (_, url) = self.requests();
        let message = format!("the Dispatcher's files do not let {method} {url} through");
        let warning = decided(Diagnostic::warning(codes::DISPATCHER_FILTER, message), ruling);
        let warning = filters.missing.iter().fold(warning, |warning, file| warning.note("not there", file.clone()));
        self.warn(warning.help(format!("add this rule as the last of {}:\n{}", filters.own, self.rule())));
    }
}

/// The included files that are not there.
fn gone(filters: &Filters) -> String {
    let missing: Vec<&str> = filters.missing.iter().map(String::as_str).collect();
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb} not there", missing.join(", "))
}

/// At the rule that denies, or at the file without one.
fn decided(problem: Diagnostic, ruling: &Ruling<'_>) -> Diagnostic {
    match ruling.rule {
        Some(place) => problem.at(place.clone()).note("denied by", "this rule, the last that fits"),
        None => problem.at(Place::file(ruling.file)).note("denied by", "no rule of this file fits"),
    }
}
