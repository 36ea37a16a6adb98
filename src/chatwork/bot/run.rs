//! The loop: it takes messages, starts handlers, and collects their results.

use super::handling::{End, handle};
use super::rooms::{Aside, Rooms, Taken};
use super::{Bot, Context, Input, Notice, Summary};
use crate::Error;
use crate::chatwork::AccountId;
use crate::webhook::claims::wait_for_held;
use futures::future::{BoxFuture, Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

/// An event that the loop waits for.
enum LoopEvent {
    Ended(Taken, End),
    Taken(Input),
    /// A message was aside for its time.
    Due(Taken),
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
    rooms: Rooms,
    /// The messages that another process has claimed. They are asked for again.
    aside: FuturesUnordered<Aside>,
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
        let Some(start) = self.start(&mut shutdown).await? else { return Ok(Summary::default()) };
        let me = start.me;
        let mut progress = Progress::new(source, start);
        let mut handlers = FuturesUnordered::new();
        loop {
            while handlers.len() < self.concurrency
                && let Some(taken) = progress.rooms.next()
            {
                handlers.push(handle(&self, me, taken, &handler));
            }
            if progress.is_over(&self) && handlers.is_empty() {
                return Ok(progress.summary);
            }
            let event = poll_fn(|task| {
                if let Poll::Ready(Some((taken, end))) = handlers.poll_next_unpin(task) {
                    return Poll::Ready(LoopEvent::Ended(taken, end));
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
                    return Ok(progress.abandon_all(&self));
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
        let asking = match select(self.ask_who_i_am().boxed(), shutdown).await {
            Either::Left((me, _)) => {
                return Ok(Some(Start { me: me?, stopping: false, time_left: None }));
            }
            // Nothing was accepted.
            Either::Right(_) if self.gates.is_empty() => return Ok(None),
            Either::Right(((), asking)) => asking,
        };
        self.close();
        match select(asking, self.shutdown_timer().unwrap_or_else(|| pending().boxed())).await {
            Either::Left((me, left)) => {
                let time_left = self.shutdown_timeout.map(|_| left);
                Ok(Some(Start { me: me?, stopping: true, time_left }))
            }
            Either::Right(_) => Ok(None),
        }
    }

    pub(super) async fn ask_who_i_am(&self) -> Result<AccountId, Error> {
        let me = self.client.me().await?;
        self.names.learn(me.account_id, &me.name);
        // Without the list the bot works too: it only does not know which rooms are direct chats.
        if let Ok(rooms) = self.client.rooms().lenient().await {
            self.client.state().direct_chats.learn(&rooms.items);
        }
        Ok(me.account_id)
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
}

impl<S: Stream<Item: Into<Input>>> Progress<S> {
    fn new(source: S, start: Start) -> Self {
        let (rooms, aside, summary) = Default::default();
        Self { start, source: Some(Box::pin(source)), rooms, aside, summary }
    }

    /// Whether only running handlers remain. From then on, or from a shutdown on, the shutdown timeout runs.
    fn is_over(&mut self, bot: &Bot) -> bool {
        if self.start.stopping && bot.is_drained() {
            self.source = None;
        }
        let is_taken = self.source.is_none();
        if (is_taken || self.start.stopping) && self.start.time_left.is_none() {
            self.start.time_left = bot.shutdown_timer();
        }
        is_taken && self.rooms.waiting == 0 && self.aside.is_empty()
    }

    fn poll(&mut self, bot: &Bot, task: &mut task::Context<'_>) -> Poll<LoopEvent> {
        if self.start.time_left.as_mut().is_some_and(|time_left| time_left.poll_unpin(task).is_ready()) {
            return Poll::Ready(LoopEvent::ShutdownTimedOut);
        }
        if let Poll::Ready(Some(taken)) = self.aside.poll_next_unpin(task) {
            return Poll::Ready(LoopEvent::Due(taken));
        }
        let waiting = self.rooms.waiting + self.aside.len();
        let Some(source) = self.source.as_mut().filter(|_| waiting < bot.queue) else {
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
            LoopEvent::Ended(taken, end) => {
                self.rooms.ended(taken.message.room_id);
                self.ended(bot, taken, end);
            }
            LoopEvent::Due(taken) => self.rooms.add_first(taken),
            LoopEvent::Taken(Input::Notice(notice)) => (bot.on_notice)(notice),
            LoopEvent::Taken(Input::Edited(_)) if !bot.edits => {}
            LoopEvent::Taken(Input::Message(message) | Input::Edited(message)) => {
                if let Some(name) = &message.name {
                    bot.names.learn(message.account_id, name);
                }
                if message.account_id == self.start.me {
                    self.summary.own += 1;
                } else {
                    self.rooms.add(Taken::new(message));
                }
            }
            LoopEvent::SourceEnded => self.source = None,
            LoopEvent::Shutdown | LoopEvent::ShutdownTimedOut => {
                self.start.stopping = true;
                bot.close();
            }
        }
    }

    fn ended(&mut self, bot: &Bot, taken: Taken, end: End) {
        match end {
            End::Handled(Ok(())) => self.summary.handled += 1,
            End::Handled(Err(failure)) => {
                self.summary.failed += 1;
                let (message, _) = taken.into_parts();
                (bot.on_notice)(Notice::Failed { message, failure });
            }
            End::Repeated => self.summary.repeated += 1,
            End::Held(left) => self.put_aside(bot, taken, left),
            // A shutdown does not wait for a store that may never answer.
            End::Unknown if self.start.stopping => self.abandon(bot, taken),
            End::Unknown => self.put_aside(bot, taken, bot.claims.lease),
        }
    }

    /// Keeps a message that cannot be claimed before this time.
    fn put_aside(&mut self, bot: &Bot, mut taken: Taken, left: Duration) {
        let wait = bot.claims.clock.sleep(wait_for_held(left, &mut taken.asked));
        self.aside.push(Aside { wait, taken: Some(taken) });
    }

    fn abandon(&mut self, bot: &Bot, taken: Taken) {
        let (message, begun) = taken.into_parts();
        self.summary.abandoned += 1;
        (bot.on_notice)(Notice::Abandoned { message, begun });
    }

    /// Reports all messages as abandoned: first those whose handler has begun.
    fn abandon_all(mut self, bot: &Bot) -> Summary {
        let aside = std::mem::take(&mut self.aside).into_iter().filter_map(|aside| aside.taken);
        let left: Vec<_> = std::mem::take(&mut self.rooms).into_messages().chain(aside).collect();
        left.into_iter().for_each(|taken| self.abandon(bot, taken));
        self.summary
    }
}
