//! Replay caches, which distinguish new events from repeated ones, for the webhooks of all services and for bots.
//!
//! ```
//! use kaiwa::webhook::{MemoryReplayCache, ReplayCache};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let cache = MemoryReplayCache::new(10_000);
//! assert!(cache.first_seen("event-1", Duration::from_secs(600)).await);
//! assert!(!cache.first_seen("event-1", Duration::from_secs(600)).await);
//! # }
//! ```

#[cfg(feature = "axum")]
#[cfg_attr(partial, allow(dead_code))]
pub(crate) mod axum;

#[cfg(feature = "axum")]
pub use self::axum::{Refusal, Rejection, Verified};

use crate::{Clock, SystemClock};
use futures::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Remembers which events have been received.
///
/// [`MemoryReplayCache`] serves one process. Several processes behind one address need a shared store, such as Redis, where
/// `SET key 1 NX PX ttl` is `first_seen`, `EXISTS key` is `is_known`, and `DEL key` is `forget`. Keys begin with the name of
/// their service, so one cache serves all services.
///
/// If the store cannot be reached, the implementation must choose: an event that counts as new may be handled twice, and one
/// that counts as known may be lost.
pub trait ReplayCache: fmt::Debug + Send + Sync + 'static {
    /// Remembers `key` for `ttl`. Returns whether it was new.
    ///
    /// This must be atomic: of two simultaneous calls with one key, exactly one returns `true`.
    fn first_seen<'a>(&'a self, key: &'a str, ttl: Duration) -> BoxFuture<'a, bool>;

    /// Whether `key` is remembered, without remembering it.
    fn is_known<'a>(&'a self, key: &'a str) -> BoxFuture<'a, bool>;

    /// Forgets `key`. An event that could not be handled is then new when it comes again.
    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, ()>;
}

/// A [`ReplayCache`] in memory, bounded in entries and time.
///
/// If it is full, the entry with the least time left is removed, and its event would count as new. The capacity should
/// therefore cover all events within the time that they are remembered; for a shared cache, those of all its services and
/// bots.
pub struct MemoryReplayCache {
    state: Mutex<CacheState>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct CacheState {
    seen: HashMap<Arc<str>, ExpiryKey>,
    /// The same keys, by the end of their time. Services remember events for different times, so this is not the order in
    /// which they came.
    order: BTreeMap<ExpiryKey, Arc<str>>,
    next: u64,
}

/// Until when a key is remembered, and its number, which distinguishes two of one time.
type ExpiryKey = (Until, u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    Time(Instant),
    /// Until room is needed.
    Ever,
}

impl MemoryReplayCache {
    /// A cache of at most `capacity` entries, at least one.
    pub fn new(capacity: usize) -> Self {
        Self::with_clock(capacity, Arc::new(SystemClock))
    }

    /// A cache that reads the time from `clock`.
    pub fn with_clock(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), capacity: capacity.max(1), clock }
    }

    /// How many keys are remembered, including some whose time is over.
    pub fn len(&self) -> usize {
        self.lock().seen.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn remember(&self, key: &str, ttl: Duration) -> bool {
        let now = self.clock.now();
        let mut state = self.lock();
        state.remove_over(now);
        if state.seen.contains_key(key) {
            return false;
        }
        while state.seen.len() >= self.capacity && state.make_room() {}
        let (key, place) = (Arc::<str>::from(key), (Until::after(now, ttl), state.next));
        state.next += 1;
        state.order.insert(place, Arc::clone(&key));
        state.seen.insert(key, place);
        true
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        // Nothing panics while the lock is held, and at worst a key is forgotten too early.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheState {
    fn remove_over(&mut self, now: Instant) {
        while self.order.first_key_value().is_some_and(|((until, _), _)| *until <= Until::Time(now)) {
            self.make_room();
        }
    }

    /// Removes the entry with the least time left, if there is one.
    fn make_room(&mut self) -> bool {
        let first = self.order.pop_first();
        first.is_some_and(|(_, key)| self.seen.remove(&key).is_some())
    }

    fn forget(&mut self, key: &str) {
        if let Some(place) = self.seen.remove(key) {
            self.order.remove(&place);
        }
    }
}

impl Until {
    fn after(now: Instant, ttl: Duration) -> Self {
        now.checked_add(ttl).map_or(Self::Ever, Self::Time)
    }
}

impl ReplayCache for MemoryReplayCache {
    fn first_seen<'a>(&'a self, key: &'a str, ttl: Duration) -> BoxFuture<'a, bool> {
        Box::pin(async move { self.remember(key, ttl) })
    }

    fn is_known<'a>(&'a self, key: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let mut state = self.lock();
            state.remove_over(self.clock.now());
            state.seen.contains_key(key)
        })
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.lock().forget(key);
        })
    }
}

