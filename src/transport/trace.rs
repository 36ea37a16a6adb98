//! A span for each call, with OpenTelemetry's names; an event for each attempt and each wait.
//!
//! Only the path template is named: no id, no header, no body.

use super::pace::Budget;
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use reqwest::StatusCode;
use std::future::Future;
use std::time::Duration;
use tracing::field::Empty;
use tracing::{Instrument, Span};

pub(super) fn call(operation: &Operation) -> Span {
    tracing::info_span!(
        "kaiwa.call",
        otel.name = %operation,
        otel.kind = "client",
        url.template = operation.path,
        http.request.method = operation.method.as_str(),
        http.response.status_code = Empty,
        http.request.resend_count = Empty,
        error.type = Empty,
    )
}

pub(super) fn instrument<F: Future>(call: F, span: Span) -> impl Future<Output = F::Output> {
    call.instrument(span)
}

pub(super) fn succeeded(span: &Span, number: u32, status: Option<StatusCode>) {
    record(span, number, status);
    tracing::debug!(number, status = status.map(|status| status.as_u16()), "attempt succeeded");
}

pub(super) fn attempt_failed(span: &Span, number: u32, status: Option<StatusCode>, kind: &ErrorKind) {
    record(span, number, status);
    tracing::debug!(number, error.type = %error_type(kind), "attempt failed");
}

fn record(span: &Span, number: u32, status: Option<StatusCode>) {
    if number > 1 {
        span.record("http.request.resend_count", number - 1);
    }
    if let Some(status) = status {
        span.record("http.response.status_code", status.as_u16());
    }
}

pub(crate) fn wait(number: u32, wait: Duration, kind: &ErrorKind) {
    tracing::debug!(number, ?wait, error.type = %error_type(kind), "waiting before the next attempt");
}

pub(super) fn pace(wait: Duration, budget: Budget) {
    let budget = match budget {
        Budget::Account => "account",
        Budget::Room { .. } => "room",
        Budget::Units { .. } => "units",
    };
    tracing::debug!(?wait, budget, "waiting for a permit");
}

pub(super) fn failed(span: &Span, error: &Error) {
    span.record("error.type", tracing::field::display(error_type(error.kind())));
}

/// The type of an error: a status, or one of a fixed list, for metrics.
fn error_type(kind: &ErrorKind) -> String {
    let name = match kind {
        ErrorKind::Status(status) => return status.as_u16().to_string(),
        ErrorKind::Config(_) => "config",
        ErrorKind::InvalidInput(_) => "invalid_input",
        ErrorKind::Connect(_) => "connect",
        ErrorKind::Send(_) => "send",
        ErrorKind::Timeout(_) => "timeout",
        ErrorKind::WaitTooLong { .. } => "wait_too_long",
        ErrorKind::UnitsExhausted { .. } => "units_exhausted",
        ErrorKind::Store(_) => "store",
        ErrorKind::Token(_) => "token",
        ErrorKind::Body(_) => "body",
        ErrorKind::BodyTooLarge { .. } => "body_too_large",
        ErrorKind::File { .. } => "file",
        ErrorKind::Download(_) => "download",
        ErrorKind::RepeatedCursor => "repeated_cursor",
        ErrorKind::GaveUp { .. } => "gave_up",
        ErrorKind::EmptyPages { .. } => "empty_pages",
        ErrorKind::PlaceLost => "place_lost",
        ErrorKind::Unsure(_) => "unsure",
        ErrorKind::Decode { .. } => "decode",
        ErrorKind::Foreign { .. } => "foreign",
    };
    name.to_owned()
}
