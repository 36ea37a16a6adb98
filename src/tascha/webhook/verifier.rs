//! Whether a request is the service's, and is new.

use super::PendingDelivery;
use super::delivery::{Delivery, RawDelivery};
use super::error::{MAX_BODY, Unverified, VerifyError};
use crate::tascha::EventId;
use crate::webhook::claims::Claims;
use crate::webhook::pending::{Gate, Pending, Refused};
use crate::webhook::{MemoryReplayCache, ReplayCache, StoreFailure};
use crate::{Clock, StoreError, SystemClock};
use std::fmt;
use std::sync::Arc;
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

/// Checks deliveries, and lets each event through until it is done. Clones share what they remember.
#[derive(Clone)]
pub struct Verifier {
    verify: Arc<dyn Verify>,
    pub(super) gate: Gate,
    remember: Duration,
}

impl Verifier {
    /// A verifier that remembers 10,000 events in memory, for a day.
    pub fn new(verify: impl Verify) -> Self {
        Self::with_clock(verify, Arc::new(SystemClock))
    }

    /// A verifier that reads the time from `clock`.
    pub fn with_clock(verify: impl Verify, clock: Arc<dyn Clock>) -> Self {
        let cache = Arc::new(MemoryReplayCache::with_clock(DEFAULT_CAPACITY, Arc::clone(&clock)));
        let gate = Gate::new(Claims::new(cache, clock));
        Self { verify: Arc::new(verify), gate, remember: DEFAULT_REMEMBER }
    }

    /// Remembers events there: in a store that processes share, or in a [`MemoryReplayCache`] of another size. It may be the
    /// cache that a Chatwork verifier has.
    #[must_use = "the verifier is returned"]
    pub fn replay_cache(mut self, cache: impl ReplayCache) -> Self {
        self.gate.claims.cache = Arc::new(cache);
        self
    }

    /// How long a claim on an event holds, at least a second: after that time another process handles the event of one that
    /// died, if the service sends it again. [`DEFAULT_LEASE`](crate::webhook::DEFAULT_LEASE) by default.
    #[must_use = "the verifier is returned"]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.gate.claims.set_lease(lease);
        self
    }

    /// What happens to an event while the replay cache fails. By default it counts as new.
    #[must_use = "the verifier is returned"]
    pub fn on_store_failure(mut self, policy: StoreFailure) -> Self {
        self.gate.claims.on_failure = policy;
        self
    }

    /// How long an event is remembered once it is done. Within that time an event that is redelivered on request is a repeat too,
    /// unless it is [forgotten](Self::forget) before.
    #[must_use = "the verifier is returned"]
    pub fn remember(mut self, remember: Duration) -> Self {
        self.remember = remember;
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
        let delivery = Delivery::read(request)?;
        let key = replay_key(&delivery.event_id).into();
        match self.gate.enter(key, self.remember).await {
            Ok(entry) => Ok(Pending::new(delivery, Some(entry))),
            Err(Refused::InProgress(_)) => Err(VerifyError::InProgress),
            Err(Refused::Repeat) => Err(VerifyError::Repeat),
            Err(Refused::Store) => Err(VerifyError::Store),
        }
    }

    /// Forgets that an event is done: when it is [redelivered](crate::tascha::WebhookHandle::redeliver), it is new.
    ///
    /// # Errors
    ///
    /// If the replay cache failed. The event may be forgotten nevertheless.
    pub async fn forget(&self, event: impl Into<EventId>) -> Result<(), StoreError> {
        self.gate.claims.forget(&replay_key(&event.into())).await
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("events", &self.gate)
            .field("remember", &self.remember)
            .finish_non_exhaustive()
    }
}

fn replay_key(id: &EventId) -> String {
    format!("tascha:{id}")
}
