//! The error page, and problems as html: message, excerpt with the place underlined, fragments, notes, help.

use std::path::Path;

use super::html::{Html, document};
use super::shown::Failed;
use crate::report::{Diagnostic, Place, Severity};

/// Lines shown before and after the one concerned.
const AROUND: usize = 2;
/// Columns of a line that are shown; a longer one is cut around the place.
const COLUMNS: usize = 240;
/// Fragments that are shown.
const FIRST: usize = 3;
/// Fragments that are named behind a click; the others are counted.
const FRAGMENTS: usize = 100;
/// The largest file that an excerpt is taken from.
const LARGEST: u64 = 4 << 20;

/// The page in place of a page, while the last build has failed; `last_good` is where the last good one is.
pub(super) fn page(failed: &Failed, last_good: Option<&str>, editor: Option<&str>) -> String {
    let errors = failed.problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = failed.problems.len() - errors;
    let mut body = Html::new();
    body.raw("<main class=\"narrow failed\"><header><p class=\"kicker\">The build failed</p><h1>");
    counted(&mut body, errors, "error");
    if warnings > 0 {
        body.raw(" <small>and ");
        counted(&mut body, warnings, "warning");
        body.raw("</small>");
    }
    body.raw("</h1><p>This page comes back by itself when the build succeeds.</p><p class=\"actions\">");
    if let Some(address) = last_good {
        body.raw("<a class=\"button\" href=\"").text(address).raw("\">Show the last good page</a> ");
    }
    body.raw("<a href=\"/_aem-static/\">Inspector</a></p></header>");
    body.add(&list(&failed.problems, &failed.dir, editor));
    body.raw("</main>");
    let title = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
    document(&format!("{title}: the build failed"), &body)
}

/// Problems, errors first.
pub(super) fn list(problems: &[Diagnostic], dir: &Path, editor: Option<&str>) -> Html {
    let mut sorted: Vec<&Diagnostic> = problems.iter().collect();
    sorted.sort_by_key(|problem| problem.severity);
    let mut html = Html::new();
    html.raw("<ol class=\"problems\">");
    for problem in sorted {
        html.add(&one(problem, dir, editor));
    }
    html.raw("</ol>");
    html
}

fn one(problem: &Diagnostic, dir: &Path, editor: Option<&str>) -> Html {
    let mut html = Html::new();
    let (class, word) = match problem.severity {
        Severity::Error => ("error", "error"),
        Severity::Warning => ("warning", "warning"),
    };
    html.raw("<li class=\"problem ").text(class).raw("\"><h2><span class=\"code\">");
    html.text(word).raw(" ").text(problem.code.id).raw("</span> ").add(&prose(&problem.message)).raw("</h2>");
    if let Some(place) = &problem.place {
        html.raw("<p class=\"place\">").add(&link(place, dir, editor)).raw("</p>");
        html.add(&excerpt(place, dir));
    }
    html.raw("<dl>");
    if let Some(help) = &problem.help {
        html.raw("<dt class=\"help\">help</dt><dd class=\"help\">").add(&prose(help)).raw("</dd>");
    }
    for (label, note) in &problem.notes {
        html.raw("<dt>").text(label).raw("</dt><dd>").add(&prose(note)).raw("</dd>");
    }
    if !problem.fragments.is_empty() {
        html.raw("<dt>").raw(if problem.fragments.len() == 1 { "fragment" } else { "fragments" }).raw("</dt><dd>");
        html.add(&fragments(&problem.fragments)).raw("</dd>");
    }
    html.raw("</dl><details><summary>About ").text(problem.code.id).raw("</summary><p>");
    html.add(&prose(problem.code.explanation)).raw("</p></details></li>");
    html
}

/// The first fragments, the others behind a click.
fn fragments(paths: &[String]) -> Html {
    let list = |paths: &[String]| {
        let mut html = Html::new();
        html.raw("<ul>");
        for path in paths {
            let search = format!("/_aem-static/search?q={}", super::html::encoded(path));
            html.raw("<li>").link(&search, path).raw("</li>");
        }
        html.raw("</ul>");
        html
    };
    let (first, rest) = paths.split_at(paths.len().min(FIRST));
    let mut html = list(first);
    if !rest.is_empty() {
        html.raw("<details><summary>and ").number(rest.len() as u64).raw(" more</summary>");
        html.add(&list(rest.get(..FRAGMENTS).unwrap_or(rest)));
        if let Some(more) = rest.len().checked_sub(FRAGMENTS).filter(|more| *more > 0) {
            html.raw("and ").number(more as u64).raw(" more");
        }
        html.raw("</details>");
    }
    html
}

/// A message: what stands between backticks is code.
fn prose(text: &str) -> Html {
    let mut html = Html::new();
    let whole = text.matches('`').count().is_multiple_of(2);
    for (number, part) in text.split(|letter| whole && letter == '`').enumerate() {
        match number % 2 {
            0 => _ = html.text(part),
            _ => _ = html.raw("<code>").text(part).raw("</code>"),
        }
    }
    html
}

/// A file with line and column, as a link into an editor if there is one.
pub(super) fn link(place: &Place, dir: &Path, editor: Option<&str>) -> Html {
    let mut shown = Html::new();
    shown.text(&place.file);
    if place.line > 0 {
        shown.raw(":").number(place.line as u64).raw(":").number(place.column as u64);
    }
    match editor {
        Some(editor) => {
            let mut html = Html::new();
            html.raw("<a href=\"").text(&opened(editor, dir, place)).raw("\">").add(&shown).raw("</a>");
            html
        }
        None => shown,
    }
}

