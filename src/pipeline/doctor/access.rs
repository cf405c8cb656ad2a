//! Who asks, and who answers: credentials, AEM and its tier, the endpoint.

use jiff::{SignedDuration, Timestamp};

use super::{Broken, Doctor, Step, date};
use crate::aem::{Credentials, Execution, FailureKind, NotFound, Probe, Sighting, Tier};
use crate::pipeline::failures;
use crate::report::{Check, Diagnostic, codes};

/// Whether the way of a query leads to AEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// AEM's own words came back.
    Aem,
    /// AEM says that the configuration has no endpoint.
    NoEndpoint,
    /// A page with 404 came: the Dispatcher's, on a tier that has one.
    Blocked,
}

impl Doctor {
    /// Whether there are credentials that can be used, and until when.
    pub(super) async fn credentials(&mut self) -> Step {
        let credentials = self.connection().credentials.clone();
        let Some(from) = self.inquiry.credentials_from.filter(|_| !matches!(credentials, Credentials::None)) else {
            self.tell(Check::left_out("credentials", "none: asked as everybody"));
            return Ok(());
        };
        let mut check = Check::passed("credentials", format!("{} from {from}", credentials.kind()));
        if let Some(expiry) = credentials.expiry() {
            let (what, at, now) = (expiry.what, expiry.at, Timestamp::now());
            let told = |verb: &str| format!("the {what} in {from} {verb} on {}", date(at));
            let help = "get a new one from the Developer Console; docs/access.md shows the kinds";
            if now >= at {
                let problem = Diagnostic::error(codes::CREDENTIALS_END, told("ended")).help(help);
                return Err(self.broken(Check::failed("credentials", told("ended")), [problem]));
            }
            if now >= expiry.warn_from {
                self.warn(Diagnostic::warning(codes::CREDENTIALS_END, told("ends")).help(help));
            }
            check.detail = format!("{}; the {what} ends on {}", check.detail, date(at));
            check = check.text("ends", at.to_string());
        }
        match self.aem.token_life().await {
            Ok(None) => {}
            Ok(Some(life)) => {
                let ends = SignedDuration::try_from(life).ok().and_then(|life| Timestamp::now().checked_add(life).ok());
                check.detail = match ends {
                    Some(at) => format!("{}; IMS gave an access token until {}", check.detail, date(at)),
                    None => format!("{}; IMS gave an access token", check.detail),
                };
                check = check.number("token_seconds", life.as_secs());
            }
            Err(failure) => {
                let message = format!("no access token: {}", details(&failure.kind));
                let problem =
                    Diagnostic::error(codes::REFUSED, message).note("credentials from", from).help(failures::NO_TOKEN);
                return Err(self.broken(Check::failed("credentials", "IMS gave no access token"), [problem]));
            }
        }
        self.tell(check);
        Ok(())
    }

    /// Is it AEM, does it let us in, and which tier is it?
    pub(super) async fn reaches_aem(&mut self) -> Result<Way, Broken> {
        // A persisted query is looked for by GET first, the method that every rule of the Dispatcher's allows.
        let execution = match self.execution() {
            Execution::PersistedPost => Execution::PersistedGet,
            execution => execution,
        };
        let sighting = match self.aem.look(Probe::Way(execution)).await {
            Ok(sighting) => sighting,
            Err(failure) => return Err(self.unanswered("aem", &failure)),
        };
        let way = self.way(&sighting)?;
        let authorised = !matches!(self.connection().credentials, Credentials::None);
        if authorised && way != Way::Blocked {
            self.tell(Check::passed("access", "AEM accepts the credentials"));
        }
        if way == Way::Blocked {
            self.tell(Check::left_out("aem", "cannot be told: a page with 404 came before AEM was asked"));
            return Ok(way);
        }
        let unfiltered = self.aem.look(Probe::List).await.is_ok_and(|list| list.status == 200 && list.json);
        let detail = match (self.tier(), unfiltered) {
            (Tier::Local, _) => "the built-in origin answers",
            (Tier::Author, true) => "AEM answers, as author does",
            (Tier::Author, false) => "AEM answers; unlike author it does not list its persisted queries",
            (_, true) => "AEM answers, with no Dispatcher before it: a local AEM, or author",
            (_, false) => "AEM answers, behind a Dispatcher",
        };
        self.tell(Check::passed("aem", detail).text("tier", self.tier().name()));
        Ok(way)
    }

