//! The inspector, at `/_aem-static/`: what the site is made of, route by route and page by page. Plain pages that work by links
//! and forms; its script only adds keys.

mod content;
mod parts;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::diagnostics;
use super::files::own;
use super::html::{Html, document, encoded};
use super::listening::App;
use super::shown::{Ended, Good, Past, Shown};
use crate::pipeline::PageFacts;
use crate::site::Route;

/// Pages that stand on one page of a list.
const LISTED: usize = 200;

/// The first page: the last build, the routes, the builds before.
pub(super) async fn overview(State(app): State<Arc<App>>) -> Response {
    let shown = app.stage.built().await;
    let mut html = Html::new();
    match (&shown.failed, &shown.good) {
        (Some(failed), good) => {
            html.raw(
                "<section aria-labelledby=\"problems\"><h2 id=\"problems\" class=\"bad\">The last build failed</h2>",
            );
            html.raw(if good.is_some() { "<p>What follows is the site as it was last good.</p>" } else { "" });
            html.add(&diagnostics::list(&failed.problems, &failed.dir, app.options.editor.as_deref()))
                .raw("</section>");
        }
        (None, Some(good)) if !good.warnings.is_empty() => {
            html.raw("<section aria-labelledby=\"problems\"><h2 id=\"problems\">Warnings</h2>");
            html.add(&diagnostics::list(&good.warnings, &good.site.dir, app.options.editor.as_deref()))
                .raw("</section>");
        }
        _ => {}
    }
    if let Some(good) = &shown.good {
        html.add(&parts::summary(good)).add(&routes(good));
    }
    html.add(&builds(&shown));
    let title = shown.good.as_ref().map_or("Inspector", |good| &good.site.config.site.title);
    answer(&app, &shown, StatusCode::OK, title, "/", &html)
}

/// `/_aem-static/route?route=3&from=200`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteAsked {
    route: usize,
    from: usize,
}

/// The pages of a route.
pub(super) async fn route(State(app): State<Arc<App>>, Query(asked): Query<RouteAsked>) -> Response {
    let shown = app.stage.built().await;
    let found = shown.good.as_ref().and_then(|good| Some((good, good.site.routes.get(asked.route)?)));
    let Some((good, route)) = found else {
        return not_there(&app, &shown, "There is no such route");
    };
    let pages: Vec<&PageFacts> = good.pages().iter().filter(|page| page.route == route.index).collect();
    let mut html = Html::new();
    html.raw("<section><p class=\"kicker\">")
        .raw(route.kind.key())
        .raw(" route</p><h1>")
        .text(&route.name)
        .raw("</h1>");
    html.add(&parts::of_route(route, good, app.options.editor.as_deref()));
    html.raw("<h2>");
    diagnostics::counted(&mut html, pages.len(), "page");
    html.raw("</h2>").add(&parts::page_list(pages.iter().skip(asked.from).take(LISTED).copied()));
    html.add(&paging(&asked, pages.len())).raw("</section>");
    answer(&app, &shown, StatusCode::OK, &route.name, "route", &html)
}

fn paging(asked: &RouteAsked, count: usize) -> Html {
    let mut html = Html::new();
    let address = |from: usize| format!("/_aem-static/route?route={}&from={from}", asked.route);
    html.raw("<nav class=\"paging\" aria-label=\"Pages\">");
    if asked.from > 0 {
        html.link(&address(asked.from.saturating_sub(LISTED)), "Previous");
    }
    if asked.from.saturating_add(LISTED) < count {
        html.raw(" ").link(&address(asked.from + LISTED), "Next");
    }
    html.raw("</nav>");
    html
}

/// `/_aem-static/page?path=/tours/x/`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PageAsked {
    path: String,
}

/// One page.
pub(super) async fn page(State(app): State<Arc<App>>, Query(asked): Query<PageAsked>) -> Response {
    let shown = app.stage.built().await;
    let Some(good) = shown.good.clone() else {
        return not_there(&app, &shown, "Nothing has been built yet");
    };
    let found = good.page(&asked.path).or_else(|| good.pages().iter().find(|page| page.url == asked.path)).cloned();
    let Some(page) = found else {
        return not_there(&app, &shown, "No route makes this page");
    };
    // Answers and links are read from files.
    let (of_page, editor, past) = (page.clone(), app.options.editor.clone(), shown.past.clone());
    let drawn =
        tokio::task::spawn_blocking(move || content::whole_page(&good, &of_page, &past, editor.as_deref())).await;
    answer(&app, &shown, StatusCode::OK, &page.path, "page", &drawn.unwrap_or_default())
}

/// `/_aem-static/search?q=/content/dam/…`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SearchAsked {
    q: String,
}

/// Pages by fragment or path.
pub(super) async fn search(State(app): State<Arc<App>>, Query(asked): Query<SearchAsked>) -> Response {
    let shown = app.stage.built().await;
    let Some(good) = shown.good.clone() else {
        return not_there(&app, &shown, "Nothing has been built yet");
    };
    let wanted = asked.q.trim().to_owned();
    let for_what = wanted.clone();
    let drawn = tokio::task::spawn_blocking(move || content::found(&good, &for_what)).await;
    let mut html = Html::new();
    match wanted.is_empty() {
        true => _ = html.raw("<h1>Search</h1>"),
        false => _ = html.raw("<p class=\"kicker\">Pages for</p><h1 class=\"path\">").text(&wanted).raw("</h1>"),
    }
    html.add(&drawn.unwrap_or_default());
    answer(&app, &shown, StatusCode::OK, &wanted, "search", &html)
}

