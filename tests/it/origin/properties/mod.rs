//! Random content, filters, sorts and page sizes: a filter selects what it means, a sort orders by it, and walking the pages
//! gives the unpaged list, each item once, in order. What filters and sorts mean is written a second time in `meaning`.

mod given;
mod meaning;

use std::cmp::Ordering;

use aem_static::origin::Running;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use self::given::{Ask, World};
use self::meaning::Item;
use super::{http, serve};

/// Path and variation of items, as they come.
type Names = Vec<(String, String)>;

const LIST: &str = "query($filter: NoteModelFilter, $sort: String, $offset: Int, $limit: Int, $variation: String, $all: Boolean) {
  noteList(filter: $filter, sort: $sort, offset: $offset, limit: $limit, variation: $variation, includeVariations: $all) {
    items { _path _variation } } }";

const PAGE: &str = "query($filter: NoteModelFilter, $sort: String, $first: Int, $after: String, $variation: String, $all: Boolean) {
  notePaginated(filter: $filter, sort: $sort, first: $first, after: $after, variation: $variation, includeVariations: $all) {
    edges { cursor node { _path _variation } } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }";

fn names(values: &[Value]) -> Names {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    values.iter().map(|value| (text(&value["_path"]), text(&value["_variation"]))).collect()
}

async fn data(origin: &Running, query: &str, ask: &Ask, more: Value) -> Value {
    let mut variables =
        json!({"filter": ask.filter.json(), "sort": ask.sort(), "variation": ask.variation, "all": ask.all});
    for (name, value) in more.as_object().unwrap() {
        variables[name] = value.clone();
    }
    let answer = http::query(origin.url(), query, variables).await;
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"].clone()
}

async fn list(origin: &Running, ask: &Ask, more: Value) -> Names {
    let data = data(origin, LIST, ask, more).await;
    names(data["noteList"]["items"].as_array().unwrap())
}

/// Offset after offset, until a page is not full.
async fn by_offset(origin: &Running, ask: &Ask) -> Names {
    let mut all = Vec::new();
    loop {
        let page = list(origin, ask, json!({"offset": all.len(), "limit": ask.size})).await;
        let last = page.len() < ask.size;
        assert!(page.len() <= ask.size);
        all.extend(page);
        if last {
            return all;
        }
    }
}

/// Cursor after cursor, until there is no next page; every page says the truth about itself.
async fn by_cursor(origin: &Running, ask: &Ask, size: usize) -> Names {
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = data(origin, PAGE, ask, json!({"first": size, "after": after})).await;
        let (edges, info) = (data["notePaginated"]["edges"].as_array().unwrap(), &data["notePaginated"]["pageInfo"]);
        let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
        assert_eq!((&info["startCursor"], &info["endCursor"]), (&cursor(edges.first()), &cursor(edges.last())));
        assert_eq!(info["hasPreviousPage"], json!(!all.is_empty()));
        let nodes: Vec<Value> = edges.iter().map(|edge| edge["node"].clone()).collect();
        all.extend(names(&nodes));
        if info["hasNextPage"] == json!(false) {
            return all;
        }
        assert_eq!(edges.len(), size, "only the last page may be short");
        assert!(all.len() <= 100, "the pages do not end");
        after = info["endCursor"].clone();
    }
}

/// What the ask means; `ties` orders what its sort leaves equal.
fn meant(world: &World, ask: &Ask, ties: impl Fn(&Item<'_>, &Item<'_>) -> Ordering) -> Names {
    let (nodes, variation) = (&world.nodes, ask.variation.as_deref());
    let candidates = world.notes().flat_map(|node| {
        let master = Item { node, short: false };
        let short = node.short.as_ref().map(|_| Item { node, short: true });
        if ask.all { vec![Some(master), short] } else { vec![Some(Item::wanted(node, variation))] }
    });
    let mut items: Vec<Item<'_>> =
        candidates.flatten().filter(|item| ask.filter.holds(nodes, *item, variation)).collect();
    items.sort_by(|a, b| meaning::ordered(nodes, &ask.keys, variation, *a, *b).then_with(|| ties(a, b)));
    items.iter().map(|item| (item.node.path.clone(), item.variation().to_owned())).collect()
}

async fn check(world: &World, asks: &[Ask]) {
    let dir = world.written();
    let origin = serve(&dir.path().join("content"), None).await;
    assert_eq!(origin.problems(), []);
    for ask in asks {
        let unpaged = list(&origin, ask, json!({})).await;
        // Lists go by path, pages by identifier, where the sort decides nothing.
        let by_path = |a: &Item<'_>, b: &Item<'_>| (&a.node.path, a.short).cmp(&(&b.node.path, b.short));
        assert_eq!(unpaged, meant(world, ask, by_path), "the list is not what the filter and the sort mean");
        assert_eq!(by_offset(&origin, ask).await, unpaged, "by offset");
        let by_id = |a: &Item<'_>, b: &Item<'_>| (&a.node.id, a.short).cmp(&(&b.node.id, b.short));
        let walked = by_cursor(&origin, ask, ask.size).await;
        assert_eq!(walked, meant(world, ask, by_id), "by cursor");
        assert_eq!(walked, by_cursor(&origin, ask, 100).await, "the size of pages changes what they hold");
    }
    origin.stop().await;
}

#[test]
fn filters_sorts_and_walks_are_what_they_mean() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let strategy = (given::world(), proptest::collection::vec(given::ask(), 1..20));
    let result = runner.run(&strategy, |(world, asks)| {
        runtime.block_on(check(&world, &asks));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// The property above means little if nearly every filter selects all or nothing.
#[test]
fn the_random_filters_select_some() {
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let counts = std::cell::Cell::new((0, 0));
    let result = runner.run(&(given::world(), given::ask()), |(world, ask)| {
        let all = Ask { filter: given::everything(), ..ask.clone() };
        let (selected, all) =
            (meant(&world, &ask, |_, _| Ordering::Equal).len(), meant(&world, &all, |_, _| Ordering::Equal).len());
        let (some, cases) = counts.get();
        counts.set((some + usize::from(selected > 0 && selected < all), cases + 1));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let (some, cases) = counts.get();
    assert!(some * 4 > cases, "{some} of {cases}");
}
