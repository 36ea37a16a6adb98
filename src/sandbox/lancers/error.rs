//! The one kind of failure.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Answered with 400, whatever it is.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The one text that the post prints.
    pub(super) fn bad_request() -> Self {
        Self::new("不正なアクセスです")
    }

    pub(super) fn invalid(field: &str) -> Self {
        Self::new(format!("{field}の値が正しくありません"))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "type": "bad_request", "message": self.0 });
        (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
    }
}