impl fmt::Debug for MemoryReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayCache")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VirtualClock;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn cache(capacity: usize) -> (MemoryReplayCache, VirtualClock) {
        let clock = VirtualClock::new();
        (MemoryReplayCache::with_clock(capacity, Arc::new(clock.clone())), clock)
    }

    #[test]
    fn a_key_is_new_again_after_its_expiry() {
        let (cache, clock) = cache(10);
        assert!(cache.remember("a", MINUTE));
        clock.advance(MINUTE / 2);
        assert!(!cache.remember("a", MINUTE));
        clock.advance(MINUTE / 2);
        assert!(cache.remember("a", MINUTE));
        assert!(cache.remember("ever", Duration::MAX));
        clock.advance(MINUTE * 1_000_000);
        assert!(!cache.remember("ever", MINUTE));
    }

    /// A day for the events of one service, minutes for those of another.
    #[test]
    fn expired_keys_are_evicted_before_valid_ones() {
        let (cache, clock) = cache(3);
        assert!(cache.remember("tascha:1", MINUTE * 60 * 24));
        assert!(cache.remember("chatwork:1", MINUTE) && cache.remember("chatwork:2", MINUTE));
        clock.advance(MINUTE);
        assert!(cache.remember("chatwork:3", MINUTE) && cache.remember("chatwork:4", MINUTE));
        assert!(!cache.remember("tascha:1", MINUTE));
        // The cache is full of keys that are still valid; the newest is remembered nevertheless.
        assert!(cache.remember("chatwork:5", MINUTE / 2) && !cache.remember("chatwork:5", MINUTE));
        assert!(cache.remember("chatwork:6", MINUTE) && !cache.remember("tascha:1", MINUTE));
    }

    #[tokio::test]
    async fn a_query_remembers_nothing() {
        let (cache, clock) = cache(2);
        assert!(!cache.is_known("a").await && cache.first_seen("a", MINUTE).await);
        assert!(cache.is_known("a").await && !cache.is_known("b").await);
        clock.advance(MINUTE);
        assert!(!cache.is_known("a").await && cache.is_empty());
    }

    #[tokio::test]
    async fn forgotten_keys_take_no_space() {
        let (cache, _) = cache(2);
        assert!(cache.first_seen("a", MINUTE).await);
        for _ in 0..10 {
            assert!(cache.first_seen("b", MINUTE).await);
            cache.forget("b").await;
        }
        assert!(!cache.first_seen("a", MINUTE).await);
    }

    #[tokio::test]
    async fn a_forgotten_key_is_new_and_its_old_place_does_not_remove_it() {
        let (cache, _) = cache(3);
        assert!(cache.first_seen("a", MINUTE).await);
        cache.forget("a").await;
        assert!(cache.first_seen("a", MINUTE).await);
        assert!(cache.first_seen("b", MINUTE).await);
        assert!(cache.first_seen("c", MINUTE).await);
        assert!(!cache.first_seen("a", MINUTE).await);
    }

    #[test]
    fn the_oldest_key_is_evicted() {
        let (cache, clock) = cache(2);
        assert!(cache.remember("a", MINUTE) && cache.remember("b", MINUTE) && !cache.remember("a", MINUTE));
        assert!(cache.remember("c", MINUTE));
        assert!(!cache.remember("b", MINUTE) && !cache.remember("c", MINUTE));
        assert_eq!(cache.len(), 2);
        clock.advance(MINUTE);
        assert!(cache.remember("d", MINUTE));
        assert_eq!(cache.len(), 1);
    }

    proptest! {
        #[test]
        fn it_stays_bounded_and_agrees_with_a_plain_map(
            capacity in 1..30usize,
            steps in proptest::collection::vec((0..3u8, 0..20u32, 1..100u64), 0..200),
        ) {
            let (cache, clock) = cache(capacity);
            let mut plain: HashMap<u32, (Duration, usize)> = HashMap::new();
            for (number, (step, key, seconds)) in steps.into_iter().enumerate() {
                let (text, now) = (key.to_string(), clock.elapsed());
                plain.retain(|_, (until, _)| *until > now);
                match step {
                    0 => {
                        let is_new = !plain.contains_key(&key);
                        if is_new {
                            let shortest = plain.iter().min_by_key(|(_, place)| **place).map(|(key, _)| *key);
                            if let Some(shortest) = shortest.filter(|_| plain.len() == capacity) {
                                plain.remove(&shortest);
                            }
                            plain.insert(key, (now + Duration::from_secs(seconds), number));
                        }
                        prop_assert_eq!(cache.remember(&text, Duration::from_secs(seconds)), is_new);
                    }
                    1 => {
                        plain.remove(&key);
                        cache.lock().forget(&text);
                    }
                    _ => clock.advance(Duration::from_secs(seconds)),
                }
                let state = cache.lock();
                prop_assert!(state.seen.len() <= capacity && state.seen.len() == state.order.len());
            }
        }
    }
}
