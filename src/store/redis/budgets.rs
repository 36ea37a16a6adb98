//! Budgets in Redis.
//!
//! The script has the rules, and this side the leases of the process:
//!
//! ```text
//!   take ──► a run of the script ──► HELD ──► settle: into the queue ──► the next run, with or without a take
//!                   │                 ▲ │
//!                   │ the server      │ └──► renewed every 3 s, or it ends after 10 s
//!                   │ is down         │
//!                   └──► share.rs ────┘
//! ```
//!
//! Running a settlement twice is the same as once: its lease is gone by then, and what was counted without one is remembered. So a
//! run without an answer puts its settlements back into the queue.

use super::numbers::millis;
use super::request::{Answer, Entry, How, Keys, Request, Settled};
use super::server::{Outage, Server};
use super::share::Share;
use crate::clock::Clock;
use crate::error::Error;
use crate::store_error::StoreError;
use crate::transport::pace::{Budget, BudgetStore, Denied, Lease, MemoryBudgetStore, Settlement};
use futures::future::{BoxFuture, select};
use redis::Script;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("budgets.lua")));

/// After this time without a sign of its process, a permit counts as used.
const LEASE: Duration = Duration::from_secs(10);

/// How often leases are renewed, and how often a server that is down is tried.
const RENEW: Duration = Duration::from_secs(3);
const TRY: Duration = Duration::from_secs(1);

/// A settlement that is older says nothing about now, and so many are more than any budget needs.
const OLD: Duration = Duration::from_secs(10 * 60);
const MANY: usize = 1_000;

/// The budgets of one account in Redis: see [`Redis::budgets`](super::Redis::budgets).
///
/// Permits are taken and given back under the rules of [`MemoryBudgetStore`], for all processes together. A process that is
/// killed gives its permits back within 10 s, as used ones. Clones share their connection and their leases.
#[derive(Clone)]
pub struct RedisBudgets(Arc<Inner>);

struct Inner {
    server: Server,
    prefix: String,
    /// This process and store, by a random number.
    process: String,
    share: Share,
    state: Mutex<State>,
    /// Runs of the script, one after the other, so that they see leases and settlements in order.
    running: tokio::sync::Mutex<()>,
    settled: Arc<Notify>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    held: HashMap<u64, Held>,
    queue: VecDeque<Queued>,
    /// How many processes the server saw last, and when it saw as many or more.
    processes: u32,
    seen_at: Option<Instant>,
}

/// A permit without a settlement yet.
struct Held {
    budget: Budget,
    /// When the server gave it, by the server's clock; `None` if it was taken during an outage.
    taken: Option<i64>,
    /// The permit of this process' own part, in an outage and shortly after it.
    own: Option<Lease>,
}

/// A settlement that the server does not know yet.
struct Queued {
    id: u64,
    budget: Budget,
    taken: Option<i64>,
    at: Instant,
    how: How,
}

impl RedisBudgets {
    pub(super) fn new(server: &Server, prefix: String) -> Self {
        let memory = MemoryBudgetStore::with_clock(Arc::clone(&server.clock));
        Self(Arc::new(Inner {
            server: server.clone(),
            prefix,
            process: uuid::Uuid::new_v4().to_string(),
            share: Share::new(memory),
            state: Mutex::new(State { processes: server.processes, ..State::default() }),
            running: tokio::sync::Mutex::default(),
            settled: Arc::default(),
            keeper: Mutex::default(),
        }))
    }

    /// Tells the server what became of the permits that have come back. At the end of a program this saves the other processes
    /// up to 10 s of waiting for them.
    ///
    /// # Errors
    /// The server cannot be used. The settlements are kept and sent later.
    pub async fn flush(&self) -> Result<(), Error> {
        let _turn = self.0.running.lock().await;
        if self.0.lock().queue.is_empty() {
            return Ok(());
        }
        self.0.run().await.map_err(Error::store)
    }
}

impl fmt::Debug for RedisBudgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("RedisBudgets")
            .field("server", &self.0.server.link.place())
            .field("keys", &self.0.prefix)
            .field("held", &state.held.len())
            .field("processes", &state.processes)
            .finish_non_exhaustive()
    }
}

