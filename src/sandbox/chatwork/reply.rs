//! Answers and refusals, in the form Chatwork gives them.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::fmt::Write;

/// The answer to an operation that took effect.
#[derive(Debug)]
pub(super) struct Reply {
    body: Option<Value>,
    headers: Vec<(HeaderName, String)>,
}

impl Reply {
    pub(super) fn json(body: Value) -> Self {
        Self { body: Some(body), headers: Vec::new() }
    }

    /// 204.
    pub(super) fn empty() -> Self {
        Self { body: None, headers: Vec::new() }
    }

    /// An array, or 204 if there is nothing in it.
    pub(super) fn list(items: Vec<Value>) -> Self {
        if items.is_empty() { Self::empty() } else { Self::json(Value::Array(items)) }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let response = match self.body {
            Some(body) => json_response(StatusCode::OK, &body),
            None => StatusCode::NO_CONTENT.into_response(),
        };
        with_headers(response, self.headers)
    }
}

/// The answer to a request that was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    errors: Vec<String>,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, errors: vec![error.into()], headers: Vec::new() }
    }

    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn invalid(errors: Vec<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, errors, headers: Vec::new() }
    }

    pub(super) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// The text that has been seen for rooms that are not one's own, and for other people's messages.
    pub(super) fn may_not_write() -> Self {
        Self::forbidden("You don't have permission to send/edit message.")
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("The {what} is not found"))
    }

    pub(super) fn unknown_endpoint() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Invalid Endpoint or HTTP method")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Invalid API Token")
    }

    pub(super) fn too_many_requests(error: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error)
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        with_headers(json_response(self.status, &json!({ "errors": self.errors })), self.headers)
    }
}

pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(escaped(&body.to_string())));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn with_headers(mut response: Response, headers: Vec<(HeaderName, String)>) -> Response {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// JSON in ASCII, as the service writes it. Outside ASCII there are only strings, where `\u` may stand.
fn escaped(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_outside_ascii_is_escaped_and_reads_the_same() {
        let value = json!({ "name": "会話 🍣 \"x\"" });
        let text = escaped(&value.to_string());
        assert_eq!(text, r#"{"name":"\u4f1a\u8a71 \ud83c\udf63 \"x\""}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), value);
    }
}
