//! One schedule for all streams of a client, without a task.
//!
//! The next call is one future that all streams share: polling any of them drives it for all. A stream that is not polled
//! does not delay the others, and dropping the last stream drops the call.

use super::budget::SavedUp;
use super::schedule::{NextCall, Schedule};
use super::subscriber::{Item, Subscriber};
use crate::clock::Clock;
use crate::limits::RateLimit;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// A wait and the call after it.
pub(super) type Step = Shared<BoxFuture<'static, ()>>;

/// The shared schedule of the streams of one client.
#[derive(Default)]
pub(crate) struct Poller {
    state: Mutex<PollerState>,
    /// Notified when a subscriber is added or removed.
    changed: Notify,
}

#[derive(Default)]
struct PollerState {
    schedule: Schedule,
    /// It holds the client, which holds this poller. It exists only while there are subscribers.
    step: Option<Step>,
}

pub(super) enum Next {
    Item(Item),
    Step(Step),
}

impl Poller {
    pub(super) fn add(&self, subscriber: Subscriber, saved_up: Option<SavedUp>, clock: &dyn Clock) -> u64 {
        let mut state = self.lock();
        if let Some(saved_up) = saved_up {
            state.schedule.resume(saved_up, clock.wall());
        }
        let id = state.schedule.add(subscriber, clock.now());
        drop(state);
        self.changed.notify_one();
        id
    }

    /// The saved calls, for a later process.
    pub(super) fn saved_up(&self, clock: &dyn Clock) -> Option<SavedUp> {
        self.lock().schedule.saved_up(clock.now(), clock.wall())
    }

    pub(super) fn remove(&self, id: u64) {
        let mut state = self.lock();
        state.schedule.remove(id);
        let ended = if state.schedule.is_empty() { state.step.take() } else { None };
        drop(state);
        // Dropped without the lock, because it may end a call in flight.
        drop(ended);
        self.changed.notify_one();
    }

    /// The next item of a subscriber, or the step to wait for. Both are decided under one lock, so no item is missed in
    /// between.
    pub(super) fn next(&self, id: u64, step: impl FnOnce() -> BoxFuture<'static, ()>) -> Next {
        let mut state = self.lock();
        if let Some(item) = state.schedule.subscriber(id).and_then(|subscriber| subscriber.mailbox.pop()) {
            return Next::Item(item);
        }
        match &state.step {
            Some(step) if step.peek().is_none() => Next::Step(step.clone()),
            _ => {
                let next = step().shared();
                state.step = Some(next.clone());
                Next::Step(next)
            }
        }
    }

    /// The next call.
    pub(super) fn next_call(&self, limit: Option<&RateLimit>, now: Instant) -> NextCall {
        self.lock().schedule.next_call(limit, now)
    }

    /// Stores the result of a call.
    pub(super) fn update(&self, update: impl FnOnce(&mut Schedule)) {
        update(&mut self.lock().schedule);
    }

    /// Ends when a subscriber is added or removed.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    fn lock(&self) -> MutexGuard<'_, PollerState> {
        // Nothing panics while the lock is held, and the state is valid between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}
