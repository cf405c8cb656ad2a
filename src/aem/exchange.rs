//! One request and its reply. Every request of this room passes [`Aem::exchange`]: it takes its turn at the host's governor,
//! carries the authorisation of the place it goes to and of no other, keeps the limits of time and size, and is counted.

use std::error::Error as _;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::tls::TlsInfo;
use reqwest::{Client, Method, Response};
use url::Url;

use super::answer::{Reply, is_success};
use super::client::{Aem, Counts, Incident};
use super::credentials::{Authorisation, Secret, ims};
use super::failure::{Failure, FailureKind};
use super::governor::{Governor, Mood, Pass};
use super::http::{PrivateAddress, innermost, tls_problem};
use super::retry::{self, Miss, persevere};

/// How much of an unsuccessful answer is read: enough for every error AEM writes, little enough for any page.
const ERROR_BODY: u64 = 256 * 1024;

/// A pause that is worth telling.
const TOLD_FROM: Duration = Duration::from_secs(3);

/// Renewals of the token for one request, at most, where AEM has accepted a token of these credentials; two elsewhere.
const RENEWALS: u32 = 12;

/// Over such a time requests are spread that have been refused twice.
const APART: Duration = Duration::from_millis(100);

/// What a request may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The connection's scheme, host and port: credentials and configured headers.
    Home,
    /// IMS: what is in the form.
    Ims,
    /// An allowed host of assets: nothing.
    Elsewhere,
}

/// A request as data, so that it can be sent again.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub place: Place,
    pub method: Method,
    pub url: &'a Url,
    pub headers: HeaderMap,
    pub body: Option<Vec<u8>>,
}

impl Aem {
    /// Repeats `attempt`, whose requests go to `place`, as the policy and the kind of failure allow, until the time is over.
    /// Only for requests that read.
    pub(super) async fn persevere<T, Sent>(
        &self,
        place: Place,
        url: &Url,
        attempt: impl FnMut() -> Sent,
    ) -> Result<T, Failure>
    where
        Sent: Future<Output = Result<T, Miss>>,
    {
        let connection = &self.inner.connection;
        let governor = self.governor(place, url);
        let repeating = || self.count(|counts| counts.retries += 1);
        let persevering = persevere(&connection.retry_for, &governor, &self.inner.dice, repeating, attempt);
        let outcome = match (self.inner.ends, connection.time_limit) {
            (Some(ends), Some(limit)) => match tokio::time::timeout_at(ends, persevering).await {
                Ok(outcome) => outcome,
                Err(_) => Err((Miss::from(FailureKind::OutOfTime { limit }), 1)),
            },
            _ => persevering.await,
        };
        outcome.map_err(|(miss, attempts)| self.failure(miss, url, attempts))
    }

    /// A miss that is the end of it, without secrets.
    pub(super) fn failure(&self, mut miss: Miss, url: &Url, attempts: u32) -> Failure {
        for text in miss.kind.texts_mut() {
            *text = self.without_secrets(text);
        }
        Failure { kind: miss.kind, url: url.as_str().to_owned(), attempts }
    }

    /// Sends one request and reads its answer. A token that AEM refuses is renewed, and the request sent again with the new one.
    pub(super) async fn exchange(&self, outgoing: &Outgoing<'_>) -> Result<Reply, Miss> {
        const REFUSED: &str = "refused";
        let governor = self.governor(outgoing.place, outgoing.url);
        let mut renewals = 0;
        loop {
            let authorisation = self.authorisation(outgoing.place).await?;
            let reply = self.send(&governor, outgoing, &authorisation).await?;
            let (keeper, status) = (&self.inner.keeper, reply.status);
            if !matches!(status, 401 | 403) {
                keeper.accepted(&authorisation);
                if renewals > 0 {
                    governor.passes(REFUSED);
                }
                return Ok(reply);
            }
            let most = if keeper.is_known() || governor.has_passed(REFUSED) { RENEWALS } else { 2 };
            if renewals >= most || !keeper.refused(&authorisation, status) {
                return Ok(reply);
            }
            renewals += 1;
            self.count(|counts| counts.retries += 1);
            (self.inner.observer)(Incident::TokenRefused { status });
            if renewals > 1 {
                // Everybody who waits for the new token would leave in one moment, as with the last one.
                tokio::time::sleep(self.inner.dice.part_of(APART)).await;
            }
        }
    }

