//! From the settings to a host that answers: name, connection, TLS.

use super::{Broken, Doctor, Step, date, tier_of};
use crate::aem::{Execution, FailureKind, Probe, Tier};
use crate::report::{Check, Diagnostic, codes};

impl Doctor {
    /// What is asked, and how; a name that says another tier than the settings is a mistake in them.
    pub(super) fn settings(&mut self) -> Step {
        let how = match self.execution() {
            Execution::Direct => "direct queries",
            Execution::PersistedGet => "persisted queries by GET",
            Execution::PersistedPost => "persisted queries by POST",
        };
        let (tier, configuration) = (self.tier(), self.connection().configuration.clone());
        let named = self.connection().base.host_str().and_then(tier_of);
        if let Some(named) = named.filter(|named| *named != tier && tier != Tier::Local) {
            let problem =
                Diagnostic::error(codes::CONFIG_VALUE, format!("the tier is {tier}, and the host's name says {named}"))
                    .note("host from", self.host_source())
                    .help(format!("say `[aem] tier = \"{named}\"` (AEM_TIER, --tier), or name the host of {tier}"));
            let broken =
                self.broken(Check::failed("settings", format!("tier {tier} with a host of {named}")), [problem]);
            return Err(Broken { setting: true, ..broken });
        }
        let detail = format!("{}; configuration {configuration}, {how}", self.inquiry.source);
        self.tell(Check::passed("settings", detail).text("tier", tier.name()).text("configuration", configuration));
        Ok(())
    }

    pub(super) async fn network(&mut self) -> Step {
        match self.aem.proxy() {
            Some(proxy) => {
                self.tell(Check::left_out("name", format!("the proxy {proxy} finds the host")));
                self.tell(Check::left_out("connection", format!("the proxy {proxy} connects to it")));
            }
            None => {
                self.name().await?;
                self.door().await?;
            }
        }
        self.answers().await
    }

    async fn name(&mut self) -> Step {
        if !matches!(self.connection().base.host(), Some(url::Host::Domain(_))) {
            self.tell(Check::left_out("name", "the host is an address"));
            return Ok(());
        }
        match self.aem.addresses().await {
            Ok(addresses) => {
                let found: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                let detail = match self.tier() {
                    Tier::Author => {
                        format!("leads to {} address{}", found.len(), if found.len() == 1 { "" } else { "es" })
                    }
                    _ => format!("{} leads to {}", self.host(), found.join(", ")),
                };
                self.tell(Check::passed("name", detail));
                Ok(())
            }
            Err(failure) => {
                let cause = match failure.kind {
                    FailureKind::Unreachable { cause } => cause,
                    kind => kind.to_string(),
                };
                let problem = Diagnostic::error(
                    codes::UNREACHABLE,
                    format!("the name of {} leads nowhere: {cause}", self.host()),
                )
                .note("host from", self.host_source())
                .help(
                    "check how the host is spelt; else this machine's DNS, a VPN that is off, or a proxy that is \
                             needed (HTTPS_PROXY)",
                );
                Err(self.broken(Check::failed("name", "leads nowhere"), [problem]))
            }
        }
    }

    /// Whether anybody listens.
    async fn door(&mut self) -> Step {
        match self.aem.knock().await {
            Ok(address) => {
                let detail = match self.tier() {
                    Tier::Author => format!("accepted at port {}", address.port()),
                    _ => format!("accepted at {address}"),
                };
                self.tell(Check::passed("connection", detail));
                Ok(())
            }
            Err(failure) => {
                let cause = match &failure.kind {
                    FailureKind::Unreachable { cause } => cause.clone(),
                    kind => kind.to_string(),
                };
                let port = self.connection().base.port_or_known_default().unwrap_or_default();
                let message = format!("nobody accepts a connection at port {port} of {}: {cause}", self.host());
                let problem = Diagnostic::error(codes::UNREACHABLE, message).note("host from", self.host_source()).help(
                    "check the port (local AEM: 4502 author, 4503 publish) and that AEM runs; else a firewall, a VPN that is \
                     off, an allow list, or a proxy that is needed (HTTPS_PROXY)",
                );
                Err(self.broken(Check::failed("connection", "nobody accepts it"), [problem]))
            }
        }
    }

    /// TLS, and any answer at all, to nobody in particular: credentials are looked at later.
    async fn answers(&mut self) -> Step {
        let secure = self.connection().base.scheme() == "https";
        let seen = self.anonymous.look(Probe::Way(self.execution())).await;
        if let Err(failure) = &seen
            && matches!(failure.kind, FailureKind::Tls { .. })
        {
            return Err(self.unanswered("tls", failure));
        }
        if !secure {
            self.tell(Check::left_out("tls", "the host is named with http://"));
        } else if seen.is_ok() {
            let ends = self.anonymous.certificate_ends();
            let detail = ends
                .map_or_else(|| "trusted".to_owned(), |at| format!("trusted; the certificate ends on {}", date(at)));
            let check = Check::passed("tls", detail);
            self.tell(match ends {
                Some(at) => check.text("certificate_ends", at.to_string()),
                None => check,
            });
        }
        match seen {
            Ok(sighting) => {
                let detail = format!("answers, with status {} to a query that does not exist", sighting.status);
                let detail = match self.execution() {
                    Execution::Direct => format!("answers, with status {} to nobody in particular", sighting.status),
                    _ => detail,
                };
                self.tell(Check::passed("host", detail).number("status", sighting.status.into()));
                Ok(())
            }
            Err(failure) => Err(self.unanswered("host", &failure)),
        }
    }
}
