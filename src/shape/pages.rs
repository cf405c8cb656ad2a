//! Entries of all routes → the pages of the site, in one deterministic order, with every permalink known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::content::{ContentIndex, Link, LinkTarget};
use super::entries::Entries;
use super::entry::{Evaluator, Tie, tie};
use super::group::GroupValue;
use crate::report::{Diagnostic, codes};
use crate::site::{Kind, Route, Site};
use crate::text::order;
use crate::text::permalink::{self, Permalink};
use crate::text::texts::{Text, Texts};

/// One page: a file of `out/` made by a route. 40 bytes, for there is one a file.
#[derive(Debug, Clone)]
pub struct Page {
    /// Index of the route.
    pub route: u32,
    /// The locale it is in.
    pub locale: Option<u16>,
    /// The path: see [`Pages::path`].
    pub path: Text,
    /// What it shows.
    pub source: PageSource,
    /// Index into [`Alternates`], for a page in a locale.
    pub alternates: Option<u32>,
}

/// What a page shows.
#[derive(Debug, Clone)]
pub enum PageSource {
    /// One item.
    Each(EachPage),
    /// Some items of a list.
    List(Box<ListPage>),
    /// The whole result, of the call with this index in the route's calls.
    Whole,
}

/// One item of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EachPage {
    /// Index of the entry in the route's entries of that locale.
    pub entry: u32,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct ListPage {
    /// The group.
    pub group: Option<GroupValue>,
    /// Indexes of the entries of the whole list (or group), in order; shared by its pages.
    pub entries: Arc<[u32]>,
    /// From 1.
    pub number: u32,
    /// How many pages the list has.
    pub pages: u32,
    /// Items a page; the length of the list without `per_page`.
    pub per_page: u32,
    /// The paths of all pages of the list.
    pub paths: Arc<[Text]>,
}

impl ListPage {
    /// Indexes of the entries on this page.
    pub fn on_page(&self) -> &[u32] {
        let start = ((self.number - 1) * self.per_page) as usize;
        let end = (start + self.per_page as usize).min(self.entries.len());
        self.entries.get(start..end).unwrap_or_default()
    }
}

/// Sets of pages that are one another's counterparts in other locales; each in the order of `[site] locales`.
#[derive(Debug, Default)]
pub struct Alternates {
    /// The sets, one behind the other.
    pages: Vec<u32>,
    /// Where each begins.
    starts: Vec<u32>,
}

impl Alternates {
    /// The pages of a set, by index into [`Pages::pages`].
    pub fn set(&self, index: u32) -> &[u32] {
        let bound = |index: usize| self.starts.get(index).map_or(self.pages.len(), |start| *start as usize);
        self.pages.get(bound(index as usize)..bound(index as usize + 1)).unwrap_or_default()
    }
}

/// All pages of the site.
#[derive(Debug, Default)]
pub struct Pages {
    /// By route, locale, and position.
    pub pages: Vec<Page>,
    /// Which page shows which content fragment.
    pub index: ContentIndex,
    /// Counterparts in other locales.
    pub alternates: Alternates,
    /// The texts of pages and entries.
    pub texts: Texts,
    /// Indexes of routes with a list or page that could not be placed.
    pub unplaced: BTreeSet<usize>,
}

/// A page that is not built, and that links lead to all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The content fragment that it shows; empty for a list.
    pub fragment: &'a str,
    /// Its path, as of [`Page::path`].
    pub path: &'a str,
    /// Index of its route.
    pub route: usize,
    /// The locale it is in.
    pub locale: Option<u16>,
}

