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

/// Where an HTTP server puts what webhooks bring, for a bot to take; from [`Bot::inbox`](super::Bot::inbox). Clones
/// are the same inbox.
///
/// It is closed by [`close`](Self::close), by the bot's shutdown, and when all clones or the [`Deliveries`] are
/// dropped. What it accepted before is still handled, unless [`Bot::run`](super::Bot::run) fails, is dropped, or comes to
/// the end of its [`shutdown_timeout`](super::Bot::shutdown_timeout). `run` fails only before the first message, when it cannot ask for the
/// bot's account: a server should listen once the bot [was told](super::Bot::me) that.
#[derive(Clone)]
pub struct Inbox {
    queue: mpsc::Sender<Input>,
    gate: Arc<InboxGate>,
}

/// What was put into an [`Inbox`], as a bot's source. It ends when the inbox is closed and empty.
#[must_use = "nothing is handled unless a bot takes it"]
pub struct Deliveries {
    queue: mpsc::Receiver<Input>,
    gate: Arc<InboxGate>,
}

/// Whether an inbox is open: for both of its ends, and for the bot.
#[derive(Default)]
pub(super) struct InboxGate {
    closed: AtomicBool,
    drained: AtomicBool,
    deliveries: AtomicWaker,
}

/// Why an [`Inbox`] did not take something. It is for a log: the webhook is answered with 200 all the same, since
/// Chatwork does not send it again whatever the answer is, and switches it off after many errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The bot does not keep up, and the inbox is full.
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
    /// Puts in an event of a webhook that was verified. It never waits, so that the webhook can be answered at once.
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

    /// Takes nothing more. The bot handles what is in it, and then its source ends.
    pub fn close(&self) {
        self.gate.close();
    }
}

impl InboxGate {
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.deliveries.wake();
    }

    /// Whether nothing will come out any more.
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
            // A push that was past its check fails from here on, so that nothing is accepted and then lost.
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
