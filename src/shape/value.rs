//! JSON → `tera::Value`, without a detour by `serde_json::Value`. Whole numbers become integers, so that they print without `.0`
//! (design §5; protocol §4.3 says AEM writes whole floats either way).

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tera::value::{Key, Map};
use tera::{Context, Value};

/// A whole JSON text as a value.
///
/// # Errors
/// When it is not JSON, or nested more than 128 deep.
pub fn parse_item(json: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = ValueSeed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The named members of a JSON object; the others are passed over, not built.
///
/// # Errors
/// When it is not a JSON object.
pub fn parse_fields(json: &[u8], fields: &BTreeSet<String>) -> Result<Vec<(String, Value)>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    deserializer.deserialize_map(FieldsVisitor { fields })
}

/// A `serde_json` value as a template value.
pub fn from_json(value: &serde_json::Value) -> Value {
    ValueSeed.deserialize(value).unwrap_or_else(|_| Value::none())
}

struct FieldsVisitor<'a> {
    fields: &'a BTreeSet<String>,
}

impl<'de> Visitor<'de> for FieldsVisitor<'_> {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a content fragment")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::with_capacity(self.fields.len());
        while let Some(key) = map.next_key_seed(Borrowed)? {
            if self.fields.contains(&*key) {
                out.push((key.into_owned(), map.next_value_seed(ValueSeed)?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(out)
    }
}

/// Reads a key without copying it where it has no escapes.
pub(super) struct Borrowed;

impl<'de> DeserializeSeed<'de> for Borrowed {
    type Value = std::borrow::Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = std::borrow::Cow<'de, str>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(std::borrow::Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(std::borrow::Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::none())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::from(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked: whole and within the range where f64 is exact")]
    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && number.abs() <= EXACT {
            return Ok(Value::from(number as i64));
        }
        Ok(Value::from(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::normal_string(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0));
        while let Some(item) = seq.next_element_seed(ValueSeed)? {
            items.push(item);
        }
        Ok(Value::from(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::with_capacity(map.size_hint().unwrap_or(0));
        while let Some(key) = map.next_key_seed(Borrowed)? {
            members.insert(Key::from(key), map.next_value_seed(ValueSeed)?);
        }
        Ok(Value::from(members))
    }
}

/// Puts the members of an item at top level, as route expressions see them.
pub(super) fn spread(item: &Value, context: &mut Context) {
    if let Some(members) = item.as_map() {
        for (key, value) in members {
            if let Some(name) = key.as_str() {
                context.insert_value(name.to_owned(), value.clone());
            }
        }
    }
}
