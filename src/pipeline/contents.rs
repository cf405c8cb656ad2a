//! What a page shows, read back from the kept answers when its turn comes: a template's content, or the bytes of a page without
//! one.

use std::sync::Arc;

use tera::Value;

use super::assets::{unreadable, values};
use super::gathered::CallInfo;
use super::pass::Shared;
use crate::render::{self, Content, Paginated, World};
use crate::report::{Diagnostic, codes};
use crate::shape::{ItemReader, Location, Origin, Page, PageSource, parse_item};

/// What a render thread keeps from page to page.
#[derive(Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    /// The group read last: its pages stand one after another and share their entries.
    group: Option<(Arc<[u32]>, Value)>,
}

fn read_value(shared: &Shared, at: Location, scratch: &mut Scratch) -> Result<Value, Diagnostic> {
    shared.gathered.read(at, &mut scratch.bytes)?;
    parse_item(&scratch.bytes).map_err(|error| unreadable(&scratch.bytes, &error))
}

/// Where the item of an entry is.
fn location_of(shared: &Shared, page: &Page, entry: u32) -> Option<Location> {
    shared.gathered.entries_of(page)?.at(entry)
}

/// What gave an entry.
fn origin_of(shared: &Shared, page: &Page, entry: u32) -> Option<Origin> {
    shared.gathered.entries_of(page)?.origin(entry)
}

/// How much of a list's items is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Items {
    /// What the template can read.
    AsRead,
    /// All of it.
    Whole,
}

/// What a template sees of its own page.
pub(super) fn content(
    shared: &Shared,
    world: &World,
    page: &Page,
    items: Items,
    scratch: &mut Scratch,
) -> Result<Content, Diagnostic> {
    let mut content = Content::default();
    let variables = |call: u32| shared.gathered.calls.get(call as usize).map(|info| info.variables.clone());
    match &page.source {
        PageSource::Each(each) => {
            let Some(at) = location_of(shared, page, each.entry) else {
                return Ok(content);
            };
            content.item = Some(read_value(shared, at, scratch)?);
            content.fragment = shared.gathered.fragment_of(&world.pages, page);
            let origin = origin_of(shared, page, each.entry);
            if let Some(outer) = origin.and_then(|origin| origin.outer) {
                content.parent = Some(read_value(shared, outer, scratch)?);
            }
            if let Some(variables) = origin.and_then(|origin| variables(origin.call)) {
                content.variables = variables;
            }
        }
        PageSource::List(list) => {
            let reader = match items {
                Items::AsRead => shared.readers.get(&page.route).unwrap_or(&shared.whole),
                Items::Whole => &shared.whole,
            };
            let items = list_items(shared, page, list.on_page(), reader)?;
            if list.group.is_some() && shared.reads_groups {
                let all = list.on_page().len() == list.entries.len();
                content.group_items =
                    Some(if all { items.clone() } else { group_items(shared, page, &list.entries, scratch)? });
            }
            content.items = Some(items);
            let first = list.entries.first().and_then(|number| origin_of(shared, page, *number));
            if let Some(variables) = first.and_then(|origin| variables(origin.call)) {
                content.variables = variables;
            }
        }
        PageSource::Whole => {
            if let Some(info) = shared.gathered.whole_call(page) {
                content.data =
                    Some(parse_item(&whole_data(shared, world, info)?).map_err(|error| {
                        Diagnostic::error(codes::NOT_JSON, format!("`data` cannot be read: {error}"))
                    })?);
                content.variables = info.variables.clone();
            }
        }
    }
    Ok(content)
}

fn list_items(shared: &Shared, page: &Page, numbers: &[u32], reader: &ItemReader) -> Result<Value, Diagnostic> {
    let locations: Vec<Location> = numbers.iter().filter_map(|number| location_of(shared, page, *number)).collect();
    values(&shared.gathered, &locations, reader).map(Value::from)
}

fn group_items(shared: &Shared, page: &Page, entries: &Arc<[u32]>, scratch: &mut Scratch) -> Result<Value, Diagnostic> {
    if let Some((known, items)) = &scratch.group
        && Arc::ptr_eq(known, entries)
    {
        return Ok(items.clone());
    }
    let items = list_items(shared, page, entries, &shared.whole)?;
    scratch.group = Some((entries.clone(), items.clone()));
    Ok(items)
}

/// `data` of a call; a paged root holds the items of all its pages.
fn whole_data(shared: &Shared, world: &World, info: &CallInfo) -> Result<Vec<u8>, Diagnostic> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: &'a serde_json::value::RawValue,
    }
    let unreadable =
        |error: serde_json::Error| Diagnostic::error(codes::NOT_JSON, format!("`data` cannot be read: {error}"));
    let Some(first) = info.answers.first() else {
        return Ok(b"{}".to_vec());
    };
    let body = shared.gathered.body(*first)?;
    let data = serde_json::from_slice::<Body<'_>>(&body).map_err(unreadable)?.data.get();
    if info.answers.len() == 1 {
        return Ok(data.as_bytes().to_vec());
    }
    let mut data: serde_json::Value = serde_json::from_str(data).map_err(unreadable)?;
    let query = world.site.queries.get(&info.call.query);
    for root in query.into_iter().flat_map(|query| &query.roots).filter(|root| root.paging != crate::site::Paging::None)
    {
        let locations = info.by_root.get(&root.key).cloned().unwrap_or_default();
        let mut bytes = Vec::new();
        let mut items = Vec::with_capacity(locations.len());
        for at in locations {
            shared.gathered.read(at, &mut bytes)?;
            let item: serde_json::Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
            items.push(match root.to_items.get(1) {
                Some(node) => serde_json::json!({ node.as_str(): item }),
                None => item,
            });
        }
        if let Some(holder) = root.to_items.first().and_then(|key| data.get_mut(&root.key)?.get_mut(key)) {
            *holder = serde_json::Value::Array(items);
        }
    }
    serde_json::to_vec(&data).map_err(unreadable)
}

/// A page without a template.
pub(super) fn json(shared: &Shared, world: &World, page: &Page, scratch: &mut Scratch) -> Result<Vec<u8>, Diagnostic> {
    let unreadable = |error: serde_json::Error| {
        let problem = Diagnostic::error(codes::NOT_JSON, format!("the content of a page cannot be read: {error}"));
        match shared.gathered.fragment_of(&world.pages, page) {
            Some(fragment) => problem.fragment(fragment),
            None => problem.note("page", world.pages.path(page)),
        }
    };
    match &page.source {
        PageSource::Each(each) => {
            let Some(at) = location_of(shared, page, each.entry) else {
                return Ok(Vec::new());
            };
            shared.gathered.read(at, &mut scratch.bytes)?;
            render::each_json(&scratch.bytes).map_err(unreadable)
        }
        PageSource::List(list) => {
            let mut items: Vec<Vec<u8>> = Vec::new();
            for number in list.on_page() {
                if let Some(at) = location_of(shared, page, *number) {
                    let mut bytes = Vec::new();
                    shared.gathered.read(at, &mut bytes)?;
                    items.push(bytes);
                }
            }
            render::list_json(items.iter().map(Vec::as_slice), &Paginated::new(world, list)).map_err(unreadable)
        }
        PageSource::Whole => match shared.gathered.whole_call(page) {
            Some(info) => {
                let data = whole_data(shared, world, info)?;
                render::without_author_urls(&data).map(std::borrow::Cow::into_owned).map_err(unreadable)
            }
            None => Ok(b"{}".to_vec()),
        },
    }
}
