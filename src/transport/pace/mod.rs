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

pub(crate) use gate::CLOSED;
pub use store::{Budget, BudgetStore, Settlement};

use super::timer;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Outcome};
use crate::limits::{MAX_WINDOW, RateLimit, Units};
use crate::operation::Operation;
use futures::future::select;
use gate::FIRST_ANSWER;
use jiff::Timestamp;
use memory::Memory;
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

    /// Keeps the budgets in a store that several processes share, instead of in memory. The store then decides on the limits
    /// of rooms.
    pub fn store(mut self, store: Arc<dyn BudgetStore>) -> Self {
        self.store = Some(store);
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
    account: Arc<Queue>,
    rooms: Mutex<HashMap<u64, Arc<Queue>>>,
    units: Mutex<MonthlyUnits>,
}

/// The calls that wait for one budget, in order.
#[derive(Default)]
struct Queue {
    turn: tokio::sync::Mutex<()>,
    waiting: AtomicU32,
    changed: Notify,
}

/// TAS-CHA's units as the last responses reported them. The remainder is the lowest reported one less the units in flight, as
/// for the account's window.
#[derive(Default)]
struct MonthlyUnits {
    known: Option<KnownUnits>,
    in_flight: u64,
}

#[derive(Clone, Copy)]
struct KnownUnits {
    remaining: u64,
    reset: Option<Timestamp>,
    reported_at: Instant,
}

/// How long a reported remainder may refuse calls: units may have been bought since, and while nothing is sent, no response
/// can say so.
const UNITS_BELIEVED: Duration = Duration::from_secs(10 * 60);

impl MonthlyUnits {
    fn take(&mut self, cost: u64, clock: &dyn Clock) -> Result<(), Error> {
        if let Some(known) = self.known {
            let passed = known.reset.is_some_and(|reset| reset <= clock.wall());
            let old = clock.now().saturating_duration_since(known.reported_at) >= UNITS_BELIEVED;
            if passed || old {
                self.known = None;
            }
        }
        if let Some(KnownUnits { remaining, reset, .. }) = self.known {
            let remaining = remaining.saturating_sub(self.in_flight);
            if remaining < cost {
                let kind = ErrorKind::UnitsExhausted { cost, remaining, reset };
                return Err(Error::new(kind, Outcome::NotSent));
            }
        }
        self.in_flight += cost;
        Ok(())
    }

    /// Settles units that were taken: whether the request was sent, and what the response reported.
    fn settle(&mut self, cost: u64, sent: bool, units: Option<&Units>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(cost);
        let reported = units.and_then(|units| Some((units.remaining?, units.reset)));
        match (reported, &mut self.known) {
            (Some((remaining, reset)), Some(known)) if known.reset == reset => {
                known.remaining = known.remaining.min(remaining);
                known.reported_at = now;
            }
            (Some((remaining, reset)), known) => {
                *known = Some(KnownUnits { remaining, reset, reported_at: now })
            }
            (None, Some(known)) if sent => known.remaining = known.remaining.saturating_sub(cost),
            (None, _) => {}
        }
    }
}

impl Pacer {
    pub(crate) fn new(pace: Pace) -> Self {
        let store = pace.store.clone().unwrap_or_else(|| Arc::new(Memory::new(pace.room)));
        Self { pace, store, account: Arc::default(), rooms: Mutex::default(), units: Mutex::default() }
    }

    /// Waits until the request may be sent.
    pub(crate) async fn permit(
        self: &Arc<Self>,
        operation: &Operation,
        room: Option<u64>,
        clock: &Arc<dyn Clock>,
        deadline: Option<Instant>,
    ) -> Result<Permit, Error> {
        let units = self.take_units(u64::from(operation.units), &**clock)?;
        let mut permit = Permit {
            pacer: Arc::clone(self),
            clock: Arc::clone(clock),
            room: None,
            account: false,
            units,
            sent: false,
        };
        if let (Some(room), Some(_)) = (room, self.pace.room) {
            let queue = Arc::clone(self.lock_rooms().entry(room).or_default());
            let queue = QueuePlace { pacer: self, room, queue: Some(queue) };
            pin!(self.wait(queue.get(), Budget::Room(room), clock, deadline)).await?;
            permit.room = Some(room);
        }
        if self.pace.account {
            pin!(self.wait(&self.account, Budget::Account, clock, deadline)).await?;
            permit.account = true;
        }
        Ok(permit)
    }

