//! Pieces of the inspector's pages.

use std::time::Duration;

use super::super::html::{Html, encoded};
use super::super::shown::Good;
use super::page_link;
use crate::pipeline::PageFacts;
use crate::report::{Place, StageTime};
use crate::site::Route;

/// The last good build in figures.
pub(super) fn summary(good: &Good) -> Html {
    let summary = &good.summary;
    let mut html = Html::new();
    html.raw("<section aria-labelledby=\"last\"><h2 id=\"last\">Last good build</h2><dl class=\"figures\">");
    let figures = [
        ("pages", good.pages().len() as u64),
        ("content fragments", summary.items),
        ("requests", summary.requests),
        ("created", summary.created),
        ("updated", summary.updated),
        ("removed", summary.removed),
    ];
    for (label, figure) in figures {
        html.raw("<div><dt>").text(label).raw("</dt><dd>").number(figure).raw("</dd></div>");
    }
    html.raw("</dl><p>Content from ").text(&summary.source).raw(", written to <code>").text(&good.folders.shown);
    html.raw("</code>.</p>").add(&stages(&summary.stages, summary.elapsed)).raw("</section>");
    html
}

/// Time per stage, as bars.
pub(super) fn stages(stages: &[StageTime], whole: Duration) -> Html {
    let mut html = Html::new();
    let longest = stages.iter().map(|stage| stage.elapsed).max().unwrap_or_default().as_micros().max(1);
    html.raw("<table class=\"stages\"><caption>Time per stage, of ")
        .text(&milliseconds(whole))
        .raw(" in all</caption><tbody>");
    for stage in stages {
        let share = (stage.elapsed.as_micros() * 100 / longest).max(1);
        html.raw("<tr><th scope=\"row\">").raw(stage.stage.name()).raw("</th><td><progress max=\"100\" value=\"");
        html.number(u64::try_from(share).unwrap_or(100))
            .raw("\" aria-hidden=\"true\"></progress></td><td class=\"count\">");
        html.text(&milliseconds(stage.elapsed)).raw("</td></tr>");
    }
    html.raw("</tbody></table>");
    html
}

/// `1.2 ms`, `340 ms`, `2.50 s`.
pub(super) fn milliseconds(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..10_000 => format!("{:.1} ms", micros as f64 / 1000.0),
        micros @ 10_000..1_000_000 => format!("{:.0} ms", micros as f64 / 1000.0),
        micros => format!("{:.2} s", micros as f64 / 1_000_000.0),
    }
}

/// What a route says of itself.
pub(super) fn of_route(route: &Route, good: &Good, editor: Option<&str>) -> Html {
    let mut html = Html::new();
    html.raw("<dl class=\"facts\"><dt>path</dt><dd><code>").text(&route.path).raw("</code></dd>");
    html.raw("<dt>stands in</dt><dd>").add(&file(&good.site.route_place(route), good, editor)).raw("</dd>");
    if let Some(query) = route.query.as_deref().and_then(|name| good.site.queries.get(name)) {
        html.raw("<dt>query</dt><dd>").add(&file(&Place::file(&query.file), good, editor)).raw("</dd>");
    }
    match &route.template {
        Some(name) => {
            let place = Place::file(format!("templates/{name}"));
            html.raw("<dt>template</dt><dd>").add(&file(&place, good, editor)).raw("</dd>");
        }
        None => _ = html.raw("<dt>template</dt><dd>none: the content itself, as JSON</dd>"),
    }
    for (label, value) in [("where", &route.filter), ("sort", &route.sort), ("group_by", &route.group_by)] {
        if let Some(value) = value {
            html.raw("<dt>").raw(label).raw("</dt><dd><code>").text(value).raw("</code></dd>");
        }
    }
    html.raw("</dl>");
    html
}

/// A file of the site, as a link into the editor.
pub(super) fn file(place: &Place, good: &Good, editor: Option<&str>) -> Html {
    super::super::diagnostics::link(place, &good.site.dir, editor)
}

/// Pages as a list of links.
pub(super) fn page_list<'p>(pages: impl Iterator<Item = &'p PageFacts>) -> Html {
    let mut html = Html::new();
    html.raw("<ul class=\"pages\">");
    for page in pages {
        html.raw("<li>").add(&page_link(&page.path));
        if let [fragment] = page.fragments.as_slice() {
            html.raw(" <small>").text(fragment).raw("</small>");
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
    html
}

/// A content fragment as a link to the pages that it reaches.
pub(super) fn fragment(path: &str) -> Html {
    let mut html = Html::new();
    html.link(&format!("/_aem-static/search?q={}", encoded(path)), path);
    html
}
