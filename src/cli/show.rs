//! Draws a [`Diagnostic`] for people: header with code, place, excerpt with caret, fragments, notes, help. Pure: text in, text
//! out. Nothing that came from content or a server reaches the terminal unseen (see [`visible`]).

use aem_static::report::{Diagnostic, Place, Severity};

use super::colour::Paint;
use super::visible::{self, Glyph};

/// Columns of source that are shown; a longer line is cut around its caret.
const COLUMNS: usize = 160;
/// How much of a cut line stands before the caret.
const BEFORE: usize = 60;
/// Fragments that are named; the others are counted.
const FRAGMENTS: usize = 10;

/// The drawing of one diagnostic, lines ending in a line break.
pub fn draw(diagnostic: &Diagnostic, paint: Paint) -> String {
    let mut text = header(diagnostic, paint);
    if let Some(place) = &diagnostic.place {
        draw_place(&mut text, diagnostic.severity, place, paint);
    }
    for fragment in diagnostic.fragments.iter().take(FRAGMENTS) {
        field(&mut text, "fragment", fragment, paint);
    }
    if let Some(more) = diagnostic.fragments.len().checked_sub(FRAGMENTS).filter(|more| *more > 0) {
        text.push_str(&format!("  and {more} more\n"));
    }
    for (label, note) in &diagnostic.notes {
        field(&mut text, label, note, paint);
    }
    if let Some(help) = &diagnostic.help {
        field(&mut text, "help", help, paint);
    }
    text
}

fn header(diagnostic: &Diagnostic, paint: Paint) -> String {
    let head = format!("{}[{}]", severity(diagnostic.severity), diagnostic.code.id);
    let head = painted(diagnostic.severity, &head, paint);
    format!("{head}: {}\n", paint.label(&visible::line(&diagnostic.message)))
}

/// The word for a severity.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn painted(severity: Severity, text: &str, paint: Paint) -> String {
    match severity {
        Severity::Error => paint.error(text),
        Severity::Warning => paint.warning(text),
    }
}

/// `label: text`; further lines of the text stand below its first, so that they cannot pass for lines of ours.
fn field(text: &mut String, label: &str, value: &str, paint: Paint) {
    let mut lines = value.lines();
    let first = visible::line(lines.next().unwrap_or_default());
    let head = format!("{label}:");
    text.push_str(&format!("  {} {first}\n", paint.label(&head)));
    for line in lines {
        let indent = " ".repeat(label.chars().count() + 4);
        text.push_str(format!("{indent}{}", visible::line(line)).trim_end());
        text.push('\n');
    }
}

fn draw_place(text: &mut String, severity: Severity, place: &Place, paint: Paint) {
    let number = place.line.to_string();
    let indent = " ".repeat(number.len() + 1);
    let file = visible::line(&place.file);
    let arrow = paint.gutter("-->");
    if place.line == 0 {
        text.push_str(&format!("{indent}{arrow} {file}\n"));
        return;
    }
    text.push_str(&format!("{indent}{arrow} {file}:{number}:{}\n", place.column));
    if place.source.is_empty() {
        return;
    }
    let excerpt = excerpt(place);
    let bar = paint.gutter("|");
    let caret = painted(severity, &"^".repeat(excerpt.length), paint);
    text.push_str(&format!("{indent} {bar}\n"));
    text.push_str(format!(" {} {bar} {}", paint.gutter(&number), excerpt.source).trim_end());
    text.push_str(&format!("\n{indent} {bar} {}{caret}\n", " ".repeat(excerpt.start)));
}

/// What is drawn of a source line, in columns.
struct Excerpt {
    source: String,
    start: usize,
    length: usize,
}

fn excerpt(place: &Place) -> Excerpt {
    let glyphs = visible::glyphs(&place.source);
    let at = place.column.saturating_sub(1).min(glyphs.len());
    let until = at.saturating_add(place.length).min(glyphs.len());
    let start = width(&glyphs[..at]);
    let length = width(&glyphs[at..until]).max(1);
    if width(&glyphs) <= COLUMNS {
        let source = glyphs.into_iter().map(|glyph| glyph.text).collect();
        return Excerpt { source, start, length };
    }
    cut(&glyphs, start, length)
}

