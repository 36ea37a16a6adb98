//! How a stream that is polled on after failures asks again: later each time, and not for ever.

use crate::clock::Clock;
use crate::error::Error;
use crate::transport::pace::CLOSED;
use std::time::{Duration, Instant};

/// The failures in a row of a stream.
///
/// ```text
///            failure 1..8: yielded               after the 8th
///   fetching ───────────────────────▶ waiting ─────────────────▶ given up: one last error, and the end
///      ▲  ▲                             │
///      │  └─────────────────────────────┘ polled again: waits until `until`, then asks for the same page
///      └── a page came: the count starts again
/// ```
#[derive(Debug, Default)]
pub(super) struct Failures {
    in_a_row: u32,
    until: Option<Instant>,
}

impl Failures {
    /// After so many in a row the stream ends.
    pub(super) const MOST: u32 = 8;

    const FIRST_WAIT: Duration = Duration::from_millis(250);
    const LONGEST_WAIT: Duration = Duration::from_secs(30);

    /// Counts a failure. `true` if it is one too many to go on.
    pub(super) fn record(&mut self, error: &Error, now: Instant) -> bool {
        let doubled = Self::FIRST_WAIT.saturating_mul(1 << self.in_a_row.min(16));
        // Streams that lost the service at one moment are not to come back at one moment.
        let backoff = doubled.min(Self::LONGEST_WAIT).mul_f64(1.0 - fastrand::f64() / 2.0);
        let wait = backoff.max(error.retry_after().unwrap_or_default().min(CLOSED));
        self.in_a_row += 1;
        self.until = now.checked_add(wait);
        self.in_a_row >= Self::MOST
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Waits until the page may be asked for again. The time that the caller took for itself counts.
    pub(super) async fn wait(&self, clock: &dyn Clock) {
        let left = self.until.map(|until| until.saturating_duration_since(clock.now()));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            clock.sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualClock;

    #[test]
    fn each_wait_is_up_to_twice_as_long_and_the_eighth_failure_is_the_last() {
        let now = VirtualClock::new().now();
        let mut failures = Failures::default();
        for bound in [250_u64, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000] {
            let last = failures.record(&Error::config("broken"), now);
            let wait = failures.until.expect("there is one") - now;
            let bound = Duration::from_millis(bound);
            assert!(wait <= bound && wait >= bound / 2, "{wait:?}, {bound:?}");
            assert_eq!(last, failures.in_a_row == Failures::MOST);
        }
        failures.clear();
        assert!(!failures.record(&Error::config("broken"), now), "a success in between resets");
    }

    #[tokio::test]
    async fn the_callers_time_counts() {
        let clock = VirtualClock::new();
        let mut failures = Failures::default();
        failures.record(&Error::config("broken"), clock.now());
        let mut waiting = Box::pin(failures.wait(&clock));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(waiting);
        clock.advance(Failures::FIRST_WAIT);
        failures.wait(&clock).await;
        assert_eq!(clock.elapsed(), Failures::FIRST_WAIT);
    }
}
