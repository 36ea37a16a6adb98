//! Budgets in memory.

use super::account::Account;
use super::room::RoomBudget;
use super::store::{Budget, BudgetStore, Denied, Lease, Settlement};
use super::units::MonthlyUnits;
use crate::clock::{Clock, SystemClock};
use futures::future::{BoxFuture, FutureExt};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Budgets in this process' memory, which is what a client uses by itself.
///
/// Clones share their budgets: give one to each client of the same account, so that they keep its limits together.
///
/// ```
/// # #[cfg(feature = "chatwork")]
/// # fn example() -> Result<(), kaiwa::Error> {
/// use kaiwa::{MemoryBudgetStore, Pace, chatwork};
///
/// let budgets = MemoryBudgetStore::new();
/// let reader = chatwork::Client::builder().api_token("…").pace(Pace::new().store(budgets.clone())).build()?;
/// let writer = chatwork::Client::builder().api_token("…").pace(Pace::new().store(budgets)).build()?;
/// # let _ = (reader, writer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryBudgetStore {
    clock: Arc<dyn Clock>,
    budgets: Arc<Mutex<Budgets>>,
}

#[derive(Debug, Default)]
struct Budgets {
    account: Account,
    units: MonthlyUnits,
    rooms: HashMap<u64, RoomBudget>,
    /// The number of rooms at which forgettable ones are next removed.
    sweep_at: usize,
    last_id: u64,
}

impl Budgets {
    fn take(&mut self, budget: Budget, clock: &dyn Clock) -> Result<Lease, Denied> {
        let now = clock.now();
        match budget {
            Budget::Account => self.account.take(now).map_err(Denied::wait)?,
            Budget::Room { id, posts, .. } => self.room(id, now).take(posts, now).map_err(Denied::wait)?,
            Budget::Units { cost } => self.units.take(cost, now, clock.wall())?,
        }
        self.last_id += 1;
        Ok(Lease::new(budget, self.last_id))
    }

    /// A room; those that say nothing any more are forgotten from time to time.
    fn room(&mut self, id: u64, now: Instant) -> &mut RoomBudget {
        if self.rooms.len() >= self.sweep_at {
            self.rooms.retain(|_, room| !room.is_forgettable(now));
            self.sweep_at = (self.rooms.len() * 2).max(64);
        }
        self.rooms.entry(id).or_default()
    }

    fn settle(&mut self, budget: Budget, how: Settlement<'_>, now: Instant) {
        match budget {
            Budget::Account => self.account.settle(how, now),
            Budget::Room { id, window, .. } => self.rooms.entry(id).or_default().settle(how, window, now),
            Budget::Units { cost } => self.units.settle(cost, how, now),
        }
    }
}

impl MemoryBudgetStore {
    /// Budgets on the system's clock, of which nothing is known yet.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// Budgets on this clock, for tests. It should be that of the clients.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let budgets = Budgets { sweep_at: 64, ..Budgets::default() };
        Self { clock, budgets: Arc::new(Mutex::new(budgets)) }
    }

    /// Counts a permit that another store gave, and that has come back.
    #[cfg(feature = "redis")]
    pub(crate) fn note(&self, budget: Budget, how: Settlement<'_>) {
        let now = self.clock.now();
        let mut budgets = self.lock();
        match budget {
            Budget::Account => budgets.account.begin(),
            Budget::Room { id, .. } => budgets.room(id, now).begin(now),
            Budget::Units { cost } => budgets.units.begin(cost),
        }
        budgets.settle(budget, how, now);
    }

    fn lock(&self) -> MutexGuard<'_, Budgets> {
        // Nothing panics while the lock is held, and the state is valid between any two statements.
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryBudgetStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBudgetStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBudgetStore").field("rooms", &self.lock().rooms.len()).finish_non_exhaustive()
    }
}

impl BudgetStore for MemoryBudgetStore {
    fn take(&self, budget: Budget) -> BoxFuture<'_, Result<Lease, Denied>> {
        // Nothing is taken before the future is polled: it can be dropped unpolled.
        async move { self.lock().take(budget, &*self.clock) }.boxed()
    }

    fn take_at_once(&self, budget: Budget) -> Option<Result<Lease, Denied>> {
        Some(self.lock().take(budget, &*self.clock))
    }

    fn settle(&self, lease: Lease, how: Settlement<'_>) {
        let now = self.clock.now();
        self.lock().settle(lease.budget(), how, now);
    }

    fn estimate(&self, budget: Budget, ahead: u32) -> Duration {
        let now = self.clock.now();
        let budgets = self.lock();
        match budget {
            Budget::Account => budgets.account.estimate(now),
            Budget::Room { id, posts, window } => budgets
                .rooms
                .get(&id)
                .map_or(Duration::ZERO, |room| room.estimate((posts, window), ahead, now)),
            Budget::Units { .. } => Duration::ZERO,
        }
    }
}

#[cfg(test)]
impl MemoryBudgetStore {
    /// How many permits of the account and of all rooms are in flight, and how many rooms are remembered.
    pub(super) fn standing(&self) -> (u64, u32, usize) {
        let budgets = self.lock();
        (
            budgets.account.in_flight(),
            budgets.rooms.values().map(RoomBudget::in_flight).sum(),
            budgets.rooms.len(),
        )
    }

    /// How many units are in flight.
    pub(super) fn units(&self) -> u64 {
        self.lock().units.in_flight()
    }
}
