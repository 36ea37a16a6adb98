//! Events that were verified and are being handled.

use super::claims::{Attempt, ClaimGuard, Claims};
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An event that is being handled, until it is [done](Self::done) or this is dropped; from the `verify` of a service's
/// `Verifier`. It derefs to the event.
///
/// The claim on the event ends with its lease, one minute by default. Work that takes longer [renews](Self::renew) it, or
/// other processes take the event for one whose process has died. In this process the event is not handled again while this
/// is held.
///
/// If it is dropped, the event is released, as by [`release`](Self::release): at once if the cache is in memory, and otherwise
/// by a task of the current tokio runtime, or at the end of the lease where there is none.
#[must_use = "an event that is not done is new when it comes again"]
pub struct Pending<T> {
    value: T,
    /// `None` if nothing is remembered.
    entry: Option<Entry>,
}

impl<T> Pending<T> {
    pub(crate) fn new(value: T, entry: Option<Entry>) -> Self {
        Self { value, entry }
    }

    /// Marks the event as handled, so that its next delivery is a repeat, and returns it.
    ///
    /// If the cache fails, the event may be handled again; see [`StoreFailure`](super::StoreFailure). Once this was polled, the
    /// mark is also made if the future is dropped.
    pub async fn done(self) -> T {
        let Self { value, entry } = self;
        if let Some(Entry { claim, place }) = entry {
            claim.done().await;
            // In this order: what is not being handled any more is seen to be done.
            drop(place);
        }
        value
    }

    /// Gives the event up, so that it is new when it comes again, and returns it.
    pub async fn release(self) -> T {
        let Self { value, entry } = self;
        if let Some(Entry { claim, place }) = entry {
            claim.release().await;
            drop(place);
        }
        value
    }

    /// Makes the claim last for another lease from now. Returns `false` if it had ended and another process has taken the
    /// event; `true` also if the cache does not say.
    pub async fn renew(&self) -> bool {
        match &self.entry {
            Some(entry) => entry.claim.renew().await,
            None => true,
        }
    }

    /// Converts the event, such as into a part of it.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Pending<U> {
        Pending { value: convert(self.value), entry: self.entry }
    }
}

impl<T> Deref for Pending<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.value).finish()
    }
}

/// What holds an event: for other processes, and for this one.
pub(crate) struct Entry {
    // Dropped first: what is not being handled any more can be claimed.
    claim: ClaimGuard,
    place: Place,
}

/// Lets each event through to one handler at a time, until it is done. Clones are the same.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) claims: Claims,
    /// The keys of the events that this process handles: a handler that takes longer than its lease is not dead.
    handling: Arc<Mutex<HashSet<Arc<str>>>>,
}

/// Why an event is not let through.
pub(crate) enum Refused {
    /// It is being handled; at the latest after this time it is worth asking again.
    InProgress(Duration),
    Repeat,
    /// The store failed.
    Store,
}

impl Gate {
    pub(crate) fn new(claims: Claims) -> Self {
        Self { claims, handling: Arc::default() }
    }

    /// Claims an event, which is remembered for `remember` once it is done.
    pub(crate) async fn enter(&self, key: Arc<str>, remember: Duration) -> Result<Entry, Refused> {
        if !lock(&self.handling).insert(Arc::clone(&key)) {
            return Err(Refused::InProgress(self.claims.lease));
        }
        // From here on a drop gives the place back, also while the store is being asked.
        let place = Place { handling: Arc::clone(&self.handling), key: Arc::clone(&key) };
        match self.claims.claim(key, remember).await {
            Ok(Attempt::New(claim)) => Ok(Entry { claim, place }),
            Ok(Attempt::Held(left)) => Err(Refused::InProgress(left)),
            Ok(Attempt::Done) => Err(Refused::Repeat),
            Err(_) => Err(Refused::Store),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.handling).is_empty()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handling = lock(&self.handling).len();
        f.debug_struct("Gate").field("claims", &self.claims).field("handling", &handling).finish()
    }
}

/// The key of an event that this process handles.
struct Place {
    handling: Arc<Mutex<HashSet<Arc<str>>>>,
    key: Arc<str>,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.handling).remove(&self.key);
    }
}

fn lock(handling: &Mutex<HashSet<Arc<str>>>) -> MutexGuard<'_, HashSet<Arc<str>>> {
    // Nothing panics while the lock is held.
    handling.lock().unwrap_or_else(PoisonError::into_inner)
}
