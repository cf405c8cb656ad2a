//! `_dynamicUrl` and what it delivers (protocol §5.6, §10.2): the bytes are decoded and looked at.

use image::{DynamicImage, GenericImageView as _, ImageFormat, Rgba, RgbaImage};
use serde_json::{Value, json};

use aem_static::origin::{Options, Tier};

use super::content::{data, write};
use super::{http, serve, serve_as};

/// 40 by 20, left half red, right half blue, as a PNG.
fn flag() -> Vec<u8> {
    let pixel = |x| if x < 20 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 0, 255, 255]) };
    let image = DynamicImage::ImageRgba8(RgbaImage::from_fn(40, 20, |x, _| pixel(x)));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The same file, but its header claims 10,000 by 10,000 pixels.
fn bomb() -> Vec<u8> {
    let mut bytes = flag();
    bytes[16..24].copy_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10]);
    // The checksum of the header has to be right, or nobody looks at the sizes.
    let checksum = bytes[12..29].iter().fold(u32::MAX, |checksum, byte| {
        (0..8)
            .fold(checksum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    });
    bytes[29..33].copy_from_slice(&(!checksum).to_be_bytes());
    bytes
}

/// One fragment with a PNG, an SVG, and a file that only says that it is a PNG.
fn gallery() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let model = json!({"name": "show", "title": "Show", "fields": [
        {"name": "flag", "type": "content-reference"}, {"name": "others", "type": "content-reference", "multiple": true},
        {"name": "next", "type": "fragment-reference", "allowedModels": ["show"]}]});
    write(dir.path(), "models/show.json", model.to_string());
    let fields = json!({"flag": "/content/dam/acme/My Flag.png", "next": "/content/dam/acme/b", "others": [
        "/content/dam/acme/plan.svg", "/content/dam/acme/bad.png", "/content/dam/acme/scene.png"]});
    write(dir.path(), "fragments/acme/a.json", json!({"model": "show", "fields": fields}).to_string());
    let fields = json!({"flag": "/content/dam/acme/My Flag.png"});
    write(dir.path(), "fragments/acme/b.json", json!({"model": "show", "fields": fields}).to_string());
    write(dir.path(), "assets/acme/My Flag.png", flag());
    write(dir.path(), "assets/acme/plan.svg", "<svg width='4' height='3'></svg>");
    write(dir.path(), "assets/acme/bad.png", "no picture");
    write(dir.path(), "assets/acme/scene.png", flag());
    let scene7 = json!({"dam:scene7Domain": "https://s7.example.com", "dam:scene7File": "acme/scene"});
    write(dir.path(), "assets/acme/scene.png.metadata.json", scene7.to_string());
    dir
}

/// The `_dynamicUrl` of the flag for a transformation.
async fn dynamic_url(url: &str, transform: &str) -> String {
    let query = format!(
        "{{ showByPath(_path: \"/content/dam/acme/a\"{transform}) {{ item {{ flag {{ ... on ImageRef {{ _dynamicUrl }} }} }} }} }}"
    );
    data(url, &query).await["showByPath"]["item"]["flag"]["_dynamicUrl"].as_str().unwrap().to_owned()
}

/// Whether an image has these colours left, right, at the top and at the bottom; `?` is any.
fn looks(image: &DynamicImage, expected: &str) -> bool {
    let (width, height) = image.dimensions();
    let points = [(1, height / 2), (width - 2, height / 2), (width / 2, 1), (width / 2, height - 2)];
    let letter = |(x, y)| match image.get_pixel(x, y).0 {
        [200..=255, 0..=60, 0..=60, _] => 'r',
        [0..=60, 0..=60, 200..=255, _] => 'b',
        _ => '?',
    };
    points.into_iter().map(letter).zip(expected.chars()).all(|(seen, expected)| expected == '?' || seen == expected)
}

