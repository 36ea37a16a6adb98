//! Whether a service goes round in a circle.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

/// The cursors met so far, in bounded memory: the last ones all, and of the others one that is replaced ever more
/// seldom, so that a circle of any length is noticed at the latest on its third time round (Brent's algorithm).
#[derive(Debug, Default)]
pub(super) struct Cursors {
    hasher: RandomState,
    last: VecDeque<u64>,
    anchor: Option<u64>,
    since: u64,
    lap: u64,
}

impl Cursors {
    const REMEMBERED: usize = 4096;

    /// Whether a cursor was met before; from now on it was.
    pub(super) fn met(&mut self, cursor: &str) -> bool {
        let hash = self.hasher.hash_one(cursor);
        if self.anchor == Some(hash) || self.last.contains(&hash) {
            return true;
        }
        if self.last.len() == Self::REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(hash);
        if self.since == self.lap {
            (self.anchor, self.since, self.lap) = (Some(hash), 0, (self.lap * 2).max(1));
        }
        self.since += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_of_cursors_of_any_length_is_noticed() {
        for (run_up, length) in [(0, 1), (3, 1), (5, 4), (100, 4096), (10, 5000), (7000, 20_000)] {
            let mut cursors = Cursors::default();
            let name = |step: u64| if step < run_up { step } else { run_up + (step - run_up) % length };
            let noticed = (0..).find(|step| cursors.met(&name(*step).to_string())).expect("it is noticed");
            let repeats = run_up + length;
            assert!(noticed >= repeats, "{run_up} {length}: too early, at {noticed}");
            assert!(noticed <= 3 * repeats, "{run_up} {length}: too late, at {noticed}");
            if length <= 4096 {
                assert_eq!(noticed, repeats, "a circle of the last 4096 is noticed at once");
            }
        }
    }

    #[test]
    fn different_cursors_are_not_a_cycle_and_take_no_more_memory() {
        let mut cursors = Cursors::default();
        assert!((0..50_000).all(|number: u32| !cursors.met(&number.to_string())));
        assert_eq!(cursors.last.len(), Cursors::REMEMBERED);
    }
}
