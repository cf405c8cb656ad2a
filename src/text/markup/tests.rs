use proptest::prelude::*;

use super::*;

#[test]
fn plain_text_is_what_people_read() {
    for (html, text) in [
        ("<p>A <b>b</b>old&nbsp;  word</p>\n<p>and &auml; &lt;tag&gt;</p>", "A bold word\nand ä <tag>"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<ul><li>a</li><li>b <!-- no --> c</li></ul>", "a\nb c"),
        ("a<script>if (a < b) {}</SCRIPT>b<style>p{}</style>c", "abc"),
        ("<a title=\">\" href='x>y'>link</a>", "link"),
        ("<p it's>fine</p>", "fine"),
        ("3 < 4 & 5 > 4", "3 < 4 & 5 > 4"),
        ("a <b", "a"),
        ("a<!-- b", "a"),
        ("<script>never closed", ""),
        ("", ""),
    ] {
        assert_eq!(plain_text(html), text, "{html}");
    }
}

#[test]
fn references_are_decoded_as_browsers_do() {
    for (source, text) in [
        ("&amp;lt;", "&lt;"),
        ("&auml;&Auml;&hellip;&euro;&rsquo;", "äÄ…€’"),
        ("&#228;&#xE4;&#XE4;&#228", "ääää"),
        ("&#106avascript&colon;", "javascript:"),
        ("java&Tab;script", "java\tscript"),
        ("&#150;&#0;&#xD800;&#99999999999;", "–\u{fffd}\u{fffd}\u{fffd}"),
        ("&nosuch; & &; &#; &#x; &amp", "&nosuch; & &; &#; &#x; &amp"),
    ] {
        assert_eq!(decode_entities(source), text, "{source}");
    }
}

#[test]
fn markdown_takes_no_html_over() {
    assert_eq!(markdown("# A\n\n*b* ~~c~~"), "<h1>A</h1>\n<p><em>b</em> <del>c</del></p>\n");
    assert!(markdown("| a | b |\n|---|---|\n| 1 | 2 |").contains("<td>1</td>"));
    assert_eq!(markdown("<script>alert(1)</script>"), "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n");
    assert_eq!(markdown("a <b onclick=x>b</b>"), "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n");
    assert_eq!(markdown("[a](JavaScript:alert(1))"), "<p><a href=\"\">a</a></p>\n");
    assert_eq!(markdown("<javascript:alert(1)>"), "<p><a href=\"\">javascript:alert(1)</a></p>\n");
    assert_eq!(markdown("![a](data:text/html,x)"), "<p><img src=\"\" alt=\"a\" /></p>\n");
    assert!(markdown(&">".repeat(20_000)).starts_with("<blockquote>"));
}

#[test]
fn urls_are_encoded_and_made_absolute() {
    assert_eq!(urlencode("a b/ü?&=+~"), "a%20b/%C3%BC%3F%26%3D%2B~");
    assert_eq!(escape_html("<a href=\"'&'\">ä"), "&lt;a href=&quot;&#39;&amp;&#39;&quot;&gt;ä");
    for (base, path, url) in [
        ("https://a.example", "/x/", "https://a.example/x/"),
        ("https://a.example/blog/", "/x/", "https://a.example/blog/x/"),
        ("https://a.example", "x.json", "https://a.example/x.json"),
        ("https://a.example", "https://b.example/", "https://b.example/"),
        ("https://a.example", "//cdn.example/x", "//cdn.example/x"),
        ("https://a.example", "mailto:a@b.example", "mailto:a@b.example"),
        ("https://a.example", "/a:b/", "https://a.example/a:b/"),
    ] {
        assert_eq!(absolute_url(base, path), url);
    }
}

#[test]
fn code_in_links_is_known_in_every_spelling() {
    for url in
        ["javascript:x", " JaVaScript:x", "java\nscript:x", "\u{1}javascript:x", "vbscript:x", "data:text/html,x"]
    {
        assert!(runs_code(url), "{url:?}");
    }
    for url in ["/javascript:x", "https://javascript:x@example.org", "#data:", "javascripts", ""] {
        assert!(!runs_code(url), "{url:?}");
    }
    assert!(!runs_code_in_image("data:image/png;base64,x"));
    assert!(runs_code_in_image("data:text/html,x"));
}

proptest! {
    #[test]
    fn nothing_panics(text in "(<|>|&|#|x|;|/|!|-|script|p|\"|'|=| |é|[0-9]|\\PC){0,40}") {
        let _ = plain_text(&text);
        let _ = decode_entities(&text);
        let _ = absolute_url(&text, &text);
        prop_assert!(!markdown(&text).to_lowercase().contains("<script"));
        prop_assert!(!escape_html(&text).contains(['<', '>', '"', '\'']));
        prop_assert_eq!(decode_entities(&escape_html(&text)).into_owned(), text);
    }
}
