//! Finds the items of a response without parsing them: one pass over the body gives each item's byte range.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::value::Borrowed;
use crate::site::{Paging, Root, Shape};

/// One item in a response body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// Byte offset in the body.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
}

/// What one response holds for one root field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slice {
    /// The items, in the answer's order.
    pub items: Vec<Located>,
    /// How many items were null.
    pub nulls: usize,
    /// `pageInfo.endCursor`, when the root is paged by cursor and more follows.
    pub next: Option<String>,
    /// `pageInfo.hasNextPage`; `None` for a root that is not paged by cursor.
    pub has_next_page: Option<bool>,
}

/// The body is not a response of this query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitError {
    /// What does not fit, one line.
    pub message: String,
}

/// Splits a response body for each of `roots`, in their order.
///
/// # Errors
/// When `data` or one of the root fields is missing or has another shape.
pub fn split(body: &[u8], roots: &[&Root]) -> Result<Vec<Slice>, SplitError> {
    let text = std::str::from_utf8(body).map_err(|_| SplitError { message: "the body is not UTF-8".to_owned() })?;
    let found = Found { roots, slices: RefCell::new(vec![None; roots.len()]), base: text.as_ptr() as usize };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Seed { found: &found, level: Level::Response }
        .deserialize(&mut deserializer)
        .map_err(|error| SplitError { message: error.to_string() })?;
    found
        .slices
        .into_inner()
        .into_iter()
        .zip(roots)
        .map(|(slice, root)| {
            let slice = slice.ok_or_else(|| SplitError { message: format!("`data` has no `{}`", root.key) })?;
            match &root.paging {
                // Without this word a beginning of the list would pass for the whole, and the rest for withdrawn.
                Paging::Cursor { page_info, has_next_page, .. } if slice.has_next_page.is_none() => Err(SplitError {
                    message: format!("`{page_info}` does not say whether more follows: no boolean `{has_next_page}`"),
                }),
                _ => Ok(slice),
            }
        })
        .collect()
}

/// What has been found so far.
struct Found<'a> {
    roots: &'a [&'a Root],
    slices: RefCell<Vec<Option<Slice>>>,
    /// Address of the body: a raw value borrows from it, so its offset is the distance of the two.
    base: usize,
}

impl Found<'_> {
    fn with(&self, root: usize, change: impl FnOnce(&mut Slice)) {
        if let Some(slice) = self.slices.borrow_mut().get_mut(root) {
            change(slice.get_or_insert_default());
        }
    }

    fn item(&self, root: usize, item: &RawValue) {
        let item = item.get();
        let located = Located { start: item.as_ptr() as usize - self.base, len: item.len() };
        self.with(root, |slice| if item == "null" { slice.nulls += 1 } else { slice.items.push(located) });
    }
}

/// Where in the response a value stands; the number is that of the root.
#[derive(Clone, Copy)]
enum Level {
    Response,
    Data,
    Root(usize),
    Items(usize),
    Edges(usize),
    Edge(usize),
}

struct Seed<'s, 'a> {
    found: &'s Found<'a>,
    level: Level,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.level {
            Level::Items(_) | Level::Edges(_) => deserializer.deserialize_seq(self),
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Response => out.write_str("a GraphQL response"),
            Level::Data => out.write_str("an object in `data`"),
            Level::Root(root) => write!(out, "an object in `{}`", self.found.roots[root].key),
            Level::Items(root) | Level::Edges(root) | Level::Edge(root) => {
                write!(out, "a list in `{}.{}`", self.found.roots[root].key, self.found.roots[root].to_items[0])
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        match self.level {
            Level::Edges(root) => {
                while seq.next_element_seed(Seed { found: self.found, level: Level::Edge(root) })?.is_some() {}
            }
            Level::Items(root) => {
                while let Some(item) = seq.next_element::<&RawValue>()? {
                    self.found.item(root, item);
                }
            }
            _ => while seq.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Level::Root(root) = self.level {
            self.found.with(root, |_| {});
        }
        let mut node_found = false;
        while let Some(key) = map.next_key_seed(Borrowed)? {
            let below = |level| Seed { found: self.found, level };
            match self.level {
                Level::Response if key == "data" => map.next_value_seed(below(Level::Data))?,
                Level::Data => match self.found.roots.iter().position(|root| root.key == key) {
                    Some(root) => map.next_value_seed(below(Level::Root(root)))?,
                    None => skip(&mut map)?,
                },
                Level::Root(root) => self.root_member(root, &key, &mut map)?,
                Level::Edge(root) if self.found.roots[root].to_items.get(1).is_some_and(|node| *node == key) => {
                    self.found.item(root, map.next_value::<&RawValue>()?);
                    node_found = true;
                }
                _ => skip(&mut map)?,
            }
        }
        match self.level {
            Level::Edge(root) if !node_found => {
                let node = self.found.roots[root].to_items.get(1).map_or("node", String::as_str);
                Err(serde::de::Error::custom(format!("an edge has no `{node}`")))
            }
            _ => Ok(()),
        }
    }
}

impl Seed<'_, '_> {
    fn root_member<'de, A: MapAccess<'de>>(&self, number: usize, key: &str, map: &mut A) -> Result<(), A::Error> {
        let root = self.found.roots[number];
        if root.to_items.first().is_some_and(|holder| holder == key) {
            return match root.shape {
                Shape::Edges => map.next_value_seed(Seed { found: self.found, level: Level::Edges(number) }),
                Shape::Items => map.next_value_seed(Seed { found: self.found, level: Level::Items(number) }),
                Shape::Item | Shape::Other => {
                    self.found.item(number, map.next_value::<&RawValue>()?);
                    Ok(())
                }
            };
        }
        match &root.paging {
            Paging::Cursor { page_info, end_cursor, has_next_page, .. } if page_info == key => {
                let info: serde_json::Value = map.next_value()?;
                self.found.with(number, |slice| {
                    slice.has_next_page = info[has_next_page.as_str()].as_bool();
                    slice.next = info[end_cursor.as_str()].as_str().map(str::to_owned);
                });
                Ok(())
            }
            _ => skip(map),
        }
    }
}

fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}
