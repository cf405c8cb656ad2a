//! `sort`: AEM's form of an order, and the keys it compares (design.md §4, protocol §5.2).
//!
//! A key is made once for every item, then items are compared by bytes and numbers; the texts themselves need not stay
//! in memory.

use std::cmp::Ordering;

use icu_collator::options::CollatorOptions;
use icu_collator::{CollatorBorrowed, CollatorPreferences};
use icu_locale_core::Locale;
use serde::{Deserialize, Serialize};

/// One part of a `sort`, such as `author.name DESC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The field, step by step: `["author", "name"]`.
    pub path: Vec<String>,
    /// Whether greater values come first.
    pub descending: bool,
}

/// What is wrong with the text of a `sort`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Nothing between two commas, or nothing at all.
    #[error("`sort` has an empty part")]
    EmptyPart,
    /// A field that cannot be one.
    #[error("`{field}` in `sort` is not a field")]
    Field {
        /// The text in its place.
        field: String,
    },
    /// A word after the field that is neither `ASC` nor `DESC`.
    #[error("`{word}` in `sort` part `{part}` is neither `ASC` nor `DESC`")]
    Direction {
        /// The whole part.
        part: String,
        /// The word that was found.
        word: String,
    },
}

impl OrderError {
    /// What to do next.
    pub fn help(&self) -> &'static str {
        "write fields with dots between their steps, each with ASC or DESC or neither: \"date DESC, author.name\""
    }
}

/// Reads AEM's form of an order: `"date DESC, author.name"`. Ascending unless it says otherwise; `asc` and `desc` may be
/// in any case.
///
/// # Errors
/// [`OrderError`] names the part that cannot be read.
pub fn parse(sort: &str) -> Result<Vec<SortKey>, OrderError> {
    sort.split(',').map(parse_part).collect()
}

fn parse_part(part: &str) -> Result<SortKey, OrderError> {
    let mut words = part.split_whitespace();
    let field = words.next().ok_or(OrderError::EmptyPart)?;
    let path: Vec<String> = field.split('.').map(str::to_owned).collect();
    if !path.iter().all(|step| is_name(step)) {
        return Err(OrderError::Field { field: field.to_owned() });
    }
    let unknown = |word: &str| OrderError::Direction { part: part.trim().to_owned(), word: word.to_owned() };
    let descending = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("asc") => false,
        Some(word) if word.eq_ignore_ascii_case("desc") => true,
        Some(word) => return Err(unknown(word)),
    };
    match words.next() {
        Some(word) => Err(unknown(word)),
        None => Ok(SortKey { path, descending }),
    }
}

/// Whether `step` is a GraphQL name.
fn is_name(step: &str) -> bool {
    !step.is_empty()
        && !step.starts_with(|char: char| char.is_ascii_digit())
        && step.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// One value of an item in the form that is compared; 24 bytes and, for a text, its collation key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Key {
    /// `false` before `true`.
    Bool(bool),
    /// Compared by value.
    Number(f64),
    /// A text's collation key, made by [`Collation::key`]; compared by bytes.
    Text(Box<[u8]>),
    /// No value: last, whatever the direction.
    Null,
}

impl Key {
    /// Kinds that meet in one field (a union's) stand in this order.
    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::Null => 3,
        }
    }

    fn ascending(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Number(left), Self::Number(right)) => by_value(*left, *right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Total, with `-0.0` equal to `0.0`, as they are the same number to people.
fn by_value(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.total_cmp(&right))
}

/// Compares two items by their keys, which stand in the order of `order`. Equal items are told apart by the caller
/// (`_path`, then `_variation`). Keys that are missing count as null.
pub fn compare<'a>(order: &[SortKey], left: &'a [Key], right: &'a [Key]) -> Ordering {
    let key = |keys: &'a [Key], index: usize| keys.get(index).unwrap_or(&Key::Null);
    order
        .iter()
        .enumerate()
        .map(|(index, sort_key)| compare_one(sort_key.descending, key(left, index), key(right, index)))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn compare_one(descending: bool, left: &Key, right: &Key) -> Ordering {
    match (left, right) {
        (Key::Null, Key::Null) => Ordering::Equal,
        (Key::Null, _) => Ordering::Greater,
        (_, Key::Null) => Ordering::Less,
        _ if descending => right.ascending(left),
        _ => left.ascending(right),
    }
}

/// The order of texts in a language, from data in the binary: the same on every machine.
pub struct Collation {
    collator: CollatorBorrowed<'static>,
}

impl std::fmt::Debug for Collation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Collation")
    }
}

