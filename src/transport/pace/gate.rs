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

/// How long the first calls of a client wait for the very first answer, which tells the account's limits.
pub(super) const FIRST_ANSWER: Duration = Duration::from_secs(1);

/// How long a budget is closed at the most, whatever the service says. After it one call finds out, and the others wait
/// for its answer: what asked for a longer wait may be wrong, or be over.
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
    /// The next call finds out.
    Due,
    /// A call is under way to find out.
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

    /// How long until a call may pass, if it may not now.
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

    /// A call passes. Whether it is the one that finds out.
    pub(super) fn pass(&mut self, now: Instant) -> bool {
        let due = self.is_due();
        if due {
            *self = Self::Asking { since: now };
        }
        due
    }

    /// The next call is to find out.
    pub(super) fn set_due(&mut self) {
        *self = Self::Due;
    }

    /// The same for an open one.
    pub(super) fn try_out(&mut self) {
        if matches!(self, Self::Open) {
            *self = Self::Due;
        }
    }

    pub(super) fn is_due(&self) -> bool {
        matches!(self, Self::Due)
    }

    /// An answer has come.
    pub(super) fn answered(&mut self) {
        if matches!(self, Self::Due | Self::Asking { .. }) {
            *self = Self::Open;
        }
    }

    /// A call has ended without one. It may have been the one that was to find out.
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
