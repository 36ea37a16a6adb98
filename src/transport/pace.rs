//! Budgets that calls take permits from before they are sent, so that a limit is kept instead of run into.
//!
//! Three of them: the account's window, learned from the answers' headers; the posts in each room, known in advance;
//! and TAS-CHA's monthly units. Waiting is first come, first served, and ends with the call's deadline. A permit that
//! is dropped before the request was sent goes back.

use super::clock::Clock;
use super::operation::Operation;
use crate::error::{Error, ErrorKind, Outcome};
use crate::limits::RateLimit;
use futures::future::{BoxFuture, Either, FutureExt, select};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::fmt;
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

/// What a permit is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Budget {
    /// The account's window.
    Account,
    /// The posts in a room, by its id.
    Room(u64),
}

/// What became of a permit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Settlement {
    /// The request was not sent: the permit goes back.
    Unsent,
    /// The request was sent, and this is what the answer said of limits, if there was an answer and it said anything.
    Sent(Option<RateLimit>),
    /// The service refused the request because of this very budget, which is closed for so long.
    Exhausted(Duration),
}

/// Where budgets are kept. The default keeps them in memory, shared by the clones of a client.
pub trait BudgetStore: fmt::Debug + Send + Sync + 'static {
    /// Takes one permit, or says how long until it is worth asking again.
    fn take(&self, budget: Budget, now: Instant) -> BoxFuture<'_, Result<(), Duration>>;

    /// Says what became of a permit that was taken. It is called exactly once for each.
    fn settle(&self, budget: Budget, how: Settlement, now: Instant);

    /// How long the caller would wait who comes after `ahead` others, as far as can be told.
    fn estimate(&self, budget: Budget, ahead: u32, now: Instant) -> Duration;
}

/// Budgets in this process' memory.
#[derive(Debug)]
pub(crate) struct Memory {
    room_limit: Option<(u32, Duration)>,
    budgets: Mutex<Budgets>,
}

#[derive(Debug, Default)]
struct Budgets {
    account: Account,
    rooms: HashMap<u64, Room>,
    /// The size at which the rooms are next searched for ones that need no remembering.
    sweep_at: usize,
}

/// The account's window, as the last answers told it.
#[derive(Debug, Default)]
struct Account {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Instant>,
    closed_until: Option<Instant>,
    /// Permits whose answers are still out. The service may have counted them or not, so that what is left is what the
    /// lowest answer said less all of these: never too much, and exact once they are in.
    out: u64,
    answered: bool,
    /// When the last call left before any answer had come.
    probed: Option<Instant>,
}

impl Account {
    fn roll(&mut self, now: Instant) {
        if self.reset.is_some_and(|reset| reset <= now) {
            self.remaining = self.limit;
            self.reset = None;
        }
        if self.closed_until.is_some_and(|until| until <= now) {
            self.closed_until = None;
        }
    }

    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.roll(now);
        if let Some(until) = self.closed_until {
            return Err(until - now);
        }
        let left = self.remaining.map(|remaining| remaining.saturating_sub(self.out));
        match (left, self.reset) {
            (Some(0), Some(reset)) => return Err(reset - now),
            // The window ends at a time that nobody has told: an answer will.
            (Some(0), None) if self.out > 0 => return Err(FIRST_ANSWER),
            (None, _) if !self.answered => {
                if let Some(wait) = self
                    .probed
                    .and_then(|at| (at + FIRST_ANSWER).checked_duration_since(now))
                    .filter(|wait| !wait.is_zero() && self.out > 0)
                {
                    return Err(wait);
                }
                self.probed = Some(now);
            }
            _ => {}
        }
        self.out += 1;
        Ok(())
    }

    /// A request was sent and counted by the service, but no answer says what is left.
    fn count_one(&mut self) {
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(1));
    }

    fn learn(&mut self, limit: &RateLimit, now: Instant) {
        self.limit = limit.limit.or(self.limit);
        let Some(remaining) = limit.remaining else { return self.count_one() };
        let reset = limit.reset_after.map(|after| now + after);
        // The service tells the reset in whole seconds, so that the same window's wobbles by one.
        let later = |reset: Instant, known: Instant| reset > known + Duration::from_secs(2);
        let new_window = match (reset, self.reset) {
            (Some(reset), Some(known)) => later(reset, known),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if new_window {
            self.reset = reset;
            // Answers to what was sent in the old window may still come in; those that are out count as unsettled.
            self.remaining = Some(remaining);
        } else {
            self.remaining = Some(self.remaining.map_or(remaining, |known| known.min(remaining)));
        }
    }
}

