//! The time up to which the lists are known to be complete, proven by the times of rooms and messages.
//!
//! `Date` and the local clock may differ from the clock of those times, so neither is compared with them. A list is later than
//! every time in it, and from one list to the next at least the smaller of the two other clocks' differences passes. Without a
//! `Date` only the times of the rooms count.

use super::window::{LAG, RoomList};
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// The latest time of the rooms' clock that has certainly passed.
#[derive(Debug, Default)]
pub(super) struct Proven(Option<Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    time: Timestamp,
    /// When that list was received, by the two other clocks.
    at: Instant,
    date: Option<Timestamp>,
}

impl Known {
    /// The time that has certainly passed until a list received now with this date.
    fn until(&self, date: Option<Timestamp>, now: Instant) -> Duration {
        let (Some(then), Some(date)) = (self.date, date) else { return Duration::ZERO };
        let counted = date.duration_since(then).max(SignedDuration::ZERO).unsigned_abs();
        counted.min(now.saturating_duration_since(self.at))
    }
}

impl Proven {
    /// The time before which the list is complete. The service may have read its data some seconds before it sent the list.
    pub(super) fn on_list(&mut self, list: &RoomList, now: Instant) -> Option<Timestamp> {
        let date = list.date;
        let passed = self.0.and_then(|known| known.time.checked_add(known.until(date, now)).ok());
        if let Some(time) = passed.max(list.newest()) {
            self.0 = Some(match self.0 {
                // The differences continue from the last list with a date.
                Some(known) if date.is_none() && time == known.time => known,
                _ => Known { time, at: now, date },
            });
        }
        self.0?.time.checked_sub(LAG).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::RoomVersion;
    use super::*;
    use crate::chatwork::RoomId;

    const START: i64 = 1_767_193_200;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(START + second).expect("a time")
    }

    /// The proven time after lists, each with its newest time, a `Date` and the local time.
    fn proven<const N: usize>(lists: [(Option<i64>, Option<i64>, u64); N]) -> Option<i64> {
        let (mut proven, start) = (Proven::default(), Instant::now());
        let mut last = None;
        for (newest, date, local) in lists {
            let version = newest.map(|newest| (RoomId(1), RoomVersion(1, second(newest))));
            let (rooms, date) = (version.into_iter().collect(), date.map(second));
            let list = RoomList { rooms, date, ..RoomList::default() };
            last = proven.on_list(&list, start + Duration::from_secs(local));
        }
        last.map(|time| time.as_second() - START + 5)
    }

    #[test]
    fn a_time_is_past_only_if_all_clocks_agree() {
        for skew in [-3600, -10, 0, 10, 3600] {
            let list = |newest, local: u64| (Some(newest), Some(local as i64 + skew), local);
            assert_eq!(proven([list(-100, 0)]), Some(-100));
            assert_eq!(proven([list(-100, 0), list(-100, 60), list(-100, 90)]), Some(-10));
            assert_eq!(proven([list(-100, 0), list(55, 60), list(55, 90)]), Some(85));
        }
        // A date that jumps ahead, one that jumps back, and one that does not move.
        assert_eq!(proven([(Some(-1), Some(0), 0), (Some(-1), Some(3600), 10)]), Some(9));
        assert_eq!(proven([(Some(-1), Some(0), 0), (Some(-1), Some(-3600), 10)]), Some(-1));
        assert_eq!(proven([(Some(-1), Some(0), 0), (Some(-1), Some(0), 10)]), Some(-1));
        // Without a date only the rooms count, and a date does not count for earlier lists.
        assert_eq!(proven([(Some(-1), None, 0), (Some(-1), None, 60), (Some(7), None, 90)]), Some(7));
        assert_eq!(proven([(Some(-1), Some(0), 0), (Some(5), None, 6), (Some(5), Some(60), 60)]), Some(5));
        assert_eq!(proven([(Some(-1), Some(0), 0), (Some(-1), None, 6), (Some(-1), Some(60), 60)]), Some(59));
        assert_eq!(proven([(None, Some(0), 0)]), None);
        // An invalid time proves nothing.
        assert_eq!(proven([(Some(4_000_000_000), Some(0), 0), (Some(3), Some(9), 9)]), Some(3));
    }
}
