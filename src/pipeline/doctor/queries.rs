//! The queries: does each run, what does it bring to whom, and what do caches make of it?

use serde_json::{Map, Value as Json};

use super::contents::{self, Count, Planned, Uncounted};
use super::{Broken, Doctor, Step};
use crate::aem::{Aem, Answer, Credentials, Execution, Failure, FailureKind, Probe, Sighting, Tier};
use crate::pipeline::failures;
use crate::plan::PlannedCall;
use crate::report::{Check, Diagnostic, codes};
use crate::site::Query;

/// A query that runs.
pub(super) struct Run {
    query: String,
    calls: Vec<PlannedCall>,
    count: Count,
}

impl Doctor {
    /// Whether every query is persisted, if that is how it runs, and runs. All that do not are told.
    pub(super) async fn queries(&mut self) -> Result<Vec<Run>, Broken> {
        let site = self.site.clone();
        let mut planned = match contents::planned(&site) {
            Ok(planned) => planned,
            Err(problems) => return Err(self.broken(Check::failed("query", "variables are missing"), problems)),
        };
        if planned.is_empty() {
            self.tell(Check::left_out("query", "content-queries/ has none"));
        }
        // Queries that give others their variables come first.
        let mut names: Vec<String> = planned.keys().cloned().collect();
        names.sort_by_key(|name| planned.get(name).is_some_and(|query| query.outer.is_some()));
        let (mut runs, mut broken) = (Vec::new(), None);
        for name in names {
            let (Some(query), Some(plan)) = (site.queries.get(&name), planned.remove(&name)) else { continue };
            match self.query(query, plan).await {
                Ok(Some((run, inner))) => {
                    for call in inner {
                        planned.entry(call.query.clone()).or_default().calls.push(call);
                    }
                    runs.push(run);
                }
                Ok(None) => {}
                Err(problem) => drop(broken.get_or_insert(problem)),
            }
        }
        broken.map_or(Ok(runs), Err)
    }

    async fn query(&mut self, query: &Query, plan: Planned) -> Result<Option<(Run, Vec<PlannedCall>)>, Broken> {
        let Planned { calls, outer } = plan;
        if calls.is_empty() {
            return self.without_calls(query, outer).await.map(|()| None);
        }
        let (mut count, mut inner, mut problems) = (Count::default(), Vec::new(), Vec::new());
        for call in &calls {
            let answer = match seen(&self.aem, query, &call.variables, self.execution()).await {
                Ok(Sighting { verdict: Ok(answer), .. }) => answer,
                Ok(Sighting { verdict: Err(kind), url, .. }) => {
                    let failure = Failure { kind, url, attempts: 1 };
                    problems.extend(failures::describe(query, &call.variables, self.connection(), &failure));
                    continue;
                }
                Err(failure) => {
                    problems.extend(failures::describe(query, &call.variables, self.connection(), &failure));
                    continue;
                }
            };
            match contents::count(query, &answer) {
                Ok(more) => count = count.plus(more),
                Err(Uncounted::Nulls { at, count }) => problems.push(contents::nulls(query, at, count)),
                Err(Uncounted::Shape(why)) => {
                    problems.push(failures::other_shape(query, self.connection(), &answer.url, &why));
                }
            }
            inner.extend(contents::inner(&self.site, call, &answer));
        }
        if !problems.is_empty() {
            problems.dedup();
            return Err(self.broken(Check::failed("query", "does not run").of(&query.name), problems));
        }
        let detail = match (contents::is_countable(query), calls.len()) {
            (false, _) => "runs".to_owned(),
            (true, 1) => count.words(),
            (true, times) => format!("{} in {times} calls", count.words()),
        };
        self.tell(Check::passed("query", detail).of(&query.name).number("items", count.items));
        Ok(Some((Run { query: query.name.clone(), calls, count }, inner)))
    }

    /// A query that is not called: whether AEM has it can be asked all the same, if it is to be persisted.
    async fn without_calls(&mut self, query: &Query, outer: Option<String>) -> Step {
        let missing = match self.execution() {
            Execution::Direct => None,
            execution => {
                let sighting = seen(&self.aem, query, &Map::new(), execution).await;
                sighting.ok().and_then(|sighting| {
                    Some(Failure { kind: lacking(sighting.verdict)?, url: sighting.url, attempts: 1 })
                })
            }
        };
        let why = match (outer, missing) {
            (Some(_), Some(failure)) => {
                let problems = failures::describe(query, &Map::new(), self.connection(), &failure);
                return Err(self.broken(Check::failed("query", "is not there").of(&query.name), problems));
            }
            (Some(outer), None) => format!("its variables come from items of `{outer}`, which has none"),
            // A build does not need it.
            (None, Some(_)) => "no route and no template uses it, and AEM does not have it".to_owned(),
            (None, None) => "no route and no template uses it".to_owned(),
        };
        self.tell(Check::left_out("query", why).of(&query.name));
        Ok(())
    }

