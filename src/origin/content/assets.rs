//! The assets below `content/assets/`: the DAM path `/content/dam/x/y.jpg` is the file `content/assets/x/y.jpg`.
//! Knows what kind of reference each one is (protocol §4.7); bytes are read only when they are asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::asset_metadata::{self, AssetMetadata};
use super::files;
use super::identity;
use super::problem::Problem;

/// The reference type an asset has in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum AssetKind {
    Image,
    Multimedia,
    Archive,
    Document,
}

impl AssetKind {
    fn of(mime: &str) -> Self {
        match mime {
            _ if mime.starts_with("image/") => Self::Image,
            _ if mime.starts_with("video/") || mime.starts_with("audio/") => Self::Multimedia,
            "application/zip" | "application/gzip" | "application/x-tar" => Self::Archive,
            _ => Self::Document,
        }
    }

    /// The GraphQL type.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Image => "ImageRef",
            Self::Multimedia => "MultimediaRef",
            Self::Archive => "ArchiveRef",
            Self::Document => "DocumentRef",
        }
    }

    /// The value of `type`; not documented (protocol §4.7), ours are the type names in small letters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Multimedia => "multimedia",
            Self::Archive => "archive",
            Self::Document => "document",
        }
    }
}

/// One asset.
#[derive(Debug, Clone)]
pub(in crate::origin) struct Asset {
    /// `/content/dam/…`
    pub path: String,
    pub file: PathBuf,
    pub id: String,
    pub kind: AssetKind,
    pub mime: &'static str,
    /// Bytes.
    pub size: u64,
    /// Pixels, where the format says them.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// What the file does not say.
    pub metadata: AssetMetadata,
}

/// Every asset by DAM path. A directory that is not there holds none.
pub(in crate::origin) fn scan(directory: &Path, problems: &mut Vec<Problem>) -> BTreeMap<String, Asset> {
    let mut assets = BTreeMap::new();
    for file in files::walk(directory, problems).iter().filter(|file| !asset_metadata::is_metadata(file)) {
        if let Some(mut asset) = read(directory, file) {
            asset.metadata = asset_metadata::read(file, problems);
            assets.insert(asset.path.clone(), asset);
        }
    }
    assets
}

fn read(directory: &Path, file: &Path) -> Option<Asset> {
    let relative: Vec<&str> =
        file.strip_prefix(directory).ok()?.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
    let path = format!("/content/dam/{}", relative.join("/"));
    let size = file.metadata().ok()?.len();
    let mime = mime_of(&path);
    let kind = AssetKind::of(mime);
    let (width, height) = if kind == AssetKind::Image { dimensions(file, mime) } else { (None, None) };
    let (id, metadata) = (identity::of_path(&path), AssetMetadata::default());
    Some(Asset { id, file: file.to_owned(), path, kind, mime, size, width, height, metadata })
}

fn dimensions(file: &Path, mime: &str) -> (Option<u32>, Option<u32>) {
    if mime == "image/svg+xml" {
        return std::fs::read_to_string(file).map_or((None, None), |text| svg_dimensions(&text));
    }
    match imagesize::size(file) {
        Ok(size) => (u32::try_from(size.width).ok(), u32::try_from(size.height).ok()),
        Err(_) => (None, None),
    }
}

/// `width` and `height` of the root element, else the last two numbers of its `viewBox`.
fn svg_dimensions(text: &str) -> (Option<u32>, Option<u32>) {
    let Some(root) = text.find("<svg").and_then(|start| text[start..].split('>').next()) else {
        return (None, None);
    };
    let attribute = |name: &str| {
        let (_, rest) = root.split_once(&format!(" {name}="))?;
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        rest[1..].split(quote).next()
    };
    let pixels = |text: &str| {
        text.trim_end_matches("px").parse::<f64>().ok().filter(|n| (0.0..1e9).contains(n)).map(|n| n.round() as u32)
    };
    let view: Vec<&str> =
        attribute("viewBox").unwrap_or("").split([' ', ',']).filter(|part| !part.is_empty()).collect();
    let of = |name: &str, position: usize| {
        attribute(name).and_then(pixels).or_else(|| view.get(position).copied().and_then(pixels))
    };
    (of("width", 2), of("height", 3))
}

/// The media type by file name; what is unknown is bytes.
pub(in crate::origin) fn mime_of(path: &str) -> &'static str {
    let extension =
        path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "tar" => "application/x-tar",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "html" => "text/html",
        "css" => "text/css",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::svg_dimensions;

    #[test]
    fn svg_says_its_size() {
        assert_eq!(svg_dimensions(r#"<?xml?><svg width="40px" height='30'></svg>"#), (Some(40), Some(30)));
        assert_eq!(svg_dimensions(r#"<svg viewBox="0 0 16,9">"#), (Some(16), Some(9)));
        assert_eq!(svg_dimensions("no"), (None, None));
    }
}
