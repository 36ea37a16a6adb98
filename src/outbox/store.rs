//! Stores for an outbox: what they keep, and what they promise.

use crate::store_error::StoreError;
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Keeps the entries of an [`Outbox`](super::Outbox).
///
/// What a store keeps of an entry are a few columns, and two texts that only the outbox reads: the request and its progress.
///
/// ```text
///               claim                change to a closed phase
///   open ────────────────► claimed ────────────────────────────► closed
///    ▲                      │   ▲ │
///    │  release, or the     │   └─┘ renew; change, and keep the claim
///    │  end of the lease    │
///    └──────────────────────┘
/// ```
///
/// A closed entry whose last change has a wait is handed out once more after it. It stays closed, and nothing waits
/// for it.
///
/// Promises of every store:
///
/// - **Durable**: when [`enqueue`](Self::enqueue), [`change`](Self::change) and [`decide`](Self::decide) end with `Ok`, a crash
///   of the process or of the machine loses nothing of it.
/// - **In order**: entries of one lane are handed out by ascending id, and the next one only once the one before is closed. Other
///   lanes do not wait. An entry that [`decide`](Self::decide) opens again comes before the others of its lane, except one that is
///   claimed, or whose claim ran out: its request may be on the way.
/// - **One at a time**: an entry is claimed by one worker. A claim ends with its lease, and each claim of an entry has a
///   higher fence than the one before: a worker whose claim has ended changes nothing.
/// - **Atomic**: each method happens as a whole or not at all, also if its future is dropped.
///
/// A store has a clock of its own; leases and due times are by that clock. The tests in `tests/stores/outbox.rs` of the
/// repository run against any store.
pub trait OutboxStore: fmt::Debug + Send + Sync + 'static {
    /// Adds an entry, unless there is one with this key, open or closed.
    ///
    /// # Errors
    /// It cannot be stored. It may be stored nevertheless; the same key again tells.
    fn enqueue(&self, entry: NewEntry) -> BoxFuture<'_, Result<Enqueued, StoreError>>;

    /// Claims an open entry that is due, is the first of its lane, and is not claimed, or a closed one whose time has come; of
    /// several, the one that is due first. An open entry without a time is due since it was added, also if the clock is set back.
    ///
    /// # Errors
    /// The store cannot be read or written. An entry may be claimed nevertheless, until the lease ends.
    fn claim(&self, lease: Duration) -> BoxFuture<'_, Result<Next, StoreError>>;

    /// Makes a claim end `lease` from now. Returns whether it still held.
    ///
    /// # Errors
    /// The store cannot be written.
    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Changes a claimed entry. With `keep` the claim of an entry that is open now stays, otherwise it ends. Returns whether the claim still
    /// held; if not, nothing is changed.
    ///
    /// # Errors
    /// The store cannot be written. The change may be stored nevertheless.
    fn change<'a>(
        &'a self,
        claim: &'a Claim,
        change: Change,
        keep: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The entry with this key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StoreError>>;

    /// Entries as the [`Filter`] says. A [blanked](Self::blank) entry may be without its key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn list<'a>(&'a self, filter: Filter<'a>) -> BoxFuture<'a, Result<Vec<StoredEntry>, StoreError>>;

    /// Moves an entry to another phase on a person's word, if it is in one of these phases and not claimed. An open one is due at
    /// once, and a closed one is not handed out again. Returns whether it was moved.
    ///
    /// # Errors
    /// The store cannot be written.
    fn decide<'a>(
        &'a self,
        key: &'a str,
        from: &'a [Phase],
        to: Phase,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Removes the request and the progress of entries that were closed at least `age` ago, are not handed out again, and [need no decision](Phase::needs_decision). Their keys are kept, or hashes of
    /// them: [`enqueue`](Self::enqueue), [`get`](Self::get) and [`decide`](Self::decide) find them still. Returns how many there
    /// were.
    ///
    /// # Errors
    /// The store cannot be written.
    fn blank(&self, age: Duration) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Removes entries that were closed at least `age` ago, are not handed out again, and [need no decision](Phase::needs_decision), with their keys: the same key is a new
    /// entry then. Ids are not used again. Returns how many there were.
    ///
    /// # Errors
    /// The store cannot be written.
    fn forget(&self, age: Duration) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// An entry to add.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewEntry {
    /// Unique among all entries.
    pub key: String,
    /// Entries of one lane are sent in order.
    pub lane: String,
    /// The request, as the outbox writes it.
    pub request: String,
    /// When it may be sent at the earliest, by the store's clock; `None` for at once.
    pub not_before: Option<Timestamp>,
}

impl NewEntry {
    /// An entry that may be sent at once.
    pub fn new(key: impl Into<String>, lane: impl Into<String>, request: impl Into<String>) -> Self {
        Self { key: key.into(), lane: lane.into(), request: request.into(), not_before: None }
    }

    /// The same, to be sent at this time at the earliest.
    #[must_use]
    pub fn not_before(self, time: Timestamp) -> Self {
        Self { not_before: Some(time), ..self }
    }
}

/// What became of an entry that was to be added.
#[derive(Clone, Debug)]
pub enum Enqueued {
    /// It is stored.
    New(Box<StoredEntry>),
    /// Its key was there before.
    Known(Box<StoredEntry>),
}

/// An entry, as it is stored.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredEntry {
    /// Ascending in the order in which entries were added.
    pub id: i64,
    /// The key; in a listing it may be empty once the entry is [blanked](OutboxStore::blank).
    pub key: String,
    /// The lane.
    pub lane: String,
    /// The request, as the outbox wrote it; empty once it is [blanked](OutboxStore::blank).
    pub request: String,
    /// Where it stands.
    pub phase: Phase,
    /// The outbox's notes; empty before the first change.
    pub progress: String,
    /// When it may be handed out at the earliest.
    pub not_before: Option<Timestamp>,
}

