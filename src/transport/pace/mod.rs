//! Budgets: each call takes a permit before it is sent, so that the client stays within the limits.
//!
//! There are three: TAS-CHA's monthly units; the posts in each room, known in advance; and the account's window, learned from
//! the responses' headers. Waiting calls are served in order, until their deadline.
//!
//! The states of a call:
//!
//! ```text
//!             enough             a free post            a free call                    mark_sent
//!   UNITS ───────────► ROOM ───────────────► ACCOUNT ──────────────► PERMIT ◄─────────────────────────► IN FLIGHT
//!     │                 │ the deadline is     │ the same              │ dropped     mark_unsent           │
//!     │ too few         │ before its turn     │                       ▼                                   │
//!     ▼                 ▼                     ▼                    all go back                            │
//!   UnitsExhausted    WaitTooLong: what was taken goes back                                               │
//!                                                                                                         │
//!     on_headers: units and account are settled with the reported limits; the post counts for a window ◄──┤
//!     exhausted: the room's or the account's gate closes for the wait (see gate.rs)                    ◄──┤
//!     dropped without a response: everything counts as used                                            ◄──┘
//! ```
//!
//! An operation without units or without a room limit skips that step, and so does a [`Pace`] that switches it off.

mod account;
mod gate;
mod length;
mod memory;
mod room;
#[cfg(test)]
mod simulation;
mod store;
#[cfg(test)]
mod tests;
mod units;

pub(crate) use gate::CLOSED;
pub use memory::MemoryBudgetStore;
pub use store::{Budget, BudgetStore, Denied, Lease, Settlement};

use super::timer;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Outcome};
use crate::event::BudgetKind;
use crate::limits::{MAX_WINDOW, RateLimit};
use crate::operation::Operation;
use futures::future::select;
use gate::FIRST_ANSWER;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The limits that a client keeps by waiting before it sends.
///
/// ```
/// use kaiwa::Pace;
/// use std::time::Duration;
///
/// let careful = Pace::new().room_limit(5, Duration::from_secs(10));
/// let reckless = Pace::off();
/// # let _ = (careful, reckless);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is passed to a client's builder"]
pub struct Pace {
    account: bool,
    units: bool,
    room: Option<(u32, Duration)>,
    store: Option<Arc<dyn BudgetStore>>,
}

impl Pace {
    /// Keeps all limits: the account's window, 10 posts in 10 seconds for each room, and the monthly units.
    pub fn new() -> Self {
        Self { account: true, units: true, room: Some((10, Duration::from_secs(10))), store: None }
    }

    /// Keeps no limit: every call is sent at once, and the service may refuse it.
    pub fn off() -> Self {
        Self { account: false, units: false, room: None, store: None }
    }

    /// Whether to wait for the account's next window when the current one is used up.
    pub fn account(mut self, keep: bool) -> Self {
        self.account = keep;
        self
    }

    /// Whether to refuse a call that costs more than the remaining monthly units of TAS-CHA.
    pub fn units(mut self, keep: bool) -> Self {
        self.units = keep;
        self
    }

    /// The limit of a room: `posts` in `window`.
    pub fn room_limit(mut self, posts: u32, window: Duration) -> Self {
        self.room = Some((posts.max(1), window.min(MAX_WINDOW)));
        self
    }