/// The address that opens a place: `vscode://file/site/templates/a.html:4:12`.
fn opened(editor: &str, dir: &Path, place: &Place) -> String {
    const IN_PATH: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    let path = std::path::absolute(dir.join(&place.file)).unwrap_or_else(|_| dir.join(&place.file));
    let path = path.to_string_lossy().replace('\\', "/");
    let path = percent_encoding::utf8_percent_encode(&path, IN_PATH).to_string();
    editor
        .replace("{line}", &place.line.max(1).to_string())
        .replace("{column}", &place.column.max(1).to_string())
        .replace("{path}", &path)
}

/// The line with what is wrong in it marked, and the lines around it as the file has them now.
fn excerpt(place: &Place, dir: &Path) -> Html {
    let mut html = Html::new();
    if place.line == 0 || place.source.is_empty() {
        return html;
    }
    let (before, after) = around(place, dir).unwrap_or_default();
    html.raw("<pre class=\"excerpt\"><code>");
    let first = place.line - before.len();
    for (number, line) in (first..).zip(&before) {
        html.add(&row(number, line, None));
    }
    html.add(&row(place.line, &place.source, Some((place.column - 1, place.length))));
    for (number, line) in (place.line + 1..).zip(&after) {
        html.add(&row(number, line, None));
    }
    html.raw("</code></pre>");
    html
}

/// The neighbours of a line, if the file still has that line.
fn around(place: &Place, dir: &Path) -> Option<(Vec<String>, Vec<String>)> {
    let file = dir.join(&place.file);
    if std::fs::metadata(&file).ok()?.len() > LARGEST {
        return None;
    }
    let text = std::fs::read_to_string(file).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let at = place.line - 1;
    if lines.get(at)?.trim_end_matches('\r') != place.source {
        return None;
    }
    let cut = |lines: &[&str]| lines.iter().map(|line| line.chars().take(COLUMNS).collect()).collect();
    Some((cut(&lines[at.saturating_sub(AROUND)..at]), cut(&lines[at + 1..(at + 1 + AROUND).min(lines.len())])))
}

fn row(number: usize, line: &str, marked: Option<(usize, usize)>) -> Html {
    let mut html = Html::new();
    html.raw(if marked.is_some() { "<span class=\"row here\">" } else { "<span class=\"row\">" });
    html.raw("<span class=\"number\">").number(number as u64).raw("</span>");
    match marked {
        None => _ = html.text(line),
        Some((from, length)) => {
            let letters: Vec<char> = line.chars().collect();
            let from = from.min(letters.len());
            let until = from.saturating_add(length).min(letters.len());
            let start = if letters.len() > COLUMNS { from.saturating_sub(COLUMNS / 3) } else { 0 };
            let end = start.saturating_add(COLUMNS).min(letters.len()).max(until.min(start + COLUMNS));
            let text =
                |range: std::ops::Range<usize>| letters.get(range).unwrap_or_default().iter().collect::<String>();
            let until = until.min(end);
            html.text(if start > 0 { "…" } else { "" }).text(&text(start..from)).raw("<mark>");
            // At the end of a line there is nothing to mark but the place.
            html.text(if until > from { text(from..until) } else { " ".to_owned() }.as_str()).raw("</mark>");
            html.text(&text(until..end)).text(if end < letters.len() { "…" } else { "" });
        }
    }
    html.raw("</span>");
    html
}

/// `1 error`, `3 errors`.
pub(super) fn counted(html: &mut Html, count: usize, noun: &'static str) {
    html.number(count as u64).raw(" ").raw(noun).raw(if count == 1 { "" } else { "s" });
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;
    use crate::report::codes;

    fn place(source: &str, column: usize, length: usize) -> Place {
        Place { file: "templates/a.html".into(), line: 3, column, length, source: source.into() }
    }

    #[test]
    fn the_place_is_marked_among_its_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("templates")).unwrap();
        std::fs::write(dir.path().join("templates/a.html"), "one\n<two>\n{{ é.x }}\nfour\nfive\nsix\n").unwrap();
        let html = excerpt(&place("{{ é.x }}", 4, 3), dir.path()).into_string();
        assert!(html.contains("</span>{{ <mark>é.x</mark> }}</span>"), "{html}");
        assert!(html.contains("&lt;two&gt;") && html.contains(">five<") && !html.contains("six"), "{html}");
        // The file has been edited since: what it has now says nothing.
        let html = excerpt(&place("{{ other }}", 4, 3), dir.path()).into_string();
        assert!(html.contains("<mark>oth</mark>") && !html.contains("four"), "{html}");
    }

    #[test]
    fn places_at_and_behind_the_end_and_in_long_lines() {
        let dir = Path::new("/none");
        assert!(excerpt(&place("abc", 99, 5), dir).into_string().contains("abc<mark> </mark>"));
        let long = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let html = excerpt(&place(&long, 5001, 4), dir).into_string();
        assert!(html.contains("<mark>HERE</mark>") && html.len() < 1000, "{html}");
        let html = excerpt(&place(&long, 1, usize::MAX), dir).into_string();
        assert!(html.len() < 1000, "{html}");
    }

    #[test]
    fn links_open_the_editor_and_content_stays_text() {
        let dir = Path::new("/my site");
        let open = opened("vscode://file/{path}:{line}:{column}", dir, &place("x", 7, 1));
        assert_eq!(open, "vscode://file//my%20site/templates/a.html:3:7");
        let hostile = Diagnostic::error(codes::UNDEFINED_FIELD, "<img src=x onerror=alert(1)>")
            .fragment("\"><script>alert(1)</script>")
            .note("page", "</dd>")
            .help("<b>");
        let html = list(&[hostile], dir, None).into_string();
        for markup in ["<img", "<script", "</dd></dd>", "<b>"] {
            assert!(!html.contains(markup), "{markup}: {html}");
        }
    }
}
