//! When a call is sent again.
//!
//! What may be repeated is decided by what is known of the last attempt and by the operation's
//! [`Safety`](crate::Safety); how often and how fast is this policy.
//!
//! ```
//! use kaiwa::RetryPolicy;
//! use std::time::Duration;
//!
//! let patient = RetryPolicy::new().attempts(6).backoff(Duration::from_millis(200), Duration::from_secs(20));
//! let never = RetryPolicy::none();
//! # let _ = (patient, never);
//! ```

use super::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often, how fast and how long a call is sent again.
///
/// The default: 4 attempts, full-jitter exponential backoff from 250 ms up to 8 s, and waits that the service asks for
/// up to 120 s.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a policy does nothing until a client or a request is given it"]
pub struct RetryPolicy {
    attempts: u32,
    time: Option<Duration>,
    base: Duration,
    cap: Duration,
    max_wait: Duration,
}

impl RetryPolicy {
    /// The default policy.
    pub fn new() -> Self {
        Self {
            attempts: 4,
            time: None,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(8),
            max_wait: Duration::from_secs(120),
        }
    }

    /// One attempt, whatever happens. Only a token that the service refused is renewed all the same, and the request sent
    /// once with the new one.
    pub fn none() -> Self {
        Self::new().attempts(1)
    }

    /// How many times a call is sent at the most, the first included; 0 counts as 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// No attempt begins later than this after the call began. Without it only the call's timeout ends it.
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// The bound of the first wait, which doubles with each further one, up to `cap`. Each wait is drawn evenly from
    /// zero to its bound.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        (self.base, self.cap) = (base, cap);
        self
    }

    /// The longest wait that a service may ask for. Above it the call fails at once, and
    /// [`Error::retry_after`](crate::Error::retry_after) says when to come back.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// What is left of it for a call that goes on after some attempts.
    #[cfg(feature = "chatwork")]
    pub(crate) fn rest(&self, attempts: u32, elapsed: Duration) -> Self {
        let left = self.attempts.saturating_sub(attempts).max(1);
        Self { attempts: left, time: self.time.map(|time| time.saturating_sub(elapsed)), ..self.clone() }
    }

    pub(crate) fn allows(&self, attempts: u32, elapsed: Duration) -> bool {
        attempts < self.attempts && self.time.is_none_or(|limit| elapsed < limit)
    }

    /// How long to wait after this many attempts, or `None` if the service asks for too much.
    pub(crate) fn wait(&self, attempts: u32, asked: Option<Duration>) -> Option<Duration> {
        match asked {
            Some(asked) if asked > self.max_wait => None,
            // Everybody whom the service sent away comes back at the same moment, but for a little spread.
            Some(asked) => Some(asked.saturating_add(Duration::from_millis(fastrand::u64(0..=100)))),
            None => {
                let bound = self.base.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(self.cap);
                Some(bound.mul_f64(fastrand::f64()))
            }
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// What all clones of a client may spend on retries together, so that a dead service is not hammered.
///
/// A retry takes one token; a success gives a part of one back, and time gives back the rest. Waits that the service
/// itself asked for cost nothing. The default holds 20 tokens, gets half of one back with each success and one every
/// 5 seconds.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    shared: Option<Arc<Mutex<Bucket>>>,
    capacity: f64,
    per_success: f64,
    per_second: f64,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Option<Instant>,
}

impl RetryBudget {
    /// A budget of `capacity` retries, full at first. Clones spend from the same one.
    pub fn new(capacity: u32) -> Self {
        let capacity = f64::from(capacity);
        let shared = Some(Arc::new(Mutex::new(Bucket { tokens: capacity, at: None })));
        Self { shared, capacity, per_success: 0.5, per_second: 0.2 }
    }

    /// No budget: only the policy bounds the retries.
    pub fn off() -> Self {
        Self { shared: None, ..Self::new(0) }
    }

    /// How much of a token a success gives back, and how many a second does.
    pub fn refill(mut self, per_success: f64, per_second: f64) -> Self {
        (self.per_success, self.per_second) = (per_success.max(0.0), per_second.max(0.0));
        self
    }

    pub(crate) fn take(&self, clock: &dyn Clock) -> bool {
        let Some(shared) = &self.shared else { return true };
        let mut bucket = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.now();
        let passed = bucket.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        bucket.at = Some(now);
        bucket.tokens = (bucket.tokens + passed.as_secs_f64() * self.per_second).min(self.capacity);
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        enough
    }

    pub(crate) fn succeeded(&self) {
        let Some(shared) = &self.shared else { return };
        let mut bucket = shared.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.tokens = (bucket.tokens + self.per_success).min(self.capacity);
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::clock::VirtualClock;

    #[test]
    fn backoff_is_jittered_within_a_doubling_bound() {
        let policy = RetryPolicy::new().backoff(Duration::from_secs(1), Duration::from_secs(4));
        for (attempts, bound) in [(1, 1), (2, 2), (3, 4), (4, 4), (60, 4)] {
            let waits: Vec<_> = (0..200).filter_map(|_| policy.wait(attempts, None)).collect();
            assert_eq!(waits.len(), 200);
            assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(bound)), "after {attempts}");
            assert!(waits.iter().any(|wait| *wait > Duration::from_secs(bound) / 2), "after {attempts}");
        }
    }

    #[test]
    fn a_wait_asked_for_is_kept_up_to_the_ceiling() {
        let policy = RetryPolicy::new();
        let wait = policy.wait(1, Some(Duration::from_secs(120))).expect("within the ceiling");
        assert!(wait >= Duration::from_secs(120) && wait <= Duration::from_millis(120_100));
        assert_eq!(policy.wait(1, Some(Duration::from_secs(121))), None);
    }

    #[test]
    fn attempts_and_time_end_the_retries() {
        let policy = RetryPolicy::new().attempts(3).time_limit(Duration::from_secs(10));
        assert!(policy.allows(2, Duration::from_secs(9)));
        assert!(!policy.allows(3, Duration::ZERO));
        assert!(!policy.allows(1, Duration::from_secs(10)));
        assert!(!RetryPolicy::none().allows(1, Duration::ZERO));
    }

    #[test]
    fn a_budget_runs_dry_and_fills_again() {
        let clock = VirtualClock::new();
        let budget = RetryBudget::new(2).refill(0.5, 0.1);
        let clone = budget.clone();
        assert!(budget.take(&clock) && clone.take(&clock));
        assert!(!budget.take(&clock));
        budget.succeeded();
        assert!(!budget.take(&clock));
        budget.succeeded();
        assert!(budget.take(&clock));
        clock.advance(Duration::from_secs(10));
        assert!(budget.take(&clock));
        assert!(RetryBudget::off().take(&clock));
    }
}
