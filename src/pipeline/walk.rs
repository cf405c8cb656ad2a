//! One call walked to its end: pages by cursor or offset, items unique, every answer kept on disk (design §4, Paging).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tokio::task::JoinSet;

use super::gather::{Gatherer, Run};
use super::{failures, merge, versions};
use crate::aem::{Answer, QueryCall};
use crate::report::{Diagnostic, codes};
use crate::shape::{self, Entries, ItemReader, Location, Outer, Provenance, Slice};
use crate::site::{Paging, Query, Root, Shape};
use crate::state::AnswerId;

/// What a walk brought.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Items by root, in the answer's order.
    pub(super) items: BTreeMap<String, Vec<Location>>,
    /// Entries by route.
    pub(super) entries: BTreeMap<usize, Entries>,
    /// Numbers of the answers, page by page.
    pub(super) answers: Vec<u32>,
    /// Content problems; the walk went on.
    pub(super) problems: Vec<Diagnostic>,
    /// An item is null, and no error says why.
    nulls: bool,
}

/// Why a walk ended early.
pub(super) enum Broken {
    /// Told already as problems.
    Problems(Vec<Diagnostic>),
    /// An item or cursor came twice, or a page came from a cache.
    Torn(String),
}

/// How often a call whose answer has null items is read again: on publish they are there in a moment, when a fragment and its
/// references are being published, or one of several instances lags behind.
const NULL_READS: usize = 4;

/// Walks a call; one with null items is read again, past caches.
pub(super) async fn walk(
    gatherer: &Arc<Gatherer>,
    run: &Run,
    outer: Option<&Outer>,
) -> Result<Walked, Vec<Diagnostic>> {
    let mut walked = whole(gatherer, run, outer).await?;
    for _ in 0..NULL_READS {
        if !walked.nulls {
            break;
        }
        gatherer.detail(format!("an item of `{}` is null, reading it again", gatherer.query(run).name));
        walked = match attempt(gatherer, run, outer, Caches::Bypassed).await {
            Ok(walked) => walked,
            Err(Broken::Problems(problems)) => return Err(problems),
            Err(Broken::Torn(_)) => break,
        };
    }
    Ok(walked)
}

/// One walk; a torn one is read again once, past caches.
async fn whole(gatherer: &Arc<Gatherer>, run: &Run, outer: Option<&Outer>) -> Result<Walked, Vec<Diagnostic>> {
    let why = match attempt(gatherer, run, outer, Caches::Allowed).await {
        Ok(walked) => return Ok(walked),
        Err(Broken::Problems(problems)) => return Err(problems),
        Err(Broken::Torn(why)) => why,
    };
    let query = gatherer.query(run);
    gatherer.detail(format!("the items of `{}` do not fit together ({why}), reading them again", query.name));
    match attempt(gatherer, run, outer, Caches::Bypassed).await {
        Ok(walked) => Ok(walked),
        Err(Broken::Problems(problems)) => Err(problems),
        Err(Broken::Torn(why)) => Err(vec![
            Diagnostic::error(
                codes::TORN_WALK,
                format!("the items of `{}` do not fit together: {why}", query.name),
            )
            .at(query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at)))
            .help("content may be changing right now: build again; select `_variation` where variations are asked for"),
        ]),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Caches {
    Allowed,
    Bypassed,
}

/// Where a paged walk stands.
#[derive(Default)]
struct Position {
    cursor: Option<String>,
    offset: usize,
    pages: usize,
    cached: bool,
    seen: HashSet<[u8; 16]>,
    cursors: HashSet<String>,
    /// Pages without items, one after the other, that said that more follows.
    empty: usize,
}

/// Empty pages in a row that are followed when they promise more; a server may hide what this user may not read.
const EMPTY_PAGES: usize = 20;

