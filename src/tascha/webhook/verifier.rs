//! Whether a request is the service's, and is new.

use super::delivery::{Delivery, RawDelivery};
use super::error::{MAX_BODY, Unverified, VerifyError};
use crate::tascha::EventId;
use crate::webhook::{MemoryReplayCache, ReplayCache};
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an event is remembered unless [`Verifier::remember`] says otherwise. How long the service goes on trying
/// is not documented.
pub const DEFAULT_REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// How many events are remembered unless [`Verifier::replay_cache`] says otherwise.
const DEFAULT_CAPACITY: usize = 10_000;

/// Decides whether a request is the service's.
///
/// No scheme is documented. Without one, have deliveries sent to an address that cannot be guessed, or let only the
/// service's addresses in, and treat what a delivery says as a hint: ask the API for the rest. That is for afterwards,
/// with what [`Verifier::verify`] returned: the check itself awaits nothing, so that it is done before anything is
/// remembered. A function or closure from `&RawDelivery` to `Result<(), Unverified>` is a `Verify`.
pub trait Verify: Send + Sync + 'static {
    /// Looks at the whole request, before anything else is done with it.
    ///
    /// # Errors
    ///
    /// [`Unverified`] to refuse it.
    fn verify(&self, request: &RawDelivery<'_>) -> Result<(), Unverified>;
}

impl<F> Verify for F
where
    F: Fn(&RawDelivery<'_>) -> Result<(), Unverified> + Send + Sync + 'static,
{
    fn verify(&self, request: &RawDelivery<'_>) -> Result<(), Unverified> {
        self(request)
    }
}

/// An event that is being handled, until it is [done](Self::done) or this is dropped; from [`Verifier::verify`]. It
/// derefs to the [`Delivery`].
#[must_use = "an event that is not done is new when it comes again"]
#[derive(Debug)]
pub struct PendingDelivery {
    delivery: Delivery,
    events: Events,
}

impl PendingDelivery {
    /// Marks the event as handled, so that its next delivery is a repeat.
    pub async fn done(self) {
        self.events.done(&self.delivery.event_id).await;
    }
}

impl Deref for PendingDelivery {
    type Target = Delivery;

    fn deref(&self) -> &Delivery {
        &self.delivery
    }
}

/// What was not done, or is remembered as done by now, is no longer being handled.
impl Drop for PendingDelivery {
    fn drop(&mut self) {
        self.events.handling().remove(self.delivery.event_id.as_str());
    }
}

/// Which events are being handled, and which are done.
#[derive(Clone)]
pub(super) struct Events {
    /// Ids. It is in memory so that a `PendingDelivery` can be given back where nothing can be awaited.
    handling: Arc<Mutex<HashSet<String>>>,
    done: Arc<dyn ReplayCache>,
    remember: Duration,
}

impl Events {
    async fn begin(&self, delivery: Delivery) -> Result<PendingDelivery, VerifyError> {
        if !self.handling().insert(delivery.event_id.0.clone()) {
            return Err(VerifyError::InProgress);
        }
        // From here on a drop gives the id back, also while the store is being asked. What is done is in the store before it
        // is no longer being handled, so that it is seen here.
        let pending = PendingDelivery { delivery, events: self.clone() };
        if self.done.is_known(&replay_key(&pending.event_id)).await {
            return Err(VerifyError::Repeat);
        }
        Ok(pending)
    }

    async fn done(&self, id: &EventId) {
        // Whether another process was done with it before makes no difference.
        self.done.first_seen(&replay_key(id), self.remember).await;
    }

    pub(super) fn handling(&self) -> MutexGuard<'_, HashSet<String>> {
        // Nothing panics while the lock is held.
        self.handling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("handling", &self.handling().len())
            .field("done", &self.done)
            .field("remember", &self.remember)
            .finish()
    }
}

/// Checks deliveries, and lets each event through until it is done. Clones share what they remember.
#[derive(Clone)]
pub struct Verifier {
    verify: Arc<dyn Verify>,
    pub(super) events: Events,
}

impl Verifier {
    /// A verifier that remembers 10,000 events in memory, for a day.
    pub fn new(verify: impl Verify) -> Self {
        let events = Events {
            handling: Arc::default(),
            done: Arc::new(MemoryReplayCache::new(DEFAULT_CAPACITY)),
            remember: DEFAULT_REMEMBER,
        };
        Self { verify: Arc::new(verify), events }
    }

    /// Remembers there what is done. It may be the cache that a Chatwork verifier has.
    #[must_use = "the verifier is returned"]
    pub fn replay_cache(mut self, cache: Arc<dyn ReplayCache>) -> Self {
        self.events.done = cache;
        self
    }

    /// How long an event is remembered once it is done. Within that time an event that is redelivered on request is a repeat too,
    /// unless it is [forgotten](Self::forget) before.
    #[must_use = "the verifier is returned"]
    pub fn remember(mut self, remember: Duration) -> Self {
        self.events.remember = remember;
        self
    }

    /// Checks a request, and reads it. The event is then being handled as long as what this returns is held; call
    /// [`done`](PendingDelivery::done) on that before the answer.
    ///
    /// # Errors
    ///
    /// Those of [`VerifyError`]. Nothing is remembered of a request that is refused.
    pub async fn verify(&self, request: RawDelivery<'_>) -> Result<PendingDelivery, VerifyError> {
        if request.body().len() > MAX_BODY {
            return Err(VerifyError::TooLarge);
        }
        self.verify.verify(&request).map_err(VerifyError::Unverified)?;
        self.events.begin(Delivery::read(request)?).await
    }

    /// Forgets that an event is done: when it is [redelivered](crate::tascha::WebhookHandle::redeliver), it is new.
    pub async fn forget(&self, event: impl Into<EventId>) {
        self.events.done.forget(&replay_key(&event.into())).await;
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("events", &self.events).finish_non_exhaustive()
    }
}

fn replay_key(id: &EventId) -> String {
    format!("tascha:{id}")
}