    /// What came back: AEM's words, or what stands in the way.
    pub(super) fn way(&mut self, sighting: &Sighting) -> Result<Way, Broken> {
        let kind = match &sighting.verdict {
            Ok(_) => return Ok(Way::Aem),
            Err(kind) => kind,
        };
        match kind {
            FailureKind::GraphQl { .. } | FailureKind::NotFound { what: NotFound::PersistedQuery, .. } => Ok(Way::Aem),
            FailureKind::NotFound { what: NotFound::Endpoint, .. } => Ok(Way::NoEndpoint),
            FailureKind::NotFound { what: NotFound::Dispatcher, .. }
                if matches!(self.tier(), Tier::Publish | Tier::Preview) =>
            {
                Ok(Way::Blocked)
            }
            FailureKind::Refused { status } => Err(self.refused(*status)),
            FailureKind::SignIn { .. } => Err(self.refused(401)),
            kind => Err(self.not_aem(sighting, kind)),
        }
    }

    fn refused(&mut self, status: u16) -> Broken {
        let tier = self.tier();
        let from = self.inquiry.credentials_from;
        let anonymous = matches!(self.connection().credentials, Credentials::None);
        let help = match (status, anonymous) {
            (405, _) => "an IP allow list before AEM: this machine's outgoing address has to be on it".to_owned(),
            (_, true) => format!("AEM wants to know who asks: set {}", failures::CREDENTIALS),
            (401, false) => {
                "a token is good for one environment and for its life only, a password for one AEM: get new \
                             credentials for this one; docs/access.md shows how"
                    .to_owned()
            }
            (_, false) => {
                "the user is known and may not read this: give its group read access, and on author put it into a \
                           product profile (which takes about ten minutes)"
                    .to_owned()
            }
        };
        let mut problem =
            Diagnostic::error(codes::REFUSED, format!("AEM ({tier}) refuses access with status {status}")).help(help);
        if let Some(from) = from {
            problem = problem.note("credentials from", from);
        }
        let who = if anonymous { "to everybody" } else { "to these credentials" };
        self.broken(Check::failed("access", format!("status {status} {who}")), [problem])
    }

    fn not_aem(&mut self, sighting: &Sighting, kind: &FailureKind) -> Broken {
        let seen = match kind {
            FailureKind::Html { title: Some(title), .. } => format!("an HTML page, \"{title}\""),
            FailureKind::Html { .. } => "an HTML page".to_owned(),
            FailureKind::NotFound { details, .. } => format!("404: {details}"),
            FailureKind::Redirected { location: Some(location), .. } => format!("a redirect to {location}"),
            kind => kind.to_string(),
        };
        let help = match kind {
            FailureKind::Redirected { .. } => "name the host that answers itself, with the right scheme: https://",
            FailureKind::NotFound { .. } => {
                "check host, port and path: a path before AEM's own belongs to the host, `https://host/aem`; AEM 6.5 needs \
                 the package for Content Fragments with GraphQL"
            }
            _ => {
                "name AEM's own host (author-, preview- or publish-p…-e….adobeaemcloud.com, or your domain for it), not that \
                  of another site"
            }
        };
        let url = failures::masked(self.connection(), &sighting.url);
        let problem =
            Diagnostic::error(codes::NOT_AEM, format!("{} answers, and not as AEM does: {seen}", self.host()))
                .note("url", url)
                .note("host from", self.host_source())
                .help(help);
        self.broken(Check::failed("aem", seen), [problem])
    }

    /// Whether the configuration has an endpoint.
    pub(super) fn endpoint(&mut self, way: &Way) -> Step {
        let configuration = self.connection().configuration.clone();
        if *way != Way::NoEndpoint {
            self.tell(Check::passed("endpoint", format!("configuration {configuration} has one")));
            return Ok(());
        }
        let (tier, on) = (self.tier(), if self.tier() == Tier::Author { "" } else { " and publish it to this tier" });
        let message = format!("AEM ({tier}) has no endpoint for the configuration `{configuration}`");
        let problem = Diagnostic::error(codes::NOT_FOUND, message).help(format!(
            "on author, Tools, General, GraphQL: create the endpoint of `{configuration}` \
             (/content/cq:graphql/{configuration}/endpoint){on}; or set `[aem] configuration` to the one that has your models"
        ));
        Err(self.broken(Check::failed("endpoint", format!("configuration {configuration} has none")), [problem]))
    }
}

fn details(kind: &FailureKind) -> String {
    match kind {
        FailureKind::NoToken { details } => details.clone(),
        kind => kind.to_string(),
    }
}
