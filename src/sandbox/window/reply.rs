//! Answers of the window, each with the headers that keep others out.

use super::guard::{Admitted, Refusal};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

const PAGE: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = concat!(
    "'use strict';\n",
    include_str!("page/words.js"),
    include_str!("page/nodes.js"),
    include_str!("page/room.js"),
    include_str!("page/tools.js"),
    include_str!("page/main.js"),
);

/// The page and what belongs to it, by the path behind the token.
pub(super) fn page(admitted: &Admitted, base: &str) -> Option<Response<Body>> {
    let (content_type, content) = match admitted.path.as_str() {
        "" => ("text/html; charset=utf-8", PAGE),
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "script.js" => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return None,
    };
    let mut response = answer(StatusCode::OK, content_type, content);
    if admitted.path.is_empty() {
        set(&mut response, header::CONTENT_SECURITY_POLICY, &policy(&format!("{}{base}", admitted.origin)));
    }
    Some(response)
}

/// What the page may do. Script and style are named by their whole addresses, and not by `'self'`, which would also allow
/// what people have uploaded. Trusted Types end all ways to make nodes or code of text.
fn policy(base: &str) -> String {
    format!(
        "default-src 'none'; script-src {base}script.js; style-src {base}style.css; connect-src {base}; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    )
}

pub(super) fn json(value: &Value) -> Response<Body> {
    answer(StatusCode::OK, "application/json", value.to_string())
}

/// Why something was not done: the page has a sentence for the word. It is no error of HTTP, which browsers report in the console.
pub(super) fn refused(word: &str) -> Response<Body> {
    json(&json!({ "refused": word }))
}

pub(super) fn refusal(refusal: &Refusal) -> Response<Body> {
    plain(refusal.0, refusal.1)
}

pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", text)
}

/// Server-sent events.
pub(super) fn events(body: Body) -> Response<Body> {
    answer(StatusCode::OK, "text/event-stream", body)
}

/// A file, which a browser saves and does not show.
pub(super) fn file(name: &str, content: Bytes) -> Response<Body> {
    let mut response = answer(StatusCode::OK, "application/octet-stream", content);
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    set(&mut response, header::CONTENT_DISPOSITION, &format!("attachment; filename*=UTF-8''{name}"));
    response
}

fn answer(status: StatusCode, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        set(&mut response, name, value);
    }
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
