//! The settings of a durable bot.

use super::inbox::Inbox;
use super::listener::{Listener, Shared};
use super::notice::{Notice, log};
use super::reply::Reply;
use crate::handler::contain;
use crate::outbox::{Outbox, OutboxStore};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a handler may take, unless [`timeout`](DurableBot::timeout) says otherwise.
const TIMEOUT: Duration = Duration::from_secs(300);

/// How long the texts of replies are kept.
pub(super) const REPLIES: Duration = Duration::from_secs(24 * 60 * 60);

/// How long keys are remembered, unless [`remember`](DurableBot::remember) says otherwise.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A bot that keeps what it has read; see the [module](super).
///
#[cfg_attr(
    feature = "chatwork",
    doc = "It is made from a bot of a service: [`chatwork::bot::Bot::durable`](crate::chatwork::bot::Bot::durable)."
)]
#[must_use = "a bot does nothing until it is run"]
pub struct DurableBot {
    pub(super) shared: Arc<Shared>,
    pub(super) concurrency: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) attempts: u32,
    pub(super) remember: Duration,
    /// Whether the outbox is the bot's own, which also cleans it.
    pub(super) owns_outbox: bool,
    pub(super) apology: Option<Reply>,
    /// In a lock, since the bot is shared by what waits and a future cannot be.
    pub(super) shutdown: Mutex<BoxFuture<'static, ()>>,
    pub(super) shutdown_timeout: Option<Duration>,
    pub(super) on_notice: Box<dyn Fn(Notice) + Send + Sync>,
}

impl DurableBot {
    fn new(listener: Listener, outbox: Outbox, owns_outbox: bool) -> Self {
        Self {
            // In tests, a client without a timeout often has a virtual clock, on which handlers would time out at once.
            timeout: listener.has_timeout().then_some(TIMEOUT),
            shared: Arc::new(Shared { listener, outbox, added: Notify::new() }),
            concurrency: 8,
            attempts: 5,
            remember: REMEMBERED,
            owns_outbox,
            apology: None,
            shutdown: Mutex::new(futures::future::pending().boxed()),
            shutdown_timeout: None,
            // A handler's error can panic when it is formatted or dropped.
            on_notice: Box::new(|notice| drop(contain(|| log(&notice)))),
        }
    }

    /// How many rooms are handled at once, at least one. Default: 8.
    pub fn concurrency(mut self, rooms: usize) -> Self {
        self.concurrency = rooms.max(1);
        self
    }

    /// How long a handler may take before it is dropped, which counts as a failure; `None` for no limit. Default: 5 minutes; no limit
    /// if the client has no timeout.
    ///
    /// A handler must not hold up its thread for longer than 20 seconds: the bot could not renew its claim on the message, and what the
    /// handler did would not be stored.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// How often a message is handled that fails, at least once; then it is [set aside](Inbox::set_aside). The waits between are
    /// 1 s, 10 s, and then 1 minute each, and the later messages of the room wait too. Default: 5, over two minutes. An
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), such as a reply that is too long, would fail again: it is set aside at once.
    ///
    /// A message whose handler ends the process, as a stack overflow does, is handled again too: from the third time on after waits
    /// that grow to 5 minutes. After the thirtieth time, which takes more than an hour, it is set aside.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Replies this to a message that is set aside and addresses the bot. Default: nothing is said.
    pub fn apology(mut self, text: impl Into<Reply>) -> Self {
        self.apology = Some(text.into());
        self
    }

    /// How long handled messages are remembered, at least a day, so that a copy that comes later is not handled again. Only hashes of
    /// their ids are kept: their texts are removed within ten minutes. With an outbox of the bot's own, its replies are removed after
    /// the same time, and their texts after a day. Default: 7 days.
    pub fn remember(mut self, time: Duration) -> Self {
        self.remember = time.max(REPLIES);
        self
    }

    /// Shuts the bot down when this ends: Ctrl-C, a channel, a timer. Running handlers end first; replies that are not posted yet
    /// are posted by the next run.
    pub fn shutdown(mut self, when: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Mutex::new(when.boxed());
        self
    }

    /// How long a shutdown may take. What is not done by then is dropped, and done by the next run. Default: as long as
    /// the handlers.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = Some(timeout);
        self
    }

    /// Calls `report` when a handler fails, a message is set aside, or a reply is not posted. By default this is logged as warnings of
    /// `tracing`, without texts of messages unless the handler's own error has them. `report` must not block, and a panic in it ends the bot.
    pub fn on_notice(mut self, report: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Box::new(report);
        self
    }

    /// The messages that wait: webhooks go into it, and what is set aside is decided there. It works before the bot runs, while it
    /// runs, and in a process that does not run it.
    pub fn inbox(&self) -> Inbox {
        Inbox(Arc::clone(&self.shared))
    }

    /// The outbox that posts the replies.
    pub fn outbox(&self) -> &Outbox {
        &self.shared.outbox
    }
}

#[cfg(feature = "chatwork")]
impl crate::chatwork::bot::Bot {
    /// The same bot, which keeps what it has read in this store; see [`kaiwa::bot`](crate::bot). It posts its replies by an
    /// [outbox](DurableBot::outbox) of its own.
    ///
    /// Its concurrency, timeouts and shutdown stay; [`on_notice`](Self::on_notice) gets what the watch or a webhook reports.
    /// [`replay_cache`](Self::replay_cache), [`queue`](Self::queue) and [`inbox`](Self::inbox) have no meaning any more: the
    /// store does what they do, and [`DurableBot::inbox`] takes webhooks.
    pub fn durable(self, store: impl OutboxStore) -> DurableBot {
        let clock = Arc::clone(self.client().transport().clock());
        let outbox = Outbox::builder(store).chatwork(self.client().clone()).clock(clock).build();
        self.into_durable(outbox, true)
    }

    /// The same with an outbox of yours: with clients of several services, or another
    /// [`settle`](crate::outbox::OutboxBuilder::settle). It must have this bot's client. Cleaning it is left to you.
    pub fn durable_with(self, outbox: Outbox) -> DurableBot {
        self.into_durable(outbox, false)
    }

    fn into_durable(mut self, outbox: Outbox, owns_outbox: bool) -> DurableBot {
        let settings = self.settings();
        let bot = DurableBot::new(Listener::chatwork(self), outbox, owns_outbox);
        DurableBot {
            concurrency: settings.concurrency,
            timeout: settings.timeout,
            shutdown: Mutex::new(settings.shutdown),
            shutdown_timeout: settings.shutdown_timeout,
            ..bot
        }
    }
}

#[cfg(feature = "tascha")]
impl crate::tascha::bot::Bot {
    /// A bot that keeps what it has read in this store; see [`kaiwa::bot`](crate::bot). It posts its replies by an
    /// [outbox](DurableBot::outbox) of its own.
    pub fn durable(self, store: impl OutboxStore) -> DurableBot {
        let clock = Arc::clone(self.client().transport().clock());
        let outbox = Outbox::builder(store).tascha(self.client().clone()).clock(clock).build();
        DurableBot::new(Listener::tascha(self), outbox, true)
    }

    /// The same with an outbox of yours, which must have this bot's client. Cleaning it is left to you.
    pub fn durable_with(self, outbox: Outbox) -> DurableBot {
        DurableBot::new(Listener::tascha(self), outbox, false)
    }
}

impl fmt::Debug for DurableBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableBot")
            .field("outbox", &self.shared.outbox)
            .field("concurrency", &self.concurrency)
            .field("timeout", &self.timeout)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
