//! Messages that are posted however often the program is killed.
//!
//! [`Outbox::enqueue`] stores a request; once it returns, the request is done exactly once, or its [`Status`] says that it was
//! refused or that nobody can know. [`Outbox::run`] sends what is stored, also after a restart.
//!
//! ```no_run
//! # #[cfg(feature = "chatwork")]
//! # async fn example(store: impl kaiwa::outbox::OutboxStore) -> Result<(), kaiwa::Error> {
//! use kaiwa::chatwork::{self, RoomId};
//! use kaiwa::outbox::Outbox;
//!
//! let chatwork = chatwork::Client::from_env()?;
//! let outbox = Outbox::builder(store).chatwork(chatwork.clone()).build();
//!
//! // The same key again is the same message, also in another run of the program.
//! let post = chatwork.room(RoomId(123)).post("ビルドが通りました");
//! outbox.enqueue("build-4711", post).await?;
//!
//! outbox.deliver_due().await?; // or `run`, beside the rest of the program
//! println!("{:?}", outbox.status("build-4711").await?);
//! # Ok(())
//! # }
//! ```
//!
//! # How a message is posted once
//!
//! A request is stored as it is sent, with its idempotency key. Before its first byte leaves, the store knows that it may have.
//! If no answer comes, or the process dies:
//!
//! | request | what happens |
//! |---|---|
//! | one with a key (TAS-CHA's writes), or one that may be repeated | it is sent again, under its key as long as the service remembers it; then it is [uncertain](Phase::Uncertain) |
//! | a message of Chatwork or Lancers | once the request can no longer arrive ([`settle`](OutboxBuilder::settle)), the room is looked through, twice: the message is found, or posted again, or uncertain if the list does not go back far enough |
//! | any other write | it is uncertain, once the request can no longer arrive: a person looks, and calls [`retry`](Outbox::retry) or [`discard`](Outbox::discard) |
//!
//! A request that the service carries out later than `settle` is there twice. Nothing can prevent this without keys: choose
//! `settle` longer than proxies and gateways on the way keep a request. An entry that was posted again is looked for three times
//! more, over 14 times `settle`, and a second message is told as [doubled](Phase::Doubled).
//!
//! All processes that deliver from one store have clients for the same services, with the same account of each. An entry is sent
//! to the base URL for which it was stored, and waits otherwise: a sandbox has a store of its own.
//!
//! Messages of one room are sent in order, and rooms do not hold each other up. A message that was refused or is uncertain does
//! not hold up the next. Several processes may work on one store.

mod builder;
mod clients;
mod deliver;
mod entry;
mod look;
mod memory;
mod rendered;
#[cfg(feature = "sqlite")]
mod sqlite;
mod status;
mod step;
mod store;
pub(crate) mod work;

pub use builder::OutboxBuilder;
pub use entry::{Change, Claim, Commit, Enqueued, Filter, NewEntry, Next, Note, OUTBOX, Phase, StoredEntry};
pub use memory::MemoryOutboxStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteOutboxStore;
pub use status::Status;
pub(crate) use step::backoff;
pub use store::OutboxStore;

use crate::error::Error;
use crate::input::{self, InvalidInput};
use crate::request::{Endpoint, Request};
use crate::store_error::StoreError;
use deliver::Delivery;
use futures::future::{Either, pending};
use futures::stream::{FuturesUnordered, Stream, unfold};
use jiff::Timestamp;
use rendered::Rendered;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use work::{LEASE, Queue, ended, first};

/// How many outcomes a slow receiver of [`Outbox::outcomes`] may be behind.
const TOLD: usize = 1_024;

/// Requests that are done exactly once, however often the program is killed. See the [module](self).
///
/// Clones share it.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    delivery: Delivery,
    concurrency: usize,
    added: Notify,
    told: broadcast::Sender<Status>,
}

impl Outbox {
    /// Stores a request under a key of your own, 1 to 255 characters. Once this returns, it is durable.
    ///
    /// If the key is known, nothing is added, and the status is that of the known entry. Timeouts and retries of the request
    /// are not stored: the client's count.
    ///
    /// # Errors
    /// - The request could never be sent, only reads, has a file or headers of its own, or has another base URL or credential than
    ///   the outbox's client; or the key belongs to another request. Nothing is stored.
    /// - The store failed ([`ErrorKind::Store`](crate::ErrorKind::Store)). The entry may be stored: call again with the same key.
    pub async fn enqueue<E: Endpoint>(
        &self,
        key: impl Into<String>,
        request: Request<E>,
    ) -> Result<Status, Error> {
        self.add(key.into(), &request, None).await
    }

