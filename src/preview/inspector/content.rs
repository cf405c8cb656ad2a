//! What the inspector reads from files: the content of a page, as AEM sent it, and pages by the content they show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value as Json;

use super::super::html::Html;
use super::super::links::Links;
use super::super::shown::{Good, Past};
use super::{parts, route_link};
use crate::pipeline::{PageFacts, Piece};
use crate::render::{LinkRequest, QueryRequest};
use crate::report::Place;
use crate::state::{AnswerId, Read, State};

/// Items whose content is shown.
const ITEMS: usize = 20;
/// Bytes of content that are shown.
const SHOWN: usize = 200_000;
/// Pages or links that are listed.
const LISTED: usize = 200;

/// Everything about one page.
pub(super) fn whole_page(good: &Good, page: &PageFacts, past: &VecDeque<Past>, editor: Option<&str>) -> Html {
    let mut html = Html::new();
    let route = &good.site.routes[page.route];
    html.raw("<p class=\"kicker\">")
        .raw(route.kind.key())
        .raw(" page of ")
        .add(&route_link(route))
        .raw("</p><h1 class=\"path\">");
    html.text(&page.path).raw("</h1><p class=\"actions\"><a class=\"button\" href=\"").text(&page.url);
    html.raw("\">Open the page</a></p><div class=\"columns\"><section><h2>Made from</h2>");
    html.add(&made_from(good, page, past, editor))
        .raw("</section><section><h2>Read besides</h2>")
        .add(&reads(good, page));
    html.raw("</section></div><section><h2>Response</h2>").add(&response(good, page)).raw("</section>");
    html.add(&linked(good, page)).raw("<section><h2>Time of the last build</h2>");
    html.add(&parts::stages(&good.summary.stages, good.summary.elapsed)).raw("</section>");
    html
}

fn made_from(good: &Good, page: &PageFacts, past: &VecDeque<Past>, editor: Option<&str>) -> Html {
    let mut html = Html::new();
    html.raw("<dl class=\"facts\"><dt>file</dt><dd><code>").text(&page.output).raw("</code></dd>");
    html.raw("<dt>last rendered</dt><dd>").add(&last_rendered(page, past)).raw("</dd>");
    if let Some(locale) = &page.locale {
        html.raw("<dt>locale</dt><dd>").text(locale).raw("</dd>");
    }
    if let Some(query) = page.query.as_deref() {
        let known =
            good.site.queries.get(query).map_or(format!("content-queries/{query}.graphql"), |known| known.file.clone());
        html.raw("<dt>query</dt><dd>").add(&parts::file(&Place::file(known), good, editor)).raw("</dd>");
        html.raw("<dt>variables</dt><dd>");
        match page.variables.is_empty() {
            true => _ = html.raw("none"),
            false => _ = html.raw("<code>").text(&Json::Object(page.variables.clone()).to_string()).raw("</code>"),
        }
        html.raw("</dd>");
    }
    html.raw("<dt>templates</dt><dd>").add(&templates(good, page, editor)).raw("</dd>");
    if !page.variation.is_empty() {
        html.raw("<dt>variation</dt><dd>").text(&page.variation).raw("</dd>");
    }
    html.raw("</dl>");
    html
}

/// Why it was rendered last, as it is recorded; by which build, and what caused that; how long it took.
fn last_rendered(page: &PageFacts, past: &VecDeque<Past>) -> Html {
    let mut html = Html::new();
    html.raw(page.reason.name());
    match past.iter().find(|past| past.recorded == Some(page.build)) {
        Some(past) => _ = html.raw(", by build ").number(past.build).raw(": ").text(&past.cause),
        None if page.elapsed.is_some() => _ = html.raw(", by a build too long ago to be listed"),
        None => _ = html.raw(", before this preview was started"),
    }
    if let Some(elapsed) = page.elapsed {
        html.raw("; in ").text(&parts::milliseconds(elapsed));
    }
    html
}

/// The template and all that it is made of.
fn templates(good: &Good, page: &PageFacts, editor: Option<&str>) -> Html {
    let mut html = Html::new();
    let Some(first) = page.template.as_deref() else {
        html.raw("none");
        return html;
    };
    html.raw("<ul>");
    let others = good.site.templates.closure(first).into_iter().filter(|name| *name != first);
    for name in std::iter::once(first).chain(others) {
        html.raw("<li>").add(&parts::file(&Place::file(format!("templates/{name}")), good, editor)).raw("</li>");
    }
    html.raw("</ul>");
    html
}

