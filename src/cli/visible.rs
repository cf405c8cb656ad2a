//! Makes text from content, servers and files safe for a terminal: control characters, escape sequences and characters that
//! reorder a line are shown as pictures, never passed on. A title in AEM must not be able to forge a line or move the cursor.

use unicode_width::UnicodeWidthChar;

/// Columns of a tab stop.
const TAB: usize = 4;

/// One character as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glyph {
    /// What is written.
    pub text: String,
    /// Columns it takes.
    pub width: usize,
}

/// `text` on one line: line breaks and tabs are shown as pictures too.
pub fn line(text: &str) -> String {
    text.chars().map(|character| picture(character).unwrap_or_else(|| character.to_string())).collect()
}

/// `text` as it is but for control characters; line breaks and tabs stay.
pub fn block(text: &str) -> String {
    let keep = |character: char| matches!(character, '\n' | '\t');
    text.chars()
        .map(|character| match picture(character) {
            Some(picture) if !keep(character) => picture,
            _ => character.to_string(),
        })
        .collect()
}

/// A line of source, character by character, with tabs expanded.
pub fn glyphs(source: &str) -> Vec<Glyph> {
    let mut column = 0;
    let glyph = |character: char| {
        let text = match (character, picture(character)) {
            ('\t', _) => " ".repeat(TAB - column % TAB),
            (_, Some(picture)) => picture,
            _ => character.to_string(),
        };
        let width = text.chars().map(|character| character.width().unwrap_or(0)).sum();
        column += width;
        Glyph { text, width }
    };
    source.chars().map(glyph).collect()
}

/// The picture of a character that must not reach a terminal.
fn picture(character: char) -> Option<String> {
    match character {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).map(String::from),
        '\u{7f}' => Some('\u{2421}'.to_string()),
        // C1 controls, line and paragraph separators, bidirectional controls, byte order mark.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => Some(format!("<U+{:04X}>", u32::from(character))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_shown() {
        assert_eq!(line("a\u{1b}[31mb\r\nc\u{9b}d\u{202e}"), "a␛[31mb␍␊c<U+009B>d<U+202E>");
        assert_eq!(block("a\n\tb\u{7}"), "a\n\tb␇");
    }

    #[test]
    fn glyphs_know_their_columns() {
        let widths: Vec<_> = glyphs("\ta\t日e\u{301}").iter().map(|glyph| glyph.width).collect();
        assert_eq!(widths, [4, 1, 3, 2, 1, 0]);
    }
}
