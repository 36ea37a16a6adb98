//! The one kind of failure.

use crate::sandbox::answer::Answer;
use axum::http::StatusCode;
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

    /// There is no credential, or it is no longer valid.
    pub(super) fn not_signed_in() -> Self {
        Self::new("ログインしてください")
    }

    pub(super) fn invalid(field: &str) -> Self {
        Self::new(format!("{field}の値が正しくありません"))
    }

    pub(super) fn into_answer(self) -> Answer {
        let body = json!({ "type": "bad_request", "message": self.0 });
        Answer::json(StatusCode::BAD_REQUEST, &body)
    }
}
