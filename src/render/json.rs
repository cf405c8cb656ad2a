//! Documents without a template: the item itself, as AEM sent it, keys in query order. Author hosts stay out (promise 5).

use std::borrow::Cow;

use serde_json::Value as Json;

use super::Paginated;

const AUTHOR_URL: &str = "_authorUrl";

/// The item of an `each` route.
///
/// # Errors
/// As [`without_author_urls`].
pub fn each_json(item: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    without_author_urls(item).map(Cow::into_owned)
}

/// `{"items":[…],"paginator":{…}}` of a `list` route.
///
/// # Errors
/// As [`without_author_urls`].
pub fn list_json<'a>(
    items: impl IntoIterator<Item = &'a [u8]>,
    paginator: &Paginated,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = b"{\"items\":[".to_vec();
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&without_author_urls(item)?);
    }
    out.extend_from_slice(b"],\"paginator\":");
    serde_json::to_writer(&mut out, paginator)?;
    out.push(b'}');
    Ok(out)
}

/// JSON without the members named `_authorUrl`, at any depth. Text without any is passed on as it is.
///
/// # Errors
/// When it names the key and cannot be read, such as nested more than 128 deep: it is never passed on unread.
pub fn without_author_urls(json: &[u8]) -> Result<Cow<'_, [u8]>, serde_json::Error> {
    // An escaped spelling of the key would have to come from AEM itself, which writes it plainly; the check is by bytes.
    let named = std::str::from_utf8(json).is_ok_and(|text| text.contains(AUTHOR_URL));
    if !named {
        return Ok(Cow::Borrowed(json));
    }
    let mut value: Json = serde_json::from_slice(json)?;
    strip(&mut value);
    serde_json::to_vec(&value).map(Cow::Owned)
}

fn strip(value: &mut Json) {
    match value {
        Json::Object(members) => {
            members.shift_remove(AUTHOR_URL);
            members.values_mut().for_each(strip);
        }
        Json::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    #[test]
    fn author_urls_are_left_out_at_any_depth_and_order_is_kept() {
        let item = br#"{"z":1,"image":{"_authorUrl":"https://author","_path":"/x"},"a":[{"_authorUrl":null}]}"#;
        assert_eq!(each_json(item).unwrap(), br#"{"z":1,"image":{"_path":"/x"},"a":[{}]}"#);
    }

    #[test]
    fn a_text_that_only_mentions_the_key_keeps_its_bytes_meaning() {
        let item = br#"{"title":"the _authorUrl field"}"#;
        assert_eq!(each_json(item).unwrap(), item);
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_on() {
        let deep = format!("{}{{\"_authorUrl\":\"https://author\"}}{}", "[".repeat(200), "]".repeat(200));
        assert!(each_json(deep.as_bytes()).is_err());
    }
}
