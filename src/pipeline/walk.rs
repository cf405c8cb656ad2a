//! One call walked to its end: pages by cursor or offset, items unique, every answer kept on disk (design §4, Paging).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::ahead::Ahead;
use super::blocks::{Block, EntryRow, ItemRow, Maker, RootBlock, Turn};
use super::gather::{Gatherer, Run};
use super::hold::Instead;
use super::paging::{self, Position, advance, page_variables};
use super::request::Caches;
use super::{failures, merge, versions};
use crate::report::{Diagnostic, codes};
use crate::shape::{self, Entries, Evaluator, ItemReader, Location, Outer, Provenance, Slice};
use crate::site::{Paging, Query, Root, Shape};
use crate::state::Key;

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
    /// Those of items that could not be placed, which are wrong with nothing but these items.
    pub(super) misplaced: Vec<Diagnostic>,
    /// These items: route, content fragment.
    pub(super) unplaced: Vec<(usize, String)>,
    /// What stands in for an answer that failed.
    pub(super) instead: Option<Instead>,
    /// An item is null, and no error says why.
    pub(super) nulls: bool,
}

impl Walked {
    /// How many items came.
    pub(super) fn count(&self) -> u64 {
        self.items.values().map(|list| list.len() as u64).sum()
    }
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
    let before = gatherer.last_answers(&run.call).filter(|_| caches == Caches::Allowed && paged.is_some());
    let expected = before.map_or_else(Vec::new, |before| paging::expected(query, paged, run, before));
    let mut ahead = Ahead::new(gatherer, &query.name, caches, run.answers_from, expected);
    ahead.ask(page_variables(query, paged, run, &position));
    let maker = Maker::new(gatherer, run, query, &roots, outer);
    let mut follows = true;
    while follows {
        let mut answer = ahead.next().await.map_err(Broken::Problems)?;
        answer.record.start = position.start();
        follows = false;
        position.pages += 1;
        position.cached |= answer.cached;
        walked.problems.append(&mut answer.remarks);
        let is_first = position.pages == 1;
        let wanted: Vec<&Root> = roots.iter().copied().filter(|root| is_first || Some(*root) == paged).collect();
        let key = maker.key(&answer.record.id, is_first);
        let known = gatherer.block(&key).filter(|block| block.roots.len() == wanted.len());
        let taken = match known {
            Some(block) => Taken::Known(block),
            None => Taken::Apart(answer.body(gatherer).map_err(|problem| Broken::Problems(vec![problem]))?),
        };
        // One text answers a whole walk, so its first page is enough; an answer that is known was compared when it was new.
        if let (Taken::Apart(body), true) = (&taken, is_first)
            && let Some(problem) = versions::other_text(query, gatherer.aem.connection(), body)
        {
            return Err(Broken::Problems(vec![problem]));
        }
        let slices = match &taken {
            Taken::Known(_) => Vec::new(),
            Taken::Apart(body) => shape::split(body, &wanted).map_err(|error| {
                Broken::Problems(vec![failures::other_shape(
                    query,
                    gatherer.aem.connection(),
                    &answer.url,
                    &error.message,
                )])
            })?,
        };
        if let Some(at) = wanted.iter().position(|root| Some(*root) == paged) {
            let turn = match &taken {
                Taken::Known(block) => block.roots[at].turn.clone(),
                Taken::Apart(_) => Turn::of(&slices[at]),
            };
            if advance(wanted[at], &turn, &mut position)? {
                // Asked before this page is taken apart: AEM and this machine work at the same time.
                ahead.ask(page_variables(query, paged, run, &position));
                follows = true;
            }
        }
        if let Taken::Apart(body) = &taken {
            gatherer.keep(body).map_err(|problem| Broken::Problems(vec![problem]))?;
        }
        let partial = answer.record.partial;
        let number = gatherer.take(answer.record).map_err(|problem| Broken::Problems(vec![problem]))?;
        walked.answers.push(number);
        let take = Take { gatherer, run, outer, query, number, partial };
        let block = match taken {
            Taken::Known(block) => block,
            Taken::Apart(body) => {
                let before = (walked.problems.len(), walked.unplaced.len());
                let block = take.apart(&wanted, &slices, &body, &mut walked)?;
                if (walked.problems.len(), walked.unplaced.len()) == before {
                    gatherer.keep_block(key, &block);
                }
                block
            }
        };
        take.place(&wanted, block, &mut walked, &mut position.seen)?;
    }
    // A single page is as old as it is; several of different age do not make one list.
    if position.cached && position.pages > 1 {
        return Err(Broken::Torn("a page came from a cache".to_owned()));
    }
    Ok(walked)
}

/// An answer whose items are known, or the body of another one.
enum Taken {
    Known(Block),
    Apart(Vec<u8>),
}

/// One answer being taken apart.
struct Take<'a> {
    gatherer: &'a Gatherer,
    run: &'a Run,
    outer: Option<&'a Outer>,
    query: &'a Query,
    number: u32,
    /// Errors came with it, and they say which items are null.
    partial: bool,
}

