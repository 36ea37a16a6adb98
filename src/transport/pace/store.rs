//! Where budgets are kept.

use crate::limits::RateLimit;
use futures::future::BoxFuture;
use std::fmt;
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
