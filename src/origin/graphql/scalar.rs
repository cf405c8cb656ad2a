//! A stored value as something that has an order: what filters and sorts compare. Dates and times compare by what they mean,
//! not by their letters, so that two spellings of one instant are equal and every list has one order.

use std::borrow::Cow;
use std::cmp::Ordering;

use apollo_compiler::response::JsonValue;
use jiff::civil;

use super::super::content::models::Kind;

/// A value that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::origin) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Number(f64),
    /// Nanoseconds: since 1970 for dates and instants, since midnight for times of day.
    Moment(i128),
    Text(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    /// The value of a field of that kind. A text that is no date where one is needed stays text.
    pub fn of(kind: Kind, value: &'a JsonValue) -> Self {
        match value {
            JsonValue::Bool(truth) => Self::Boolean(*truth),
            JsonValue::Number(number) => number.as_f64().map_or(Self::Null, Self::Number),
            JsonValue::String(text) => {
                moment(kind, text.as_str()).map_or(Self::Text(Cow::Borrowed(text.as_str())), Self::Moment)
            }
            JsonValue::Null | JsonValue::Array(_) | JsonValue::Object(_) => Self::Null,
        }
    }

    /// The same without what it borrows.
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Null => Scalar::Null,
            Self::Boolean(truth) => Scalar::Boolean(truth),
            Self::Number(number) => Scalar::Number(number),
            Self::Moment(moment) => Scalar::Moment(moment),
            Self::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// Small letters, where it is text.
    pub fn folded(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Cow::Owned(text.to_lowercase())),
            other => other,
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A total order: null last, numbers by value, texts by code point. Values of one field are of one variant.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Moment(a), Self::Moment(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Boolean(_) => 0,
            Self::Number(_) => 1,
            Self::Moment(_) => 2,
            Self::Text(_) => 3,
            Self::Null => 4,
        }
    }
}

/// Instants without an offset count as UTC; which zone AEM takes is not documented (protocol §4.3).
fn moment(kind: Kind, text: &str) -> Option<i128> {
    let since_1970 = |at: civil::DateTime| at.duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_nanos();
    match kind {
        Kind::Date => text.parse::<civil::Date>().ok().map(|date| since_1970(date.at(0, 0, 0, 0))),
        Kind::Time => {
            let time = text.parse::<civil::Time>().ok()?;
            Some(time.duration_since(civil::Time::midnight()).as_nanos())
        }
        Kind::DateTime => {
            let instant = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_nanosecond);
            instant.ok().or_else(|| text.parse::<civil::DateTime>().ok().map(since_1970))
        }
        _ => None,
    }
}

/// Whether a text can be a value of the kind: only dates and times refuse any.
pub(in crate::origin) fn is_value(kind: Kind, value: &JsonValue) -> bool {
    match kind {
        Kind::Date | Kind::Time | Kind::DateTime => {
            value.is_null() || value.as_str().is_some_and(|text| moment(kind, text).is_some())
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use apollo_compiler::response::JsonValue;

    use super::{Scalar, is_value};
    use crate::origin::content::models::Kind;

    fn order(kind: Kind, a: &str, b: &str) -> Ordering {
        let (a, b) = (JsonValue::from(a), JsonValue::from(b));
        Scalar::of(kind, &a).order(&Scalar::of(kind, &b))
    }

    #[test]
    fn moments_compare_by_meaning() {
        assert_eq!(order(Kind::DateTime, "2026-01-05T10:00:00.000+02:00", "2026-01-05T08:00:00Z"), Ordering::Equal);
        assert_eq!(order(Kind::DateTime, "2026-01-05T09:00:00", "2026-01-05T08:00:00Z"), Ordering::Greater);
        assert_eq!(order(Kind::DateTime, "2026-01-05", "2026-01-05T00:00:00Z"), Ordering::Equal);
        assert_eq!(order(Kind::Time, "9:00", "10:00"), Ordering::Greater, "no time: text");
        assert_eq!(order(Kind::Time, "09:00", "09:00:00.000"), Ordering::Equal);
        assert_eq!(order(Kind::Date, "0999-12-31", "1000-01-01"), Ordering::Less);
        assert_eq!(order(Kind::Text, "2026-01-05T10:00:00+02:00", "2026-01-05T08:00:00Z"), Ordering::Greater);
    }

    #[test]
    fn dates_refuse_other_texts() {
        assert!(is_value(Kind::Date, &"2026-01-31".into()) && is_value(Kind::Date, &JsonValue::Null));
        for (kind, value) in [(Kind::Date, "2026-02-30"), (Kind::Time, "25:00"), (Kind::DateTime, "soon")] {
            assert!(!is_value(kind, &value.into()), "{value}");
        }
        assert!(!is_value(Kind::Date, &5.into()) && is_value(Kind::Text, &5.into()));
    }
}
