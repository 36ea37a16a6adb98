//! What one process keeps by itself while the Redis server cannot be reached.
//!
//! It watches all permits in good times as well, so that it knows the window and this process' own posts when an outage begins.

use crate::limits::{MAX_WINDOW, RateLimit};
use crate::transport::pace::{Budget, BudgetStore, Denied, Lease, MemoryBudgetStore, Settlement};
use std::time::Duration;

#[derive(Clone)]
pub(super) struct Share(MemoryBudgetStore);

impl Share {
    pub(super) fn new(memory: MemoryBudgetStore) -> Self {
        Self(memory)
    }

    /// A permit of this process' part of a budget, if there are so many `processes`.
    pub(super) fn take(&self, budget: Budget, processes: u32) -> Result<Lease, Denied> {
        self.0.take_at_once(part_of(budget, processes)).expect("memory answers at once")
    }

    pub(super) fn settle(&self, lease: Lease, how: Settlement<'_>, processes: u32) {
        match (lease.budget(), how) {
            // What is reported sinks with the calls of all processes, and this part with those of this one alone.
            (Budget::Account, Settlement::Sent(Some(limit)))
                if processes > 1 && limit.remaining.is_some() =>
            {
                self.0.settle(lease, Settlement::Sent(None));
                self.note(Budget::Account, how, processes);
            }
            _ => with_part_of(how, processes, |how| self.0.settle(lease, how)),
        }
    }

    /// A permit of the server has come back.
    pub(super) fn note(&self, budget: Budget, how: Settlement<'_>, processes: u32) {
        with_part_of(how, processes, |how| self.0.note(part_of(budget, processes), how));
    }

    pub(super) fn estimate(&self, budget: Budget, ahead: u32) -> Duration {
        self.0.estimate(budget, ahead)
    }
}

/// A process' part. It is at least one post, and then of a longer window.
fn part_of(budget: Budget, processes: u32) -> Budget {
    let Budget::Room { id, posts, window } = budget else { return budget };
    let part = posts / processes;
    let window = if part == 0 { window.saturating_mul(processes) / posts.max(1) } else { window };
    Budget::Room { id, posts: part.max(1), window: window.min(MAX_WINDOW) }
}

/// The reported remainder is everybody's. The units are not divided: they are many, and the service refuses what exceeds them.
fn with_part_of(how: Settlement<'_>, processes: u32, then: impl FnOnce(Settlement<'_>)) {
    match how {
        Settlement::Sent(Some(limit)) if processes > 1 => {
            let part = |count: u64| count / u64::from(processes);
            let limit = RateLimit {
                // A limit of zero would never open again.
                limit: limit.limit.map(|limit| part(limit).max(1)),
                remaining: limit.remaining.map(part),
                ..limit.clone()
            };
            then(Settlement::Sent(Some(&limit)));
        }
        how => then(how),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualClock;
    use std::sync::Arc;

    const WINDOW: Duration = Duration::from_secs(10);

    fn granted(share: &Share, budget: Budget, processes: u32) -> u32 {
        std::iter::from_fn(|| share.take(budget, processes).ok()).take(1_000).count() as u32
    }

    #[test]
    fn the_parts_of_all_processes_are_no_more_than_the_whole() {
        for (processes, posts) in
            [(1, 10), (3, 10), (4, 10), (10, 10), (16, 10), (u32::MAX, 1), (7, u32::MAX)]
        {
            let Budget::Room { posts: part, window, .. } = part_of(Budget::room(1, posts, WINDOW), processes)
            else {
                panic!("a room stays a room");
            };
            let (whole, parts) = (f64::from(posts) / 10.0, f64::from(part) * f64::from(processes));
            assert!(
                part >= 1 && parts / window.as_secs_f64() <= whole * 1.001 || window == MAX_WINDOW,
                "{processes}"
            );
        }
    }

    #[test]
    fn the_window_that_was_reported_in_good_times_is_divided() {
        let clock = VirtualClock::new();
        let share = Share::new(MemoryBudgetStore::with_clock(Arc::new(clock.clone())));
        let limit = RateLimit {
            limit: Some(60),
            remaining: Some(41),
            reset: Some(crate::clock::Clock::wall(&clock) + WINDOW),
            reset_after: Some(WINDOW),
            ..RateLimit::default()
        };
        share.note(Budget::Account, Settlement::Sent(Some(&limit)), 4);
        assert_eq!(granted(&share, Budget::Account, 4), 10);
    }

    /// The others may be slow, so that the reported remainder stays high.
    #[test]
    fn a_process_that_is_faster_than_the_others_takes_no_more_than_its_part() {
        let clock = VirtualClock::new();
        let share = Share::new(MemoryBudgetStore::with_clock(Arc::new(clock.clone())));
        let reported = |remaining| RateLimit {
            limit: Some(60),
            remaining: Some(remaining),
            reset: Some(crate::clock::Clock::wall(&clock) + WINDOW),
            reset_after: Some(WINDOW),
            ..RateLimit::default()
        };
        share.note(Budget::Account, Settlement::Sent(Some(&reported(60))), 4);
        let mut calls = 0;
        while let Ok(lease) = share.take(Budget::Account, 4) {
            calls += 1;
            share.settle(lease, Settlement::Sent(Some(&reported(60 - calls))), 4);
        }
        assert!((10..=15).contains(&calls), "{calls}");
    }

    #[test]
    fn this_process_own_posts_count_from_before_the_outage() {
        let clock = VirtualClock::new();
        let share = Share::new(MemoryBudgetStore::with_clock(Arc::new(clock.clone())));
        let budget = Budget::room(1, 10, WINDOW);
        share.note(budget, Settlement::Sent(None), 4);
        assert_eq!(granted(&share, budget, 4), 1, "two is its part, and one was used");
    }
}