impl Collation {
    /// The collation of `locale` (`de`, `de-AT`, `de_AT`); without one, or for one that is not known, Unicode's own,
    /// which suits most languages.
    pub fn new(locale: Option<&str>) -> Self {
        let preferences = locale
            .and_then(|name| Locale::try_from_str(&name.replace('_', "-")).ok())
            .map_or_else(CollatorPreferences::default, |locale| CollatorPreferences::from(&locale));
        let collator = CollatorBorrowed::try_new(preferences, CollatorOptions::default())
            .or_else(|_| CollatorBorrowed::try_new(CollatorPreferences::default(), CollatorOptions::default()))
            .expect("the root collation is compiled in");
        Self { collator }
    }

    /// The key of `text`: keys compare by bytes as the texts do in the language. About twice the length of the text.
    pub fn key(&self, text: &str) -> Key {
        let mut key = Vec::with_capacity(text.len() * 2);
        let Ok(()) = self.collator.write_sort_key_to(text, &mut key);
        Key::Text(key.into_boxed_slice())
    }

    /// Compares two texts as their keys compare, without making any.
    pub fn compare(&self, left: &str, right: &str) -> Ordering {
        self.collator.compare(left, right)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use proptest::prelude::*;

    fn part(path: &[&str], descending: bool) -> SortKey {
        SortKey { path: path.iter().map(ToString::to_string).collect(), descending }
    }

    #[test]
    fn reads_the_form_of_aem() {
        let order = parse("date DESC, author.name,title asc").unwrap();
        assert_eq!(order, [part(&["date"], true), part(&["author", "name"], false), part(&["title"], false)]);
    }

    #[test]
    fn names_the_part_it_cannot_read() {
        for (sort, message) in [
            ("", "`sort` has an empty part"),
            ("a,,b", "`sort` has an empty part"),
            ("a..b", "`a..b` in `sort` is not a field"),
            ("{{ a }}", "`{{` in `sort` is not a field"),
            ("date down", "`down` in `sort` part `date down` is neither `ASC` nor `DESC`"),
            ("date DESC last", "`last` in `sort` part `date DESC last` is neither `ASC` nor `DESC`"),
        ] {
            assert_eq!(parse(sort).unwrap_err().to_string(), message);
        }
    }

    fn sorted(locale: &str, texts: &[&'static str]) -> Vec<&'static str> {
        let collation = Collation::new(Some(locale));
        let order = parse("title").unwrap();
        let mut texts = texts.to_vec();
        texts.sort_by(|left, right| compare(&order, &[collation.key(left)], &[collation.key(right)]));
        texts
    }

    #[test]
    fn texts_follow_the_language() {
        assert_eq!(sorted("de", &["Zug", "Öl", "ähnlich", "Ofen"]), ["ähnlich", "Ofen", "Öl", "Zug"]);
        assert_eq!(sorted("sv", &["Zug", "Öl", "Ofen"]), ["Ofen", "Zug", "Öl"]);
        assert_eq!(sorted("sv_SE", &["Zug", "Öl", "Ofen"]), ["Ofen", "Zug", "Öl"]);
        assert_eq!(sorted("no such", &["b", "A", "a"]), ["a", "A", "b"]);
    }

    #[test]
    fn null_is_last_in_both_directions() {
        let collation = Collation::new(None);
        for (sort, expected) in [("x", [1.0, 2.0]), ("x DESC", [2.0, 1.0])] {
            let order = parse(sort).unwrap();
            let mut keys = [Key::Null, Key::Number(2.0), Key::Number(1.0)];
            keys.sort_by(|left, right| compare(&order, std::slice::from_ref(left), std::slice::from_ref(right)));
            assert_eq!(keys, [Key::Number(expected[0]), Key::Number(expected[1]), Key::Null]);
        }
        let order = parse("x, y").unwrap();
        let left = [Key::Number(-0.0), collation.key("a")];
        assert_eq!(compare(&order, &left, &[Key::Number(0.0), collation.key("b")]), Ordering::Less);
        assert_eq!(compare(&order, &left, &[Key::Number(0.0)]), Ordering::Less);
        assert_eq!(compare(&order, &[Key::Bool(true)], &[Key::Number(0.0)]), Ordering::Less);
    }

    proptest! {
        #[test]
        fn keys_compare_as_the_texts(left in any::<String>(), right in any::<String>()) {
            let collation = Collation::new(Some("de"));
            let order = [part(&["x"], false)];
            let by_key = compare(&order, &[collation.key(&left)], &[collation.key(&right)]);
            prop_assert_eq!(by_key, collation.compare(&left, &right));
        }
    }
}
