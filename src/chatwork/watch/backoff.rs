//! Pauses after failed calls.

use super::subscriber::WatchPace;
use crate::clock::later;
use crate::transport::pace::CLOSED;
use crate::{Error, ErrorKind};
use reqwest::StatusCode;
use std::time::{Duration, Instant};

/// What a failure affects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FailureScope {
    /// All calls: the next one would probably fail as well. The pause is at least this long.
    Service(Duration),
    /// Only this room or the list, which is not tried for this long.
    Target(Duration),
}

impl FailureScope {
    pub(super) fn of(error: &Error, pace: &WatchPace) -> Self {
        let status = error.status();
        match error.kind() {
            ErrorKind::WaitTooLong { needed, .. } => Self::Service(*needed),
            _ if error.is_rate_limited() => Self::Service(error.retry_after().unwrap_or_default()),
            // All calls have the same credential, and would fail as well.
            ErrorKind::Token(_) => Self::Service(pace.max),
            _ if status == Some(StatusCode::UNAUTHORIZED) => Self::Service(pace.max),
            ErrorKind::Connect(_) | ErrorKind::Send(_) | ErrorKind::Timeout(_) | ErrorKind::Body(_) => {
                Self::Service(Duration::ZERO)
            }
            ErrorKind::Status(status)
                if status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT =>
            {
                Self::Service(error.retry_after().unwrap_or_default())
            }
            ErrorKind::Status(_) => Self::Target(pace.recheck.max(pace.max)),
            // A single unreadable response may be temporary.
            _ => Self::Target(pace.max),
        }
    }
}

/// How often something failed in a row, and until when it is not tried again.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    pub(super) until: Option<Instant>,
}

impl Backoff {
    /// From this number of failures on, a failure counts as lasting.
    const LASTING: u32 = 3;

    /// Pauses for the shortest interval, twice as long after each failure, up to the longest; but at least for `least`.
    pub(super) fn back_off(&mut self, least: Duration, pace: &WatchPace, now: Instant) {
        let backoff = pace.min.saturating_mul(1 << self.failures.min(16)).min(pace.max);
        // Clients that lost the service at one moment must not all return at one moment.
        let backoff = backoff.mul_f64(1.0 - fastrand::f64() / 4.0);
        self.failures = self.failures.saturating_add(1);
        // A longer request to wait may be wrong, or be over by then.
        self.until = Some(later(now, backoff.max(least.min(CLOSED))));
    }

    /// Pauses for this long after a failure that another attempt would not change.
    pub(super) fn refuse(&mut self, wait: Duration, now: Instant) {
        self.failures = self.failures.max(Self::LASTING);
        self.until = Some(later(now, wait));
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether the failure is lasting.
    pub(super) fn is_lasting(&self) -> bool {
        self.failures >= Self::LASTING
    }
}
