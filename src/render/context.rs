//! What a template sees (design §5).

use tera::{Context, Map, Value};

use super::World;
use crate::shape::{ListPage, Page};
use crate::site::Site;
use crate::text::permalink;

/// The content of one page.
#[derive(Debug, Clone)]
pub struct Content {
    /// The item of an `each` page.
    pub item: Option<Value>,
    /// The outer item, with `for_each`.
    pub parent: Option<Value>,
    /// The items of a list page.
    pub items: Option<Value>,
    /// All items of the group.
    pub group_items: Option<Value>,
    /// `data` of a `page` route.
    pub data: Option<Value>,
    /// The variables that the query was run with.
    pub variables: Value,
    /// The content fragment, for messages.
    pub fragment: Option<String>,
}

impl Default for Content {
    fn default() -> Self {
        Content {
            item: None,
            parent: None,
            items: None,
            group_items: None,
            data: None,
            variables: Value::from(Map::new()),
            fragment: None,
        }
    }
}

/// The context of one page.
pub(super) fn build(world: &World, site_value: &Value, page: &Page, template: &str, content: &Content) -> Context {
    let mut context = Context::new();
    context.insert_value("site", site_value.clone());
    context.insert_value("page", page_value(world, page, template));
    context.insert_value("variables", content.variables.clone());
    if let Some(item) = &content.item {
        context.insert_value("item", item.clone());
        context.insert_value("parent", content.parent.clone().unwrap_or_else(Value::none));
    }
    if let crate::shape::PageSource::List(list) = &page.source {
        context.insert_value("items", content.items.clone().unwrap_or_else(|| Value::from(Vec::<Value>::new())));
        context.insert_value("paginator", Value::from_serializable(&Paginated::new(world, list)));
        if let Some(group) = &list.group {
            context.insert_value("group", group.to_value());
            if let Some(items) = &content.group_items {
                context.insert_value("group_items", items.clone());
            }
        }
    }
    if let Some(data) = &content.data {
        context.insert_value("data", data.clone());
    }
    context
}

fn page_value(world: &World, page: &Page, template: &str) -> Value {
    let site = &world.site;
    let permalink = world.pages.permalink(page);
    let url = public_url(site, permalink.url());
    let mut value = Map::new();
    value.insert("permalink".into(), Value::from(absolute_url(site, &url)));
    value.insert("url".into(), Value::from(url));
    value.insert("path".into(), Value::from(world.pages.path(page)));
    value.insert("template".into(), Value::from(template));
    value.insert("route".into(), Value::from(site.routes[page.route as usize].name.as_str()));
    value.insert("locale".into(), locale_value(site, page.locale));
    value.insert("alternates".into(), alternates(world, page));
    Value::from(value)
}

fn locale_value(site: &Site, locale: Option<u16>) -> Value {
    site.locale_code(locale).map_or_else(Value::none, Value::from)
}

/// The page's counterparts in all locales, itself included, in the order of `[site] locales`.
fn alternates(world: &World, page: &Page) -> Value {
    let Some(set) = page.alternates else {
        return Value::from(Vec::<Value>::new());
    };
    let site = &world.site;
    let all = world.pages.alternates.set(set).iter().map(|index| {
        let other = &world.pages.pages[*index as usize];
        let url = public_url(site, world.pages.permalink(other).url());
        let mut value = Map::new();
        value.insert("locale".into(), locale_value(site, other.locale));
        value.insert("permalink".into(), Value::from(absolute_url(site, &url)));
        value.insert("url".into(), Value::from(url));
        Value::from(value)
    });
    Value::from(all.collect::<Vec<_>>())
}

/// A root-relative URL as the web sees it: below the path of `base_url`.
pub(super) fn public_url(site: &Site, url: &str) -> String {
    match &site.config.site.base_url {
        Some(base) => format!("{}{url}", base.path().trim_end_matches('/')),
        None => url.to_owned(),
    }
}

/// Scheme and host before a root-relative URL; an absolute URL, or one without `base_url`, stays as it is.
pub(super) fn absolute_url(site: &Site, url: &str) -> String {
    match &site.config.site.base_url {
        Some(base) if url.starts_with('/') && !url.starts_with("//") => {
            format!("{}{url}", base.origin().ascii_serialization())
        }
        _ => url.to_owned(),
    }
}

/// `paginator`, for templates and for JSON.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Paginated {
    /// This page, from 1.
    pub number: u32,
    /// Pages in all.
    pub total: u32,
    /// Items a page.
    pub per_page: u32,
    /// Items in all.
    pub count: usize,
    /// URL of the first page.
    pub first: String,
    /// URL of the page before.
    pub previous: Option<String>,
    /// URL of the page after.
    pub next: Option<String>,
    /// URL of the last page.
    pub last: String,
}

impl Paginated {
    /// The paginator of a list page.
    pub fn new(world: &World, list: &ListPage) -> Self {
        let url = |number: u32| {
            let path = number.checked_sub(1).and_then(|index| list.paths.get(index as usize))?;
            let link = permalink::parse(world.pages.texts.get(*path)).ok()?;
            Some(public_url(&world.site, link.url()))
        };
        Paginated {
            number: list.number,
            total: list.pages,
            per_page: list.per_page,
            count: list.entries.len(),
            first: url(1).unwrap_or_default(),
            previous: url(list.number - 1),
            next: url(list.number + 1),
            last: url(list.pages).unwrap_or_default(),
        }
    }
}
