//! What the environment and files say of access to AEM: credentials, headers, certificates (design.md §6). Secrets are taken
//! from there and handed on in a type that does not print; nothing of them is in a message.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aem_static::aem::{Credentials, Expiry, OAuthClient, Secret};
use aem_static::report::{Diagnostic, codes};
use aem_static::site::{HeaderSource, Site};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::settings::Environment;

/// How AEM is spoken to, but for its address.
pub struct Access {
    /// Who we are.
    pub credentials: Credentials,
    /// The variable that said so; `None` for nobody.
    pub credentials_from: Option<&'static str>,
    /// Headers of the host.
    pub headers: Vec<(String, String)>,
    /// Certificates in PEM.
    pub trusted: Option<Vec<u8>>,
    /// Hosts besides the tier's that assets may come from.
    pub asset_hosts: Vec<String>,
    /// What ends soon.
    pub warnings: Vec<Diagnostic>,
}

/// Reads it all; all problems at once.
pub fn read(site: &Site, environment: &Environment, now: Timestamp) -> Result<Access, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let found = credentials(&site.dir, environment).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let (credentials, credentials_from) = match found {
        Some((credentials, from)) => (credentials, Some(from)),
        None => (Credentials::None, None),
    };
    let headers = headers(site, environment, &mut problems);
    let trusted = trusted(site, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let expiry = credentials.expiry();
    let warnings = expiry.and_then(|expiry| ending(expiry, credentials_from.unwrap_or_default(), now));
    let warnings = warnings.into_iter().collect();
    Ok(Access { credentials, credentials_from, headers, trusted, asset_hosts: asset_hosts(site), warnings })
}

/// The first kind that is there: a token, a file, an OAuth client, a user.
fn credentials(site: &Path, environment: &Environment) -> Result<Option<(Credentials, &'static str)>, Diagnostic> {
    let Environment { token, credentials_file, client_id, client_secret, scopes, user, password, .. } = environment;
    if let Some(token) = token {
        return Ok(Some((Credentials::Bearer(Secret::new(token.expose_secret())), "AEM_TOKEN")));
    }
    if let Some(path) = credentials_file {
        return from_file(site, path).map(|credentials| Some((credentials, "AEM_SERVICE_CREDENTIALS")));
    }
    match (client_id, client_secret, scopes) {
        (Some(id), Some(secret), Some(scopes)) => {
            let secret = Secret::new(secret.expose_secret());
            let client = OAuthClient { id: id.clone(), secret, scopes: scopes.clone() };
            return Ok(Some((Credentials::OAuth(Arc::new(client)), "AEM_CLIENT_ID")));
        }
        (None, None, None) => {}
        (id, secret, scopes) => {
            let parts = [
                ("AEM_CLIENT_ID", id.is_some()),
                ("AEM_CLIENT_SECRET", secret.is_some()),
                ("AEM_SCOPES", scopes.is_some()),
            ];
            return Err(incomplete(&parts));
        }
    }
    match (user, password) {
        (Some(user), Some(password)) => {
            let password = Secret::new(password.expose_secret());
            Ok(Some((Credentials::Basic { user: user.clone(), password }, "AEM_USER")))
        }
        (None, None) => Ok(None),
        (user, password) => Err(incomplete(&[("AEM_USER", user.is_some()), ("AEM_PASSWORD", password.is_some())])),
    }
}

fn incomplete(parts: &[(&str, bool)]) -> Diagnostic {
    let names = |set: bool| {
        let names = parts.iter().filter(|(_, is_set)| *is_set == set).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(" and ")
    };
    let verb = |set: bool| if parts.iter().filter(|(_, is_set)| *is_set == set).count() == 1 { "is" } else { "are" };
    let (set, missing) = (names(true), names(false));
    Diagnostic::error(codes::CREDENTIALS, format!("{set} {} set and {missing} {} not", verb(true), verb(false)))
        .help(format!("set {missing}, or none of them"))
}

