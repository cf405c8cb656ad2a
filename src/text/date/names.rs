//! Names of months and days, and the usual forms of dates, in a language: glibc's locales, which jiff leaves to others.

use jiff::civil::Weekday;
use jiff::fmt::strtime::BrokenDownTime;
use pure_rust_locales::{Locale, locale_match};

/// The country whose forms a bare language takes, where it is not the language's own code (`de` is `de_DE`).
const COUNTRIES: &[(&str, &str)] = &[
    ("af", "ZA"),
    ("am", "ET"),
    ("ar", "EG"),
    ("be", "BY"),
    ("bn", "BD"),
    ("bs", "BA"),
    ("ca", "ES"),
    ("cs", "CZ"),
    ("cy", "GB"),
    ("da", "DK"),
    ("el", "GR"),
    ("en", "US"),
    ("et", "EE"),
    ("eu", "ES"),
    ("fa", "IR"),
    ("fil", "PH"),
    ("ga", "IE"),
    ("gl", "ES"),
    ("gu", "IN"),
    ("he", "IL"),
    ("hi", "IN"),
    ("hy", "AM"),
    ("ja", "JP"),
    ("ka", "GE"),
    ("kk", "KZ"),
    ("km", "KH"),
    ("kn", "IN"),
    ("ko", "KR"),
    ("ky", "KG"),
    ("lb", "LU"),
    ("lo", "LA"),
    ("ml", "IN"),
    ("mr", "IN"),
    ("ms", "MY"),
    ("my", "MM"),
    ("nb", "NO"),
    ("ne", "NP"),
    ("nn", "NO"),
    ("pa", "IN"),
    ("sl", "SI"),
    ("sq", "AL"),
    ("sr", "RS"),
    ("sv", "SE"),
    ("sw", "KE"),
    ("ta", "IN"),
    ("te", "IN"),
    ("uk", "UA"),
    ("ur", "PK"),
    ("vi", "VN"),
    ("zh", "CN"),
    ("zu", "ZA"),
];

/// The names and forms of one locale.
pub(super) struct Names {
    days: &'static [&'static str],
    short_days: &'static [&'static str],
    months: &'static [&'static str],
    /// As they stand by themselves, where that differs: Russian `май`, in a date `мая`.
    months_alone: &'static [&'static str],
    short_months: &'static [&'static str],
    short_months_alone: &'static [&'static str],
    halves_of_day: &'static [&'static str],
    date_and_time: &'static str,
    date: &'static str,
    time: &'static str,
    time_of_12_hours: &'static str,
}

impl Names {
    /// Those of `locale`: a language and perhaps a script and a country, separated by `-` or `_`.
    pub(super) fn of(locale: &str) -> Option<Self> {
        let locale = find(locale)?;
        let months = locale_match!(locale => LC_TIME::MON);
        let short_months = locale_match!(locale => LC_TIME::ABMON);
        Some(Self {
            days: locale_match!(locale => LC_TIME::DAY),
            short_days: locale_match!(locale => LC_TIME::ABDAY),
            months,
            months_alone: locale_match!(locale => LC_TIME::ALT_MON).unwrap_or(months),
            short_months,
            short_months_alone: locale_match!(locale => LC_TIME::AB_ALT_MON).unwrap_or(short_months),
            halves_of_day: locale_match!(locale => LC_TIME::AM_PM),
            date_and_time: locale_match!(locale => LC_TIME::D_T_FMT),
            date: locale_match!(locale => LC_TIME::D_FMT),
            time: locale_match!(locale => LC_TIME::T_FMT),
            time_of_12_hours: locale_match!(locale => LC_TIME::T_FMT_AMPM),
        })
    }

    /// `format` with everything that depends on the language written out, for a writer that knows none.
    pub(super) fn expand(&self, format: &str, time: &BrokenDownTime) -> String {
        let mut out = String::with_capacity(format.len() * 2);
        self.expand_into(format, time, Forms::Expand, &mut out);
        out
    }

