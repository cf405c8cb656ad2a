//! Diagnostics told once: a template that fails for a thousand fragments is one problem with a thousand fragments.

use std::sync::Arc;

use super::Worst;
use crate::report::{Diagnostic, Event, Reporter};

/// What has been told so far.
pub(super) struct Told {
    reporter: Arc<dyn Reporter>,
    pub(super) errors: u64,
    pub(super) warnings: u64,
    pub(super) worst: Worst,
}

impl Told {
    pub(super) fn new(reporter: Arc<dyn Reporter>) -> Self {
        Told { reporter, errors: 0, warnings: 0, worst: Worst::Content }
    }

    /// Tells problems: equal ones merged, warnings before errors, then by place.
    pub(super) fn tell(&mut self, problems: Vec<Diagnostic>) {
        for problem in merged(problems) {
            if problem.is_error() {
                self.errors += 1;
                self.worst = self.worst.max(Worst::of(&problem));
            } else {
                self.warnings += 1;
            }
            self.reporter.emit(Event::Diagnostic(problem));
        }
    }
}

/// Adds a problem to those found so far. One that a neighbour told already only adds its fragments, so that a mistake in a route
/// that a million items run into takes the memory of their paths.
pub(super) fn add(problems: &mut Vec<Diagnostic>, problem: Diagnostic) {
    const NEIGHBOURS: usize = 4;
    let same = |known: &&mut Diagnostic| order(known) == order(&problem) && known.notes == problem.notes;
    match problems.iter_mut().rev().take(NEIGHBOURS).find(same) {
        Some(known) => known.fragments.extend(problem.fragments),
        None => problems.push(problem),
    }
}

fn merged(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    problems.sort_by(|a, b| {
        order(a).cmp(&order(b)).then_with(|| a.fragments.cmp(&b.fragments)).then_with(|| a.notes.cmp(&b.notes))
    });
    let mut out: Vec<Diagnostic> = Vec::new();
    for problem in problems {
        match out.last_mut().filter(|last| order(last) == order(&problem)) {
            Some(last) => {
                last.fragments.extend(problem.fragments);
                for note in problem.notes {
                    if !last.notes.contains(&note) && last.notes.len() < 10 {
                        last.notes.push(note);
                    }
                }
            }
            None => out.push(problem),
        }
    }
    for problem in &mut out {
        problem.fragments.sort();
        problem.fragments.dedup();
    }
    out
}

/// Clashes name their two sources in notes, so these are part of what they are.
fn order(problem: &Diagnostic) -> impl Ord + use<'_> {
    let notes = if problem.code == crate::report::codes::SAME_PATH { problem.notes.as_slice() } else { &[] };
    (std::cmp::Reverse(problem.severity), &problem.place, problem.code.id, &problem.message, notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::codes;

    #[test]
    fn a_flood_of_equal_problems_takes_one_place() {
        let mut problems = Vec::new();
        for number in 0..100 {
            add(&mut problems, Diagnostic::error(codes::EMPTY_PATH, "empty").fragment(format!("/{number}")));
            add(&mut problems, Diagnostic::error(codes::UNSAFE_PATH, "unsafe").fragment(format!("/{number}")));
        }
        assert_eq!(problems.iter().map(|problem| problem.fragments.len()).collect::<Vec<_>>(), [100, 100]);
    }

    #[test]
    fn equal_problems_of_many_fragments_are_one() {
        let problem = |fragment: &str| Diagnostic::error(codes::EMPTY_PATH, "empty").fragment(fragment);
        let told =
            merged(vec![problem("/b"), Diagnostic::error(codes::UNSAFE_PATH, "x"), problem("/a"), problem("/b")]);
        assert_eq!(told.len(), 2);
        assert_eq!(
            told[1].fragments,
            ["/b"].map(str::to_owned).iter().fold(vec!["/a".to_owned()], |mut all, next| {
                all.push(next.clone());
                all
            })
        );
    }
}
