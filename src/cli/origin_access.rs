//! Flags of `origin` about authorisation and faults, as the origin takes them.

use std::time::Duration;

use aem_static::origin::{Access, Basic, Faults, ImsOptions, OauthClient, Refusal, Unit};

use super::args::{AccessArgs, FaultArgs, RefusalStatus, TimeUnit};

/// Who may ask.
pub fn access(args: &AccessArgs) -> Access {
    let user = args.user.clone();
    Access {
        token: args.token.clone(),
        basic: user.map(|user| Basic { user: user.name, password: user.secret }),
        ims: ims(args),
        refusal: match args.refusal {
            RefusalStatus::Unauthorized => Refusal::Unauthorized,
            RefusalStatus::Forbidden => Refusal::Forbidden,
        },
    }
}

/// The IMS stand-in, if there is anybody to give a token to.
fn ims(args: &AccessArgs) -> Option<ImsOptions> {
    let scopes = args.oauth_scopes.clone().unwrap_or_default();
    let oauth = args.oauth_client.clone();
    let oauth = oauth.map(|client| OauthClient { id: client.name, secret: client.secret, scopes });
    if args.service_credentials.is_none() && oauth.is_none() {
        return None;
    }
    let standard = ImsOptions::default();
    Some(ImsOptions {
        service_credentials: args.service_credentials.clone(),
        oauth,
        lifetime: args.token_lifetime.map_or(standard.lifetime, |seconds| Duration::from_secs(seconds.into())),
        unit: args.expires_in.map(|unit| match unit {
            TimeUnit::Milliseconds => Unit::Milliseconds,
            TimeUnit::Seconds => Unit::Seconds,
        }),
    })
}

/// What goes wrong.
pub fn faults(args: &FaultArgs) -> Faults {
    let milliseconds = |time: u32| Duration::from_millis(time.into());
    Faults {
        list: args.faults.clone(),
        latency: milliseconds(args.latency),
        retry_after: args.retry_after,
        stale_for: Duration::from_secs(args.stale_for.into()),
        pause: milliseconds(args.pause),
        limit: args.limit,
        limit_at_once: args.limit_at_once,
    }
}
