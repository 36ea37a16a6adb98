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
//! let delivery = receiver.receive(Incoming::new(headers, body.clone())).await?;
//! assert_eq!((delivery.id.as_str(), &delivery.json["type"]), ("evt_1", &"message".into()));
//!
//! let again = receiver.receive(Incoming::new(headers, body)).await;
//! assert_eq!(again, Err(ReceiveError::Repeat));
//! # Ok(())
//! # }
//! ```
//!
//! # When handling fails
//!
//! A delivery counts as received when [`Receiver::receive`] returns it. If handling it fails and the service is to
//! send it again, give it back with [`Receiver::forget`] and answer with an error.

use crate::webhook::{MemoryReplayCache, ReplayCache};
use bytes::Bytes;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
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
/// service's addresses in, and treat what a delivery says as a hint: ask the API for the rest. A function or closure
/// from `&Incoming` to `Result<(), Unverified>` is a `Verify`.
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
    /// The body as JSON.
    pub json: Value,
    /// The body as it came.
    pub body: Bytes,
}

/// Takes deliveries, each event once. Clones share what they remember.
#[derive(Clone)]
pub struct Receiver<V> {
    verify: V,
    replay_cache: Arc<dyn ReplayCache>,
    remember: Duration,
}

impl<V: Verify> Receiver<V> {
    /// A receiver that remembers 10,000 events in memory, for a day.
    pub fn new(verify: V) -> Self {
        Self {
            verify,
            replay_cache: Arc::new(MemoryReplayCache::new(DEFAULT_CAPACITY)),
            remember: DEFAULT_REMEMBER,
        }
    }

    /// Remembers events there. It may be the cache that a Chatwork verifier has.
    #[must_use = "the receiver is returned"]
    pub fn replay_cache(mut self, cache: Arc<dyn ReplayCache>) -> Self {
        self.replay_cache = cache;
        self
    }

    /// How long an event is remembered. Within that time an event that is redelivered on request is a repeat too,
    /// unless it is [forgotten](Self::forget) before.
    #[must_use = "the receiver is returned"]
    pub fn remember(mut self, remember: Duration) -> Self {
        self.remember = remember;
        self
    }

    /// Checks a request, and reads it.
    ///
    /// # Errors
    ///
    /// Those of [`ReceiveError`]. Nothing is remembered of a request that is refused.
    pub async fn receive(&self, request: Incoming<'_>) -> Result<Delivery, ReceiveError> {
        if request.body.len() > MAX_BODY {
            return Err(ReceiveError::TooLarge);
        }
        self.verify.verify(&request).map_err(ReceiveError::Unverified)?;
        let id = request.header(ID_HEADER).ok_or(ReceiveError::MissingId)?;
        let is_id = (1..=MAX_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
        let id = std::str::from_utf8(id).ok().filter(|_| is_id).ok_or(ReceiveError::MissingId)?;
        let json = serde_json::from_slice(&request.body)
            .map_err(|error| ReceiveError::Malformed { line: error.line(), column: error.column() })?;
        if !self.replay_cache.first_seen(&replay_key(id), self.remember).await {
            return Err(ReceiveError::Repeat);
        }
        Ok(Delivery { id: id.to_owned(), json, body: request.body })
    }

    /// Gives an event back that could not be handled: its next delivery is new again.
    pub async fn forget(&self, id: &str) {
        self.replay_cache.forget(&replay_key(id)).await;
    }
}

impl<V> fmt::Debug for Receiver<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("replay_cache", &self.replay_cache)
            .field("remember", &self.remember)
            .finish_non_exhaustive()
    }
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
    /// The event has been received before.
    #[error("the event has been received before")]
    Repeat,
}

impl ReceiveError {
    /// The HTTP status to answer with. A repeat is answered with 200, so that the service stops sending it.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Unverified(_) => 401,
            Self::MissingId | Self::Malformed { .. } => 400,
            Self::Repeat => 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers = [(&'static str, &'static str); 1];

    fn receiver() -> Receiver<impl Verify + Clone> {
        Receiver::new(
            |request: &Incoming<'_>| {
                if request.header("x-bad").is_none() { Ok(()) } else { Err(Unverified) }
            },
        )
    }

    async fn receive(
        receiver: &Receiver<impl Verify>,
        headers: Headers,
        body: &'static str,
    ) -> Result<Delivery, ReceiveError> {
        receiver.receive(Incoming::new(headers, body)).await
    }

    #[tokio::test]
    async fn each_event_comes_once() {
        let receiver = receiver();
        let delivery =
            receive(&receiver, [("tascha-webhook-id", "e1")], "{\"a\": 1}").await.expect("it is new");
        assert_eq!((delivery.id.as_str(), &delivery.json["a"]), ("e1", &Value::from(1)));
        assert_eq!(delivery.body, "{\"a\": 1}");
        let again = receive(&receiver.clone(), [("TASCHA-WEBHOOK-ID", "e1")], "{}").await;
        assert_eq!(again, Err(ReceiveError::Repeat));
        assert!(receive(&receiver, [(ID_HEADER, "e2")], "{}").await.is_ok());
        receiver.forget("e1").await;
        assert!(receive(&receiver, [(ID_HEADER, "e1")], "{}").await.is_ok());
    }

    #[tokio::test]
    async fn what_is_refused_is_not_remembered() {
        let receiver = receiver();
        let malformed = receive(&receiver, [(ID_HEADER, "e1")], "{").await;
        assert_eq!(malformed, Err(ReceiveError::Malformed { line: 1, column: 1 }));
        assert!(receive(&receiver, [(ID_HEADER, "e1")], "{}").await.is_ok());
        for id in ["", "a b", "é"] {
            assert_eq!(receive(&receiver, [(ID_HEADER, id)], "{}").await, Err(ReceiveError::MissingId));
        }
        assert_eq!(
            receive(&receiver, [("x-bad", "1")], "{}").await,
            Err(ReceiveError::Unverified(Unverified))
        );
        assert_eq!(receive(&receiver, [("x", "1")], "{}").await, Err(ReceiveError::MissingId));
        let long = receiver.receive(Incoming::new([(ID_HEADER, "e3")], vec![b' '; MAX_BODY + 1])).await;
        assert_eq!(long, Err(ReceiveError::TooLarge));
        let statuses =
            [ReceiveError::TooLarge, ReceiveError::MissingId, ReceiveError::Repeat].map(|e| e.status());
        assert_eq!(statuses, [413, 400, 200]);
    }

    #[test]
    fn debug_shows_no_header_values() {
        let request = Incoming::new([("authorization", "hunter2")], "secret");
        let debug = format!("{request:?} {:?}", receiver());
        assert!(debug.contains("authorization") && !debug.contains("hunter2") && !debug.contains("secret"));
    }
}
