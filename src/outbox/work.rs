//! Who works on a queue: entries are claimed, several at once, and a claim is renewed while somebody works on its entry.

use super::entry::{Claim, Next, StoredEntry};
use super::store::OutboxStore;
use crate::clock::Clock;
use crate::store_error::StoreError;
use futures::future::{BoxFuture, Either, FutureExt, pending, select};
use futures::stream::{FuturesUnordered, Stream, StreamExt, unfold};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::Notify;

/// How long a claim holds, unless it is renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// How often the store is asked for what other processes have added.
const POLL: Duration = Duration::from_secs(1);

/// How often a store that failed is asked again, and how soon.
const STORE_AGAIN: u32 = 10;
pub(crate) const STORE_WAIT: Duration = Duration::from_secs(1);

/// A queue, and how many of its entries are worked on at once.
pub(crate) struct Queue<'a> {
    pub(crate) store: &'a dyn OutboxStore,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) name: &'a str,
    /// Says that there may be something new.
    pub(crate) added: &'a Notify,
    pub(crate) concurrency: usize,
}

impl Queue<'_> {
    /// Works on what is due until `shutdown` ends, and then lets what is under way end. A store that fails is asked again.
    pub(crate) async fn run<F>(
        &self,
        shutdown: impl Future<Output = ()>,
        work: impl Fn(Box<StoredEntry>, Claim) -> F,
    ) where
        F: Future<Output = Result<(), StoreError>>,
    {
        let mut shutdown = pin!(shutdown.fuse());
        let mut due = Box::pin(self.due());
        let mut running = FuturesUnordered::new();
        loop {
            let has_room = running.len() < self.concurrency;
            let next = async { if has_room { due.next().await } else { pending().await } };
            match first(&mut shutdown, first(next, ended(&mut running))).await {
                Either::Right(Either::Left(Some((entry, claim)))) => running.push(work(entry, claim)),
                Either::Right(Either::Right(worked)) => {
                    self.warn_of(worked);
                    // The next one of its lane may be due.
                    self.added.notify_one();
                }
                Either::Left(()) | Either::Right(Either::Left(None)) => break,
            }
        }
        // A claim that has just been won is for another process.
        drop(due);
        while let Some(worked) = running.next().await {
            self.warn_of(worked);
        }
    }

    /// The entries that are due, as they come to be. A claim is waited for only while the stream is polled.
    fn due(&self) -> impl Stream<Item = (Box<StoredEntry>, Claim)> + '_ {
        unfold((), async |()| {
            loop {
                let wait = match self.store.claim(self.name, LEASE).await {
                    Ok(Next::Entry(entry, claim)) => return Some(((entry, claim), ())),
                    Ok(Next::Wait(time)) => time.unwrap_or(POLL).clamp(Duration::from_millis(10), POLL),
                    Err(error) => {
                        tracing::warn!(%error, queue = self.name, "the store failed; it is asked again");
                        POLL
                    }
                };
                first(self.added.notified(), self.clock.sleep(wait)).await;
            }
        })
    }

    fn warn_of(&self, worked: Result<(), StoreError>) {
        if let Err(error) = worked {
            tracing::warn!(%error, queue = self.name, "the store failed; the entry is tried again");
        }
    }
}

/// The result of `work`, and renews the claim meanwhile. `None` if another worker may have the entry by now.
pub(crate) async fn hold<T>(
    store: &dyn OutboxStore,
    clock: &dyn Clock,
    claim: &Claim,
    work: impl Future<Output = T>,
) -> Option<T> {
    match first(work, renew(store, clock, claim)).await {
        Either::Left(done) => Some(done),
        Either::Right(()) => {
            tracing::warn!("a claim has ended, and another process may work on the entry");
            None
        }
    }
}

/// Renews the claim as long as it holds.
async fn renew(store: &dyn OutboxStore, clock: &dyn Clock, claim: &Claim) {
    let mut renewed = clock.now();
    loop {
        clock.sleep_elsewhere(LEASE / 3).await;
        let asked = clock.now();
        let left = LEASE.saturating_sub(asked.saturating_duration_since(renewed));
        // A store that does not answer must not keep work going whose claim has ended.
        match first(store.renew(claim, LEASE), clock.sleep_elsewhere(left)).await {
            Either::Left(Ok(true)) => renewed = asked,
            Either::Left(Ok(false)) | Either::Right(()) => return,
            Either::Left(Err(error)) => {
                tracing::warn!(%error, "a claim cannot be renewed");
                if left.is_zero() {
                    return;
                }
            }
        }
    }
}

/// What the store answers to something that is to be had once: if it fails, it is asked again.
pub(crate) async fn insist<'a, T>(
    clock: &dyn Clock,
    ask: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    for _ in 0..STORE_AGAIN {
        match ask().await {
            Err(error) => {
                tracing::warn!(%error, "the store failed; it is asked again");
                clock.sleep(STORE_WAIT).await;
            }
            stored => return stored,
        }
    }
    ask().await
}

/// What has become of the first of the entries under way that ends.
pub(super) async fn ended<F: Future>(running: &mut FuturesUnordered<F>) -> F::Output {
    match running.next().await {
        Some(worked) => worked,
        None => pending().await,
    }
}

/// What the first of two ends with. The other one is dropped.
pub(crate) async fn first<A, B>(
    one: impl Future<Output = A>,
    other: impl Future<Output = B>,
) -> Either<A, B> {
    match select(pin!(one), pin!(other)).await {
        Either::Left((value, _)) => Either::Left(value),
        Either::Right((value, _)) => Either::Right(value),
    }
}
