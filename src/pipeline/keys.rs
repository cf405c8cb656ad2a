//! A page's key (design §8): digests of everything that its bytes are made from. A page whose key, made with today's results, is
//! that of the last build would be rendered to the same bytes, and is not rendered.
//!
//! | part | what is in it |
//! | --- | --- |
//! | set-up | version of the tool, `[site]`, the route's name, kind and template, sources of the template's closure, whether `dump()` is let |
//! | content | digests of the items shown, of the outer item, the variables |
//! | place | path, locale, counterparts, group, pagination |
//! | results | of everything that the last render read besides: queries, links, assets, files of static/; "nothing there" included |
//!
//! What is not in it: what templates cannot reach. There is no clock, no chance, no environment, no file.

use std::collections::BTreeMap;

use super::gathered::Gathered;
use super::kept::Digests;
use crate::render::{AssetRequest, LinkRequest, QueryRequest, Reads, World};
use crate::shape::{ListPage, Location, Page, PageSource, Pages};
use crate::site::{Route, Site};
use crate::state::{Key, Read, Setup};

/// A digest over parts, each with its length, so that no two lists of parts look alike.
#[derive(Clone, Default)]
pub(super) struct Digest(blake3::Hasher);

impl Digest {
    pub(super) fn part(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        self
    }

    pub(super) fn key(&self) -> Key {
        self.0.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
    }
}

/// What makes keys, once everything is gathered.
pub(super) struct Keys {
    digests: Vec<Digests>,
    /// By call: digest of its variables.
    variables: Vec<Key>,
    /// By route.
    pub(super) setups: Vec<Setup>,
    reads_groups: bool,
}

impl Keys {
    pub(super) fn new(site: &Site, gathered: &Gathered, reads_groups: bool, dump: bool) -> Self {
        let variables = gathered.calls.iter().map(|info| variables_of(&info.call.variables));
        Keys {
            digests: gathered.gatherer.all_digests(),
            variables: variables.collect(),
            setups: site.routes.iter().map(|route| setup(site, route, dump)).collect(),
            reads_groups,
        }
    }

    fn item(&self, at: Location, into: &mut Digest) {
        let items = self.digests.get(at.answer as usize);
        let found = items.and_then(|items| {
            let row = items.binary_search_by_key(&at.start, |(start, _)| *start).ok()?;
            Some(items[row].1)
        });
        // Every item that is placed has a digest; one without would never be equal to another.
        into.part(found.unwrap_or_default());
    }

    /// Digest of what a page shows.
    pub(super) fn content(&self, gathered: &Gathered, page: &Page) -> Key {
        let mut digest = Digest::default();
        let variables = |call: u32| self.variables.get(call as usize).copied().unwrap_or_default();
        let entries = gathered.entries_of(page);
        match &page.source {
            PageSource::Each(each) => {
                let Some(entries) = entries else { return digest.key() };
                if let Some(at) = entries.at(each.entry) {
                    self.item(at, &mut digest);
                }
                if let Some(origin) = entries.origin(each.entry) {
                    digest.part(variables(origin.call));
                    if let Some(outer) = origin.outer {
                        self.item(outer, &mut digest);
                    }
                }
            }
            PageSource::List(list) => {
                let Some(entries) = entries else { return digest.key() };
                list.on_page().iter().filter_map(|entry| entries.at(*entry)).for_each(|at| self.item(at, &mut digest));
                digest.part("variables");
                if let Some(origin) = list.entries.first().and_then(|first| entries.origin(*first)) {
                    digest.part(variables(origin.call));
                }
                if list.group.is_some() && self.reads_groups {
                    digest.part("group");
                    let all = list.entries.iter().filter_map(|entry| entries.at(*entry));
                    all.for_each(|at| self.item(at, &mut digest));
                }
            }
            PageSource::Whole => {
                if let Some(info) = gathered.whole_call(page) {
                    digest.part(variables_of(&info.call.variables));
                    for number in &info.answers {
                        digest.part(gathered.answers[*number as usize].digest());
                    }
                }
            }
        }
        digest.key()
    }

    /// The set-up of a page.
    pub(super) fn setup(&self, page: &Page) -> &Setup {
        &self.setups[page.route as usize]
    }
}

fn variables_of(variables: &serde_json::Map<String, serde_json::Value>) -> Key {
    let sorted: BTreeMap<_, _> = variables.iter().collect();
    Digest::default().part(serde_json::to_vec(&sorted).unwrap_or_default()).key()
}