/// The posts of one room: those under way, and the times at which the finished ones stop to count.
///
/// A post counts from when it is allowed until a whole window after its answer came: the service counts it at some
/// moment in between.
#[derive(Debug, Default)]
struct Room {
    out: u32,
    free_at: VecDeque<Instant>,
    closed_until: Option<Instant>,
}

impl Room {
    fn roll(&mut self, now: Instant) {
        while self.free_at.front().is_some_and(|at| *at <= now) {
            self.free_at.pop_front();
        }
        if self.closed_until.is_some_and(|until| until <= now) {
            self.closed_until = None;
        }
    }

    fn is_forgettable(&self) -> bool {
        self.out == 0 && self.free_at.is_empty() && self.closed_until.is_none()
    }

    fn take(&mut self, (posts, window): (u32, Duration), now: Instant) -> Result<(), Duration> {
        self.roll(now);
        if let Some(until) = self.closed_until {
            return Err(until - now);
        }
        if self.out as usize + self.free_at.len() < posts as usize {
            self.out += 1;
            return Ok(());
        }
        // With all of them under way nobody can say: one may come back unsent at any moment.
        Err(self.free_at.front().map_or(window.min(FIRST_ANSWER), |at| *at - now))
    }

    fn settle(&mut self, how: Settlement, window: Duration, now: Instant) {
        self.out = self.out.saturating_sub(1);
        match how {
            Settlement::Unsent => {}
            Settlement::Sent(_) => self.free_at.push_back(now + window),
            Settlement::Exhausted(wait) => self.closed_until = self.closed_until.max(Some(now + wait)),
        }
    }
}

impl Memory {
    pub(crate) fn new(room_limit: Option<(u32, Duration)>) -> Self {
        Self { room_limit, budgets: Mutex::new(Budgets { sweep_at: 64, ..Budgets::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Budgets> {
        // Nothing panics while the lock is held, and the state is valid between any two statements.
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BudgetStore for Memory {
    fn take(&self, budget: Budget, now: Instant) -> BoxFuture<'_, Result<(), Duration>> {
        let mut budgets = self.lock();
        let taken = match (budget, self.room_limit) {
            (Budget::Account, _) => budgets.account.take(now),
            (Budget::Room(id), Some(limit)) => {
                if budgets.rooms.len() >= budgets.sweep_at {
                    budgets.rooms.retain(|_, room| {
                        room.roll(now);
                        !room.is_forgettable()
                    });
                    budgets.sweep_at = (budgets.rooms.len() * 2).max(64);
                }
                budgets.rooms.entry(id).or_default().take(limit, now)
            }
            (Budget::Room(_), None) => Ok(()),
        };
        std::future::ready(taken).boxed()
    }

    fn settle(&self, budget: Budget, how: Settlement, now: Instant) {
        let mut budgets = self.lock();
        match (budget, self.room_limit) {
            (Budget::Account, _) => {
                let account = &mut budgets.account;
                account.out = account.out.saturating_sub(1);
                account.answered |= !matches!(how, Settlement::Unsent);
                match how {
                    Settlement::Unsent => {}
                    Settlement::Sent(Some(limit)) => account.learn(&limit, now),
                    Settlement::Sent(None) => account.count_one(),
                    Settlement::Exhausted(wait) => {
                        account.closed_until = account.closed_until.max(Some(now + wait))
                    }
                }
            }
            (Budget::Room(id), Some((_, window))) => {
                budgets.rooms.entry(id).or_default().settle(how, window, now)
            }
            (Budget::Room(_), None) => {}
        }
    }

    fn estimate(&self, budget: Budget, ahead: u32, now: Instant) -> Duration {
        let budgets = self.lock();
        match (budget, self.room_limit) {
            (Budget::Room(id), Some((posts, window))) => {
                let Some(room) = budgets.rooms.get(&id) else { return Duration::ZERO };
                let (rounds, rest) = (ahead / posts, ahead % posts);
                let slot =
                    room.free_at.get(rest as usize).map_or(window, |at| at.saturating_duration_since(now));
                let closed =
                    room.closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
                slot.max(closed) + window * rounds
            }
            (Budget::Account, _) => {
                let account = &budgets.account;
                let end = account.closed_until.max(account.reset);
                end.map_or(Duration::ZERO, |end| end.saturating_duration_since(now))
            }
            (Budget::Room(_), None) => Duration::ZERO,
        }
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
        if !self.sent && self.units > 0 {
            if let Some(left) = &mut *self.pacer.units.lock().unwrap_or_else(PoisonError::into_inner) {
                left.remaining += self.units;
            }
        }
    }
}
