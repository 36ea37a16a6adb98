//! Stores for budgets.

use crate::limits::RateLimit;
use futures::future::BoxFuture;
use std::fmt;
use std::time::{Duration, Instant};

/// The budget that a permit is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Budget {
    /// The account's window.
    Account,
    /// The posts in a room, by its id.
    Room(u64),
}

/// The result of a permit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Settlement {
    /// The request was not sent: the permit goes back.
    Unsent,
    /// The request was sent, with the limits that the response reported, if any.
    Sent(Option<RateLimit>),
    /// The service refused the request because of this budget, which is closed for this time.
    Exhausted(Duration),
}

/// A store for budgets. The default keeps them in memory, shared by the clones of a client.
pub trait BudgetStore: fmt::Debug + Send + Sync + 'static {
    /// Takes one permit, or returns the time until the next attempt.
    ///
    /// The future is dropped if its call ends first, by its deadline or because the caller gave up. Then it should take no
    /// permit, and none is settled.
    fn take(&self, budget: Budget, now: Instant) -> BoxFuture<'_, Result<(), Duration>>;

    /// The same for a store that never waits, without a future; `None` from all others. A permit that it takes counts as taken.
    #[doc(hidden)]
    fn take_at_once(&self, budget: Budget, now: Instant) -> Option<Result<(), Duration>> {
        let _ = (budget, now);
        None
    }

    /// Reports the result of a permit. It is called exactly once for each permit, and must not block.
    fn settle(&self, budget: Budget, how: Settlement, now: Instant);

    /// The estimated wait of a caller behind `ahead` others. It must not block.
    fn estimate(&self, budget: Budget, ahead: u32, now: Instant) -> Duration;
}