    /// Keeps the budgets in this store, which other clients or other processes share.
    pub fn store(mut self, store: impl BudgetStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

/// The budgets of a client.
pub(crate) struct Pacer {
    pace: Pace,
    store: Arc<dyn BudgetStore>,
    account: Queue,
    rooms: Mutex<HashMap<u64, Arc<Queue>>>,
    units: Queue,
}

/// The calls that wait for one budget, in order.
#[derive(Default)]
struct Queue {
    turn: tokio::sync::Mutex<()>,
    waiting: AtomicU32,
    changed: Notify,
}

impl Pacer {
    pub(crate) fn new(pace: Pace, clock: &Arc<dyn Clock>) -> Self {
        let store = pace.store.clone();
        let store = store.unwrap_or_else(|| Arc::new(MemoryBudgetStore::with_clock(Arc::clone(clock))));
        Self { pace, store, account: Queue::default(), rooms: Mutex::default(), units: Queue::default() }
    }

    /// Waits until the request may be sent.
    pub(crate) async fn permit(
        self: &Arc<Self>,
        operation: &Operation,
        room: Option<u64>,
        clock: &dyn Clock,
        deadline: Option<Instant>,
    ) -> Result<Permit, Error> {
        let mut permit = Permit {
            pacer: Arc::clone(self),
            room: None,
            account: None,
            units: None,
            sent: false,
            waits: Vec::new(),
        };
        let waits = &mut permit.waits;
        if self.pace.units && operation.units > 0 {
            let budget = Budget::Units { cost: u64::from(operation.units) };
            permit.units = Some(pin!(self.wait(&self.units, budget, clock, deadline, waits)).await?);
        }
        if let (Some(id), Some((posts, window))) = (room, self.pace.room) {
            let queue = Arc::clone(self.lock_rooms().entry(id).or_default());
            let queue = QueuePlace { pacer: self, room: id, queue: Some(queue) };
            let budget = Budget::Room { id, posts, window };
            permit.room = Some(pin!(self.wait(queue.get(), budget, clock, deadline, waits)).await?);
        }
        if self.pace.account {
            permit.account =
                Some(pin!(self.wait(&self.account, Budget::Account, clock, deadline, waits)).await?);
        }
        Ok(permit)
    }

    async fn wait(
        &self,
        queue: &Queue,
        budget: Budget,
        clock: &dyn Clock,
        deadline: Option<Instant>,
        waits: &mut Vec<(BudgetKind, Duration)>,
    ) -> Result<Lease, Error> {
        let ahead = queue.waiting.fetch_add(1, Ordering::Relaxed);
        let _leave = WaitingGuard(&queue.waiting);
        let began = clock.now();
        let too_long = |needed: Duration| {
            let left = deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(began));
            Error::new(ErrorKind::WaitTooLong { needed, left }, Outcome::NotSent)
        };
        let out_of_time = || {
            let now = clock.now();
            let waited = now.saturating_duration_since(began);
            too_long(waited.saturating_add(self.store.estimate(budget, ahead)))
        };
        // The first call waits for the budget, and the others for their turn.
        let mut has_waited = false;
        let _turn = match queue.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                has_waited = true;
                timer::before(clock, deadline, Box::pin(queue.turn.lock())).await.ok_or_else(out_of_time)?
            }
        };
        loop {
            let changed = queue.changed.notified();
            let taken = match self.store.take_at_once(budget) {
                Some(taken) => taken,
                // A store can be slow, or hang.
                None => {
                    timer::before(clock, deadline, self.store.take(budget)).await.ok_or_else(out_of_time)?
                }
            };
            let (wait, again) = match taken {
                Ok(lease) => {
                    if has_waited {
                        waits.push((kind(budget), clock.now().saturating_duration_since(began)));
                    }
                    return Ok(lease);
                }
                Err(Denied::Wait { time, again }) => (time, again),
                Err(denied) => return Err(refused(budget, denied)),
            };
            let now = clock.now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
            // A short wait is an estimate, which a returned permit can shorten; a long one is certain.
            if wait > left && (wait > FIRST_ANSWER || left.is_zero()) {
                return Err(too_long(now.saturating_duration_since(began).saturating_add(wait)));
            }
            tracing::debug!(?wait, budget = %kind(budget), "waiting for a permit");
            has_waited = true;
            let nap = wait.min(again).min(left).max(Duration::from_millis(1));
            select(pin!(changed), clock.sleep(nap)).await;
        }
    }

    fn lock_rooms(&self) -> MutexGuard<'_, HashMap<u64, Arc<Queue>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, lease: Lease, how: Settlement<'_>) {
        let budget = lease.budget();
        self.store.settle(lease, how);
        match budget {
            Budget::Account => self.account.changed.notify_one(),
            Budget::Units { .. } => self.units.changed.notify_one(),
            Budget::Room { id, .. } => {
                if let Some(queue) = self.lock_rooms().get(&id) {
                    queue.changed.notify_one();
                }
            }
        }
    }
}

