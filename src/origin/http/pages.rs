//! Pages that stand where an answer should: sign-in, refusals, servers that fail. All of them are html (protocol §3.7, §12).

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::answers;

/// Where AEM lets people sign in.
pub(super) const SIGN_IN: &str = "/libs/granite/core/content/login.html";

/// The sign-in page, status 200: what a client sees that follows the redirect or is taken for a browser.
pub(super) fn sign_in() -> Response<Body> {
    page(
        StatusCode::OK,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>AEM Sign In</title></head>\n<body>\n\
         <form id=\"login\" method=\"POST\" action=\"/libs/granite/core/content/login.html/j_security_check\">\n\
         <h1>Welcome to Adobe Experience Manager</h1>\n\
         <input name=\"j_username\" type=\"text\"><input name=\"j_password\" type=\"password\">\n\
         <button type=\"submit\">Sign In</button>\n</form>\n</body>\n</html>\n"
            .to_owned(),
    )
}

/// 302 to the sign-in page, which then leads back to `path`.
pub(super) fn to_sign_in(path: &str) -> Response<Body> {
    let resource: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    let location = format!("{SIGN_IN}?resource={resource}&j_reason=unknown");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The error page of the web server in front of AEM, for failures of its own; what it refuses is [`answers::dispatcher_page`].
pub(super) fn apache(status: StatusCode) -> Response<Body> {
    let code = status.as_u16();
    let reason = status.canonical_reason().unwrap_or("Error");
    let text = match code {
        502 => "The proxy server received an invalid response from an upstream server.",
        503 => {
            "The server is temporarily unable to service your request due to maintenance downtime or capacity problems."
        }
        _ => "The server encountered an internal error and was unable to complete your request.",
    };
    page(
        status,
        format!(
            "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>{code} {reason}</title>\n\
             </head><body>\n<h1>{reason}</h1>\n<p>{text}</p>\n</body></html>\n"
        ),
    )
}

/// What AEM says to a caller whose authorisation it does not accept.
pub(super) fn refused(status: StatusCode) -> Response<Body> {
    let code = status.as_u16();
    let reason = status.canonical_reason().unwrap_or("Unauthorized");
    page(
        status,
        format!(
            "<!DOCTYPE html>\n<html>\n<head><title>{code} {reason}</title></head>\n<body><h1>{reason}</h1></body>\n</html>\n"
        ),
    )
}

fn page(status: StatusCode, html: String) -> Response<Body> {
    answers::with(status, "text/html;charset=utf-8", html.into_bytes())
}
