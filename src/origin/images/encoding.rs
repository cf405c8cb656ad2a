//! Pixels to bytes. The same pixels give the same bytes.

use color_quant::NeuQuant;
use image::codecs::gif::GifEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder as _, RgbaImage};

use super::parameters::Format;

/// Of JPEG, where none is asked for. Not documented by Adobe.
const QUALITY: u8 = 85;
/// One in so many pixels is looked at to find 256 colours: 1 is best and slow.
const SAMPLING: i32 = 10;

/// The image in a format. `quality` counts for JPEG only.
///
/// # Errors
/// What the encoder says.
pub(super) fn encoded(image: RgbaImage, format: Format, quality: Option<u8>) -> Result<Vec<u8>, String> {
    let (width, height) = image.dimensions();
    let mut bytes = Vec::new();
    let rgba = ExtendedColorType::Rgba8;
    match format {
        Format::Jpg => jpeg(&image, quality, &mut bytes, Scan::Baseline)?,
        Format::Pjpg => jpeg(&image, quality, &mut bytes, Scan::Progressive)?,
        Format::Png => PngEncoder::new(&mut bytes).write_image(&image, width, height, rgba).map_err(said)?,
        Format::Png8 => png8(&image, &mut bytes).map_err(said)?,
        Format::Gif => {
            GifEncoder::new_with_speed(&mut bytes, SAMPLING).encode(&image, width, height, rgba).map_err(said)?
        }
        Format::Webp => WebPEncoder::new_lossless(&mut bytes).encode(&image, width, height, rgba).map_err(said)?,
    }
    Ok(bytes)
}

fn said(error: impl std::fmt::Display) -> String {
    format!("the image cannot be encoded: {error}")
}

#[derive(PartialEq, Eq)]
enum Scan {
    Baseline,
    Progressive,
}

fn jpeg(image: &RgbaImage, quality: Option<u8>, into: &mut Vec<u8>, scan: Scan) -> Result<(), String> {
    let (width, height) = image.dimensions();
    let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(said("a JPEG has at most 65535 pixels a side"));
    };
    let mut encoder = jpeg_encoder::Encoder::new(into, quality.unwrap_or(QUALITY));
    encoder.set_progressive(scan == Scan::Progressive);
    encoder.encode(&on_white(image), width, height, jpeg_encoder::ColorType::Rgb).map_err(said)
}

/// JPEG has no transparency; what shows through is white.
fn on_white(image: &RgbaImage) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(image.as_raw().len() / 4 * 3);
    for pixel in image.pixels() {
        let [red, green, blue, alpha] = pixel.0.map(u32::from);
        rgb.extend([red, green, blue].map(|part| {
            let mixed = (part * alpha + 255 * (255 - alpha) + 127) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        }));
    }
    rgb
}

/// A palette of 256 colours with their transparency, and an index a pixel.
fn png8(image: &RgbaImage, into: &mut Vec<u8>) -> Result<(), png::EncodingError> {
    let colours = NeuQuant::new(SAMPLING, 256, image.as_raw());
    let palette = colours.color_map_rgba();
    let (rgb, alpha): (Vec<[u8; 3]>, Vec<u8>) =
        palette.as_chunks::<4>().0.iter().map(|[red, green, blue, alpha]| ([*red, *green, *blue], *alpha)).unzip();
    let indexes: Vec<u8> =
        image.pixels().map(|pixel| u8::try_from(colours.index_of(&pixel.0)).unwrap_or(u8::MAX)).collect();
    let mut encoder = png::Encoder::new(into, image.width(), image.height());
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(rgb.concat());
    encoder.set_trns(alpha);
    encoder.write_header()?.write_image_data(&indexes)
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::encoded;
    use crate::origin::images::parameters::Format;
    use crate::origin::images::pixels::decoded;

    /// A ramp of two colours, half of it see-through.
    fn sample() -> RgbaImage {
        RgbaImage::from_fn(64, 32, |x, y| Rgba([(x * 4) as u8, (y * 8) as u8, 60, if x < 32 { 255 } else { 0 }]))
    }

    #[test]
    fn every_format_is_what_it_says_and_shows_the_image() {
        for format in [Format::Gif, Format::Png, Format::Png8, Format::Jpg, Format::Pjpg, Format::Webp] {
            let bytes = encoded(sample(), format, None).expect("encoded");
            assert_eq!(bytes, encoded(sample(), format, None).expect("encoded"), "the same bytes");
            let guessed = image::guess_format(&bytes).expect("known");
            assert_eq!(guessed.to_mime_type(), format.mime());
            let image = decoded(&bytes).expect("readable").into_rgba8();
            assert_eq!(image.dimensions(), (64, 32), "{format:?}");
            let Rgba([red, green, _, alpha]) = *image.get_pixel(20, 16);
            assert!(red.abs_diff(80) < 24 && green.abs_diff(128) < 24 && alpha == 255, "{format:?} {red} {green}");
            let expected = if matches!(format, Format::Jpg | Format::Pjpg) { [255, 255] } else { [0, 0] };
            let Rgba([_, green, _, alpha]) = *image.get_pixel(60, 16);
            assert_eq!([if expected == [0, 0] { 0 } else { green / 250 * 255 }, alpha], expected, "{format:?}");
        }
    }

    #[test]
    fn kinds_of_jpeg_and_png() {
        let marker = |bytes: &[u8], marker: [u8; 2]| bytes.windows(2).any(|window| window == marker);
        let baseline = encoded(sample(), Format::Jpg, None).expect("encoded");
        let progressive = encoded(sample(), Format::Pjpg, None).expect("encoded");
        assert!(marker(&baseline, [0xff, 0xc0]) && marker(&progressive, [0xff, 0xc2]));
        let small = encoded(sample(), Format::Jpg, Some(10)).expect("encoded");
        assert!(small.len() < baseline.len());
        let palette = encoded(sample(), Format::Png8, None).expect("encoded");
        assert!(palette.windows(4).any(|window| window == b"PLTE"));
    }
}
