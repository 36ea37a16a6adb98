//! What a failed call means for the next ones.

use super::subscriber::WatchPace;
use crate::clock::later;
use crate::transport::pace::CLOSED;
use crate::{Error, ErrorKind};
use reqwest::StatusCode;
use std::time::{Duration, Instant};

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FailureScope {
    /// The next call would probably fail as well. The wait is no shorter than this.
    Service(Duration),
    /// Only this room, or this list, is not to be had, and is not tried for this long.
    Target(Duration),
}

impl FailureScope {
    pub(super) fn of(error: &Error, pace: &WatchPace) -> Self {
        let status = error.status();
        match error.kind() {
            ErrorKind::WaitTooLong { needed, .. } => Self::Service(*needed),
            _ if error.is_rate_limited() => Self::Service(error.retry_after().unwrap_or_default()),
            // The credential is the same everywhere, and hammering with a bad one helps nobody.
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
            // One spoilt answer is no reason to be blind for long.
            _ => Self::Target(pace.max),
        }
    }
}

/// How often something failed in a row, and until when it is therefore left alone.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    pub(super) until: Option<Instant>,
}

impl Backoff {
    /// So many failures are no passing trouble.
    const LASTING: u32 = 3;

    /// Waits for the shortest interval, and for twice as long with each failure up to the longest; but for no less
    /// than `least`.
    pub(super) fn back_off(&mut self, least: Duration, pace: &WatchPace, now: Instant) {
        let backoff = pace.min.saturating_mul(1 << self.failures.min(16)).min(pace.max);
        // Those who lost the service at one moment are not to come back at one moment.
        let backoff = backoff.mul_f64(1.0 - fastrand::f64() / 4.0);
        self.failures = self.failures.saturating_add(1);
        // What asks for longer may be wrong, or be over by then.
        self.until = Some(later(now, backoff.max(least.min(CLOSED))));
    }

    /// Waits for this long, for something that another attempt would not bring.
    pub(super) fn refuse(&mut self, wait: Duration, now: Instant) {
        (self.failures, self.until) = (self.failures.max(Self::LASTING), Some(later(now, wait)));
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether one has to do without it.
    pub(super) fn is_lasting(&self) -> bool {
        self.failures >= Self::LASTING
    }
}
