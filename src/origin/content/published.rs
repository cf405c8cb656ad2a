//! What stands on which tier. Author has everything; publish and preview have what was published there (protocol §1.2).

use apollo_compiler::response::JsonValue;

use super::super::Tier;
use super::place::At;

/// Whether a fragment, variation or model of these members is on the tier. `published` of this project's own decides;
/// else the states of the management API do (protocol §9.3): `MODIFIED` was published once and is served as it is in the
/// file. What says nothing is published.
pub(in crate::origin) fn is_on(tier: Tier, at: &At<'_>) -> bool {
    if tier == Tier::Author {
        return true;
    }
    if let Some(published) = at.json.get("published").and_then(JsonValue::as_bool) {
        return published;
    }
    let preview = at.text("previewReplicationStatus").filter(|_| tier == Tier::Preview);
    let state = preview.or_else(|| at.text("status")).map(str::to_ascii_uppercase);
    !matches!(state.as_deref(), Some("NEW" | "DRAFT" | "UNPUBLISHED" | "NEVER_PUBLISHED"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

    use super::super::super::Tier;
    use super::super::place::At;
    use super::is_on;

    #[test]
    fn flags_go_before_states() {
        for (json, preview, publish) in [
            ("{}", true, true),
            (r#"{"published": false, "status": "PUBLISHED"}"#, false, false),
            (r#"{"published": true, "status": "DRAFT"}"#, true, true),
            (r#"{"status": "PUBLISHED", "previewReplicationStatus": "NEVER_PUBLISHED"}"#, false, true),
            (r#"{"status": "DRAFT", "previewReplicationStatus": "PUBLISHED"}"#, true, false),
            (r#"{"status": "MODIFIED"}"#, true, true),
            (r#"{"status": "UNPUBLISHED"}"#, false, false),
            (r#"{"status": "enabled"}"#, true, true),
        ] {
            let value = serde_json::from_str(json).unwrap();
            let at = At::start(&value);
            assert!(is_on(Tier::Author, &at));
            assert_eq!((is_on(Tier::Preview, &at), is_on(Tier::Publish, &at)), (preview, publish), "{json}");
        }
    }
}