/// Any other address of the tool's.
pub(super) async fn nothing(State(app): State<Arc<App>>) -> Response {
    not_there(&app, &app.stage.now(), "There is no such page of the inspector")
}

fn not_there(app: &App, shown: &Shown, message: &'static str) -> Response {
    let mut html = Html::new();
    html.raw("<section><h1>")
        .raw(message)
        .raw("</h1><p>")
        .link("/_aem-static/", "Every route and page")
        .raw("</p></section>");
    answer(app, shown, StatusCode::NOT_FOUND, message, "", &html)
}

/// A page of the inspector around what stands in it.
fn answer(app: &App, shown: &Shown, status: StatusCode, title: &str, place: &str, inner: &Html) -> Response {
    let mut body = Html::new();
    body.raw("<a class=\"skip\" href=\"#content\">Skip to content</a><header class=\"bar\"><p class=\"brand\">");
    body.link("/_aem-static/", "aem-static").raw("</p>");
    body.raw(
        "<form action=\"/_aem-static/search\" role=\"search\"><label for=\"q\">Search by fragment or page</label>",
    );
    body.raw(
        "<input id=\"q\" name=\"q\" type=\"search\" placeholder=\"/content/dam/… or a path\" autocomplete=\"off\" ",
    );
    body.raw("spellcheck=\"false\" aria-keyshortcuts=\"/\" value=\"").text(if place == "search" { title } else { "" });
    body.raw("\"><kbd aria-hidden=\"true\">/</kbd></form>");
    body.raw("<p class=\"state ").raw(if shown.failed.is_some() { "bad\">failed" } else { "good\">good" });
    body.raw("</p></header><main id=\"content\">");
    if place == "/" {
        body.raw("<h1>").text(title).raw("</h1>");
    }
    body.add(inner).raw("</main><script src=\"/_aem-static/inspector.js\" data-build=\"").number(shown.build);
    body.raw("\" data-run=\"").text(&app.stage.run).raw("\" defer></script>");
    own(status, document(&format!("{title}: inspector"), &body))
}

fn routes(good: &Good) -> Html {
    let mut html = Html::new();
    html.raw("<section aria-labelledby=\"routes\"><h2 id=\"routes\">Routes</h2><table class=\"routes\"><thead><tr>");
    html.raw("<th scope=\"col\">Route</th><th scope=\"col\">Kind</th><th scope=\"col\" class=\"count\">Pages</th>");
    html.raw("<th scope=\"col\">Path</th><th scope=\"col\">Example</th></tr></thead><tbody>");
    for route in &good.site.routes {
        let pages: Vec<&PageFacts> = good.pages().iter().filter(|page| page.route == route.index).collect();
        let locale = |page: &&&PageFacts| {
            good.site.config.site.locales.iter().position(|code| page.locale.as_ref() == Some(code))
        };
        let example = pages.iter().min_by_key(locale).map(|page| page.path.clone());
        html.raw("<tr><th scope=\"row\">").add(&route_link(route)).raw("</th><td>").raw(route.kind.key());
        html.raw("</td><td class=\"count\">").number(pages.len() as u64).raw("</td><td><code>").text(&route.path);
        html.raw("</code></td><td>");
        match example {
            Some(path) => _ = html.add(&page_link(&path)),
            None => _ = html.raw("none"),
        }
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table></section>");
    html
}

fn builds(shown: &Shown) -> Html {
    let mut html = Html::new();
    html.raw("<section aria-labelledby=\"builds\"><h2 id=\"builds\">Builds</h2><ol class=\"builds\">");
    for past in shown.past.iter() {
        html.raw("<li").raw(if matches!(past.ended, Ended::Failed { .. }) { " class=\"bad\"" } else { "" });
        html.raw("><span class=\"nr\">").number(past.build).raw("</span> <span class=\"cause\">").text(&past.cause);
        html.raw("</span> <span class=\"outcome\">").add(&ended(past)).raw("</span></li>");
    }
    html.raw("</ol></section>");
    html
}

fn ended(past: &Past) -> Html {
    let mut html = Html::new();
    match past.ended {
        Ended::Failed { errors } => diagnostics::counted(&mut html, errors, "error"),
        Ended::Built { rendered, created, updated, removed, assets } => {
            let parts = [
                (rendered, "rendered"),
                (created, "created"),
                (updated, "updated"),
                (removed, "removed"),
                (assets, "assets"),
            ];
            let mut parts: Vec<String> =
                parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
            if created + updated + removed + assets == 0 {
                parts.push("nothing differed".to_owned());
            }
            html.text(&parts.join(", "));
        }
    }
    html.raw(" in ").text(&parts::milliseconds(past.elapsed));
    html
}

fn route_link(route: &Route) -> Html {
    let mut html = Html::new();
    html.link(&format!("/_aem-static/route?route={}", route.index), &route.name);
    html
}

fn page_link(path: &str) -> Html {
    let mut html = Html::new();
    html.link(&format!("/_aem-static/page?path={}", encoded(path)), path);
    html
}
