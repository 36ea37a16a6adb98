//! The number of calls that watching may make.

use crate::RateLimit;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Chatwork's documented limit, which applies until a response reports another one.
const LIMIT: u64 = 300;
/// Its window, whose length no response reports.
const WINDOW: Duration = Duration::from_secs(300);
/// The longest window that calls are spread over: a longer one in a response is probably an error.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The calls that a new process can make at once: the list, and some rooms.
const START: f64 = 5.0;
/// The most calls beyond the budget: a call and its repetition with another token.
const MOST_OVERDRAWN: i32 = 2;

/// A share of the account's calls.
///
/// With a limit of `limit` calls in a window, watching makes at most `share × limit` calls in any period as long as the
/// window: at most a tenth of them at once, from saved calls, and the others spread evenly. If other calls use up most of the
/// window, watching uses at most `share × remaining` of it.
///
/// A new process does not know what the previous one has spent. It begins with a few calls, or with the rest in a checkpoint.
#[derive(Debug)]
pub(super) struct WatchBudget {
    /// Calls that can be made at once.
    saved: f64,
    at: Option<Instant>,
    /// The limits that the service reported last, and when.
    reported: Option<(RateLimit, Instant)>,
}

/// The saved calls of a process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct SavedUp {
    /// In thousandths of a call; negative if the last calls exceeded the budget.
    thousandths: i32,
    /// By the local clock, which only measures the time between two processes.
    #[serde(with = "crate::wire::unix_time")]
    at: Timestamp,
}

/// The calls that may be made now.
struct Allowance {
    /// The most calls that can be saved.
    burst: f64,
    /// Calls per second.
    rate: f64,
    /// The remaining calls of this window, and how long it lasts.
    left: Option<(f64, Duration)>,
}

impl Default for WatchBudget {
    fn default() -> Self {
        Self { saved: START, at: None, reported: None }
    }
}

impl WatchBudget {
    /// Continues the budget of an earlier process, which may have died at any later time: until a whole window has passed, the
    /// calls that it could have earned since count as spent.
    pub(super) fn resume(&mut self, SavedUp { thousandths, at }: SavedUp, wall: Timestamp) {
        if wall.duration_since(at) < SignedDuration::try_from(WINDOW).unwrap_or(SignedDuration::MAX) {
            self.saved = self.saved.min(f64::from(thousandths.max(-MOST_OVERDRAWN * 1000)) / 1000.0);
        }
    }

    /// The saved calls; `None` before the first call.
    pub(super) fn saved_up(&self, now: Instant, wall: Timestamp) -> Option<SavedUp> {
        let since = now.saturating_duration_since(self.at?);
        // The cast saturates.
        Some(SavedUp {
            thousandths: (self.saved * 1000.0) as i32,
            at: wall.checked_sub(since).unwrap_or(wall),
        })
    }

    pub(super) fn learn(&mut self, reported: Option<&RateLimit>, now: Instant) {
        if let Some(reported) =
            reported.filter(|reported| self.reported.as_ref().is_none_or(|(known, _)| known != *reported))
        {
            self.reported = Some((reported.clone(), now));
        }
    }

    /// How long until a call may be made. With `reserve`, the call waits until half of the most saved calls are there.
    pub(super) fn wait(&mut self, share: f64, reserve: bool, now: Instant) -> Duration {
        let Allowance { burst, rate, left } = self.allowance(share, now);
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.at = Some(now);
        self.saved = (self.saved + passed.as_secs_f64() * rate).min(burst);
        let needed = if reserve { (burst / 2.0).max(1.0) } else { 1.0 };
        // The tolerance is for rounding errors.
        let missing = needed - self.saved - 1e-6;
        let earned = Duration::try_from_secs_f64((missing / rate).max(0.0)).unwrap_or(WINDOW);
        match left {
            Some((left, ends)) if left < needed => ends,
            // The next window has another rate.
            Some((_, ends)) => earned.min(ends),
            None => earned,
        }
    }

    pub(super) fn spend(&mut self, calls: u32) {
        self.saved -= f64::from(calls);
    }

