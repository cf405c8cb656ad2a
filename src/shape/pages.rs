//! Entries of all routes → the pages of the site, in one deterministic order, with every permalink known.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::{ContentIndex, Link};
use super::entry::{Entry, Evaluator};
use super::group::GroupValue;
use crate::report::{Diagnostic, codes};
use crate::site::{Kind, Route, Site};
use crate::text::order;
use crate::text::permalink::{self, Permalink};

/// One page: a file of `out/` made by a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Index of the route.
    pub route: u32,
    /// The locale it is in.
    pub locale: Option<u16>,
    /// The path, such as `/tours/x/`; [`permalink::parse`] accepts it.
    pub path: Arc<str>,
    /// What it shows.
    pub source: PageSource,
    /// Index into [`Alternates`], for a page in a locale.
    pub alternates: Option<u32>,
}

impl Page {
    /// Output path and URL.
    pub fn permalink(&self) -> Permalink {
        permalink::parse(&self.path).expect("a page's path was parsed when it was made")
    }
}

/// What a page shows.
#[derive(Debug, Clone, PartialEq)]
pub enum PageSource {
    /// One item.
    Each(EachPage),
    /// Some items of a list.
    List(ListPage),
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
#[derive(Debug, Clone, PartialEq)]
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
    pub paths: Arc<[Box<str>]>,
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
#[derive(Debug, Clone, Default)]
pub struct Alternates {
    sets: Vec<Vec<u32>>,
}

impl Alternates {
    /// The pages of a set, by index into [`Pages::pages`].
    pub fn set(&self, index: u32) -> &[u32] {
        self.sets.get(index as usize).map_or(&[], Vec::as_slice)
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
}

/// The entries of one route: by locale, in the order of the walk.
pub type RouteEntries = BTreeMap<Option<u16>, Vec<Entry>>;

/// Builds all pages. `entries[i]` are those of route `i`; `whole[i]` the locales a `page` route runs in.
pub fn build(
    site: &Site,
    evaluators: &[Evaluator],
    entries: &[RouteEntries],
    whole: &[Vec<Option<u16>>],
    problems: &mut Vec<Diagnostic>,
) -> Pages {
    let mut builder = Builder { site, pages: Pages::default(), counterparts: BTreeMap::new(), problems };
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
    /// (route, what ties counterparts together) → pages by locale.
    counterparts: BTreeMap<(u32, String), Vec<u32>>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    fn push(&mut self, route: &Route, locale: Option<u16>, path: Arc<str>, source: PageSource, tie: Option<String>) {
        let number = u32::try_from(self.pages.pages.len()).unwrap_or(u32::MAX);
        let route = u32::try_from(route.index).unwrap_or(u32::MAX);
        if let Some(tie) = tie.filter(|_| locale.is_some()) {
            self.counterparts.entry((route, tie)).or_default().push(number);
        }
        self.pages.pages.push(Page { route, locale, path, source, alternates: None });
    }

    fn each(&mut self, route: &Route, entries: &RouteEntries) {
        let route_number = u32::try_from(route.index).unwrap_or(u32::MAX);
        for (locale, list) in entries {
            for (position, entry) in list.iter().enumerate() {
                let Some(path) = &entry.path else { continue };
                let position = u32::try_from(position).unwrap_or(u32::MAX);
                let tie = entry.counterpart.as_ref().map(|tie| match &entry.variation {
                    Some(variation) => format!("{tie}\u{0}{variation}"),
                    None => tie.to_string(),
                });
                if let Ok(permalink) = permalink::parse(path)
                    && route.template.is_some()
                    && permalink.is_html()
                {
                    let link = Link {
                        route: route_number,
                        locale: *locale,
                        variation: entry.variation.clone(),
                        path: path.clone(),
                    };
                    self.pages.index.add(&entry.fragment, link);
                }
                self.push(route, *locale, path.clone(), PageSource::Each(EachPage { entry: position }), tie);
            }
        }
    }

    fn list(&mut self, route: &Route, evaluator: &Evaluator, locale: Option<u16>, list: &[Entry]) {
        let mut order: Vec<u32> = (0..u32::try_from(list.len()).unwrap_or(u32::MAX)).collect();
        if !evaluator.order().is_empty() {
            order.sort_by(|a, b| {
                let (a, b) = (&list[*a as usize], &list[*b as usize]);
                order::compare(evaluator.order(), &a.sort, &b.sort)
                    .then_with(|| a.fragment.cmp(&b.fragment))
                    .then_with(|| a.variation.cmp(&b.variation))
            });
        }
        if route.group_by.is_none() {
            if let Some(paths) = self.list_paths(route, evaluator, locale, None, order.len()) {
                self.list_pages(route, locale, None, order.into(), &paths);
            }
            return;
        }
        let mut groups: BTreeMap<GroupValue, Vec<u32>> = BTreeMap::new();
        for position in order {
            for group in &*list[position as usize].groups {
                groups.entry(group.clone()).or_default().push(position);
            }
        }
        let mut seen: BTreeMap<String, GroupValue> = BTreeMap::new();
        for (group, members) in groups {
            let Some(paths) = self.list_paths(route, evaluator, locale, Some(&group), members.len()) else {
                continue;
            };
            let first = paths.first().map(ToString::to_string).unwrap_or_default();
            if let Some(other) = seen.get(&first) {
                let message = format!("the groups `{}` and `{}` have one path, {first}", other.text(), group.text());
                self.problems.push(
                    Diagnostic::error(codes::SAME_GROUP_PATH, message)
                        .at(self.site.route_place(route))
                        .help("make the values equal in AEM, or the path tell them apart"),
                );
                continue;
            }
            seen.insert(first, group.clone());
            self.list_pages(route, locale, Some(&group), members.into(), &paths);
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
    ) -> Option<Arc<[Box<str>]>> {
        let per_page = route.per_page.unwrap_or(count.max(1));
        let pages = u32::try_from(count.div_ceil(per_page).max(1)).unwrap_or(u32::MAX);
        let paths: Result<Vec<Box<str>>, Diagnostic> =
            (1..=pages).map(|number| evaluator.list_path(locale, group, number).map(Into::into)).collect();
        match paths {
            Ok(paths) => Some(paths.into()),
            Err(problem) => {
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
        paths: &Arc<[Box<str>]>,
    ) {
        let per_page = u32::try_from(route.per_page.unwrap_or(entries.len().max(1))).unwrap_or(u32::MAX);
        for (number, path) in (1u32..).zip(paths.iter()) {
            let tie = format!("{}\u{0}{number}", group.map(GroupValue::text).unwrap_or_default());
            let source = PageSource::List(ListPage {
                group: group.cloned(),
                entries: entries.clone(),
                number,
                pages: u32::try_from(paths.len()).unwrap_or(u32::MAX),
                per_page,
                paths: paths.clone(),
            });
            self.push(route, locale, Arc::from(&**path), source, Some(tie));
        }
    }

    fn whole(&mut self, route: &Route, evaluator: &Evaluator, locale: Option<u16>) {
        match evaluator.list_path(locale, None, 1) {
            Ok(path) => self.push(route, locale, path.into(), PageSource::Whole, Some(String::new())),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn finish(mut self) -> Pages {
        for (_, mut set) in std::mem::take(&mut self.counterparts) {
            set.sort_by_key(|page| self.pages.pages[*page as usize].locale);
            // One page a locale: the first, should content tie several together.
            set.dedup_by_key(|page| self.pages.pages[*page as usize].locale);
            let index = u32::try_from(self.pages.alternates.sets.len()).ok();
            for page in &set {
                self.pages.pages[*page as usize].alternates = index;
            }
            self.pages.alternates.sets.push(set);
        }
        self.pages
    }
}
