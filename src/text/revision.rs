//! What visitors see change when a file is replaced: the texts of both versions, and a unified diff of these.

use similar::TextDiff;

use super::markup;

/// Lines that may differ, in both versions together: finding the least of differences takes time by the square of them.
const LINES: usize = 20_000;
/// A line of text that is longer is broken at the ends of its sentences, so that a diff shows the sentence and not the paragraph.
const COLUMNS: usize = 80;
/// Equal lines that are shown before and after a difference.
const CONTEXT: usize = 2;

/// A unified diff, without a head, of what a visitor sees of the file at an output path; empty if it is the same.
///
/// Of html that is its text, a line a block or sentence; of JSON its members, a line each; of anything else its lines.
///
/// # Errors
/// Why there is none, in a few words.
pub fn diff(path: &str, before: &[u8], after: &[u8]) -> Result<String, &'static str> {
    let (before, after) = (seen(path, before)?, seen(path, after)?);
    if before == after {
        return Ok(String::new());
    }
    if differing(&before, &after) > LINES {
        return Err("too many lines differ");
    }
    Ok(TextDiff::from_lines(&before, &after).unified_diff().context_radius(CONTEXT).to_string())
}

/// What is seen of a file, in lines that all end in a line break.
fn seen(path: &str, bytes: &[u8]) -> Result<String, &'static str> {
    let text = str::from_utf8(bytes).map_err(|_| "it is no text")?;
    let suffix = path.rsplit_once('.').map_or("", |(_, suffix)| suffix).to_ascii_lowercase();
    let mut seen = match suffix.as_str() {
        "html" | "htm" => sentences(&markup::plain_text(text)),
        "json" => members(text).unwrap_or_else(|| text.to_owned()),
        _ => text.to_owned(),
    };
    if !seen.is_empty() && !seen.ends_with('\n') {
        seen.push('\n');
    }
    Ok(seen)
}

fn sentences(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 64);
    for line in text.lines() {
        let is_long = line.chars().nth(COLUMNS).is_some();
        let mut ended = false;
        for char in line.chars() {
            if is_long && ended && char == ' ' {
                out.push('\n');
            } else {
                out.push(char);
            }
            ended = matches!(char, '.' | '!' | '?' | '…' | '。' | '！' | '？');
        }
        out.push('\n');
    }
    out
}

fn members(json: &str) -> Option<String> {
    serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(json).ok()?).ok()
}

/// How many lines stand between the equal ones at the beginning and those at the end.
fn differing(before: &str, after: &str) -> usize {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let start = same(&mut before.iter().zip(&after));
    let end = same(&mut before[start..].iter().rev().zip(after[start..].iter().rev()));
    before.len() + after.len() - 2 * (start + end)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn of(path: &str, before: &str, after: &str) -> String {
        diff(path, before.as_bytes(), after.as_bytes()).unwrap()
    }

    #[test]
    fn of_html_the_text_counts_and_markup_does_not() {
        let page = |body: &str| format!("<title>T</title><script>x</script><body>{body}");
        let changed = of("a/index.html", &page("<h1>One</h1><p>Same"), &page("<h1>Two &amp; more</h1><p>Same"));
        assert_eq!(changed, "@@ -1,3 +1,3 @@\n T\n-One\n+Two & more\n Same\n");
        assert_eq!(of("a.html", &page("<h1 class=a>One</h1>"), &page("<h2><a href=/b>One</a></h2>")), "");
    }

    #[test]
    fn a_long_paragraph_differs_in_one_sentence() {
        let first = "A sentence that stands before the one that changes, and is long enough.";
        let page = |word: &str| format!("<p>{first} The {word} one. And the last.</p>");
        let expected = format!("@@ -1,3 +1,3 @@\n {first}\n-The old one.\n+The new one.\n And the last.\n");
        assert_eq!(of("a.html", &page("old"), &page("new")), expected);
        assert_eq!(of("a.html", "<p>Dr. No", "<p>Dr. Yes"), "@@ -1 +1 @@\n-Dr. No\n+Dr. Yes\n");
    }

    #[test]
    fn of_json_a_member_differs_and_of_other_files_a_line() {
        let diff = of("a.json", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}");
        assert_eq!(diff, "@@ -1,4 +1,4 @@\n {\n   \"a\": 1,\n-  \"b\": 2\n+  \"b\": 3\n }\n");
        assert_eq!(of("a.json", "{\"a\":1", "{\"a\":2"), "@@ -1 +1 @@\n-{\"a\":1\n+{\"a\":2\n");
        assert_eq!(of("a.xml", "<a>\n<b>1</b>", "<a>\n<b>2</b>"), "@@ -1,2 +1,2 @@\n <a>\n-<b>1</b>\n+<b>2</b>\n");
        assert_eq!(of("robots.txt", "", "a\n"), "@@ -0,0 +1 @@\n+a\n");
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        assert_eq!(diff("a.html", b"\xff", b"a"), Err("it is no text"));
        let lines = |word: &str| (0..LINES).map(|number| format!("{word}{number}\n")).collect::<String>();
        assert_eq!(diff("a.txt", lines("a").as_bytes(), lines("b").as_bytes()), Err("too many lines differ"));
        // Long texts with a small difference are no burden.
        let (before, after) = (lines("a"), format!("{}new\n{}", lines("a"), lines("c")));
        assert!(diff("a.txt", format!("{before}old\n{}", lines("c")).as_bytes(), after.as_bytes()).is_ok());
    }
}
