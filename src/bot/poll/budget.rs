//! How often the units of a month allow a round.

use crate::Units;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The shortest interval, and the one of a service that does not report the units of this month.
pub(super) const SHORTEST: Duration = Duration::from_secs(5);
pub(super) const WITHOUT_UNITS: Duration = Duration::from_secs(5 * 60);

/// The longest time until the next units, if the service does not say.
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24);

/// What a poll may use until there are new units. It is stored, so that another start is no new share.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq)]
pub(super) struct Budget {
    /// The units that were left when the poll began, or the month did.
    total: u64,
    /// The units that the poll has used since.
    pub(super) used: u64,
    until: Timestamp,
}

impl Budget {
    /// The budget that holds now: a new one when there are new units.
    pub(super) fn renew(before: Option<Self>, units: Option<&Units>, now: Timestamp) -> Option<Self> {
        let Some((remaining, reset)) = units.and_then(|units| Some((units.remaining?, units.reset))) else {
            return before.filter(|before| now < before.until);
        };
        let month = now.checked_add(MONTH).unwrap_or(Timestamp::MAX);
        let new = Self { total: remaining, used: 0, until: reset.map_or(month, |reset| reset.min(month)) };
        match before {
            Some(before) if now < before.until && remaining <= before.total => Some(before),
            // What is known are the units of a month that is over.
            Some(before) if new.until <= now => Some(before),
            _ => Some(new),
        }
    }

    /// How many units are left of the share.
    pub(super) fn left(&self, share: f64, units: Option<&Units>) -> f64 {
        let own = self.total as f64 * share - self.used as f64;
        let all = units.and_then(|units| units.remaining).map_or(f64::INFINITY, |remaining| remaining as f64);
        own.min(all).max(0.0)
    }

    /// The time until there are new units.
    pub(super) fn time_left(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.until.duration_since(now)).unwrap_or_default()
    }
}

/// How long to wait between rounds that cost `calls`, so that the share lasts until there are new units.
pub(super) fn least_interval(
    budget: Option<&Budget>,
    share: f64,
    units: Option<&Units>,
    calls: u64,
    now: Timestamp,
) -> Duration {
    let Some(budget) = budget.filter(|budget| now < budget.until) else { return WITHOUT_UNITS };
    let (left, time) = (budget.left(share, units), budget.time_left(now));
    let rounds = left / calls.max(1) as f64;
    // With less than one round left, the next one is due with the new units.
    Duration::from_secs_f64(time.as_secs_f64() / rounds.max(1.0)).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn units(remaining: u64, reset: &str) -> Units {
        Units { remaining: Some(remaining), reset: Some(time(reset)), ..Units::default() }
    }

    #[test]
    fn the_interval_makes_the_share_last() {
        let now = time("2026-11-01T00:00:00Z");
        let least = |share, remaining, calls| {
            let units = units(remaining, "2026-12-01T00:00:00Z");
            least_interval(Budget::renew(None, Some(&units), now).as_ref(), share, Some(&units), calls, now)
        };
        // 30 days of 86,400 s, and 20,000 units: every 129.6 s.
        assert_eq!(least(1.0, 20_000, 1), Duration::from_millis(129_600));
        assert_eq!(least(0.5, 20_000, 1), Duration::from_millis(259_200));
        assert_eq!(least(1.0, 20_000, 2), Duration::from_millis(259_200));
        assert_eq!(least(1.0, 10_000_000, 1), SHORTEST);
        assert_eq!(least(1.0, 0, 1), Duration::from_secs(30 * 86_400));
        assert_eq!(least_interval(None, 0.5, None, 1, now), WITHOUT_UNITS);
    }

    /// Polls for a month that others do not use, starting the program again and again.
    #[test]
    fn half_of_a_month_is_left_at_its_end() {
        for (share, calls, limit, restart) in [
            (0.5, 1, 20_000, 50),
            (0.5, 3, 20_000, 7),
            (0.2, 1, 20_000, 1),
            (0.5, 1, 300, 10),
            (1.0, 2, 999, 9),
        ] {
            let reset = "2026-12-01T00:00:00+09:00";
            let (mut now, mut remaining, mut budget) = (time("2026-11-01T00:00:00+09:00"), limit, None);
            let mut stored = budget;
            for round in 1.. {
                if round % restart == 0 {
                    budget = stored;
                }
                let reported = units(remaining, reset);
                budget = Budget::renew(budget, Some(&reported), now);
                remaining = remaining.checked_sub(calls).expect("there are enough");
                if let Some(budget) = &mut budget {
                    budget.used += calls;
                }
                stored = budget;
                let reported = units(remaining, reset);
                now += least_interval(budget.as_ref(), share, Some(&reported), calls, now);
                if now >= time(reset) {
                    break;
                }
            }
            let used = (limit - remaining) as f64 / limit as f64;
            assert!((used - share).abs() < 0.01, "{share} {calls} {limit}: {used}");
        }
    }

    #[test]
    fn a_new_month_and_more_units_are_a_new_budget() {
        let (now, later) = (time("2026-11-10T00:00:00Z"), time("2026-12-01T00:05:00Z"));
        let november = units(10_000, "2026-12-01T00:00:00Z");
        let mut budget = Budget::renew(None, Some(&november), now).expect("it is known");
        budget.used = 4_000;
        assert_eq!(
            Budget::renew(Some(budget), Some(&units(6_000, "2026-12-01T00:00:00Z")), now),
            Some(budget)
        );
        // Until an answer tells of the new month, it is not known.
        assert_eq!(Budget::renew(Some(budget), Some(&november), later), Some(budget));
        assert_eq!(least_interval(Some(&budget), 0.5, Some(&november), 1, later), WITHOUT_UNITS);
        let december = Budget::renew(Some(budget), Some(&units(20_000, "2027-01-01T00:00:00Z")), later);
        assert_eq!(december.map(|new| (new.total, new.used)), Some((20_000, 0)));
        let more = Budget::renew(Some(budget), Some(&units(50_000, "2026-12-01T00:00:00Z")), now);
        assert_eq!(more.map(|new| (new.total, new.used)), Some((50_000, 0)));
        // Others use them too.
        assert_eq!(budget.left(0.5, Some(&november)), 1_000.0);
        assert_eq!(budget.left(0.5, Some(&units(10, "2026-12-01T00:00:00Z"))), 10.0);
    }
}
