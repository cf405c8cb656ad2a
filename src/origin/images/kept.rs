//! The last delivered images, up to a number of bytes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Bytes kept at most.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Bytes by key; when they become too many the oldest go first.
#[derive(Debug)]
pub(super) struct Kept<K> {
    by_key: BTreeMap<K, Arc<Vec<u8>>>,
    order: VecDeque<K>,
    bytes: usize,
}

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), order: VecDeque::new(), bytes: 0 }
    }
}

impl<K: Ord + Clone> Kept<K> {
    /// What is kept under a key.
    pub fn get(&self, key: &K) -> Option<Arc<Vec<u8>>> {
        self.by_key.get(key).cloned()
    }

    /// Keeps bytes, unless they alone are too many.
    pub fn put(&mut self, key: K, bytes: Arc<Vec<u8>>) {
        if bytes.len() > MOST_BYTES || self.by_key.contains_key(&key) {
            return;
        }
        self.bytes += bytes.len();
        self.order.push_back(key.clone());
        self.by_key.insert(key, bytes);
        while self.bytes > MOST_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.by_key.remove(&oldest).map_or(0, |bytes| bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Kept, MOST_BYTES};

    #[test]
    fn the_oldest_go_first() {
        let mut kept = Kept::default();
        for key in 0..5 {
            kept.put(key, Arc::new(vec![key; MOST_BYTES / 4]));
        }
        let there: Vec<bool> = (0..5).map(|key| kept.get(&key).is_some()).collect();
        assert_eq!(there, [false, true, true, true, true]);
        assert_eq!(kept.bytes, MOST_BYTES / 4 * 4);
        kept.put(9, Arc::new(vec![0; MOST_BYTES + 1]));
        kept.put(4, Arc::new(Vec::new()));
        assert_eq!((kept.get(&9), kept.by_key.len(), kept.order.len()), (None, 4, 4));
    }
}