async fn attempt(gatherer: &Arc<Gatherer>, run: &Run, outer: Option<&Outer>, caches: Caches) -> Result<Walked, Broken> {
    let query = gatherer.query(run);
    let roots = gatherer.roots(run, query);
    let paged = roots.iter().copied().find(|root| root.paging != Paging::None);
    let mut walked = Walked::default();
    let mut position = Position::default();
    if let Some(Paging::Offset { offset, .. }) = paged.map(|root| &root.paging) {
        // A route may say where to begin.
        let given = run.call.variables.get(offset).and_then(Json::as_u64);
        position.offset = given.and_then(|first| usize::try_from(first).ok()).unwrap_or(0);
    }
    // One request at most; a set, because its task ends with it.
    let mut pending = JoinSet::new();
    let variables = page_variables(query, paged, run, &position);
    pending.spawn(ask(gatherer.clone(), query.name.clone(), variables, caches));
    while let Some(answer) = pending.join_next().await {
        let (answer, remarks) = match answer {
            Ok(answer) => answer.map_err(Broken::Problems)?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(Broken::Problems(Vec::new())),
        };
        position.pages += 1;
        position.cached |= answer.cached;
        // One text answers a whole walk, so its first page is enough.
        if position.pages == 1
            && let Some(problem) = versions::other_text(query, gatherer.aem.connection(), &answer)
        {
            return Err(Broken::Problems(vec![problem]));
        }
        walked.problems.extend(remarks);
        let slices = shape::split(&answer.body, &roots).map_err(|error| {
            Broken::Problems(vec![failures::other_shape(query, gatherer.aem.connection(), &answer.url, &error.message)])
        })?;
        if let Some(at) = roots.iter().position(|root| Some(*root) == paged)
            && advance(roots[at], &slices[at], &mut position)?
        {
            // Asked before this page is taken apart: AEM and this machine work at the same time.
            let variables = page_variables(query, paged, run, &position);
            pending.spawn(ask(gatherer.clone(), query.name.clone(), variables, caches));
        }
        let number = gatherer.keep(&answer.body).map_err(|problem| Broken::Problems(vec![problem]))?;
        walked.answers.push(number);
        let partial = !answer.errors.is_empty();
        let take = Take { gatherer, run, outer, query, number, body: &answer.body, partial };
        for (root, slice) in roots.iter().zip(&slices) {
            // Later pages repeat the roots that are not paged.
            if position.pages == 1 || Some(*root) == paged {
                take.slice(root, slice, &mut walked, &mut position.seen)?;
            }
        }
    }
    // A single page is as old as it is; several of different age do not make one list.
    if position.cached && position.pages > 1 {
        return Err(Broken::Torn("a page came from a cache".to_owned()));
    }
    Ok(walked)
}

/// One request of a walk: its answer, and what there is to say of it.
async fn ask(
    gatherer: Arc<Gatherer>,
    query: String,
    variables: Map<String, Json>,
    caches: Caches,
) -> Result<(Answer, Vec<Diagnostic>), Vec<Diagnostic>> {
    let query = gatherer.site.queries.get(&query).expect("a planned call names a query that exists");
    let call = QueryCall {
        name: &query.name,
        configuration: query.configuration.as_deref(),
        text: &query.sent,
        variables: &variables,
    };
    let answer = match caches {
        Caches::Allowed => gatherer.aem.query(&call).await,
        Caches::Bypassed => gatherer.aem.query_past_caches(&call).await,
    };
    let connection = gatherer.aem.connection();
    match answer {
        Ok(answer) => {
            let remarks = failures::remarks(query, &variables, connection, &answer);
            Ok((answer, remarks))
        }
        Err(failure) => Err(failures::describe(query, &variables, connection, &failure)),
    }
}

/// Moves on to the next page; false at the end.
fn advance(root: &Root, slice: &Slice, position: &mut Position) -> Result<bool, Broken> {
    match &root.paging {
        Paging::None => Ok(false),
        Paging::Cursor { .. } => {
            // However short the page is: AEM filters after it has counted.
            if slice.has_next_page != Some(true) {
                return Ok(false);
            }
            let without_items = slice.items.is_empty() && slice.nulls == 0;
            position.empty = if without_items { position.empty + 1 } else { 0 };
            if position.empty > EMPTY_PAGES {
                return Err(Broken::Torn(format!("{EMPTY_PAGES} empty pages in a row say that more follows")));
            }
            let Some(next) = slice.next.clone() else {
                return Err(Broken::Torn("`hasNextPage` is true and `endCursor` is null".to_owned()));
            };
            if !position.cursors.insert(next.clone()) {
                return Err(Broken::Torn("a cursor came twice".to_owned()));
            }
            position.cursor = Some(next);
            Ok(true)
        }
        Paging::Offset { .. } => {
            let count = slice.items.len() + slice.nulls;
            position.offset += count;
            Ok(count > 0)
        }
    }
}

fn page_variables(query: &Query, paged: Option<&Root>, run: &Run, position: &Position) -> Map<String, Json> {
    let mut variables = run.call.variables.clone();
    let nullable = |name: &str| query.variable(name).is_none_or(|variable| !variable.required);
    match paged.map(|root| &root.paging) {
        Some(Paging::Cursor { after, .. }) => match &position.cursor {
            Some(cursor) => {
                variables.insert(after.clone(), Json::String(cursor.clone()));
            }
            None if !nullable(after) => {
                variables.insert(after.clone(), Json::String(String::new()));
            }
            None => {}
        },
        Some(Paging::Offset { offset, .. }) => {
            variables.insert(offset.clone(), position.offset.into());
        }
        _ => {}
    }
    variables
}

