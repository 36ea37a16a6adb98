//! Failures and the envelope they are sent in.

use crate::sandbox::answer::Answer;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// Where the fields of an error stand. No readable part of the reference prints an error body, so a client has to
/// read both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorShape {
    /// `{"error": {"code", "message", "requestId", "details"}}`.
    #[default]
    Nested,
    /// `{"code", "message", "requestId", "details"}`.
    Flat,
}

/// Why a request was refused. `insufficient_scope` is the only code that the reference prints; the other codes are
/// the sandbox's own.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    details: Value,
    retry_after: Option<u64>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: json!({}), retry_after: None }
    }

    pub(super) fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// The burst window is full.
    pub(super) fn too_many_requests() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_exceeded",
            "There were too many requests in a short time.",
        )
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}."))
    }

    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// A field of the request that breaks its bounds.
    pub(super) fn invalid(field: &str, reason: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", format!("{field} {reason}."))
            .details(json!({ "fields": { field: reason } }))
    }

    pub(super) fn into_answer(self, shape: ErrorShape, request_id: &str) -> Answer {
        let fields = json!({
            "code": self.code, "message": self.message, "requestId": request_id, "details": self.details,
        });
        let body = match shape {
            ErrorShape::Nested => json!({ "error": fields }),
            ErrorShape::Flat => fields,
        };
        Answer::json(self.status, &body).retry_after(self.retry_after)
    }
}
