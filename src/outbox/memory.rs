//! An outbox in memory, for tests.

use super::entry::{Change, Claim, Commit, Enqueued, Filter, NewEntry, Next, Note, Phase, StoredEntry};
use super::store::OutboxStore;
use crate::clock::{Clock, SystemClock, later_on_the_wall};
use crate::store_error::StoreError;
use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An outbox that is lost with its process: for tests of a program, and for messages that may be lost. Clones share it.
#[derive(Clone)]
pub struct MemoryOutboxStore {
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    rows: BTreeMap<i64, Row>,
    /// The highest id so far, also of what was removed.
    last: i64,
    /// The texts of notes, and until when they are kept.
    notes: HashMap<String, (String, Option<Timestamp>)>,
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
        Self { clock, kept: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn enqueue(&mut self, entry: NewEntry, now: Timestamp) -> Enqueued {
        if let Some(known) = self.rows.values().find(|row| row.entry.key == entry.key) {
            return Enqueued::Known(Box::new(known.entry.clone()));
        }
        self.last += 1;
        let entry = StoredEntry::new(self.last, entry);
        let added = Box::new(entry.clone());
        self.rows.insert(
            self.last,
            Row { entry, fence: 0, created_at: now, claimed_until: None, closed_at: None },
        );
        Enqueued::New(added)
    }

    fn claim(&mut self, queue: &str, lease: Duration, now: Timestamp) -> Next {
        let rows = &mut self.rows;
        let of_queue = |(_, row): &(&i64, &Row)| row.entry.queue == queue;
        let mut first = HashMap::new();
        for (id, row) in rows.iter().filter(of_queue).filter(|(_, row)| row.entry.phase.is_open()) {
            let first = first.entry(row.entry.lane.clone()).or_insert(*id);
            // At most one of a lane is claimed; what was opened again waits for it.
            if row.claimed_until.is_some() {
                *first = *id;
            }
        }
        let again = rows.iter().filter(of_queue);
        let again = again.filter(|(_, row)| !row.entry.phase.is_open() && row.held_until().is_some());
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

    /// The row of a claim that holds.
    fn claimed(&mut self, claim: &Claim, now: Timestamp) -> Option<&mut Row> {
        self.rows.get_mut(&claim.id).filter(|row| row.is_held(claim, now))
    }

    fn change(&mut self, claim: &Claim, change: Change, keep: bool, now: Timestamp) -> bool {
        let Some(row) = self.claimed(claim, now) else { return false };
        row.entry.phase = change.phase;
        row.entry.progress = change.progress;
        row.entry.not_before = change.wait.map(|wait| later_on_the_wall(now, wait));
        row.claimed_until = row.claimed_until.filter(|_| keep && change.phase.is_open());
        row.closed_at = (!change.phase.is_open()).then_some(now);
        true
    }

    fn commit(&mut self, commit: Commit, now: Timestamp) -> bool {
        let Commit { change, notes, entries } = commit;
        if change.is_some_and(|(claim, change)| !self.change(&claim, change, false, now)) {
            return false;
        }
        for Note { key, text, keep } in notes {
            match text {
                Some(text) => {
                    let until = keep.map(|time| later_on_the_wall(now, time));
                    self.notes.insert(key, (text, until));
                }
                None => drop(self.notes.remove(&key)),
            }
        }
        for entry in entries {
            self.enqueue(entry, now);
        }
        true
    }
}

impl Default for MemoryOutboxStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryOutboxStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryOutboxStore").field("entries", &self.lock().rows.len()).finish_non_exhaustive()
    }
}

// Nothing happens before a future is polled, so that it can be dropped unpolled.
impl OutboxStore for MemoryOutboxStore {
    fn enqueue(&self, entry: NewEntry) -> BoxFuture<'_, Result<Enqueued, StoreError>> {
        async move { Ok(self.lock().enqueue(entry, self.clock.wall())) }.boxed()
    }

    fn claim<'a>(&'a self, queue: &'a str, lease: Duration) -> BoxFuture<'a, Result<Next, StoreError>> {
        async move { Ok(self.lock().claim(queue, lease, self.clock.wall())) }.boxed()
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            let now = self.clock.wall();
            let mut kept = self.lock();
            let row = kept.claimed(claim, now);
            Ok(row.map(|row| row.claimed_until = Some(later_on_the_wall(now, lease))).is_some())
        }
        .boxed()
    }

    fn change<'a>(
        &'a self,
        claim: &'a Claim,
        change: Change,
        keep: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move { Ok(self.lock().change(claim, change, keep, self.clock.wall())) }.boxed()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<bool, StoreError>> {
        async move { Ok(self.lock().commit(commit, self.clock.wall())) }.boxed()
    }

    fn note<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        async move {
            let now = self.clock.wall();
            let kept = self.lock();
            let note = kept.notes.get(key).filter(|(_, until)| until.is_none_or(|until| until > now));
            Ok(note.map(|(text, _)| text.clone()))
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StoreError>> {
        async move {
            let kept = self.lock();
            let row = kept.rows.values().find(|row| row.entry.key == key);
            Ok(row.map(|row| row.entry.clone()))
        }
        .boxed()
    }

    fn list<'a>(&'a self, filter: Filter<'a>) -> BoxFuture<'a, Result<Vec<StoredEntry>, StoreError>> {
        async move {
            let kept = self.lock();
            let fits = |entry: &&StoredEntry| {
                entry.queue == filter.queue
                    && filter.lane.is_none_or(|lane| entry.lane == lane)
                    && filter.phase.is_none_or(|phase| entry.phase == phase)
                    && (filter.after == 0
                        || (entry.id < filter.after) == filter.newest && entry.id != filter.after)
            };
            let entries = kept.rows.values().map(|row| &row.entry);
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
            let mut kept = self.lock();
            let row = kept.rows.values_mut().find(|row| row.entry.key == key);
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

    fn blank<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        async move {
            let now = self.clock.wall();
            let mut count = 0;
            let mut kept = self.lock();
            let of_queue = kept.rows.values_mut().filter(|row| row.entry.queue == queue);
            for row in of_queue.filter(|row| row.is_closed_for(age, now)) {
                count += u64::from(!row.entry.request.is_empty());
                row.entry.request.clear();
                row.entry.progress.clear();
            }
            Ok(count)
        }
        .boxed()
    }

    fn forget<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        async move {
            let now = self.clock.wall();
            let mut kept = self.lock();
            let before = kept.rows.len();
            kept.rows.retain(|_, row| row.entry.queue != queue || !row.is_closed_for(age, now));
            kept.notes.retain(|_, (_, until)| until.is_none_or(|until| until > now));
            Ok((before - kept.rows.len()) as u64)
        }
        .boxed()
    }
}
