//! Flags of `origin` that say who may ask and what goes wrong.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use aem_static::origin::Fault;
use clap::{ArgGroup, Args, ValueEnum};
use secrecy::SecretString;

/// Who may ask.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Authorisation", group = ArgGroup::new("ims").multiple(true))]
pub struct AccessArgs {
    /// Accepts this bearer token; without any flag of this group everybody may ask
    #[arg(long, value_name = "TOKEN", value_parser = secret)]
    pub token: Option<SecretString>,
    /// Accepts this user with this password
    #[arg(long, value_name = "USER:PASSWORD")]
    pub user: Option<NameAndSecret>,
    /// Exchanges JWTs of this service-credentials file for tokens, at /ims/exchange/jwt
    #[arg(long, value_name = "FILE", group = "ims")]
    pub service_credentials: Option<PathBuf>,
    /// Gives tokens to this OAuth server-to-server client, at /ims/token/v3
    #[arg(long, value_name = "ID:SECRET", group = "ims")]
    pub oauth_client: Option<NameAndSecret>,
    /// The scopes the OAuth client may ask for, comma separated [default: any]
    #[arg(long, value_name = "SCOPES", requires = "oauth_client")]
    pub oauth_scopes: Option<String>,
    /// How long tokens are good [default: 86400]
    #[arg(long, value_name = "SECONDS", requires = "ims")]
    pub token_lifetime: Option<u32>,
    /// The unit of expires_in [default: milliseconds for the JWT exchange, seconds for OAuth]
    #[arg(long, value_enum, value_name = "UNIT", requires = "ims")]
    pub expires_in: Option<TimeUnit>,
    /// The status for a bearer token that is not accepted
    #[arg(long, value_enum, value_name = "STATUS", default_value_t = RefusalStatus::Unauthorized)]
    pub refusal: RefusalStatus,
}

/// What goes wrong.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Faults")]
pub struct FaultArgs {
    /// What every EVERY-th request meets, each one without EVERY; may be given several times
    ///
    /// latency, 429, 429-date, 500, 502, 503, reset, truncated, slow, sign-in, redirect, graphql-errors, null-items,
    /// dispatcher, stale, stale-post or token-expiry. Of several that are due at once the one that came least often has its turn.
    #[arg(long = "fault", value_name = "KIND[:EVERY]")]
    pub faults: Vec<Fault>,
    /// Delays every answer; with --fault latency only those that it strikes
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency: u32,
    /// Retry-After of --fault 429 and 429-date
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub retry_after: u32,
    /// How long --fault stale and stale-post answer with what they have
    #[arg(long, value_name = "SECONDS", default_value_t = 7200)]
    pub stale_for: u32,
    /// The pause between the sixteen pieces of --fault slow
    #[arg(long, value_name = "MS", default_value_t = 250)]
    pub pause: u32,
    /// Answers 429 to more requests within a second
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroU32>,
    /// Answers 429 to more requests at once
    #[arg(long, value_name = "N")]
    pub limit_at_once: Option<NonZeroU32>,
    /// Lets this machine read counts and change faults, at /_origin/
    #[arg(long)]
    pub control: bool,
}

/// The unit of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TimeUnit {
    /// As the JWT exchange of IMS
    Milliseconds,
    /// As the OAuth route of IMS
    Seconds,
}

/// A status that refuses a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RefusalStatus {
    /// Unauthorized
    #[value(name = "401")]
    Unauthorized,
    /// Forbidden
    #[value(name = "403")]
    Forbidden,
}

/// A name and what proves it; the secret does not print.
#[derive(Debug, Clone)]
pub struct NameAndSecret {
    /// Before the first colon.
    pub name: String,
    /// After it.
    pub secret: SecretString,
}

impl FromStr for NameAndSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((name, secret)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), secret: secret.to_owned().into() })
            }
            _ => Err("a name, a colon and a secret are needed"),
        }
    }
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(text.to_owned().into())
}
