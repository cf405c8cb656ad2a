//! The site's own addresses: its files as a web server would give them, and the error page in place of pages while the last
//! build has failed.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use tower_http::services::ServeDir;

use super::gate::OWN_POLICY;
use super::html::{Html, document};
use super::listening::App;
use super::shown::{Good, Shown};
use super::{diagnostics, inject};

/// The largest page that gets the script; a larger one is served as it is.
const LARGEST: u64 = 64 << 20;
/// In the query of an address: asks for the last good page while the build fails.
const LAST_GOOD: &str = "_aem-static=last-good";

/// Serves an address of the site.
pub(super) async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let shown = app.stage.built().await;
    let last_good = request.uri().query().is_some_and(|query| query.split('&').any(|part| part == LAST_GOOD));
    if let Some(failed) = &shown.failed {
        let can_look = shown.good.is_some();
        if !can_look || (!last_good && is_page(&shown, &request)) {
            if can_look && comes_from_last_good(&request) {
                return Redirect::temporary(&with_last_good(request.uri())).into_response();
            }
            let again = can_look.then(|| with_last_good(request.uri()));
            let page = diagnostics::page(failed, again.as_deref(), app.options.editor.as_deref());
            let page = inject::with_script(page.as_bytes(), request.uri().path(), shown.build, &app.stage.run, false);
            return own(StatusCode::INTERNAL_SERVER_ERROR, page);
        }
    }
    match &shown.good {
        Some(good) => file(&app, &shown, good, request, last_good && shown.failed.is_some()).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A page of the tool.
pub(super) fn own(status: StatusCode, page: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, OWN_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, page.into()).into_response()
}

async fn file(app: &App, shown: &Shown, good: &Good, request: Request, last_good: bool) -> Response {
    let asked = request.uri().path().to_owned();
    let Some(below) = below_root(good, &asked) else {
        if asked == "/" {
            return Redirect::temporary(&format!("{}/", good.root())).into_response();
        }
        return missing(app, shown, good, &asked).await;
    };
    if is_listing(&below) {
        return missing(app, shown, good, &asked).await;
    }
    let Some(response) = from_folder(good, &below, request.headers().clone()).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match response.status() {
        StatusCode::NOT_FOUND => missing(app, shown, good, &asked).await,
        status if status.is_redirection() => to_root(good, response),
        StatusCode::OK if is_html(response.headers()) => scripted(app, shown, &asked, response, last_good).await,
        _ => response,
    }
}

/// The path below the site's root, beginning with `/`; `None` outside of it.
pub(super) fn below_root(good: &Good, path: &str) -> Option<String> {
    let below = path.strip_prefix(good.root())?;
    below.starts_with('/').then(|| below.to_owned())
}

/// The list of the tool's files is not for visitors.
fn is_listing(path: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let first = Path::new(decoded.as_ref()).components().find_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    first.is_some_and(|name| name.eq_ignore_ascii_case(".aem-static"))
}

/// Asks the folder as a visitor would ask a server, but never for what has not changed: times of whole seconds cannot tell.
async fn from_folder(good: &Good, path: &str, mut headers: HeaderMap) -> Option<Response> {
    for name in [header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE, header::IF_RANGE] {
        headers.remove(name);
    }
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    *request.headers_mut() = headers;
    let mut response = ServeDir::new(&good.folders.out).try_call(request).await.ok()?.map(Body::new);
    response.headers_mut().remove(header::LAST_MODIFIED);
    name_encoding(response.headers_mut());
    Some(response)
}

