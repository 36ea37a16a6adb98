//! The window that a response reports, and the length of windows.

use crate::clock::later;
use crate::limits::RateLimit;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// The precision of resets and dates.
const SECOND: Duration = Duration::from_secs(1);

/// A window, by the service's clock, as its first response reported it.
#[derive(Clone, Debug)]
pub(super) struct AccountWindow {
    ends: Timestamp,
    /// When the response was sent.
    at: Timestamp,
    /// The time from then to the end.
    pub(super) after: Duration,
}

impl AccountWindow {
    pub(super) fn of(limit: &RateLimit) -> Option<Self> {
        let (ends, after) = (limit.reset?, limit.reset_after?);
        let at = ends.checked_sub(SignedDuration::try_from(after).ok()?).ok()?;
        Some(Self { ends, at, after })
    }

    /// Whether the other window has followed this one. A response is late if it is older than the other window, or comes
    /// after the end of its own window. Any other response contradicts the known window, and then the newest one counts.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.ends < other.ends && (self.at <= other.at || self.after <= SECOND)
    }
}

/// The length of the account's window.
///
/// A window ends at the latest this long after its first response, whichever program opened it. That can be a second earlier
/// than the response says, since resets and dates are in whole seconds. One call is then sent ahead of the others, and if it is
/// refused, the reported times are used from then on.
#[derive(Debug, Default)]
pub(super) struct Length {
    /// The reported length.
    pub(super) policy: Option<Duration>,
    /// The length that follows from the resets of windows.
    learned: Option<Duration>,
    /// The reported end of the window that was last ended early.
    reported_end: Option<Instant>,
    /// Whether a call was refused after a window had been ended early.
    refuted: bool,
}

impl Length {
    /// Whether both are the same window. A window is identified by its end on the service's clock, which does not depend on
    /// when a response is read, except for rounding to a second.
    pub(super) fn same(&self, a: &AccountWindow, b: &AccountWindow) -> bool {
        let length = self.policy.or(self.learned).unwrap_or(a.after.max(b.after));
        let tolerance = (2 * SECOND).min(length / 4);
        a.ends.duration_since(b.ends).unsigned_abs() <= tolerance
    }

    /// Learns from two consecutive windows.
    ///
    /// The first response of a window reports a time to its end of the length or a second more, unless the window was already
    /// open; then the next window ends later than that time after it. Lengths are round numbers.
    pub(super) fn learn(&mut self, old: &AccountWindow, new: &AccountWindow) {
        const ROUND: u64 = 5;
        let Ok(apart) = Duration::try_from(new.ends.duration_since(old.ends)) else { return };
        let after = old.after.max(new.after);
        let length = Duration::from_secs(after.as_secs() / ROUND * ROUND);
        let reported = !length.is_zero() && after <= length + SECOND;
        if reported && apart >= length && apart <= length + 3 * SECOND {
            self.learned = self.learned.max(Some(length));
        }
    }

    /// The time to the end of a window whose first response came now and reported `after`.
    pub(super) fn end(&mut self, after: Duration, now: Instant) -> Duration {
        let fits = |length: &Duration| after <= length.saturating_add(SECOND);
        let length = self.policy.filter(fits).or(self.learned.filter(fits)).filter(|_| !self.refuted);
        let early = length.filter(|length| *length < after);
        self.reported_end = early.map(|_| later(now, after));
        early.unwrap_or(after)
    }

    /// Whether the current window ends earlier than reported.
    pub(super) fn is_early(&self) -> bool {
        self.reported_end.is_some()
    }

    /// A call was refused before the next window was reported.
    pub(super) fn refused(&mut self, now: Instant) {
        self.refuted |= self.reported_end.is_some_and(|reported| now < later(reported, SECOND));
    }
}
