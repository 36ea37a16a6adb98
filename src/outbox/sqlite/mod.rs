//! An outbox in a SQLite file.

mod queries;

use super::entry::{Change, Claim, Commit, Enqueued, Filter, NewEntry, Next, Phase, StoredEntry};
use super::store::OutboxStore;
use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::sqlite::{Access, Aside, Content, Failure, Schema, SqliteFile};
use crate::store_error::StoreError;
use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use queries::{Queries, Selection};
use rusqlite::Connection;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An outbox in a SQLite file, which several processes of one machine may open. Clones share one connection.
///
/// What was added, changed or decided is on the disk: the file has a write-ahead log, which is synced before a call ends. Calls that wait at
/// the same time are synced together. Claims are not synced: after a crash of the machine no process works any more. All of it happens on a thread of the store's own, so that a slow disk holds up no task but
/// those that wait for the store. A future that is dropped does its work as a whole or not at all; an entry that it claimed is
/// given back. The last clone waits for the thread when it is dropped, half a second at most.
///
/// # The file
///
/// Only its owner may read it (mode 0600), from before anything is in it, and the files `-wal` and `-shm` beside it. The store
/// refuses a symbolic link, a file that others may read, a file with a second name, a folder in which every user may write, and,
/// as far as Linux tells, a network file system: SQLite's locks do not hold there. It does not look at the folders above.
///
/// SQLite before 3.51.3 can, very rarely, damage a file that several processes write
/// ([its account](https://sqlite.org/wal.html#walresetbug)); the store warns when it is opened on one. The feature `sqlite-bundled`
/// compiles the version that comes with `rusqlite`, of which 0.32 to 0.43 are allowed, so that the crate fits beside others that
/// use SQLite.
///
/// Its folder has to exist. To move the file or make a copy, end all programs that have it open, or use `sqlite3 FILE ".backup COPY"`. A file that is
/// moved, removed or replaced while it is open is refused from then on, because what is written to it would be lost.
///
/// A person can look into it while programs work with it:
///
/// ```sh
/// sqlite3 outbox.sqlite "SELECT id, queue, key, lane, phase, progress FROM entries WHERE phase = 'uncertain'"
/// ```
///
/// Blanked entries keep a salted hash of their keys (the first half of SHA-256). Their texts, and those of removed notes, are
/// overwritten in the file and its log; what a replaced note said is in the log until the next time that something is blanked or
/// removed. Copies, and blocks that a file system or a disk keeps, are beyond the store. Nothing is encrypted.
///
/// # Failures
///
/// A full disk, a lock that another process holds for more than 5 s, a damaged file: the error says what happened and what to
/// do, and names nothing that is stored. What earlier calls stored stays. The next call tries again.
///
/// ```no_run
/// # async fn example() -> Result<(), kaiwa::StoreError> {
/// use kaiwa::outbox::SqliteOutboxStore;
///
/// let store = SqliteOutboxStore::open("/var/lib/bot/outbox.sqlite").await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteOutboxStore {
    file: SqliteFile<Entries>,
    clock: Arc<dyn Clock>,
}

/// What is in the file.
struct Entries;

impl Content for Entries {
    const NAME: &'static str = "outbox";
    /// The mark is "kaiw".
    const SCHEMA: Schema = Schema { application: 0x6b61_6977, steps: &[include_str!("schema_1.sql")] };
    type Queries<'c> = Queries<'c>;

    fn queries(connection: &Connection) -> Result<Queries<'_>, Failure> {
        Queries::new(connection)
    }
}

