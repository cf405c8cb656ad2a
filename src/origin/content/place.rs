//! Where a value stands in its file. Values are read without their places, which costs nothing; a problem says the way to the
//! value it is about, and that way is walked again in the file's text.

use std::fmt;

use apollo_compiler::response::JsonValue;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One step into a JSON value.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Start,
    Member(&'a str),
    Item(usize),
}

/// A JSON value and the way that led to it.
#[derive(Debug, Clone, Copy)]
pub(in crate::origin) struct At<'a> {
    pub json: &'a JsonValue,
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

impl<'a> At<'a> {
    /// The value of a whole file.
    pub fn start(json: &'a JsonValue) -> Self {
        Self { json, parent: None, step: Step::Start }
    }

    /// A member that is there and not null.
    pub fn member(&'a self, name: &'a str) -> Option<Self> {
        let json = self.json.get(name).filter(|json| !json.is_null())?;
        Some(Self { json, parent: Some(self), step: Step::Member(name) })
    }

    /// The items of a list; nothing else has any.
    pub fn items(&'a self) -> impl Iterator<Item = Self> {
        let items = self.json.as_array().into_iter().flatten().enumerate();
        items.map(|(position, json)| Self { json, parent: Some(self), step: Step::Item(position) })
    }

    /// The members of an object; nothing else has any.
    pub fn members(&'a self) -> impl Iterator<Item = (&'a str, Self)> {
        self.json.as_object().into_iter().flatten().map(|(name, json)| {
            let name = name.as_str();
            (name, Self { json, parent: Some(self), step: Step::Member(name) })
        })
    }

    /// A member that is a text, and not an empty one.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.json.get(name).and_then(JsonValue::as_str).filter(|text| !text.is_empty())
    }

    /// The way to here.
    pub fn way(&self) -> Way {
        let mut steps = Vec::new();
        let mut link = Some(self);
        while let Some(at) = link {
            match at.step {
                Step::Start => {}
                Step::Member(name) => steps.push(WayStep::Member(name.to_owned())),
                Step::Item(position) => steps.push(WayStep::Item(position)),
            }
            link = at.parent;
        }
        steps.reverse();
        Way(steps)
    }
}

/// The way to a value, kept longer than the value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::origin) struct Way(Vec<WayStep>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum WayStep {
    Member(String),
    Item(usize),
}

impl Way {
    /// One step further.
    pub fn member(mut self, name: &str) -> Self {
        self.0.push(WayStep::Member(name.to_owned()));
        self
    }

    /// Line and column, both from 1, of the value at the end of this way; of as much of it as is there.
    pub fn value_in(&self, text: &str) -> (usize, usize) {
        line_and_column(text, self.offsets(text).1)
    }

    /// The same of the name before that value; of the value, where it has none.
    pub fn name_in(&self, text: &str) -> (usize, usize) {
        line_and_column(text, self.offsets(text).0)
    }

    /// Byte offsets of the last step's name (or value, if it has none) and of its value.
    fn offsets(&self, text: &str) -> (usize, usize) {
        let start = text.len() - text.trim_start().len();
        let mut found = (start, start);
        let mut rest = text;
        for step in &self.0 {
            let next = match step {
                WayStep::Member(wanted) => {
                    let members: Members<'_> = serde_json::from_str(rest).unwrap_or_default();
                    // Of members of one name the last one counts, as in the value that was read.
                    let of_name = |(name, _): &&(&RawValue, &RawValue)| {
                        serde_json::from_str::<String>(name.get()).is_ok_and(|name| name == *wanted)
                    };
                    members.0.iter().rev().find(of_name).map(|(name, value)| (name.get(), value.get()))
                }
                WayStep::Item(position) => {
                    let items: Vec<&RawValue> = serde_json::from_str(rest).unwrap_or_default();
                    items.get(*position).map(|item| (item.get(), item.get()))
                }
            };
            let Some((name, value)) = next else { break };
            found = (offset_of(name, text), offset_of(value, text));
            rest = value;
        }
        found
    }
}

/// Where a part of a text begins in it. Raw values are borrowed from the text they were read from.
fn offset_of(part: &str, whole: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}

/// Line and column (characters), both from 1, of a byte offset.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The members of an object as they are written, doubles included.
#[derive(Default)]
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsWritten;
        impl<'de> Visitor<'de> for AsWritten {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(AsWritten)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

    use apollo_compiler::response::JsonValue;

    use super::At;

    #[test]
    fn a_way_ends_at_its_value() {
        let text = "\n{ \"a\\u0062\": [1,\n  {\"ü\": \"ö\", \"c\": true}],\n  \"c\": 1, \"c\": 2 }";
        let json: JsonValue = serde_json::from_str(text).unwrap();
        let start = At::start(&json);
        assert_eq!(start.way().value_in(text), (2, 1));
        let list = start.member("ab").unwrap();
        assert_eq!((list.way().name_in(text), list.way().value_in(text)), ((2, 3), (2, 14)));
        let item = list.items().nth(1).unwrap();
        assert_eq!(item.way().value_in(text), (3, 3));
        assert_eq!(item.way().name_in(text), (3, 3), "an item has no name");
        let inner = item.member("c").unwrap();
        assert_eq!((inner.way().name_in(text), inner.way().value_in(text)), ((3, 14), (3, 19)));
        let last = start.member("c").unwrap();
        assert_eq!((last.json.as_i64(), last.way().value_in(text)), (Some(2), (4, 16)), "the last of two");
    }

    #[test]
    fn a_way_that_is_not_there_ends_where_it_stops() {
        let text = r#"{"a": [1]}"#;
        let json: JsonValue = serde_json::from_str(text).unwrap();
        let start = At::start(&json);
        let list = start.member("a").unwrap();
        assert_eq!(list.way().member("b").member("c").value_in(text), (1, 7));
        assert_eq!(list.way().value_in("no json"), (1, 1));
    }
}
