//! The requests of one walk: the page that comes next, and with it the pages that the last build found behind it. Whether these
//! really follow shows when the answer before them is here; one that does not is dropped. So a walk whose pages are where they were
//! takes the time of a few requests, however many pages it has.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tokio::task::JoinSet;

use super::AnswersFrom;
use super::gather::Gatherer;
use super::request::{Caches, Came, ask};
use crate::report::Diagnostic;

/// Requests of one walk under way at once: each may bring a body, and the client bounds how many are sent.
const AHEAD: usize = 8;

type Variables = Map<String, Json>;
/// One request, in a set of its own, because a task ends with its set.
type Request = JoinSet<Result<Came, Vec<Diagnostic>>>;

/// The requests of a walk.
pub(super) struct Ahead {
    gatherer: Arc<Gatherer>,
    query: String,
    caches: Caches,
    answers_from: AnswersFrom,
    /// Pages that are expected to follow those under way.
    expected: VecDeque<Variables>,
    /// In order.
    under_way: VecDeque<(Variables, Request)>,
}

impl Ahead {
    /// Nothing is asked yet. `expected` are the variables of the pages behind the first.
    pub(super) fn new(
        gatherer: &Arc<Gatherer>,
        query: &str,
        caches: Caches,
        answers_from: AnswersFrom,
        expected: Vec<Variables>,
    ) -> Self {
        let (gatherer, query, expected) = (gatherer.clone(), query.to_owned(), expected.into());
        Ahead { gatherer, query, caches, answers_from, expected, under_way: VecDeque::new() }
    }

    /// Asks for the page that comes next, unless that is under way.
    pub(super) fn ask(&mut self, variables: Variables) {
        if self.under_way.front().is_none_or(|(expected, _)| *expected != variables) {
            if !self.under_way.is_empty() {
                // The pages are not where they were.
                self.under_way.clear();
                self.expected.clear();
            }
            self.send(variables);
        }
        while self.under_way.len() < AHEAD
            && let Some(variables) = self.expected.pop_front()
        {
            self.send(variables);
        }
    }

    fn send(&mut self, variables: Variables) {
        let (gatherer, query, caches, from) =
            (self.gatherer.clone(), self.query.clone(), self.caches, self.answers_from);
        let mut task = Request::new();
        task.spawn(ask(gatherer, query, variables.clone(), caches, from));
        self.under_way.push_back((variables, task));
    }

    /// The answer for which was asked first.
    ///
    /// # Errors
    /// What is wrong with it; nothing, if the program is ending.
    pub(super) async fn next(&mut self) -> Result<Came, Vec<Diagnostic>> {
        let Some((_, mut task)) = self.under_way.pop_front() else { return Err(Vec::new()) };
        match task.join_next().await {
            Some(Ok(came)) => came,
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(_)) | None => Err(Vec::new()),
        }
    }
}
