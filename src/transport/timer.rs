//! Bounds in time, and the one place that races a future against one.

use super::clock::Clock;
use futures::future::{BoxFuture, Either, select};
use std::future::Future;
use std::pin::pin;
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
        match select(pin!(future), sleep).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(_) => Err(*named),
        }
    }
}

/// What the future comes to, or the bound that it was too slow for.
pub(crate) async fn within<F: Future>(
    clock: &dyn Clock,
    bound: Option<Bound>,
    future: F,
) -> Result<F::Output, Duration> {
    Timer::start(clock, bound).race(future).await
}