    /// What each query brings with the credentials, and to everybody.
    pub(super) async fn permission(&mut self, runs: &[Run]) -> Step {
        let authorised = !matches!(self.connection().credentials, Credentials::None);
        let mut broken = None;
        for run in runs {
            let Some(query) = self.site.clone().queries.get(&run.query).cloned() else { continue };
            if !contents::is_countable(&query) {
                continue;
            }
            if run.count.items == 0 && !contents::may_be_empty(&self.site, &run.query) {
                let problem = self.nothing_readable(&query, authorised);
                broken.get_or_insert(problem);
                continue;
            }
            let words = run.count.words();
            let check = if authorised {
                let everybody = self.for_everybody(&query, &run.calls).await;
                let check = match &everybody {
                    Ok(count) => {
                        let detail = format!("{words} with the credentials, {} for everybody", count.items);
                        Check::passed("permission", detail).number("everybody", count.items)
                    }
                    Err(why) => Check::passed("permission", format!("{words} with the credentials; everybody: {why}")),
                };
                self.leak(&query, run, &everybody).await;
                check.number("authorised", run.count.items)
            } else {
                Check::passed("permission", format!("{words} for everybody")).number("everybody", run.count.items)
            };
            self.tell(check.of(&run.query));
        }
        broken.map_or(Ok(()), Err)
    }

    fn nothing_readable(&mut self, query: &Query, authorised: bool) -> Broken {
        let (name, tier) = (&query.name, self.tier());
        let help = match (tier, authorised) {
            (Tier::Local, _) => "content/ has no fragment of that model, or the query filters all of them out",
            (Tier::Author, _) => {
                "give the user's group read access to the fragments' folder in /content/dam, or correct the query's filter"
            }
            (_, true) => {
                "publish models, fragments and their folder to this tier; for protected content publish the user and its \
                 group as well"
            }
            (_, false) => {
                "publish models, fragments and their folder to this tier; if the content is protected, give credentials \
                 that may read it"
            }
        };
        let problem = Diagnostic::error(
            codes::NOTHING_READABLE,
            format!("query `{name}` runs on {tier}, and gives no content fragment"),
        )
        .at(contents::place(query))
        .note("if that is right", "say `may_be_empty = true` on its route")
        .help(help);
        self.broken(Check::failed("permission", "nothing can be read").of(name), [problem])
    }

    async fn for_everybody(&self, query: &Query, calls: &[PlannedCall]) -> Result<Count, String> {
        let mut count = Count::default();
        for call in calls {
            match seen(&self.anonymous, query, &call.variables, self.execution()).await {
                Ok(Sighting { verdict: Ok(answer), .. }) => match contents::count(query, &answer) {
                    Ok(more) => count = count.plus(more),
                    Err(_) => return Err("an answer of another shape".to_owned()),
                },
                Ok(Sighting { verdict: Err(kind), .. }) => return Err(contents::briefly(&kind)),
                Err(failure) => return Err(contents::briefly(&failure.kind)),
            }
        }
        Ok(count)
    }

    /// Answers that only some may read must not be kept for all (protocol 7.7).
    async fn leak(&mut self, query: &Query, run: &Run, everybody: &Result<Count, String>) {
        let fewer = everybody.as_ref().map_or(true, |count| count.items < run.count.items);
        let Some(call) = run.calls.first().filter(|_| fewer && matches!(self.tier(), Tier::Publish | Tier::Preview))
        else {
            return;
        };
        let Ok(sighting) = seen(&self.aem, query, &call.variables, Execution::PersistedGet).await else { return };
        let Some(seconds) = sighting.caching.shared().filter(|seconds| *seconds > 0 && !sighting.posted) else {
            return;
        };
        if sighting.verdict.is_err() {
            return;
        }
        self.warn(
            Diagnostic::warning(
                codes::LEAK,
                format!("query `{}` gives more to the credentials than to everybody, and caches may keep it", run.query),
            )
            .at(contents::place(query))
            .note("kept for", format!("{seconds} s by caches between AEM and everybody"))
            .help("exclude protected answers from caching: no `Cache-Control` and `Surrogate-Control` that let them be kept"),
        );
    }

