//! The one kind of failure.

use super::State;
use crate::sandbox::fault::{OwnRefusal, Refuses};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
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

    /// There is no credential, or it is good no longer.
    pub(super) fn not_signed_in() -> Self {
        Self::new("ログインしてください")
    }

    pub(super) fn invalid(field: &str) -> Self {
        Self::new(format!("{field}の値が正しくありません"))
    }
}

impl Refuses for State {
    fn refuse(&self, _: &Parts, refusal: OwnRefusal) -> Response {
        let seconds = match refusal {
            OwnRefusal::ExpiredToken => return Failure::not_signed_in().into_response(),
            OwnRefusal::TooManyRequests(seconds) => seconds,
        };
        let body = json!({
            "type": "too_many_requests",
            "message": "しばらくしてからやり直してください",
        });
        let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
        if let Some(seconds) = seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "type": "bad_request", "message": self.0 });
        (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
    }
}
