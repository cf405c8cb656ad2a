//! Finds the items of a response without parsing them: one pass over the body gives each item's byte range.

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
    /// Whether `pageInfo.hasNextPage` is true.
    pub has_next_page: bool,
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
    let mut slices: Vec<Option<Slice>> = vec![None; roots.len()];
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let visitor = Members(|key: &str, map: &mut dyn Value<'_>| match key {
        "data" => map.take(&mut |data| {
            let roots_visitor =
                Members(|key: &str, map: &mut dyn Value<'_>| match roots.iter().position(|root| root.key == key) {
                    Some(at) => map.take(&mut |raw| {
                        slices[at] = Some(root_slice(raw, roots[at], text)?);
                        Ok(())
                    }),
                    None => map.skip(),
                });
            serde_json::Deserializer::from_str(data.get()).deserialize_map(roots_visitor)
        }),
        _ => map.skip(),
    });
    deserializer.deserialize_map(visitor).map_err(|error| SplitError { message: error.to_string() })?;
    slices
        .into_iter()
        .zip(roots)
        .map(|(slice, root)| slice.ok_or_else(|| SplitError { message: format!("`data` has no `{}`", root.key) }))
        .collect()
}

fn root_slice(raw: &RawValue, root: &Root, body: &str) -> Result<Slice, serde_json::Error> {
    let mut slice = Slice::default();
    let holder = root.to_items.first().map_or("", String::as_str);
    let mut page_info = None;
    let visitor = Members(|key: &str, map: &mut dyn Value<'_>| {
        if key == holder && !holder.is_empty() {
            return map.take(&mut |inner| collect_items(inner, root, body, &mut slice));
        }
        match &root.paging {
            Paging::Cursor { page_info: name, .. } if name == key => map.take(&mut |inner| {
                page_info = Some(inner.get().to_owned());
                Ok(())
            }),
            _ => map.skip(),
        }
    });
    serde_json::Deserializer::from_str(raw.get()).deserialize_map(visitor)?;
    if let (Some(info), Paging::Cursor { end_cursor, has_next_page, .. }) = (page_info, &root.paging) {
        let info: serde_json::Value = serde_json::from_str(&info)?;
        slice.has_next_page = info[has_next_page.as_str()].as_bool().unwrap_or(false);
        slice.next = info[end_cursor.as_str()].as_str().map(str::to_owned);
    }
    Ok(slice)
}

fn collect_items(raw: &RawValue, root: &Root, body: &str, slice: &mut Slice) -> Result<(), serde_json::Error> {
    match root.shape {
        Shape::Item => push(raw, body, slice),
        Shape::Items => {
            let items: Vec<&RawValue> = serde_json::from_str(raw.get())?;
            items.into_iter().for_each(|item| push(item, body, slice));
        }
        Shape::Edges => {
            let node = root.to_items.get(1).map_or("node", String::as_str);
            let nodes = serde_json::Deserializer::from_str(raw.get()).deserialize_seq(Nodes { key: node })?;
            nodes.into_iter().for_each(|item| push(item, body, slice));
        }
        Shape::Other => {}
    }
    Ok(())
}

fn push(item: &RawValue, body: &str, slice: &mut Slice) {
    let item = item.get();
    if item == "null" {
        slice.nulls += 1;
        return;
    }
    // `RawValue` borrows from the body, so its offset is the distance of the two pointers.
    let start = item.as_ptr() as usize - body.as_ptr() as usize;
    slice.items.push(Located { start, len: item.len() });
}

/// `edges` → the nodes.
struct Nodes<'a> {
    key: &'a str,
}

impl<'de> Visitor<'de> for Nodes<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of edges")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element_seed(Member { key: self.key })? {
            nodes.extend(node);
        }
        Ok(nodes)
    }
}

struct Member<'a> {
    key: &'a str,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an edge")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(Borrowed)? {
            if key == self.key {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The value after a key: to be taken raw or passed over.
trait Value<'de> {
    fn take(
        &mut self,
        with: &mut dyn FnMut(&'de RawValue) -> Result<(), serde_json::Error>,
    ) -> Result<(), serde_json::Error>;
    fn skip(&mut self) -> Result<(), serde_json::Error>;
}

struct Entry<A>(A);

impl<'de, A: MapAccess<'de>> Value<'de> for Entry<A> {
    fn take(
        &mut self,
        with: &mut dyn FnMut(&'de RawValue) -> Result<(), serde_json::Error>,
    ) -> Result<(), serde_json::Error> {
        with(self.0.next_value::<&'de RawValue>().map_err(serde::de::Error::custom)?)
    }

    fn skip(&mut self) -> Result<(), serde_json::Error> {
        self.0.next_value::<IgnoredAny>().map(|_| ()).map_err(serde::de::Error::custom)
    }
}

/// Visits the members of an object one by one.
struct Members<F>(F);

impl<'de, F> Visitor<'de> for Members<F>
where
    F: FnMut(&str, &mut dyn Value<'de>) -> Result<(), serde_json::Error>,
{
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        let mut entry = Entry(map);
        while let Some(key) = entry.0.next_key_seed(Borrowed)? {
            self.0(&key, &mut entry).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}