    /// Who keeps order at a host. IMS has a governor of its own even where it is AEM's host: requests that wait for a token
    /// must not keep the token waiting.
    fn governor(&self, place: Place, url: &Url) -> Arc<Governor> {
        let connection = &self.inner.connection;
        let key = (place, url.origin().ascii_serialization());
        let mut governors = self.inner.governors.lock().unwrap_or_else(PoisonError::into_inner);
        let governor = governors.entry(key);
        governor.or_insert_with(|| Arc::new(Governor::new(connection.concurrency, connection.rate))).clone()
    }

    pub(super) async fn authorisation(&self, place: Place) -> Result<Authorisation, Miss> {
        match &self.inner.ims {
            Some((url, _)) if place == Place::Home => {
                // Boxed because asking IMS is a request as well.
                let exchange = || Box::pin(self.exchange_token(url));
                Ok(self.inner.keeper.authorise(exchange).await?)
            }
            _ => Ok(Authorisation::default()),
        }
    }

    /// Asks IMS for an access token (protocol 7.3, 7.4). The exchange changes nothing at IMS, so it is repeated like a read.
    async fn exchange_token(&self, url: &Url) -> Result<(Secret, Duration), FailureKind> {
        let connection = &self.inner.connection;
        let host = url.host_str().unwrap_or_default();
        let failed = |details: String| FailureKind::NoToken { details: format!("IMS ({host}): {details}") };
        let Some((form, assertion)) = ims::form(&connection.credentials, Timestamp::now().as_second()) else {
            return Err(failed("the request could not be signed".to_owned()));
        };
        assertion.iter().for_each(|assertion| self.learn_secret(assertion));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let outgoing =
            Outgoing { place: Place::Ims, method: Method::POST, url, headers, body: Some(form.into_bytes()) };
        let attempt = async || {
            let reply = self.exchange(&outgoing).await?;
            match reply.status {
                200..=299 => ims::token(&reply.body).map_err(|problem| Miss::from(failed(problem.to_owned()))),
                429 | 500.. => Err(Miss::from(self.redacted(reply).unsuccessful())),
                status => Err(Miss::from(failed(ims::refusal(status, &self.redacted(reply).body)))),
            }
        };
        let (token, life) = self.persevere(Place::Ims, url, attempt).await.map_err(|failure| match failure.kind {
            kind @ (FailureKind::NoToken { .. } | FailureKind::OutOfTime { .. }) => kind,
            kind => failed(kind.to_string()),
        })?;
        self.learn_secret(&token);
        Ok((token, life))
    }

    /// One request under one permit.
    async fn send(
        &self,
        governor: &Governor,
        outgoing: &Outgoing<'_>,
        authorisation: &Authorisation,
    ) -> Result<Reply, Miss> {
        let Some(client) = self.client(outgoing.place) else {
            return Err(FailureKind::HostNotAllowed { host: outgoing.url.authority().to_owned() }.into());
        };
        let mut request =
            client.request(outgoing.method.clone(), outgoing.url.clone()).headers(outgoing.headers.clone());
        if let Some(body) = &outgoing.body {
            request = request.body(body.clone());
        }
        if let Some(value) = authorisation.header.clone().filter(|_| outgoing.place == Place::Home) {
            request = request.header(AUTHORIZATION, value);
        }
        let pass = governor.enter().await;
        self.count(|counts| counts.requests += 1);
        let limit = self.inner.connection.request_limit;
        let answered = async {
            let response = request.send().await.map_err(|error| self.unsent(&error))?;
            self.read(governor, &pass, response).await
        };
        let reply = match tokio::time::timeout(limit, answered).await {
            Ok(reply) => reply?,
            Err(_) => return Err(FailureKind::Timeout { after: limit }.into()),
        };
        self.count(|counts| {
            counts.bytes += reply.body.len() as u64;
            counts.max_age = counts.max_age.max(reply.age());
        });
        Ok(reply)
    }