fn kind(budget: Budget) -> BudgetKind {
    match budget {
        Budget::Account => BudgetKind::Account,
        Budget::Room { .. } => BudgetKind::Room,
        Budget::Units { .. } => BudgetKind::Units,
    }
}

/// The error of a call without a permit.
fn refused(budget: Budget, denied: Denied) -> Error {
    let kind = match (denied, budget) {
        (Denied::Units { remaining, reset }, Budget::Units { cost }) => {
            ErrorKind::UnitsExhausted { cost, remaining, reset }
        }
        (Denied::Unavailable(error), _) => ErrorKind::Store(error),
        (Denied::Units { .. } | Denied::Wait { .. }, _) => {
            ErrorKind::Store("the store denied units where a permit of another kind was asked for".into())
        }
    };
    Error::new(kind, Outcome::NotSent)
}

/// A place in a room's queue. The last one removes the queue.
struct QueuePlace<'a> {
    pacer: &'a Pacer,
    room: u64,
    queue: Option<Arc<Queue>>,
}

impl QueuePlace<'_> {
    fn get(&self) -> &Queue {
        self.queue.as_ref().expect("the queue is taken by drop alone")
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        let mut rooms = self.pacer.lock_rooms();
        self.queue = None;
        if rooms.get(&self.room).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            rooms.remove(&self.room);
        }
    }
}

struct WaitingGuard<'a>(&'a AtomicU32);

impl Drop for WaitingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to send one request.
#[must_use = "a permit that is dropped goes back unused"]
pub(crate) struct Permit {
    pacer: Arc<Pacer>,
    room: Option<Lease>,
    account: Option<Lease>,
    units: Option<Lease>,
    sent: bool,
    /// For which budgets it has waited, and how long.
    waits: Vec<(BudgetKind, Duration)>,
}

impl Permit {
    pub(super) fn waits(&self) -> &[(BudgetKind, Duration)] {
        &self.waits
    }

    /// From here on the request may reach the service, so the permit counts as used.
    pub(crate) fn mark_sent(&mut self) {
        self.sent = true;
    }

    /// The request was not sent after all.
    pub(crate) fn mark_unsent(&mut self) {
        self.sent = false;
    }

    /// The headers of a response have arrived, with the reported limits. The service has counted the request, so the other
    /// calls need not wait for the body.
    pub(crate) fn on_headers(&mut self, limit: Option<&RateLimit>) {
        let none = RateLimit::default();
        let limit = limit.unwrap_or(&none);
        for lease in [self.units.take(), self.account.take()].into_iter().flatten() {
            self.pacer.settle(lease, Settlement::Sent(Some(limit)));
        }
    }

    /// The service refused the request because of a limit.
    pub(crate) fn exhausted(mut self, exhausted: Exhausted, limit: Option<&RateLimit>) {
        let (lease, wait) = match exhausted {
            Exhausted::Room(wait) => (self.room.take(), wait),
            Exhausted::Account(wait) => (self.account.take(), wait),
        };
        if let Some(lease) = lease {
            self.pacer.settle(lease, Settlement::Exhausted(wait));
        }
        self.on_headers(limit);
    }
}

/// The limit of a 429, and for how long.
#[derive(Clone, Copy)]
pub(crate) enum Exhausted {
    Account(Duration),
    Room(Duration),
}

impl Drop for Permit {
    fn drop(&mut self) {
        for lease in [self.room.take(), self.account.take(), self.units.take()].into_iter().flatten() {
            let how = if self.sent { Settlement::Sent(None) } else { Settlement::Unsent };
            self.pacer.settle(lease, how);
        }
    }
}
