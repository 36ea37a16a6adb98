//! Budgets that calls take permits from before they are sent, so that a limit is kept instead of run into.
//!
//! Three of them: the account's window, learned from the answers' headers; the posts in each room, known in advance;
//! and TAS-CHA's monthly units. Waiting is first come, first served, and ends with the call's deadline. A permit that
//! is dropped before the request was sent goes back.

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

/// Which limits a client keeps to of itself.
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
#[must_use = "it does nothing until a client's builder is given it"]
pub struct Pace {
    account: bool,
    units: bool,
    room: Option<(u32, Duration)>,
    store: Option<Arc<dyn BudgetStore>>,
}

impl Pace {
    /// Keeps to all of them: the account's window, 10 posts in 10 seconds for each room, and the monthly units.
    pub fn new() -> Self {
        Self { account: true, units: true, room: Some((10, Duration::from_secs(10))), store: None }
    }

    /// Keeps to none: every call is sent at once, and it is for the service to refuse it.
    pub fn off() -> Self {
        Self { account: false, units: false, room: None, store: None }
    }

    /// Whether to wait for the account's next window when the service says that this one is used up.
    pub fn account(mut self, keep: bool) -> Self {
        self.account = keep;
        self
    }

    /// Whether to refuse a call that costs more of TAS-CHA's monthly units than are left.
    pub fn units(mut self, keep: bool) -> Self {
        self.units = keep;
        self
    }

    /// How many posts a room takes in how long.
    pub fn room_limit(mut self, posts: u32, window: Duration) -> Self {
        self.room = Some((posts.max(1), window.min(MAX_WINDOW)));
        self
    }

    /// Keeps the budgets elsewhere than in this process' memory, so that several processes share them. The store then
    /// decides on the limits of rooms.
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

/// Keeps a client to its budgets.
pub(crate) struct Pacer {
    pace: Pace,
    store: Arc<dyn BudgetStore>,
    account: Arc<Queue>,
    rooms: Mutex<HashMap<u64, Arc<Queue>>>,
    units: Mutex<MonthlyUnits>,
}

/// Those who wait for one budget, in the order in which they came.
#[derive(Default)]
struct Queue {
    turn: tokio::sync::Mutex<()>,
    waiting: AtomicU32,
    changed: Notify,
}

/// TAS-CHA's units as the last answers told them. What is left is the lowest of them less what is out, as for the
/// account's window.
#[derive(Default)]
struct MonthlyUnits {
    known: Option<KnownUnits>,
    in_flight: u64,
}

#[derive(Clone, Copy)]
struct KnownUnits {
    remaining: u64,
    reset: Option<Timestamp>,
    told: Instant,
}

/// How long what is known of the units is believed when it refuses calls: they may have been bought since, and if
/// nothing is sent no answer can say so.
const UNITS_BELIEVED: Duration = Duration::from_secs(10 * 60);

impl MonthlyUnits {
    fn take(&mut self, cost: u64, clock: &dyn Clock) -> Result<(), Error> {
        if let Some(known) = self.known {
            let passed = known.reset.is_some_and(|reset| reset <= clock.wall());
            let old = clock.now().saturating_duration_since(known.told) >= UNITS_BELIEVED;
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

    /// What became of units that were taken: whether the request was sent, and what the answer said.
    fn settle(&mut self, cost: u64, sent: bool, units: Option<&Units>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(cost);
        let told = units.and_then(|units| Some((units.remaining?, units.reset)));
        match (told, &mut self.known) {
            (Some((remaining, reset)), Some(known)) if known.reset == reset => {
                (known.remaining, known.told) = (known.remaining.min(remaining), now);
            }
            (Some((remaining, reset)), known) => *known = Some(KnownUnits { remaining, reset, told: now }),
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
            let line = Arc::clone(self.lock_rooms().entry(room).or_default());
            let line = RoomLine { pacer: self, room, line: Some(line) };
            self.wait(line.get(), Budget::Room(room), clock, deadline).await?;
            permit.room = Some(room);
        }
        if self.pace.account {
            self.wait(&self.account, Budget::Account, clock, deadline).await?;
            permit.account = true;
        }
        Ok(permit)
    }

    async fn wait(
        &self,
        line: &Queue,
        budget: Budget,
        clock: &Arc<dyn Clock>,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        let ahead = line.waiting.fetch_add(1, Ordering::Relaxed);
        let _leave = WaitingGuard(&line.waiting);
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
        // Whoever is in front waits for the budget itself, and the others for their turn.
        let _turn = timer::before(&**clock, deadline, line.turn.lock()).await.ok_or_else(out_of_time)?;
        loop {
            let changed = line.changed.notified();
            let now = clock.now();
            // A store can be slow, or hang.
            let taken = timer::before(&**clock, deadline, self.store.take(budget, now))
                .await
                .ok_or_else(out_of_time)?;
            let Err(wait) = taken else { return Ok(()) };
            let now = clock.now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
            // A short wait is a guess, which a permit that comes back can prove wrong; a long one is known.
            if wait > left && (wait > FIRST_ANSWER || left.is_zero()) {
                return Err(too_long(now.saturating_duration_since(began).saturating_add(wait)));
            }
            super::trace::pace(wait, matches!(budget, Budget::Room(_)));
            let nap = wait.min(left).max(Duration::from_millis(1));
            select(pin!(changed), clock.sleep(nap)).await;
        }
    }

    /// Takes a call's units, if they are kept to, and hands out how many those were.
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
                if let Some(line) = self.lock_rooms().get(&room) {
                    line.changed.notify_one();
                }
            }
        }
    }
}

/// A place in a room's line, which is not kept once nobody stands in it.
struct RoomLine<'a> {
    pacer: &'a Pacer,
    room: u64,
    line: Option<Arc<Queue>>,
}

impl RoomLine<'_> {
    fn get(&self) -> &Queue {
        self.line.as_ref().expect("the line is taken by drop alone")
    }
}

impl Drop for RoomLine<'_> {
    fn drop(&mut self) {
        let mut rooms = self.pacer.lock_rooms();
        self.line = None;
        if rooms.get(&self.room).is_some_and(|line| Arc::strong_count(line) == 1) {
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
    /// From here on the request may reach the service, so that the permit counts as used whatever happens.
    pub(crate) fn mark_sent(&mut self) {
        self.sent = true;
    }

    /// The request never left.
    pub(crate) fn mark_unsent(&mut self) {
        self.sent = false;
    }

    /// The head of an answer has arrived, with what it says of limits. The account has counted the request by now; the
    /// others need not wait for the body to know.
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

/// Which limit a 429 was about, and for how long.
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
