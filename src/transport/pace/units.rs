//! TAS-CHA's monthly units.

use super::store::{Denied, Settlement};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// The units as the last responses reported them. The remainder is the lowest reported one less the units in flight, as for
/// the account's window.
#[derive(Debug, Default)]
pub(super) struct MonthlyUnits {
    known: Option<Known>,
    in_flight: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    remaining: u64,
    reset: Option<Timestamp>,
    reported_at: Instant,
}

/// How long a reported remainder may refuse calls: units may have been bought since, and while nothing is sent, no response
/// can say so.
pub(crate) const BELIEVED: Duration = Duration::from_secs(10 * 60);

impl MonthlyUnits {
    pub(super) fn take(&mut self, cost: u64, now: Instant, wall: Timestamp) -> Result<(), Denied> {
        if let Some(known) = self.known {
            let passed = known.reset.is_some_and(|reset| reset <= wall);
            let old = now.saturating_duration_since(known.reported_at) >= BELIEVED;
            if passed || old {
                self.known = None;
            }
        }
        if let Some(Known { remaining, reset, .. }) = self.known {
            let remaining = remaining.saturating_sub(self.in_flight);
            if remaining < cost {
                return Err(Denied::Units { remaining, reset });
            }
        }
        self.begin(cost);
        Ok(())
    }

    /// So many more are in flight.
    pub(super) fn begin(&mut self, cost: u64) {
        self.in_flight = self.in_flight.saturating_add(cost);
    }

    pub(super) fn settle(&mut self, cost: u64, how: Settlement<'_>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(cost);
        let units = match how {
            Settlement::Sent(limit) => limit.and_then(|limit| limit.units.as_ref()),
            Settlement::Unsent | Settlement::Exhausted(_) => None,
        };
        let reported = units.and_then(|units| Some((units.remaining?, units.reset)));
        match (reported, &mut self.known) {
            (Some((remaining, reset)), Some(known)) if known.reset == reset => {
                known.remaining = known.remaining.min(remaining);
                known.reported_at = now;
            }
            (Some((remaining, reset)), known) => *known = Some(Known { remaining, reset, reported_at: now }),
            (None, Some(known)) if !matches!(how, Settlement::Unsent) => {
                known.remaining = known.remaining.saturating_sub(cost);
            }
            (None, _) => {}
        }
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }
}
