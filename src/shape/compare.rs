//! Whether an answer has the shape that a query asks for: AEM may run another text than the file (design §6). Keys are held up
//! against the selection in one pass; values are passed over.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::value::Borrowed;
use crate::site::{Asked, Presence};

/// Where an answer and a selection part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Response keys and list positions from `data` on, with dots.
    pub at: String,
    /// What it is, in words.
    pub what: String,
}

/// The first difference between a response body and what was asked; `None` if there is none, or if the body is no response of a
/// query, which others tell.
pub fn difference(body: &[u8], asked: &Asked) -> Option<Difference> {
    let text = std::str::from_utf8(body).ok()?;
    let found = RefCell::new(Found::default());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let compared = Seed { asked, found: &found, level: Level::Response }.deserialize(&mut deserializer);
    let Found { what, mut at } = found.into_inner();
    compared.err()?;
    at.reverse();
    Some(Difference { at: at.join("."), what: what? })
}

/// What was found, and the way to it, from the inside out.
#[derive(Default)]
struct Found {
    what: Option<String>,
    at: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The whole body, of which `data` counts.
    Response,
    /// An object, a list of them, or null.
    Value,
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    asked: &'a Asked,
    found: &'a RefCell<Found>,
    level: Level,
}

impl Seed<'_> {
    fn differs<E: serde::de::Error>(&self, what: String) -> E {
        self.found.borrow_mut().what = Some(what);
        E::custom("another shape")
    }

    /// Says where an error inside came from.
    fn within<T, E>(&self, result: Result<T, E>, step: impl FnOnce() -> String) -> Result<T, E> {
        if result.is_err() {
            self.found.borrow_mut().at.push(step());
        }
        result
    }

    fn no_object<E: serde::de::Error>(&self, value: &str) -> Result<(), E> {
        match self.level {
            Level::Response => Err(E::custom("no response")),
            Level::Value => Err(self.differs(format!("it is {value}, where the file selects fields"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a response of the query")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.no_object("true or false")
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.no_object("a number")
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.no_object("a number")
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.no_object("a number")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.no_object("a text")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if self.level == Level::Response {
            return Err(A::Error::custom("no response"));
        }
        for position in 0.. {
            if self.within(seq.next_element_seed(self), || position.to_string())?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        match self.level {
            Level::Response => self.response(map),
            Level::Value => self.object(map),
        }
    }
}

impl Seed<'_> {
    fn response<'de, A: MapAccess<'de>>(&self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Borrowed)? {
            if key == "data" {
                let data = map.next_value_seed(Seed { level: Level::Value, ..*self });
                self.within(data, || "data".to_owned())?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn object<'de, A: MapAccess<'de>>(&self, mut map: A) -> Result<(), A::Error> {
        let fields = &self.asked.fields;
        let mut there = There::of(fields.len());
        // AEM answers in the order of the query.
        let mut next = 0;
        while let Some(key) = map.next_key_seed(Borrowed)? {
            let here = fields.get(next).is_some_and(|field| field.key == key).then_some(next);
            let Some(index) = here.or_else(|| fields.iter().position(|field| field.key == key)) else {
                return Err(self.differs(format!("it has `{key}`, which the file does not select")));
            };
            there.add(index);
            next = index + 1;
            match &fields[index].below {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(below) => {
                    let value = map.next_value_seed(Seed { asked: below, ..*self });
                    self.within(value, || fields[index].key.clone())?;
                }
            }
        }
        match missing(self.asked, &there) {
            Some(key) => Err(self.differs(format!("it has no `{key}`, which the file selects"))),
            None => Ok(()),
        }
    }
}

/// Which fields an object has, by index.
struct There {
    few: u128,
    many: Vec<bool>,
}

impl There {
    fn of(fields: usize) -> Self {
        There { few: 0, many: if fields > 128 { vec![false; fields] } else { Vec::new() } }
    }

    fn add(&mut self, index: usize) {
        match self.many.get_mut(index) {
            Some(there) => *there = true,
            None => self.few |= 1 << index,
        }
    }

    fn has(&self, index: usize) -> bool {
        self.many.get(index).copied().unwrap_or_else(|| self.few & (1 << index) != 0)
    }
}

/// A field that has to be there and is not.
fn missing<'a>(asked: &'a Asked, there: &There) -> Option<&'a str> {
    for (index, field) in asked.fields.iter().enumerate() {
        match field.presence {
            _ if there.has(index) => {}
            Presence::Always => return Some(&field.key),
            Presence::Under(condition) => {
                let mut own = asked.together[condition].iter();
                let holds =
                    own.any(|other| asked.fields[*other].presence == Presence::Under(condition) && there.has(*other));
                if holds {
                    return Some(&field.key);
                }
            }
            Presence::Perhaps => {}
        }
    }
    None
}
