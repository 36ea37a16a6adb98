//! A budget that is closed, and how it opens again.
//!
//! ```text
//!         the service refuses a call               the time is over, and was not cut short
//!  open ----------------------------> closed ---------------------------------------------> open
//!    ^                                   | the time is over, and was cut short
//!    |                                   v
//!    |      an answer                   due <--------------------+
//!    +---------------- asking <-----------                       | no answer, or none in 5 minutes
//!                        |             one call passes           |
//!                        +---------------------------------------+
//! ```

use crate::clock::later;
use std::time::{Duration, Instant};

/// How long the first calls of a client wait for the first response, which reports the account's limits.
pub(super) const FIRST_ANSWER: Duration = Duration::from_secs(1);

/// The longest time for which a budget is closed. Then one call is sent as a test, and the others wait for its response: a
/// request to wait longer may be wrong, or be over.
pub(crate) const CLOSED: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Default)]
pub(super) enum Gate {
    #[default]
    Open,
    Closed {
        until: Instant,
        /// Whether the service asked for more.
        cut: bool,
    },
    /// The next call is the test.
    Due,
    /// The test is in flight.
    Asking { since: Instant },
}

impl Gate {
    pub(super) fn close(&mut self, wait: Duration, now: Instant) {
        let (end, longer) = (later(now, wait.min(CLOSED)), wait > CLOSED);
        match self {
            Self::Closed { until, cut } if *until >= end => *cut |= longer,
            _ => *self = Self::Closed { until: end, cut: longer },
        }
    }

    /// `Err` with the wait if no call may pass now.
    pub(super) fn check(&mut self, now: Instant) -> Result<(), Duration> {
        match *self {
            Self::Closed { until, .. } if until > now => return Err(until - now),
            Self::Closed { cut, .. } => *self = if cut { Self::Due } else { Self::Open },
            Self::Asking { since } => {
                let over = later(since, CLOSED);
                if over > now {
                    return Err(FIRST_ANSWER.min(over - now));
                }
                *self = Self::Due;
            }
            Self::Open | Self::Due => {}
        }
        Ok(())
    }

    /// A call passes. Returns whether it is the test.
    pub(super) fn pass(&mut self, now: Instant) -> bool {
        let due = self.is_due();
        if due {
            *self = Self::Asking { since: now };
        }
        due
    }

    /// Makes the next call the test.
    pub(super) fn set_due(&mut self) {
        *self = Self::Due;
    }

    /// Makes the next call the test, if the gate is open.
    pub(super) fn try_out(&mut self) {
        if matches!(self, Self::Open) {
            *self = Self::Due;
        }
    }

    pub(super) fn is_due(&self) -> bool {
        matches!(self, Self::Due)
    }

    /// A response has come.
    pub(super) fn answered(&mut self) {
        if matches!(self, Self::Due | Self::Asking { .. }) {
            *self = Self::Open;
        }
    }

    /// A call has ended without a response. It may have been the test.
    pub(super) fn unanswered(&mut self) {
        if matches!(self, Self::Asking { .. }) {
            *self = Self::Due;
        }
    }

    /// Until when it is closed.
    pub(super) fn until(&self) -> Option<Instant> {
        match self {
            Self::Closed { until, .. } => Some(*until),
            _ => None,
        }
    }
}
