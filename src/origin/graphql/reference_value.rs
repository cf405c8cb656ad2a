//! The smaller GraphQL objects: assets and pages behind references (protocol §4.7), texts, metadata (§4.5).

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonValue;

use super::super::content::assets::{Asset, AssetKind};
use super::super::content::identity;
use super::super::content::repository::{Item, Repository};
use super::super::text::rich_text::Text;
use super::asset_transform::AssetTransform;

/// What `_authorUrl` and `_publishUrl` begin with: AEM's defaults on a local instance (protocol §10.1). They are no address
/// of this origin on purpose: its port changes from run to run, and answers must not.
const AUTHOR: &str = "http://localhost:4502";
const PUBLISH: &str = "http://localhost:4503";

/// The asset or page at a path. A path below `/content/dam` without an asset is a missing reference.
pub(in crate::origin) fn resolve<'a>(
    repository: &'a Repository,
    path: &'a str,
    transform: &'a AssetTransform,
) -> Option<ResolvedValue<'a>> {
    if let Some(asset) = repository.assets.get(path) {
        return Some(ResolvedValue::object(AssetValue { asset, transform }));
    }
    let page = path.starts_with("/content/") && !path.starts_with("/content/dam/");
    page.then(|| ResolvedValue::object(PageValue { path }))
}

/// An asset of another repository, which is nothing but its two identifiers.
pub(in crate::origin) fn remote(stored: &JsonValue) -> Option<ResolvedValue<'_>> {
    let members = ["repositoryId", "assetId"].map(|name| Some((name, stored.get(name)?.clone())));
    let members = members.into_iter().collect::<Option<Vec<_>>>()?;
    Some(ResolvedValue::object(Members { type_name: "RemoteRef", members }))
}

struct AssetValue<'a> {
    asset: &'a Asset,
    transform: &'a AssetTransform,
}

impl ObjectValue for AssetValue<'_> {
    fn type_name(&self) -> &str {
        self.asset.kind.type_name()
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        let asset = self.asset;
        let pixels = |pixels: Option<u32>| pixels.and_then(|pixels| i32::try_from(pixels).ok());
        Ok(match info.field_name() {
            "_path" => ResolvedValue::leaf(asset.path.as_str()),
            "_id" => ResolvedValue::leaf(asset.id.as_str()),
            "_authorUrl" => ResolvedValue::leaf(absolute(AUTHOR, &asset.path)),
            "_publishUrl" => ResolvedValue::leaf(absolute(PUBLISH, &asset.path)),
            "type" => ResolvedValue::leaf(asset.kind.word()),
            "mimeType" | "format" => ResolvedValue::leaf(asset.mime),
            "width" => ResolvedValue::leaf(pixels(asset.width)),
            "height" => ResolvedValue::leaf(pixels(asset.height)),
            "size" => ResolvedValue::leaf(i32::try_from(asset.size).ok()),
            "author" => ResolvedValue::leaf(asset.metadata.author.as_deref()),
            "_dmS7Url" => ResolvedValue::leaf(scene7_url(asset)),
            "_smartCrops" => ResolvedValue::list(asset.metadata.smart_crops.iter().map(|crop| {
                let members = vec![
                    ("name", crop.name.as_str().into()),
                    ("width", crop.width.into()),
                    ("height", crop.height.into()),
                ];
                ResolvedValue::object(Members { type_name: "SmartCrop", members })
            })),
            "_dynamicUrl" => ResolvedValue::leaf(self.transform.url(asset)),
            _ => return Err(self.unknown_field_error(info)),
        })
    }
}

/// The address at Dynamic Media, for assets it knows. How AEM joins domain and file is not documented (protocol §10.3); this
/// is the convention of Scene7: images below `is/image`, everything else below `is/content`.
fn scene7_url(asset: &Asset) -> Option<String> {
    let (domain, file) = asset.metadata.scene7.as_ref()?;
    let service = if asset.kind == AssetKind::Image { "image" } else { "content" };
    Some(absolute(domain, &format!("/is/{service}/{file}")))
}

