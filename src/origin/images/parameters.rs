//! What a delivery URL asks for (protocol §10.2): the format in the file's name, everything else in the query.

/// Pixels of a side that can be asked for. Not documented by Adobe.
pub(in crate::origin) const MOST_SIDE: u32 = 8_192;

/// The formats of `AssetTransformFormat` (protocol §5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::origin) enum Format {
    Gif,
    Png,
    /// With a palette of 256 colours.
    Png8,
    /// `JPG` and `BJPG`: baseline.
    Jpg,
    /// Progressive.
    Pjpg,
    /// `WEBP`, `WEBPLL` and `WEBPLY`: no lossy encoder is at hand, so all of them are lossless.
    Webp,
}

impl Format {
    /// By the extension in a URL: the names of the enum in small letters.
    pub fn parse(extension: &str) -> Option<Self> {
        Some(match extension {
            "gif" => Self::Gif,
            "png" => Self::Png,
            "png8" => Self::Png8,
            "jpg" | "jpeg" | "bjpg" => Self::Jpg,
            "pjpg" => Self::Pjpg,
            "webp" | "webpll" | "webply" => Self::Webp,
            _ => return None,
        })
    }

    /// By the media type of a file; `None` for what cannot be decoded here.
    pub fn of_mime(mime: &str) -> Option<Self> {
        Some(match mime {
            "image/gif" => Self::Gif,
            "image/png" => Self::Png,
            "image/jpeg" => Self::Jpg,
            "image/webp" => Self::Webp,
            _ => return None,
        })
    }

    /// The media type of the bytes.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Gif => "image/gif",
            Self::Png | Self::Png8 => "image/png",
            Self::Jpg | Self::Pjpg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    /// The extension for a file of this type that is delivered in its own format.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gif => "gif",
            Self::Png => "png",
            Self::Png8 => "png8",
            Self::Jpg => "jpg",
            Self::Pjpg => "pjpg",
            Self::Webp => "webp",
        }
    }
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::origin) struct Rectangle {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// Degrees, clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::origin) enum Rotation {
    R90,
    R180,
    R270,
}

/// What a delivery is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::origin) struct Parameters {
    pub format: Format,
    /// `preferwebp=true`, from a client that takes it.
    pub webp: bool,
    pub width: Option<u32>,
    pub size: Option<(u32, u32)>,
    pub crop: Option<Rectangle>,
    pub rotation: Option<Rotation>,
    pub flip_horizontal: bool,
    pub flip_vertical: bool,
    pub quality: Option<u8>,
}

impl Parameters {
    /// Reads the query of a URL. Of a parameter that comes twice the last counts, unknown ones are ignored.
    ///
    /// # Errors
    /// A sentence about the parameter that is wrong.
    pub fn parse(format: Format, query: &str, takes_webp: bool) -> Result<Self, String> {
        let mut parameters = Self {
            format,
            webp: false,
            width: None,
            size: None,
            crop: None,
            rotation: None,
            flip_horizontal: false,
            flip_vertical: false,
            quality: None,
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            parameters.take(&name, &value, takes_webp).ok_or_else(|| format!("bad value of '{name}': '{value}'"))?;
        }
        Ok(parameters)
    }

    fn take(&mut self, name: &str, value: &str, takes_webp: bool) -> Option<()> {
        match name {
            "preferwebp" => self.webp = value.parse::<bool>().ok()? && takes_webp,
            "width" => self.width = Some(side(value)?),
            "size" => {
                let [width, height] = numbers(value)?;
                self.size = Some((side(width)?, side(height)?));
            }
            "crop" => {
                let [x, y, width, height] = numbers(value)?;
                let (x, y) = (x.parse().ok()?, y.parse().ok()?);
                self.crop = Some(Rectangle { x, y, width: positive(width)?, height: positive(height)? });
            }
            "rotate" => {
                self.rotation = Some(match value {
                    "90" => Rotation::R90,
                    "180" => Rotation::R180,
                    "270" => Rotation::R270,
                    _ => return None,
                });
            }
            "flip" => {
                (self.flip_horizontal, self.flip_vertical) = match value {
                    "h" => (true, false),
                    "v" => (false, true),
                    "hv" => (true, true),
                    _ => return None,
                };
            }
            "quality" => self.quality = Some(value.parse().ok().filter(|quality| (1..=100).contains(quality))?),
            _ => {}
        }
        Some(())
    }

    /// The format the bytes will have.
    pub fn delivered(&self) -> Format {
        if self.webp { Format::Webp } else { self.format }
    }

    /// Whether the pixels stay and no quality is asked for.
    pub fn changes_nothing(&self) -> bool {
        let pixels_stay = self.width.is_none() && self.size.is_none() && self.crop.is_none() && self.rotation.is_none();
        pixels_stay && !self.flip_horizontal && !self.flip_vertical && self.quality.is_none()
    }
}

fn numbers<const N: usize>(value: &str) -> Option<[&str; N]> {
    value.split(',').collect::<Vec<_>>().try_into().ok()
}

fn positive(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number > 0)
}

fn side(text: &str) -> Option<u32> {
    positive(text).filter(|side| *side <= MOST_SIDE)
}

#[cfg(test)]
mod tests {
    use super::{Format, Parameters, Rectangle, Rotation};

    #[test]
    fn every_parameter_of_the_protocol() {
        let query = "preferwebp=true&width=1000&width=300&quality=80&crop=1,2,30,40&size=5,6&rotate=90&flip=hv&x=y";
        let parameters = Parameters::parse(Format::Jpg, query, true).expect("good");
        let expected = Parameters {
            format: Format::Jpg,
            webp: true,
            width: Some(300),
            size: Some((5, 6)),
            crop: Some(Rectangle { x: 1, y: 2, width: 30, height: 40 }),
            rotation: Some(Rotation::R90),
            flip_horizontal: true,
            flip_vertical: true,
            quality: Some(80),
        };
        assert_eq!(parameters, expected);
        assert_eq!(parameters.delivered(), Format::Webp);
        let none = Parameters::parse(Format::Jpg, "preferwebp=true", false).expect("good");
        assert!(none.changes_nothing() && none.delivered() == Format::Jpg);
    }

    #[test]
    fn bad_values_are_refused() {
        for query in [
            "width=0",
            "width=8193",
            "width=-1",
            "width=",
            "width=1.5",
            "size=5",
            "size=5,6,7",
            "crop=1,2,0,4",
            "crop=1,2,3",
            "crop=-1,0,1,1",
            "rotate=45",
            "flip=x",
            "quality=0",
            "quality=101",
            "preferwebp=yes",
            "size=99999999999,1",
        ] {
            assert!(Parameters::parse(Format::Png, query, true).is_err(), "{query}");
        }
    }
}