    /// The same, to be sent at this time at the earliest. Later entries of the same room wait for it.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub async fn enqueue_at<E: Endpoint>(
        &self,
        key: impl Into<String>,
        request: Request<E>,
        not_before: Timestamp,
    ) -> Result<Status, Error> {
        self.add(key.into(), &request, Some(not_before)).await
    }

    async fn add<E: Endpoint>(
        &self,
        key: String,
        request: &Request<E>,
        not_before: Option<Timestamp>,
    ) -> Result<Status, Error> {
        input::length("key", &key, 1, 255)?;
        let (entry, rendered) = self.prepare(key, request)?;
        let entry = NewEntry { not_before, ..entry };
        match self.0.delivery.store.enqueue(entry).await.map_err(Error::store)? {
            Enqueued::New(entry) => {
                self.wake();
                Ok(Status::read(&entry))
            }
            Enqueued::Known(known) => {
                let same = serde_json::from_str::<Rendered>(&known.request);
                if same.is_ok_and(|known| !known.is_same(&rendered)) {
                    let problem = "belongs to another request; use another key for another message";
                    return Err(request.refused(InvalidInput::new("key", problem)));
                }
                Ok(Status::read(&known))
            }
        }
    }

    /// The entry of a request that can be stored, and the request as it is stored.
    pub(crate) fn prepare<E: Endpoint>(
        &self,
        key: String,
        request: &Request<E>,
    ) -> Result<(NewEntry, Rendered), Error> {
        let rendered = Rendered::of(request)?;
        self.0.delivery.clients.check_same(request)?;
        let written = serde_json::to_string(&rendered).expect("texts and numbers are valid JSON");
        Ok((NewEntry::new(key, rendered.lane(), written), rendered))
    }

    pub(crate) fn store(&self) -> &dyn OutboxStore {
        &*self.0.delivery.store
    }

    /// Where the entry with this key stands; `None` if there is none.
    ///
    /// # Errors
    /// The store failed.
    pub async fn status(&self, key: &str) -> Result<Option<Status>, Error> {
        let entry = self.0.delivery.store.get(key).await.map_err(Error::store)?;
        Ok(entry.filter(|entry| entry.queue == OUTBOX).map(|entry| Status::read(&entry)))
    }

    /// The entries in this phase, or all, in the order in which they were added, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(&self, phase: Option<Phase>, limit: usize) -> Result<Vec<Status>, Error> {
        self.list_after(0, phase, limit).await
    }

    /// The same, with a higher [`id`](Status::id) than this one: the next part of a long list.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list_after(
        &self,
        id: i64,
        phase: Option<Phase>,
        limit: usize,
    ) -> Result<Vec<Status>, Error> {
        let filter = Filter::new(OUTBOX, limit).phase(phase).after(id);
        let entries = self.0.delivery.store.list(filter).await.map_err(Error::store)?;
        Ok(entries.iter().map(Status::read).collect())
    }

    /// What becomes of the entries that this outbox works on, from now on: each time one is closed, is found to be there twice, or
    /// has to wait because of a failure. What was told before a restart is not told again, and a receiver that is more than 1,024
    /// behind misses the oldest: [`list`](Self::list) has all of them.
    pub fn outcomes(&self) -> impl Stream<Item = Status> + Send + use<> {
        unfold(self.0.told.subscribe(), |mut told| async move {
            loop {
                match told.recv().await {
                    Ok(status) => return Some((status, told)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }

    /// Sends a refused, uncertain or discarded entry again, because a person has looked. Returns whether there was one, and its
    /// request was not [removed](Self::blank).
    ///
    /// # Errors
    /// The store failed.
    pub async fn retry(&self, key: &str) -> Result<bool, Error> {
        const FROM: &[Phase] = &[Phase::Rejected, Phase::Uncertain, Phase::Discarded];
        let entry = self.0.delivery.store.get(key).await.map_err(Error::store)?;
        if entry.is_none_or(|entry| entry.queue != OUTBOX || entry.request.is_empty()) {
            return Ok(false);
        }
        let moved = self.0.delivery.store.decide(key, FROM, Phase::Waiting).await.map_err(Error::store)?;
        if moved {
            self.wake();
        }
        Ok(moved)
    }

    /// Gives up an entry that is not sent; its message may be there nevertheless if it was being sent. One that is there twice
    /// counts as sent from then on. Returns whether there was one that nobody works on at this moment.
    ///
    /// # Errors
    /// The store failed.
    pub async fn discard(&self, key: &str) -> Result<bool, Error> {
        const FROM: &[Phase] = &[Phase::Waiting, Phase::Sending, Phase::Rejected, Phase::Uncertain];
        let store = &self.0.delivery.store;
        Ok(store.decide(key, FROM, Phase::Discarded).await.map_err(Error::store)?
            || store.decide(key, &[Phase::Doubled], Phase::Sent).await.map_err(Error::store)?)
    }

    /// Makes [`run`](Self::run) ask the store now, such as on a database's notification that another process has added an entry.
    /// Without it the store is asked once a second.
    pub fn wake(&self) {
        self.0.added.notify_one();
    }

    /// Removes what people wrote from entries that were closed longer ago than `age`. Their keys stay known, and nothing else: an
    /// entry can no longer be sent again, or be told from another request under its key. What a person has to decide stays:
    /// [uncertain](Phase::Uncertain) entries, and those that are [there twice](Phase::Doubled).
    ///
    /// # Errors
    /// The store failed.
    pub async fn blank(&self, age: Duration) -> Result<u64, Error> {
        self.0.delivery.store.blank(OUTBOX, age).await.map_err(Error::store)
    }

    /// Removes entries that were closed longer ago than `age`, and their keys: the same key is a new message then. What a person
    /// has to decide stays, as with [`blank`](Self::blank).
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget(&self, age: Duration) -> Result<u64, Error> {
        self.0.delivery.store.forget(OUTBOX, age).await.map_err(Error::store)
    }

    /// Sends what is due until no entry is, and returns how many were closed. Entries that wait for a later time stay.
    ///
    /// # Errors
    /// The store failed.
    pub async fn deliver_due(&self) -> Result<usize, Error> {
        let (mut closed, mut failure, mut is_idle) = (0, None, false);
        let mut running = FuturesUnordered::new();
        let mut asking = None;
        loop {
            if asking.is_none() && !is_idle && failure.is_none() && running.len() < self.0.concurrency {
                asking = Some(self.0.delivery.store.claim(OUTBOX, LEASE));
            }
            if asking.is_none() && running.is_empty() {
                return failure.map_or(Ok(closed), |failure| Err(Error::store(failure)));
            }
            let claimed = async {
                match &mut asking {
                    Some(asking) => asking.await,
                    None => pending().await,
                }
            };
            // What is under way ends, also if the store has failed.
            match first(claimed, ended(&mut running)).await {
                Either::Left(claimed) => {
                    asking = None;
                    match claimed {
                        Ok(Next::Entry(entry, claim)) => running.push(self.one(entry, claim)),
                        Ok(Next::Wait(_)) => is_idle = true,
                        Err(error) => failure = failure.or(Some(error)),
                    }
                }
                Either::Right(worked) => {
                    is_idle = false;
                    match worked {
                        Ok(is_closed) => closed += usize::from(is_closed),
                        Err(error) => failure = failure.or(Some(error)),
                    }
                }
            }
        }
    }

    /// Sends what is due until `shutdown` ends, and then lets the requests under way end. A store that fails is asked again.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let Inner { delivery: Delivery { store, clock, .. }, concurrency, added, .. } = &*self.0;
        let (store, clock, concurrency) = (&**store, &**clock, *concurrency);
        let queue = Queue { store, clock, name: OUTBOX, added, concurrency };
        queue.run(shutdown, |entry, claim| async { self.one(entry, claim).await.map(drop) }).await;
    }

    /// Works on one entry, and tells what became of it. Whether it is closed.
    async fn one(&self, entry: Box<StoredEntry>, claim: Claim) -> Result<bool, StoreError> {
        let Some(status) = self.0.delivery.deliver(*entry, &claim).await? else { return Ok(false) };
        let is_closed = !status.phase.is_open();
        if is_closed || status.reason.is_some() {
            let _ = self.0.told.send(status);
        }
        Ok(is_closed)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("store", &self.0.delivery.store).finish_non_exhaustive()
    }
}
