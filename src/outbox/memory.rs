//! An outbox in memory, for tests.

use super::store::{Change, Claim, Enqueued, Filter, NewEntry, Next, OutboxStore, Phase, StoredEntry};
use crate::clock::{Clock, SystemClock, later_on_the_wall};
use crate::store_error::StoreError;
use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An outbox that is lost with its process: for tests of a program, and for messages that may be lost. Clones share it.
#[derive(Clone)]
pub struct MemoryOutboxStore {
    clock: Arc<dyn Clock>,
    rows: Arc<Mutex<BTreeMap<i64, Row>>>,
    /// The highest id so far, also of what was removed.
    last: Arc<AtomicI64>,
}

struct Row {
    entry: StoredEntry,
    fence: i64,
    created_at: Timestamp,
    claimed_until: Option<Timestamp>,
    closed_at: Option<Timestamp>,
}

impl Row {
    /// Until when it may not be handed out, even if nothing is before it.
    fn held_until(&self) -> Option<Timestamp> {
        self.claimed_until.max(self.entry.not_before)
    }

    /// Since when it is due, if nothing is before it.
    fn due_at(&self) -> Timestamp {
        self.held_until().unwrap_or(self.created_at)
    }

    /// Whether it was closed at least so long ago, and nothing more is to be done about it.
    fn is_closed_for(&self, age: Duration, now: Timestamp) -> bool {
        self.held_until().is_none()
            && !self.entry.phase.needs_decision()
            && self.closed_at.is_some_and(|closed| later_on_the_wall(closed, age) <= now)
    }

    fn is_held(&self, claim: &Claim, now: Timestamp) -> bool {
        self.fence == claim.fence && self.claimed_until.is_some_and(|until| until > now)
    }
}

impl MemoryOutboxStore {
    /// An empty outbox on the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty outbox on this clock, for tests. It should be that of the clients.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rows: Arc::default(), last: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue_now(&self, entry: NewEntry) -> Enqueued {
        let mut rows = self.lock();
        if let Some(known) = rows.values().find(|row| row.entry.key == entry.key) {
            return Enqueued::Known(Box::new(known.entry.clone()));
        }
        let created_at = self.clock.wall();
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = StoredEntry::new(id, entry);
        let added = Box::new(entry.clone());
        rows.insert(id, Row { entry, fence: 0, created_at, claimed_until: None, closed_at: None });
        Enqueued::New(added)
    }

    fn claim_now(&self, lease: Duration) -> Next {
        let now = self.clock.wall();
        let mut rows = self.lock();
        let mut first = HashMap::new();
        for (id, row) in rows.iter().filter(|(_, row)| row.entry.phase.is_open()) {
            let first = first.entry(row.entry.lane.clone()).or_insert(*id);
            // At most one of a lane is claimed; what was opened again waits for it.
            if row.claimed_until.is_some() {
                *first = *id;
            }
        }
        let again = rows.iter().filter(|(_, row)| !row.entry.phase.is_open() && row.held_until().is_some());
        let candidates = first.into_values().chain(again.map(|(id, _)| *id));
        // What is due at once does not wait for a clock that was set back.
        let next = candidates.min_by_key(|id| (rows[id].held_until() > Some(now), rows[id].due_at(), *id));
        match next.and_then(|id| rows.get_mut(&id)) {
            None => Next::Wait(None),
            Some(row) if row.held_until() > Some(now) => {
                Next::Wait(Some(Duration::try_from(row.due_at().duration_since(now)).unwrap_or_default()))
            }
            Some(row) => {
                row.fence += 1;
                row.claimed_until = Some(later_on_the_wall(now, lease));
                let claim = Claim { id: row.entry.id, fence: row.fence };
                Next::Entry(Box::new(row.entry.clone()), claim)
            }
        }
    }

    /// The result of `work` on a claimed row; `false` if the claim has ended.
    fn claimed(&self, claim: &Claim, work: impl FnOnce(&mut Row, Timestamp)) -> bool {
        let now = self.clock.wall();
        let mut rows = self.lock();
        match rows.get_mut(&claim.id).filter(|row| row.is_held(claim, now)) {
            Some(row) => {
                work(row, now);
                true
            }
            None => false,
        }
    }
}

