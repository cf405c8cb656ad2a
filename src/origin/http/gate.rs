//! What stands around the service: control, IMS, limits, faults, authorisation. A request passes them in this order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Response, StatusCode, header};
use axum::middleware::{self, Next};
use tokio::time::{Instant, sleep};

use super::super::StartError;
use super::access::{Access, Anonymous, Guard};
use super::asked::Asked;
use super::control;
use super::counts::{Counter, Counts, UnderWay};
use super::fault::{Faults, Kind, Schedule};
use super::ims::Ims;
use super::pages;
use super::spoiled;
use super::stale::{self, Cache, Key};
use super::wire::Peer;

/// Bytes of a request whose body has to be known here; the service has its own bound, and this is above it.
const MOST_BODY: usize = 16 * 1024 * 1024;

/// Everything around the service that requests share.
pub(in crate::origin) struct Gate {
    guard: Guard,
    /// The stand-in for IMS, if it is wanted.
    pub(super) ims: Option<Ims>,
    schedule: Mutex<Schedule>,
    cache: Mutex<Cache>,
    /// What was asked and done so far.
    pub(super) counter: Counter,
    control: bool,
}

/// What is decided about a request before anybody looks into it.
struct Plan {
    /// Ends with the request.
    _under_way: UnderWay,
    met: Option<Kind>,
    delay: Duration,
    keeps: bool,
    retry_after: u32,
    stale_for: Duration,
    pause: Duration,
}

impl Gate {
    /// Reads credentials and prepares the rest.
    pub fn new(access: &Access, anonymous: Anonymous, faults: Faults, control: bool) -> Result<Self, StartError> {
        Ok(Self {
            guard: Guard::new(access, anonymous),
            ims: access.ims.as_ref().map(Ims::new).transpose()?,
            schedule: Mutex::new(Schedule::new(faults)),
            cache: Mutex::default(),
            counter: Counter::default(),
            control,
        })
    }

    /// The settings in force.
    pub fn faults(&self) -> Faults {
        lock(&self.schedule).faults.clone()
    }

    /// Puts other settings in force; their counting begins anew, and what the stale cache had is gone.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.schedule) = Schedule::new(faults);
        *lock(&self.cache) = Cache::default();
    }

    /// What was asked and done so far.
    pub fn counts(&self) -> Counts {
        self.counter.now()
    }

    /// Ends every token of the IMS stand-in, and says how many were good.
    pub fn expire_tokens(&self) -> usize {
        self.ims.as_ref().map_or(0, Ims::expire_all)
    }

    /// Counts a request; `Err` when it is above a limit.
    fn plan(&self, asked: Asked) -> Result<Plan, Response<Body>> {
        let now = Instant::now();
        let mut under_way = self.counter.begin(asked, now);
        let mut schedule = lock(&self.schedule);
        let (limit, at_once) = (schedule.faults.limit, schedule.faults.limit_at_once);
        if let Err(wait) = under_way.admit(limit, at_once, now) {
            // Whole seconds, and never too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Err(spoiled::too_many_requests(&seconds.max(1).to_string()));
        }
        let met = schedule.next(asked);
        let faults = &schedule.faults;
        Ok(Plan {
            _under_way: under_way,
            met,
            delay: faults.delay(met),
            keeps: faults.keeps(asked),
            retry_after: faults.retry_after,
            stale_for: faults.stale_for,
            pause: faults.pause,
        })
    }

    /// A fault was really given.
    fn struck(&self, kind: Kind) {
        self.counter.change(|counts| *counts.faults.entry(kind.name()).or_default() += 1);
    }

    /// Authorisation, after a fault that may have ended the tokens.
    fn authorised(&self, request: &Request, met: Option<Kind>) -> Result<(), Response<Body>> {
        if met == Some(Kind::TokenExpiry) {
            self.struck(Kind::TokenExpiry);
            if let Some(ims) = &self.ims {
                ims.expire_all();
            }
        }
        self.guard.check(request.headers(), self.ims.as_ref()).inspect_err(|_| {
            self.counter.change(|counts| counts.refused += 1);
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The service with the gate around it.
pub(in crate::origin) fn around(service: Router, gate: Arc<Gate>) -> Router {
    service.layer(middleware::from_fn_with_state(gate, pass))
}

async fn pass(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let path = request.uri().path();
    if gate.control && control::serves(path) {
        return control::answer(&gate, &peer, request).await;
    }
    if let Some(ims) = gate.ims.as_ref().filter(|_| Ims::serves(path)) {
        let response = ims.answer(request).await;
        let given = response.status() == StatusCode::OK;
        gate.counter.change(|counts| *if given { &mut counts.exchanges } else { &mut counts.exchanges_refused } += 1);
        return response;
    }
    if path == pages::SIGN_IN {
        return pages::sign_in();
    }
    let plan = match gate.plan(Asked::of(request.method(), path)) {
        Ok(plan) => plan,
        Err(limited) => return after_reading(request, limited).await,
    };
    if !plan.delay.is_zero() {
        sleep(plan.delay).await;
    }
    if let Err(refused) = gate.authorised(&request, plan.met) {
        return after_reading(request, refused).await;
    }
    let instead =
        plan.met.and_then(|kind| spoiled::instead(kind, request.uri(), plan.retry_after, &peer).zip(Some(kind)));
    if let Some((response, kind)) = instead {
        gate.struck(kind);
        return after_reading(request, response).await;
    }
    through(&gate, &plan, request, next).await
}

/// Reads the request to its end before answering: a connection closed on unread bytes is reset, and the answer lost.
async fn after_reading(request: Request, response: Response<Body>) -> Response<Body> {
    // Larger ones are no request of a client that means well.
    let _ = to_bytes(request.into_body(), MOST_BODY).await;
    response
}

/// Asks the service, and spoils its answer if that is due.
async fn through(gate: &Gate, plan: &Plan, mut request: Request, next: Next) -> Response<Body> {
    let spoils = plan.met.filter(|kind| spoiled::spoils(*kind));
    if spoils.is_some() {
        request.headers_mut().remove(header::IF_NONE_MATCH);
    }
    let response = if plan.keeps { cached(gate, plan, request, next).await } else { next.run(request).await };
    if plan.met == Some(Kind::Latency) {
        gate.struck(Kind::Latency);
    }
    let Some(kind) = spoils else { return response };
    match spoiled::spoil(kind, response, plan.pause).await {
        Ok(spoiled) => {
            gate.struck(kind);
            spoiled
        }
        Err(whole) => whole,
    }
}

/// Through the stale cache.
async fn cached(gate: &Gate, plan: &Plan, request: Request, next: Next) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(sent) = to_bytes(body, MOST_BODY).await else {
        return pages::apache(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let key = Key::of(&parts.method, &parts.uri, &sent);
    if let Some(kind @ (Kind::Stale | Kind::StalePost)) = plan.met {
        let kept = lock(&gate.cache).answer(&key, &parts.headers, plan.stale_for, Instant::now());
        if let Some(response) = kept {
            gate.struck(kind);
            return response;
        }
    }
    let response = next.run(Request::from_parts(parts, Body::from(sent))).await;
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if parts.status == StatusCode::OK {
        lock(&gate.cache).keep(key, &parts.headers, body.clone(), plan.stale_for, Instant::now());
    }
    stale::missed(&mut parts.headers);
    Response::from_parts(parts, Body::from(body))
}