/// The part of a long line around its caret, with `…` where something is left out.
fn cut(glyphs: &[Glyph], start: usize, length: usize) -> Excerpt {
    let from = start.saturating_sub(BEFORE);
    let mut source = String::new();
    let (mut column, mut first, mut last) = (0, None, 0);
    for glyph in glyphs {
        let end = column + glyph.width;
        if column >= from && end <= from + COLUMNS {
            first.get_or_insert(column);
            source.push_str(&glyph.text);
            last = end;
        }
        column = end;
    }
    // A wide character or a tab at the cut can shift the first column that is shown.
    let first = first.unwrap_or(start);
    let before = if first > 0 { "…" } else { "" };
    let after = if last < column { "…" } else { "" };
    let start = start.saturating_sub(first);
    Excerpt {
        source: format!("{before}{source}{after}"),
        start: start + before.chars().count(),
        length: length.min((last - first.min(last)).saturating_sub(start).max(1)),
    }
}

fn width(glyphs: &[Glyph]) -> usize {
    glyphs.iter().map(|glyph| glyph.width).sum()
}

#[cfg(test)]
mod tests {
    use aem_static::report::codes;

    use super::*;
    use crate::cli::args::ColorChoice;
    use crate::cli::colour::Surroundings;

    fn undefined(source: &str, column: usize, length: usize) -> Diagnostic {
        let place = Place { file: "templates/tour.html".into(), line: 4, column, length, source: source.into() };
        Diagnostic::error(codes::UNDEFINED_FIELD, "template reads `teaser`, query `tours` does not select it").at(place)
    }

    fn plain(diagnostic: &Diagnostic) -> String {
        draw(diagnostic, Paint::PLAIN)
    }

    #[test]
    fn the_whole_form() {
        let diagnostic = undefined("<p>{{ item.teaser | upper }}</p>", 7, 11)
            .fragment("/content/dam/wknd/en/adventures/bali-surf-camp")
            .note("page", "/adventures/bali-surf-camp/")
            .note("fields", "title\nslug")
            .help("add `teaser` to the selection in content-queries/adventures.graphql:9");
        insta::assert_snapshot!(plain(&diagnostic));
    }

    #[test]
    fn colour_adds_and_never_replaces() {
        let around = Surroundings::default();
        let painted = draw(&undefined("<p>{{ x }}</p>", 7, 1), Paint::decide(ColorChoice::Always, around));
        assert!(painted.contains("\u{1b}[1m\u{1b}[31merror[E0302]\u{1b}[0m"), "{painted:?}");
        let mut stripped = painted;
        while let Some(from) = stripped.find('\u{1b}') {
            let to = stripped[from..].find('m').map_or(stripped.len(), |at| from + at + 1);
            stripped.replace_range(from..to, "");
        }
        assert_eq!(stripped, plain(&undefined("<p>{{ x }}</p>", 7, 1)));
    }

    #[test]
    fn wide_characters_and_tabs() {
        insta::assert_snapshot!(plain(&undefined("\t<p>日本 {{ item.説明 }}", 10, 7)));
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let source = format!("{}{{{{ teaser }}}}{}", "a".repeat(300), "b".repeat(300));
        insta::assert_snapshot!(plain(&undefined(&source, 304, 6)));
        let whole = undefined(&source, 1, 5000);
        assert!(plain(&whole).lines().all(|line| line.chars().count() < 180), "{}", plain(&whole));
    }

    #[test]
    fn a_place_without_line_and_many_fragments() {
        let mut diagnostic = Diagnostic::warning(codes::BECAME_EMPTY, "query `tours` has no items");
        diagnostic.place = Some(Place::file("content-queries/tours.graphql"));
        diagnostic.fragments = (1..=13).map(|n| format!("/content/dam/x/{n}")).collect();
        insta::assert_snapshot!(plain(&diagnostic));
    }

    #[test]
    fn hostile_text_is_shown_and_forges_nothing() {
        let place =
            Place { file: "a\u{1b}[2J.html".into(), line: 12, column: 3, length: 1, source: "a\u{1b}[31mb\0".into() };
        let diagnostic = Diagnostic::error(codes::UNSAFE_PATH, "bad\nerror: all is well\u{7}")
            .at(place)
            .fragment("/content/\u{202e}dam")
            .help("do this\nerror[E0000]: forged");
        insta::assert_snapshot!(plain(&diagnostic));
    }

    #[test]
    fn a_column_behind_the_end_still_has_a_caret() {
        assert!(plain(&undefined("short", 999, 0)).ends_with("     ^\n"));
    }
}
