//! `image(ref=…)`: an image of AEM as `src`, `srcset` and size, from web-optimised delivery where AEM offers it (protocol §10.2),
//! from the original where not.

use tera::{Error, Function, Kwargs, State, TeraResult, Value};
use url::Url;

use super::Asset;
use super::functions::Reach;
use super::recorder::AssetRequest;

pub(super) struct Image(pub(super) Reach);

impl Function<TeraResult<Value>> for Image {
    fn call(&self, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
        super::functions::refuse_others(&kwargs, "image", &["ref", "widths", "format", "sizes"])?;
        let reference = kwargs.must_get::<&Value>("ref")?;
        let widths = kwargs.get::<Vec<u32>>("widths")?.unwrap_or_default();
        let format = kwargs.get::<&str>("format")?;
        let sizes = kwargs.get::<&str>("sizes")?.unwrap_or_default();
        let dynamic = text(reference, "_dynamicUrl");
        let requests: Vec<AssetRequest> = match dynamic {
            Some(url) if !widths.is_empty() => {
                widths.iter().map(|width| delivered(url, Some(*width), format)).collect::<TeraResult<_>>()?
            }
            Some(url) => vec![delivered(url, None, format)?],
            None => vec![original(&self.0, reference)?],
        };
        let mut assets = Vec::new();
        for request in &requests {
            assets.extend(self.0.asset(request)?);
        }
        // With needs recorded this document is thrown away, so a stand-in will do.
        let stand_in =
            Asset { url: String::new(), output: String::new(), mime: String::new(), width: None, height: None };
        let largest = assets.iter().max_by_key(|asset| asset.width).cloned().unwrap_or(stand_in);
        let srcset: Vec<String> = if assets.len() > 1 {
            let named = assets.iter().zip(&widths);
            named
                .map(|(asset, width)| format!("{} {}w", self.0.public(&asset.url), asset.width.unwrap_or(*width)))
                .collect()
        } else {
            Vec::new()
        };
        let number = |known: Option<u32>, key: &str| match known {
            Some(known) => Value::from(known),
            None => reference.get_from_path(key).cloned().unwrap_or_else(Value::none),
        };
        let mut image = tera::Map::new();
        image.insert("src".into(), Value::from(self.0.public(&largest.url)));
        image.insert("srcset".into(), Value::from(srcset.join(", ")));
        image.insert("sizes".into(), Value::from(sizes));
        image.insert("width".into(), number(largest.width, "width"));
        image.insert("height".into(), number(largest.height, "height"));
        image.insert("type".into(), Value::from(largest.mime));
        Ok(Value::from(image))
    }
}

fn text<'v>(reference: &'v Value, key: &'v str) -> Option<&'v str> {
    reference.as_map()?;
    reference.get_from_path(key)?.as_str().filter(|text| !text.is_empty())
}

/// The original of a reference: an `ImageRef` (or another `…Ref`) with `_path`, or a DAM path. It is asked of the connected
/// host by path, since `_publishUrl` comes from a setting in AEM that can be wrong for a custom domain (protocol §10.1).
pub(super) fn original(reach: &Reach, reference: &Value) -> TeraResult<AssetRequest> {
    let path = reference.as_str().or_else(|| text(reference, "_path"));
    match path {
        Some(path) => AssetRequest::new(path)
            .ok_or_else(|| Error::message(format!("`ref` takes an asset's path below /content/dam/, not `{path}`"))),
        None if reference.is_none() => Err(reach.refuse(
            crate::report::codes::ASSET_UNAVAILABLE,
            "`ref` is null: the field holds no asset, or one that is not readable on this tier".to_owned(),
            Some("guard it with `{% if item.image %}`".to_owned()),
        )),
        None => Err(reach.refuse(
            crate::report::codes::ASSET_UNAVAILABLE,
            "`ref` has no `_path`".to_owned(),
            Some("select it: `image { ... on ImageRef { _path width height } }`".to_owned()),
        )),
    }
}

/// A delivery URL with the wanted width and format; parameters it has already are replaced, not repeated (protocol §10.2).
fn delivered(url: &str, width: Option<u32>, format: Option<&str>) -> TeraResult<AssetRequest> {
    let base = Url::parse("http://aem.invalid").map_err(|error| Error::message(error.to_string()))?;
    let mut parsed = base.join(url).map_err(|error| Error::message(format!("`_dynamicUrl` is not a URL: {error}")))?;
    let mut parameters: Vec<(String, String)> = parsed
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .filter(|(name, _)| !(width.is_some() && name == "width" || format.is_some() && name == "preferwebp"))
        .collect();
    if let Some(format) = format {
        parameters.push(("preferwebp".to_owned(), (format == "webp").to_string()));
    }
    parameters.extend(width.map(|width| ("width".to_owned(), width.to_string())));
    parsed.set_query(None);
    if !parameters.is_empty() {
        parsed.query_pairs_mut().extend_pairs(parameters);
    }
    // Documented once as a full URL (protocol §10.1); only the connected host is ever asked.
    let location = parsed[url::Position::BeforePath..].to_owned();
    AssetRequest::new(&location).ok_or_else(|| {
        Error::message(format!("`_dynamicUrl` leads to {location}, which is not an asset of the connected host"))
    })
}
