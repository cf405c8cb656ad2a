//! Decoding within limits, and what is done to pixels: cut, turned, mirrored, scaled, in this order (not documented).
//! `DynamicImage` all the way: its methods are compiled in their own crate, optimised also where this one is not.

use std::io::Cursor;

use image::imageops::FilterType;
use image::{DynamicImage, GenericImageView as _, ImageDecoder as _, ImageReader, Limits};

use super::Refusal;
use super::parameters::{Parameters, Rotation};

/// Pixels of an image that is decoded, of one that is made, and of every step between.
const MOST_PIXELS: u64 = 40_000_000;
/// Pixels of a side of a stored image.
const MOST_STORED_SIDE: u32 = 20_000;
/// Bytes a decoder may ask for.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;

/// The pixels of a stored image, upright: the orientation a camera wrote into it is applied, for no format made here has it.
pub(super) fn decoded(stored: &[u8]) -> Result<DynamicImage, Refusal> {
    let unreadable = |error: &dyn std::fmt::Display| Refusal::Impossible(format!("the image is not readable: {error}"));
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_STORED_SIDE);
    limits.max_image_height = Some(MOST_STORED_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    let mut reader = ImageReader::new(Cursor::new(stored)).with_guessed_format().map_err(|error| unreadable(&error))?;
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| unreadable(&error))?;
    let (width, height) = decoder.dimensions();
    affordable(width, height)?;
    let orientation = decoder.orientation().map_err(|error| unreadable(&error))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| unreadable(&error))?;
    image.apply_orientation(orientation);
    Ok(DynamicImage::ImageRgba8(image.into_rgba8()))
}

fn affordable(width: u32, height: u32) -> Result<(), Refusal> {
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Refusal::Impossible(format!("{width} x {height} is more than {MOST_PIXELS} pixels")));
    }
    Ok(())
}

/// The pixels as the parameters want them.
pub(super) fn changed(mut image: DynamicImage, parameters: &Parameters) -> Result<DynamicImage, Refusal> {
    if let Some(crop) = parameters.crop {
        // What sticks out of the original is cut off; nothing left is an error.
        let (width, height) = image.dimensions();
        let width = width.saturating_sub(crop.x).min(crop.width);
        let height = height.saturating_sub(crop.y).min(crop.height);
        if width == 0 || height == 0 {
            return Err(Refusal::Impossible("the crop lies outside of the image".to_owned()));
        }
        image = image.crop_imm(crop.x, crop.y, width, height);
    }
    image = match parameters.rotation {
        None => image,
        Some(Rotation::R90) => image.rotate90(),
        Some(Rotation::R180) => image.rotate180(),
        Some(Rotation::R270) => image.rotate270(),
    };
    if parameters.flip_horizontal {
        image = image.fliph();
    }
    if parameters.flip_vertical {
        image = image.flipv();
    }
    match (parameters.size, parameters.width) {
        (Some((width, height)), _) => filled(&image, width, height),
        (None, Some(width)) => narrowed(image, width),
        (None, None) => Ok(image),
    }
}

/// Exactly so large: the middle of the image in these proportions, scaled.
fn filled(image: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, Refusal> {
    let (from_width, from_height) = image.dimensions();
    let (w, h, fw, fh) = (u64::from(width), u64::from(height), u64::from(from_width), u64::from(from_height));
    let part = |whole: u32, part: u64| u32::try_from(part).unwrap_or(whole).clamp(1, whole);
    let (cut_width, cut_height) = if fw * h > fh * w {
        (part(from_width, fh * w / h), from_height)
    } else {
        (from_width, part(from_height, fw * h / w))
    };
    let (x, y) = ((from_width - cut_width) / 2, (from_height - cut_height) / 2);
    scaled(&image.crop_imm(x, y, cut_width, cut_height), width, height)
}

/// As wide as wanted, in its proportions; never wider than it is.
fn narrowed(image: DynamicImage, width: u32) -> Result<DynamicImage, Refusal> {
    let (from_width, from_height) = image.dimensions();
    if width >= from_width {
        return Ok(image);
    }
    let height = (u64::from(from_height) * u64::from(width) + u64::from(from_width) / 2) / u64::from(from_width);
    scaled(&image, width, u32::try_from(height).unwrap_or(from_height).max(1))
}

fn scaled(image: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, Refusal> {
    if image.dimensions() == (width, height) {
        return Ok(image.clone());
    }
    affordable(width, height)?;
    // Scaling goes through an image of the old width and the new height, of floating point numbers.
    affordable(image.width(), height)?;
    Ok(image.resize_exact(width, height, FilterType::CatmullRom))
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GenericImageView as _, Rgba, RgbaImage};

    use super::changed;
    use crate::origin::images::parameters::{Format, Parameters};

    /// Four by two: red, green, blue, white; black below.
    fn sample() -> DynamicImage {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];
        DynamicImage::ImageRgba8(RgbaImage::from_fn(4, 2, |x, y| {
            let [r, g, b] = if y == 0 { colours[x as usize] } else { [0, 0, 0] };
            Rgba([r, g, b, 255])
        }))
    }

    fn letters(query: &str) -> Vec<String> {
        let parameters = Parameters::parse(Format::Png, query, false).expect("good");
        let image = changed(sample(), &parameters).expect("possible");
        let letter = |pixel: &Rgba<u8>| match pixel.0 {
            [255, 0, 0, _] => 'r',
            [0, 255, 0, _] => 'g',
            [0, 0, 255, _] => 'b',
            [255, 255, 255, _] => 'w',
            [0, 0, 0, _] => '.',
            _ => '?',
        };
        image.to_rgba8().rows().map(|row| row.map(letter).collect()).collect()
    }

    #[test]
    fn cut_turned_mirrored() {
        assert_eq!(letters(""), ["rgbw", "...."]);
        assert_eq!(letters("crop=1,0,2,1"), ["gb"]);
        assert_eq!(letters("crop=2,1,9,9"), [".."]);
        assert_eq!(letters("rotate=90"), [".r", ".g", ".b", ".w"]);
        assert_eq!(letters("rotate=180"), ["....", "wbgr"]);
        assert_eq!(letters("rotate=270"), ["w.", "b.", "g.", "r."]);
        assert_eq!(letters("flip=h"), ["wbgr", "...."]);
        assert_eq!(letters("flip=v"), ["....", "rgbw"]);
        assert_eq!(letters("flip=hv"), letters("rotate=180"));
        assert_eq!(letters("crop=0,0,2,2&rotate=90&flip=h"), ["r.", "g."]);
    }

    #[test]
    fn sizes() {
        let size = |query: &str| {
            let parameters = Parameters::parse(Format::Png, query, false).expect("good");
            changed(sample(), &parameters).map(|image| image.dimensions()).map_err(|error| error.to_string())
        };
        assert_eq!(size("width=2"), Ok((2, 1)));
        assert_eq!(size("width=400"), Ok((4, 2)), "never wider than it is");
        assert_eq!(size("rotate=90&width=1"), Ok((1, 2)), "the width of what comes out");
        assert_eq!(size("size=8,8&width=1"), Ok((8, 8)));
        assert_eq!(letters("size=2,2"), ["gb", ".."], "the middle");
        assert_eq!(size("crop=4,0,1,1"), Err("the crop lies outside of the image".to_owned()));
        assert!(size("size=8192,8192").is_err_and(|error| error.contains("more than")));
    }
}