    async fn wait(
        &self,
        queue: &Queue,
        budget: Budget,
        clock: &Arc<dyn Clock>,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
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
            too_long(waited.saturating_add(self.store.estimate(budget, ahead, now)))
        };
        // The first call waits for the budget, and the others for their turn.
        let _turn = match queue.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => timer::before(&**clock, deadline, Box::pin(queue.turn.lock()))
                .await
                .ok_or_else(out_of_time)?,
        };
        loop {
            let changed = queue.changed.notified();
            let now = clock.now();
            let taken = match self.store.take_at_once(budget, now) {
                Some(taken) => taken,
                // A store can be slow, or hang.
                None => timer::before(&**clock, deadline, self.store.take(budget, now))
                    .await
                    .ok_or_else(out_of_time)?,
            };
            let Err(wait) = taken else { return Ok(()) };
            let now = clock.now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
            // A short wait is an estimate, which a returned permit can shorten; a long one is certain.
            if wait > left && (wait > FIRST_ANSWER || left.is_zero()) {
                return Err(too_long(now.saturating_duration_since(began).saturating_add(wait)));
            }
            super::trace::pace(wait, matches!(budget, Budget::Room(_)));
            let nap = wait.min(left).max(Duration::from_millis(1));
            select(pin!(changed), clock.sleep(nap)).await;
        }
    }

    /// Takes a call's units, unless switched off, and returns how many were taken.
    fn take_units(&self, cost: u64, clock: &dyn Clock) -> Result<u64, Error> {
        if !self.pace.units || cost == 0 {
            return Ok(0);
        }
        self.lock_units().take(cost, clock).map(|()| cost)
    }

    fn lock_units(&self) -> MutexGuard<'_, MonthlyUnits> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_rooms(&self) -> MutexGuard<'_, HashMap<u64, Arc<Queue>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, budget: Budget, how: Settlement, now: Instant) {
        self.store.settle(budget, how, now);
        match budget {
            Budget::Account => self.account.changed.notify_one(),
            Budget::Room(room) => {
                if let Some(queue) = self.lock_rooms().get(&room) {
                    queue.changed.notify_one();
                }
            }
        }
    }
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
    clock: Arc<dyn Clock>,
    room: Option<u64>,
    account: bool,
    units: u64,
    sent: bool,
}

impl Permit {
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
        let now = self.clock.now();
        let units = limit.and_then(|limit| limit.units.as_ref());
        self.pacer.lock_units().settle(std::mem::take(&mut self.units), true, units, now);
        if std::mem::take(&mut self.account) {
            self.pacer.settle(Budget::Account, Settlement::Sent(limit.cloned()), now);
        }
    }

    /// The service refused the request because of a limit.
    pub(crate) fn exhausted(mut self, exhausted: Exhausted, limit: Option<&RateLimit>) {
        let now = self.clock.now();
        match exhausted {
            Exhausted::Room(wait) => {
                if let Some(room) = self.room.take() {
                    self.pacer.settle(Budget::Room(room), Settlement::Exhausted(wait), now);
                }
            }
            Exhausted::Account(wait) => {
                if std::mem::take(&mut self.account) {
                    self.pacer.settle(Budget::Account, Settlement::Exhausted(wait), now);
                }
            }
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
        let how = || if self.sent { Settlement::Sent(None) } else { Settlement::Unsent };
        let now = self.clock.now();
        if let Some(room) = self.room.take() {
            self.pacer.settle(Budget::Room(room), how(), now);
        }
        if self.account {
            self.pacer.settle(Budget::Account, how(), now);
        }
        if self.units > 0 {
            self.pacer.lock_units().settle(self.units, self.sent, None, now);
        }
    }
}