/// What templates asked for.
fn reads(good: &Good, page: &PageFacts) -> Html {
    let mut html = Html::new();
    let (mut queries, mut links, mut assets, mut files) = (Vec::new(), BTreeSet::new(), Vec::new(), Vec::new());
    for read in good.made.reads_of(page) {
        match read {
            Read::Query(request) => queries.extend(query_read(good, request)),
            Read::Link(_) => links.extend(linked_fragment(read)),
            Read::Asset(location) => assets.push(location.clone()),
            Read::Static(file) => files.push(format!("static/{file}")),
        }
    }
    if queries.is_empty() && links.is_empty() && assets.is_empty() && files.is_empty() {
        html.raw("<p>Nothing: it shows its own content and no more.</p>");
    }
    html.raw("<dl class=\"facts\">");
    for (label, mut values) in [("queries", queries), ("assets", assets), ("static files", files)] {
        if !values.is_empty() {
            values.sort_unstable();
            html.raw("<dt>").raw(label).raw("</dt><dd><ul>");
            for value in values.iter().take(LISTED) {
                html.raw("<li><code>").text(value).raw("</code></li>");
            }
            html.raw("</ul></dd>");
        }
    }
    if !links.is_empty() {
        html.raw("<dt>links to</dt><dd><ul>");
        for fragment in links.iter().take(LISTED) {
            html.raw("<li>").add(&parts::fragment(fragment)).raw("</li>");
        }
        html.raw("</ul></dd>");
    }
    html.raw("</dl>");
    html
}

