//! From an HTTP server's handlers to the bot.

use super::Input;
use futures::Stream;
use futures::task::AtomicWaker;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

/// The queue between an HTTP server with webhooks and a bot; from [`Bot::inbox`](super::Bot::inbox). Clones are the same
/// inbox.
///
/// It is closed by [`close`](Self::close), by the bot's shutdown, and when all clones or the [`Deliveries`] are dropped. The
/// accepted events are still handled, unless [`Bot::run`](super::Bot::run) fails, is dropped, or reaches its
/// [`shutdown_timeout`](super::Bot::shutdown_timeout). `run` fails only before the first message, if it cannot fetch the bot's
/// account: set [it](super::Bot::me) and its [name](super::Bot::name) before the server listens.
#[derive(Clone)]
pub struct Inbox {
    queue: mpsc::Sender<Input>,
    gate: Arc<InboxGate>,
}

/// The events of an [`Inbox`], as a bot's source. It ends when the inbox is closed and empty.
#[must_use = "nothing is handled unless a bot takes it"]
pub struct Deliveries {
    queue: mpsc::Receiver<Input>,
    gate: Arc<InboxGate>,
}

/// The state of an inbox, shared by both of its ends and the bot.
#[derive(Default)]
pub(super) struct InboxGate {
    closed: AtomicBool,
    drained: AtomicBool,
    deliveries: AtomicWaker,
}

/// Why an [`Inbox`] did not accept an event. Log it, and still respond to the webhook with 200: Chatwork does not send an event
/// again, and switches a webhook off after many errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The inbox is full, because the bot is too slow.
    #[error("the bot's inbox is full")]
    Full,
    /// The bot is shutting down, or has ended.
    #[error("the bot's inbox is closed")]
    Closed,
}

pub(super) fn inbox(capacity: usize) -> (Inbox, Deliveries) {
    let (sender, receiver) = mpsc::channel(capacity.clamp(1, Semaphore::MAX_PERMITS));
    let gate = Arc::<InboxGate>::default();
    (Inbox { queue: sender, gate: Arc::clone(&gate) }, Deliveries { queue: receiver, gate })
}

impl Inbox {
    /// Adds an event of a verified webhook. It never waits, so the server can respond at once.
    ///
    /// # Errors
    ///
    /// If it is full or closed.
    pub fn push(&self, event: impl Into<Input>) -> Result<(), PushError> {
        if self.gate.closed.load(Ordering::Acquire) {
            return Err(PushError::Closed);
        }
        self.queue.try_send(event.into()).map_err(|error| match error {
            TrySendError::Full(_) => PushError::Full,
            TrySendError::Closed(_) => PushError::Closed,
        })
    }

    /// Closes the inbox. The bot handles the accepted events, and then its source ends.
    pub fn close(&self) {
        self.gate.close();
    }
}

impl InboxGate {
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.deliveries.wake();
    }

    /// Whether no more events will come out.
    pub(super) fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire)
    }
}

impl Deliveries {
    pub(super) fn gate(&self) -> Arc<InboxGate> {
        Arc::clone(&self.gate)
    }
}

impl Stream for Deliveries {
    type Item = Input;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Input>> {
        self.gate.deliveries.register(context.waker());
        if self.gate.closed.load(Ordering::Acquire) {
            // A concurrent push that has passed its check fails from here on, so no accepted event is lost.
            self.queue.close();
        }
        let item = self.queue.poll_recv(context);
        if let Poll::Ready(None) = item {
            self.gate.drained.store(true, Ordering::Release);
        }
        item
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.queue.close();
        self.gate.drained.store(true, Ordering::Release);
        let mut lost = 0;
        while self.queue.try_recv().is_ok() {
            lost += 1;
        }
        if lost > 0 {
            tracing::warn!(lost, "an inbox was dropped with messages in it");
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("free", &self.queue.capacity()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").field("waiting", &self.queue.len()).finish_non_exhaustive()
    }
}