impl Take<'_> {
    fn evaluators(&self, root: &Root) -> Vec<&Evaluator> {
        let all = self.run.call.routes.iter().map(|route| &self.gatherer.evaluators[*route]);
        all.filter(|evaluator| self.is_root_of(evaluator.route(), root)).collect()
    }

    /// Reads a new answer's items and evaluates them.
    fn apart(&self, roots: &[&Root], slices: &[Slice], body: &[u8], walked: &mut Walked) -> Result<Block, Broken> {
        let mut block = Block::default();
        for (root, slice) in roots.iter().zip(slices) {
            walked.nulls |= !self.partial && slice.nulls > 0;
            if self.partial {
                // The errors were told.
            } else if slice.nulls > 0 && root.shape != Shape::Item {
                let message = format!("query `{}` has {} null among its items", self.query.name, slice.nulls);
                walked.problems.push(self.null_item(root, message));
            } else if slice.nulls > 0 {
                walked.problems.push(self.null_item(root, format!("`item` of query `{}` is null", self.query.name)));
            }
            let evaluators = self.evaluators(root);
            let reader = ItemReader::new(evaluators.iter().copied());
            let mut items = Vec::with_capacity(slice.items.len());
            for item in &slice.items {
                let bytes = &body[item.start..item.start + item.len];
                let at = location(self.number, item.start, item.len)?;
                let digest = digest_of(bytes);
                let mut row = ItemRow {
                    start: at.start,
                    len: at.len,
                    digest,
                    fragment: String::new(),
                    variation: String::new(),
                    entries: Vec::new(),
                };
                // A `page` route takes what comes as it comes, and may ask for one fragment in several variations.
                if !evaluators.is_empty() || root.paging != Paging::None {
                    self.evaluate(&evaluators, &reader, bytes, at, &mut row, walked);
                }
                items.push(row);
            }
            block.roots.push(RootBlock { turn: Turn::of(slice), items });
        }
        Ok(block)
    }

    fn evaluate(
        &self,
        evaluators: &[&Evaluator],
        reader: &ItemReader,
        bytes: &[u8],
        at: Location,
        row: &mut ItemRow,
        walked: &mut Walked,
    ) {
        let read = match reader.read(bytes) {
            Ok(read) => read,
            Err(error) => {
                let connection = self.gatherer.aem.connection();
                let why = format!("an item is not an object: {error}");
                walked.problems.push(failures::other_shape(self.query, connection, connection.base.as_ref(), &why));
                return;
            }
        };
        let Some((fragment, variation)) = shape::identity(&read) else {
            let without = evaluators.iter().map(|evaluator| evaluator.without_path());
            without.for_each(|problem| merge::add(&mut walked.problems, problem));
            return;
        };
        fragment.clone_into(&mut row.fragment);
        variation.clone_into(&mut row.variation);
        let from = Provenance { call: self.run.number, locale: self.run.call.locale, outer: self.outer };
        for evaluator in evaluators {
            let entry = match evaluator.evaluate(&read, fragment, at, from) {
                Ok(shape::Evaluated::Entry(entry)) => Some(EntryRow::new(entry)),
                Ok(shape::Evaluated::Filtered) => None,
                Err(problem) => {
                    merge::add(&mut walked.misplaced, *problem);
                    walked.unplaced.push((evaluator.route().index, fragment.to_owned()));
                    None
                }
            };
            row.entries.push(entry);
        }
    }

    /// Puts the items of an answer, new or known, where they belong.
    fn place(
        &self,
        roots: &[&Root],
        block: Block,
        walked: &mut Walked,
        seen: &mut HashSet<[u8; 16]>,
    ) -> Result<(), Broken> {
        let mut digests = Vec::new();
        for (root, RootBlock { items, .. }) in roots.iter().zip(block.roots) {
            let evaluators = self.evaluators(root);
            let placed = walked.items.entry(root.key.clone()).or_default();
            placed.reserve(items.len());
            let count = items.len();
            for item in items {
                let at = Location { answer: self.number, start: item.start, len: item.len };
                placed.push(at);
                digests.push((item.start, item.digest));
                if item.fragment.is_empty() {
                    continue;
                }
                if is_repeated(&root.key, &item, seen) {
                    return Err(Broken::Torn(format!("{} came twice", item.fragment)));
                }
                let mut kept = None;
                for (evaluator, entry) in evaluators.iter().zip(item.entries) {
                    let Some(entry) = entry else { continue };
                    let entry = entry.entry(at, self.run.number, self.outer);
                    let mut texts = self.gatherer.texts();
                    let kept = kept.get_or_insert_with(|| texts.push(&item.fragment));
                    let entries = walked.entries.entry(evaluator.route().index).or_default();
                    let pushed = kept.ok_or(shape::TooLong).and_then(|kept| entries.push(&mut texts, kept, entry));
                    if pushed.is_err() {
                        merge::add(&mut walked.problems, evaluator.too_long());
                    }
                }
            }
            self.gatherer.progress(count);
        }
        digests.sort_unstable_by_key(|(start, _)| *start);
        self.gatherer.placed(self.number, digests);
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

/// Whether an item was seen before in this walk.
fn is_repeated(root: &str, item: &ItemRow, seen: &mut HashSet<[u8; 16]>) -> bool {
    let ItemRow { fragment, variation, .. } = item;
    !seen.insert(digest_of(format!("{root}\u{0}{fragment}\u{0}{variation}").as_bytes()))
}

fn digest_of(bytes: &[u8]) -> Key {
    blake3::hash(bytes).as_bytes().first_chunk().copied().unwrap_or_default()
}
