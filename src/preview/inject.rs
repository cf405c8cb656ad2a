//! The script that keeps a page up to date, added to html on its way out, and the marks by which a page is known again.

use super::html::Html;

/// What a page is known by: its bytes, and its bytes without the digests in names of stylesheets, so that a page that differs in
/// these alone can exchange its stylesheets and stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) all: String,
    pub(super) rest: String,
}

impl Marks {
    pub(super) fn of(page: &[u8]) -> Self {
        let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex()[..24].to_owned();
        Marks { all: digest(page), rest: digest(&without_style_digests(page)) }
    }
}

/// A page with the script, for a browser that shows it at `path`.
pub(super) fn with_script(page: &[u8], path: &str, build: u64, run: &str, last_good: bool) -> Vec<u8> {
    let Marks { all, rest } = Marks::of(page);
    let mut script = Html::new();
    script.raw("<script src=\"/_aem-static/reload.js\" data-page=\"").text(path);
    script.raw("\" data-build=\"").number(build).raw("\" data-run=\"").text(run);
    script.raw("\" data-all=\"").text(&all).raw("\" data-rest=\"").text(&rest);
    if last_good {
        script.raw("\" data-last-good=\"");
    }
    script.raw("\" defer></script>");
    let at = end_of_body(page);
    [&page[..at], script.into_string().as_bytes(), &page[at..]].concat()
}

/// Where the last `</body>` begins, or the end.
fn end_of_body(page: &[u8]) -> usize {
    const TAG: &[u8] = b"</body";
    let windows = page.windows(TAG.len()).enumerate().rev();
    windows.into_iter().find(|(_, window)| window.eq_ignore_ascii_case(TAG)).map_or(page.len(), |(at, _)| at)
}

/// `site.0123456789ab.css` becomes `site.css`.
fn without_style_digests(page: &[u8]) -> Vec<u8> {
    const DIGITS: usize = 12;
    let mut out = Vec::with_capacity(page.len());
    let mut at = 0;
    while at < page.len() {
        let digest = page.get(at + 1..=at + DIGITS).filter(|digest| digest.iter().all(u8::is_ascii_hexdigit));
        if page[at] == b'.' && digest.is_some() && page[at + DIGITS + 1..].starts_with(b".css") {
            at += DIGITS + 1;
            continue;
        }
        out.push(page[at]);
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_stands_at_the_end_of_the_body() {
        let text =
            |page: &str| String::from_utf8(with_script(page.as_bytes(), "/a\"b/", 3, "r", false)).unwrap_or_default();
        let page = text("<body><pre>&lt;/body></pre><script>'</body>'</script><p>é</BODY>\n</html>");
        assert!(
            page.contains("<p>é<script src=\"/_aem-static/reload.js\" data-page=\"/a&quot;b/\" data-build=\"3\""),
            "{page}"
        );
        assert!(page.ends_with("\" defer></script></BODY>\n</html>"), "{page}");
        assert!(text("no tags").starts_with("no tags<script "));
    }

    #[test]
    fn a_page_that_differs_in_its_stylesheets_alone_is_known() {
        let one = Marks::of(b"<link href=/css/site.0123456789ab.css><p>a");
        let other = Marks::of(b"<link href=/css/site.ffff56789abc.css><p>a");
        let third = Marks::of(b"<link href=/css/site.ffff56789abc.css><p>b");
        assert!(one.all != other.all && one.rest == other.rest && other.rest != third.rest);
        assert_ne!(Marks::of(b"x.0123456789ab.js").rest, Marks::of(b"x.ba9876543210.js").rest);
        assert_eq!(Marks::of(b".0123456789ab").all, Marks::of(b".0123456789ab").all);
    }
}
