//! Retries.
//!
//! The evidence of the last attempt and the operation's [`Safety`](crate::Safety) decide whether a call may be retried. The
//! policy decides how often and how fast.
//!
//! ```
//! use kaiwa::RetryPolicy;
//! use std::time::Duration;
//!
//! let patient = RetryPolicy::new().attempts(6).backoff(Duration::from_millis(200), Duration::from_secs(20));
//! let never = RetryPolicy::none();
//! # let _ = (patient, never);
//! ```

use super::timer::Bound;
use super::verdict::{Repeat, Verdict};
use crate::clock::Clock;
use crate::error::Tries;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often, how fast and for how long a call is retried.
///
/// Default: 4 attempts, full-jitter exponential backoff from 250 ms up to 8 s, waits that the service asks for up to 120 s,
/// and 60 s of trying to connect. The call's timeout, 150 s by default, bounds everything.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a policy does nothing until a client or a request is given it"]
pub struct RetryPolicy {
    attempts: u32,
    time: Option<Duration>,
    base: Duration,
    cap: Duration,
    max_wait: Duration,
    connect_for: Duration,
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
            connect_for: Duration::from_secs(60),
        }
    }

    /// No retries: one attempt to connect and to send. Only if the service refuses a token, that is renewed and the request
    /// sent once more.
    pub fn none() -> Self {
        Self::new().attempts(1).connect_for(Duration::ZERO)
    }

    /// The most times that a call is sent, including the first; 0 counts as 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// No attempt begins later than this after the start of the call. Default: only the call's timeout ends it.
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// `base` is the bound of the first wait; it doubles with each further one, up to `cap`. Each wait is random, between zero
    /// and its bound.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap;
        self
    }

    /// The longest wait that a service may ask for. If it asks for more, the call fails at once, and
    /// [`Error::retry_after`](crate::Error::retry_after) says when to try again.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How long a call tries to connect while the service, or a proxy before it, refuses or resets connections, cannot be
    /// reached or does not respond. A deploy takes about that long. With zero, the call fails after the first try.
    ///
    /// Such a try does not count as an attempt and takes nothing from the [`RetryBudget`]. The waits between the tries are
    /// those of [`backoff`](Self::backoff), but at least half of their bound. A lasting problem ends the call at once: an
    /// invalid certificate, a TLS version, a refusal by the proxy, an unsupported scheme. A host name that does not exist is
    /// looked up once more.
    pub fn connect_for(mut self, time: Duration) -> Self {
        self.connect_for = time;
        self
    }

    /// The rest of the policy after some attempts.
    #[cfg_attr(partial, allow(dead_code))]
    pub(crate) fn rest(&self, attempts: u32, elapsed: Duration) -> Self {
        let left = self.attempts.saturating_sub(attempts).max(1);
        Self { attempts: left, time: self.time.map(|time| time.saturating_sub(elapsed)), ..self.clone() }
    }

    /// The wait after this many attempts, or `None` if the service asks for too much.
    fn wait(&self, attempts: u32, asked: Option<Duration>) -> Option<Duration> {
        match asked {
            Some(asked) if asked > self.max_wait => None,
            // A small random part, since all refused clients would otherwise retry at the same moment.
            Some(asked) => Some(asked.saturating_add(Duration::from_millis(fastrand::u64(0..=100)))),
            None => Some(self.bound(attempts).mul_f64(fastrand::f64())),
        }
    }

    fn bound(&self, tries: u32) -> Duration {
        self.base.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(self.cap)
    }
}

/// The bounds of a call's retries.
#[derive(Clone, Copy)]
pub(crate) struct RetryScope<'a> {
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) budget: &'a RetryBudget,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) deadline: Option<Bound>,
}

/// The attempts of one call, or of a download since its last new byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    began: Instant,
    /// Requests that may have been sent.
    pub(crate) attempts: u32,
    /// Failed attempts to connect, and since when there has been no connection.
    pub(crate) connections: u32,
    unconnected: Option<Instant>,
    /// Lookups in a row that found no such name.
    lookups: u32,
    /// How long there was no connection, up to the last of these tries.
    pub(crate) connecting: Duration,
}

impl Retries {
    pub(crate) fn begin(now: Instant) -> Self {
        Self {
            began: now,
            attempts: 0,
            connections: 0,
            unconnected: None,
            lookups: 0,
            connecting: Duration::ZERO,
        }
    }

    /// Excludes a time in which nothing was tried.
    #[cfg_attr(partial, allow(dead_code))]
    pub(crate) fn postpone(&mut self, time: Duration) {
        self.began = self.began.checked_add(time).unwrap_or(self.began);
    }