/// Texts of a build are UTF-8, and say so.
fn name_encoding(headers: &mut HeaderMap) {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.filter(|kind| kind.starts_with("text/") && !kind.contains("charset"));
    if let Some(kind) = kind.and_then(|kind| HeaderValue::from_str(&format!("{kind}; charset=utf-8")).ok()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
}

/// A redirect of a directory, below the site's root.
fn to_root(good: &Good, mut response: Response) -> Response {
    let moved = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let moved = moved.and_then(|to| HeaderValue::from_str(&format!("{}{to}", good.root())).ok());
    if let Some(to) = moved {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

async fn scripted(app: &App, shown: &Shown, path: &str, response: Response, last_good: bool) -> Response {
    let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_none_or(|length: u64| length > LARGEST) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(page) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let page = inject::with_script(&page, path, shown.build, &app.stage.run, last_good);
    parts.headers.insert(header::CONTENT_LENGTH, page.len().into());
    // Ranges are of the file, not of this.
    parts.headers.remove(header::ACCEPT_RANGES);
    Response::from_parts(parts, Body::from(page))
}

/// What a server in production would show: the 404.html of the nearest folder. Else a page of the tool that helps.
async fn missing(app: &App, shown: &Shown, good: &Good, asked: &str) -> Response {
    if let Some(page) = error_document(good, asked).and_then(|path| std::fs::read(path).ok()) {
        let page = inject::with_script(&page, asked, shown.build, &app.stage.run, false);
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response();
    }
    let mut body = Html::new();
    body.raw("<main class=\"narrow\"><p class=\"kicker\">404</p><h1>There is no page here</h1><p>No route makes <code>")
        .text(asked)
        .raw("</code>, and static/ has no such file. In production the host's own error page would be shown: make one with a route ")
        .raw("<code>page = \"/404.html\"</code>.</p><ul class=\"links\">");
    for page in near(good, asked) {
        body.raw("<li>").link(&page, &page).raw("</li>");
    }
    body.raw("</ul><p>").link("/_aem-static/", "Every route and page").raw("</p></main>");
    let page = document("404: no page here", &body);
    let page = inject::with_script(page.as_bytes(), asked, shown.build, &app.stage.run, false);
    own(StatusCode::NOT_FOUND, page)
}

/// The file that is shown in place of one that is not there.
pub(super) fn error_document(good: &Good, asked: &str) -> Option<PathBuf> {
    let below = below_root(good, asked).unwrap_or_else(|| "/".to_owned());
    let decoded = percent_encoding::percent_decode_str(&below).decode_utf8_lossy();
    let plain = decoded.split('/').all(|part| part != "..");
    let mut folder = if plain { decoded.trim_start_matches('/') } else { "" };
    loop {
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        let file = good.folders.out.join(folder).join("404.html");
        if file.is_file() {
            return Some(file);
        }
        if folder.is_empty() {
            return None;
        }
    }
}

/// Pages with a path like the one asked for.
fn near(good: &Good, asked: &str) -> Vec<String> {
    let urls: Vec<&str> = good.pages().iter().map(|page| page.url.as_str()).collect();
    let with_slash = format!("{}/", asked.trim_end_matches('/'));
    let near = crate::site::nearest(&with_slash, urls.iter().copied());
    near.into_iter().map(str::to_owned).collect()
}

/// Whether a request is for a page that a person looks at.
fn is_page(shown: &Shown, request: &Request) -> bool {
    if let Some(for_what) = request.headers().get("sec-fetch-dest") {
        return ["document", "iframe", "frame"].iter().any(|kind| for_what.as_bytes() == kind.as_bytes());
    }
    let path = request.uri().path();
    let Some(good) = &shown.good else { return true };
    let below = below_root(good, path).unwrap_or_default();
    let decoded = percent_encoding::percent_decode_str(&below).decode_utf8_lossy().into_owned();
    let file = good.folders.out.join(decoded.trim_start_matches('/'));
    path.ends_with('/') || path.ends_with(".html") || !file.is_file()
}

/// Whether the link was on a last good page of this server: whoever looks at these wants the next one, too.
fn comes_from_last_good(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let from = request.headers().get(header::REFERER).and_then(|from| from.to_str().ok());
    let (Some(host), Some(from)) = (host, from) else { return false };
    let here = from.strip_prefix("http://").and_then(|rest| rest.strip_prefix(host));
    here.is_some_and(|rest| rest.starts_with('/') && rest.contains(LAST_GOOD))
        && request.headers().get("sec-fetch-site").is_none_or(|site| site.as_bytes() == b"same-origin")
}

fn with_last_good(uri: &Uri) -> String {
    // A path with two slashes at its beginning would name a host.
    let path = format!("/{}", uri.path().trim_start_matches('/'));
    match uri.query() {
        Some(query) => format!("{path}?{query}&{LAST_GOOD}"),
        None => format!("{path}?{LAST_GOOD}"),
    }
}
