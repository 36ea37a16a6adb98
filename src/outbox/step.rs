//! What becomes of an entry, and when it goes on.

use super::entry::Phase;
use super::status::Progress;
use crate::error::Error;
use reqwest::StatusCode;
use std::time::Duration;

/// The wait after a failure, doubled with each further one.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(1);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The longest wait that somebody else asks for: limits can be raised meanwhile.
const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// The wait between two looks.
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// How many times in a row an answer may be broken, or not the service's, over half an hour or more.
pub(super) const MOST_FAILURES: u32 = 20;

/// Statuses that say nothing against the request itself. A credential that has ended is replaced some day.
pub(super) const AGAIN: [StatusCode; 4] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_EARLY,
    StatusCode::TOO_MANY_REQUESTS,
];

/// What becomes of a claimed entry.
pub(super) struct Step {
    pub(super) phase: Phase,
    pub(super) progress: Progress,
    pub(super) wait: Option<Duration>,
}

impl Step {
    pub(super) fn closed(phase: Phase, progress: Progress) -> Self {
        Self { phase, progress, wait: None }
    }

    pub(super) fn later(phase: Phase, progress: Progress, wait: Duration) -> Self {
        Self { phase, progress, wait: Some(wait) }
    }

    pub(super) fn sent(mut progress: Progress) -> Self {
        (progress.reason, progress.failures) = (None, 0);
        Self::closed(Phase::Sent, progress)
    }

    pub(super) fn uncertain(mut progress: Progress, reason: impl ToString) -> Self {
        progress.reason = Some(reason.to_string());
        Self::closed(Phase::Uncertain, progress)
    }

    pub(super) fn rejected(mut progress: Progress, reason: impl ToString) -> Self {
        progress.reason = Some(reason.to_string());
        Self::closed(Phase::Rejected, progress)
    }
}

/// The wait that the service or the budget asks for, which is no failure, or one that grows.
pub(super) fn wait_after(progress: &mut Progress, error: &Error) -> Duration {
    if let Some(wait) = error.retry_after() {
        return wait.clamp(FIRST_WAIT, LONGEST_ASKED);
    }
    progress.failures += 1;
    backoff(progress.failures)
}

/// The wait after so many failures in a row, with a random part, so that processes do not try in step.
pub(crate) fn backoff(failures: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}
