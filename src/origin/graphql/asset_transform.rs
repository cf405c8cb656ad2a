//! The `_assetTransform` argument (protocol §5.6), and the `_dynamicUrl` it makes of an image (§10.2).

use std::fmt::Write as _;

use apollo_compiler::response::{JsonMap, JsonValue};

use super::super::content::assets::Asset;
use super::super::images::parameters::{Format, MOST_SIDE};

/// Where images are delivered.
pub(in crate::origin) const DELIVERY: &str = "/adobe/dynamicmedia/deliver/";

/// The argument of one query field, checked; it holds for every image in that field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::origin) struct AssetTransform {
    /// The extension: the enum's name in small letters.
    extension: Option<String>,
    seo_name: Option<String>,
    /// Parameters in a fixed order, each with its separator: `?preferwebp=true&width=1000`.
    query: String,
}

impl AssetTransform {
    /// Reads the argument; none asks for nothing.
    ///
    /// # Errors
    /// A sentence about the member that is wrong.
    pub fn parse(arguments: &JsonMap) -> Result<Self, String> {
        let Some(json) = arguments.get("_assetTransform").and_then(JsonValue::as_object) else {
            return Ok(Self::default());
        };
        let seo_name = json.get("seoName").and_then(JsonValue::as_str).filter(|name| !name.is_empty());
        if let Some(name) = seo_name
            && !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        {
            return Err(wrong("seoName", "letters, digits, '-' and '_'"));
        }
        let extension = json.get("format").and_then(JsonValue::as_str).map(str::to_ascii_lowercase);
        Ok(Self { extension, seo_name: seo_name.map(str::to_owned), query: query(json)? })
    }

    /// The delivery URL without a host; `None` for what cannot be transformed here, and for assets of Dynamic Media, which
    /// have `_dmS7Url` instead (protocol §10.1).
    pub fn url(&self, asset: &Asset) -> Option<String> {
        let own = Format::of_mime(asset.mime).filter(|_| asset.metadata.scene7.is_none())?;
        let extension = self.extension.as_deref().unwrap_or(own.extension());
        let name = self.seo_name.as_deref().unwrap_or_else(|| stem(&asset.path));
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        // Dashes are part of most names, and nothing else needs to be read.
        let name = name.to_string().replace("%2D", "-").replace("%5F", "_");
        Some(format!("{DELIVERY}dm-aid--{}/{name}.{extension}{}", asset.id, self.query))
    }
}

fn query(json: &JsonMap) -> Result<String, String> {
    let mut query = String::new();
    let mut add = |name: &str, value: &str| {
        let separator = if query.is_empty() { '?' } else { '&' };
        let _ = write!(query, "{separator}{name}={value}");
    };
    if json.get("preferWebp").and_then(JsonValue::as_bool) == Some(true) {
        add("preferwebp", "true");
    }
    let size = json.get("size").and_then(JsonValue::as_object);
    // Checked always; beside `size` it does nothing.
    let width = number(json, "width", 1..=i64::from(MOST_SIDE))?;
    if let Some(width) = width.filter(|_| size.is_none()) {
        add("width", &width.to_string());
    }
    if let Some(quality) = number(json, "quality", 1..=100)? {
        add("quality", &quality.to_string());
    }
    if let Some(crop) = json.get("crop").and_then(JsonValue::as_object) {
        let origin = |name| Ok::<_, String>(number(crop, name, 0..=i64::from(u32::MAX))?.unwrap_or(0));
        let (width, height) = sides(crop, "crop", i64::from(u32::MAX))?;
        add("crop", &format!("{},{},{width},{height}", origin("xOrigin")?, origin("yOrigin")?));
    }
    if let Some(size) = size {
        let (width, height) = sides(size, "size", i64::from(MOST_SIDE))?;
        add("size", &format!("{width},{height}"));
    }
    if let Some(rotation) = json.get("rotation").and_then(JsonValue::as_str) {
        add("rotate", rotation.trim_start_matches('R'));
    }
    match json.get("flip").and_then(JsonValue::as_str) {
        Some("HORIZONTAL") => add("flip", "h"),
        Some("VERTICAL") => add("flip", "v"),
        Some("HORIZONTAL_AND_VERTICAL") => add("flip", "hv"),
        _ => {}
    }
    Ok(query)
}

/// Two sides, of which a missing one equals the other (protocol §5.6).
fn sides(json: &JsonMap, member: &str, most: i64) -> Result<(i64, i64), String> {
    let (width, height) = (number(json, "width", 1..=most)?, number(json, "height", 1..=most)?);
    match (width.or(height), height.or(width)) {
        (Some(width), Some(height)) => Ok((width, height)),
        _ => Err(wrong(member, "a 'width' or a 'height'")),
    }
}

fn number(json: &JsonMap, name: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, String> {
    match json.get(name).and_then(JsonValue::as_i64) {
        Some(number) if !range.contains(&number) => Err(wrong(name, &format!("{} to {}", range.start(), range.end()))),
        number => Ok(number),
    }
}

fn wrong(member: &str, needs: &str) -> String {
    format!("Invalid _assetTransform: '{member}' takes {needs}")
}

/// The file's name without its extension.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
