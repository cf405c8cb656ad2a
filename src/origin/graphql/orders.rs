//! Which items a question selects and in what order, kept: a client that walks pages asks the same question again and again,
//! and filtering and sorting look at every fragment of the model. What is kept belongs to one content and goes with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use apollo_compiler::response::JsonValue;

use super::super::content::repository::{Item, Repository};

/// Items all kept orders hold together: 8 bytes each. When they would be more, all are forgotten.
const MOST_ITEMS: usize = 2_000_000;
/// Kept orders.
const MOST_ORDERS: usize = 64;
/// Bytes of a question that is kept; filters of clients may have megabytes.
const MOST_QUESTION: usize = 16 * 1024;

/// An item as a place in the repository; the variation is `u32::MAX` for the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) struct Place {
    fragment: u32,
    variation: u32,
}

impl Place {
    /// Of a fragment's position and a variation. `None` beyond four billion fragments.
    pub fn new(fragment: usize, variation: Option<usize>) -> Option<Self> {
        let variation = variation.map_or(Ok(u32::MAX), u32::try_from);
        Some(Self { fragment: u32::try_from(fragment).ok()?, variation: variation.ok()? })
    }

    /// The item there.
    pub fn item(self, repository: &Repository) -> Item<'_> {
        let variation = (self.variation != u32::MAX).then_some(self.variation as usize);
        Item { fragment: repository.at(self.fragment as usize), variation }
    }
}

/// The items of a question, in order.
pub(in crate::origin) type Order = Arc<[Place]>;

/// What is kept of one content.
#[derive(Debug, Default)]
pub(in crate::origin) struct Orders(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    orders: BTreeMap<String, Order>,
    items: usize,
}

impl Orders {
    /// The order kept for a question, else the one made now. The question has to name everything that decides.
    ///
    /// # Errors
    /// What making it says; that is not kept.
    pub fn get(&self, question: &JsonValue, make: impl FnOnce() -> Result<Order, String>) -> Result<Order, String> {
        let question = serde_json::to_string(question).map_err(|error| error.to_string())?;
        if let Some(order) = self.0.lock().unwrap_or_else(PoisonError::into_inner).orders.get(&question) {
            return Ok(order.clone());
        }
        // Not under the lock: others need not wait, and two that make the same make equal ones.
        let order = make()?;
        if question.len() <= MOST_QUESTION && order.len() <= MOST_ITEMS {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(question, order.clone());
        }
        Ok(order)
    }
}

impl Kept {
    fn keep(&mut self, question: String, order: Order) {
        if self.orders.len() >= MOST_ORDERS || self.items + order.len() > MOST_ITEMS {
            *self = Self::default();
        }
        let items = order.len();
        let before = self.orders.insert(question, order);
        self.items = self.items + items - before.map_or(0, |before| before.len());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    fn order(items: usize) -> Order {
        vec![Place::new(7, None).unwrap(); items].into()
    }

    #[test]
    fn a_question_is_answered_once() {
        let orders = Orders::default();
        let question = JsonValue::from("q");
        assert_eq!(orders.get(&question, || Ok(order(3))).unwrap().len(), 3);
        assert_eq!(orders.get(&question, || Err("asked again".to_owned())).unwrap().len(), 3);
        let failed = JsonValue::from("fails");
        assert_eq!(orders.get(&failed, || Err("no".to_owned())), Err("no".to_owned()));
        assert_eq!(orders.get(&failed, || Ok(order(1))).unwrap().len(), 1, "errors are not kept");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let orders = Orders::default();
        let kept = || {
            let kept = orders.0.lock().unwrap();
            assert_eq!(kept.items, kept.orders.values().map(|order| order.len()).sum::<usize>());
            (kept.orders.len(), kept.items)
        };
        for number in 0..1_000 {
            let _ = orders.get(&number.into(), || Ok(order(1)));
            assert!(kept().0 <= MOST_ORDERS);
        }
        for number in 0..5 {
            let _ = orders.get(&format!("large {number}").as_str().into(), || Ok(order(MOST_ITEMS / 2)));
            assert!(kept().1 <= MOST_ITEMS);
        }
        let before = kept();
        let _ = orders.get(&"too large".into(), || Ok(order(MOST_ITEMS + 1)));
        let _ = orders.get(&"x".repeat(MOST_QUESTION).as_str().into(), || Ok(order(1)));
        assert_eq!(kept(), before);
    }
}