    fn allowance(&self, share: f64, now: Instant) -> Allowance {
        let reported = self.reported.as_ref();
        let limit = reported.and_then(|(reported, _)| reported.limit).unwrap_or(LIMIT);
        let window = reported
            .and_then(|(reported, _)| reported.window)
            .map_or(WINDOW, |window| window.clamp(WINDOW, LONGEST));
        let calls = share * limit as f64;
        let burst = (calls / 10.0).max(1.0);
        // Saved and earned calls together must not exceed the share.
        let rate = (calls - burst).max(calls / 2.0) / window.as_secs_f64();
        let left = reported.and_then(|(reported, at)| {
            // A later reset comes from a wrong clock: after a window, a response reports a new one.
            let reset = reported.reset_after?.min(window);
            let ends = reset.checked_sub(now.saturating_duration_since(*at))?;
            (!ends.is_zero()).then_some((share * reported.remaining? as f64, ends))
        });
        match left {
            Some((calls, ends)) => {
                let rate = rate.min((calls / ends.as_secs_f64()).max(f64::MIN_POSITIVE));
                Allowance { burst: burst.min(calls.max(1.0)), rate, left }
            }
            None => Allowance { burst, rate, left },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(limit: u64, remaining: u64, reset_after: u64) -> RateLimit {
        let mut reported = RateLimit::default();
        (reported.limit, reported.remaining) = (Some(limit), Some(remaining));
        reported.reset_after = Some(Duration::from_secs(reset_after));
        reported
    }

    /// The times, in seconds, of calls made as fast as the budget allows.
    fn calls(budget: &mut WatchBudget, share: f64, seconds: u64) -> Vec<f64> {
        let start = Instant::now();
        let (mut now, mut times) = (start, Vec::new());
        while now < start + Duration::from_secs(seconds) {
            let wait = budget.wait(share, false, now);
            if wait.is_zero() {
                budget.spend(1);
                times.push((now - start).as_secs_f64());
            }
            now += wait;
        }
        times
    }

    #[test]
    fn no_window_has_more_calls_than_the_share() {
        for (limit, share) in [(300, 0.5), (300, 0.1), (100, 1.0), (20, 0.3), (300, 0.01)] {
            let mut budget = WatchBudget::default();
            budget.learn(Some(&reported(limit, limit, 0)), Instant::now());
            let times = calls(&mut budget, share, 1500);
            let most = times
                .iter()
                .map(|from| times.iter().filter(|at| (*from..from + 300.0).contains(*at)).count());
            let most = most.max().unwrap_or_default() as f64;
            let allowed = share * limit as f64;
            assert!(most <= allowed.max(2.0), "{most} of {allowed}");
            assert!(
                times.len() as f64 >= allowed * 4.0 * 0.9,
                "{} of {allowed} in five windows",
                times.len()
            );
        }
    }

    #[test]
    fn most_of_the_calls_left_by_others_remain_for_them() {
        let (mut budget, start) = (WatchBudget::default(), Instant::now());
        let (mut now, mut remaining) = (start, 20);
        while now < start + Duration::from_secs(50) {
            let gone = (now - start).as_secs();
            budget.learn(Some(&reported(300, remaining, 100 - gone)), now);
            let wait = budget.wait(0.5, false, now);
            if wait.is_zero() {
                budget.spend(1);
                remaining -= 1;
            }
            now += wait;
        }
        assert!((8..=14).contains(&remaining), "{remaining} of 20 are left after half of the window");
        let mut budget = WatchBudget::default();
        let now = Instant::now();
        budget.learn(Some(&reported(300, 1, 100)), now);
        assert_eq!(budget.wait(0.5, false, now), Duration::from_secs(100));
        assert_eq!(budget.wait(0.5, false, now + Duration::from_secs(100)), Duration::ZERO);
    }

    #[test]
    fn a_window_of_a_month_is_checked_again_after_minutes() {
        let (mut budget, start) = (WatchBudget::default(), Instant::now());
        for (limit, remaining) in [(300, 0), (300, 300), (0, 0), (u64::MAX, u64::MAX)] {
            budget.learn(Some(&reported(limit, remaining, 30 * 24 * 60 * 60)), start);
            let wait = budget.wait(0.5, true, start);
            assert!(wait <= Duration::from_secs(300), "{wait:?}");
            assert_eq!(budget.wait(0.5, false, start + Duration::from_secs(300)), Duration::ZERO);
        }
    }

    #[test]
    fn calls_that_can_wait_do_not_use_the_last_calls() {
        let (mut budget, now) = (WatchBudget { saved: 100.0, ..WatchBudget::default() }, Instant::now());
        assert_eq!(budget.wait(0.5, true, now), Duration::ZERO);
        budget.spend(10);
        assert_eq!(budget.wait(0.5, false, now), Duration::ZERO);
        let wait = budget.wait(0.5, true, now).as_secs_f64();
        assert!((wait - 2.5 / 0.45).abs() < 0.1, "{wait}");
    }

    #[test]
    fn a_distant_reset_pauses_calls_for_at_most_a_window() {
        const MONTH: u64 = 30 * 24 * 3600;
        let (mut budget, now) = (WatchBudget::default(), Instant::now());
        budget.learn(Some(&reported(300, 0, MONTH)), now);
        assert_eq!(budget.wait(0.5, false, now), WINDOW);
        assert_eq!(budget.wait(0.5, false, now + WINDOW), Duration::ZERO);
        // It does not make the calls less frequent either.
        let mut budget = WatchBudget::default();
        budget.learn(Some(&reported(300, 300, 3600)), Instant::now());
        assert!(calls(&mut budget, 0.5, 1500).len() > 600);
    }

    #[test]
    fn a_process_continues_with_the_saved_budget_of_the_previous_one() {
        let (start, wall) = (Instant::now(), Timestamp::constant(1_767_193_200, 0));
        let mut budget = WatchBudget::default();
        assert!(budget.saved_up(start, wall).is_none());
        calls(&mut budget, 0.5, 60);
        let saved_up = budget.saved_up(Instant::now(), wall).expect("there were calls");
        let waits = |after: i64| {
            let mut next = WatchBudget::default();
            next.resume(saved_up, wall.checked_add(SignedDuration::from_secs(after)).expect("a time"));
            next.wait(0.5, false, start)
        };
        // The same if the clock was set back.
        for after in [-86_400, 0, 20, 299] {
            assert!(waits(after) > Duration::from_secs(1), "{after} s: {:?}", waits(after));
        }
        assert_eq!(waits(301), Duration::ZERO);
    }

    #[test]
    fn no_checkpoint_stops_all_calls_or_allows_unbounded_calls() {
        for thousandths in [i32::MIN, i32::MAX] {
            for at in [Timestamp::MIN, Timestamp::MAX] {
                let (mut budget, now) = (WatchBudget::default(), Instant::now());
                budget.resume(SavedUp { thousandths, at }, Timestamp::constant(1_767_193_200, 0));
                assert!(budget.wait(0.5, false, now) < Duration::from_secs(10));
                assert!(budget.saved <= START);
            }
        }
    }
}