    fn expand_into(&self, format: &str, time: &BrokenDownTime, forms: Forms, out: &mut String) {
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let specifier = Specifier::read(&rest[at..]);
            rest = &rest[at + specifier.text.len()..];
            match (self.form(&specifier), forms) {
                (Some(form), Forms::Expand) => self.expand_into(&form, time, Forms::Keep, out),
                _ => self.write(&specifier, time, out),
            }
        }
        out.push_str(rest);
    }

    fn write(&self, specifier: &Specifier<'_>, time: &BrokenDownTime, out: &mut String) {
        match self.name(specifier, time) {
            // What is a name to us is a format to the writer.
            Some(name) => out.push_str(&specifier.cased(name).replace('%', "%%")),
            // `%Ey`, `%Od`: years of an era and other digits; written as the plain ones, the year in full.
            None if specifier.modifier == Some('E') && specifier.letter == Some('y') => out.push_str("%Y"),
            None if specifier.modifier.is_some() => out.extend(['%'].into_iter().chain(specifier.letter)),
            None => out.push_str(specifier.text),
        }
    }

    /// The language's own form behind `%c`, `%x`, `%X`, `%r`. Without its zone: few values have one with a name.
    fn form(&self, specifier: &Specifier<'_>) -> Option<String> {
        let form = match specifier.letter? {
            'c' => self.date_and_time,
            'x' => self.date,
            'X' => self.time,
            'r' if self.time_of_12_hours.is_empty() => self.time,
            'r' => self.time_of_12_hours,
            _ => return None,
        };
        Some(form.replace("%Z", "").trim_end().to_owned())
    }

    fn name(&self, specifier: &Specifier<'_>, time: &BrokenDownTime) -> Option<&'static str> {
        let alone = specifier.modifier == Some('O');
        let months = if alone { self.months_alone } else { self.months };
        let short_months = if alone { self.short_months_alone } else { self.short_months };
        match specifier.letter? {
            'A' => name_of_day(self.days, time),
            'a' => name_of_day(self.short_days, time),
            'B' => name_of_month(months, time),
            'b' | 'h' => name_of_month(short_months, time),
            'p' | 'P' => self.half_of_day(time),
            _ => None,
        }
    }

    fn half_of_day(&self, time: &BrokenDownTime) -> Option<&'static str> {
        let index = usize::from(time.hour()? >= 12);
        // Languages that count to 24 have none; left empty, four in the morning would read as four in the afternoon.
        self.halves_of_day.get(index).copied().filter(|name| !name.is_empty())
    }
}

/// Whether `%c` and its like are expanded; not inside of one, so that none can contain itself.
#[derive(Clone, Copy)]
enum Forms {
    Expand,
    Keep,
}

/// `%`, flags, width, colons, modifier, letter.
struct Specifier<'a> {
    text: &'a str,
    flag: Option<char>,
    modifier: Option<char>,
    letter: Option<char>,
}

impl<'a> Specifier<'a> {
    /// Reads the specifier at the beginning of `text`, which is a `%`.
    fn read(text: &'a str) -> Self {
        let mut modifier = None;
        let mut flag = None;
        for (at, char) in text.char_indices().skip(1) {
            match char {
                '^' | '#' => flag = Some(char),
                '-' | '_' | ':' | '.' | '0'..='9' => {}
                'E' | 'O' if modifier.is_none() => modifier = Some(char),
                _ => {
                    let end = at + char.len_utf8();
                    return Self { text: &text[..end], flag, modifier, letter: Some(char) };
                }
            }
        }
        Self { text, flag, modifier, letter: None }
    }

    fn cased(&self, name: &str) -> String {
        match (self.flag, self.letter) {
            (Some('^'), _) => name.to_uppercase(),
            (_, Some('P')) => name.to_lowercase(),
            (Some('#'), Some('p')) => name.to_lowercase(),
            (Some('#'), _) => name.to_uppercase(),
            _ => name.to_owned(),
        }
    }
}

fn name_of_day(names: &'static [&'static str], time: &BrokenDownTime) -> Option<&'static str> {
    let weekday: Weekday = time.weekday().or_else(|| time.to_date().ok().map(|date| date.weekday()))?;
    names.get(usize::try_from(weekday.to_sunday_zero_offset()).ok()?).copied()
}

fn name_of_month(names: &'static [&'static str], time: &BrokenDownTime) -> Option<&'static str> {
    names.get(usize::try_from(time.month()?).ok()?.checked_sub(1)?).copied()
}

/// glibc's name for a locale in BCP 47 or POSIX form: `de` → `de_DE`, `zh-Hant` → `zh_TW`, `sr-Latn-RS` → `sr_RS@latin`.
fn find(name: &str) -> Option<Locale> {
    let mut parts = name.split(['-', '_']);
    let language = parts.next()?.to_ascii_lowercase();
    let (mut script, mut country) = (None, None);
    for part in parts {
        match part.len() {
            4 if script.is_none() && country.is_none() => script = Some(part.to_ascii_lowercase()),
            2 if country.is_none() => country = Some(part.to_ascii_uppercase()),
            _ => return None,
        }
    }
    let language = if language == "no" { "nb".to_owned() } else { language };
    let country = country.unwrap_or_else(|| usual_country(&language, script.as_deref()));
    let plain = format!("{language}_{country}");
    let marked = match script.as_deref() {
        Some("latn") => format!("{plain}@latin"),
        Some("cyrl") => format!("{plain}@cyrillic"),
        _ => plain.clone(),
    };
    Locale::try_from(marked.as_str()).or_else(|_| Locale::try_from(plain.as_str())).ok()
}

fn usual_country(language: &str, script: Option<&str>) -> String {
    if (language, script) == ("zh", Some("hant")) {
        return "TW".to_owned();
    }
    let listed = COUNTRIES.iter().find(|(name, _)| *name == language);
    listed.map_or_else(|| language.to_ascii_uppercase(), |(_, country)| (*country).to_owned())
}

/// Entries of [`COUNTRIES`] that lead nowhere.
#[cfg(test)]
pub(super) fn languages_without_locale() -> Vec<&'static str> {
    COUNTRIES.iter().map(|(language, _)| *language).filter(|language| find(language).is_none()).collect()
}
