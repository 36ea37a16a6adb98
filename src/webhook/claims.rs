//! Claims on events, as verifiers and bots hold them: each call of the store is bounded, and its failure met by the policy.

use super::replay::{Claim, ClaimId, DEFAULT_LEASE, ReplayCache, STORE_TIME, StoreFailure};
use crate::transport::timer::{Bound, within};
use crate::{Clock, StoreError};
use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::Instrument;

/// What a store that counts whole milliseconds may be late.
const MILLISECOND: Duration = Duration::from_millis(1);

/// How often the wait for an event that another holds is doubled: up to 17 minutes.
const MAX_DOUBLINGS: u32 = 10;

/// How soon a store that failed is told again that an event is done.
const TELL_AGAIN: Duration = Duration::from_millis(500);

/// A replay cache, and how it is used. Clones are the same.
#[derive(Clone)]
pub(crate) struct Claims {
    pub(crate) cache: Arc<dyn ReplayCache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lease: Duration,
    pub(crate) on_failure: StoreFailure,
    /// Whether the last call failed, so that an outage is one warning.
    failing: Arc<AtomicBool>,
}

/// What became of an attempt to claim an event.
#[derive(Debug)]
pub(crate) enum Attempt {
    New(ClaimGuard),
    /// Another holds it, for at most so long.
    Held(Duration),
    Done,
}

/// A claim. If it is dropped, it is released.
pub(crate) struct ClaimGuard {
    claims: Claims,
    key: Arc<str>,
    id: ClaimId,
    /// How long the event is remembered once it is done.
    remember: Duration,
    /// Whether a drop releases it.
    armed: bool,
}

impl Claims {
    pub(crate) fn new(cache: Arc<dyn ReplayCache>, clock: Arc<dyn Clock>) -> Self {
        let on_failure = StoreFailure::default();
        Self { cache, clock, lease: DEFAULT_LEASE, on_failure, failing: Arc::default() }
    }

    /// Sets the lease. A claim is renewed three times in it, and a store may count milliseconds.
    pub(crate) fn set_lease(&mut self, lease: Duration) {
        self.lease = lease.max(Duration::from_secs(1));
    }