    /// What caches may make of each persisted query. Nothing here breaks a build; it says how old content can be.
    pub(super) async fn caching(&mut self, runs: &[Run]) {
        if self.execution() == Execution::Direct {
            self.tell(Check::left_out("caching", "direct queries are kept by no cache"));
            return;
        }
        for run in runs {
            let Some(query) = self.site.clone().queries.get(&run.query).cloned() else { continue };
            let Some(call) = run.calls.first() else { continue };
            let check = match seen(&self.aem, &query, &call.variables, Execution::PersistedGet).await {
                Ok(sighting) if sighting.posted => Check::left_out("caching", "its variables cannot travel by GET"),
                Ok(sighting) if sighting.verdict.is_ok() => cached(&sighting),
                Ok(_) | Err(_) => Check::left_out("caching", "GET brings no answer"),
            };
            self.tell(check.of(&run.query));
        }
    }

    /// Whether an answer to POST really comes from AEM each time (protocol 3.5, 3.6).
    pub(super) async fn posts_are_not_kept(&mut self, runs: &[Run]) -> Step {
        if self.execution() == Execution::PersistedGet {
            self.tell(Check::left_out("post", "queries go by GET (`freshness = \"cdn\"`)"));
            return Ok(());
        }
        let run = runs.iter().find_map(|run| Some((self.site.queries.get(&run.query)?.clone(), run.calls.first()?)));
        let Some((query, call)) = run else {
            self.tell(Check::left_out("post", "there is no query to ask twice"));
            return Ok(());
        };
        // A cache has the answer of the first when the second comes.
        for _ in 0..2 {
            let caching = match seen(&self.aem, &query, &call.variables, self.execution()).await {
                Ok(sighting) => sighting.caching,
                Err(failure) => return Err(self.unanswered("post", &failure)),
            };
            if caching.kept {
                let age = caching.age.map_or_else(|| "none".to_owned(), |age| format!("{age} s"));
                let x_cache = caching.x_cache.unwrap_or_else(|| "none".to_owned());
                let problem = Diagnostic::error(codes::KEPT_POST, "a cache answers POST, which no cache should keep")
                    .note("query", query.name.clone())
                    .note("Age", age)
                    .note("X-Cache", x_cache)
                    .help(
                        "take POST out of the rule of the CDN or proxy that keeps it; or say `[aem] freshness = \"cdn\"`, and \
                         content may be as old as caches keep it",
                    );
                return Err(self.broken(Check::failed("post", "its answer comes from a cache"), [problem]));
            }
        }
        self.tell(Check::passed("post", format!("asked twice (`{}`), and kept by no cache", query.name)));
        Ok(())
    }
}

async fn seen(
    aem: &Aem,
    query: &Query,
    variables: &Map<String, Json>,
    execution: Execution,
) -> Result<Sighting, Failure> {
    let call = contents::as_asked(query, variables);
    aem.look(Probe::Query(&call, execution)).await
}

/// That AEM does not have a query, if that is what it says.
fn lacking(verdict: Result<Answer, FailureKind>) -> Option<FailureKind> {
    verdict.err().filter(|kind| matches!(kind, FailureKind::NotFound { .. }))
}

fn cached(sighting: &Sighting) -> Check {
    let caching = &sighting.caching;
    let span = |seconds: Option<u64>| seconds.map_or_else(|| "not said".to_owned(), |seconds| format!("{seconds} s"));
    let age = match (caching.age, caching.kept) {
        (Some(age), _) => format!("this answer is {age} s old"),
        (None, true) => "this answer came from a cache".to_owned(),
        (None, false) => "this answer is fresh".to_owned(),
    };
    let detail = format!("browsers {}, shared caches {}; {age}", span(caching.browser()), span(caching.shared()));
    let facts = [("max_age", caching.browser()), ("s_maxage", caching.shared()), ("age", caching.age)];
    let check = facts.into_iter().fold(Check::passed("caching", detail), |check, (name, seconds)| match seconds {
        Some(seconds) => check.number(name, seconds),
        None => check,
    });
    match &caching.x_cache {
        Some(text) => check.text("x_cache", text.clone()),
        None => check,
    }
}
