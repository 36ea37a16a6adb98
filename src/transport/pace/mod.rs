//! Budgets that calls take permits from before they are sent, so that a limit is kept instead of run into.
//!
//! Three of them: the account's window, learned from the answers' headers; the posts in each room, known in advance;
//! and TAS-CHA's monthly units. Waiting is first come, first served, and ends with the call's deadline. A permit that
//! is dropped before the request was sent goes back.

mod memory;
#[cfg(test)]
mod tests;

pub use memory::{Budget, BudgetStore, Settlement};

use super::clock::Clock;
use super::operation::Operation;
use crate::error::{Error, ErrorKind, Outcome};
use crate::limits::RateLimit;
use futures::future::{Either, select};
use jiff::Timestamp;
use memory::Memory;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long the first calls of a client wait for the very first answer, which tells the account's limits.
const FIRST_ANSWER: Duration = Duration::from_secs(1);

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
        self.room = Some((posts.max(1), window));
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
    account: Arc<Line>,
    rooms: Mutex<HashMap<u64, Arc<Line>>>,
    units: Mutex<Option<MonthlyUnits>>,
}

/// Those who wait for one budget, in the order in which they came.
#[derive(Default)]
struct Line {
    turn: tokio::sync::Mutex<()>,
    waiting: AtomicU32,
    changed: Notify,
}

#[derive(Clone, Copy)]
struct MonthlyUnits {
    remaining: u64,
    reset: Option<Timestamp>,
}

/// How long a call may still wait.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) deadline: Option<Instant>,
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
        patience: Patience,
    ) -> Result<Permit, Error> {
        let units = self.take_units(u64::from(operation.units), clock.wall())?;
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
            self.wait(line.get(), Budget::Room(room), clock, patience).await?;
            permit.room = Some(room);
        }
        if self.pace.account {
            self.wait(&self.account, Budget::Account, clock, patience).await?;
            permit.account = true;
        }
        Ok(permit)
    }

    async fn wait(
        &self,
        line: &Line,
        budget: Budget,
        clock: &Arc<dyn Clock>,
        patience: Patience,
    ) -> Result<(), Error> {
        let ahead = line.waiting.fetch_add(1, Ordering::Relaxed);
        let _leave = Leave(&line.waiting);
        let began = clock.now();
        let too_long = |needed: Duration| {
            let left = patience.deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(began));
            Error::new(ErrorKind::WaitTooLong { needed, left }, Outcome::NotSent)
        };
        // Whoever is in front waits for the budget itself, and the others for their turn.
        let _turn = match line.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => match patience.deadline {
                None => line.turn.lock().await,
                Some(deadline) => {
                    let turn = pin!(line.turn.lock());
                    match select(turn, clock.sleep(deadline.saturating_duration_since(clock.now()))).await {
                        Either::Left((turn, _)) => turn,
                        Either::Right(_) => {
                            let waited = clock.now().saturating_duration_since(began);
                            return Err(too_long(waited + self.store.estimate(budget, ahead, clock.now())));
                        }
                    }
                }
            },
        };
        loop {
            let changed = line.changed.notified();
            let now = clock.now();
            let Err(wait) = self.store.take(budget, now).await else { return Ok(()) };
            let left =
                patience.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
            // A short wait is a guess, which a permit that comes back can prove wrong; a long one is known.
            if wait > left && (wait > FIRST_ANSWER || left.is_zero()) {
                return Err(too_long(now.saturating_duration_since(began) + wait));
            }
            super::trace::pace(wait, matches!(budget, Budget::Room(_)));
            let nap = wait.min(left).max(Duration::from_millis(1));
            select(pin!(changed), clock.sleep(nap)).await;
        }
    }

    /// Takes a call's units from what is known to be left of them, and hands out how many those were.
    fn take_units(&self, cost: u64, now: Timestamp) -> Result<u64, Error> {
        if !self.pace.units || cost == 0 {
            return Ok(0);
        }
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        if units.is_some_and(|units| units.reset.is_some_and(|reset| reset <= now)) {
            *units = None;
        }
        match &mut *units {
            Some(left) if left.remaining < cost => {
                let MonthlyUnits { remaining, reset } = *left;
                Err(Error::new(ErrorKind::UnitsExhausted { cost, remaining, reset }, Outcome::NotSent))
            }
            Some(left) => {
                left.remaining -= cost;
                Ok(cost)
            }
            None => Ok(0),
        }
    }

    fn lock_rooms(&self) -> MutexGuard<'_, HashMap<u64, Arc<Line>>> {
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
    line: Option<Arc<Line>>,
}

impl RoomLine<'_> {
    fn get(&self) -> &Line {
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

struct Leave<'a>(&'a AtomicU32);

impl Drop for Leave<'_> {
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
    pub(crate) fn sending(&mut self) {
        self.sent = true;
    }

    /// The request never left.
    pub(crate) fn never_left(&mut self) {
        self.sent = false;
    }

    /// What the answer said. `exhausted` is set if it was a refusal because of a limit.
    pub(crate) fn answered(mut self, limit: Option<&RateLimit>, exhausted: Option<Exhausted>) {
        if let Some(units) = limit.and_then(|limit| limit.units.as_ref()) {
            let known = units.remaining.map(|remaining| MonthlyUnits { remaining, reset: units.reset });
            *self.pacer.units.lock().unwrap_or_else(PoisonError::into_inner) = known;
            self.units = 0;
        }
        let now = self.clock.now();
        if let Some(room) = self.room.take() {
            let how = match exhausted {
                Some(Exhausted::Room(wait)) => Settlement::Exhausted(wait),
                _ => Settlement::Sent(None),
            };
            self.pacer.settle(Budget::Room(room), how, now);
        }
        if std::mem::take(&mut self.account) {
            let how = match exhausted {
                Some(Exhausted::Account(wait)) => Settlement::Exhausted(wait),
                _ => Settlement::Sent(limit.cloned()),
            };
            self.pacer.settle(Budget::Account, how, now);
        }
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
        if !self.sent
            && self.units > 0
            && let Some(left) = &mut *self.pacer.units.lock().unwrap_or_else(PoisonError::into_inner)
        {
            left.remaining += self.units;
        }
    }
}
