//! What a build is for: the seam between events and how much of the site is looked at (design.md §8, "after an event").
//!
//! Today every call is asked again, whatever the scope: that is always right. What the schema proves unreachable from the models
//! named here may be left out, once the plan can tell.

use std::collections::BTreeSet;

use super::delivery::Kind;
use super::queue::Held;

/// What changed in AEM, as far as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Anything may have changed: reconciliation, a request without fragments, an event that names none.
    pub everything: bool,
    /// The content fragments that events named.
    pub fragments: BTreeSet<String>,
    /// The models of them all; `None` when one of the events names no model.
    pub models: Option<BTreeSet<String>>,
    /// The fragments that events said are gone: their removal is no surprise.
    pub withdrawn: BTreeSet<String>,
}

impl Scope {
    /// Everything.
    pub fn everything() -> Self {
        Scope { everything: true, ..Scope::default() }
    }

    /// Of these events.
    pub fn of<'a>(events: impl Iterator<Item = &'a Held>) -> Self {
        let mut scope = Scope { models: Some(BTreeSet::new()), ..Scope::default() };
        for Held { event, .. } in events {
            match &event.fragment {
                Some(fragment) => {
                    scope.fragments.insert(fragment.clone());
                    if matches!(event.kind, Kind::Deleted | Kind::Unpublished) {
                        scope.withdrawn.insert(fragment.clone());
                    }
                }
                None => scope.everything = true,
            }
            match (&mut scope.models, &event.model) {
                (Some(models), Some(model)) => drop(models.insert(model.clone())),
                (models, _) => *models = None,
            }
        }
        scope
    }
}

#[cfg(test)]
mod tests {
    use super::super::delivery::Event;
    use super::*;

    fn held(kind: Kind, fragment: Option<&str>, model: Option<&str>) -> Held {
        let (fragment, model) = (fragment.map(str::to_owned), model.map(str::to_owned));
        let event = Event { id: "1".into(), kind, fragment, model, tier: None, time: None, recipient: None };
        Held { event, at: 0, stale: false }
    }

    #[test]
    fn models_are_known_only_if_every_event_names_one() {
        let both = [held(Kind::Published, Some("/a"), Some("/m")), held(Kind::Deleted, Some("/b"), Some("/n"))];
        let scope = Scope::of(both.iter());
        assert_eq!(scope.models.map(|models| models.len()), Some(2));
        assert!(!scope.everything && scope.withdrawn.contains("/b") && !scope.withdrawn.contains("/a"));
        let one = [held(Kind::Published, Some("/a"), Some("/m")), held(Kind::Published, Some("/b"), None)];
        assert_eq!(Scope::of(one.iter()).models, None);
        assert!(Scope::of([held(Kind::Asked, None, None)].iter()).everything);
    }
}
