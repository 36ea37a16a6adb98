//! The cache in memory.

use super::replay::{Claim, ClaimId, ReplayCache};
use crate::{Clock, StoreError, SystemClock};
use futures::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A [`ReplayCache`] in memory, bounded in entries and time. It never fails.
///
/// If it is full, the event that is done and has the least time left is removed, and would count as new. If all are claimed, it
/// is the claim with the least time left. The capacity should therefore cover all events within the time that they are
/// remembered; for a shared cache, those of all its services and bots.
pub struct MemoryReplayCache {
    state: Mutex<CacheState>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct CacheState {
    events: HashMap<Arc<str>, Entry>,
    claimed: Expiries,
    done: Expiries,
    next: u64,
}

/// The keys of one state, by the end of their time. Services remember events for different times, so this is not the order in
/// which they came.
type Expiries = BTreeMap<ExpiryKey, Arc<str>>;

/// Until when a key is remembered, and its number, which distinguishes two of one time.
type ExpiryKey = (Until, u64);

#[derive(Clone, Copy)]
struct Entry {
    /// Who has claimed it; `None` if it is done.
    claimed: Option<ClaimId>,
    place: ExpiryKey,
}

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

    /// How many events are remembered, including some whose time is over.
    pub fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// Whether no event is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn claim_now(&self, key: &str, id: ClaimId, lease: Duration) -> Claim {
        let now = self.clock.now();
        let mut state = self.lock();
        state.remove_over(now);
        let claim = Some(id);
        match state.events.get(key) {
            None => state.insert(key, claim, Until::after(now, lease), self.capacity),
            Some(entry) if entry.claimed == claim => state.change(key, claim, Until::after(now, lease)),
            Some(Entry { claimed: Some(_), place }) => return Claim::Held { left: place.0.left(now) },
            Some(Entry { claimed: None, .. }) => return Claim::Done,
        }
        Claim::New
    }

    fn done_now(&self, key: &str, id: ClaimId, time: Duration) -> bool {
        let now = self.clock.now();
        let mut state = self.lock();
        state.remove_over(now);
        match state.events.get(key) {
            None => state.insert(key, None, Until::after(now, time), self.capacity),
            Some(Entry { claimed: Some(other), .. }) if *other != id => return false,
            Some(Entry { claimed: Some(_), .. }) => state.change(key, None, Until::after(now, time)),
            Some(Entry { claimed: None, .. }) => {}
        }
        true
    }

    fn release_now(&self, key: &str, id: ClaimId) {
        let mut state = self.lock();
        if state.events.get(key).is_some_and(|entry| entry.claimed == Some(id)) {
            state.forget(key);
        }
    }

    /// Whether every event stands where its expiry is looked for.
    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        let state = self.lock();
        let stands = |(key, entry): (&Arc<str>, &Entry)| {
            let expiries = if entry.claimed.is_some() { &state.claimed } else { &state.done };
            expiries.get(&entry.place) == Some(key)
        };
        state.events.len() == state.claimed.len() + state.done.len() && state.events.iter().all(stands)
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        // Nothing panics while the lock is held, and at worst a key is forgotten too early.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheState {
    fn insert(&mut self, key: &str, claimed: Option<ClaimId>, until: Until, capacity: usize) {
        while self.events.len() >= capacity && self.make_room() {}
        let (key, place) = (Arc::<str>::from(key), (until, self.next));
        self.next += 1;
        self.expiries(claimed).insert(place, Arc::clone(&key));
        self.events.insert(key, Entry { claimed, place });
    }

    /// Changes what a known key is, and until when.
    fn change(&mut self, key: &str, claimed: Option<ClaimId>, until: Until) {
        let place = (until, self.next);
        self.next += 1;
        let Some(entry) = self.events.get_mut(key) else { return };
        let before = std::mem::replace(entry, Entry { claimed, place });
        if let Some(key) = self.expiries(before.claimed).remove(&before.place) {
            self.expiries(claimed).insert(place, key);
        }
    }

    fn expiries(&mut self, claimed: Option<ClaimId>) -> &mut Expiries {
        if claimed.is_some() { &mut self.claimed } else { &mut self.done }
    }

    fn remove_over(&mut self, now: Instant) {
        for expiries in [&mut self.claimed, &mut self.done] {
            while expiries.first_key_value().is_some_and(|((until, _), _)| *until <= Until::Time(now)) {
                if let Some((_, key)) = expiries.pop_first() {
                    self.events.remove(&key);
                }
            }
        }
    }

    /// Removes the entry that is needed least, if there is one.
    fn make_room(&mut self) -> bool {
        // A claim that is removed lets its event be handled twice at once; an old event rarely comes again.
        let first = self.done.pop_first().or_else(|| self.claimed.pop_first());
        first.is_some_and(|(_, key)| self.events.remove(&key).is_some())
    }

    fn forget(&mut self, key: &str) {
        if let Some(Entry { claimed, place }) = self.events.remove(key) {
            self.expiries(claimed).remove(&place);
        }
    }
}

impl Until {
    fn after(now: Instant, time: Duration) -> Self {
        now.checked_add(time).map_or(Self::Ever, Self::Time)
    }

    fn left(self, now: Instant) -> Duration {
        match self {
            Self::Time(until) => until.saturating_duration_since(now),
            Self::Ever => Duration::MAX,
        }
    }
}

impl ReplayCache for MemoryReplayCache {
    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Claim, StoreError>> {
        Box::pin(async move { Ok(self.claim_now(key, id, lease)) })
    }

    fn done<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        time: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.done_now(key, id, time)) })
    }

    fn release<'a>(&'a self, key: &'a str, id: ClaimId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.release_now(key, id);
            Ok(())
        })
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.lock().forget(key);
            Ok(())
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
