//! The entries of one route and locale, packed: 28 bytes and the texts an item, so that memory grows with what a site is, its
//! paths, and not with what it says.
//!
//! What few routes have (keys of a `sort`, groups, variations, counterparts) is kept beside the rows, and what many rows share
//! (the call, the outer item) once for all of them.

use std::collections::BTreeMap;

use super::entry::{Entry, Location, Tie};
use super::group::GroupValue;
use crate::text::order::Key;
use crate::text::texts::{Text, Texts};

/// The entries of a route in a locale, in the order of the walk. Numbers of entries are `u32`: four billion items are beyond
/// what one site is.
#[derive(Debug, Default)]
pub struct Entries {
    rows: Vec<Row>,
    /// By first row: the call and the outer item of the rows from there on.
    origins: Vec<(u32, Origin)>,
    /// As many keys a row as the route's `sort` has.
    sort: Vec<Key>,
    /// By row: variations other than the base.
    variations: Vec<(u32, Text)>,
    /// By row: its groups, numbers into `group_values`.
    groups: Vec<(u32, u32)>,
    group_values: BTreeMap<GroupValue, u32>,
    /// A row each, once any row has one.
    ties: Vec<Option<Tie>>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    at: Location,
    fragment: Text,
    /// Empty for entries of lists.
    path: Text,
}

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Number of the call, in this build.
    pub call: u32,
    /// Where the outer item is, with `for_each`.
    pub outer: Option<Location>,
}

