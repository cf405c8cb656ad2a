//! What the first stroke brought: entries by route, and the answers that they lie in.

use std::collections::BTreeMap;
use std::sync::Arc;

use tera::Value;

use super::gather::{Gatherer, Run};
use super::hold::answered;
use crate::plan::PlannedCall;
use crate::report::Diagnostic;
use crate::shape::{Entries, Location, Page, PageSource, Pages, RouteEntries};
use crate::site::{Route, Site};
use crate::state::{AnswerId, CallRecord, Manifest};

/// Everything that was gathered; immutable from here on.
#[derive(Clone)]
pub(super) struct Gathered {
    /// For asking more later: what templates need.
    pub(super) gatherer: Arc<Gatherer>,
    /// Entries by route and locale.
    pub(super) entries: Arc<Vec<RouteEntries>>,
    /// By call number: what was asked, how many items came, in which answers.
    pub(super) calls: Arc<Vec<CallInfo>>,
    /// Ids of all answers by number.
    pub(super) answers: Arc<Vec<AnswerId>>,
    /// By (route, locale): number of the call whose `data` a `page` route shows.
    pub(super) whole: Arc<BTreeMap<(usize, Option<u16>), u32>>,
    /// By [`PlannedCall::key`]: the number of a call whose items were kept.
    pub(super) kept: Arc<BTreeMap<String, usize>>,
}

/// One call and what it brought.
#[derive(Debug, Clone)]
pub(super) struct CallInfo {
    pub(super) call: PlannedCall,
    pub(super) items: u64,
    pub(super) answers: Vec<u32>,
    /// It failed, and nothing stands in for its answer.
    pub(super) failed: bool,
    /// Problems of its items were told, so that an empty result says nothing.
    pub(super) spoiled: bool,
    /// The variables, as templates see them.
    pub(super) variables: Value,
    /// Items by root, for templates and `page` routes.
    pub(super) by_root: BTreeMap<String, Vec<Location>>,
}

impl Gathered {
    /// Items read in all.
    pub(super) fn items(&self) -> u64 {
        self.calls.iter().map(|call| call.items).sum()
    }

    /// The locales a `page` route runs in.
    pub(super) fn whole_locales(&self, route: &Route) -> Vec<Option<u16>> {
        if route.query.is_none() {
            return vec![None];
        }
        self.whole.keys().filter(|(index, _)| *index == route.index).map(|(_, locale)| *locale).collect()
    }

    /// The call whose `data` a `page` route shows.
    pub(super) fn whole_call(&self, page: &Page) -> Option<&CallInfo> {
        let number = self.whole.get(&(page.route as usize, page.locale))?;
        self.calls.get(*number as usize)
    }

    /// The entries that a page chooses from.
    pub(super) fn entries_of(&self, page: &Page) -> Option<&Entries> {
        self.entries[page.route as usize].get(&page.locale)
    }

    /// The content fragment of an `each` page.
    pub(super) fn fragment_of(&self, pages: &Pages, page: &Page) -> Option<String> {
        match &page.source {
            PageSource::Each(each) => Some(pages.texts.get(self.entries_of(page)?.fragment(each.entry)).to_owned()),
            _ => None,
        }
    }

    /// The bytes of an item.
    pub(super) fn read(&self, at: Location, into: &mut Vec<u8>) -> Result<(), Diagnostic> {
        match self.answers.get(at.answer as usize) {
            Some(id) => self.gatherer.read_from(id, at, into),
            // Asked for by a template after the gathering.
            None => self.gatherer.read(at, into),
        }
    }

    /// The whole body of an answer.
    pub(super) fn body(&self, number: u32) -> Result<Vec<u8>, Diagnostic> {
        let id = &self.answers[number as usize];
        self.gatherer.state.answers().read(id).map_err(|error| error.diagnostic())
    }

    /// The items below one root field of a template's call. What a route asked already is taken from there.
    pub(super) async fn ask(&self, call: PlannedCall, root: &str) -> Result<Vec<Location>, Vec<Diagnostic>> {
        let kept = self.kept.get(&call.key()).and_then(|number| self.calls[*number].by_root.get(root));
        if let Some(items) = kept {
            return Ok(items.clone());
        }
        let key = stable_key(&self.gatherer.site, &call);
        let run = Run { number: u32::MAX, call, all_roots: true, answers_from: self.gatherer.answers_from };
        let mut walked = answered(&self.gatherer, &run, None).await?;
        if walked.instead.is_some() {
            self.gatherer.hold(&run, &mut walked)?;
        }
        if walked.problems.iter().any(Diagnostic::is_error) {
            return Err(walked.problems);
        }
        let items = walked.count();
        self.gatherer.record(key, items, &walked.answers);
        Ok(walked.items.remove(root).unwrap_or_default())
    }

    /// What the next build is told.
    pub(super) fn manifest(&self, site: &Site) -> Manifest {
        let (records, before) = (self.gatherer.answers(), self.gatherer.state.manifest());
        let calls = self.calls.iter().filter_map(|info| {
            let key = stable_key(site, &info.call);
            if info.failed {
                // The last answer is still the last one.
                let record = before.calls.get(&key)?.clone();
                return Some((key, record));
            }
            let answers = info.answers.iter().filter_map(|number| records.get(*number as usize).cloned()).collect();
            Some((key, CallRecord { items: info.items, answers }))
        });
        let routes = site.routes.iter().map(|route| {
            let entries: usize = self.entries[route.index].values().map(Entries::len).sum();
            (super::guards::route_key(route), entries as u64)
        });
        Manifest {
            calls: calls.collect(),
            routes: routes.collect(),
            // The rest is known when the commit is planned.
            ..Manifest::default()
        }
    }

    /// How many items a call brought, of a route or of a template.
    pub(super) fn items_of(&self, call: &PlannedCall) -> u64 {
        match self.kept.get(&call.key()) {
            Some(number) => self.calls[*number].items,
            None => self.gatherer.asked().get(&stable_key(&self.gatherer.site, call)).map_or(0, |record| record.items),
        }
    }
}

/// A call's name from build to build.
pub(super) fn stable_key(site: &Site, call: &PlannedCall) -> String {
    let locale = site.locale_code(call.locale).unwrap_or("-");
    let key = call.key();
    let variables = key.splitn(3, '|').nth(2).unwrap_or_default();
    format!("{}|{locale}|{variables}", call.query)
}
