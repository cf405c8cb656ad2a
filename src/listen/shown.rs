//! What answers show of content fragments: the object of each, as a digest. Pure, and tolerant: an answer that it does not
//! understand shows nothing.

use std::collections::BTreeMap;

/// A content fragment's path, as a digest.
pub type PathDigest = [u8; 16];
/// The bytes of all objects that show one content fragment, as a digest.
pub type Shown = [u8; 8];

/// The digest of a path.
pub fn path_digest(path: &str) -> PathDigest {
    short(blake3::hash(path.as_bytes()))
}

fn short<const N: usize>(hash: blake3::Hash) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&hash.as_bytes()[..N]);
    bytes
}

/// Every object with a `_path`, by that path: an item, or a fragment that another one refers to. One that comes several times, in
/// other selections or variations, has one digest of all.
pub fn fragments(body: &[u8]) -> BTreeMap<PathDigest, Shown> {
    let mut found: BTreeMap<PathDigest, blake3::Hasher> = BTreeMap::new();
    objects(body, |path, object| {
        found.entry(path_digest(path)).or_default().update(object);
    });
    found.into_iter().map(|(path, hasher)| (path, short(hasher.finalize()))).collect()
}

/// One text of an object: a member's name, or its value.
enum Await {
    Name,
    Value,
}

struct Open {
    start: usize,
    /// `None` in a list.
    object: bool,
    awaits: Await,
    named_path: bool,
    path: Option<String>,
}

/// Calls `tell` for every object that has a text member `_path`, inner ones first.
fn objects(body: &[u8], mut tell: impl FnMut(&str, &[u8])) {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'{' | b'[' => {
                let object = byte == b'{';
                open.push(Open { start: at, object, awaits: Await::Name, named_path: false, path: None });
            }
            b'}' | b']' => {
                let Some(closed) = open.pop() else { return };
                if let Some(path) = closed.path.filter(|_| closed.object) {
                    tell(&path, &body[closed.start..=at]);
                }
            }
            b':' => {
                if let Some(top) = open.last_mut() {
                    top.awaits = Await::Value;
                }
            }
            b',' => {
                if let Some(top) = open.last_mut() {
                    (top.awaits, top.named_path) = (Await::Name, false);
                }
            }
            b'"' => {
                let Some(end) = end_of_text(body, at) else { return };
                take_text(open.last_mut(), &body[at..=end]);
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
}

fn take_text(top: Option<&mut Open>, text: &[u8]) {
    let Some(top) = top.filter(|top| top.object) else { return };
    match top.awaits {
        Await::Name => top.named_path = text == b"\"_path\"",
        Await::Value if top.named_path => top.path = serde_json::from_slice(text).ok(),
        Await::Value => {}
    }
}

/// Where the text that begins at `start` ends: its closing quotation mark.
fn end_of_text(body: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match body.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(body: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        objects(body.as_bytes(), |path, object| {
            found.push((path.to_owned(), String::from_utf8_lossy(object).into_owned()));
        });
        found
    }

    #[test]
    fn items_and_references_are_found_with_their_bytes() {
        let body =
            r#"{"data":{"l":{"items":[{"_path":"/a","t":"{[\"","r":{"_path":"/b","n":[1,"_path"]}},{"t":"_path"}]}}}"#;
        let inner = r#"{"_path":"/b","n":[1,"_path"]}"#;
        let outer = r#"{"_path":"/a","t":"{[\"","r":{"_path":"/b","n":[1,"_path"]}}"#;
        assert_eq!(paths(body), [("/b".into(), inner.into()), ("/a".into(), outer.into())]);
        assert_eq!(paths(r#"{"_path" : "\/content\/d\u00e4m"}"#)[0].0, "/content/däm");
        assert!(paths(r#"{"_path":null,"x":{"_path":7}}"#).is_empty());
    }

    #[test]
    fn one_digest_a_fragment_that_follows_what_is_shown() {
        let one = fragments(br#"[{"_path":"/a","t":1},{"_path":"/b","t":1}]"#);
        let two = fragments(br#"[{"_path":"/a","t":2},{"_path":"/b","t":1}]"#);
        let (a, b) = (path_digest("/a"), path_digest("/b"));
        assert_eq!(one.len(), 2);
        assert_ne!(one[&a], two[&a]);
        assert_eq!(one[&b], two[&b]);
        // In another variation as well.
        assert_ne!(fragments(br#"[{"_path":"/a","t":1},{"_path":"/a","v":1}]"#)[&a], one[&a]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = fragments(&body);
        }

        #[test]
        fn no_broken_answer_makes_it_panic(cut in 0usize..90) {
            let body = br#"{"data":{"l":{"items":[{"_path":"/a","t":"{[\"","r":{"_path":"/b","n":[1,"_path"]}}]}}}"#;
            let _ = fragments(&body[..cut.min(body.len())]);
        }
    }
}