#[tokio::test]
async fn the_argument_makes_the_url_and_the_url_the_image() {
    let dir = gallery();
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    let base = dynamic_url(url, "").await;
    let (folder, name) = base.rsplit_once('/').unwrap();
    assert!(folder.starts_with("/adobe/dynamicmedia/deliver/dm-aid--"), "{base}");
    assert_eq!(name, "My%20Flag.png");
    let whole = http::get(url, &base).await;
    assert_eq!((whole.status, &whole.body), (200, &flag()), "nothing asked: the file itself");
    // What the argument says, the last segment of the URL, the type, the size, colours left, right, top and bottom.
    for (transform, segment, mime, size, colours) in [
        ("format: PNG, seoName: \"red-blue\"", "red-blue.png", "image/png", (40, 20), "rb??"),
        ("format: JPG, width: 20", "My%20Flag.jpg?width=20", "image/jpeg", (20, 10), "rb??"),
        ("format: JPG, width: 400", "My%20Flag.jpg?width=400", "image/jpeg", (40, 20), "rb??"),
        ("format: PNG, width: 9, size: {width: 10}", "My%20Flag.png?size=10,10", "image/png", (10, 10), "rb??"),
        ("format: PNG8, rotation: R90", "My%20Flag.png8?rotate=90", "image/png", (20, 40), "??rb"),
        ("format: GIF, rotation: R270", "My%20Flag.gif?rotate=270", "image/gif", (20, 40), "??br"),
        ("format: WEBP, flip: HORIZONTAL", "My%20Flag.webp?flip=h", "image/webp", (40, 20), "br??"),
        ("format: WEBPLY, flip: VERTICAL", "My%20Flag.webply?flip=v", "image/webp", (40, 20), "rb??"),
        ("flip: HORIZONTAL_AND_VERTICAL", "My%20Flag.png?flip=hv", "image/png", (40, 20), "br??"),
        (
            "format: PJPG, quality: 90, crop: {xOrigin: 20, yOrigin: 4, width: 12}",
            "My%20Flag.pjpg?quality=90&crop=20,4,12,12",
            "image/jpeg",
            (12, 12),
            "bbbb",
        ),
    ] {
        let delivery = dynamic_url(url, &format!(", _assetTransform: {{{transform}}}")).await;
        assert_eq!(delivery, format!("{folder}/{segment}"), "{transform}");
        let answer = http::get(url, &delivery).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(mime)), "{transform}");
        assert_eq!(image::guess_format(&answer.body).unwrap().to_mime_type(), mime);
        let image = image::load_from_memory(&answer.body).unwrap();
        assert_eq!(image.dimensions(), size, "{transform}");
        assert!(looks(&image, colours), "{transform}");
    }
    origin.stop().await;
}

/// The argument holds for every image of its query field, nested ones and those in `_references`; others have none.
#[tokio::test]
async fn one_argument_for_all_images_of_a_field() {
    let dir = gallery();
    let origin = serve(dir.path(), None).await;
    let image = "... on ImageRef { _path _dynamicUrl _dmS7Url }";
    let query = format!(
        "{{ a: showByPath(_path: \"/content/dam/acme/a\", _assetTransform: {{format: JPG, width: 8}}) {{
            item {{ others {{ {image} }} next {{ flag {{ {image} }} }} }} _references {{ {image} }} }}
          b: showList(limit: 1) {{ items {{ flag {{ {image} }} }} }} }}"
    );
    let answer = data(origin.url(), &query).await;
    let named = |value: &Value| {
        let name = value["_dynamicUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or("-").to_owned();
        format!("{} {name} {}", value["_path"].as_str().unwrap(), value["_dmS7Url"])
    };
    let all = |list: &Value| list.as_array().unwrap().iter().map(&named).collect::<Vec<_>>();
    let others = [
        "/content/dam/acme/plan.svg - null",
        "/content/dam/acme/bad.png bad.jpg?width=8 null",
        "/content/dam/acme/scene.png - \"https://s7.example.com/is/image/acme/scene\"",
    ];
    let flag = "/content/dam/acme/My Flag.png My%20Flag.jpg?width=8 null";
    assert_eq!(all(&answer["a"]["item"]["others"]), others);
    assert_eq!(named(&answer["a"]["item"]["next"]["flag"]), flag);
    assert_eq!(all(&answer["a"]["_references"]), [&[flag], &others[..]].concat());
    assert_eq!(named(&answer["b"]["items"][0]["flag"]), "/content/dam/acme/My Flag.png My%20Flag.png null");
    for (transform, needs) in [
        ("seoName: \"a b\"", "'seoName' takes letters, digits, '-' and '_'"),
        ("quality: 101", "'quality' takes 1 to 100"),
        ("width: 0", "'width' takes 1 to 8192"),
        ("size: {}", "'size' takes a 'width' or a 'height'"),
        ("crop: {xOrigin: -1, yOrigin: 0, width: 1}", "'xOrigin' takes 0 to 4294967295"),
    ] {
        let query = format!("{{ showList(_assetTransform: {{{transform}}}) {{ items {{ _path }} }} }}");
        let answer = http::query(origin.url(), &query, Value::Null).await;
        let expected = format!("Exception while fetching data (/showList) : Invalid _assetTransform: {needs}");
        assert_eq!(answer["errors"][0]["message"], expected);
    }
    origin.stop().await;
}

