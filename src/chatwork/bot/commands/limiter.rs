//! How often something is allowed to each account.

use crate::chatwork::AccountId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of how many accounts the times are kept. Then the one that was seen longest ago is forgotten.
const ACCOUNTS: usize = 10_000;

/// A number of times in any window of a length, for each account.
#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) times: usize,
    pub(super) window: Duration,
    seen: Mutex<HashMap<AccountId, Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    times: VecDeque<Instant>,
    /// Whether a refusal was said since the last time that was allowed.
    told: bool,
}

/// Not allowed now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TooOften {
    pub(super) wait: Duration,
    /// Whether this is the first refusal that is said since the last time that was allowed.
    pub(super) first: bool,
}

impl Limiter {
    pub(super) fn new(times: usize, window: Duration) -> Self {
        Self { times, window, seen: Mutex::default() }
    }

    /// Counts one time, if it is allowed. `replies`: whether a refusal is said.
    pub(super) fn take(&self, account: AccountId, now: Instant, replies: bool) -> Result<(), TooOften> {
        // The state is valid between any two statements.
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ACCOUNTS && !all.contains_key(&account) {
            let oldest = all.iter().min_by_key(|(_, seen)| seen.times.back().copied());
            if let Some(oldest) = oldest.map(|(account, _)| *account) {
                all.remove(&oldest);
            }
        }
        let seen = all.entry(account).or_default();
        while seen.times.front().is_some_and(|time| now.saturating_duration_since(*time) >= self.window) {
            seen.times.pop_front();
        }
        if seen.times.len() < self.times {
            seen.times.push_back(now);
            seen.told = false;
            return Ok(());
        }
        let passed = seen.times.front().map_or(Duration::ZERO, |time| now.saturating_duration_since(*time));
        let first = replies && !std::mem::replace(&mut seen.told, true);
        Err(TooOften { wait: self.window.saturating_sub(passed), first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides_for_each_account() {
        let limiter = Limiter::new(2, Duration::from_secs(60));
        let start = Instant::now();
        let at =
            |account, seconds| limiter.take(AccountId(account), start + Duration::from_secs(seconds), true);
        let too_often = |wait, first| Err(TooOften { wait: Duration::from_secs(wait), first });
        assert_eq!([at(1, 0), at(1, 50)], [Ok(()), Ok(())]);
        assert_eq!([at(1, 55), at(1, 59), at(2, 59)], [too_often(5, true), too_often(1, false), Ok(())]);
        assert_eq!([at(1, 60), at(1, 61), at(1, 110)], [Ok(()), too_often(49, true), Ok(())]);
        // A refusal that is not said is not the first.
        let silently = limiter.take(AccountId(1), start + Duration::from_secs(111), false);
        assert_eq!([silently, at(1, 112)], [too_often(9, false), too_often(8, true)]);
        let never = Limiter::new(0, Duration::from_secs(9));
        assert_eq!(never.take(AccountId(1), start, true), too_often(9, true));
    }

    #[test]
    fn only_so_many_accounts_are_kept() {
        let limiter = Limiter::new(1, Duration::from_secs(1_000_000));
        let start = Instant::now();
        let take =
            |account: u64| limiter.take(AccountId(account), start + Duration::from_secs(account), true);
        assert!((0..10_001).all(|account| take(account).is_ok()));
        assert_eq!(limiter.seen.lock().expect("not poisoned").len(), 10_000);
        assert!(take(10_000).is_err(), "the newest are kept");
        assert!(take(0).is_ok(), "the oldest is forgotten");
    }
}
