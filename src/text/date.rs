//! The `date` filter: AEM's dates and times in words of a language (protocol §4.3).
//!
//! Zones and names come from data in the binary, never from the machine, and there is no "now": the same value and
//! arguments give the same bytes everywhere.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ZonedDateTime};

mod names;

use names::Names;

/// Why a value cannot be written as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Not a date, a time, or both in the form of AEM.
    #[error("`{value}` is not a date or time: {cause}")]
    Value {
        /// The beginning of the value.
        value: String,
        /// What the reader of dates says.
        cause: String,
    },
    /// A format with an unknown specifier, or one that needs what the value does not have.
    #[error("cannot write `{value}` as `{format}`: {cause}")]
    Format {
        /// The value.
        value: String,
        /// The format.
        format: String,
        /// What the writer of dates says.
        cause: String,
    },
    /// No zone of this name in the bundled database.
    #[error("there is no time zone `{name}`")]
    Timezone {
        /// The name as it was given.
        name: String,
    },
    /// No names of months and days for this locale.
    #[error("there are no names of months and days for the locale `{name}`")]
    Locale {
        /// The name as it was given.
        name: String,
    },
}

impl DateError {
    /// What to do next.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Value { .. } => "give it a field of the type date, time or date and time",
            Self::Format { .. } => "use the specifiers of strftime that the value has, such as `%d %B %Y` for a date",
            Self::Timezone { .. } => "use a name of the IANA database, such as `Europe/Berlin`",
            Self::Locale { .. } => "use a language and perhaps a country, such as `de` or `de-AT`",
        }
    }
}

/// What AEM's three types of date fields hold.
enum Moment {
    Date(Date),
    Time(Time),
    /// A date and a time that say nothing of their zone.
    Local(DateTime),
    Zoned(ZonedDateTime),
}

/// Writes `value` in the form `format` (strftime).
///
/// `value` is `2016-05-24`, `10:15:00` or `2023-06-29T06:57:10.657Z`, with any number of fractional digits and any
/// offset. `timezone` is an IANA name; without it the offset of the value is kept. It moves instants; a date or a time
/// by itself is the same everywhere. A date with a time but no offset is taken to be local to the zone. `locale` (`de`,
/// `de-AT`, `de_AT`) chooses the names of months and days and the forms `%c`, `%x`, `%X` and `%r`; without it they are
/// English and those of Unicode's root.
///
/// # Errors
/// [`DateError`] says which of the arguments cannot be used, and names it.
pub fn format(value: &str, format: &str, timezone: Option<&str>, locale: Option<&str>) -> Result<String, DateError> {
    let zone = timezone.map(zone_named).transpose()?;
    let names = locale.map(names_of).transpose()?;
    let moment = parse(value)?;
    let unwritable = |cause: jiff::Error| DateError::Format {
        value: beginning(value),
        format: format.to_owned(),
        cause: cause.to_string(),
    };
    let time = broken_down(moment, zone).map_err(unwritable)?;
    let format = match &names {
        Some(names) => Cow::Owned(names.expand(format, &time)),
        None => Cow::Borrowed(format),
    };
    strtime::format(format.as_bytes(), time).map_err(unwritable)
}

/// The bundled database caches the zones it has read.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

fn zone_named(name: &str) -> Result<TimeZone, DateError> {
    ZONES.get(name).map_err(|_| DateError::Timezone { name: beginning(name) })
}

fn names_of(locale: &str) -> Result<Names, DateError> {
    Names::of(locale).ok_or_else(|| DateError::Locale { name: beginning(locale) })
}

fn broken_down(moment: Moment, zone: Option<TimeZone>) -> Result<BrokenDownTime, jiff::Error> {
    Ok(match (moment, zone) {
        (Moment::Date(date), _) => BrokenDownTime::from(date),
        (Moment::Time(time), _) => BrokenDownTime::from(time),
        (Moment::Local(local), None) => BrokenDownTime::from(local),
        (Moment::Local(local), Some(zone)) => BrokenDownTime::from(&local.to_zoned_datetime(zone)?),
        (Moment::Zoned(zoned), None) => BrokenDownTime::from(&zoned),
        (Moment::Zoned(zoned), Some(zone)) => BrokenDownTime::from(&zoned.with_time_zone(zone)),
    })
}

fn parse(value: &str) -> Result<Moment, DateError> {
    let text = short_fraction(value.trim());
    let unreadable = |cause: jiff::Error| DateError::Value { value: beginning(value), cause: cause.to_string() };
    // A time by itself is the one form that begins with two digits and a colon.
    if text.as_bytes().get(2) == Some(&b':') {
        return text.parse().map(Moment::Time).map_err(unreadable);
    }
    let pieces = Pieces::parse(text.as_ref()).map_err(unreadable)?;
    let Some(time) = pieces.time() else {
        return Ok(Moment::Date(pieces.date()));
    };
    let local = pieces.date().to_datetime(time);
    let Some(offset) = pieces.to_numeric_offset() else {
        return Ok(Moment::Local(local));
    };
    let instant: Timestamp = offset.to_timestamp(local).map_err(unreadable)?;
    Ok(Moment::Zoned(instant.to_zoned_datetime(TimeZone::fixed(offset))))
}

/// The value with at most nine fractional digits, the most that jiff reads; what is cut off is less than a nanosecond.
fn short_fraction(value: &str) -> Cow<'_, str> {
    const DIGITS: usize = 9;
    let Some(point) = value.find('.') else {
        return Cow::Borrowed(value);
    };
    let fraction = &value[point + 1..];
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if digits <= DIGITS {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("{}{}", &value[..point + 1 + DIGITS], &fraction[digits..]))
}

/// Enough of a text to know it again.
fn beginning(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
