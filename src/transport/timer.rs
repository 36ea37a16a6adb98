//! Bounds in time, and the one place that races a future against one.

use crate::clock::Clock;
use futures::future::{BoxFuture, Either, select};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// When something has to be over, and the time that it was given, by which errors name it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) end: Instant,
    pub(crate) named: Duration,
}

impl Bound {
    /// So long after `start`. A time beyond what the clock can count to is no bound.
    pub(crate) fn after(start: Instant, time: Option<Duration>) -> Option<Self> {
        time.and_then(|named| Some(Self { end: start.checked_add(named)?, named }))
    }

    pub(crate) fn left(&self, clock: &dyn Clock) -> Duration {
        self.end.saturating_duration_since(clock.now())
    }

    /// The one of two that ends first.
    pub(crate) fn sooner(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if one.end <= other.end { one } else { other }),
            (one, other) => one.or(other),
        }
    }
}

/// A bound under way: several futures, one after the other, can be raced against the same one.
pub(crate) struct Timer(Option<(BoxFuture<'static, ()>, Duration)>);

impl Timer {
    pub(crate) fn start(clock: &dyn Clock, bound: Option<Bound>) -> Self {
        Self(bound.map(|bound| (clock.sleep(bound.left(clock)), bound.named)))
    }

    /// What the future comes to, or the bound that it was too slow for.
    pub(crate) async fn race<F: Future>(&mut self, future: F) -> Result<F::Output, Duration> {
        let Some((sleep, named)) = &mut self.0 else { return Ok(future.await) };
        race(pin!(future), sleep).await.ok_or(*named)
    }
}

/// What the future comes to, or the bound that it was too slow for.
pub(crate) async fn within<F: Future>(
    clock: &dyn Clock,
    bound: Option<Bound>,
    future: F,
) -> Result<F::Output, Duration> {
    let Some(Bound { end, named }) = bound else { return Ok(future.await) };
    before(clock, Some(end), future).await.ok_or(named)
}

/// What the future comes to before this time. No timer is set for one that is there at once.
pub(crate) async fn before<F: Future>(
    clock: &dyn Clock,
    end: Option<Instant>,
    future: F,
) -> Option<F::Output> {
    let Some(end) = end else { return Some(future.await) };
    let mut future = pin!(future);
    if let Poll::Ready(output) = poll_fn(|task| Poll::Ready(future.as_mut().poll(task))).await {
        return Some(output);
    }
    race(future, clock.sleep(end.saturating_duration_since(clock.now()))).await
}

async fn race<F: Future>(future: Pin<&mut F>, sleep: impl Future<Output = ()> + Unpin) -> Option<F::Output> {
    match select(future, sleep).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
