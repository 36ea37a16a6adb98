//! What a failed call means for the next ones.

use super::reader::Pace;
use crate::{Error, ErrorKind};
use reqwest::StatusCode;
use std::time::Duration;

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Trouble {
    /// The next call would fail as well: nothing is called for this long.
    Everywhere(Duration),
    /// Only this room, or this list, is not to be had, and is not tried for this long.
    Here(Duration),
}

impl Trouble {
    /// `failures` is how many calls have failed in a row.
    pub(super) fn of(error: &Error, failures: u32, pace: &Pace) -> Self {
        let backoff = pace.min.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(pace.max);
        // Those who lost the service at one moment are not to come back at one moment.
        let backoff = backoff.mul_f64(1.0 - fastrand::f64() / 4.0);
        let status = error.status();
        match error.kind() {
            ErrorKind::WaitTooLong { needed, .. } => Self::Everywhere(backoff.max(*needed)),
            _ if error.is_rate_limited() => {
                Self::Everywhere(backoff.max(error.retry_after().unwrap_or_default()))
            }
            // The credential is the same everywhere, and hammering with a bad one helps nobody.
            ErrorKind::Token(_) => Self::Everywhere(pace.max),
            _ if status == Some(StatusCode::UNAUTHORIZED) => Self::Everywhere(pace.max),
            ErrorKind::Connect(_) | ErrorKind::Send(_) | ErrorKind::Timeout(_) | ErrorKind::Body(_) => {
                Self::Everywhere(backoff)
            }
            ErrorKind::Status(status)
                if status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT =>
            {
                Self::Everywhere(backoff.max(error.retry_after().unwrap_or_default()))
            }
            ErrorKind::Status(_) => Self::Here(pace.recheck.max(pace.max)),
            // One spoilt answer is no reason to be blind for long.
            _ => Self::Here(pace.max),
        }
    }
}