#[tokio::test]
async fn bad_requests_end_in_400_and_webp_is_negotiated() {
    let dir = gallery();
    write(dir.path(), "assets/acme/bad.png", bomb());
    let origin = serve(dir.path(), None).await;
    let url = origin.url();
    let base = dynamic_url(url, "").await;
    let stem = base.strip_suffix(".png").unwrap();
    for wrong in [
        ".png?width=0",
        ".png?width=99999",
        ".png?width=x",
        ".png?size=8000,8000",
        ".png?size=4",
        ".png?crop=0,0,0,1",
        ".png?crop=40,0,5,5",
        ".png?rotate=45",
        ".png?flip=d",
        ".png?quality=0",
        ".png?preferwebp=maybe",
        ".avif",
        ".",
    ] {
        let answer = http::get(url, &format!("{stem}{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
    let query = "{ showList { items { others { ... on ImageRef { _path _id } } } } }";
    let items = data(url, query).await["showList"]["items"].clone();
    for other in items[0]["others"].as_array().unwrap() {
        let delivery = format!("/adobe/dynamicmedia/deliver/dm-aid--{}/x.png?width=5", other["_id"].as_str().unwrap());
        let expected = if other["_path"] == "/content/dam/acme/scene.png" { 200 } else { 400 };
        let answer = http::get(url, &delivery).await;
        assert_eq!(answer.status, expected, "{other}");
        if other["_path"] == "/content/dam/acme/bad.png" {
            assert_eq!(answer.text(), "10000 x 10000 is more than 40000000 pixels\n");
        }
    }
    for gone in [
        "/adobe/dynamicmedia/deliver/dm-aid--none/x.png",
        "/adobe/dynamicmedia/deliver/",
        "/adobe/dynamicmedia/deliver/x/y/z.png",
    ] {
        assert_eq!(http::get(url, gone).await.status, 404, "{gone}");
    }
    let prefer = format!("{stem}.jpg?preferwebp=true&width=10");
    for (accept, mime) in [
        ("image/avif,image/webp,*/*;q=0.8", "image/webp"),
        ("*/*", "image/webp"),
        ("image/jpeg", "image/jpeg"),
        ("image/webp;q=0, image/jpeg", "image/jpeg"),
    ] {
        let answer = http::send(url, "GET", &prefer, &[("Accept", accept)], b"").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(mime)), "{accept}");
        assert_eq!(answer.header("vary"), Some("accept"));
    }
    let first = http::get(url, &prefer).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(http::send(url, "GET", &prefer, &[("If-None-Match", &tag)], b"").await.status, 304);
    assert_eq!(http::send(url, "POST", &prefer, &[], b"").await.status, 405);
    // A new file under the old name is a new image.
    write(dir.path(), "assets/acme/My Flag.png", "no picture");
    assert_eq!(http::get(url, &prefer).await.status, 400);
    origin.stop().await;
}

#[tokio::test]
async fn publish_keeps_images_ten_minutes_and_author_does_not() {
    let dir = gallery();
    for (tier, kept) in [(Tier::Author, "no-cache"), (Tier::Publish, "max-age=600")] {
        let origin = serve_as(Options { tier, allow_post: true, ..Options::default() }, dir.path(), None).await;
        let delivery = dynamic_url(origin.url(), "").await;
        assert_eq!(http::get(origin.url(), &delivery).await.header("cache-control"), Some(kept));
        origin.stop().await;
    }
}