impl Pages {
    /// Lets links lead to pages that stand without having been built, where they show a content fragment.
    pub fn link(&mut self, standing: &[Standing<'_>]) {
        for page in standing.iter().filter(|page| !page.fragment.is_empty()) {
            let texts = &mut self.texts;
            if let (Some(fragment), Some(path)) = (texts.push(page.fragment), texts.push(page.path)) {
                let route = u32::try_from(page.route).unwrap_or(u32::MAX);
                let link = Link { fragment, path, variation: Text::EMPTY, route, locale: page.locale };
                self.index.add(link, texts);
            }
        }
    }

    /// The path of a page, such as `/tours/x/`; [`permalink::parse`] accepts it.
    pub fn path(&self, page: &Page) -> &str {
        self.texts.get(page.path)
    }

    /// Output path and URL of a page.
    pub fn permalink(&self, page: &Page) -> Permalink {
        permalink::parse(self.path(page)).expect("a page's path was parsed when it was made")
    }

    /// Root-relative URL of the page that a link leads to ([`ContentIndex::resolve`]).
    pub fn url_for(&self, target: LinkTarget<'_>) -> Option<String> {
        let link = self.index.resolve(&self.texts, target)?;
        permalink::parse(self.texts.get(link.path)).ok().map(|permalink| permalink.url().to_owned())
    }
}

/// The entries of one route, by locale.
pub type RouteEntries = BTreeMap<Option<u16>, Entries>;

/// Builds all pages. `entries[i]` are those of route `i`, with their texts in `texts`; `whole[i]` the locales a `page` route runs
/// in.
pub fn build(
    site: &Site,
    evaluators: &[Evaluator],
    entries: &[RouteEntries],
    texts: Texts,
    whole: &[Vec<Option<u16>>],
    problems: &mut Vec<Diagnostic>,
) -> Pages {
    let pages = Pages { texts, ..Pages::default() };
    let mut builder = Builder { site, pages, links: Vec::new(), counterparts: Vec::new(), problems };
    for (route, evaluator) in site.routes.iter().zip(evaluators) {
        match route.kind {
            Kind::Each => builder.each(route, &entries[route.index]),
            Kind::List => {
                for (locale, list) in &entries[route.index] {
                    builder.list(route, evaluator, *locale, list);
                }
            }
            Kind::Page => whole[route.index].iter().for_each(|locale| builder.whole(route, evaluator, *locale)),
        }
    }
    builder.finish()
}

struct Builder<'a> {
    site: &'a Site,
    pages: Pages,
    links: Vec<Link>,
    /// (route, what ties counterparts together, page).
    counterparts: Vec<(u32, Tie, u32)>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    fn push(&mut self, route: &Route, locale: Option<u16>, path: Text, source: PageSource, tie: Option<Tie>) {
        let number = u32::try_from(self.pages.pages.len()).unwrap_or(u32::MAX);
        let route = u32::try_from(route.index).unwrap_or(u32::MAX);
        if let Some(tie) = tie.filter(|_| locale.is_some()) {
            self.counterparts.push((route, tie, number));
        }
        self.pages.pages.push(Page { route, locale, path, source, alternates: None });
    }

    fn each(&mut self, route: &Route, entries: &RouteEntries) {
        let route_number = u32::try_from(route.index).unwrap_or(u32::MAX);
        for (locale, list) in entries {
            for entry in 0..u32::try_from(list.len()).unwrap_or(u32::MAX) {
                let Some(path) = list.path(entry) else { continue };
                let linkable = |permalink: Permalink| route.template.is_some() && permalink.is_html();
                if permalink::parse(self.pages.texts.get(path)).is_ok_and(linkable) {
                    self.links.push(Link {
                        fragment: list.fragment(entry),
                        path,
                        variation: list.variation(entry).unwrap_or(Text::EMPTY),
                        route: route_number,
                        locale: *locale,
                    });
                }
                self.push(route, *locale, path, PageSource::Each(EachPage { entry }), list.tie(entry));
            }
        }
    }

    fn list(&mut self, route: &Route, evaluator: &Evaluator, locale: Option<u16>, list: &Entries) {
        let mut order: Vec<u32> = (0..u32::try_from(list.len()).unwrap_or(u32::MAX)).collect();
        if !evaluator.order().is_empty() {
            let texts = &self.pages.texts;
            let variation = |entry: u32| list.variation(entry).map(|name| texts.get(name));
            order.sort_by(|a, b| {
                order::compare(evaluator.order(), list.sort_keys(*a), list.sort_keys(*b))
                    .then_with(|| texts.get(list.fragment(*a)).cmp(texts.get(list.fragment(*b))))
                    .then_with(|| variation(*a).cmp(&variation(*b)))
            });
        }
        if route.group_by.is_none() {
            if let Some(paths) = self.list_paths(route, evaluator, locale, None, order.len()) {
                self.list_pages(route, locale, None, order.into(), &paths);
            }
            return;
        }
        let mut seen: BTreeMap<String, GroupValue> = BTreeMap::new();
        for (group, members) in list.grouped(&order) {
            let Some(paths) = self.list_paths(route, evaluator, locale, Some(group), members.len()) else {
                continue;
            };
            let first = paths.first().map(|path| self.pages.texts.get(*path).to_owned()).unwrap_or_default();
            if let Some(other) = seen.get(&first) {
                let message = format!("the groups `{}` and `{}` have one path, {first}", other.text(), group.text());
                self.pages.unplaced.insert(route.index);
                self.problems.push(
                    Diagnostic::error(codes::SAME_GROUP_PATH, message)
                        .at(self.site.route_place(route))
                        .help("make the values equal in AEM, or the path tell them apart"),
                );
                continue;
            }
            seen.insert(first, group.clone());
            self.list_pages(route, locale, Some(group), members.into(), &paths);
        }
    }

