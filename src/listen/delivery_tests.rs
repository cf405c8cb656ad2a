#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The sample of protocol 8.6, with nine digits of a second.
fn published() -> Value {
    json!({
        "specversion": "1.0",
        "id": "0b7f6d7e-2f5c-4f0e-9a58-3f1f1c1f0001",
        "source": "acct:aem-p4711-e8080@adobe.com",
        "type": "aem.sites.contentFragment.published",
        "datacontenttype": "application/json",
        "time": "2026-03-01T09:15:00.249368067Z",
        "eventid": "6a1d0c35-0000-4000-8000-000000000002",
        "recipientclientid": "00112233445566778899aabbccddeeff",
        "data": {
            "id": "d587a8d9-0000-4000-8000-000000000003",
            "path": "/content/dam/acme/en/soup",
            "model": { "id": "L2NvbmY", "path": "/conf/acme/settings/dam/cfm/models/recipe" },
            "sourceUrl": "https://publish-p4711-e8080.adobeaemcloud.com",
            "tier": "publish",
            "tags": [],
            "user": { "imsUserId": "x", "principalId": "editor@example.com", "displayName": "Editor" }
        }
    })
}

fn events(value: &Value) -> Vec<Event> {
    match read(value.to_string().as_bytes()).unwrap() {
        Delivery::Events(events) => events,
        Delivery::Validation(url) => panic!("{url}"),
    }
}

#[test]
fn an_envelope_is_read_as_it_was_seen_live() {
    let expected = Event {
        id: "6a1d0c35-0000-4000-8000-000000000002".into(),
        kind: Kind::Published,
        fragment: Some("/content/dam/acme/en/soup".into()),
        model: Some("/conf/acme/settings/dam/cfm/models/recipe".into()),
        tier: Some("publish".into()),
        time: Some(1_772_356_500_249),
        recipient: Some("00112233445566778899aabbccddeeff".into()),
    };
    assert_eq!(events(&published()), std::slice::from_ref(&expected));
    assert_eq!(events(&json!([published(), published()])), [expected.clone(), expected]);
    assert_eq!(events(&json!([])), []);
}

#[test]
fn old_names_count_where_new_ones_are_missing() {
    let mut old = published();
    let members = old.as_object_mut().unwrap();
    let (id, client) = (members.remove("eventid").unwrap(), members.remove("recipientclientid").unwrap());
    members.insert("event_id".into(), id);
    members.insert("recipient_client_id".into(), client);
    assert_eq!(events(&old), events(&published()));
    let mut both = published();
    both["event_id"] = "other".into();
    assert_eq!(events(&both), events(&published()));
    let mut neither = published();
    neither.as_object_mut().unwrap().remove("eventid");
    assert_eq!(events(&neither)[0].id, "0b7f6d7e-2f5c-4f0e-9a58-3f1f1c1f0001");
}

#[test]
fn every_type_has_its_kind_and_what_is_not_followed_keeps_its_name() {
    let kind = |name: &str| {
        let mut event = published();
        event["type"] = name.into();
        events(&event)[0].kind.clone()
    };
    for (name, expected) in [
        ("created", Kind::Created),
        ("modified", Kind::Modified),
        ("deleted", Kind::Deleted),
        ("unpublished", Kind::Unpublished),
        ("variation", Kind::Variation),
        ("moved", Kind::Moved),
    ] {
        assert_eq!(kind(&format!("aem.sites.contentFragment.{name}")), expected);
    }
    assert_eq!(kind("aem.sites.page.published"), Kind::Other("aem.sites.page.published".into()));
}

#[test]
fn members_that_are_absent_or_of_another_kind_are_left_out() {
    let bare = json!({ "id": "1", "type": "x", "time": "yesterday", "data": { "path": 7, "model": "recipe" } });
    let expected = Event {
        id: "1".into(),
        kind: Kind::Other("x".into()),
        fragment: None,
        model: None,
        tier: None,
        time: None,
        recipient: None,
    };
    assert_eq!(events(&bare), [expected]);
}

#[test]
fn what_is_no_delivery_is_refused_for_its_reason() {
    let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
    let many = Value::Array(vec![published(); 501]).to_string();
    let long = json!({ "id": "x".repeat(257), "type": "x" }).to_string();
    for (text, expected) in [
        ("", Unreadable::NotJson),
        ("{\"id\":", Unreadable::NotJson),
        ("7", Unreadable::NotEvents),
        ("[7]", Unreadable::NotEvents),
        ("{}", Unreadable::Missing("eventid")),
        ("{\"id\":\"1\"}", Unreadable::Missing("type")),
        ("{\"id\":7,\"type\":\"x\"}", Unreadable::Missing("eventid")),
        ("{\"id\":\"a\\nb\",\"type\":\"x\"}", Unreadable::Missing("eventid")),
        (&deep, Unreadable::TooDeep),
        (&many, Unreadable::TooMany),
        (&long, Unreadable::Missing("eventid")),
    ] {
        assert_eq!(read(text.as_bytes()), Err(expected), "{text}");
    }
    assert_eq!(read(&vec![b' '; MAX_BYTES + 1]), Err(Unreadable::TooLarge));
    assert_eq!(read(b"[\xff]"), Err(Unreadable::NotJson));
    // Braces in texts are no depth.
    let quoted = json!([{ "id": "1", "type": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"{{" }]);
    assert_eq!(events(&quoted).len(), 1);
}

#[test]
fn the_request_to_confirm_is_told_from_an_event() {
    let url = "https://csm.adobe.io/csm/registrations/validate?id=1&challenge=2";
    let asked = json!({ "validationUrl": url }).to_string();
    assert_eq!(read(asked.as_bytes()), Ok(Delivery::Validation(url.to_owned())));
    let mut both = published();
    both["validationUrl"] = url.into();
    assert_eq!(events(&both).len(), 1);
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::String),
    ];
    let member = prop_oneof!["[a-z]{1,8}", "eventid|event_id|id|type|data|path|model|time|tier|validationUrl"];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        let object = proptest::collection::btree_map(member.clone(), inner.clone(), 0..8);
        prop_oneof![
            proptest::collection::vec(inner, 0..8).prop_map(Value::Array),
            object.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_json_makes_it_panic_and_what_is_taken_is_in_bounds(value in any_json()) {
        if let Ok(Delivery::Events(events)) = read(value.to_string().as_bytes()) {
            for event in events {
                prop_assert!(!event.id.is_empty() && event.id.len() <= 256 && !event.id.contains(char::is_control));
                prop_assert!(event.fragment.is_none_or(|path| path.len() <= 2048));
            }
        }
    }

    /// A real delivery with one part changed, cut out or doubled.
    #[test]
    fn a_delivery_that_is_tampered_with_is_read_or_refused(
        at in any::<prop::sample::Index>(), len in 0usize..40, other in proptest::collection::vec(any::<u8>(), 0..20),
        batch in any::<bool>(),
    ) {
        let whole = if batch { json!([published(), published()]) } else { published() };
        let mut bytes = whole.to_string().into_bytes();
        let at = at.index(bytes.len());
        let end = (at + len).min(bytes.len());
        bytes.splice(at..end, other);
        if let Ok(Delivery::Events(events)) = read(&bytes) {
            prop_assert!(events.len() <= 2);
        }
    }

    #[test]
    fn what_is_kept_on_disk_reads_back(value in any_json()) {
        if let Ok(event) = event(&value) {
            let kept = serde_json::to_string(&event).unwrap();
            let back: Event = serde_json::from_str(&kept).unwrap();
            prop_assert_eq!(Event { recipient: None, ..event }, back);
        }
    }
}
