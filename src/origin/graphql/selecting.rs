//! Which items a list or a page holds: locale, variations, filter, order, part (protocol §5.2 to §5.5).

use std::cmp::Ordering;

use apollo_compiler::response::{JsonMap, JsonValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::content::repository::{Item, Repository};
use super::filter;
use super::matching::Matcher;
use super::scalar::Scalar;
use super::sort::{self, SortKey};

/// `first` where none is given (protocol §5.4).
const DEFAULT_FIRST: usize = 50;
/// The most one page holds. What AEM does above is not documented; a page is cut to it, so that a walk still ends.
const MOST_FIRST: usize = 100;

/// An item with what orders it.
struct Ordered<'a> {
    item: Item<'a>,
    values: Vec<JsonValue>,
    scalars: Vec<Scalar<'static>>,
}

impl<'a> Ordered<'a> {
    fn new(item: Item<'a>, keys: &[SortKey], repository: &'a Repository, wanted: Option<&str>) -> Self {
        let values = sort::values(keys, item, repository, wanted);
        Self { item, scalars: sort::scalars(keys, &values), values }
    }
}

/// One page of `bPaginated`.
pub(in crate::origin) struct ItemPage<'a> {
    pub items: Vec<(Item<'a>, String)>,
    pub has_next: bool,
    pub has_previous: bool,
}

/// The items of `bList`.
///
/// # Errors
/// A sentence about the argument that is wrong.
pub(in crate::origin) fn list<'a>(
    repository: &'a Repository,
    model: usize,
    arguments: &'a JsonMap,
) -> Result<Vec<Item<'a>>, String> {
    let keys = sort_keys(repository, model, arguments)?;
    let offset = count(arguments, "offset")?.unwrap_or(0);
    let limit = count(arguments, "limit")?.unwrap_or(usize::MAX);
    let mut items = matching(repository, model, arguments)?;
    if !keys.is_empty() {
        // The sort is stable, so equal items stay in order of path.
        let wanted = text(arguments, "variation");
        let ordered = items.into_iter().map(|item| Ordered::new(item, &keys, repository, wanted));
        let mut ordered: Vec<Ordered<'_>> = ordered.collect();
        ordered.sort_by(|a, b| sort::compare(&keys, &a.scalars, &b.scalars));
        items = ordered.into_iter().map(|ordered| ordered.item).collect();
    }
    Ok(items.into_iter().skip(offset).take(limit).collect())
}

/// One page of `bPaginated`. Default order is the UUID, which is also the last key of a sort (protocol §5.4).
///
/// # Errors
/// A sentence about the argument that is wrong, a cursor that is none included.
pub(in crate::origin) fn page<'a>(
    repository: &'a Repository,
    model: usize,
    arguments: &'a JsonMap,
) -> Result<ItemPage<'a>, String> {
    let keys = sort_keys(repository, model, arguments)?;
    let first = count(arguments, "first")?.unwrap_or(DEFAULT_FIRST).min(MOST_FIRST);
    let wanted = text(arguments, "variation");
    let items = matching(repository, model, arguments)?.into_iter();
    let mut ordered: Vec<Ordered<'_>> = items.map(|item| Ordered::new(item, &keys, repository, wanted)).collect();
    let compare = |a: &Ordered<'_>, b: &(&[Scalar<'_>], &str, &str)| {
        let by_keys = sort::compare(&keys, &a.scalars, b.0);
        by_keys.then_with(|| a.item.fragment.id.as_str().cmp(b.1)).then_with(|| rank(a.item).cmp(b.2))
    };
    ordered.sort_by(|a, b| compare(a, &(&b.scalars, &b.item.fragment.id, rank(b.item))));
    let start = match text(arguments, "after").filter(|after| !after.is_empty()) {
        None => 0,
        Some(after) => {
            let (values, id, variation) =
                parse_cursor(after, &keys).ok_or_else(|| format!("Invalid cursor '{after}'"))?;
            ordered.partition_point(|item| compare(item, &(&values, &id, &variation)) != Ordering::Greater)
        }
    };
    let has_next = ordered.len() - start > first;
    let items = ordered.into_iter().skip(start).take(first).map(|ordered| (ordered.item, cursor(&ordered))).collect();
    Ok(ItemPage { items, has_next, has_previous: start > 0 })
}