impl BudgetStore for RedisBudgets {
    fn take(&self, budget: Budget) -> BoxFuture<'_, Result<Lease, Denied>> {
        Box::pin(self.0.take(budget))
    }

    fn settle(&self, lease: Lease, how: Settlement<'_>) {
        self.0.settle(lease, how);
    }

    fn estimate(&self, budget: Budget, ahead: u32) -> Duration {
        self.0.share.estimate(budget, ahead)
    }
}

impl Inner {
    async fn take(self: &Arc<Self>, budget: Budget) -> Result<Lease, Denied> {
        self.keep();
        let id = {
            let mut state = self.lock();
            state.last_id += 1;
            state.last_id
        };
        // Dropped without an answer, or given up without one: the server may have given the permit.
        let mut unsure = Unsure { store: self, id, budget, armed: false };
        let processes = self.lock().processes;
        // In an outage, and until the others have noticed that it is over, their parts of the budgets are theirs.
        let mut own = OwnPart { store: self, lease: None };
        if self.server.outage == Outage::Divide && self.server.link.is_unsettled() {
            own.take(budget, processes)?;
        }
        let answer = {
            let _turn = self.running.lock().await;
            match self.server.link.may_try() {
                Ok(()) => {
                    unsure.armed = true;
                    self.run_now(Some((id, budget))).await
                }
                Err(error) => Err(error),
            }
        };
        let taken = match answer {
            Ok(answer) => {
                unsure.armed = false;
                if let Some(denied) = answer.denied {
                    return Err(denied.into());
                }
                Some(answer.at)
            }
            Err(error) if self.server.outage == Outage::Refuse => return Err(Denied::Unavailable(error)),
            Err(_) => {
                if own.lease.is_none() {
                    own.take(budget, processes)?;
                }
                // The server is told of this permit under the same id.
                unsure.armed = false;
                None
            }
        };
        let own = own.lease.take();
        self.lock().held.insert(id, Held { budget, taken, own });
        Ok(Lease::new(budget, id))
    }

    fn settle(&self, lease: Lease, how: Settlement<'_>) {
        let mut state = self.lock();
        let Some(held) = state.held.remove(&lease.id()) else { return };
        match held.own {
            Some(own) => self.share.settle(own, how, state.processes),
            None => self.share.note(held.budget, how, state.processes),
        }
        let (at, how) = (self.server.clock.now(), How::of(how));
        let queued = Queued { id: lease.id(), budget: held.budget, taken: held.taken, at, how };
        state.enqueue(queued);
        drop(state);
        self.settled.notify_one();
    }

    /// One run of the script: renews what is held, settles what is queued, and takes at most one permit.
    async fn run_now(&self, take: Option<(u64, Budget)>) -> Result<Answer, StoreError> {
        let batch = Batch { store: self, queued: std::mem::take(&mut self.lock().queue).into() };
        let (keys, request) = self.request(&batch.queued, take);
        let answer: String = self.server.link.run(&SCRIPT, &keys, &[&request]).await?;
        let answer: Answer = serde_json::from_str(&answer)
            .map_err(|_| "the Redis server gave an answer that is not the script's")?;
        batch.arrived();
        let settles = self.server.link.is_unsettled();
        self.lock().see(answer.processes, self.server.clock.now(), settles);
        Ok(answer)
    }

    /// A run without a take, if the server may be asked.
    async fn run(&self) -> Result<(), StoreError> {
        self.server.link.may_try()?;
        self.run_now(None).await.map(drop)
    }

    fn request(&self, queued: &[Queued], take: Option<(u64, Budget)>) -> (Vec<String>, String) {
        let now = self.server.clock.now();
        let mut keys = Keys::new(&self.prefix);
        let mut entry = |id: u64, budget: Budget, taken: Option<i64>| Entry {
            id: format!("{}:{id}", self.process),
            taken,
            ..keys.entry(budget)
        };
        let held = self.lock();
        let held = held.held.iter();
        let renew = held.map(|(id, held)| entry(*id, held.budget, held.taken)).collect();
        let settle = queued.iter().map(|queued| Settled {
            entry: entry(queued.id, queued.budget, queued.taken),
            ago: millis(now.saturating_duration_since(queued.at)),
            how: &queued.how,
        });
        let request = Request {
            process: &self.process,
            lease: millis(LEASE),
            now: self.server.replaced.then(|| self.server.clock.wall().as_millisecond()),
            renew,
            settle: settle.collect(),
            take: take.map(|(id, budget)| entry(id, budget, None)),
        };
        (keys.names, serde_json::to_string(&request).expect("numbers and texts are valid JSON"))
    }