/// A text too long to be kept: a path of more than 65,535 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Entries {
    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds an entry; `fragment` is its `_path` in `texts`.
    ///
    /// # Errors
    /// When a text is longer than any path can be.
    pub fn push(&mut self, texts: &mut Texts, fragment: Text, entry: Entry) -> Result<(), TooLong> {
        let row = u32::try_from(self.rows.len()).map_err(|_| TooLong)?;
        let path = texts.push(entry.path.as_deref().unwrap_or_default()).ok_or(TooLong)?;
        if let Some(variation) = entry.variation {
            self.variations.push((row, texts.push(&variation).ok_or(TooLong)?));
        }
        self.rows.push(Row { at: entry.at, fragment, path });
        self.add_origin(row, Origin { call: entry.call, outer: entry.outer });
        self.sort.extend(entry.sort);
        for group in entry.groups {
            let group = self.group_number(group);
            self.groups.push((row, group));
        }
        if entry.counterpart.is_some() || !self.ties.is_empty() {
            self.ties.resize(self.rows.len() - 1, None);
            self.ties.push(entry.counterpart);
        }
        Ok(())
    }

    /// Adds all of `other` behind.
    pub fn append(&mut self, other: Entries) {
        let shift = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        if !other.ties.is_empty() || !self.ties.is_empty() {
            self.ties.resize(self.rows.len(), None);
            self.ties.extend(other.ties);
            self.ties.resize(self.rows.len() + other.rows.len(), None);
        }
        self.rows.extend(other.rows);
        other.origins.into_iter().for_each(|(row, origin)| self.add_origin(shift + row, origin));
        self.sort.extend(other.sort);
        self.variations.extend(other.variations.into_iter().map(|(row, name)| (shift + row, name)));
        let mut numbers = vec![0; other.group_values.len()];
        for (value, number) in other.group_values {
            numbers[number as usize] = self.group_number(value);
        }
        self.groups.extend(other.groups.into_iter().map(|(row, group)| (shift + row, numbers[group as usize])));
    }

    fn add_origin(&mut self, row: u32, origin: Origin) {
        if self.origins.last().is_none_or(|(_, last)| *last != origin) {
            self.origins.push((row, origin));
        }
    }

    fn group_number(&mut self, group: GroupValue) -> u32 {
        let next = u32::try_from(self.group_values.len()).unwrap_or(u32::MAX);
        *self.group_values.entry(group).or_insert(next)
    }

    /// Where the item of an entry is.
    pub fn at(&self, entry: u32) -> Option<Location> {
        Some(self.rows.get(entry as usize)?.at)
    }

    /// The `_path` of an entry.
    pub fn fragment(&self, entry: u32) -> Text {
        self.rows.get(entry as usize).map_or(Text::EMPTY, |row| row.fragment)
    }

    /// The path of an entry's page, for `each`.
    pub fn path(&self, entry: u32) -> Option<Text> {
        self.rows.get(entry as usize).map(|row| row.path).filter(|path| !path.is_empty())
    }

    /// The `_variation` of an entry; `None` is the base.
    pub fn variation(&self, entry: u32) -> Option<Text> {
        let at = self.variations.binary_search_by_key(&entry, |(row, _)| *row).ok()?;
        Some(self.variations[at].1)
    }

    /// The call that gave an entry, and its outer item.
    pub fn origin(&self, entry: u32) -> Option<Origin> {
        let after = self.origins.partition_point(|(row, _)| *row <= entry);
        Some(self.origins.get(after.checked_sub(1)?)?.1)
    }

    /// What ties an entry to its counterparts in other locales.
    pub fn tie(&self, entry: u32) -> Option<Tie> {
        self.ties.get(entry as usize).copied().flatten()
    }

    /// An entry's keys of the route's `sort`.
    pub fn sort_keys(&self, entry: u32) -> &[Key] {
        let width = self.sort.len() / self.rows.len().max(1);
        self.sort.get(entry as usize * width..(entry as usize + 1) * width).unwrap_or_default()
    }

    /// The groups, in order, each with its members in the order of `entries`.
    pub fn grouped(&self, entries: &[u32]) -> Vec<(&GroupValue, Vec<u32>)> {
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); self.group_values.len()];
        for entry in entries {
            let start = self.groups.partition_point(|(row, _)| row < entry);
            for (_, group) in self.groups[start..].iter().take_while(|(row, _)| row == entry) {
                members[*group as usize].push(*entry);
            }
        }
        let groups =
            self.group_values.iter().map(|(value, number)| (value, std::mem::take(&mut members[*number as usize])));
        groups.filter(|(_, members)| !members.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn entry(number: u32, call: u32) -> Entry {
        Entry {
            at: Location { answer: call, start: number, len: 1 },
            call,
            outer: (call == 2).then_some(Location { answer: 9, start: 0, len: 9 }),
            variation: (number % 3 == 1).then(|| format!("v{number}").into()),
            path: Some(format!("/p/{number}/").into()),
            sort: [Key::Number(f64::from(number)), Key::Null].into(),
            groups: [GroupValue::Text(format!("g{}", number % 2).into()), GroupValue::Bool(number == 0)].into(),
            counterpart: (number == 4).then_some([4; 16]),
        }
    }

    #[test]
    fn what_is_pushed_and_appended_comes_back() {
        let mut texts = Texts::default();
        let mut all = Entries::default();
        for call in [1, 2] {
            let mut some = Entries::default();
            for number in (call - 1) * 3..call * 3 {
                let fragment = texts.push(&format!("/content/dam/{number}")).unwrap();
                some.push(&mut texts, fragment, entry(number, call)).unwrap();
            }
            all.append(some);
        }
        assert_eq!(all.len(), 6);
        for number in 0..6 {
            let call = 1 + number / 3;
            let expected = entry(number, call);
            assert_eq!(all.at(number), Some(expected.at));
            assert_eq!(all.origin(number), Some(Origin { call, outer: expected.outer }));
            assert_eq!(texts.get(all.fragment(number)), format!("/content/dam/{number}"));
            assert_eq!(all.path(number).map(|path| texts.get(path)), expected.path.as_deref());
            assert_eq!(all.variation(number).map(|name| texts.get(name)), expected.variation.as_deref());
            assert_eq!((all.tie(number), all.sort_keys(number)), (expected.counterpart, &*expected.sort));
        }
        let text = |text: &str| GroupValue::Text(text.into());
        let grouped = all.grouped(&[5, 4, 3, 2, 1, 0]);
        let expected = [
            (GroupValue::Bool(false), vec![5, 4, 3, 2, 1]),
            (GroupValue::Bool(true), vec![0]),
            (text("g0"), vec![4, 2, 0]),
            (text("g1"), vec![5, 3, 1]),
        ];
        assert_eq!(grouped, expected.iter().map(|(value, members)| (value, members.clone())).collect::<Vec<_>>());
    }
}
