//! Reads of an item's JSON what is wanted of it; the rest is passed over unparsed.

use std::collections::BTreeSet;

use tera::Value;

use super::entry::Evaluator;
use super::value::{parse_fields, parse_item};

/// Reads items: what several routes evaluate, once for all of them, or what a template can read.
#[derive(Debug, Clone)]
pub struct ItemReader {
    /// `None` reads the whole item.
    fields: Option<BTreeSet<String>>,
}

impl ItemReader {
    /// For these evaluators; for none, what makes an item's identity.
    pub fn new<'e>(evaluators: impl IntoIterator<Item = &'e Evaluator>) -> Self {
        let mut fields = BTreeSet::from(["_path".to_owned(), "_variation".to_owned()]);
        for evaluator in evaluators {
            match &evaluator.fields {
                Some(more) => fields.extend(more.iter().cloned()),
                None => return ItemReader { fields: None },
            }
        }
        ItemReader { fields: Some(fields) }
    }

    /// For these fields; `None` is all of them.
    pub fn of(fields: Option<BTreeSet<String>>) -> Self {
        ItemReader { fields }
    }

    /// The item's fields.
    ///
    /// # Errors
    /// When it is not a JSON object.
    pub fn read(&self, json: &[u8]) -> Result<Value, serde_json::Error> {
        match &self.fields {
            None => parse_item(json),
            Some(fields) => {
                let members = parse_fields(json, fields)?;
                let members: tera::Map = members.into_iter().map(|(key, value)| (key.into(), value)).collect();
                Ok(Value::from(members))
            }
        }
    }
}