/// A query of a template in words.
fn query_read(good: &Good, request: &str) -> Option<String> {
    let QueryRequest { name, variables, locale, from } = serde_json::from_str(request).ok()?;
    let locale = locale.and_then(|index| good.site.locale_code(Some(index))).map(str::to_owned);
    let variables = (!variables.is_empty()).then(|| Json::Object(variables).to_string());
    Some([Some(name), locale, variables, from].into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// The fragment whose page a template asked for.
fn linked_fragment(read: &Read) -> Option<String> {
    let Read::Link(request) = read else { return None };
    serde_json::from_str::<LinkRequest>(request).ok().map(|request| request.fragment)
}

/// The content of a page as AEM sent it, and the fragments in it.
fn response(good: &Good, page: &PageFacts) -> Html {
    let mut html = Html::new();
    if page.pieces.is_empty() {
        html.raw("<p>It has no content of its own.</p>");
        return html;
    }
    let read = read_pieces(good, page.pieces.iter().take(ITEMS));
    let mut fragments: BTreeSet<String> = page.fragments.iter().cloned().collect();
    let mut text = String::new();
    for json in &read {
        match serde_json::from_str::<Json>(json) {
            Ok(value) => {
                paths(&value, &mut fragments);
                text.push_str(&serde_json::to_string_pretty(&value).unwrap_or_default());
                text.push('\n');
            }
            Err(_) => text.push_str(json),
        }
    }
    html.raw("<h3>Content fragments and assets in it <small>").number(fragments.len() as u64);
    html.raw("</small></h3><ul class=\"pages\">");
    for fragment in fragments.iter().take(LISTED) {
        html.raw("<li>").add(&parts::fragment(fragment)).raw("</li>");
    }
    html.raw("</ul>");
    let more = page.fragments.len().saturating_sub(ITEMS);
    if more > 0 {
        html.raw("<p>Of its items the first ")
            .number(ITEMS as u64)
            .raw(" are shown, ")
            .number(more as u64)
            .raw(" are not.</p>");
    }
    let cut: String = text.chars().take(SHOWN).collect();
    html.raw("<details open><summary>JSON</summary><pre class=\"json\" tabindex=\"0\"><code>").text(&cut);
    html.raw(if cut.len() < text.len() { "…" } else { "" }).raw("</code></pre></details>");
    html
}

/// Every `_path` of content in a value.
fn paths(value: &Json, into: &mut BTreeSet<String>) {
    match value {
        Json::Object(members) => {
            for (key, member) in members {
                match member {
                    Json::String(path) if key == "_path" => _ = into.insert(path.clone()),
                    member => paths(member, into),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| paths(item, into)),
        _ => {}
    }
}

fn read_pieces<'p>(good: &Good, pieces: impl Iterator<Item = &'p Piece>) -> Vec<String> {
    let Ok(state) = State::open(&good.folders.home) else { return Vec::new() };
    let read = |piece: &Piece| {
        let mut bytes = Vec::new();
        match piece.len {
            0 => bytes = state.answers().read(&piece.answer).ok()?,
            len => state.answers().read_at(&piece.answer, piece.start, len, &mut bytes).ok()?,
        }
        String::from_utf8(bytes).ok()
    };
    pieces.filter_map(read).collect()
}

fn linked(good: &Good, page: &PageFacts) -> Html {
    let mut html = Html::new();
    let Ok(number) = good.pages().binary_search_by(|other| other.path.cmp(&page.path)) else { return html };
    let links = Links::of(good);
    html.raw("<div class=\"columns\">");
    for (title, pages) in [("Links in", links.from(number)), ("Links out", links.to(number))] {
        html.raw("<section><h2>").raw(title).raw(" <small>").number(pages.len() as u64).raw("</small></h2>");
        html.raw(if pages.is_empty() { "<p>None.</p>" } else { "" });
        let listed = pages.iter().take(LISTED).filter_map(|page| good.pages().get(*page as usize));
        html.add(&parts::page_list(listed)).raw("</section>");
    }
    html.raw("</div>");
    let broken = links.broken(number);
    if !broken.is_empty() {
        html.raw("<section><h2 class=\"bad\">Links that lead nowhere</h2><ul class=\"pages\">");
        for address in broken {
            html.raw("<li><code>").text(address).raw("</code></li>");
        }
        html.raw("</ul></section>");
    }
    html
}

/// The pages for a search: those that show the fragment, those whose content holds it, those whose templates ask a query that
/// holds it, those that link to it, those with such a path.
pub(super) fn found(good: &Good, wanted: &str) -> Html {
    let mut html = Html::new();
    if wanted.is_empty() {
        html.raw("<p>Type the path of a content fragment, a part of it, or the path of a page.</p>");
        return html;
    }
    let shows: BTreeSet<usize> = numbers(good, |page| page.fragments.iter().any(|path| path.contains(wanted)));
    let of_pages = good.pages().iter().enumerate();
    let mut holds =
        holding(good, wanted, of_pages.flat_map(|(page, facts)| facts.pieces.iter().map(move |at| (page, at))));
    holds.retain(|number| !shows.contains(number));
    let results = holding(good, wanted, good.made.results());
    let mut asks = numbers(good, |page| good.made.has_read(page, &results));
    asks.retain(|number| !shows.contains(number) && !holds.contains(number));
    let links = numbers(good, |page| {
        let mut linked = good.made.reads_of(page).filter_map(linked_fragment);
        linked.any(|path| path.contains(wanted))
    });
    let named = numbers(good, |page| page.path.contains(wanted));
    let sections = [
        ("Show it", shows),
        ("Hold it in their content", holds),
        ("Ask a query that holds it", asks),
        ("Ask for its page", links),
        ("Have such a path", named),
    ];
    if sections.iter().all(|(_, pages)| pages.is_empty()) {
        html.raw("<p>No page shows it, holds it, or has such a path.</p>");
    }
    for (title, pages) in sections.into_iter().filter(|(_, pages)| !pages.is_empty()) {
        html.raw("<section><h2>").raw(title).raw(" <small>").number(pages.len() as u64).raw("</small></h2>");
        html.add(&parts::page_list(pages.iter().take(LISTED).map(|number| &good.pages()[*number])));
        if pages.len() > LISTED {
            html.raw("<p>and ").number((pages.len() - LISTED) as u64).raw(" more</p>");
        }
        html.raw("</section>");
    }
    html
}

fn numbers(good: &Good, fits: impl Fn(&PageFacts) -> bool) -> BTreeSet<usize> {
    (0..).zip(good.pages()).filter(|(_, page)| fits(page)).map(|(number, _)| number).collect()
}

/// Those whose content holds a text in a `_path`; every answer is read once.
fn holding<'p, T: Ord + Copy>(good: &Good, wanted: &str, all: impl Iterator<Item = (T, &'p Piece)>) -> BTreeSet<T> {
    let Ok(state) = State::open(&good.folders.home) else { return BTreeSet::new() };
    let mut by_answer: BTreeMap<AnswerId, Vec<(T, Piece)>> = BTreeMap::new();
    all.for_each(|(number, piece)| by_answer.entry(piece.answer).or_default().push((number, *piece)));
    let mut found = BTreeSet::new();
    for (answer, pieces) in by_answer {
        let Ok(body) = state.answers().read(&answer) else { continue };
        for (number, piece) in pieces {
            let start = usize::try_from(piece.start).unwrap_or(usize::MAX);
            let bytes = match piece.len {
                0 => body.as_slice(),
                len => body.get(start..start.saturating_add(len)).unwrap_or_default(),
            };
            let text = String::from_utf8_lossy(bytes);
            if text.contains(wanted) {
                let mut held = BTreeSet::new();
                paths(&serde_json::from_str(&text).unwrap_or_default(), &mut held);
                if held.iter().any(|path| path.contains(wanted)) {
                    found.insert(number);
                }
            }
        }
    }
    found
}
