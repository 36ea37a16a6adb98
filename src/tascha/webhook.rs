//! Webhooks of TAS-CHA: reading a delivery, once.
//!
//! What is documented is the header [`ID_HEADER`], the id of the event. It stays the same when a delivery is tried
//! again, or redelivered on request, so that it tells a repeat. How deliveries are signed and what they hold is
//! documented nowhere: the check is therefore [yours](Verify), and the content is handed out as JSON.
//!
//! ```
//! use bytes::Bytes;
//! use kaiwa::tascha::webhook::{Incoming, ReceiveError, Receiver, Unverified};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ReceiveError> {
//! // Whatever check your setup allows: here a proxy in front adds a secret to what it lets through.
//! let secret = "32 random characters, from the environment";
//! let receiver = Receiver::new(|request: &Incoming<'_>| {
//!     let given = request.header("x-example-secret").unwrap_or_default();
//!     // In earnest, compare in constant time.
//!     if given == secret.as_bytes() { Ok(()) } else { Err(Unverified) }
//! });
//!
//! let headers = [("Tascha-Webhook-Id", "evt_1"), ("X-Example-Secret", secret)];
//! let body = Bytes::from_static(br#"{"type":"message"}"#);
//! let received = receiver.receive(Incoming::new(headers, body.clone())).await?;
//! assert_eq!((received.id.as_str(), &received.json["type"]), ("evt_1", &"message".into()));
//! // Tried again before it is handled, it has to come once more.
//! let retry = receiver.receive(Incoming::new(headers, body.clone())).await;
//! assert_eq!(retry.err(), Some(ReceiveError::InProgress));
//!
//! // Once it is handled, and before the answer:
//! received.done().await;
//! let again = receiver.receive(Incoming::new(headers, body)).await;
//! assert_eq!(again.err(), Some(ReceiveError::Repeat));
//! # Ok(())
//! # }
//! ```
//!
//! # When handling fails
//!
//! The service sends an event again until it is answered with success. [`Receiver::receive`] therefore hands out a
//! [`Received`], and the event counts as handled when [`Received::done`] is called: do so before the answer. If
//! handling fails, answer with an error, such as 503. An event whose `Received` is dropped before, by an error, a
//! panic, or because the service hung up and the server dropped the handler, is new when it comes again. While it is
//! held, a retry is [refused](ReceiveError::InProgress) with a status that makes the service come back.
//!
//! So no event is lost, but work that broke off halfway is begun again. Let [`Delivery::id`] be the
//! [idempotency key](crate::Request::with_idempotency_key) of what it posts. To go on when the service hangs up, do the
//! work in a task of its own (`tokio::spawn`), move the `Received` into it, and await the task.
//!
//! Which events are being handled, each process knows of its own receivers; what is done is in the [`ReplayCache`].
//! Several processes with one store never handle again what one has done, but a retry that reaches another process
//! while the first still works is handled there too.

#[cfg(test)]
mod tests;

use crate::webhook::{MemoryReplayCache, ReplayCache};
use crate::wire::{self, Budget};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The header with the event's id. Header names are compared without regard to case.
pub const ID_HEADER: &str = "Tascha-Webhook-Id";

/// The longest body that is read, in bytes. The service documents none.
pub const MAX_BODY: usize = 1024 * 1024;

/// How long an event is remembered unless [`Receiver::remember`] says otherwise. How long the service goes on trying
/// is not documented.
pub const DEFAULT_REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// How many events are remembered unless [`Receiver::replay_cache`] says otherwise.
const DEFAULT_CAPACITY: usize = 10_000;

/// The longest id that is taken for one, in bytes, so that a hostile header does not fill the cache.
const MAX_ID: usize = 256;

/// A request as it came.
#[derive(Clone)]
pub struct Incoming<'a> {
    headers: Vec<(&'a str, &'a [u8])>,
    body: Bytes,
}

