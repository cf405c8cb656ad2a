//! Keeps the access token: exchanged when it is first needed, renewed before it ends and when AEM refuses it, by one request
//! however many wait for it (protocol 7.5).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::{Credentials, Secret, bearer};
use crate::aem::{FailureKind, SetupError};

/// A token is renewed so long before its end, or after nine tenths of its life if that is later.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// For so long a failed exchange speaks for the requests that follow it.
const FAILURE_HOLDS: Duration = Duration::from_secs(30);

/// So many tokens in a row that AEM never accepted are enough.
const FRUITLESS: u32 = 2;

/// So many are enough once AEM has accepted any: there, tokens end early, and some before their first use.
const FRUITLESS_IF_KNOWN: u32 = 8;

/// How one request was authorised.
#[derive(Debug, Clone, Default)]
pub(in crate::aem) struct Authorisation {
    /// The value of `Authorization`; `None`: anonymous, or the client sends a constant one by itself.
    pub header: Option<HeaderValue>,
    /// Which token it was, from 1; 0 for none.
    generation: u64,
}

/// The token of one client.
#[derive(Debug, Default)]
pub(in crate::aem) struct Keeper {
    exchanged: bool,
    state: Mutex<State>,
    /// Held by the one request that exchanges.
    exchange: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    generation: u64,
    /// The last failure, and when it was.
    failure: Option<(FailureKind, Instant)>,
    exchanges: u64,
    /// Tokens in a row that were refused without ever having been accepted.
    fruitless: u32,
    /// AEM has accepted a token of these credentials.
    known: bool,
    /// The status with which AEM refused the last token, until there is another.
    refusal: Option<u16>,
    /// A 403 came with a token fresh from IMS: it is about permission, not about the token.
    forbidden: bool,
}

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    renew_at: Instant,
    ends_at: Instant,
    accepted: bool,
    /// Made because AEM refused the one before.
    after_refusal: Option<u16>,
}

impl State {
    /// How many fruitless tokens show that it is not the token.
    fn enough(&self) -> u32 {
        if self.known { FRUITLESS_IF_KNOWN } else { FRUITLESS }
    }
}

impl Keeper {
    /// For these credentials; nothing is exchanged yet.
    pub fn new(credentials: &Credentials) -> Self {
        let exchanged = matches!(credentials, Credentials::Service(_) | Credentials::OAuth(_));
        Keeper { exchanged, ..Keeper::default() }
    }

    /// The authorisation of a request that is about to leave. `exchange` brings a token and its life from IMS; it is called by
    /// one caller at a time, and not at all while a good token is there.
    pub async fn authorise<Exchanged>(&self, exchange: impl FnOnce() -> Exchanged) -> Result<Authorisation, FailureKind>
    where
        Exchanged: Future<Output = Result<(Secret, Duration), FailureKind>>,
    {
        if !self.exchanged {
            return Ok(Authorisation::default());
        }
        if let Some(current) = self.current(|token, now| now < token.renew_at) {
            return Ok(current);
        }
        let _turn = self.exchange.lock().await;
        if let Some(current) = self.current(|token, now| now < token.renew_at) {
            return Ok(current);
        }
        let failure = self.state().failure.clone().filter(|(_, since)| since.elapsed() < FAILURE_HOLDS);
        if let Some((kind, _)) = failure {
            return self.current(|token, now| now < token.ends_at).ok_or(kind);
        }
        self.state().exchanges += 1;
        let brought = exchange().await.and_then(|(token, life)| self.keep(&token, life));
        brought.or_else(|kind| {
            self.state().failure = Some((kind.clone(), Instant::now()));
            // The old one may still be good for its last minutes.
            self.current(|token, now| now < token.ends_at).ok_or(kind)
        })
    }

    /// Takes notice that AEM accepted a token.
    pub fn accepted(&self, authorisation: &Authorisation) {
        if authorisation.generation == 0 {
            return;
        }
        let mut state = self.state();
        // The word may come after the refusal of a request that left later.
        state.fruitless = 0;
        state.known = true;
        let current = state.generation == authorisation.generation;
        if let Some(token) = state.token.as_mut().filter(|_| current) {
            token.accepted = true;
        }
    }

    /// Takes notice that AEM refused a token with `status`. Whether another one may be accepted.
    pub fn refused(&self, authorisation: &Authorisation, status: u16) -> bool {
        if authorisation.generation == 0 {
            return false;
        }
        let mut state = self.state();
        if state.generation != authorisation.generation || state.token.is_none() {
            // Somebody else had it renewed meanwhile, or is about to.
            return state.fruitless < state.enough() && !(status == 403 && state.forbidden);
        }
        let fresh = state.token.as_ref().is_some_and(|token| !token.accepted && token.after_refusal.is_some());
        let same = state.token.as_ref().is_some_and(|token| token.after_refusal == Some(403));
        state.forbidden |= status == 403 && same;
        if status == 403 && state.forbidden {
            return false;
        }
        state.fruitless += u32::from(fresh);
        if state.fruitless >= state.enough() {
            return false;
        }
        state.refusal = Some(status);
        state.token = None;
        true
    }

    /// For how long the token is still good; `None` without one.
    pub fn life(&self) -> Option<Duration> {
        Some(self.state().token.as_ref()?.ends_at.saturating_duration_since(Instant::now()))
    }

    /// Whether AEM has accepted a token of these credentials: one that it refuses may have ended early.
    pub fn is_known(&self) -> bool {
        self.state().known
    }

    /// Exchanges so far.
    pub fn exchanges(&self) -> u64 {
        self.state().exchanges
    }

