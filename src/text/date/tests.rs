#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use proptest::prelude::*;

use super::*;

const INSTANT: &str = "2023-06-29T06:57:10.657Z";

fn local(value: &str, form: &str, locale: &str) -> String {
    format(value, form, None, Some(locale)).unwrap()
}

#[test]
fn reads_the_forms_of_aem() {
    for (value, form, expected) in [
        ("2016-05-24", "%d.%m.%Y", "24.05.2016"),
        ("10:15:00", "%H:%M", "10:15"),
        ("10:15:00.000", "%H:%M", "10:15"),
        (INSTANT, "%Y-%m-%dT%H:%M:%S%:z", "2023-06-29T06:57:10+00:00"),
        ("2018-11-27T14:00:00.000+01:00", "%H:%M %:z", "14:00 +01:00"),
        ("2018-11-27T14:00:00.000-0330", "%H:%M %:z", "14:00 -03:30"),
        ("2026-03-01T09:15:00.249368067999Z", "%S.%f", "00.249368067"),
        ("2016-05-24T08:00:00", "%H:%M", "08:00"),
        ("2016-05-24", "no specifier", "no specifier"),
    ] {
        assert_eq!(format(value, form, None, None).unwrap(), expected, "{value}");
    }
}

#[test]
fn a_zone_moves_instants_only() {
    let in_zone = |value, zone| format(value, "%Y-%m-%d %H:%M %Z", Some(zone), None);
    assert_eq!(in_zone(INSTANT, "Europe/Berlin").unwrap(), "2023-06-29 08:57 CEST");
    assert_eq!(in_zone(INSTANT, "UTC").unwrap(), "2023-06-29 06:57 UTC");
    assert_eq!(in_zone("2023-01-01T00:30:00+14:00", "America/New_York").unwrap(), "2022-12-31 05:30 EST");
    assert_eq!(in_zone("2016-05-24T08:00:00", "Europe/Berlin").unwrap(), "2016-05-24 08:00 CEST");
    assert_eq!(format("2016-05-24", "%F", Some("Asia/Tokyo"), None).unwrap(), "2016-05-24");
}

#[test]
fn names_follow_the_locale() {
    assert_eq!(local("2016-05-24", "%A, %-d. %B %Y", "de"), "Dienstag, 24. Mai 2016");
    assert_eq!(local("2016-01-24", "%-d. %B", "de-AT"), "24. Jänner");
    assert_eq!(local("2016-01-24", "%-d. %B", "de_AT"), "24. Jänner");
    assert_eq!(local("2016-05-24", "%-d %B; %OB", "ru"), "24 мая; Май");
    assert_eq!(local("2016-05-24", "%^a %b", "fr"), "MAR. mai");
    assert_eq!(local("2016-05-24", "%A %% %B", "en"), "Tuesday % May");
    assert_eq!(local("2016-05-24", "%x", "ja"), "2016年05月24日");
    assert_eq!(local("2016-05-24", "%x", "zh-Hant"), local("2016-05-24", "%x", "zh_TW"));
    assert_eq!(local(INSTANT, "%x %X", "de"), "29.06.2023 06:57:10");
    assert_eq!(local(INSTANT, "%c", "de"), "Do 29 Jun 2023 06:57:10");
    assert_eq!(local(INSTANT, "%I %p", "ja"), "06 午前");
    assert_eq!(local(INSTANT, "%I %p", "de"), "06 AM");
    assert_eq!(local("2016-05-24", "%A", "sr-Latn-RS"), "utorak");
}

#[test]
fn an_error_names_what_is_wrong() {
    let message = |value, form, zone, locale| format(value, form, zone, locale).unwrap_err().to_string();
    assert!(message("soon", "%F", None, None).starts_with("`soon` is not a date or time: "));
    assert!(message("", "%F", None, None).starts_with("`` is not a date or time: "));
    assert!(message("2016-02-30", "%F", None, None).contains("2016-02-30"));
    assert!(message("10:15:00", "%Y", None, None).starts_with("cannot write `10:15:00` as `%Y`: "));
    assert!(message("10:15:00", "%A", None, Some("de")).starts_with("cannot write `10:15:00` as `%A`: "));
    assert!(message(INSTANT, "%!", None, None).starts_with("cannot write"));
    assert_eq!(message(INSTANT, "%F", Some("Europe/Bonn"), None), "there is no time zone `Europe/Bonn`");
    for locale in ["xx", "de-AT-x-y", "", "e", "de-ZZ"] {
        let expected = format!("there are no names of months and days for the locale `{locale}`");
        assert_eq!(message(INSTANT, "%F", None, Some(locale)), expected);
    }
}

#[test]
fn every_usual_country_is_a_locale() {
    for language in
        ["de", "en", "fr", "es", "it", "pt", "nl", "pl", "no", "nb", "sv", "da", "fi", "cs", "ja", "ko", "zh"]
    {
        assert!(Names::of(language).is_some(), "{language}");
    }
    assert_eq!(names::languages_without_locale(), Vec::<&str>::new());
}

proptest! {
    #[test]
    fn nothing_panics(value in "[0-9T:.Z+-]{0,30}", form in "(%|[a-zA-Z:.^#_0-9-]|é){0,12}", any in any::<String>()) {
        for locale in [None, Some("ru"), Some(any.as_str())] {
            for value in [value.as_str(), INSTANT, any.as_str()] {
                let _ = format(value, &form, None, locale);
                let _ = format(value, &any, Some(&any), None);
            }
        }
    }
}
