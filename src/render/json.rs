//! Documents without a template: the item itself, as AEM sent it, keys in query order. Author hosts stay out (promise 5).

use std::borrow::Cow;

use serde_json::Value as Json;

use super::Paginated;

const AUTHOR_URL: &str = "_authorUrl";

/// The item of an `each` route.
pub fn each_json(item: &[u8]) -> Vec<u8> {
    without_author_urls(item).into_owned()
}

/// `{"items":[…],"paginator":{…}}` of a `list` route.
pub fn list_json<'a>(items: impl IntoIterator<Item = &'a [u8]>, paginator: &Paginated) -> Vec<u8> {
    let mut out = b"{\"items\":[".to_vec();
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&without_author_urls(item));
    }
    out.extend_from_slice(b"],\"paginator\":");
    out.extend(serde_json::to_vec(paginator).unwrap_or_default());
    out.push(b'}');
    out
}

/// JSON without the members named `_authorUrl`, at any depth. Text without any is passed on as it is.
pub fn without_author_urls(json: &[u8]) -> Cow<'_, [u8]> {
    // An escaped spelling of the key would have to come from AEM itself, which writes it plainly; the check is by bytes.
    let named = std::str::from_utf8(json).is_ok_and(|text| text.contains(AUTHOR_URL));
    if !named {
        return Cow::Borrowed(json);
    }
    match serde_json::from_slice::<Json>(json) {
        Ok(mut value) => {
            strip(&mut value);
            Cow::Owned(serde_json::to_vec(&value).unwrap_or_default())
        }
        Err(_) => Cow::Borrowed(json),
    }
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
    use super::*;

    #[test]
    fn author_urls_are_left_out_at_any_depth_and_order_is_kept() {
        let item = br#"{"z":1,"image":{"_authorUrl":"https://author","_path":"/x"},"a":[{"_authorUrl":null}]}"#;
        assert_eq!(each_json(item), br#"{"z":1,"image":{"_path":"/x"},"a":[{}]}"#);
    }

    #[test]
    fn a_text_that_only_mentions_the_key_keeps_its_bytes_meaning() {
        let item = br#"{"title":"the _authorUrl field"}"#;
        assert_eq!(each_json(item), item);
    }
}
