//! Empty is suspicious, and so are many removals (design §8, Guards).

use std::collections::BTreeSet;

use super::gathered::{Gathered, stable_key};
use crate::output::{Listing, Staged};
use crate::plan::PlannedCall;
use crate::report::{Diagnostic, codes};
use crate::shape::Entries;
use crate::site::{Kind, Route, Site};
use crate::state::Manifest;

/// Results that are suspiciously empty.
pub(super) struct Empty {
    pub(super) problems: Vec<Diagnostic>,
    /// Indexes of the routes that show them.
    pub(super) routes: BTreeSet<usize>,
}

/// Calls that became empty, and routes that never had an item.
pub(super) fn empty(site: &Site, before: &Manifest, gathered: &Gathered) -> Empty {
    let mut empty = Empty { problems: Vec::new(), routes: BTreeSet::new() };
    for info in gathered.calls.iter().filter(|info| !info.spoiled) {
        if let Some(problem) = emptied_call(site, before, &info.call, info.items) {
            empty.problems.push(problem);
            empty.routes.extend(info.call.routes.iter().chain(&info.call.outer_of));
        }
    }
    for route in site.routes.iter().filter(|route| route.kind != Kind::Page && !route.may_be_empty) {
        let entries: usize = gathered.entries[route.index].values().map(Entries::len).sum();
        let known = before.routes.contains_key(&route_key(route));
        let spoiled = gathered.calls.iter().any(|info| info.spoiled && info.call.routes.contains(&route.index));
        if entries == 0 && !known && !spoiled && empty.routes.insert(route.index) {
            empty.problems.push(
                Diagnostic::error(codes::BECAME_EMPTY, format!("the route `{}` has no item", route.name))
                    .at(site.route_place(route))
                    .help(
                        "look at the query's answer and the route's `where`; if it is right, say `may_be_empty = true`",
                    ),
            );
        }
    }
    empty
}

/// The problem of a route's call that became empty, unless all its routes may be.
pub(super) fn emptied_call(site: &Site, before: &Manifest, call: &PlannedCall, items: u64) -> Option<Diagnostic> {
    let mut indexes = call.routes.iter().chain(&call.outer_of);
    if items > 0 || indexes.all(|index| site.routes[*index].may_be_empty) {
        return None;
    }
    became_empty(site, before, call)
}

/// The problem of a template's call that became empty. Routes that show the same query and may all be empty speak for it;
/// otherwise the template says so itself.
pub(super) fn emptied(site: &Site, before: &Manifest, gathered: &Gathered, call: &PlannedCall) -> Option<Diagnostic> {
    let mut routes = site.routes.iter().filter(|route| route.query.as_ref() == Some(&call.query)).peekable();
    if gathered.items_of(call) > 0 || (routes.peek().is_some() && routes.all(|route| route.may_be_empty)) {
        return None;
    }
    became_empty(site, before, call)
}

fn became_empty(site: &Site, before: &Manifest, call: &PlannedCall) -> Option<Diagnostic> {
    let had = before.calls.get(&stable_key(site, call)).map_or(0, |record| record.items);
    let query = site.queries.get(&call.query).filter(|_| had > 0)?;
    let problem = Diagnostic::error(
        codes::BECAME_EMPTY,
        format!("query `{}` had {had} items in the last build and has none", query.name),
    )
    .at(query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at)))
    .help(if call.routes.is_empty() && call.outer_of.is_empty() {
        "look for a missing permission or an unpublished model; if it is right, say `may_be_empty=true` in the template's `query(…)`"
    } else {
        "look for a missing permission or an unpublished model; if it is right, say `may_be_empty = true` on the route"
    });
    Some(match call.variables.is_empty() {
        true => problem,
        false => problem.note("variables", super::failures::shown(&call.variables)),
    })
}

/// A route's name from build to build: names repeat, since a route without one has its query's.
pub(super) fn route_key(route: &Route) -> String {
    format!("{} {} {}", route.kind.key(), route.path, route.name)
}

/// The pages of fragments that events called gone, by what the last build knows of its files.
pub(super) fn expected(listing: &Listing, manifest: &Manifest, withdrawn: &BTreeSet<String>) -> BTreeSet<String> {
    if withdrawn.is_empty() || listing.commit() != Some(&*manifest.files.commit) {
        return BTreeSet::new();
    }
    let fragment_of = |position| manifest.pages.get(position).and_then(|row| manifest.pages.fragment(row.fragment));
    let gone = |position| fragment_of(position).is_some_and(|fragment| withdrawn.contains(fragment));
    let pages = listing.iter().enumerate().filter(|(position, _)| gone(*position));
    pages.map(|(_, (path, _))| path.to_owned()).collect()
}

/// More removals than allowed; those that events told of do not count.
pub(super) fn removals(site: &Site, staged: &Staged, expected: &BTreeSet<String>) -> Option<Diagnostic> {
    const FREE: usize = 10;
    // Assets follow their pages and say nothing by themselves; counted among the files they would hide lost pages.
    let removed: Vec<&str> = staged.removed_pages().filter(|path| !expected.contains(*path)).collect();
    let before = staged.previous_pages();
    #[expect(clippy::cast_precision_loss, reason = "file counts are far below 2^52")]
    let share = removed.len() as f64 / before.max(1) as f64;
    if removed.len() <= FREE || share <= site.config.build.max_removals {
        return None;
    }
    let mut problem = Diagnostic::error(
        codes::TOO_MANY_REMOVALS,
        format!(
            "the build would remove {} of {before} pages, more than {}",
            removed.len(),
            percent(site.config.build.max_removals)
        ),
    )
    .help("look at `build --dry-run`; `build --allow-removals` removes them");
    for path in removed.iter().take(5) {
        problem = problem.note("would remove", *path);
    }
    if removed.len() > 5 {
        problem = problem.note("would remove", format!("and {} more", removed.len() - 5));
    }
    Some(problem)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
