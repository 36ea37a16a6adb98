//! Where budgets are kept, and how they are kept in memory.

use super::account::Account;
use super::room::Room;
use crate::limits::RateLimit;
use futures::future::{BoxFuture, FutureExt};
use std::collections::HashMap;
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
    ///
    /// The future is dropped when the call that it is for ends first: by its deadline, or because the caller gave up.
    /// No permit is taken then, as far as the store can see to that; none is settled.
    fn take(&self, budget: Budget, now: Instant) -> BoxFuture<'_, Result<(), Duration>>;

    /// Says what became of a permit that was taken. It is called exactly once for each, and must not block.
    fn settle(&self, budget: Budget, how: Settlement, now: Instant);

    /// How long a caller would wait behind `ahead` others, as far as can be known. It must not block.
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

impl Budgets {
    fn take(
        &mut self,
        budget: Budget,
        room_limit: Option<(u32, Duration)>,
        now: Instant,
    ) -> Result<(), Duration> {
        match (budget, room_limit) {
            (Budget::Account, _) => self.account.take(now),
            (Budget::Room(id), Some(limit)) => {
                if self.rooms.len() >= self.sweep_at {
                    self.rooms.retain(|_, room| !room.is_forgettable(now));
                    self.sweep_at = (self.rooms.len() * 2).max(64);
                }
                self.rooms.entry(id).or_default().take(limit, now)
            }
            (Budget::Room(_), None) => Ok(()),
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
        // Nothing is taken before the future is polled: it can be dropped unpolled.
        async move { self.lock().take(budget, self.room_limit, now) }.boxed()
    }

    fn settle(&self, budget: Budget, how: Settlement, now: Instant) {
        let mut budgets = self.lock();
        match (budget, self.room_limit) {
            (Budget::Account, _) => budgets.account.settle(how, now),
            (Budget::Room(id), Some((_, window))) => {
                budgets.rooms.entry(id).or_default().settle(how, window, now)
            }
            (Budget::Room(_), None) => {}
        }
    }

    fn estimate(&self, budget: Budget, ahead: u32, now: Instant) -> Duration {
        let budgets = self.lock();
        match (budget, self.room_limit) {
            (Budget::Account, _) => budgets.account.estimate(now),
            (Budget::Room(id), Some(limit)) => {
                budgets.rooms.get(&id).map_or(Duration::ZERO, |room| room.estimate(limit, ahead, now))
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
        (budgets.account.out(), budgets.rooms.values().map(Room::out).sum(), budgets.rooms.len())
    }
}
