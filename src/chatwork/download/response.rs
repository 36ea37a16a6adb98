//! What a file server responds, and what that means for a transfer.

use crate::error::{Connecting, Error, ErrorKind};
use crate::limits::RateLimit;
use crate::transport::settings::Settings;
use crate::transport::verdict::Evidence;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderName};

/// A failure of the transfer.
pub(super) enum TransferError {
    /// Another attempt would fail in the same way.
    Permanent(Error),
    Transient {
        kind: ErrorKind,
        evidence: Evidence,
        /// Whether the server refused the address, which expires after 30 seconds.
        expired: bool,
        connecting: Option<Box<Connecting>>,
    },
}

impl TransferError {
    pub(super) fn transient(kind: ErrorKind, evidence: Evidence) -> Self {
        Self::Transient { kind, evidence, expired: false, connecting: None }
    }
}

/// The file server's refusal, without its headers and body, which can hold the address.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, settings: &Settings) -> TransferError {
    let wait = RateLimit::from_headers(headers, settings.clock.wall()).and_then(|limit| limit.retry_after);
    let expired = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE
    );
    let evidence = match status {
        // The next request is for the whole file.
        StatusCode::RANGE_NOT_SATISFIABLE => Evidence::Truncated,
        _ => Evidence::Status(status, wait),
    };
    TransferError::Transient { kind: ErrorKind::Status(status), evidence, expired, connecting: None }
}

/// First and last byte, and the whole length if it is known (RFC 9110, 14.4).
pub(super) fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (range, whole) = range.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let whole = if whole == "*" { None } else { Some(whole.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, whole))
}

pub(super) fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
