//! One request of a walk, conditional where the last build kept its answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::gather::Gatherer;
use super::{AnswersFrom, Versions, failures, locked};
use crate::aem::{Answer, Queried, QueryCall, Validators};
use crate::report::{Diagnostic, Severity, codes};
use crate::site::Query;
use crate::state::{AnswerId, AnswerRecord, Key, Start};

/// Whether a cache may answer for AEM.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caches {
    Allowed,
    Bypassed,
}

/// What came of one request.
pub(super) struct Came {
    pub(super) record: AnswerRecord,
    /// `None`: it is the kept one.
    pub(super) body: Option<Vec<u8>>,
    pub(super) cached: bool,
    pub(super) url: String,
    /// What there is to say of it.
    pub(super) remarks: Vec<Diagnostic>,
}

impl Came {
    /// The kept answer, of which there is nothing to say.
    fn kept(record: AnswerRecord) -> Self {
        Came { record, body: None, cached: false, url: String::new(), remarks: Vec::new() }
    }

    /// The body, kept or new.
    pub(super) fn body(&mut self, gatherer: &Gatherer) -> Result<Vec<u8>, Diagnostic> {
        match self.body.take() {
            Some(body) => Ok(body),
            None => gatherer.state.answers().read(&self.record.id).map_err(|error| error.diagnostic()),
        }
    }
}

/// One request of a walk; conditional where the last build kept its answer.
pub(super) async fn ask(
    gatherer: Arc<Gatherer>,
    query: String,
    variables: Map<String, Json>,
    caches: Caches,
    answers_from: AnswersFrom,
) -> Result<Came, Vec<Diagnostic>> {
    let query = gatherer.site.queries.get(&query).expect("a planned call names a query that exists");
    let call = QueryCall {
        name: &query.name,
        configuration: query.configuration.as_deref(),
        text: &query.sent,
        variables: &variables,
    };
    let asked = asked(&call);
    let known = gatherer.known(&asked);
    match (answers_from, known) {
        (AnswersFrom::Kept, known) => {
            return kept(&gatherer, query, &variables, known).map_err(|problem| vec![*problem]);
        }
        (AnswersFrom::KeptFirst, Some(known)) if !known.partial => return Ok(Came::kept(known.clone())),
        (AnswersFrom::Aem | AnswersFrom::KeptFirst, _) => {}
    }
    let answer = match (caches, known) {
        (Caches::Allowed, Some(known)) => {
            let validators = Validators { etag: known.etag.clone(), last_modified: known.last_modified.clone() };
            gatherer.aem.query_unless(&call, &validators).await
        }
        (Caches::Allowed, None) => gatherer.aem.query(&call).await.map(Queried::Answer),
        (Caches::Bypassed, _) => gatherer.aem.query_past_caches(&call).await.map(Queried::Answer),
    };
    let answer =
        answer.map_err(|failure| failures::describe(query, &variables, gatherer.aem.connection(), &failure))?;
    Ok(match (answer, known) {
        (Queried::NotModified { cached }, Some(known)) => {
            Came { record: known.clone(), body: None, cached, url: String::new(), remarks: Vec::new() }
        }
        (Queried::Answer(answer), known) => {
            let remarks = failures::remarks(query, &variables, gatherer.aem.connection(), &answer);
            let partial = !answer.errors.is_empty();
            let Answer { body, cached, url, validators, .. } = answer;
            let id = AnswerId::of(&body);
            if gatherer.versions == Versions::Locked
                && let Some(known) = known.filter(|known| known.id != id)
                && let Some(problem) = locked::changed(&gatherer, query, &variables, known, &body)
            {
                return Err(vec![problem]);
            }
            // Partial data is never what a later build is content with: it asks without a condition.
            let Validators { etag, last_modified } = if partial { Validators::default() } else { validators };
            let record = AnswerRecord { id, asked, etag, last_modified, start: Start::First, partial };
            Came { record, body: Some(body), cached, url, remarks }
        }
        // Nothing conditional was asked, so that this is no answer to it.
        (Queried::NotModified { .. }, None) => return Err(Vec::new()),
    })
}

/// The answer that the last build kept. Partial data is used on the same terms as when it came.
fn kept(
    gatherer: &Gatherer,
    query: &Query,
    variables: &Map<String, Json>,
    known: Option<&AnswerRecord>,
) -> Result<Came, Box<Diagnostic>> {
    let record = known.cloned().ok_or_else(|| Box::new(not_kept(query, variables)))?;
    if !record.partial {
        return Ok(Came::kept(record));
    }
    let message = format!("the answer to query `{}` that the last build kept is partial data", query.name);
    let problem = Diagnostic::warning(codes::PARTIAL, message)
        .at(query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at)));
    if !gatherer.aem.connection().keep_partial {
        let problem = problem.help("build once without `--offline`, or use it with `--allow-partial`");
        return Err(Box::new(Diagnostic { severity: Severity::Error, ..problem }));
    }
    gatherer.aem.concede_partial(&query.name);
    Ok(Came { record, body: None, cached: false, url: String::new(), remarks: vec![problem] })
}

fn not_kept(query: &Query, variables: &Map<String, Json>) -> Diagnostic {
    let message = format!("the answer to query `{}` is not among those that the last build kept", query.name);
    let problem = Diagnostic::error(codes::NOT_KEPT, message)
        .at(query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at)))
        .help("build once without `--offline`");
    match variables.is_empty() {
        true => problem,
        false => problem.note("variables", failures::shown(variables)),
    }
}

/// What makes two requests the same from build to build.
fn asked(call: &QueryCall<'_>) -> Key {
    let sorted: BTreeMap<&String, &Json> = call.variables.iter().collect();
    let mut hasher = blake3::Hasher::new();
    for part in [
        call.name,
        call.configuration.unwrap_or_default(),
        call.text,
        &serde_json::to_string(&sorted).unwrap_or_default(),
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}
