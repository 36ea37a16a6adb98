//! The right to refresh tokens, as a store with a clock gives it: for a time, and renewed while its holder lives.

use crate::oauth::RefreshLease;
use crate::store_error::StoreError;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// After this time without a sign of its holder, another process may refresh.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// How often a lease is renewed, and how often it is asked for.
const RENEW: Duration = Duration::from_secs(3);

/// The wait after a renewal that failed: the lease goes on to its end meanwhile.
const RENEW_AGAIN: Duration = Duration::from_millis(250);
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The time that a request may still take when the lease is said to hold.
const MARGIN: Duration = Duration::from_secs(2);

/// How a lease is asked for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ask {
    /// If nobody else has it.
    Lease,
    /// If this process still has it. One that was given back, or has ended, is not made anew.
    Renew,
}

/// A store that gives leases.
pub(super) trait Leases: Clone + Send + Sync + 'static {
    /// Makes the lease of this id hold for [`LEASE`] from now. Returns whether it does.
    fn ask(&self, ask: Ask, id: &str) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives the lease back, without waiting.
    fn give_back(&self, id: &str);
}

/// Waits until nobody else has the lease.
pub(super) async fn lease<S: Leases>(store: &S) -> Result<RefreshLease, StoreError> {
    // It is there before the store is asked, so that a lease without an answer is given back.
    let guard = Guard::new(store.clone());
    loop {
        let asked = now();
        if store.ask(Ask::Lease, &guard.held.id).await? {
            guard.held.renewed(asked);
            guard.keep();
            let held = Arc::clone(&guard.held);
            return Ok(RefreshLease::held(guard).valid_while(move || held.is_valid()));
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// A lease, which is given back when it is dropped.
struct Guard<S: Leases> {
    store: S,
    held: Arc<HeldLease>,
}

struct HeldLease {
    id: String,
    /// Until when it holds, as far as this process knows: by the monotonic clock, which may stand still while the machine
    /// sleeps, and by the wall clock, which may be set.
    ends: Mutex<Option<(Instant, SystemTime)>>,
    dropped: Notify,
}

impl HeldLease {
    fn renewed(&self, (now, wall): (Instant, SystemTime)) {
        let lasts = LEASE - MARGIN;
        *self.lock() = Some((now + lasts, wall + lasts));
    }

    fn is_valid(&self) -> bool {
        self.lock().is_some_and(|(end, wall)| Instant::now() < end && SystemTime::now() < wall)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, SystemTime)>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> (Instant, SystemTime) {
    (Instant::now(), SystemTime::now())
}

impl<S: Leases> Guard<S> {
    fn new(store: S) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        let held = HeldLease { id, ends: Mutex::default(), dropped: Notify::new() };
        Self { store, held: Arc::new(held) }
    }

    /// Renews the lease until it is dropped.
    fn keep(&self) {
        let (store, held) = (self.store.clone(), Arc::clone(&self.held));
        tokio::spawn(async move {
            let mut wait = RENEW;
            while tokio::time::timeout(wait, held.dropped.notified()).await.is_err() {
                let asked = now();
                match store.ask(Ask::Renew, &held.id).await {
                    Ok(true) => {
                        wait = RENEW;
                        held.renewed(asked);
                    }
                    // It has ended, and another process may have one.
                    Ok(false) => {
                        *held.lock() = None;
                        return;
                    }
                    Err(_) => wait = RENEW_AGAIN,
                }
            }
        });
    }
}

impl<S: Leases> Drop for Guard<S> {
    fn drop(&mut self) {
        self.held.dropped.notify_one();
        self.store.give_back(&self.held.id);
    }
}
