//! How many calls watching may make.

use crate::RateLimit;
use crate::transport::pace::CLOSED;
use std::time::{Duration, Instant};

/// Chatwork's limit as it is documented, for as long as no answer has told another one.
const LIMIT: u64 = 300;
/// Its window, whose length no answer tells.
const WINDOW: Duration = Duration::from_secs(300);
/// The longest window that calls are spread over: a longer one that an answer tells is probably none.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A share of the account's calls.
///
/// With `share` of a limit of `limit` calls in a window, watching makes at most `share × limit` calls in any period as
/// long as the window: a tenth of that at once if it saved them up, and the others spread evenly. When other calls
/// leave less, it goes no faster than would take `share × remaining` by the end of the window.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Calls that were made and not yet earned again.
    spent: f64,
    at: Option<Instant>,
    /// What the service said last, and when we knew of it.
    told: Option<(RateLimit, Instant)>,
}

/// What may be spent now.
struct Allowance {
    burst: f64,
    /// Calls in a second.
    rate: f64,
    /// What the other calls leave of this window, and how long it lasts.
    left: Option<(f64, Duration)>,
}

impl Budget {
    pub(super) fn learn(&mut self, told: Option<&RateLimit>, now: Instant) {
        if let Some(told) = told.filter(|told| self.told.as_ref().is_none_or(|(known, _)| known != *told)) {
            self.told = Some((told.clone(), now));
        }
    }

    /// How long until a call may be made; with `reserve`, a call that can wait until there are calls to spare.
    pub(super) fn wait(&mut self, share: f64, reserve: bool, now: Instant) -> Duration {
        let Allowance { burst, rate, left } = self.allowance(share, now);
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.at = Some(now);
        self.spent = (self.spent - passed.as_secs_f64() * rate).max(0.0);
        let needed = if reserve { (burst / 2.0).max(1.0) } else { 1.0 };
        // A little less will do: it is arithmetic on fractions.
        let missing = needed - (burst - self.spent) - 1e-6;
        let earned = Duration::try_from_secs_f64((missing / rate).max(0.0)).unwrap_or(WINDOW);
        match left {
            Some((left, ends)) if left < needed => ends,
            // The rate is another one in the next window.
            Some((_, ends)) => earned.min(ends),
            None => earned,
        }
    }

    pub(super) fn spend(&mut self, calls: u32) {
        self.spent += f64::from(calls);
    }

    fn allowance(&self, share: f64, now: Instant) -> Allowance {
        let told = self.told.as_ref();
        let limit = told.and_then(|(told, _)| told.limit).unwrap_or(LIMIT);
        let reset = told.and_then(|(told, _)| told.reset_after);
        let window = told.and_then(|(told, _)| told.window).max(reset);
        let window = window.map_or(WINDOW, |window| window.clamp(WINDOW, LONGEST));
        let calls = share * limit as f64;
        let burst = (calls / 10.0).max(1.0);
        // What is saved up is made on top of what is earned; both together are not to be more than the share.
        let rate = (calls - burst).max(calls / 2.0) / window.as_secs_f64();
        let left = told.and_then(|(told, at)| {
            // What is said of a window that ends later is asked for again by then.
            let ends = told.reset_after?.min(CLOSED).checked_sub(now.saturating_duration_since(*at))?;
            (!ends.is_zero()).then_some((share * told.remaining? as f64, ends))
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

    fn told(limit: u64, remaining: u64, reset_after: u64) -> RateLimit {
        let mut told = RateLimit::default();
        (told.limit, told.remaining) = (Some(limit), Some(remaining));
        told.reset_after = Some(Duration::from_secs(reset_after));
        told
    }

    /// The times, in seconds, of calls made as fast as the budget allows.
    fn calls(budget: &mut Budget, share: f64, seconds: u64) -> Vec<f64> {
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
            let mut budget = Budget::default();
            budget.learn(Some(&told(limit, limit, 0)), Instant::now());
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
    fn most_of_what_the_others_leave_is_left_to_them() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let (mut now, mut remaining) = (start, 20);
        while now < start + Duration::from_secs(50) {
            let gone = (now - start).as_secs();
            budget.learn(Some(&told(300, remaining, 100 - gone)), now);
            let wait = budget.wait(0.5, false, now);
            if wait.is_zero() {
                budget.spend(1);
                remaining -= 1;
            }
            now += wait;
        }
        assert!((8..=14).contains(&remaining), "{remaining} of 20 are left after half of the window");
        let mut budget = Budget::default();
        let now = Instant::now();
        budget.learn(Some(&told(300, 1, 100)), now);
        assert_eq!(budget.wait(0.5, false, now), Duration::from_secs(100));
        assert_eq!(budget.wait(0.5, false, now + Duration::from_secs(100)), Duration::ZERO);
    }

    #[test]
    fn a_window_that_ends_in_a_month_is_asked_for_again_after_minutes() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        for (limit, remaining) in [(300, 0), (300, 300), (0, 0), (u64::MAX, u64::MAX)] {
            budget.learn(Some(&told(limit, remaining, 30 * 24 * 60 * 60)), start);
            let wait = budget.wait(0.5, true, start);
            assert!(wait <= Duration::from_secs(300), "{wait:?}");
            assert_eq!(budget.wait(0.5, false, start + Duration::from_secs(300)), Duration::ZERO);
        }
    }

    #[test]
    fn what_can_wait_does_not_take_the_last_calls() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        assert_eq!(budget.wait(0.5, true, now), Duration::ZERO);
        budget.spend(10);
        assert_eq!(budget.wait(0.5, false, now), Duration::ZERO);
        let wait = budget.wait(0.5, true, now).as_secs_f64();
        assert!((wait - 2.5 / 0.45).abs() < 0.1, "{wait}");
    }
}
