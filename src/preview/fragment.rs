//! `/_preview`: from a content fragment in AEM's editor to the page that shows it. The address is what a model's preview URL
//! pattern makes of its placeholders.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::files::own;
use super::html::{Html, document, encoded};
use super::inject;
use super::listening::App;
use super::shown::{Good, Shown};
use crate::aem::Tier;
use crate::pipeline::PageFacts;
use crate::site::{Kind, Route};

/// How long the answer waits for content that was saved a moment ago.
const PATIENCE: Duration = Duration::from_secs(10);

/// The placeholders of the pattern.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// `${contentFragment.path}`
    path: String,
    /// `${contentFragment.variation}`
    variation: String,
    /// `${contentFragment.model.path}`
    model: String,
}

impl Asked {
    /// The variation as content has it: the base is `master` in AEM, and has no name in an item.
    fn variation(&self) -> &str {
        if self.variation == "master" { "" } else { &self.variation }
    }
}

/// Leads to the page, or says which routes could have shown it.
pub(super) async fn find(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Response {
    let shown = up_to_date(&app).await;
    let Some(good) = &shown.good else {
        return Redirect::temporary("/_aem-static/").into_response();
    };
    match pages(good, &asked).find(|page| page.variation == asked.variation()) {
        Some(page) => Redirect::temporary(&page.url).into_response(),
        None => {
            let page = document("No page shows this content fragment", &explained(good, &asked));
            let path = format!("/_preview?{}", encoded(&asked.path));
            let page = inject::with_script(page.as_bytes(), &path, shown.build, &app.stage.run, false);
            own(StatusCode::NOT_FOUND, page)
        }
    }
}

/// What there is once AEM has been asked again: the fragment was saved a moment ago.
async fn up_to_date(app: &App) -> Arc<Shown> {
    let shown = app.stage.built().await;
    if shown.asks() {
        app.pending.ask();
        app.pending.settled(PATIENCE).await;
    }
    app.stage.now()
}

/// Pages of `each` routes that show the fragment, html first.
fn pages<'g>(good: &'g Good, asked: &Asked) -> impl Iterator<Item = &'g PageFacts> + use<'g> {
    let is_each = |page: &&PageFacts| good.site.routes[page.route].kind == Kind::Each;
    let path = asked.path.clone();
    let mut found: Vec<&PageFacts> =
        good.pages().iter().filter(is_each).filter(|page| page.fragments.first() == Some(&path)).collect();
    found.sort_by_key(|page| (page.template.is_none() || !page.output.ends_with(".html"), page.route));
    found.into_iter()
}

fn explained(good: &Good, asked: &Asked) -> Html {
    let mut html = Html::new();
    html.raw("<main class=\"narrow\"><p class=\"kicker\">Preview of a content fragment</p>");
    html.raw("<h1>No page shows it</h1><dl class=\"facts\"><dt>fragment</dt><dd><code>").text(&asked.path);
    html.raw("</code></dd><dt>variation</dt><dd><code>");
    html.text(if asked.variation.is_empty() { "master" } else { &asked.variation });
    html.raw("</code></dd><dt>model</dt><dd><code>").text(&asked.model);
    html.raw("</code></dd><dt>content from</dt><dd>").text(&good.summary.source).raw("</dd></dl>");
    if !matches!(good.tier, Tier::Author | Tier::Local) {
        html.raw("<p class=\"note\">This preview reads the <strong>").text(good.tier.name());
        html.raw("</strong> tier, where a fragment stands only once it is published. Start it with ");
        html.raw("<code>aem-static preview --tier author</code> to see what editors see.</p>");
    }
    let others: Vec<&PageFacts> = pages(good, asked).collect();
    if !others.is_empty() {
        html.raw("<h2>Pages of its other variations</h2><ul class=\"links\">");
        for page in others {
            html.raw("<li>").link(&page.url, &page.url).raw(" <small>");
            html.text(if page.variation.is_empty() { "master" } else { &page.variation }).raw("</small></li>");
        }
        html.raw("</ul>");
    }
    let (named, routes) = candidates(good, &asked.model);
    html.raw(if named {
        "<h2>Routes that ask for its model</h2>"
    } else {
        "<h2>Routes with a page for each item</h2>"
    });
    if routes.is_empty() {
        html.raw("<p>There are none: add a route with <code>each</code> and a template for this model.</p>");
    } else {
        html.raw("<p>Each could show it. Look whether the query leaves it out by a filter or a locale, whether <code>where</code> ");
        html.raw("drops it, and whether the query asks for variations (<code>includeVariations</code>, <code>variation:</code>).</p>");
        html.raw("<ul class=\"links\">");
        for route in routes {
            html.raw("<li>").link(&format!("/_aem-static/route?route={}", route.index), &route.name).raw(" <code>");
            html.text(&route.path).raw("</code> <small>content-queries/");
            html.text(route.query.as_deref().unwrap_or_default()).raw(".graphql</small></li>");
        }
        html.raw("</ul>");
    }
    html.raw("<p>").link(&format!("/_aem-static/search?q={}", encoded(&asked.path)), "Search for the fragment");
    html.raw("</p></main>");
    html
}

/// The routes that make a page of each item of a model; all that make a page of each item if none names it.
fn candidates<'g>(good: &'g Good, model: &str) -> (bool, Vec<&'g Route>) {
    let each: Vec<&Route> =
        good.site.routes.iter().filter(|route| route.kind == Kind::Each && route.template.is_some()).collect();
    let model = camel_case(model.rsplit('/').next().unwrap_or_default());
    let asks = |route: &&&Route| {
        let Some(query) = route.query.as_deref().and_then(|name| good.site.queries.get(name)) else { return false };
        let Some(root) = query.items_root(route.from.as_deref()) else { return false };
        let rest = query.sent.get(root.field_at..).unwrap_or_default();
        // An alias stands before the field.
        let field = rest.trim_start().split(['(', '{', ' ', '\n']).next().unwrap_or_default();
        let field = if field.ends_with(':') {
            rest.split_once(':')
                .map_or("", |(_, after)| after.trim_start().split(['(', '{', ' ', '\n']).next().unwrap_or(""))
        } else {
            field.rsplit(':').next().unwrap_or(field)
        };
        ["List", "Paginated", "ByPath", "ById"].iter().any(|kind| field.strip_suffix(kind) == Some(model.as_str()))
    };
    let named: Vec<&Route> = each.iter().filter(asks).copied().collect();
    if named.is_empty() || model.is_empty() { (false, each) } else { (true, named) }
}

/// The name of a model's fields in the schema: `adventure-tour` is `adventureTour`.
fn camel_case(name: &str) -> String {
    let mut out = String::new();
    for (number, part) in name.split(['-', '_', ' ']).filter(|part| !part.is_empty()).enumerate() {
        let mut letters = part.chars();
        match letters.next() {
            Some(first) if number > 0 => out.extend(first.to_uppercase()),
            Some(first) => out.extend(first.to_lowercase()),
            None => {}
        }
        out.extend(letters);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::camel_case;

    #[test]
    fn models_as_the_schema_names_them() {
        let names = ["story", "Story", "adventure-tour", "my_model name", ""].map(camel_case);
        assert_eq!(names, ["story", "story", "adventureTour", "myModelName", ""]);
    }
}
