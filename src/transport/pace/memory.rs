//! Where budgets are kept, and how they are kept in memory.

use super::FIRST_ANSWER;
use crate::limits::{FAR, RateLimit};
use futures::future::{BoxFuture, FutureExt};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
pub(super) struct Memory {
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

/// How long a refusal closes a budget at the most. After it one call may try: what asked for a longer wait may be
/// wrong, or be over.
const CLOSED: Duration = Duration::from_secs(5 * 60);

/// The account's window, as the last answers told it.
#[derive(Debug, Default)]
struct Account {
    limit: Option<u64>,
    remaining: Option<u64>,
    /// When the window ends, by the service's clock.
    window: Option<Timestamp>,
    /// The same by ours, until it has passed.
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
            // How large the next window is, only an answer can tell then.
            self.answered &= self.limit.is_some();
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

    /// Learns from an answer that arrived at `at`.
    fn learn(&mut self, limit: &RateLimit, at: Instant) {
        self.limit = limit.limit.or(self.limit);
        let Some(remaining) = limit.remaining else { return self.count_one() };
        // A window is known by its end on the service's clock: that is the same however late the answer is read, but
        // for the second that it is rounded to.
        let tolerance = SignedDuration::from_secs(2);
        match (limit.reset, self.window) {
            (Some(reset), Some(known)) if reset.duration_since(known) < -tolerance => {}
            (Some(reset), Some(known)) if reset.duration_since(known) <= tolerance => {
                // Once the window has passed, late answers of it say nothing about the next.
                if self.reset.is_some() {
                    self.remaining = Some(self.remaining.map_or(remaining, |known| known.min(remaining)));
                }
            }
            (Some(reset), _) => {
                self.window = Some(reset);
                self.reset = limit.reset_after.map(|after| at + after.min(FAR));
                // Those that are out count as unsettled, whichever window they were sent in.
                self.remaining = Some(remaining);
            }
            // Nothing tells when it ends, so that only the newest word counts.
            (None, None) => self.remaining = Some(remaining),
            (None, Some(_)) => {
                self.remaining = Some(self.remaining.map_or(remaining, |known| known.min(remaining)));
            }
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
            Settlement::Exhausted(wait) => {
                self.closed_until = self.closed_until.max(Some(now + wait.min(CLOSED)))
            }
        }
    }
}

impl Memory {
    pub(super) fn new(room_limit: Option<(u32, Duration)>) -> Self {
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
                        account.closed_until = account.closed_until.max(Some(now + wait.min(CLOSED)))
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

#[cfg(test)]
impl Memory {
    /// How many permits are out, of the account and of all rooms, and how many rooms are remembered.
    pub(super) fn standing(&self) -> (u64, u32, usize) {
        let budgets = self.lock();
        (budgets.account.out, budgets.rooms.values().map(|room| room.out).sum(), budgets.rooms.len())
    }
}
