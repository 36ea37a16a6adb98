//! The loop: it takes messages, starts handlers, and collects their results.

use super::contained::{Contained, contain};
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
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};
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

/// The start of the loop.
struct Start {
    me: AccountId,
    stopping: bool,
    /// Ends with the shutdown timeout.
    time_left: Option<BoxFuture<'static, ()>>,
}

/// The state of the loop, without the running handlers.
struct Progress<S> {
    start: Start,
    source: Option<Pin<Box<S>>>,
    /// The message that the replay cache is checking.
    admitting: Option<(ReceivedMessage, BoxFuture<'static, bool>)>,
    rooms: Rooms,
    summary: Summary,
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
        let shutdown = std::mem::replace(&mut self.shutdown, Mutex::new(pending().boxed()));
        let mut shutdown = shutdown.into_inner().unwrap_or_else(PoisonError::into_inner);
        let clock = Arc::clone(self.client.transport().clock());
        let Some(start) = self.start(&mut shutdown).await? else { return Ok(Summary::default()) };
        let me = start.me;
        let mut progress = Progress::new(source, start);
        let mut handlers = FuturesUnordered::new();
        loop {
            while handlers.len() < self.concurrency
                && let Some(message) = progress.rooms.next()
            {
                let context = Context { client: self.client.clone(), me, message };
                handlers.push(handle(&handler, context, self.timeout.map(|time| (time, clock.sleep(time)))));
            }
            if progress.is_over(&self) && handlers.is_empty() {
                return Ok(progress.summary);
            }
            let event = poll_fn(|task| {
                if let Poll::Ready(Some((message, result))) = handlers.poll_next_unpin(task) {
                    return Poll::Ready(LoopEvent::Ended(message, result));
                }
                if !progress.start.stopping && shutdown.poll_unpin(task).is_ready() {
                    return Poll::Ready(LoopEvent::Shutdown);
                }
                progress.poll(&self, task)
            });
            match event.await {
                LoopEvent::ShutdownTimedOut => {
                    // Dropped first, so that no handler works on an abandoned message.
                    handlers.clear();
                    return Ok(progress.abandon(&self));
                }
                event => progress.apply(&self, event),
            }
        }
    }

    /// Fetches the account if it is not set. `None` if the bot is shut down before it has anything to do.
    async fn start(&self, shutdown: &mut BoxFuture<'static, ()>) -> Result<Option<Start>, Error> {
        if let Some(me) = self.me {
            return Ok(Some(Start { me, stopping: false, time_left: None }));
        }
        let asking = match select(self.client.me().into_future(), shutdown).await {
            Either::Left((me, _)) => {
                return Ok(Some(Start { me: me?.account_id, stopping: false, time_left: None }));
            }
            // Nothing was accepted.
            Either::Right(_) if self.gates.is_empty() => return Ok(None),
            Either::Right(((), asking)) => asking,
        };
        self.close();
        match select(asking, self.shutdown_timer().unwrap_or_else(|| pending().boxed())).await {
            Either::Left((me, left)) => {
                let time_left = self.shutdown_timeout.map(|_| left);
                Ok(Some(Start { me: me?.account_id, stopping: true, time_left }))
            }
            Either::Right(_) => Ok(None),
        }
    }

    fn shutdown_timer(&self) -> Option<BoxFuture<'static, ()>> {
        self.shutdown_timeout.map(|time| self.client.transport().clock().sleep(time))
    }

    /// Closes the inboxes.
    fn close(&self) {
        self.gates.iter().for_each(|gate| gate.close());
    }

    /// Whether all accepted events of the inboxes were taken.
    fn is_drained(&self) -> bool {
        self.gates.iter().all(|gate| gate.is_drained())
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

impl<S: Stream<Item: Into<Input>>> Progress<S> {
    fn new(source: S, start: Start) -> Self {
        let (rooms, summary) = Default::default();
        Self { start, source: Some(Box::pin(source)), admitting: None, rooms, summary }
    }

    /// Whether only running handlers remain. From then on, or from a shutdown on, the shutdown timeout runs.
    fn is_over(&mut self, bot: &Bot) -> bool {
        if self.start.stopping && bot.is_drained() {
            self.source = None;
        }
        let is_taken = self.source.is_none() && self.admitting.is_none();
        if (is_taken || self.start.stopping) && self.start.time_left.is_none() {
            self.start.time_left = bot.shutdown_timer();
        }
        is_taken && self.rooms.waiting == 0
    }

    fn poll(&mut self, bot: &Bot, task: &mut task::Context<'_>) -> Poll<LoopEvent> {
        if self.start.time_left.as_mut().is_some_and(|time_left| time_left.poll_unpin(task).is_ready()) {
            return Poll::Ready(LoopEvent::ShutdownTimedOut);
        }
        if let Some((_, is_new)) = &mut self.admitting {
            return is_new.poll_unpin(task).map(LoopEvent::Admitted);
        }
        let Some(source) = self.source.as_mut().filter(|_| self.rooms.waiting < bot.queue) else {
            return Poll::Pending;
        };
        match source.as_mut().poll_next(task) {
            Poll::Ready(Some(item)) => Poll::Ready(LoopEvent::Taken(item.into())),
            // A source that contains more than an inbox may not end by itself.
            Poll::Pending if !(self.start.stopping && bot.is_drained()) => Poll::Pending,
            Poll::Ready(None) | Poll::Pending => Poll::Ready(LoopEvent::SourceEnded),
        }
    }

    fn apply(&mut self, bot: &Bot, event: LoopEvent) {
        match event {
            LoopEvent::Ended(message, result) => {
                self.rooms.ended(message.room_id);
                match result {
                    Ok(()) => self.summary.handled += 1,
                    Err(failure) => {
                        self.summary.failed += 1;
                        let message = Arc::unwrap_or_clone(message);
                        (bot.on_notice)(Notice::Failed { message, failure });
                    }
                }
            }
            LoopEvent::Taken(Input::Notice(notice)) => (bot.on_notice)(notice),
            LoopEvent::Taken(Input::Edited(_)) if !bot.edits => {}
            LoopEvent::Taken(Input::Message(message) | Input::Edited(message)) => {
                if message.account_id == self.start.me {
                    self.summary.own += 1;
                } else {
                    let is_new = bot.is_new(self.start.me, &message);
                    self.admitting = Some((message, is_new));
                }
            }
            LoopEvent::Admitted(is_new) => match self.admitting.take() {
                Some((message, _)) if is_new => self.rooms.add(message),
                _ => self.summary.repeated += 1,
            },
            LoopEvent::SourceEnded => self.source = None,
            LoopEvent::Shutdown | LoopEvent::ShutdownTimedOut => {
                self.start.stopping = true;
                bot.close();
            }
        }
    }

    /// Reports the abandoned messages.
    fn abandon(mut self, bot: &Bot) -> Summary {
        let (begun, waiting) = self.rooms.into_messages();
        let waiting = waiting.chain(self.admitting.take().map(|(message, _)| message));
        let begun = begun.map(|message| (message, true));
        for (message, begun) in begun.chain(waiting.map(|message| (message, false))) {
            self.summary.abandoned += 1;
            (bot.on_notice)(Notice::Abandoned { message, begun });
        }
        self.summary
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