impl SqliteOutboxStore {
    /// Opens the file, or creates it in a folder that exists. A file of an earlier version is brought to this version.
    ///
    /// # Errors
    /// It cannot be opened, is of a newer version, is something else, or is in a place where it would not be safe.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self { file: SqliteFile::open(path.into()).await?, clock: Arc::new(SystemClock) })
    }

    /// The same outbox on this clock, for tests. It should be that of the clients, and of all processes that open the file.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The result of `work` in a transaction. It is given the time at which it runs.
    async fn run<T: Send + 'static>(
        &self,
        access: Access,
        work: impl Fn(&mut Queries<'_>, Timestamp) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_and(access, work, |value| value).await
    }

    /// As [`run`](Self::run), with what `finish` makes of it once it is stored.
    async fn run_and<T: Send + 'static, R: Send + 'static>(
        &self,
        access: Access,
        work: impl Fn(&mut Queries<'_>, Timestamp) -> Result<T, Failure> + Send + 'static,
        finish: impl FnOnce(T) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let clock = Arc::clone(&self.clock);
        self.file.run(access, move |queries| work(queries, clock.wall()), finish).await
    }
}

impl fmt::Debug for SqliteOutboxStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOutboxStore").field("path", &self.file).finish_non_exhaustive()
    }
}

/// An entry on its way to the caller. If the caller has gone, the claim is given back.
struct Handed {
    next: Option<Next>,
    aside: Aside<Entries>,
}

impl Handed {
    fn take(mut self) -> Next {
        self.next.take().unwrap_or(Next::Wait(None))
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(Next::Entry(_, claim)) = self.next.take() {
            // If it is not given back, the claim ends with its lease.
            self.aside.put(move |queries| queries.release(&claim));
        }
    }
}

// Nothing happens before a future is polled, so that it can be dropped unpolled.
impl OutboxStore for SqliteOutboxStore {
    fn enqueue(&self, entry: NewEntry) -> BoxFuture<'_, Result<Enqueued, StoreError>> {
        self.run(Access::Write, move |queries, now| queries.enqueue(&entry, now)).boxed()
    }

    fn claim<'a>(&'a self, queue: &'a str, lease: Duration) -> BoxFuture<'a, Result<Next, StoreError>> {
        async move {
            let (queue, aside) = (queue.to_owned(), self.file.aside());
            let work = move |queries: &mut Queries<'_>, now| queries.claim(&queue, lease, now);
            let finish = |next| Handed { next: Some(next), aside };
            Ok(self.run_and(Access::Lease, work, finish).await?.take())
        }
        .boxed()
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        let claim = claim.clone();
        self.run(Access::Lease, move |queries, now| queries.renew(&claim, lease, now)).boxed()
    }

    fn change<'a>(
        &'a self,
        claim: &'a Claim,
        change: Change,
        keep: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let claim = claim.clone();
        self.run(Access::Write, move |queries, now| queries.change(&claim, &change, keep, now)).boxed()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<bool, StoreError>> {
        let removes = commit.notes.iter().any(|note| note.text.is_none());
        let access = if removes { Access::Blank } else { Access::Write };
        self.run(access, move |queries, now| queries.commit(&commit, now)).boxed()
    }

    fn note<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let key = key.to_owned();
        self.run(Access::Read, move |queries, now| queries.note(&key, now)).boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StoreError>> {
        let key = key.to_owned();
        self.run(Access::Read, move |queries, _| queries.get(&key)).boxed()
    }

    fn list<'a>(&'a self, filter: Filter<'a>) -> BoxFuture<'a, Result<Vec<StoredEntry>, StoreError>> {
        let Filter { queue, lane, phase, after, newest, limit } = filter;
        let (queue, lane) = (queue.to_owned(), lane.map(str::to_owned));
        let selection = Selection { queue, lane, phase, after, newest, limit };
        self.run(Access::Read, move |queries, _| queries.list(&selection)).boxed()
    }

    fn decide<'a>(
        &'a self,
        key: &'a str,
        from: &'a [Phase],
        to: Phase,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (key, from) = (key.to_owned(), from.to_owned());
        self.run(Access::Write, move |queries, now| queries.decide(&key, &from, to, now)).boxed()
    }

    fn blank<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        let queue = queue.to_owned();
        self.run(Access::Blank, move |queries, now| queries.blank(&queue, age, now)).boxed()
    }

    fn forget<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        let queue = queue.to_owned();
        self.run(Access::Blank, move |queries, now| queries.forget(&queue, age, now)).boxed()
    }
}
