//! Web-optimised images (protocol §10.2): `/adobe/dynamicmedia/deliver/dm-aid--<id>/<name>.<format>?…`.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::super::images::Refusal;
use super::super::images::parameters::{Format, Parameters};
use super::answers::{conditional, plain, with};
use super::endpoints::Shared;

/// On publish and preview, unchangeable; author does not cache (protocol §10.2).
const KEPT: HeaderValue = HeaderValue::from_static("max-age=600");
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-cache");

/// The image at a decoded path behind `deliver/`.
pub(in crate::origin) async fn deliver(
    shared: &Shared,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Response<Body> {
    let Some((id, format)) = id_and_format(path) else {
        return plain(StatusCode::NOT_FOUND, "not found\n");
    };
    let serving = shared.serving();
    let Some(asset) = serving.repository.assets.values().find(|asset| asset.id == id) else {
        return plain(StatusCode::NOT_FOUND, "not found\n");
    };
    let Some(format) = Format::parse(format) else {
        return refused(format!("'{format}' is no format that is delivered"));
    };
    let parameters = match Parameters::parse(format, query.unwrap_or(""), takes_webp(headers)) {
        Ok(parameters) => parameters,
        Err(message) => return refused(message),
    };
    if Format::of_mime(asset.mime).is_none() {
        return refused(format!("{} is not transformed", asset.mime));
    }
    match shared.images.deliver(&asset.file, asset.mime, parameters).await {
        Ok(delivered) => {
            let mut response = with(StatusCode::OK, delivered.mime, delivered.bytes.to_vec());
            let kept = if shared.tier.has_dispatcher() { KEPT } else { NOT_KEPT };
            response.headers_mut().insert(header::CACHE_CONTROL, kept);
            // With `preferwebp` the type of the answer hangs on what the client takes.
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
            conditional(response, headers).await
        }
        Err(Refusal::Impossible(message)) => refused(message),
        Err(Refusal::Gone) => plain(StatusCode::NOT_FOUND, "not found\n"),
        Err(Refusal::BrokenOff) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the image could not be made\n"),
    }
}

/// `dm-aid--<id>/<name>.<extension>`
fn id_and_format(path: &str) -> Option<(&str, &str)> {
    let (id, name) = path.strip_prefix("dm-aid--")?.split_once('/')?;
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !name.contains('/')).then_some((id, extension))
}

/// A client that says nothing takes anything.
fn takes_webp(headers: &HeaderMap) -> bool {
    let mut stated = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let taken = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let named = matches!(parts.next(), Some("image/webp" | "image/*" | "*/*"));
        let refused =
            parts.any(|part| matches!(part.replace(' ', "").as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        named && !refused
    };
    stated.peek().is_none() || stated.any(|value| value.split(',').any(taken))
}

fn refused(message: String) -> Response<Body> {
    with(StatusCode::BAD_REQUEST, "text/plain", (message + "\n").into_bytes())
}