    fn client(&self, place: Place) -> Option<&Client> {
        match place {
            Place::Home => Some(&self.inner.home),
            Place::Ims => self.inner.ims.as_ref().map(|(_, client)| client),
            Place::Elsewhere => self.inner.elsewhere.as_ref(),
        }
    }

    /// The reply; what its status says of the host is known before its body has come.
    async fn read(&self, governor: &Governor, pass: &Pass<'_>, response: Response) -> Result<Reply, Miss> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let shown = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        if let Some(certificate) = shown {
            self.inner.certificate.get_or_init(|| certificate.to_vec());
        }
        match status {
            429 | 503 => self.hold_back(governor, pass, status, retry::retry_after(&headers)),
            500.. => (),
            _ => pass.learn(Mood::Fine),
        }
        let body =
            if is_success(status) { self.receive(response).await? } else { self.receive_beginning(response).await };
        Ok(Reply { status, headers, body })
    }

    /// The host is busy. Where it asks for patience, every other request waits as well (protocol 12, row 28), unless it asks
    /// for more than we have: then the build ends, and nothing waits.
    pub(super) fn hold_back(&self, governor: &Governor, pass: &Pass<'_>, status: u16, asked: Option<Duration>) {
        pass.learn(Mood::Busy);
        let asked = asked.filter(|asked| *asked <= self.inner.connection.retry_for.patience);
        let longer = governor.hold(asked.unwrap_or_default());
        if longer >= TOLD_FROM {
            (self.inner.observer)(Incident::HeldBack { status, pause: asked.unwrap_or_default() });
        }
    }

    /// The whole body, or why it is not whole. The limit holds for what is declared and for what comes.
    async fn receive(&self, mut response: Response) -> Result<Vec<u8>, Miss> {
        let limit = self.inner.connection.max_response;
        let declared = response.content_length().unwrap_or(0);
        if declared > limit {
            return Err(FailureKind::TooLarge { limit }.into());
        }
        // A declaration costs nothing to send, so it reserves no more than 16 MiB.
        let mut body = Vec::with_capacity(usize::try_from(declared).unwrap_or(0).min(16 << 20));
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > limit => {
                    return Err(FailureKind::TooLarge { limit }.into());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) if error.is_timeout() => return Err(self.timeout().into()),
                Err(error) => {
                    let cause = innermost(&error);
                    let received = body.len() as u64;
                    return Err(FailureKind::Truncated { received, cause }.into());
                }
            }
        }
    }

    /// The beginning of an unsuccessful answer. The status is the fact; a fault while reading the page adds nothing.
    async fn receive_beginning(&self, mut response: Response) -> Vec<u8> {
        let mut body = Vec::new();
        while (body.len() as u64) < ERROR_BODY {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        body
    }

    fn timeout(&self) -> FailureKind {
        FailureKind::Timeout { after: self.inner.connection.timeout }
    }

    fn unsent(&self, error: &reqwest::Error) -> Miss {
        if error.is_timeout() {
            return self.timeout().into();
        }
        if let Some(PrivateAddress { host, address }) = PrivateAddress::among_causes(error) {
            return FailureKind::PrivateAddress { host: host.clone(), address: *address }.into();
        }
        let cause = innermost(error);
        match error.source().and_then(tls_problem) {
            Some(problem) => FailureKind::Tls { problem, cause }.into(),
            None => Miss { lasting: error.is_builder(), kind: FailureKind::Unreachable { cause } },
        }
    }

    /// The reply without secrets that the server echoes; before an excerpt could cut one in two.
    pub(super) fn redacted(&self, reply: Reply) -> Reply {
        let text = String::from_utf8_lossy(&reply.body);
        let body = self.without_secrets(&text);
        if body == text {
            return reply;
        }
        Reply { body: body.into_bytes(), ..reply }
    }

    pub(super) fn without_secrets(&self, text: &str) -> String {
        self.inner.redaction.lock().unwrap_or_else(PoisonError::into_inner).applied(text)
    }

    fn learn_secret(&self, secret: &Secret) {
        self.inner.redaction.lock().unwrap_or_else(PoisonError::into_inner).learn(secret);
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