impl<'a> Incoming<'a> {
    /// A request with these headers and this body, byte for byte as it came.
    ///
    /// Headers are pairs of references to a name and a value: a `&http::HeaderMap` is taken as it is, and so is an
    /// array of pairs of texts.
    pub fn new<N, V>(headers: impl IntoIterator<Item = (&'a N, &'a V)>, body: impl Into<Bytes>) -> Self
    where
        N: AsRef<str> + ?Sized + 'a,
        V: AsRef<[u8]> + ?Sized + 'a,
    {
        let headers = headers.into_iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        Self { headers, body: body.into() }
    }

    /// The first value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut named = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| *value)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Header values are left out, since they may be secrets.
impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Incoming").field("headers", &names).field("body_bytes", &self.body.len()).finish()
    }
}

/// Tells whether a request is the service's.
///
/// No scheme is documented. Without one, have deliveries sent to an address that nobody can guess, or let only the
/// service's addresses in, and treat what a delivery says as a hint: ask the API for the rest. That is for afterwards,
/// with what [`Receiver::receive`] returned: the check itself awaits nothing, so that it is done before anything is
/// remembered. A function or closure from `&Incoming` to `Result<(), Unverified>` is a `Verify`.
pub trait Verify: Send + Sync {
    /// Looks at the whole request, before anything else is done with it.
    ///
    /// # Errors
    ///
    /// [`Unverified`] to refuse it.
    fn verify(&self, request: &Incoming<'_>) -> Result<(), Unverified>;
}

impl<F> Verify for F
where
    F: Fn(&Incoming<'_>) -> Result<(), Unverified> + Send + Sync,
{
    fn verify(&self, request: &Incoming<'_>) -> Result<(), Unverified> {
        self(request)
    }
}

/// The request is not the service's. It tells no reason, so that it can be answered as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request could not be verified")]
pub struct Unverified;

/// An event, as it was delivered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The event's id: the same however often it is delivered. Good as an idempotency key of what it causes.
    pub id: String,
    /// The body as JSON, as far as it can be read.
    pub json: Value,
    /// The body as it came.
    pub body: Bytes,
}

/// An event that is being handled, until it is [done](Self::done) or this is dropped; from [`Receiver::receive`]. It
/// derefs to the [`Delivery`].
#[must_use = "an event that is not done is new when it comes again"]
#[derive(Debug)]
pub struct Received {
    delivery: Delivery,
    events: Events,
}

impl Received {
    /// The event is handled, and its next delivery is a repeat.
    pub async fn done(self) {
        self.events.done(&self.delivery.id).await;
    }
}

impl Deref for Received {
    type Target = Delivery;

    fn deref(&self) -> &Delivery {
        &self.delivery
    }
}

/// What was not done, or is remembered as done by now, is no longer being handled.
impl Drop for Received {
    fn drop(&mut self) {
        self.events.handling().remove(&self.delivery.id);
    }
}

/// Which events are being handled, and which are done.
#[derive(Clone)]
struct Events {
    /// Ids. It is in memory so that a `Received` can be given back where nothing can be awaited.
    handling: Arc<Mutex<HashSet<String>>>,
    done: Arc<dyn ReplayCache>,
    remember: Duration,
}

impl Events {
    async fn begin(&self, delivery: Delivery) -> Result<Received, ReceiveError> {
        if !self.handling().insert(delivery.id.clone()) {
            return Err(ReceiveError::InProgress);
        }
        // From here on dropping it gives the id back, also if nobody waits for the store's answer any more. What is
        // done is in the store before it is no longer being handled, so that it is seen here.
        let received = Received { delivery, events: self.clone() };
        if self.done.is_known(&replay_key(&received.id)).await {
            return Err(ReceiveError::Repeat);
        }
        Ok(received)
    }

    async fn done(&self, id: &str) {
        // That another process was done with it before is no news to anybody.
        self.done.first_seen(&replay_key(id), self.remember).await;
    }

    fn handling(&self) -> MutexGuard<'_, HashSet<String>> {
        // Nothing panics while the lock is held.
        self.handling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("handling", &self.handling().len())
            .field("done", &self.done)
            .field("remember", &self.remember)
            .finish()
    }
}

/// Takes deliveries, each event until it is done. Clones share what they remember.
#[derive(Clone)]
pub struct Receiver<V> {
    verify: V,
    events: Events,
}