/// One answer being taken apart.
struct Take<'a> {
    gatherer: &'a Gatherer,
    run: &'a Run,
    outer: Option<&'a Outer>,
    query: &'a Query,
    number: u32,
    body: &'a [u8],
    /// Errors came with it, and they say which items are null.
    partial: bool,
}

impl Take<'_> {
    fn slice(
        &self,
        root: &Root,
        slice: &Slice,
        walked: &mut Walked,
        seen: &mut HashSet<[u8; 16]>,
    ) -> Result<(), Broken> {
        walked.nulls |= !self.partial && slice.nulls > 0;
        if self.partial {
            // The errors were told.
        } else if slice.nulls > 0 && root.shape != Shape::Item {
            let message = format!("query `{}` has {} null among its items", self.query.name, slice.nulls);
            walked.problems.push(self.null_item(root, message));
        } else if slice.nulls > 0 {
            walked.problems.push(self.null_item(root, format!("`item` of query `{}` is null", self.query.name)));
        }
        let evaluators: Vec<_> = self
            .run
            .call
            .routes
            .iter()
            .map(|route| &self.gatherer.evaluators[*route])
            .filter(|evaluator| self.is_root_of(evaluator.route(), root))
            .collect();
        let reader = ItemReader::new(evaluators.iter().copied());
        let from = Provenance { call: self.run.number, locale: self.run.call.locale, outer: self.outer };
        let placed = walked.items.entry(root.key.clone()).or_default();
        for item in &slice.items {
            let at = location(self.number, item.start, item.len)?;
            placed.push(at);
            // A `page` route takes what comes as it comes, and may ask for one fragment in several variations.
            if evaluators.is_empty() && root.paging == Paging::None {
                continue;
            }
            let read = match reader.read(&self.body[item.start..item.start + item.len]) {
                Ok(read) => read,
                Err(error) => {
                    let why = format!("an item is not an object: {error}");
                    walked.problems.push(failures::other_shape(
                        self.query,
                        self.gatherer.aem.connection(),
                        self.gatherer.aem.connection().base.as_ref(),
                        &why,
                    ));
                    continue;
                }
            };
            if let Some(repeated) = repeated(&root.key, &read, seen) {
                return Err(Broken::Torn(format!("{repeated} came twice")));
            }
            let Some((fragment, _)) = shape::identity(&read) else {
                let without = evaluators.iter().map(|evaluator| evaluator.without_path());
                without.for_each(|problem| merge::add(&mut walked.problems, problem));
                continue;
            };
            let mut kept = None;
            for evaluator in &evaluators {
                match evaluator.evaluate(&read, fragment, at, from) {
                    Ok(shape::Evaluated::Entry(entry)) => {
                        let kept = kept.get_or_insert_with(|| self.gatherer.texts().push(fragment));
                        let entries = walked.entries.entry(evaluator.route().index).or_default();
                        let pushed = kept
                            .ok_or(shape::TooLong)
                            .and_then(|kept| entries.push(&mut self.gatherer.texts(), kept, entry));
                        if pushed.is_err() {
                            merge::add(&mut walked.problems, evaluator.too_long());
                        }
                    }
                    Ok(shape::Evaluated::Filtered) => {}
                    Err(problem) => merge::add(&mut walked.problems, *problem),
                }
            }
        }
        self.gatherer.progress(slice.items.len());
        Ok(())
    }

    fn is_root_of(&self, route: &crate::site::Route, root: &Root) -> bool {
        route.kind != crate::site::Kind::Page
            && self.query.items_root(route.from.as_deref()).is_some_and(|taken| taken.key == root.key)
    }

    fn null_item(&self, root: &Root, message: String) -> Diagnostic {
        Diagnostic::error(codes::NULL_ITEM, message)
            .at(self.query.place_in_sent(root.items_at))
            .note("variables", failures::shown(&self.run.call.variables))
            .help("a fragment that is not published to this tier, or that this user may not read, is delivered as null")
    }
}

fn location(answer: u32, start: usize, len: usize) -> Result<Location, Broken> {
    match (u32::try_from(start), u32::try_from(len)) {
        (Ok(start), Ok(len)) => Ok(Location { answer, start, len }),
        _ => Err(Broken::Problems(vec![Diagnostic::error(codes::TOO_LARGE, "an answer is larger than 4 GiB")])),
    }
}

/// The path of an item that was seen before in this walk.
fn repeated(root: &str, item: &tera::Value, seen: &mut HashSet<[u8; 16]>) -> Option<String> {
    let (path, variation) = shape::identity(item)?;
    let mut digest = [0u8; 16];
    digest.copy_from_slice(&AnswerId::of(format!("{root}\u{0}{path}\u{0}{variation}").as_bytes()).digest()[..16]);
    (!seen.insert(digest)).then(|| path.to_owned())
}