fn matching<'a>(repository: &'a Repository, model: usize, arguments: &'a JsonMap) -> Result<Vec<Item<'a>>, String> {
    let wanted = text(arguments, "variation");
    let all = arguments.get("includeVariations").and_then(JsonValue::as_bool).unwrap_or(false);
    let json = arguments.get("filter").and_then(JsonValue::as_object);
    if all && json.is_some_and(filter::names_variation) {
        return Err("'includeVariations' cannot be combined with a filter on '_variation'".to_owned());
    }
    let compile = |json| filter::compile(json, &repository.models[model], &repository.models);
    let filter = json.map(compile).transpose()?;
    let locale = text(arguments, "_locale").map(folded_locale);
    let matcher = Matcher { repository, wanted };
    let mut items = Vec::new();
    for fragment in repository.fragments_of(model) {
        if locale.as_ref().is_some_and(|locale| !lies_in(&fragment.path, locale)) {
            continue;
        }
        let master = if all { None } else { fragment.variation(wanted) };
        let others = if all { fragment.variations.len() } else { 0 };
        let variations = std::iter::once(master).chain((0..others).map(Some));
        let candidates = variations.map(|variation| Item { fragment, variation });
        items.extend(candidates.filter(|item| filter.as_ref().is_none_or(|filter| matcher.passes(filter, *item))));
    }
    Ok(items)
}

fn sort_keys(repository: &Repository, model: usize, arguments: &JsonMap) -> Result<Vec<SortKey>, String> {
    sort::compile(text(arguments, "sort").unwrap_or(""), &repository.models[model], &repository.models)
}

/// A language folder anywhere in the path. Case and `-` or `_` are not documented; either spelling is taken (protocol §5.5).
fn lies_in(path: &str, locale: &str) -> bool {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').any(|folder| folder.len() == locale.len() && folded_locale(folder) == locale)
}

fn folded_locale(locale: &str) -> String {
    locale.to_ascii_lowercase().replace('-', "_")
}

/// The variations of one fragment come after their master, by name.
fn rank(item: Item<'_>) -> &str {
    item.variation.map_or("", |variation| &item.fragment.variations[variation].name)
}

fn text<'a>(arguments: &'a JsonMap, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(JsonValue::as_str)
}

fn count(arguments: &JsonMap, name: &str) -> Result<Option<usize>, String> {
    let Some(number) = arguments.get(name).and_then(JsonValue::as_i64) else {
        return Ok(None);
    };
    usize::try_from(number).map(Some).map_err(|_| format!("Argument '{name}' must not be negative: {number}"))
}

/// Opaque to clients: sort values (JSON, no newline), UUID, variation, a line each. Holding the values and not a position,
/// it stays good when items come and go between two pages.
fn cursor(ordered: &Ordered<'_>) -> String {
    let values = JsonValue::Array(ordered.values.clone());
    BASE64.encode(format!("{values}\n{}\n{}", ordered.item.fragment.id, rank(ordered.item)))
}

fn parse_cursor(cursor: &str, keys: &[SortKey]) -> Option<(Vec<Scalar<'static>>, String, String)> {
    let text = String::from_utf8(BASE64.decode(cursor).ok()?).ok()?;
    let mut lines = text.splitn(3, '\n');
    let values: Vec<JsonValue> = serde_json::from_str(lines.next()?).ok()?;
    let (id, variation) = (lines.next()?.to_owned(), lines.next()?.to_owned());
    if values.len() != keys.len() {
        return None; // a cursor of another sort
    }
    Some((sort::scalars(keys, &values), id, variation))
}
