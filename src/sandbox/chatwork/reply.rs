//! Answers and refusals, in the form Chatwork gives them.

use crate::sandbox::answer::Answer;
use axum::http::{HeaderName, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write;

/// 200 with JSON.
pub(super) fn ok(body: &Value) -> Answer {
    json_answer(StatusCode::OK, body)
}

/// 204.
pub(super) fn empty() -> Answer {
    Answer::empty(StatusCode::NO_CONTENT)
}

/// An array, or 204 if there is nothing in it.
pub(super) fn list(items: Vec<Value>) -> Answer {
    if items.is_empty() { empty() } else { ok(&Value::Array(items)) }
}

pub(super) fn json_answer(status: StatusCode, body: &Value) -> Answer {
    Answer::new(status, "application/json; charset=utf-8", escaped(&body.to_string()))
}

/// The answer to a request that is refused.
#[derive(Debug)]
pub(super) struct Refusal(Box<Answer>);

impl From<Answer> for Refusal {
    fn from(answer: Answer) -> Self {
        Self(Box::new(answer))
    }
}

impl Refusal {
    fn new(status: StatusCode, errors: &[String]) -> Self {
        Self::from(json_answer(status, &json!({ "errors": errors })))
    }

    pub(super) fn into_answer(self) -> Answer {
        *self.0
    }

    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::invalid(&[error.into()])
    }

    pub(super) fn invalid(errors: &[String]) -> Self {
        Self::new(StatusCode::BAD_REQUEST, errors)
    }

    pub(super) fn forbidden(error: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, &[error.to_owned()])
    }

    /// The text that has been seen for rooms and messages of others.
    pub(super) fn may_not_write() -> Self {
        Self::forbidden("You don't have permission to send/edit message.")
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, &[format!("The {what} is not found")])
    }

    pub(super) fn unknown_endpoint() -> Self {
        Self::new(StatusCode::NOT_FOUND, &["Invalid Endpoint or HTTP method".to_owned()])
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, &["Invalid API Token".to_owned()])
    }

    pub(super) fn too_many_requests(error: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, &[error.to_owned()])
    }

    pub(super) fn header(self, name: &'static str, value: String) -> Self {
        Self::from(self.into_answer().header(HeaderName::from_static(name), value))
    }
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
