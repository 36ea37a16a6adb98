//! Which window an answer tells of, and how long windows are.

use crate::clock::later;
use crate::limits::RateLimit;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// What resets and dates are rounded to.
const SECOND: Duration = Duration::from_secs(1);

/// A window, by the service's clock, as the first answer told it that came of it.
#[derive(Clone, Debug)]
pub(super) struct Window {
    ends: Timestamp,
    /// When the answer was given.
    at: Timestamp,
    /// How long it was until the end.
    pub(super) after: Duration,
}

impl Window {
    pub(super) fn of(limit: &RateLimit) -> Option<Self> {
        let (ends, after) = (limit.reset?, limit.reset_after?);
        let at = ends.checked_sub(SignedDuration::try_from(after).ok()?).ok()?;
        Some(Self { ends, at, after })
    }

    /// Whether the other window has followed this one. An answer that is older than the other window, or that comes
    /// once its own window is over, is late. Any other contradicts what is known, and then the newest word counts.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.ends < other.ends && (self.at <= other.at || self.after <= SECOND)
    }
}

/// How long the account's window is.
///
/// It ends at the latest this long after the first answer of it came, whoever opened it. That can be a second earlier than
/// the answer says, since resets and dates are told in whole seconds. One call then goes ahead of the others, and if it
/// is refused the answers are believed from there on.
#[derive(Debug, Default)]
pub(super) struct Length {
    /// What the service says.
    pub(super) policy: Option<Duration>,
    /// What follows from the resets of windows.
    learned: Option<Duration>,
    /// When the window that was last ended early was to end.
    told: Option<Instant>,
    /// Whether a call was refused after a window had been ended early.
    refuted: bool,
}

impl Length {
    /// Whether both are the same window. It is known by its end on the service's clock, which is the same however late
    /// an answer is read, but for the second that it is rounded to.
    pub(super) fn same(&self, a: &Window, b: &Window) -> bool {
        let length = self.policy.or(self.learned).unwrap_or(a.after.max(b.after));
        let tolerance = (2 * SECOND).min(length / 4);
        a.ends.duration_since(b.ends).unsigned_abs() <= tolerance
    }

    /// Learns from two windows of which one followed the other.
    ///
    /// The time to its end that the first answer of a window tells is its length or a second more, unless the window had
    /// been open for a while; then the next one ends later than this time after it. Lengths are round numbers.
    pub(super) fn learn(&mut self, old: &Window, new: &Window) {
        const ROUND: u64 = 5;
        let Ok(apart) = Duration::try_from(new.ends.duration_since(old.ends)) else { return };
        let after = old.after.max(new.after);
        let length = Duration::from_secs(after.as_secs() / ROUND * ROUND);
        let told = !length.is_zero() && after <= length + SECOND;
        if told && apart >= length && apart <= length + 3 * SECOND {
            self.learned = self.learned.max(Some(length));
        }
    }

    /// When a window ends of which the first answer came just now, and said that it ends after so long.
    pub(super) fn end(&mut self, after: Duration, now: Instant) -> Duration {
        let fits = |length: &Duration| after <= length.saturating_add(SECOND);
        let length = self.policy.filter(fits).or(self.learned.filter(fits)).filter(|_| !self.refuted);
        let early = length.filter(|length| *length < after);
        self.told = early.map(|_| later(now, after));
        early.unwrap_or(after)
    }

    /// Whether the window that the last answers told of ends earlier than they say.
    pub(super) fn is_early(&self) -> bool {
        self.told.is_some()
    }

    /// A call was refused before the next window had been seen.
    pub(super) fn refused(&mut self, now: Instant) {
        self.refuted |= self.told.is_some_and(|told| now < later(told, SECOND));
    }
}
