//! Which items a list or a page holds: locale, variations, filter, order, part (protocol §5.2 to §5.5).

use std::cmp::Ordering;

use apollo_compiler::response::{JsonMap, JsonValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::content::repository::{Item, Repository};
use super::filter;
use super::matching::Matcher;
use super::orders::{Order, Orders, Place};
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
    fn new(item: Item<'a>, keys: &[SortKey], selection: &Selection<'a>) -> Self {
        let values = sort::values(keys, item, selection.repository, selection.text("variation"));
        Self { item, scalars: sort::scalars(keys, &values), values }
    }
}

/// One page of `bPaginated`.
pub(in crate::origin) struct ItemPage<'a> {
    pub items: Vec<(Item<'a>, String)>,
    pub has_next: bool,
    pub has_previous: bool,
}

/// What decides where the sort leaves two items equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ties {
    Path,
    Identifier,
}

/// A question for items: what the arguments of a root field say of them.
pub(in crate::origin) struct Selection<'a> {
    pub repository: &'a Repository,
    pub orders: &'a Orders,
    /// For each model: does the endpoint see it?
    pub seen: &'a [bool],
    pub model: usize,
    pub arguments: &'a JsonMap,
}

impl<'a> Selection<'a> {
    /// The items of `bList`.
    ///
    /// # Errors
    /// A sentence about the argument that is wrong.
    pub fn list(&self) -> Result<Vec<Item<'a>>, String> {
        let keys = self.sort_keys()?;
        let offset = count(self.arguments, "offset")?.unwrap_or(0);
        let limit = count(self.arguments, "limit")?.unwrap_or(usize::MAX);
        let order = self.order(&keys, Ties::Path)?;
        Ok(order.iter().skip(offset).take(limit).map(|place| place.item(self.repository)).collect())
    }

    /// One page of `bPaginated`. Default order is the UUID, which is also the last key of a sort (protocol §5.4).
    ///
    /// # Errors
    /// A sentence about the argument that is wrong, a cursor that is none included.
    pub fn page(&self) -> Result<ItemPage<'a>, String> {
        let keys = self.sort_keys()?;
        let first = count(self.arguments, "first")?.unwrap_or(DEFAULT_FIRST).min(MOST_FIRST);
        let order = self.order(&keys, Ties::Identifier)?;
        let ordered = |place: &Place| Ordered::new(place.item(self.repository), &keys, self);
        let start = match self.text("after").filter(|after| !after.is_empty()) {
            None => 0,
            Some(after) => {
                let (values, id, variation) =
                    parse_cursor(after, &keys).ok_or_else(|| format!("Invalid cursor '{after}'"))?;
                let left = (values.as_slice(), id.as_str(), variation.as_str());
                order.partition_point(|place| by_identifier(&keys, &ordered(place), left).is_le())
            }
        };
        let items = order.iter().skip(start).take(first).map(ordered);
        let items = items.map(|ordered| (ordered.item, cursor(&ordered))).collect();
        Ok(ItemPage { items, has_next: order.len() - start > first, has_previous: start > 0 })
    }

    /// Every item the arguments select, in order; kept, since pages ask for it one after another.
    fn order(&self, keys: &[SortKey], ties: Ties) -> Result<Order, String> {
        let decisive = ["_locale", "variation", "includeVariations", "filter", "sort"];
        let arguments = decisive.map(|name| self.arguments.get(name).cloned().unwrap_or(JsonValue::Null));
        let mut question = vec![self.model.into(), (ties == Ties::Path).into()];
        question.extend(arguments);
        self.orders.get(&JsonValue::Array(question), || self.make_order(keys, ties))
    }

    fn make_order(&self, keys: &[SortKey], ties: Ties) -> Result<Order, String> {
        let places = self.matching()?;
        // Places come by path, variations of a fragment in their order.
        if ties == Ties::Path && keys.is_empty() {
            return Ok(places.into());
        }
        let with_keys = |place: Place| (Ordered::new(place.item(self.repository), keys, self), place);
        let mut ordered: Vec<(Ordered<'_>, Place)> = places.into_iter().map(with_keys).collect();
        // The sort is stable, so equal items of a list stay in order of path.
        ordered.sort_by(|(a, _), (b, _)| match ties {
            Ties::Path => sort::compare(keys, &a.scalars, &b.scalars),
            Ties::Identifier => by_identifier(keys, a, (&b.scalars, &b.item.fragment.id, rank(b.item))),
        });
        Ok(ordered.into_iter().map(|(_, place)| place).collect())
    }

    fn matching(&self) -> Result<Vec<Place>, String> {
        let Self { repository, arguments, model, .. } = *self;
        let wanted = self.text("variation");
        let all = arguments.get("includeVariations").and_then(JsonValue::as_bool).unwrap_or(false);
        let json = arguments.get("filter").and_then(JsonValue::as_object);
        if all && json.is_some_and(filter::names_variation) {
            return Err("'includeVariations' cannot be combined with a filter on '_variation'".to_owned());
        }
        let compile = |json| filter::compile(json, &repository.models[model], &repository.models);
        let filter = json.map(compile).transpose()?;
        let locale = self.text("_locale").map(folded_locale);
        let matcher = Matcher { repository, wanted };
        let mut places = Vec::new();
        for position in repository.positions_of(model) {
            let fragment = repository.at(*position);
            if locale.as_ref().is_some_and(|locale| !lies_in(&fragment.path, locale)) {
                continue;
            }
            let master = if all { None } else { fragment.variation(wanted) };
            let others = if all { fragment.variations.len() } else { 0 };
            let variations = std::iter::once(master).chain((0..others).map(Some));
            let candidates = variations.map(|variation| Item { fragment, variation });
            let passing = candidates.filter(|item| filter.as_ref().is_none_or(|filter| matcher.passes(filter, *item)));
            places.extend(passing.filter_map(|item| Place::new(*position, item.variation)));
        }
        Ok(places)
    }

    fn sort_keys(&self) -> Result<Vec<SortKey>, String> {
        let models = &self.repository.models;
        sort::compile(self.text("sort").unwrap_or(""), &models[self.model], models, self.seen)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.arguments.get(name).and_then(JsonValue::as_str)
    }
}

/// Compares an item with what another, or a cursor, has of sort values, identifier and variation.
fn by_identifier(keys: &[SortKey], a: &Ordered<'_>, b: (&[Scalar<'_>], &str, &str)) -> Ordering {
    let by_keys = sort::compare(keys, &a.scalars, b.0);
    by_keys.then_with(|| a.item.fragment.id.as_str().cmp(b.1)).then_with(|| rank(a.item).cmp(b.2))
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