    /// Counts a try that began at `start`.
    pub(crate) fn count(&mut self, verdict: Verdict, start: Instant, now: Instant) {
        self.lookups = if verdict.repeat == Repeat::ReconnectOnce { self.lookups + 1 } else { 0 };
        if verdict.is_unconnected {
            self.connections = self.connections.saturating_add(1);
            let since = *self.unconnected.get_or_insert(start);
            self.connecting = now.saturating_duration_since(since);
        } else {
            self.attempts = self.attempts.saturating_add(1);
            self.unconnected = None;
        }
    }

    /// The wait before the next attempt; `None` if there is none.
    ///
    /// The caller has checked that the operation may be retried, and has counted the last attempt.
    pub(crate) fn next(
        &self,
        scope: RetryScope<'_>,
        repeat: Repeat,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        let RetryScope { policy, budget, clock, deadline } = scope;
        let now = clock.now();
        let (wait, is_free) = match repeat {
            Repeat::Never => return None,
            Repeat::Reconnect => (self.reconnect(policy)?, true),
            Repeat::ReconnectOnce if self.lookups < 2 => (self.reconnect(policy)?, true),
            Repeat::ReconnectOnce => return None,
            _ if self.attempts >= policy.attempts => return None,
            Repeat::AtOnce if self.attempts <= 1 => (Duration::ZERO, true),
            Repeat::AtOnce => (policy.wait(self.attempts, None)?, true),
            Repeat::Always | Repeat::IfHarmless => (policy.wait(self.attempts, asked)?, asked.is_some()),
        };
        let elapsed = now.saturating_duration_since(self.began).saturating_add(wait);
        let in_time = policy.time.is_none_or(|limit| elapsed < limit)
            && deadline.is_none_or(|deadline| wait < deadline.left(clock));
        (in_time && (is_free || budget.take(clock))).then_some(wait)
    }

    fn reconnect(&self, policy: &RetryPolicy) -> Option<Duration> {
        let half = policy.bound(self.connections) / 2;
        let wait = half.saturating_add(half.mul_f64(fastrand::f64()));
        (self.connecting.saturating_add(wait) < policy.connect_for).then_some(wait)
    }
}

impl From<Retries> for Tries {
    fn from(retries: Retries) -> Self {
        let Retries { attempts, connections, connecting, .. } = retries;
        Self { attempts, connections, connecting }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// The retries that all clones of a client may make together, to protect a service that is down.
///
/// A retry takes one token; successes and time give tokens back. A retry after a wait that the service asked for costs nothing.
/// The default holds 20 tokens, and gets back half a token with each success and one every 5 seconds.
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
    /// A budget of `capacity` retries, full at first. Clones share it.
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
        // `max` takes the other operand for a value that is not a number.
        self.per_success = per_success.max(0.0);
        self.per_second = per_second.max(0.0);
        self
    }

    pub(crate) fn take(&self, clock: &dyn Clock) -> bool {
        let Some(shared) = &self.shared else { return true };
        let mut bucket = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.now();
        let passed = bucket.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        bucket.at = Some(now);
        // Infinitely fast for no time at all is no number, and fills nothing.
        let refilled = passed.as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + refilled.max(0.0)).min(self.capacity);
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
    use crate::clock::VirtualClock;
    use crate::operation::Safety;
    use crate::transport::verdict::{Evidence, judge};

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
    fn a_requested_wait_is_kept_up_to_the_ceiling() {
        let policy = RetryPolicy::new();
        let wait = policy.wait(1, Some(Duration::from_secs(120))).expect("within the ceiling");
        assert!(wait >= Duration::from_secs(120) && wait <= Duration::from_millis(120_100));
        assert_eq!(policy.wait(1, Some(Duration::from_secs(121))), None);
    }

    /// Retries on a clock that only the test moves.
    struct World {
        policy: RetryPolicy,
        budget: RetryBudget,
        clock: VirtualClock,
        retries: Retries,
    }

    impl World {
        fn new(policy: RetryPolicy, budget: RetryBudget) -> Self {
            let clock = VirtualClock::new();
            let retries = Retries::begin(clock.now());
            Self { policy, budget, clock, retries }
        }

