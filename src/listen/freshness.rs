//! Whether the site shows the effect of an event (design.md §6, "freshness"): a published fragment has to look different from before
//! the event, a withdrawn one has to be gone. AEM sends events before every service behind it has heard of the change, so an
//! answer can be older than the event that caused the question.
//!
//! What was shown when is known from the kept answers; each is looked through once.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::delivery::{Event, Kind};
use super::queue::Held;
use super::shown::{PathDigest, Shown, fragments, path_digest};
use crate::aem::Tier;
use crate::state::{AnswerId, State};

/// How far AEM's clock and ours may be apart, in milliseconds. More would take a change shortly before an event for the event's own.
const SKEW: i64 = 1_000;

/// What an event lets expect on a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The fragment is shown, differently from before.
    Shown,
    /// The fragment is gone.
    Gone,
    /// Nothing that could be told from an answer.
    Unknown,
}

impl Effect {
    /// Of an event, on the tier that the site reads. Author's own changes do not reach the other tiers until they are published.
    pub fn of(event: &Event, tier: Tier) -> Self {
        let reaches = match (&event.kind, tier) {
            (Kind::Published | Kind::Unpublished, Tier::Author) => false,
            (Kind::Published | Kind::Unpublished, Tier::Publish | Tier::Preview) => {
                event.tier.as_deref().is_none_or(|named| named == tier.name())
            }
            (_, Tier::Publish | Tier::Preview) => false,
            (_, Tier::Local | Tier::Author) => true,
        };
        match event.kind {
            _ if !reaches => Effect::Unknown,
            Kind::Published | Kind::Created | Kind::Modified => Effect::Shown,
            Kind::Unpublished | Kind::Deleted => Effect::Gone,
            // A variation may be one that no query asks for; where a fragment was moved from is not in the event.
            Kind::Variation | Kind::Moved | Kind::Asked | Kind::Other(_) => Effect::Unknown,
        }
    }
}

/// What the site's answers show.
#[derive(Debug, Default)]
pub struct Freshness {
    /// What each answer shows, so that the ones that stay are not read again.
    answers: HashMap<AnswerId, BTreeMap<PathDigest, Shown>>,
    /// What is shown of each fragment, and since which build, in milliseconds; 0 for what was there before us.
    fragments: HashMap<PathDigest, (Shown, i64)>,
    /// When the listener started, in milliseconds since 1970.
    started: i64,
}

impl Freshness {
    /// Nothing is known yet, of a listener that starts now.
    pub fn starting(started: i64) -> Self {
        Freshness { started, ..Freshness::default() }
    }

    /// Takes notice of a build that began at `began`, in milliseconds since 1970; 0 for the one before us. `false` if the answers
    /// could not be read: then nothing is known.
    pub fn notice(&mut self, home: &Path, began: i64) -> bool {
        let read = self.read(home);
        let Some(answers) = read else {
            *self = Freshness::starting(self.started);
            return false;
        };
        let mut all: BTreeMap<PathDigest, blake3::Hasher> = BTreeMap::new();
        // In the order of their names, which is no order of content: what counts is which there are.
        let mut ids: Vec<&AnswerId> = answers.keys().collect();
        ids.sort();
        for id in ids {
            for (path, shown) in &answers[id] {
                all.entry(*path).or_default().update(shown);
            }
        }
        let before = std::mem::take(&mut self.fragments);
        for (path, hasher) in all {
            let mut shown = Shown::default();
            let digest = hasher.finalize();
            shown.copy_from_slice(&digest.as_bytes()[..8]);
            let since = match before.get(&path) {
                Some((old, since)) if *old == shown => *since,
                _ => began,
            };
            self.fragments.insert(path, (shown, since));
        }
        self.answers = answers;
        true
    }

    fn read(&mut self, home: &Path) -> Option<HashMap<AnswerId, BTreeMap<PathDigest, Shown>>> {
        let state = State::open(home).ok()?;
        let mut answers = HashMap::new();
        for id in state.manifest().calls.values().flat_map(|call| &call.answers).map(|answer| &answer.id) {
            if answers.contains_key(id) {
                continue;
            }
            let shown = match self.answers.remove(id) {
                Some(shown) => shown,
                None => fragments(&state.answers().read(id).ok()?),
            };
            answers.insert(*id, shown);
        }
        Some(answers)
    }

    /// Whether the site shows the effect of an event.
    pub fn shows(&self, held: &Held, effect: Effect) -> bool {
        let Some(fragment) = &held.event.fragment else { return true };
        let shown = self.fragments.get(&path_digest(fragment));
        match (effect, shown) {
            (Effect::Unknown, _) => true,
            (Effect::Gone, shown) => shown.is_none(),
            // It came before our time: its change may be part of what was there before us.
            (Effect::Shown, Some(_)) if held.at < self.started => true,
            // A change that a build before this one has seen counts, if that build began after the event.
            (Effect::Shown, Some((_, since))) => *since >= held.event.time.unwrap_or(held.at).saturating_sub(SKEW),
            (Effect::Shown, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, tier: Option<&str>) -> Event {
        Event {
            id: "1".into(),
            kind,
            fragment: Some("/a".into()),
            model: None,
            tier: tier.map(str::to_owned),
            time: Some(100_000),
            recipient: None,
        }
    }

    #[test]
    fn what_an_event_lets_expect_depends_on_the_tier() {
        let effect = |kind, named, tier| Effect::of(&event(kind, named), tier);
        assert_eq!(effect(Kind::Published, Some("publish"), Tier::Publish), Effect::Shown);
        assert_eq!(effect(Kind::Published, None, Tier::Publish), Effect::Shown);
        assert_eq!(effect(Kind::Published, Some("preview"), Tier::Publish), Effect::Unknown);
        assert_eq!(effect(Kind::Unpublished, Some("publish"), Tier::Publish), Effect::Gone);
        assert_eq!(effect(Kind::Modified, None, Tier::Publish), Effect::Unknown);
        assert_eq!(effect(Kind::Modified, None, Tier::Author), Effect::Shown);
        assert_eq!(effect(Kind::Published, Some("publish"), Tier::Author), Effect::Unknown);
        assert_eq!(effect(Kind::Deleted, None, Tier::Author), Effect::Gone);
        assert_eq!(effect(Kind::Variation, None, Tier::Author), Effect::Unknown);
        assert_eq!(effect(Kind::Unpublished, None, Tier::Local), Effect::Gone);
    }

    #[test]
    fn a_change_counts_from_the_build_that_saw_it() {
        let mut freshness = Freshness::default();
        let published = Held { event: event(Kind::Published, None), at: 200_000, stale: false };
        assert!(!freshness.shows(&published, Effect::Shown), "not there at all");
        assert!(freshness.shows(&published, Effect::Gone));
        freshness.fragments.insert(path_digest("/a"), (Shown::default(), 0));
        assert!(!freshness.shows(&published, Effect::Shown), "as it was before us");
        assert!(!freshness.shows(&published, Effect::Gone));
        freshness.fragments.insert(path_digest("/a"), (Shown::default(), 99_000));
        assert!(freshness.shows(&published, Effect::Shown));
        freshness.fragments.insert(path_digest("/a"), (Shown::default(), 98_999));
        assert!(!freshness.shows(&published, Effect::Shown), "seen before the event");
    }
}
