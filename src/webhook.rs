//! What webhooks of all services and bots share: telling a repeat from what is new.
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

use crate::{Clock, SystemClock};
use futures::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Remembers which events have been received.
///
/// [`MemoryReplayCache`] does for one process. Several processes behind one address need a store that they share, such
/// as Redis, where `SET key 1 NX PX ttl` is `first_seen`, and `DEL key` is `forget`. Keys begin with the name of
/// their service, so that one cache serves them all.
///
/// A store that cannot be reached has to be decided for: `true` may let an event be handled twice, `false` may lose it.
pub trait ReplayCache: fmt::Debug + Send + Sync + 'static {
    /// Remembers `key` for `ttl`. The answer is whether it was not remembered before.
    ///
    /// Asking and remembering must be one step: of two calls at the same time with one key, one is answered `true`.
    fn first_seen<'a>(&'a self, key: &'a str, ttl: Duration) -> BoxFuture<'a, bool>;

    /// Forgets `key`, so that the event is new when it comes again: for an event that could not be handled.
    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, ()>;
}

/// A [`ReplayCache`] in memory, bounded in entries and time.
///
/// Once it is full, the oldest entry makes room; an event whose entry did is taken for new. It should therefore hold
/// as many entries as events come within the time that they are remembered.
pub struct MemoryReplayCache {
    state: Mutex<State>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    /// Until when a key is remembered, and which of the places in `order` is its own.
    seen: HashMap<Arc<str>, Seen>,
    /// Keys from the oldest to the newest. The place of a key that was forgotten or remembered anew stays until it is
    /// the oldest, so that nothing is ever searched here.
    order: VecDeque<(Arc<str>, u64)>,
    next_place: u64,
}

struct Seen {
    /// `None` for ever, which is until it makes room.
    until: Option<Instant>,
    place: u64,
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

    /// How many keys are remembered, with some that no longer need be.
    pub fn len(&self) -> usize {
        self.lock().seen.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn remember(&self, key: &str, ttl: Duration) -> bool {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.seen.get(key).is_some_and(|seen| !seen.is_over(now)) {
            return false;
        }
        let (key, place) = (Arc::<str>::from(key), state.next_place);
        state.next_place += 1;
        state.order.push_back((Arc::clone(&key), place));
        state.seen.insert(key, Seen { until: now.checked_add(ttl), place });
        state.make_room(self.capacity, now);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and at worst a key is remembered for too short.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes the oldest entries as long as they are over, or there are more than `capacity`.
    fn make_room(&mut self, capacity: usize, now: Instant) {
        while let Some((key, place)) = self.order.front() {
            let owner = self.seen.get(key).filter(|seen| seen.place == *place);
            let needed = owner.is_some_and(|seen| !seen.is_over(now));
            if needed && self.order.len() <= capacity {
                return;
            }
            if owner.is_some() {
                self.seen.remove(key);
            }
            self.order.pop_front();
        }
    }
}

impl Seen {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl ReplayCache for MemoryReplayCache {
    fn first_seen<'a>(&'a self, key: &'a str, ttl: Duration) -> BoxFuture<'a, bool> {
        Box::pin(async move { self.remember(key, ttl) })
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.lock().seen.remove(key);
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
    fn a_key_is_new_again_once_its_time_is_over() {
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
    fn the_oldest_makes_room() {
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
            steps in proptest::collection::vec((0..3u8, 0..20u32, 1..100u64), 0..200),
        ) {
            let (cache, clock) = cache(64);
            let mut plain: HashMap<u32, Duration> = HashMap::new();
            for (step, key, seconds) in steps {
                let (text, now) = (key.to_string(), clock.elapsed());
                match step {
                    0 => {
                        let until = now + Duration::from_secs(seconds);
                        let is_new = plain.get(&key).is_none_or(|until| *until <= now);
                        if is_new {
                            plain.insert(key, until);
                        }
                        // Places that nothing owns any more take room too: a bounded cache may forget, never invent.
                        let remembered = cache.remember(&text, Duration::from_secs(seconds));
                        prop_assert!(remembered || !is_new);
                    }
                    1 => {
                        plain.remove(&key);
                        cache.lock().seen.remove(text.as_str());
                    }
                    _ => clock.advance(Duration::from_secs(seconds)),
                }
                let state = cache.lock();
                prop_assert!(state.order.len() <= 64 && state.seen.len() <= state.order.len());
            }
        }
    }
}