    fn current(&self, good: impl Fn(&Token, Instant) -> bool) -> Option<Authorisation> {
        let state = self.state();
        let token = state.token.as_ref().filter(|token| good(token, Instant::now()))?;
        Some(Authorisation { header: Some(token.header.clone()), generation: state.generation })
    }

    fn keep(&self, token: &Secret, life: Duration) -> Result<Authorisation, FailureKind> {
        let header = bearer(token).ok().flatten();
        let header = header.ok_or_else(|| FailureKind::NoToken { details: SetupError::Credentials.to_string() })?;
        let now = Instant::now();
        let mut state = self.state();
        state.generation += 1;
        state.failure = None;
        state.token = Some(Token {
            header: header.clone(),
            renew_at: now + life.saturating_sub(MARGIN.min(life / 10)),
            ends_at: now + life,
            accepted: false,
            after_refusal: state.refusal.take(),
        });
        Ok(Authorisation { header: Some(header), generation: state.generation })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::super::OAuthClient;
    use super::*;

    fn keeper() -> Keeper {
        let client = OAuthClient { id: "a".into(), secret: Secret::new("b"), scopes: "c".into() };
        Keeper::new(&Credentials::OAuth(Arc::new(client)))
    }

    /// IMS: the n-th token is `token-n` and lives for an hour.
    async fn ask(keeper: &Keeper, asked: &Cell<u32>) -> Authorisation {
        let exchange = || async {
            asked.set(asked.get() + 1);
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok((Secret::new(format!("token-{}", asked.get())), Duration::from_secs(3600)))
        };
        keeper.authorise(exchange).await.unwrap()
    }

    fn shown(authorisation: &Authorisation) -> &str {
        authorisation.header.as_ref().unwrap().to_str().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn many_wait_for_one_exchange() {
        let (keeper, asked) = (Rc::new(keeper()), Rc::new(Cell::new(0)));
        let local = tokio::task::LocalSet::new();
        let tasks: Vec<_> = (0..40)
            .map(|_| {
                let (keeper, asked) = (keeper.clone(), asked.clone());
                local.spawn_local(async move { ask(&keeper, &asked).await })
            })
            .collect();
        local.await;
        for task in tasks {
            assert_eq!(shown(&task.await.unwrap()), "Bearer token-1");
        }
        assert_eq!((asked.get(), keeper.exchanges()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_before_it_ends() {
        let (keeper, asked) = (keeper(), Cell::new(0));
        ask(&keeper, &asked).await;
        tokio::time::advance(Duration::from_secs(3600 - 301)).await;
        assert_eq!(shown(&ask(&keeper, &asked).await), "Bearer token-1");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(shown(&ask(&keeper, &asked).await), "Bearer token-2", "five minutes before its end");
    }

    #[tokio::test(start_paused = true)]
    async fn while_ims_fails_the_old_token_serves_until_its_end() {
        let (keeper, asked) = (keeper(), Cell::new(0));
        ask(&keeper, &asked).await;
        tokio::time::advance(Duration::from_secs(3600 - 100)).await;
        let fails = || async { Err(FailureKind::NoToken { details: "down".into() }) };
        assert_eq!(shown(&keeper.authorise(fails).await.unwrap()), "Bearer token-1");
        tokio::time::advance(Duration::from_secs(101)).await;
        assert!(keeper.authorise(fails).await.is_err());
        let exchanges = keeper.exchanges();
        assert!(keeper.authorise(fails).await.is_err());
        assert_eq!(keeper.exchanges(), exchanges, "a failure speaks for those that waited for it");
        tokio::time::advance(FAILURE_HOLDS).await;
        assert_eq!(shown(&ask(&keeper, &asked).await), "Bearer token-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_renewed_and_renewing_ends() {
        let (keeper, asked) = (keeper(), Cell::new(0));
        let first = ask(&keeper, &asked).await;
        let late = first.clone();
        assert!(keeper.refused(&first, 401), "it may have ended");
        assert!(keeper.refused(&late, 401), "refused as well, with the token that is being replaced");
        let second = ask(&keeper, &asked).await;
        assert_eq!((shown(&second), asked.get()), ("Bearer token-2", 2));
        assert!(keeper.refused(&second, 401));
        let third = ask(&keeper, &asked).await;
        assert!(!keeper.refused(&third, 401), "two fresh tokens in a row: it is not the token");
        assert_eq!(asked.get(), 3);
    }

    /// Where AEM knows the credentials, some unlucky tokens in a row do not end it; many do.
    #[tokio::test(start_paused = true)]
    async fn tokens_that_end_early_are_renewed_again_and_not_for_ever() {
        let (keeper, asked) = (keeper(), Cell::new(0));
        let first = ask(&keeper, &asked).await;
        assert!(keeper.refused(&first, 401));
        let second = ask(&keeper, &asked).await;
        assert!(keeper.refused(&second, 401));
        // Accepted before it was refused, and told late.
        keeper.accepted(&second);
        let mut lasted = 0;
        while keeper.refused(&ask(&keeper, &asked).await, 401) {
            lasted += 1;
        }
        assert_eq!((lasted, asked.get()), (FRUITLESS_IF_KNOWN - 1, 2 + FRUITLESS_IF_KNOWN));
    }

    #[tokio::test(start_paused = true)]
    async fn a_403_that_outlives_a_token_is_about_permission() {
        let (keeper, asked) = (keeper(), Cell::new(0));
        let first = ask(&keeper, &asked).await;
        keeper.accepted(&first);
        assert!(keeper.refused(&first, 403));
        let second = ask(&keeper, &asked).await;
        assert!(!keeper.refused(&second, 403));
        keeper.accepted(&second);
        assert!(!keeper.refused(&second, 403), "the next forbidden query costs no exchange");
        assert!(keeper.refused(&second, 401), "but a token that has ended does");
    }
}
