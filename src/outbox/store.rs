//! Stores for an outbox: what they promise.

use super::entry::{Change, Claim, Commit, Enqueued, Filter, NewEntry, Next, Phase, StoredEntry};
use crate::store_error::StoreError;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Keeps the entries of an [`Outbox`](super::Outbox), and those of a [durable bot](crate::bot).
///
/// What a store keeps of an entry are a few columns, and two texts that only their owner reads: the request and its progress.
/// Entries stand in queues: the outbox works on the one with the name [`OUTBOX`](super::OUTBOX), and each kind of bot on one of its own. In addition,
/// a store keeps notes: texts with a key and perhaps a time at which they are forgotten, such as what a bot knows of a conversation.
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
/// - **Durable**: when [`enqueue`](Self::enqueue), [`change`](Self::change), [`commit`](Self::commit) and
///   [`decide`](Self::decide) end with `Ok`, a crash of the process or of the machine loses nothing of it.
/// - **In order**: entries of one lane, which is of one queue, are handed out by ascending id, and the next one only once the one before is closed. Other
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

    /// Claims an entry of this queue: an open one that is due, is the first of its lane, and is not claimed, or a closed one whose
    /// time has come; of several, the one that is due first. An open entry without a time is due since it was added, also if the clock is set back.
    ///
    /// # Errors
    /// The store cannot be read or written. An entry may be claimed nevertheless, until the lease ends.
    fn claim<'a>(&'a self, queue: &'a str, lease: Duration) -> BoxFuture<'a, Result<Next, StoreError>>;

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

    /// Changes a claimed entry, writes notes and adds entries: all of it, or nothing. An entry whose key is known is left as it is.
    /// Returns whether the claim, if one is given, still held; if not, nothing happens.
    ///
    /// # Errors
    /// The store cannot be written. All of it may be stored nevertheless.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// The text of the note with this key, unless its time is over.
    ///
    /// # Errors
    /// The store cannot be read.
    fn note<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>>;

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

    /// Removes the request and the progress of entries of this queue that were closed at least `age` ago, are not handed out again, and [need no decision](Phase::needs_decision). Their keys are kept, or hashes of
    /// them: [`enqueue`](Self::enqueue), [`get`](Self::get) and [`decide`](Self::decide) find them still. Returns how many there
    /// were.
    ///
    /// # Errors
    /// The store cannot be written.
    fn blank<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Removes entries of this queue that were closed at least `age` ago, are not handed out again, and [need no decision](Phase::needs_decision), with their keys: the same key is a new
    /// entry then. Ids are not used again. Returns how many there were. Notes whose time is over are removed too.
    ///
    /// # Errors
    /// The store cannot be written.
    fn forget<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>>;
}

impl<S: OutboxStore + ?Sized> OutboxStore for Arc<S> {
    fn enqueue(&self, entry: NewEntry) -> BoxFuture<'_, Result<Enqueued, StoreError>> {
        (**self).enqueue(entry)
    }

    fn claim<'a>(&'a self, queue: &'a str, lease: Duration) -> BoxFuture<'a, Result<Next, StoreError>> {
        (**self).claim(queue, lease)
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

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<bool, StoreError>> {
        (**self).commit(commit)
    }

    fn note<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        (**self).note(key)
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

    fn blank<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        (**self).blank(queue, age)
    }

    fn forget<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        (**self).forget(queue, age)
    }
}
