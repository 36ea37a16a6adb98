//! Time limits, and the only place that races a future against one.

use crate::clock::Clock;
use futures::future::BoxFuture;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// The end of a time limit, and its length for error messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) end: Instant,
    pub(crate) named: Duration,
}

impl Bound {
    /// The limit after `start`. A time beyond the clock's range is no limit.
    pub(crate) fn after(start: Instant, time: Option<Duration>) -> Option<Self> {
        time.and_then(|named| Some(Self { end: start.checked_add(named)?, named }))
    }

    pub(crate) fn left(&self, clock: &dyn Clock) -> Duration {
        self.end.saturating_duration_since(clock.now())
    }

    /// The earlier of two.
    pub(crate) fn sooner(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if one.end <= other.end { one } else { other }),
            (one, other) => one.or(other),
        }
    }
}

/// A running time limit: several futures, one after the other, can be raced against it.
pub(crate) struct Timer(Option<(BoxFuture<'static, ()>, Duration)>);

impl Timer {
    pub(crate) fn start(clock: &dyn Clock, bound: Option<Bound>) -> Self {
        Self(bound.map(|bound| (clock.sleep(bound.left(clock)), bound.named)))
    }

    /// Runs the future within the limit; `Err` with the length of the limit.
    pub(crate) async fn race<F: Future>(&mut self, future: F) -> Result<F::Output, Duration> {
        let Some((sleep, named)) = &mut self.0 else { return Ok(future.await) };
        race(pin!(future), sleep).await.ok_or(*named)
    }
}

/// Runs the future within the limit; `Err` with the length of the limit.
pub(crate) async fn within<F: Future>(
    clock: &dyn Clock,
    bound: Option<Bound>,
    future: F,
) -> Result<F::Output, Duration> {
    let Some(Bound { end, named }) = bound else { return Ok(future.await) };
    before(clock, Some(end), future).await.ok_or(named)
}

/// Runs the future until this time. A future that is ready at once needs no timer.
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
    race(future, &mut clock.sleep(end.saturating_duration_since(clock.now()))).await
}

async fn race<F: Future>(mut future: Pin<&mut F>, sleep: &mut BoxFuture<'static, ()>) -> Option<F::Output> {
    poll_fn(|task| match future.as_mut().poll(task) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(task).map(|()| None),
    })
    .await
}