fn from_file(site: &Path, path: &str) -> Result<Credentials, Diagnostic> {
    let unusable = |why: String| {
        Diagnostic::error(codes::CREDENTIALS, format!("AEM_SERVICE_CREDENTIALS: {path}: {why}"))
            .help("name the file as the Developer Console hands it out; docs/access.md shows the kinds")
    };
    let text = std::fs::read_to_string(found(site, path)).map_err(|error| unusable(error.to_string()))?;
    Credentials::from_file(&text).map_err(|problem| unusable(problem.to_string()))
}

/// A path as it is meant: beside `.env` in the site directory, or typed in the current one.
fn found(site: &Path, path: &str) -> PathBuf {
    let beside = site.join(path);
    if beside.exists() { beside } else { PathBuf::from(path) }
}

fn headers(site: &Site, environment: &Environment, problems: &mut Vec<Diagnostic>) -> Vec<(String, String)> {
    resolved(&site.config.aem.headers, environment, problems)
}

/// Headers with their values, those of the environment among them.
pub fn resolved(
    sources: &[(String, HeaderSource)],
    environment: &Environment,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, source) in sources {
        match source {
            HeaderSource::Text(value) => headers.push((name.clone(), value.clone())),
            HeaderSource::Variable(variable) => match environment.named(variable) {
                Some(value) => headers.push((name.clone(), value.expose_secret().to_owned())),
                None => problems.push(
                    Diagnostic::error(
                        codes::CREDENTIALS,
                        format!("the header `{name}` takes its value from {variable}, which is not set"),
                    )
                    .help(format!("set {variable} in the environment or in .env")),
                ),
            },
        }
    }
    headers
}

fn trusted(site: &Site, problems: &mut Vec<Diagnostic>) -> Option<Vec<u8>> {
    let path = site.config.aem.ca.as_deref()?;
    match std::fs::read(site.dir.join(path)) {
        Ok(pem) => Some(pem),
        Err(error) => {
            problems.push(
                Diagnostic::error(codes::CONFIG_VALUE, format!("`aem.ca`: {path} cannot be read: {error}"))
                    .help("name a file of PEM certificates, relative to the site directory"),
            );
            None
        }
    }
}

/// Those of the configuration, and AEM's own.
fn asset_hosts(site: &Site) -> Vec<String> {
    let own = site.config.aem.other_hosts.iter().map(|host| host.authority().to_owned());
    site.config.assets.hosts.iter().cloned().chain(own).collect()
}

/// A warning if something ends soon or has ended.
fn ending(expiry: Expiry, from: &str, now: Timestamp) -> Option<Diagnostic> {
    if now < expiry.warn_from {
        return None;
    }
    let (verb, date) = (if now < expiry.at { "ends" } else { "ended" }, expiry.at.strftime("%Y-%m-%d %H:%M UTC"));
    let message = format!("the {} in {from} {verb} on {date}", expiry.what);
    Some(Diagnostic::warning(codes::CREDENTIALS_END, message).help("get a new one from the Developer Console"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    fn expiry() -> Expiry {
        let at: Timestamp = "2026-12-24T10:00:00Z".parse().unwrap();
        Expiry { what: "access token", at, warn_from: "2026-12-24T09:00:00Z".parse().unwrap() }
    }

    #[test]
    fn an_end_is_told_when_it_is_near_and_when_it_is_past() {
        let told = |now: &str| ending(expiry(), "AEM_TOKEN", now.parse().unwrap()).map(|problem| problem.message);
        assert_eq!(told("2026-12-24T08:59:59Z"), None);
        let near = "the access token in AEM_TOKEN ends on 2026-12-24 10:00 UTC";
        assert_eq!(told("2026-12-24T09:00:00Z").as_deref(), Some(near));
        let past = "the access token in AEM_TOKEN ended on 2026-12-24 10:00 UTC";
        assert_eq!(told("2026-12-24T10:00:00Z").as_deref(), Some(past));
    }

    #[test]
    fn parts_that_are_missing_are_named() {
        let told = |parts: &[(&str, bool)]| incomplete(parts).message;
        assert_eq!(told(&[("A", true), ("B", false)]), "A is set and B is not");
        assert_eq!(told(&[("A", true), ("B", false), ("C", false)]), "A is set and B and C are not");
    }
}
