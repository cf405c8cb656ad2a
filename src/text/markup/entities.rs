//! Character references of html: `&auml;`, `&#228;`, `&#xE4;`.

use std::borrow::Cow;

use pulldown_cmark::{Event, Parser};

/// The longest name of a reference, without `&` and `;` (`CounterClockwiseContourIntegral`).
const LONGEST_NAME: usize = 31;

/// `text` with its character references replaced by the characters, as a browser does it. A name that does not exist
/// stays as it is written; a number needs no `;`, a name does.
pub fn decode_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = decode_one(rest, &mut out).unwrap_or_else(|| {
            out.push('&');
            1
        });
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Decodes the reference at the beginning of `text` and returns its length in bytes.
fn decode_one(text: &str, out: &mut String) -> Option<usize> {
    if let Some(number) = text.strip_prefix("&#") {
        return decode_number(number, out).map(|length| length + 2);
    }
    let name = text[1..].bytes().take(LONGEST_NAME + 1).take_while(u8::is_ascii_alphanumeric).count();
    if name == 0 || text.as_bytes().get(name + 1) != Some(&b';') {
        return None;
    }
    let reference = &text[..name + 2];
    match reference {
        "&amp;" => out.push('&'),
        "&lt;" => out.push('<'),
        "&gt;" => out.push('>'),
        "&quot;" => out.push('"'),
        "&apos;" => out.push('\''),
        "&nbsp;" => out.push('\u{a0}'),
        _ => out.push_str(&named(reference)?),
    }
    Some(reference.len())
}

/// Markdown has the references of html, all of them; its reader brings the table of two thousand names.
fn named(reference: &str) -> Option<String> {
    let texts: String = Parser::new(reference)
        .filter_map(|event| match event {
            Event::Text(text) => Some(text),
            _ => None,
        })
        .map(pulldown_cmark::CowStr::into_string)
        .collect();
    // `&Tab;` and `&NewLine;` are white space, of which Markdown makes nothing.
    match reference {
        "&Tab;" => Some("\t".to_owned()),
        "&NewLine;" => Some("\n".to_owned()),
        _ => (!texts.is_empty() && texts != reference).then_some(texts),
    }
}

/// Decodes what follows `&#` and returns its length in bytes.
fn decode_number(text: &str, out: &mut String) -> Option<usize> {
    let (digits, radix, prefix) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1),
        None => (text, 10, 0),
    };
    let length = digits.bytes().take_while(|&byte| char::from(byte).is_digit(radix)).count();
    if length == 0 {
        return None;
    }
    // Too many digits for a number: no character either.
    let code = u32::from_str_radix(&digits[..length], radix).unwrap_or(u32::MAX);
    out.push(character(code));
    let end = prefix + length;
    Some(if text.as_bytes().get(end) == Some(&b';') { end + 1 } else { end })
}

/// The character of a number. 128 to 159 are those of Windows-1252, as old editors wrote them and browsers read them.
fn character(code: u32) -> char {
    const WINDOWS: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match code {
        0 => char::REPLACEMENT_CHARACTER,
        0x80..=0x9f => WINDOWS[(code - 0x80) as usize],
        _ => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}