impl StoredEntry {
    /// An entry as it was added.
    pub fn new(id: i64, entry: NewEntry) -> Self {
        let NewEntry { key, lane, request, not_before } = entry;
        Self { id, key, lane, request, phase: Phase::Waiting, progress: String::new(), not_before }
    }
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Open: it was not sent, or is certainly not done.
    Waiting,
    /// Open: its bytes may have left. Only an answer, its key or a look tells whether it is done.
    Sending,
    /// Closed: it is done.
    Sent,
    /// Closed: it is done, and was done twice. The service carried out an earlier request after it had been looked for.
    Doubled,
    /// Closed: the service refused it.
    Rejected,
    /// Closed: it may be done, and nothing can tell any more. A person decides.
    Uncertain,
    /// Closed: a person gave it up.
    Discarded,
}

impl Phase {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Waiting,
        Self::Sending,
        Self::Sent,
        Self::Doubled,
        Self::Rejected,
        Self::Uncertain,
        Self::Discarded,
    ];

    /// Whether there is more to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Sending)
    }

    /// Whether a person has to look: the entry and its texts are kept until then.
    pub fn needs_decision(self) -> bool {
        matches!(self, Self::Uncertain | Self::Doubled)
    }

    /// Its name, as a store may write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Doubled => "doubled",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
            Self::Discarded => "discarded",
        }
    }

    /// The phase with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|phase| phase.name() == name)
    }
}

/// The right to change an entry, until its lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The entry.
    pub id: i64,
    /// Higher than that of any earlier claim of the entry.
    pub fence: i64,
}

/// What there is to do.
#[derive(Clone, Debug)]
pub enum Next {
    /// This entry, which is claimed now.
    Entry(Box<StoredEntry>, Claim),
    /// Nothing at present. After this time a lease ends or an entry is due; `None` if there is nothing left to do.
    Wait(Option<Duration>),
}

/// How a claimed entry changes.
#[derive(Clone)]
#[non_exhaustive]
pub struct Change {
    /// Where it stands now.
    pub phase: Phase,
    /// The outbox's notes.
    pub progress: String,
    /// How long, by the store's clock, until it may be handed out again; `None` for at once, or for never if it is closed.
    pub wait: Option<Duration>,
}

impl Change {
    /// A change after which an open entry may be handed out at once.
    pub fn new(phase: Phase, progress: impl Into<String>) -> Self {
        Self { phase, progress: progress.into(), wait: None }
    }

    /// The same, and the entry is handed out again after this time.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }
}

/// Which entries are listed.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Filter<'a> {
    /// Those of this lane.
    pub lane: Option<&'a str>,
    /// Those in this phase.
    pub phase: Option<Phase>,
    /// Those with a higher id; with `newest`, those with a lower one, unless it is 0.
    pub after: i64,
    /// The newest first, by descending id.
    pub newest: bool,
    /// At most so many.
    pub limit: usize,
}

impl<'a> Filter<'a> {
    /// The oldest entries, at most so many.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Those of this lane.
    #[must_use]
    pub fn lane(self, lane: &'a str) -> Self {
        Self { lane: Some(lane), ..self }
    }

    /// Those in this phase.
    #[must_use]
    pub fn phase(self, phase: impl Into<Option<Phase>>) -> Self {
        Self { phase: phase.into(), ..self }
    }

    /// Those beyond this id.
    #[must_use]
    pub fn after(self, id: i64) -> Self {
        Self { after: id, ..self }
    }

    /// The newest first.
    #[must_use]
    pub fn newest(self) -> Self {
        Self { newest: true, ..self }
    }
}

// What people wrote, and what a service answered, is left out.

impl fmt::Debug for NewEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, not_before, .. } = self;
        f.debug_struct("NewEntry").field("lane", lane).field("not_before", not_before).finish_non_exhaustive()
    }
}

impl fmt::Debug for StoredEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, lane, phase, not_before, .. } = self;
        let mut debug = f.debug_struct("StoredEntry");
        debug.field("id", id).field("lane", lane).field("phase", phase).field("not_before", not_before);
        debug.finish_non_exhaustive()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, wait, .. } = self;
        f.debug_struct("Change").field("phase", phase).field("wait", wait).finish_non_exhaustive()
    }
}

impl<S: OutboxStore + ?Sized> OutboxStore for Arc<S> {
    fn enqueue(&self, entry: NewEntry) -> BoxFuture<'_, Result<Enqueued, StoreError>> {
        (**self).enqueue(entry)
    }

    fn claim(&self, lease: Duration) -> BoxFuture<'_, Result<Next, StoreError>> {
        (**self).claim(lease)
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        (**self).renew(claim, lease)
    }

    fn change<'a>(
        &'a self,
        claim: &'a Claim,
        change: Change,
        keep: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        (**self).change(claim, change, keep)
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StoreError>> {
        (**self).get(key)
    }

    fn list<'a>(&'a self, filter: Filter<'a>) -> BoxFuture<'a, Result<Vec<StoredEntry>, StoreError>> {
        (**self).list(filter)
    }

    fn decide<'a>(
        &'a self,
        key: &'a str,
        from: &'a [Phase],
        to: Phase,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        (**self).decide(key, from, to)
    }

    fn blank(&self, age: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        (**self).blank(age)
    }

    fn forget(&self, age: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        (**self).forget(age)
    }
}