/// Digest of what a page is told about itself.
pub(super) fn place(site: &Site, pages: &Pages, page: &Page) -> Key {
    let mut digest = Digest::default();
    digest.part(pages.path(page)).part(site.locale_code(page.locale).unwrap_or_default());
    if let Some(set) = page.alternates {
        for other in pages.alternates.set(set).iter().map(|number| &pages.pages[*number as usize]) {
            digest.part(site.locale_code(other.locale).unwrap_or_default()).part(pages.path(other));
        }
    }
    if let PageSource::List(list) = &page.source {
        let ListPage { group, entries, number, pages: total, per_page, paths } = &**list;
        let numbers = [*number, *total, *per_page, u32::try_from(entries.len()).unwrap_or(u32::MAX)];
        digest.part("list").part(format!("{group:?}"));
        numbers.iter().for_each(|number| {
            digest.part(number.to_le_bytes());
        });
        // The first page, those beside this one, the last.
        for neighbour in [1, number.saturating_sub(1), number.saturating_add(1), *total] {
            let path = neighbour.checked_sub(1).and_then(|index| paths.get(index as usize));
            digest.part(path.map_or("", |path| pages.texts.get(*path)));
        }
    }
    digest.key()
}

fn setup(site: &Site, route: &Route, dump: bool) -> Setup {
    let mut digest = Digest::default();
    digest.part(env!("CARGO_PKG_VERSION")).part(route.kind.key()).part(&route.name);
    let mut templates = Vec::new();
    if let Some(template) = &route.template {
        digest.part(format!("{:?}", site.config.site)).part(template);
        let closure = site.templates.closure(template);
        for name in &closure {
            let source = site.templates.source(name).unwrap_or_default();
            digest.part(name).part(source);
            // What a preview shows there, a build refuses.
            if dump && source.contains("dump") {
                digest.part("dump");
            }
        }
        let others = closure.into_iter().filter(|name| name != template).map(str::to_owned);
        templates = std::iter::once(template.clone()).chain(others).collect();
    } else if let Some(base) = &site.config.site.base_url {
        // A list's paginator has URLs.
        digest.part(base.as_str());
    }
    Setup { key: digest.key(), route: route.name.clone(), query: route.query.clone(), templates }
}

/// What a render read, as it is recorded.
pub(super) fn recorded(reads: &Reads) -> Vec<Read> {
    let mut all: Vec<Read> = reads.queries.values().map(|request| Read::Query(json(request))).collect();
    all.extend(reads.links.iter().map(|request| Read::Link(json(request))));
    all.extend(reads.assets.iter().map(|request| Read::Asset(request.location.clone())));
    all.extend(reads.static_files.iter().cloned().map(Read::Static));
    all
}

/// A request as text; one of texts and JSON always can be written.
fn json(request: &impl serde::Serialize) -> String {
    serde_json::to_string(request).unwrap_or_default()
}

/// Today's results of reads.
pub(super) struct Results<'a> {
    pub(super) world: &'a World,
    /// By key of the request.
    pub(super) queries: &'a BTreeMap<String, Key>,
}

impl Results<'_> {
    /// The digest of one result; "nothing there" is one.
    pub(super) fn of(&self, read: &Read) -> Key {
        let mut digest = Digest::default();
        match read {
            Read::Query(json) => {
                let request = serde_json::from_str::<QueryRequest>(json).ok();
                let result = request.and_then(|request| self.queries.get(&request.key()));
                digest.part("query").part(result.map_or(&[][..], |key| &key[..]));
            }
            Read::Link(json) => {
                let request = serde_json::from_str::<LinkRequest>(json).ok();
                let url = request.and_then(|request| request.resolve(self.world));
                digest.part("link").part(url.unwrap_or_default());
            }
            Read::Asset(location) => {
                digest.part("asset");
                match AssetRequest::new(location).and_then(|request| self.world.assets.get(&request)) {
                    Some(Ok(asset)) => digest.part(format!("{asset:?}")),
                    other => digest.part(format!("none {}", other.is_some())),
                };
            }
            Read::Static(file) => {
                let found = self.world.site.static_files.0.get(file);
                digest.part("static").part(found.map_or("", |file| &file.digest));
            }
        }
        digest.key()
    }

    /// The digest of all results of a page.
    pub(super) fn of_all<'r>(&self, reads: impl IntoIterator<Item = &'r Read>) -> Key {
        together(reads.into_iter().map(|read| self.of(read)))
    }
}

/// One digest of many. Reads are numbered anew in every build, so their order says nothing.
pub(super) fn together(keys: impl Iterator<Item = Key>) -> Key {
    let mut keys: Vec<Key> = keys.collect();
    keys.sort_unstable();
    let mut digest = Digest::default();
    for key in keys {
        digest.part(key);
    }
    digest.key()
}
