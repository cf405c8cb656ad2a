#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Component, Path};

use proptest::prelude::*;

use super::*;

#[test]
fn a_final_slash_is_an_index() {
    for (path, output, url) in [
        ("/", "index.html", "/"),
        ("/tours/x/", "tours/x/index.html", "/tours/x/"),
        ("/api/x.json", "api/x.json", "/api/x.json"),
        ("/zu\u{308}rich/", "zürich/index.html", "/z%C3%BCrich/"),
        ("/a b/it's.xml", "a b/it's.xml", "/a%20b/it%27s.xml"),
        ("/.well-known/security.txt", ".well-known/security.txt", "/.well-known/security.txt"),
        ("/日本/", "日本/index.html", "/%E6%97%A5%E6%9C%AC/"),
    ] {
        let permalink = parse(path).unwrap();
        assert_eq!((permalink.output(), permalink.url()), (output, url));
    }
    assert!(parse("/a/").unwrap().is_html());
    assert!(!parse("/a.json").unwrap().is_html());
}

#[test]
fn an_unsafe_path_is_refused() {
    let cases = [
        ("", "path `` does not start with `/`"),
        ("a/", "path `a/` does not start with `/`"),
        ("//", "path `//` has an empty segment"),
        ("/a//b/", "path `/a//b/` has an empty segment"),
        ("/../etc/x.txt", "path `/../etc/x.txt` has the segment `..`"),
        ("/a/./b/", "path `/a/./b/` has the segment `.`"),
        ("/a\\b/", "path \"/a\\\\b/\" holds `\\`"),
        ("/a?b/", "path \"/a?b/\" holds `?`"),
        ("/%2e%2e/", "path \"/%2e%2e/\" holds `%`"),
        ("/a\u{0}/", "path \"/a\\0/\" holds the control character U+0000"),
        ("/a", "path `/a` has neither a final `/` nor an extension"),
        ("/.htaccess", "path `/.htaccess` has neither a final `/` nor an extension"),
        ("/a.", "path `/a.` has neither a final `/` nor an extension"),
        ("/.aem-static/", "path `/.aem-static/` begins with `.aem-static`, which belongs to aem-static"),
        ("/.AEM-static.tmp", "path `/.AEM-static.tmp` begins with `.AEM-static.tmp`, which belongs to aem-static"),
    ];
    for (path, message) in cases {
        let error = parse(path).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(!error.help().is_empty());
    }
}

#[test]
fn lengths_count_bytes_after_nfc() {
    assert!(parse(&format!("/{}/", "u\u{308}".repeat(100))).is_ok());
    assert!(matches!(parse(&format!("/{}/", "a".repeat(201))), Err(PathError::LongSegment { bytes: 201, .. })));
    assert!(matches!(parse(&format!("/{}", "a/".repeat(2_000))), Err(PathError::LongPath { .. })));
}

#[test]
fn an_inserted_text_stays_in_its_segment() {
    assert_eq!(check_inserted("", false), Err(InsertError::Empty));
    assert_eq!(check_inserted(" \u{a0}", true), Err(InsertError::Empty));
    assert!(matches!(check_inserted("a/b", false), Err(InsertError::Slash { .. })));
    assert_eq!(check_inserted("a/b", true), Ok(()));
    assert!(matches!(check_inserted("a/../b", true), Err(InsertError::Dots { .. })));
    assert!(matches!(check_inserted("..", false), Err(InsertError::Dots { .. })));
    assert!(matches!(check_inserted("a#b", true), Err(InsertError::Character { char: '#', .. })));
    assert_eq!(check_inserted("..a", false), Ok(()));
    assert_eq!(with_page("/tours/", 2), "/tours/page/2/");
}

#[test]
fn a_long_text_is_shown_by_its_beginning() {
    let error = check_inserted(&format!("{}#", "ä".repeat(1_000_000)), false).unwrap_err();
    assert!(error.to_string().len() < 400);
}

#[test]
fn claims_find_every_collision() {
    let mut claims = Claims::new();
    let conflict = |kind, other| Some(Conflict { kind, other });
    assert_eq!(claims.insert("tours/x/index.html", 1), None);
    assert_eq!(claims.insert("tours/x/index.html", 2), conflict(ConflictKind::Equal, 1));
    assert_eq!(claims.insert("tours/X/index.html", 3), conflict(ConflictKind::EqualButForCase, 1));
    assert_eq!(claims.insert("tours/x", 4), conflict(ConflictKind::FileIsFolder, 1));
    assert_eq!(claims.insert("Tours", 5), conflict(ConflictKind::FileIsFolder, 1));
    assert_eq!(claims.insert("tours/x/index.html/y.json", 6), conflict(ConflictKind::FolderIsFile, 1));
    assert_eq!(claims.insert("api/v1.0/a.json", 7), None);
    assert_eq!(claims.insert("api/v1.0", 8), conflict(ConflictKind::FileIsFolder, 7));
    assert_eq!(claims.insert("ÜBER/index.html", 9), None);
    assert_eq!(claims.insert("u\u{308}ber/index.html", 10), conflict(ConflictKind::EqualButForCase, 9));
    assert_eq!(claims.insert("U\u{308}BER/index.html", 11), conflict(ConflictKind::Equal, 9));
    assert_eq!(claims.insert("ΟΔΟΣ.html", 12), None);
    assert_eq!(claims.insert("οδος.html", 13), conflict(ConflictKind::EqualButForCase, 12));
    assert_eq!(claims.len(), 4);
}

proptest! {
    #[test]
    fn a_permalink_stays_below_its_root(path in "(/|\\.|a|[^a]|\\.\\.|//|é|html){0,12}") {
        for path in [path.clone(), format!("/{path}"), format!("/{path}/"), format!("/{path}.html")] {
            let Ok(permalink) = parse(&path) else { continue };
            let output = Path::new(permalink.output());
            prop_assert!(output.components().all(|component| matches!(component, Component::Normal(_))));
            let same: std::path::PathBuf = output.components().collect();
            prop_assert_eq!(same.to_str(), Some(permalink.output()));
            prop_assert!(permalink.url().is_ascii() && permalink.url().starts_with('/'));
            prop_assert!(!permalink.url().starts_with("//"));
            let decoded = percent_encoding::percent_decode_str(permalink.url()).decode_utf8().unwrap().into_owned();
            let again = parse(&decoded).unwrap();
            prop_assert_eq!(again.output(), permalink.output());
        }
    }

    #[test]
    fn any_string_is_refused_or_safe(path in any::<String>()) {
        if let Ok(permalink) = parse(&path) {
            let output = Path::new(permalink.output());
            prop_assert!(output.components().all(|component| matches!(component, Component::Normal(_))));
        }
    }
}