    /// Claims an event, which is remembered for `remember` once it is done.
    ///
    /// `Err` if the store failed and the policy is to refuse.
    pub(crate) async fn claim(&self, key: Arc<str>, remember: Duration) -> Result<Attempt, StoreError> {
        // It is there before the claim, so that a claim whose caller is dropped meanwhile is released.
        let mut guard =
            ClaimGuard { claims: self.clone(), key, id: ClaimId::unique(), remember, armed: true };
        match guard.ask().await {
            Ok(Claim::New) => Ok(Attempt::New(guard)),
            Err(_) if matches!(self.on_failure, StoreFailure::Take) => Ok(Attempt::New(guard)),
            Ok(Claim::Held { left }) => {
                guard.armed = false;
                Ok(Attempt::Held(left))
            }
            Ok(Claim::Done) => {
                guard.armed = false;
                Ok(Attempt::Done)
            }
            // The store may have carried it out; the drop releases it.
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn forget(&self, key: &str) -> Result<(), StoreError> {
        self.bounded(self.cache.forget(key)).await
    }

    async fn bounded<T>(&self, call: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, StoreError> {
        let bound = Bound::after(self.clock.now(), Some(STORE_TIME));
        let late = |time| Err(format!("the store did not answer within {time:?}").into());
        let result = within(&*self.clock, bound, call).await.unwrap_or_else(late);
        match &result {
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                let policy = self.on_failure;
                tracing::warn!(%error, ?policy, "the replay cache failed: events may be handled twice, or refused");
            }
            Ok(_) if self.failing.load(Ordering::Relaxed) => {
                self.failing.store(false, Ordering::Relaxed);
                tracing::info!("the replay cache answers again");
            }
            _ => {}
        }
        result
    }
}

impl ClaimGuard {
    /// Ends the claim: the event is done. What was begun is carried out even if the caller is dropped. If the store fails, it is
    /// told again by a task of its own: otherwise the event would be handled again once the lease ends.
    pub(crate) async fn done(mut self) {
        self.armed = false;
        let work = async move {
            if self.tell_done().await.is_err()
                && let Ok(runtime) = Handle::try_current()
            {
                runtime.spawn(self.tell_done_again().in_current_span());
            }
        };
        Settling(Some(work.boxed())).await;
    }

    async fn tell_done(&self) -> Result<(), StoreError> {
        if !self.claims.bounded(self.claims.cache.done(&self.key, self.id, self.remember)).await? {
            tracing::warn!(
                "a claim ended before its event was done, and another process handles the event too"
            );
        }
        Ok(())
    }

    async fn tell_done_again(self) {
        let mut wait = TELL_AGAIN;
        let mut waited = Duration::ZERO;
        while waited < self.remember {
            self.claims.clock.sleep_elsewhere(wait).await;
            if self.tell_done().await.is_ok() {
                return;
            }
            waited = waited.saturating_add(wait);
            wait = (wait * 2).min(self.claims.lease / 3);
        }
    }

    /// Ends the claim: another may handle the event.
    pub(crate) async fn release(mut self) {
        Settling(self.releasing()).await;
    }

    /// Makes the claim last for another lease from now. Returns whether it still holds, as far as the store says.
    pub(crate) async fn renew(&self) -> bool {
        matches!(self.ask().await, Ok(Claim::New) | Err(_))
    }

    /// Renews the claim as long as this is polled.
    pub(crate) async fn keep(&self) -> Infallible {
        loop {
            // On a clock that a test drives, this is not what the test waits for.
            self.claims.clock.sleep_elsewhere(self.claims.lease / 3).await;
            if !self.renew().await {
                tracing::warn!(
                    "a claim ended before its event was done, and another process handles the event too"
                );
                return pending().await;
            }
        }
    }

    async fn ask(&self) -> Result<Claim, StoreError> {
        self.claims.bounded(self.claims.cache.claim(&self.key, self.id, self.claims.lease)).await
    }

    fn releasing(&mut self) -> Option<BoxFuture<'static, ()>> {
        if !std::mem::take(&mut self.armed) {
            return None;
        }
        let (claims, key, id) = (self.claims.clone(), Arc::clone(&self.key), self.id);
        // If it fails, the lease ends by itself.
        Some(async move { drop(claims.bounded(claims.cache.release(&key, id)).await) }.boxed())
    }
}

impl Drop for ClaimGuard {
    fn drop(&mut self) {
        drop(Settling(self.releasing()));
    }
}

/// A call that ends a claim. If nobody waits for it any more, it goes on in the runtime; without one, the lease ends.
struct Settling(Option<BoxFuture<'static, ()>>);

impl Future for Settling {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let Some(call) = &mut self.0 else { return Poll::Ready(()) };
        let polled = call.as_mut().poll(task);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        let Some(mut call) = self.0.take() else { return };
        // A store in memory answers at once.
        if (&mut call).now_or_never().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(call.in_current_span());
        }
    }
}

/// The wait before asking again for an event that another holds for `left`: short at first, since most events are done soon,
/// and never beyond the end of the claim. After that end, another may have claimed it just now, and it begins anew.
pub(crate) fn wait_for_held(left: Duration, asked: &mut u32) -> Duration {
    let (longer, left) = (Duration::from_secs(1 << *asked), left.saturating_add(MILLISECOND));
    *asked = if longer < left { (*asked + 1).min(MAX_DOUBLINGS) } else { 0 };
    longer.min(left)
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("cache", &self.cache)
            .field("lease", &self.lease)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}

/// The key holds ids of the event, which are left out.
impl fmt::Debug for ClaimGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimGuard").field("id", &self.id).finish_non_exhaustive()
    }
}
