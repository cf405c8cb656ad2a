//! How long answers to persisted queries keep: documented defaults per tier, and what a query's own settings change
//! (protocol §3.6).

use apollo_compiler::response::{JsonMap, JsonValue};
use axum::http::HeaderValue;

use super::super::Tier;

/// One setting: where it stands in the body of `persist.json`, and its part of the header.
struct Part {
    block: &'static str,
    key: &'static str,
    directive: &'static str,
    author: u64,
    publish: u64,
}

/// In the order of the header.
const PARTS: [Part; 4] = [
    Part { block: "cache-control", key: "max-age", directive: "max-age", author: 60, publish: 60 },
    Part { block: "surrogate-control", key: "max-age", directive: "s-maxage", author: 60, publish: 7_200 },
    Part {
        block: "surrogate-control",
        key: "stale-while-revalidate",
        directive: "stale-while-revalidate",
        author: 86_400,
        publish: 86_400,
    },
    Part {
        block: "surrogate-control",
        key: "stale-if-error",
        directive: "stale-if-error",
        author: 86_400,
        publish: 86_400,
    },
];

/// Seconds by part; what is `None` has the tier's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::origin) struct CacheSettings([Option<u64>; PARTS.len()]);

impl CacheSettings {
    /// Reads the settings of a body of `persist.json` (protocol §3.2, form 3).
    ///
    /// # Errors
    /// What is not a whole number of seconds, and where.
    pub fn read(body: &JsonMap) -> Result<Self, String> {
        let mut settings = Self::default();
        for (setting, part) in settings.0.iter_mut().zip(&PARTS) {
            let block = match body.get(part.block) {
                None | Some(JsonValue::Null) => continue,
                Some(JsonValue::Object(block)) => block,
                Some(_) => return Err(format!("'{}' is not a JSON object", part.block)),
            };
            *setting = match block.get(part.key) {
                None | Some(JsonValue::Null) => None,
                Some(value) => Some(value.as_u64().ok_or_else(|| {
                    format!("'{}' of '{}' is not a whole number of seconds: {value}", part.key, part.block)
                })?),
            };
        }
        Ok(settings)
    }

    /// The blocks that have settings, as [`read`](Self::read) takes them.
    pub fn blocks(&self) -> JsonMap {
        let mut blocks = JsonMap::new();
        for (seconds, part) in self.0.iter().zip(&PARTS) {
            let Some(seconds) = seconds else { continue };
            let block = blocks.entry(part.block).or_insert_with(|| JsonValue::Object(JsonMap::new()));
            if let Some(block) = block.as_object_mut() {
                block.insert(part.key, (*seconds).into());
            }
        }
        blocks
    }

    /// The value of `Cache-Control`. Preview behaves as publish (protocol §1.2).
    pub fn header(&self, tier: Tier) -> HeaderValue {
        let parts = self.0.iter().zip(&PARTS).map(|(own, part)| {
            let default = if tier.has_dispatcher() { part.publish } else { part.author };
            format!("{}={}", part.directive, own.unwrap_or(default))
        });
        let text = parts.collect::<Vec<_>>().join(", ");
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("no-store"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail by panic")]
    use super::*;

    fn read(text: &str) -> Result<CacheSettings, String> {
        CacheSettings::read(serde_json::from_str::<JsonValue>(text).unwrap().as_object().unwrap())
    }

    #[test]
    fn own_settings_stand_before_the_defaults_of_the_tier() {
        let text = r#"{"cache-control":{"max-age":300},"surrogate-control":{"stale-if-error":0}}"#;
        let settings = read(text).unwrap();
        let header = |tier| settings.header(tier).to_str().unwrap().to_owned();
        assert_eq!(header(Tier::Author), "max-age=300, s-maxage=60, stale-while-revalidate=86400, stale-if-error=0");
        assert_eq!(header(Tier::Preview), "max-age=300, s-maxage=7200, stale-while-revalidate=86400, stale-if-error=0");
        assert_eq!(header(Tier::Preview), header(Tier::Publish));
        assert_eq!(serde_json::to_string(&settings.blocks()).unwrap(), text);
        assert_eq!(read(r#"{"query":"x","cache-control":null}"#), Ok(CacheSettings::default()));
    }

    #[test]
    fn what_is_not_seconds_is_refused() {
        for text in [
            r#"{"cache-control":{"max-age":-1}}"#,
            r#"{"cache-control":{"max-age":"300"}}"#,
            r#"{"surrogate-control":{"max-age":1.5}}"#,
            r#"{"surrogate-control":[600]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