        /// The wait after one more attempt with this result and duration.
        fn next(&mut self, evidence: Evidence, took: Duration, deadline: Option<Bound>) -> Option<Duration> {
            let start = self.clock.now();
            self.clock.advance(took);
            let verdict = judge(evidence, Safety::Safe);
            self.retries.count(verdict, start, self.clock.now());
            let Self { policy, budget, clock, .. } = self;
            let scope = RetryScope { policy, budget, clock, deadline };
            let wait = self.retries.next(scope, verdict.repeat, None);
            self.clock.advance(wait.unwrap_or_default());
            wait
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn attempts_and_time_end_the_retries() {
        let mut world = World::new(RetryPolicy::new().attempts(3), RetryBudget::off());
        assert!(world.next(Evidence::Unanswered, SECOND, None).is_some());
        assert!(world.next(Evidence::Unanswered, SECOND, None).is_some());
        assert_eq!(world.next(Evidence::Unanswered, SECOND, None), None);
        let mut world = World::new(RetryPolicy::new().time_limit(SECOND), RetryBudget::off());
        assert_eq!(world.next(Evidence::Unanswered, SECOND, None), None);
        let mut world = World::new(RetryPolicy::none(), RetryBudget::off());
        assert_eq!(world.next(Evidence::Unanswered, SECOND, None), None);
        let mut world = World::new(RetryPolicy::new(), RetryBudget::off());
        let deadline = Bound::after(world.clock.now(), Some(SECOND));
        assert_eq!(world.next(Evidence::Unanswered, SECOND, deadline), None);
    }

    #[test]
    fn connecting_has_its_own_time_and_is_not_an_attempt() {
        let mut world = World::new(RetryPolicy::new().attempts(1), RetryBudget::new(0));
        let mut waits = Vec::new();
        while let Some(wait) = world.next(Evidence::NoConnection, Duration::ZERO, None) {
            waits.push(wait);
        }
        assert!(waits.len() >= 9, "{waits:?}");
        let whole: Duration = waits.iter().sum();
        assert!(whole > Duration::from_secs(50) && whole < Duration::from_secs(60), "{whole:?}");
        assert_eq!((world.retries.attempts, world.retries.connections), (0, waits.len() as u32 + 1));
        assert_eq!(world.retries.connecting, whole);
        // The first request that is sent ends this phase, and its failure is an attempt.
        assert_eq!(world.next(Evidence::Unanswered, SECOND, None), None);
        assert_eq!(world.retries.attempts, 1);
        // A deadline bounds it, and so does a policy of one attempt.
        let mut world = World::new(RetryPolicy::new(), RetryBudget::off());
        let deadline = Bound::after(world.clock.now(), Some(Duration::from_millis(100)));
        assert_eq!(world.next(Evidence::NoConnection, Duration::ZERO, deadline), None);
        let mut world = World::new(RetryPolicy::none(), RetryBudget::off());
        assert_eq!(world.next(Evidence::NoConnection, Duration::ZERO, None), None);
        assert_eq!(world.next(Evidence::NoSuchHost, Duration::ZERO, None), None);
    }

    #[test]
    fn a_name_that_does_not_exist_is_looked_up_twice() {
        let mut world = World::new(RetryPolicy::new(), RetryBudget::new(0));
        assert!(world.next(Evidence::NoSuchHost, Duration::ZERO, None).is_some());
        assert_eq!(world.next(Evidence::NoSuchHost, Duration::ZERO, None), None);
        assert_eq!(world.next(Evidence::CannotConnect, Duration::ZERO, None), None);
    }

    #[test]
    fn a_refused_stream_is_sent_again_at_once_and_spends_no_budget() {
        let mut world = World::new(RetryPolicy::new(), RetryBudget::new(0));
        assert_eq!(world.next(Evidence::Refused, Duration::ZERO, None), Some(Duration::ZERO));
        assert!(world.next(Evidence::Refused, Duration::ZERO, None).is_some());
        assert!(world.next(Evidence::Refused, Duration::ZERO, None).is_some());
        assert_eq!(world.next(Evidence::Refused, Duration::ZERO, None), None);
        // A closed connection is not a refusal by the server, and spends budget.
        let mut world = World::new(RetryPolicy::new(), RetryBudget::new(0));
        assert_eq!(world.next(Evidence::NeverLeft, Duration::ZERO, None), None);
    }

    #[test]
    fn any_number_is_accepted() {
        let policy = RetryPolicy::new()
            .attempts(u32::MAX)
            .backoff(Duration::MAX, Duration::MAX)
            .max_wait(Duration::MAX)
            .connect_for(Duration::MAX)
            .time_limit(Duration::MAX);
        let budget = RetryBudget::new(u32::MAX).refill(f64::INFINITY, f64::INFINITY);
        let mut world = World::new(policy, budget.clone());
        for evidence in [Evidence::NoConnection, Evidence::Unanswered, Evidence::Refused] {
            let wait = world.next(evidence, Duration::ZERO, None);
            assert!(wait.is_none() || wait > Some(Duration::ZERO) || evidence == Evidence::Refused);
            world.clock = VirtualClock::new();
        }
        budget.succeeded();
        assert!(budget.take(&world.clock) && budget.take(&world.clock));
        let none = RetryBudget::new(1).refill(f64::NAN, f64::NAN);
        none.succeeded();
        assert!(none.take(&world.clock) && !none.take(&world.clock));
    }

    #[test]
    fn a_budget_is_used_up_and_refilled() {
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
