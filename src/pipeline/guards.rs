//! Empty is suspicious, and so are many removals (design §8, Guards).

use super::gathered::Gathered;
use crate::output::Staged;
use crate::report::{Diagnostic, codes};
use crate::shape::Entries;
use crate::site::{Kind, Route, Site};
use crate::state::Manifest;

/// Calls that became empty, and routes that never had an item.
pub(super) fn empty(site: &Site, before: &Manifest, gathered: &Gathered) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for info in gathered.calls.iter().filter(|info| info.items == 0) {
        let routes: Vec<_> =
            info.call.routes.iter().chain(&info.call.outer_of).map(|index| &site.routes[*index]).collect();
        let had = before.calls.get(&gathered.call_key(site, info)).map_or(0, |record| record.items);
        if had == 0 || routes.iter().all(|route| route.may_be_empty) {
            continue;
        }
        let Some(query) = site.queries.get(&info.call.query) else {
            continue;
        };
        let problem =
            Diagnostic::error(codes::BECAME_EMPTY, format!("query `{}` had {had} items in the last build and has none", query.name))
                .at(query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at)))
                .help("look for a missing permission or an unpublished model; if it is right, say `may_be_empty = true` on the route");
        problems.push(match info.call.variables.is_empty() {
            true => problem,
            false => problem.note("variables", super::failures::shown(&info.call.variables)),
        });
    }
    for route in site.routes.iter().filter(|route| route.kind != Kind::Page && !route.may_be_empty) {
        let entries: usize = gathered.entries[route.index].values().map(Entries::len).sum();
        let known = before.routes.contains_key(&route_key(route));
        let told = problems.iter().any(|problem: &Diagnostic| {
            route.query.as_deref().is_some_and(|name| problem.message.contains(&format!("`{name}`")))
        });
        if entries == 0 && !known && !told {
            problems.push(
                Diagnostic::error(codes::BECAME_EMPTY, format!("the route `{}` has no item", route.name))
                    .at(site.route_place(route))
                    .help(
                        "look at the query's answer and the route's `where`; if it is right, say `may_be_empty = true`",
                    ),
            );
        }
    }
    problems
}

/// A route's name from build to build: names repeat, since a route without one has its query's.
pub(super) fn route_key(route: &Route) -> String {
    format!("{} {} {}", route.kind.key(), route.path, route.name)
}

/// More removals than allowed.
pub(super) fn removals(site: &Site, staged: &Staged) -> Option<Diagnostic> {
    const FREE: usize = 10;
    // Assets follow their pages and say nothing by themselves; counted among the files they would hide lost pages.
    let removed: Vec<&str> = staged.removed_pages().collect();
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
