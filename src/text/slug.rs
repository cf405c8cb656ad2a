//! Slugs: the part of a path that is made from a text people wrote.
//!
//! Letters and digits of every script stay; a reader of Japanese gets Japanese addresses. Nothing is transliterated, so
//! that two different titles do not become one path behind the author's back.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Lower-cased NFC letters and digits of `text`, with one `-` for everything between them and none at the ends.
///
/// `"Zürich & Ötzi"` becomes `"zürich-ötzi"`. The result is empty when `text` holds no letter and no digit; it never
/// holds a character that a path refuses.
pub fn slugify(text: &str) -> String {
    let lowered: String = text.nfc().collect::<String>().to_lowercase();
    let mut slug = String::with_capacity(lowered.len());
    let mut gap = false;
    // Lower-casing can take a letter apart (`İ` is `i` and a dot), hence composed again.
    for char in lowered.nfc() {
        if char.is_alphanumeric() || (joins_letters(char) && !gap && !slug.is_empty()) {
            if gap && !slug.is_empty() {
                slug.push('-');
            }
            gap = false;
            slug.push(char);
        } else if !is_invisible(char) {
            gap = true;
        }
    }
    slug
}

/// The slug of a tag: the part after its namespace's `:`, with `/` as `-`; `"ns:a/b"` becomes `"a-b"`.
///
/// Other characters stay as they are (design.md §4): a tag's id is a name in the repository already, and a path refuses
/// what it cannot hold.
pub fn tag_slug(tag: &str) -> String {
    let name = tag.split_once(':').map_or(tag, |(_, name)| name);
    name.trim_matches('/').replace('/', "-")
}

/// Marks that belong to the letter before them, such as the virama of Devanagari, which `char::is_alphanumeric` leaves
/// out. Not the selectors that only choose a picture's look.
fn joins_letters(char: char) -> bool {
    let chooses_look = matches!(char, '\u{fe00}'..='\u{fe0f}' | '\u{20e3}' | '\u{e0100}'..='\u{e01ef}');
    is_combining_mark(char) && !chooses_look
}

/// Characters without width inside words: they leave no gap.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::permalink::check_inserted;
    use proptest::prelude::*;

    #[test]
    fn keeps_letters_of_every_script() {
        for (text, slug) in [
            ("Zürich & Ötzi", "zürich-ötzi"),
            ("  Bali   Surf-Camp! ", "bali-surf-camp"),
            ("Zu\u{308}rich", "zürich"),
            ("日本 の 山", "日本-の-山"),
            ("हिन्दी", "हिन्दी"),
            ("Ski 🎿 2024", "ski-2024"),
            ("1\u{fe0f}\u{20e3} first", "1-first"),
            ("🎉", ""),
            ("../../etc/x", "etc-x"),
            ("co\u{ad}operate", "cooperate"),
            ("", ""),
        ] {
            assert_eq!(slugify(text), slug, "{text:?}");
        }
    }

    #[test]
    fn a_tag_loses_its_namespace() {
        assert_eq!(tag_slug("ns:a/b"), "a-b");
        assert_eq!(tag_slug("wknd:activity/rock_climbing"), "activity-rock_climbing");
        assert_eq!(tag_slug("plain"), "plain");
        assert_eq!(tag_slug("ns:"), "");
    }

    proptest! {
        #[test]
        fn a_slug_is_never_refused_in_a_path(text in any::<String>()) {
            let slug = slugify(&text);
            prop_assert!(slug.is_empty() || check_inserted(&slug, false).is_ok(), "{slug:?}");
            prop_assert_eq!(slugify(&slug), slug);
        }
    }
}
