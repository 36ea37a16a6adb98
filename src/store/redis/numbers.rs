//! Numbers, as a script in Redis takes them.

use std::time::Duration;

/// The numbers that Lua counts exactly, and writes with all their digits.
pub(super) const LARGE: u64 = 99_999_999_999_999;

/// A time in milliseconds, rounded up so that no wait ends early.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).min(LARGE)
}
