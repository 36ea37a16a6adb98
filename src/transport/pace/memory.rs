//! Budgets in memory.

use super::account::Account;
use super::room::RoomBudget;
use super::store::{Budget, BudgetStore, Settlement};
use futures::future::{BoxFuture, FutureExt};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Budgets in this process' memory.
#[derive(Debug)]
pub(super) struct Memory {
    room_limit: Option<(u32, Duration)>,
    budgets: Mutex<Budgets>,
}

#[derive(Debug, Default)]
struct Budgets {
    account: Account,
    rooms: HashMap<u64, RoomBudget>,
    /// The number of rooms at which forgettable ones are next removed.
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

    fn take_at_once(&self, budget: Budget, now: Instant) -> Option<Result<(), Duration>> {
        Some(self.lock().take(budget, self.room_limit, now))
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
    /// How many permits of the account and of all rooms are in flight, and how many rooms are remembered.
    pub(super) fn standing(&self) -> (u64, u32, usize) {
        let budgets = self.lock();
        (
            budgets.account.in_flight(),
            budgets.rooms.values().map(RoomBudget::in_flight).sum(),
            budgets.rooms.len(),
        )
    }
}
