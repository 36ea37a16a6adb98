//! The loop: it takes messages, starts handlers, and collects their results.

use super::contained::{Contained, contain};
use super::inbox::InboxGate;
use super::{Bot, Context, HandlerFailure, Input, Notice, ReceivedMessage, Summary};
use crate::Error;
use crate::chatwork::watch::fingerprint;
use crate::chatwork::{AccountId, RoomId};
use futures::future::{BoxFuture, Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::future::{IntoFuture, pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How long a message is remembered, unless the cache needs the room.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// An event that the loop waits for.
enum LoopEvent {
    Ended(Arc<ReceivedMessage>, Result<(), HandlerFailure>),
    Taken(Input),
    /// Whether it is new.
    Admitted(bool),
    SourceEnded,
    Shutdown,
    ShutdownTimedOut,
}

impl Bot {
    /// Handles the messages of `source`, until it ends or the bot is [shut down](Self::shutdown).
    ///
    /// Handlers run within this future: they may borrow, and are dropped with it. They wait concurrently, but compute one after
    /// the other; run long computations on another thread.
    ///
    /// The future is `Send` if the source and the handler's futures are. A generic function that spawns it needs other bounds:
    /// see [a bot with state](super#a-bot-with-state).
    ///
    /// # Errors
    ///
    /// If the bot's [account](Self::me) is not set and `GET /me` fails; messages that an inbox has accepted are lost then.
    /// Later failures are [notices](Self::on_notice).
    pub async fn run<S, H, E>(mut self, source: S, handler: H) -> Result<Summary, Error>
    where
        S: Stream<Item: Into<Input>>,
        H: AsyncFn(Context) -> Result<(), E>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut shutdown = std::mem::replace(&mut self.shutdown, futures::future::pending().boxed());
        let clock = Arc::clone(self.client.transport().clock());
        let limit = || self.timeout.map(|time| (time, clock.sleep(time)));
        let mut source = Some(Box::pin(source));
        let mut admitting: Option<(ReceivedMessage, BoxFuture<'static, bool>)> = None;
        let mut running = FuturesUnordered::new();
        let mut rooms = Rooms::default();
        let mut summary = Summary::default();
        let (mut stopping, mut time_left): (bool, Option<BoxFuture<'static, ()>>) = (false, None);

        let me = match self.me {
            Some(me) => me,
            None => {
                let asking = self.client.me().into_future();
                match select(asking, &mut shutdown).await {
                    Either::Left((me, _)) => me?.account_id,
                    // Nothing was accepted.
                    Either::Right(_) if self.gates.is_empty() => return Ok(summary),
                    Either::Right(((), asking)) => {
                        stopping = true;
                        self.gates.iter().for_each(|gate| gate.close());
                        let over = self.shutdown_timeout.map(|time| clock.sleep(time));
                        match select(asking, over.unwrap_or_else(|| pending().boxed())).await {
                            Either::Left((me, over)) => {
                                time_left = self.shutdown_timeout.map(|_| over);
                                me?.account_id
                            }
                            Either::Right(_) => return Ok(summary),
                        }
                    }
                }
            }
        };

        loop {
            while running.len() < self.concurrency
                && let Some(message) = rooms.next()
            {
                running.push(handle(&handler, Context { client: self.client.clone(), me, message }, limit()));
            }
            if stopping && drained(&self.gates) {
                source = None;
            }
            let over = source.is_none() && admitting.is_none();
            if over && running.is_empty() && rooms.waiting == 0 {
                return Ok(summary);
            }
            if (over || stopping) && time_left.is_none() {
                time_left = self.shutdown_timeout.map(|time| clock.sleep(time));
            }
            let event = poll_fn(|task| {
                if let Poll::Ready(Some((message, result))) = running.poll_next_unpin(task) {
                    return Poll::Ready(LoopEvent::Ended(message, result));
                }
                if !stopping && shutdown.poll_unpin(task).is_ready() {
                    return Poll::Ready(LoopEvent::Shutdown);
                }
                if time_left.as_mut().is_some_and(|time| time.poll_unpin(task).is_ready()) {
                    return Poll::Ready(LoopEvent::ShutdownTimedOut);
                }
                if let Some((_, is_new)) = &mut admitting {
                    return is_new.poll_unpin(task).map(LoopEvent::Admitted);
                }
                match &mut source {
                    Some(source) if rooms.waiting < self.queue => match source.as_mut().poll_next(task) {
                        Poll::Ready(Some(item)) => Poll::Ready(LoopEvent::Taken(item.into())),
                        // A source that contains more than an inbox may not end by itself.
                        Poll::Pending if !(stopping && drained(&self.gates)) => Poll::Pending,
                        Poll::Ready(None) | Poll::Pending => Poll::Ready(LoopEvent::SourceEnded),
                    },
                    _ => Poll::Pending,
                }
            });
            match event.await {
                LoopEvent::Ended(message, result) => {
                    rooms.ended(message.room_id);
                    match result {
                        Ok(()) => summary.handled += 1,
                        Err(failure) => {
                            summary.failed += 1;
                            let message = Arc::unwrap_or_clone(message);
                            (self.on_notice)(Notice::Failed { message, failure });
                        }
                    }
                }
                LoopEvent::Taken(Input::Notice(notice)) => (self.on_notice)(notice),
                LoopEvent::Taken(Input::Edited(_)) if !self.edits => {}
                LoopEvent::Taken(Input::Message(message) | Input::Edited(message)) => {
                    if message.account_id == me {
                        summary.own += 1;
                    } else {
                        let is_new = self.is_new(me, &message);
                        admitting = Some((message, is_new));
                    }
                }
                LoopEvent::Admitted(is_new) => match admitting.take() {
                    Some((message, _)) if is_new => rooms.add(message),
                    _ => summary.repeated += 1,
                },
                LoopEvent::SourceEnded => source = None,
                LoopEvent::Shutdown => {
                    stopping = true;
                    self.gates.iter().for_each(|gate| gate.close());
                }
                LoopEvent::ShutdownTimedOut => {
                    // Dropped first, so that no handler works on an abandoned message.
                    running.clear();
                    let (begun, waiting) = rooms.into_messages();
                    let waiting = waiting.chain(admitting.take().map(|(message, _)| message));
                    let begun = begun.map(|message| (message, true));
                    for (message, begun) in begun.chain(waiting.map(|message| (message, false))) {
                        summary.abandoned += 1;
                        (self.on_notice)(Notice::Abandoned { message, begun });
                    }
                    return Ok(summary);
                }
            }
        }
    }

    /// Whether the message is not a duplicate.
    fn is_new(&self, me: AccountId, message: &ReceivedMessage) -> BoxFuture<'static, bool> {
        let ReceivedMessage { room_id, message_id, update_time, body, .. } = message;
        let mut key = format!("chatwork:bot-{me}:{room_id}:{message_id}");
        // If edits are handled, every version of a message is distinct. Two versions within a second differ in the text.
        if self.edits {
            let update = update_time.map_or(0, Timestamp::as_second);
            key.push_str(&format!(":{update}:{:08x}", fingerprint(body)));
        }
        let cache = Arc::clone(&self.replay_cache);
        async move { cache.first_seen(&key, REMEMBERED).await }.boxed()
    }
}

/// Runs the handler within its time limit.
async fn handle<H, E>(
    handler: &H,
    context: Context,
    limit: Option<(Duration, BoxFuture<'static, ()>)>,
) -> (Arc<ReceivedMessage>, Result<(), HandlerFailure>)
where
    H: AsyncFn(Context) -> Result<(), E>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let message = Arc::clone(&context.message);
    // The handler may panic before there is a future.
    let handling = match contain(|| handler(context)) {
        Ok(future) => Contained(Some(Box::pin(future))),
        Err(panicked) => return (message, Err(panicked)),
    };
    let result = match limit {
        None => handling.await,
        Some((time, limit)) => match select(handling, limit).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(HandlerFailure::Timeout(time)),
        },
    };
    (message, result)
}

/// Whether everything that the inboxes accepted has been taken.
fn drained(gates: &[Arc<InboxGate>]) -> bool {
    gates.iter().all(|gate| gate.is_drained())
}

/// The messages that wait or are being handled, by room.
#[derive(Default)]
struct Rooms {
    /// Every room with a message that is being handled or waits.
    queues: HashMap<RoomId, RoomQueue>,
    /// The rooms with waiting messages and none being handled, in the order of their turns.
    turns: VecDeque<RoomId>,
    waiting: usize,
}

#[derive(Default)]
struct RoomQueue {
    handling: Option<Arc<ReceivedMessage>>,
    waiting: VecDeque<ReceivedMessage>,
}

impl Rooms {
    fn add(&mut self, message: ReceivedMessage) {
        let id = message.room_id;
        self.waiting += 1;
        let room = self.queues.entry(id).or_insert_with(|| {
            self.turns.push_back(id);
            RoomQueue::default()
        });
        room.waiting.push_back(message);
    }

    /// The next message of a room without one being handled; it then is being handled.
    fn next(&mut self) -> Option<Arc<ReceivedMessage>> {
        let room = self.turns.pop_front()?;
        let room = self.queues.get_mut(&room)?;
        let message = Arc::new(room.waiting.pop_front()?);
        room.handling = Some(Arc::clone(&message));
        self.waiting -= 1;
        Some(message)
    }

    fn ended(&mut self, id: RoomId) {
        match self.queues.get_mut(&id) {
            Some(room) if !room.waiting.is_empty() => {
                room.handling = None;
                self.turns.push_back(id);
            }
            _ => {
                self.queues.remove(&id);
            }
        }
    }

    /// The messages that are being handled, and those that wait, in the order of each room.
    fn into_messages(self) -> (impl Iterator<Item = ReceivedMessage>, impl Iterator<Item = ReceivedMessage>) {
        let (handling, waiting): (Vec<_>, Vec<_>) =
            self.queues.into_values().map(|room| (room.handling, room.waiting)).unzip();
        (handling.into_iter().flatten().map(Arc::unwrap_or_clone), waiting.into_iter().flatten())
    }
}