    /// The paths of all pages of one list with `count` items.
    fn list_paths(
        &mut self,
        route: &Route,
        evaluator: &Evaluator,
        locale: Option<u16>,
        group: Option<&GroupValue>,
        count: usize,
    ) -> Option<Arc<[Text]>> {
        let per_page = route.per_page.unwrap_or(count.max(1));
        let pages = u32::try_from(count.div_ceil(per_page).max(1)).unwrap_or(u32::MAX);
        let paths: Result<Vec<Text>, Diagnostic> =
            (1..=pages).map(|number| self.keep(route, evaluator.list_path(locale, group, number)?)).collect();
        match paths {
            Ok(paths) => Some(paths.into()),
            Err(problem) => {
                self.pages.unplaced.insert(route.index);
                self.problems.push(match group {
                    Some(group) => problem.note("group", group.text()),
                    None => problem,
                });
                None
            }
        }
    }

    /// The pages of one list, one a path.
    fn list_pages(
        &mut self,
        route: &Route,
        locale: Option<u16>,
        group: Option<&GroupValue>,
        entries: Arc<[u32]>,
        paths: &Arc<[Text]>,
    ) {
        let per_page = u32::try_from(route.per_page.unwrap_or(entries.len().max(1))).unwrap_or(u32::MAX);
        for (number, path) in (1u32..).zip(paths.iter()) {
            let tie = tie(&format!("{}\u{0}{number}", group.map(GroupValue::text).unwrap_or_default()), None);
            let source = PageSource::List(Box::new(ListPage {
                group: group.cloned(),
                entries: entries.clone(),
                number,
                pages: u32::try_from(paths.len()).unwrap_or(u32::MAX),
                per_page,
                paths: paths.clone(),
            }));
            self.push(route, locale, *path, source, Some(tie));
        }
    }

    fn whole(&mut self, route: &Route, evaluator: &Evaluator, locale: Option<u16>) {
        match evaluator.list_path(locale, None, 1).and_then(|path| self.keep(route, path)) {
            Ok(path) => self.push(route, locale, path, PageSource::Whole, Some(Tie::default())),
            Err(problem) => {
                self.pages.unplaced.insert(route.index);
                self.problems.push(problem);
            }
        }
    }

    fn keep(&mut self, route: &Route, path: String) -> Result<Text, Diagnostic> {
        self.pages.texts.push(&path).ok_or_else(|| {
            Diagnostic::error(codes::UNSAFE_PATH, "the path is longer than 65,535 bytes")
                .at(self.site.route_place(route))
        })
    }

    fn finish(mut self) -> Pages {
        let pages = &mut self.pages;
        self.counterparts.sort_by_key(|(route, tie, page)| (*route, *tie, pages.pages[*page as usize].locale));
        for set in self.counterparts.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let start = pages.alternates.pages.len();
            let index = u32::try_from(pages.alternates.starts.len()).ok();
            // One page a locale: the first, should content tie several together.
            for same in set.chunk_by(|a, b| pages.pages[a.2 as usize].locale == pages.pages[b.2 as usize].locale) {
                pages.alternates.pages.push(same[0].2);
            }
            for page in &pages.alternates.pages[start..] {
                pages.pages[*page as usize].alternates = index;
            }
            pages.alternates.starts.push(u32::try_from(start).unwrap_or(u32::MAX));
        }
        pages.index = ContentIndex::new(std::mem::take(&mut self.links), &pages.texts);
        self.pages
    }
}
