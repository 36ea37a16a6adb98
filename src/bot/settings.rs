//! The settings of a durable bot.

use super::inbox::Inbox;
use super::listener::{Listener, Shared};
use super::notice::{Notice, SetAside, log};
use super::reply::Reply;
use crate::Error;
use crate::handler::contain;
use crate::outbox::{Filter, Outbox, OutboxStore, Phase};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a handler may take, unless [`timeout`](DurableBot::timeout) says otherwise.
const TIMEOUT: Duration = Duration::from_secs(300);

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
            attempts: 3,
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

    /// How long a handler may take before it is dropped, which counts as a failure; `None` for no limit. Default: 5 minutes.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// How often a message is handled that fails, at least once; then it is [set aside](Self::set_aside). The waits between are
    /// 1 s, 10 s, and then 1 minute each, and the later messages of the room wait too. Default: 3.
    ///
    /// A message whose handler ends the process, as a stack overflow does, is set aside after the tenth time.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Replies this to a message that is set aside. Default: nothing is said.
    pub fn apology(mut self, text: impl Into<Reply>) -> Self {
        self.apology = Some(text.into());
        self
    }

    /// How long handled messages are remembered, so that a copy that comes later is not handled again. Only hashes of their ids
    /// are kept: their texts are removed within ten minutes. With a store of the bot's own, its replies are removed after
    /// the same time, and their texts after a day. Default: 7 days.
    pub fn remember(mut self, time: Duration) -> Self {
        self.remember = time;
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

    /// Calls `report` when a handler fails, and when a message is set aside. By default this is logged as warnings of `tracing`,
    /// without texts of messages unless the handler's own error has them. `report` must not block, and a panic in it ends the bot.
    pub fn on_notice(mut self, report: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Box::new(report);
        self
    }

    /// Where webhooks go. Clones are the same inbox; it works before the bot runs, and in a process that does not run it.
    pub fn inbox(&self) -> Inbox {
        Inbox(Arc::clone(&self.shared))
    }

    /// The outbox that posts the replies.
    pub fn outbox(&self) -> &Outbox {
        &self.shared.outbox
    }

    /// The messages that are set aside, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn set_aside(&self, limit: usize) -> Result<Vec<SetAside>, Error> {
        let filter = Filter::new(self.shared.listener.queue(), limit).phase(Phase::Failed);
        let entries = self.shared.outbox.store().list(filter).await.map_err(Error::store)?;
        Ok(entries.iter().map(SetAside::read).collect())
    }

    /// Handles a message that is set aside once more, because the handler was mended. Returns whether there was one with this
    /// key.
    ///
    /// # Errors
    /// The store failed.
    pub async fn retry(&self, key: &str) -> Result<bool, Error> {
        self.decide(key, Phase::Waiting).await
    }

    /// Gives up a message that is set aside. Returns whether there was one with this key.
    ///
    /// # Errors
    /// The store failed.
    pub async fn discard(&self, key: &str) -> Result<bool, Error> {
        self.decide(key, Phase::Discarded).await
    }

    async fn decide(&self, key: &str, to: Phase) -> Result<bool, Error> {
        let store = self.shared.outbox.store();
        let decided = store.decide(key, &[Phase::Failed], to).await.map_err(Error::store)?;
        if decided {
            self.shared.added.notify_one();
        }
        Ok(decided)
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
