//! Stores for budgets.

use crate::limits::RateLimit;
use crate::store_error::StoreError;
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a permit is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Budget {
    /// The account's window, as the responses report it.
    Account,
    /// The posts in one room: at most `posts` in any `window`.
    #[non_exhaustive]
    Room {
        /// The room.
        id: u64,
        /// How many posts the window allows.
        posts: u32,
        /// How long the window is.
        window: Duration,
    },
    /// TAS-CHA's monthly units, as the responses report them.
    #[non_exhaustive]
    Units {
        /// How many units the call costs.
        cost: u64,
    },
}

impl Budget {
    /// The posts in the room `id`: at most `posts` in any `window`.
    pub const fn room(id: u64, posts: u32, window: Duration) -> Self {
        Self::Room { id, posts, window }
    }

    /// The monthly units, for a call that costs `cost` of them.
    pub const fn units(cost: u64) -> Self {
        Self::Units { cost }
    }
}

/// One permit, held until it is settled.
///
/// Its id says to the store which permit comes back. A store that several processes share gives each lease an end, and renews
/// it while its process lives, so that a process that is killed takes no permit with it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a lease that is not settled counts until it expires"]
pub struct Lease {
    budget: Budget,
    id: u64,
}

impl Lease {
    /// A permit of `budget`, under an id of the store's own.
    pub const fn new(budget: Budget, id: u64) -> Self {
        Self { budget, id }
    }

    /// What it was taken from.
    pub const fn budget(&self) -> Budget {
        self.budget
    }

    /// The store's id of it.
    pub const fn id(&self) -> u64 {
        self.id
    }
}

/// Why there is no permit.
#[derive(Debug)]
#[non_exhaustive]
pub enum Denied {
    /// There may be one later.
    #[non_exhaustive]
    Wait {
        /// The time until there is one, as far as it is known. A call that has less time left fails at once if this is more
        /// than a second.
        time: Duration,
        /// When to ask again, if that is earlier: another process may give back a permit before.
        again: Duration,
    },
    /// Fewer units are left than the call costs.
    #[non_exhaustive]
    Units {
        /// How many are left.
        remaining: u64,
        /// When the next month's allowance begins.
        reset: Option<Timestamp>,
    },
    /// The store cannot say. The call fails with [`ErrorKind::Store`](crate::ErrorKind::Store), and nothing is sent.
    Unavailable(StoreError),
}

impl Denied {
    /// There may be a permit after `time`.
    pub const fn wait(time: Duration) -> Self {
        Self::Wait { time, again: time }
    }

    /// The same, but the store wants to be asked again after `again`.
    #[must_use]
    pub fn ask_again(self, again: Duration) -> Self {
        match self {
            Self::Wait { time, .. } => Self::Wait { time, again },
            other => other,
        }
    }

    /// Only `remaining` units are left until `reset`.
    pub const fn units(remaining: u64, reset: Option<Timestamp>) -> Self {
        Self::Units { remaining, reset }
    }
}

/// What became of a permit.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Settlement<'a> {
    /// The request was not sent: the permit goes back.
    Unsent,
    /// The request was sent, with the limits that the response reported: an empty [`RateLimit`] if it reported none, and `None`
    /// if no response came.
    Sent(Option<&'a RateLimit>),
    /// The service refused the request because of this budget, which is closed for this time.
    Exhausted(Duration),
}

/// A store for budgets.
///
/// The default, [`MemoryBudgetStore`](crate::MemoryBudgetStore), keeps them in this process. With the feature `redis`,
/// several processes share them. A client calls the methods in this order:
///
/// ```text
///   take ───► Lease ───► settle, exactly once
///     │
///     ├─────► Denied::Wait ───► take again, after `again`
///     └─────► Denied::Units, Denied::Unavailable: the call fails, and nothing is sent
/// ```
///
/// A post takes units first, then a permit of its room, then one of the account; a read takes units and the account's alone.
/// What a store has to keep:
///
/// - **Room**: a post counts from `take` until `window` after it was settled as [`Sent`](Settlement::Sent): the service counts
///   it at some moment in between. [`Unsent`](Settlement::Unsent) gives it back at once. [`Exhausted`](Settlement::Exhausted)
///   closes the room for that time.
/// - **Account**: `Sent` with limits reports what remains of the window, and when it ends. The remainder is the lowest reported
///   one of the window less all permits in flight, since the service may have counted them or not. `Sent(None)` is a request
///   without a response: one less, and no sign of the limits. After the end of the window the whole limit is there again. `Exhausted` closes the account.
///   Before the first response nothing is known, so only one call a second should pass until there is one.
/// - **Units**: as the account, but too few are [`Denied::Units`], since no wait helps.
///
/// A store has a clock of its own: no time of this process means anything to another. The tests in `tests/stores/budgets.rs` of
/// the repository run against any store. `BoxFuture` is that of the crate `futures`.
pub trait BudgetStore: fmt::Debug + Send + Sync + 'static {
    /// Takes one permit.
    ///
    /// The future is dropped if its call ends first, by its deadline or because the caller gave up. No lease is settled then:
    /// a permit that was taken nevertheless must come back by itself.
    fn take(&self, budget: Budget) -> BoxFuture<'_, Result<Lease, Denied>>;

    /// The same for a store that never waits, without a future; `None` from all others. A permit that it takes counts as
    /// taken.
    #[doc(hidden)]
    fn take_at_once(&self, budget: Budget) -> Option<Result<Lease, Denied>> {
        let _ = budget;
        None
    }

    /// Takes a permit back. It must not block: a store behind a network sends it later, before the next permit is taken on
    /// the same connection.
    fn settle(&self, lease: Lease, how: Settlement<'_>);

    /// The estimated wait of a caller behind `ahead` others, for the text of an error. It must not block.
    fn estimate(&self, budget: Budget, ahead: u32) -> Duration {
        let _ = (budget, ahead);
        Duration::ZERO
    }
}

impl<S: BudgetStore + ?Sized> BudgetStore for Arc<S> {
    fn take(&self, budget: Budget) -> BoxFuture<'_, Result<Lease, Denied>> {
        (**self).take(budget)
    }

    fn take_at_once(&self, budget: Budget) -> Option<Result<Lease, Denied>> {
        (**self).take_at_once(budget)
    }

    fn settle(&self, lease: Lease, how: Settlement<'_>) {
        (**self).settle(lease, how);
    }

    fn estimate(&self, budget: Budget, ahead: u32) -> Duration {
        (**self).estimate(budget, ahead)
    }
}
