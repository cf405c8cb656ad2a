//! What AEM knows of an asset and its file does not say: `<file>.metadata.json` beside it, all members optional. Names are
//! those of AEM's properties where documented (protocol §10.3), `smartCrops` is ours.

use std::path::{Path, PathBuf};

use apollo_compiler::response::JsonValue;

use super::files;
use super::place::At;
use super::problem::{Page, Problem};

/// How the file's name ends.
const SUFFIX: &str = ".metadata.json";

/// The metadata of one asset; without a file there is none.
#[derive(Debug, Clone, Default)]
pub(in crate::origin) struct AssetMetadata {
    /// `dc:creator`
    pub author: Option<String>,
    /// `dam:scene7Domain` and `dam:scene7File`: the asset is delivered by Dynamic Media.
    pub scene7: Option<(String, String)>,
    pub smart_crops: Vec<SmartCrop>,
}

/// A configured crop; sizes in pixels.
#[derive(Debug, Clone)]
pub(in crate::origin) struct SmartCrop {
    pub name: String,
    pub width: Option<i32>,
    pub height: Option<i32>,
}

/// Whether a file holds the metadata of an asset beside it, rather than being an asset.
pub(in crate::origin) fn is_metadata(file: &Path) -> bool {
    let asset = file.to_str().and_then(|file| file.strip_suffix(SUFFIX));
    asset.is_some_and(|asset| Path::new(asset).is_file())
}

/// The metadata of an asset's file.
pub(in crate::origin) fn read(asset: &Path, problems: &mut Vec<Problem>) -> AssetMetadata {
    let mut name = asset.as_os_str().to_owned();
    name.push(SUFFIX);
    let file = PathBuf::from(name);
    if !file.exists() {
        return AssetMetadata::default();
    }
    match files::read(&file, problems) {
        Some((text, json)) => parse(&At::start(&json), &mut Page { file: &file, text: &text, problems }),
        None => AssetMetadata::default(),
    }
}

fn parse(at: &At<'_>, page: &mut Page<'_>) -> AssetMetadata {
    let scene7 = at.text("dam:scene7Domain").zip(at.text("dam:scene7File"));
    let pixels = |crop: &At<'_>, key: &str| {
        crop.json.get(key).and_then(JsonValue::as_i64).and_then(|pixels| i32::try_from(pixels).ok())
    };
    let mut smart_crops = Vec::new();
    for crop in at.member("smartCrops").iter().flat_map(At::items) {
        match crop.text("name") {
            Some(name) => smart_crops.push(SmartCrop {
                name: name.to_owned(),
                width: pixels(&crop, "width"),
                height: pixels(&crop, "height"),
            }),
            None => page.field(&crop, "smartCrops", "a smart crop has no `name`"),
        }
    }
    AssetMetadata {
        author: at.text("dc:creator").map(str::to_owned),
        scene7: scene7.map(|(domain, file)| (domain.trim_end_matches('/').to_owned(), file.to_owned())),
        smart_crops,
    }
}
