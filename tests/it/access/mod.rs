//! Issue 4: server-to-server access. Persisted queries kept in step, answers of another text, partial data, caches, secrets, and
//! every fault of the origin.

mod encoding;
mod faults;
mod freshness;
mod partial;
mod queries;
mod secrets;
mod versions;

use aem_static::origin::{Fault, Faults};

/// Faults by their words.
fn faults(words: &[&str]) -> Faults {
    let list = words.iter().map(|word| word.parse::<Fault>().unwrap()).collect();
    Faults { list, ..Faults::default() }
}
