//! Where a paged walk stands, and how it goes on: by cursor or by offset (design §4, Paging).

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::blocks::Turn;
use super::gather::Run;
use super::walk::Broken;
use crate::site::{Paging, Query, Root};
use crate::state::{CallRecord, Start};

/// Where a paged walk stands.
#[derive(Default)]
pub(super) struct Position {
    cursor: Option<String>,
    pub(super) offset: usize,
    pub(super) pages: usize,
    pub(super) cached: bool,
    pub(super) seen: HashSet<[u8; 16]>,
    cursors: HashSet<String>,
    /// Pages without items, one after the other, that said that more follows.
    empty: usize,
}

impl Position {
    /// Where the next page begins.
    pub(super) fn start(&self) -> Start {
        match &self.cursor {
            Some(cursor) => Start::Cursor(cursor.clone()),
            None if self.pages == 0 => Start::First,
            None => Start::Offset(self.offset as u64),
        }
    }

    /// The position of a page that the last build found; `None` if it was the first.
    fn of(start: &Start) -> Option<Position> {
        match start {
            Start::First => None,
            Start::Cursor(cursor) => Some(Position { cursor: Some(cursor.clone()), ..Position::default() }),
            Start::Offset(offset) => Some(Position { offset: usize::try_from(*offset).ok()?, ..Position::default() }),
        }
    }
}

/// The variables of the pages that the last build found behind the first.
pub(super) fn expected(query: &Query, paged: Option<&Root>, run: &Run, before: &CallRecord) -> Vec<Map<String, Json>> {
    let positions = before.answers.iter().filter_map(|answer| Position::of(&answer.start));
    positions.map(|position| page_variables(query, paged, run, &position)).collect()
}

/// Empty pages in a row that are followed when they promise more; a server may hide what this user may not read.
const EMPTY_PAGES: usize = 20;

/// Moves on to the next page; false at the end.
pub(super) fn advance(root: &Root, turn: &Turn, position: &mut Position) -> Result<bool, Broken> {
    match &root.paging {
        Paging::None => Ok(false),
        Paging::Cursor { .. } => {
            // However short the page is: AEM filters after it has counted.
            if turn.has_next_page != Some(true) {
                return Ok(false);
            }
            position.empty = if turn.count == 0 { position.empty + 1 } else { 0 };
            if position.empty > EMPTY_PAGES {
                return Err(Broken::Torn(format!("{EMPTY_PAGES} empty pages in a row say that more follows")));
            }
            let Some(next) = turn.next.clone() else {
                return Err(Broken::Torn("`hasNextPage` is true and `endCursor` is null".to_owned()));
            };
            if !position.cursors.insert(next.clone()) {
                return Err(Broken::Torn("a cursor came twice".to_owned()));
            }
            position.cursor = Some(next);
            Ok(true)
        }
        Paging::Offset { .. } => {
            position.offset += turn.count;
            Ok(turn.count > 0)
        }
    }
}

/// The variables of the next request.
pub(super) fn page_variables(query: &Query, paged: Option<&Root>, run: &Run, position: &Position) -> Map<String, Json> {
    let mut variables = run.call.variables.clone();
    let nullable = |name: &str| query.variable(name).is_none_or(|variable| !variable.required);
    match paged.map(|root| &root.paging) {
        Some(Paging::Cursor { after, .. }) => match &position.cursor {
            Some(cursor) => {
                variables.insert(after.clone(), Json::String(cursor.clone()));
            }
            None if !nullable(after) => {
                variables.insert(after.clone(), Json::String(String::new()));
            }
            None => {}
        },
        Some(Paging::Offset { offset, .. }) => {
            variables.insert(offset.clone(), position.offset.into());
        }
        _ => {}
    }
    variables
}