impl Default for MemoryOutboxStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryOutboxStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryOutboxStore").field("entries", &self.lock().len()).finish_non_exhaustive()
    }
}

// Nothing happens before a future is polled, so that it can be dropped unpolled.
impl OutboxStore for MemoryOutboxStore {
    fn enqueue(&self, entry: NewEntry) -> BoxFuture<'_, Result<Enqueued, StoreError>> {
        async move { Ok(self.enqueue_now(entry)) }.boxed()
    }

    fn claim(&self, lease: Duration) -> BoxFuture<'_, Result<Next, StoreError>> {
        async move { Ok(self.claim_now(lease)) }.boxed()
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move { Ok(self.claimed(claim, |row, now| row.claimed_until = Some(later_on_the_wall(now, lease)))) }.boxed()
    }

    fn change<'a>(
        &'a self,
        claim: &'a Claim,
        change: Change,
        keep: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            Ok(self.claimed(claim, |row, now| {
                let Change { phase, progress, wait } = change;
                let not_before = wait.map(|wait| later_on_the_wall(now, wait));
                row.entry = StoredEntry { phase, progress, not_before, ..row.entry.clone() };
                row.claimed_until = row.claimed_until.filter(|_| keep && phase.is_open());
                row.closed_at = (!phase.is_open()).then_some(now);
            }))
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StoreError>> {
        async move { Ok(self.lock().values().find(|row| row.entry.key == key).map(|row| row.entry.clone())) }
            .boxed()
    }

    fn list<'a>(&'a self, filter: Filter<'a>) -> BoxFuture<'a, Result<Vec<StoredEntry>, StoreError>> {
        async move {
            let rows = self.lock();
            let fits = |entry: &&StoredEntry| {
                filter.lane.is_none_or(|lane| entry.lane == lane)
                    && filter.phase.is_none_or(|phase| entry.phase == phase)
                    && (filter.after == 0
                        || (entry.id < filter.after) == filter.newest && entry.id != filter.after)
            };
            let entries = rows.values().map(|row| &row.entry);
            Ok(match filter.newest {
                true => entries.rev().filter(fits).take(filter.limit).cloned().collect(),
                false => entries.filter(fits).take(filter.limit).cloned().collect(),
            })
        }
        .boxed()
    }

    fn decide<'a>(
        &'a self,
        key: &'a str,
        from: &'a [Phase],
        to: Phase,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            let now = self.clock.wall();
            let mut rows = self.lock();
            let row = rows.values_mut().find(|row| row.entry.key == key);
            let free = |row: &&mut Row| {
                from.contains(&row.entry.phase) && row.claimed_until.is_none_or(|until| until <= now)
            };
            let Some(row) = row.filter(free) else { return Ok(false) };
            row.entry.phase = to;
            row.entry.not_before = None;
            row.claimed_until = None;
            row.closed_at = (!to.is_open()).then_some(now);
            Ok(true)
        }
        .boxed()
    }

    fn blank(&self, age: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
            let now = self.clock.wall();
            let mut count = 0;
            for row in self.lock().values_mut().filter(|row| row.is_closed_for(age, now)) {
                count += u64::from(!row.entry.request.is_empty());
                row.entry.request.clear();
                row.entry.progress.clear();
            }
            Ok(count)
        }
        .boxed()
    }

    fn forget(&self, age: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
            let now = self.clock.wall();
            let mut rows = self.lock();
            let before = rows.len();
            rows.retain(|_, row| !row.is_closed_for(age, now));
            Ok((before - rows.len()) as u64)
        }
        .boxed()
    }
}