impl<V: Verify> Receiver<V> {
    /// A receiver that remembers 10,000 events in memory, for a day.
    pub fn new(verify: V) -> Self {
        let events = Events {
            handling: Arc::default(),
            done: Arc::new(MemoryReplayCache::new(DEFAULT_CAPACITY)),
            remember: DEFAULT_REMEMBER,
        };
        Self { verify, events }
    }

    /// Remembers there what is done. It may be the cache that a Chatwork verifier has.
    #[must_use = "the receiver is returned"]
    pub fn replay_cache(mut self, cache: Arc<dyn ReplayCache>) -> Self {
        self.events.done = cache;
        self
    }

    /// How long an event is remembered once it is done. Within that time an event that is redelivered on request is a repeat too,
    /// unless it is [forgotten](Self::forget) before.
    #[must_use = "the receiver is returned"]
    pub fn remember(mut self, remember: Duration) -> Self {
        self.events.remember = remember;
        self
    }

    /// Checks a request, and reads it. The event is then being handled as long as what this returns is held; call
    /// [`done`](Received::done) on that before the answer.
    ///
    /// # Errors
    ///
    /// Those of [`ReceiveError`]. Nothing is remembered of a request that is refused.
    pub async fn receive(&self, request: Incoming<'_>) -> Result<Received, ReceiveError> {
        if request.body.len() > MAX_BODY {
            return Err(ReceiveError::TooLarge);
        }
        self.verify.verify(&request).map_err(ReceiveError::Unverified)?;
        let id = request.header(ID_HEADER).ok_or(ReceiveError::MissingId)?;
        let is_id = (1..=MAX_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
        let id = std::str::from_utf8(id).ok().filter(|_| is_id).ok_or(ReceiveError::MissingId)?;
        let json = json(&request.body)?;
        self.events.begin(Delivery { id: id.to_owned(), json, body: request.body }).await
    }

    /// Forgets that an event is done: when it is [redelivered](crate::tascha::WebhookHandle::redeliver), it is new.
    pub async fn forget(&self, id: &str) {
        self.events.done.forget(&replay_key(id)).await;
    }
}

impl<V> fmt::Debug for Receiver<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("events", &self.events).finish_non_exhaustive()
    }
}

/// The body as JSON, as far as it can be read; it has to begin and end as JSON does.
fn json(body: &[u8]) -> Result<Value, ReceiveError> {
    let Err(error) = serde_json::from_slice::<IgnoredAny>(body) else {
        // Sound, but perhaps with half an emoji, or nested deeper than can be read.
        return Ok(wire::read(body).unwrap_or_else(|_| wire::outline(body, &mut Budget::EVENT.clone())));
    };
    wire::read(wire::without_mark(body))
        .map_err(|_| ReceiveError::Malformed { line: error.line(), column: error.column() })
}

fn replay_key(id: &str) -> String {
    format!("tascha:{id}")
}

/// Why a delivery was refused. No message holds anything of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The body is longer than [`MAX_BODY`].
    #[error("the body is too long")]
    TooLarge,
    /// [`Verify`] refused it.
    #[error(transparent)]
    Unverified(Unverified),
    /// There is no [`ID_HEADER`], or what it holds is no id: up to 256 printable ASCII characters.
    #[error("the request has no Tascha-Webhook-Id")]
    MissingId,
    /// The body is not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    Malformed {
        /// The line on which reading ended, from 1.
        line: usize,
        /// The column on that line, in bytes.
        column: usize,
    },
    /// The event is being handled: what an earlier [`Receiver::receive`] returned is still held.
    #[error("the event is being handled")]
    InProgress,
    /// The event is done.
    #[error("the event has been handled before")]
    Repeat,
}

impl ReceiveError {
    /// The HTTP status to answer with. A repeat is answered with 200, so that the service stops sending it; an event
    /// that is being handled with 503, since that may still fail, and the service then has to send it again.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Unverified(_) => 401,
            Self::MissingId | Self::Malformed { .. } => 400,
            Self::InProgress => 503,
            Self::Repeat => 200,
        }
    }
}