struct PageValue<'a> {
    path: &'a str,
}

impl ObjectValue for PageValue<'_> {
    fn type_name(&self) -> &str {
        "PageRef"
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        Ok(match info.field_name() {
            "_path" => ResolvedValue::leaf(self.path),
            "_id" => ResolvedValue::leaf(identity::of_path(self.path)),
            "_authorUrl" => ResolvedValue::leaf(absolute(AUTHOR, self.path) + ".html"),
            "_publishUrl" => ResolvedValue::leaf(absolute(PUBLISH, self.path) + ".html"),
            "type" => ResolvedValue::leaf("page"),
            _ => return Err(self.unknown_field_error(info)),
        })
    }
}

fn absolute(host: &str, path: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b':');
    format!("{host}{}", percent_encoding::utf8_percent_encode(path, KEPT))
}

/// A `MultiFormatString`; formats are computed when selected.
pub(in crate::origin) struct TextValue<'a> {
    text: Text<'a>,
    repository: &'a Repository,
}

impl<'a> TextValue<'a> {
    /// A stored text with its media type.
    pub fn new(stored: &'a str, mime: Option<&str>, repository: &'a Repository) -> Self {
        Self { text: Text::new(stored, mime), repository }
    }
}

impl ObjectValue for TextValue<'_> {
    fn type_name(&self) -> &str {
        "MultiFormatString"
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        Ok(match info.field_name() {
            "html" => ResolvedValue::leaf(self.text.html()),
            "markdown" => ResolvedValue::leaf(self.text.markdown()),
            "plaintext" => ResolvedValue::leaf(self.text.plaintext()),
            "json" => ResolvedValue::leaf(self.text.json(self.repository)),
            _ => return Err(self.unknown_field_error(info)),
        })
    }
}

/// `TypedMetaData`: title and description always, dates where they are known, tags where there are any.
pub(in crate::origin) struct MetaData<'a> {
    pub item: Item<'a>,
}

impl ObjectValue for MetaData<'_> {
    fn type_name(&self) -> &str {
        "TypedMetaData"
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        let Item { fragment, variation } = self.item;
        let text = |text: &str| Some(JsonValue::from(text));
        let tags = fragment.tags(variation);
        Ok(match info.field_name() {
            "stringMetadata" => entries(
                "StringMetaData",
                [("title", text(&fragment.title)), ("description", text(&fragment.description))],
            ),
            "calendarMetadata" => entries(
                "CalendarMetaData",
                [
                    ("jcr:created", fragment.created.as_deref().and_then(text)),
                    ("cq:lastModified", fragment.modified.as_deref().and_then(text)),
                ],
            ),
            "stringArrayMetadata" => {
                let tags = (!tags.is_empty()).then(|| JsonValue::Array(tags.to_vec()));
                entries("StringArrayMetaData", [("cq:tags", tags)])
            }
            _ => ResolvedValue::list([]),
        })
    }
}

fn entries<'a, const N: usize>(
    type_name: &'static str,
    entries: [(&'static str, Option<JsonValue>); N],
) -> ResolvedValue<'a> {
    let known = entries.into_iter().filter_map(|(name, value)| Some((name, value?)));
    ResolvedValue::list(known.map(move |(name, value)| {
        ResolvedValue::object(Members { type_name, members: vec![("name", name.into()), ("value", value)] })
    }))
}

/// An object of ready values.
pub(in crate::origin) struct Members {
    pub type_name: &'static str,
    pub members: Vec<(&'static str, JsonValue)>,
}

impl ObjectValue for Members {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn resolve_field<'b>(&'b self, info: &'b ResolveInfo<'b>) -> Result<ResolvedValue<'b>, FieldError> {
        let value = self.members.iter().find(|(name, _)| *name == info.field_name());
        Ok(match value {
            None => return Err(self.unknown_field_error(info)),
            Some((_, JsonValue::Array(values))) => {
                ResolvedValue::list(values.iter().map(|value| ResolvedValue::leaf(value.clone())))
            }
            Some((_, value)) => ResolvedValue::leaf(value.clone()),
        })
    }
}
