//! How often something is allowed to each account.

use crate::chatwork::{AccountId, MessageId, RoomId};
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

/// A message, which counts once: the handler of a durable bot runs again after a failure.
pub(super) type Counted = (RoomId, MessageId);

#[derive(Debug, Default)]
struct Seen {
    times: VecDeque<(Instant, Counted)>,
    /// The message to which a refusal was said since the last time that was allowed.
    told: Option<Counted>,
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

    /// Counts a message once, if it is allowed. `replies`: whether a refusal is said.
    pub(super) fn take(
        &self,
        account: AccountId,
        message: &Counted,
        now: Instant,
        replies: bool,
    ) -> Result<(), TooOften> {
        // The state is valid between any two statements.
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ACCOUNTS && !all.contains_key(&account) {
            let oldest = all.iter().min_by_key(|(_, seen)| seen.times.back().map(|(time, _)| *time));
            if let Some(oldest) = oldest.map(|(account, _)| *account) {
                all.remove(&oldest);
            }
        }
        let seen = all.entry(account).or_default();
        while seen.times.front().is_some_and(|(time, _)| now.saturating_duration_since(*time) >= self.window)
        {
            seen.times.pop_front();
        }
        if seen.times.iter().any(|(_, counted)| counted == message) {
            return Ok(());
        }
        if seen.times.len() < self.times {
            seen.times.push_back((now, message.clone()));
            seen.told = None;
            return Ok(());
        }
        let passed =
            seen.times.front().map_or(Duration::ZERO, |(time, _)| now.saturating_duration_since(*time));
        let first = replies && seen.told.get_or_insert_with(|| message.clone()) == message;
        Err(TooOften { wait: self.window.saturating_sub(passed), first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64) -> Counted {
        (RoomId(1), MessageId::from(number.to_string()))
    }

    #[test]
    fn a_window_slides_for_each_account() {
        let limiter = Limiter::new(2, Duration::from_secs(60));
        let start = Instant::now();
        let at = |account, seconds| {
            limiter.take(AccountId(account), &message(seconds), start + Duration::from_secs(seconds), true)
        };
        let too_often = |wait, first| Err(TooOften { wait: Duration::from_secs(wait), first });
        assert_eq!([at(1, 0), at(1, 50)], [Ok(()), Ok(())]);
        assert_eq!([at(1, 55), at(1, 59), at(2, 59)], [too_often(5, true), too_often(1, false), Ok(())]);
        assert_eq!([at(1, 60), at(1, 61), at(1, 110)], [Ok(()), too_often(49, true), Ok(())]);
        // A refusal that is not said is not the first.
        let silently = limiter.take(AccountId(1), &message(111), start + Duration::from_secs(111), false);
        assert_eq!([silently, at(1, 112)], [too_often(9, false), too_often(8, true)]);
        let never = Limiter::new(0, Duration::from_secs(9));
        assert_eq!(never.take(AccountId(1), &message(1), start, true), too_often(9, true));
    }

    #[test]
    fn a_message_counts_once_and_is_refused_aloud_each_time_it_is_handled() {
        let limiter = Limiter::new(1, Duration::from_secs(60));
        let start = Instant::now();
        let take = |number| limiter.take(AccountId(1), &message(number), start, true);
        assert_eq!([take(1), take(1)], [Ok(()), Ok(())]);
        let refused = |first| Err(TooOften { wait: Duration::from_secs(60), first });
        assert_eq!([take(2), take(2), take(3)], [refused(true), refused(true), refused(false)]);
        let elsewhere = (RoomId(2), MessageId::from("1".to_owned()));
        assert_eq!(limiter.take(AccountId(1), &elsewhere, start, true), refused(false));
    }

    #[test]
    fn only_so_many_accounts_are_kept() {
        let limiter = Limiter::new(1, Duration::from_secs(1_000_000));
        let start = Instant::now();
        let take = |account: u64| {
            limiter.take(AccountId(account), &message(account), start + Duration::from_secs(account), true)
        };
        assert!((0..10_001).all(|account| take(account).is_ok()));
        assert_eq!(limiter.seen.lock().expect("not poisoned").len(), 10_000);
        let again = limiter.take(AccountId(10_000), &message(1), start + Duration::from_secs(10_000), true);
        assert!(again.is_err(), "the newest are kept");
        assert!(take(0).is_ok(), "the oldest is forgotten");
    }
}