    /// Starts the task that renews leases and sends settlements, unless it runs.
    fn keep(self: &Arc<Self>) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        // A task ends with its runtime, and a test may have one after the other.
        if keeper.as_ref().is_none_or(JoinHandle::is_finished) {
            let task = keep(Arc::downgrade(self), Arc::clone(&self.settled), Arc::clone(&self.server.clock));
            *keeper = Some(tokio::spawn(task));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(keeper) = &*self.keeper.lock().unwrap_or_else(PoisonError::into_inner) {
            keeper.abort();
        }
    }
}

/// Renews leases and sends settlements, as long as there is a store.
async fn keep(store: Weak<Inner>, settled: Arc<Notify>, clock: Arc<dyn Clock>) {
    let mut nap = RENEW;
    loop {
        select(pin!(settled.notified()), clock.sleep_elsewhere(nap)).await;
        // A call that waits for a permit takes the settlements along.
        tokio::task::yield_now().await;
        let Some(store) = store.upgrade() else { return };
        let _turn = store.running.lock().await;
        nap = if store.run().await.is_ok() { RENEW } else { TRY };
    }
}

impl State {
    /// The server has seen so many processes. After it has lost its data, or was down, it sees the others only once each has
    /// made a run.
    fn see(&mut self, processes: u32, now: Instant, settles: bool) {
        let lately = self.seen_at.is_some_and(|at| now.saturating_duration_since(at) < LEASE);
        if processes >= self.processes {
            self.seen_at = Some(now);
        } else if settles || lately {
            return;
        }
        self.processes = processes.max(1);
    }

    fn enqueue(&mut self, queued: Queued) {
        while self.queue.front().is_some_and(|first| first.is_old(queued.at)) {
            self.queue.pop_front();
        }
        if self.queue.len() >= MANY {
            // A permit that was not used comes back with its lease.
            let unsent = self.queue.iter().position(|queued| matches!(queued.how, How::Unsent));
            self.queue.remove(unsent.unwrap_or(0));
        }
        self.queue.push_back(queued);
    }
}

impl Queued {
    fn is_old(&self, now: Instant) -> bool {
        let counts = match self.budget {
            Budget::Room { window, .. } => window.max(OLD),
            Budget::Account | Budget::Units { .. } => OLD,
        };
        now.saturating_duration_since(self.at) > counts
    }
}

/// A take without an answer.
struct Unsure<'a> {
    store: &'a Inner,
    id: u64,
    budget: Budget,
    armed: bool,
}

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        if self.armed {
            let at = self.store.server.clock.now();
            let queued =
                Queued { id: self.id, budget: self.budget, taken: Some(i64::MAX), at, how: How::Unsent };
            self.store.lock().enqueue(queued);
            self.store.settled.notify_one();
        }
    }
}

/// A permit of this process' own part, which goes back unless it is used.
struct OwnPart<'a> {
    store: &'a Inner,
    lease: Option<Lease>,
}

impl OwnPart<'_> {
    fn take(&mut self, budget: Budget, processes: u32) -> Result<(), Denied> {
        // The server may be there again before the part is.
        let taken = self.store.share.take(budget, processes);
        self.lease = Some(taken.map_err(|denied| denied.ask_again(TRY))?);
        Ok(())
    }
}

impl Drop for OwnPart<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.store.share.settle(lease, Settlement::Unsent, 1);
        }
    }
}

/// The settlements of one run. Without an answer they go back into the queue.
struct Batch<'a> {
    store: &'a Inner,
    queued: Vec<Queued>,
}

impl Batch<'_> {
    fn arrived(mut self) {
        self.queued.clear();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut state = self.store.lock();
        for queued in self.queued.drain(..).rev() {
            state.queue.push_front(queued);
        }
    }
}
