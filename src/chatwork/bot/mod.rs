//! Bots: every message to a function, once, and in the order of its room.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use kaiwa::chatwork;
//! use kaiwa::chatwork::bot::{Bot, Context};
//!
//! let chatwork = chatwork::Client::from_env()?;
//! let messages = chatwork.watch_all().stream();
//! let bot = Bot::new(chatwork).shutdown(async { drop(tokio::signal::ctrl_c().await) });
//! let summary = bot
//!     .run(messages, async |context: Context| {
//!         if context.mentions_me() {
//!             context.reply(context.plain_text()).await?;
//!         }
//!         Ok::<_, kaiwa::Error>(())
//!     })
//!     .await?;
//! println!("{} messages", summary.handled);
//! # Ok(())
//! # }
//! ```
//!
//! # Where messages come from
//!
//! From any stream of what becomes an [`Input`]. A [`watch`](super::watch) needs no address, goes on from a
//! checkpoint with what was posted while the bot was down, and says what it could not see; but it is seconds behind
//! and makes calls all the time. Webhooks come at once and cost no calls, but each is sent only once: what the server
//! misses is lost. They go through an [`Inbox`], so that the server answers before any work:
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::{Router, extract::{FromRef, State}, routing::post};
//! use kaiwa::chatwork::bot::{Bot, Context, Inbox};
//! use kaiwa::chatwork::webhook::{Event, Verified, Verifier};
//!
//! #[derive(Clone)]
//! struct App {
//!     verifier: Verifier,
//!     inbox: Inbox,
//! }
//!
//! // `Verified` takes the verifier from the state.
//! impl FromRef<App> for Verifier {
//!     fn from_ref(app: &App) -> Self {
//!         app.verifier.clone()
//!     }
//! }
//!
//! async fn hook(State(app): State<App>, Verified(event): Verified<Event>) {
//!     if let Err(error) = app.inbox.push(event) {
//!         eprintln!("a message is lost: {error}");
//!     }
//! } // 200 in any case: it is not sent again, and errors have the webhook switched off
//!
//! # async fn example(
//! #     chatwork: kaiwa::chatwork::Client, verifier: Verifier, listener: tokio::net::TcpListener,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let mut bot = Bot::new(chatwork);
//! let (inbox, deliveries) = bot.inbox(256);
//! let router = Router::new().route("/hook", post(hook)).with_state(App { verifier, inbox });
//! tokio::spawn(async move { axum::serve(listener, router).await });
//! bot.run(deliveries, async |context: Context| context.reply("受け付けました").await.map(drop)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A bot with state
//!
//! The handler is any `AsyncFn(Context)`, so that an async closure may capture what it needs: by reference where the bot
//! is awaited in place, or with `async move` and an `Arc` where it is spawned.
//!
//! ```no_run
//! # async fn example(chatwork: kaiwa::chatwork::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use kaiwa::chatwork::bot::{Bot, Context};
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//!
//! let counts = Arc::new(Mutex::new(HashMap::new()));
//! let messages = chatwork.watch_all().stream();
//! let bot = Bot::new(chatwork);
//! let running = tokio::spawn(bot.run(messages, async move |context: Context| {
//!     let count = {
//!         // The lock is not held while something is awaited.
//!         let mut counts = counts.lock().expect("no handler panics while it holds the lock");
//!         let count = counts.entry(context.message().account_id).or_insert(0);
//!         *count += 1;
//!         *count
//!     };
//!     if count == 100 {
//!         context.reply("100 件目のメッセージです").await?;
//!     }
//!     Ok::<_, kaiwa::Error>(())
//! }));
//! running.await??;
//! # Ok(())
//! # }
//! ```
//!
//! A function that takes any handler and spawns the bot itself is another matter: stable Rust cannot say that the future
//! of an `AsyncFn` is `Send`, as `tokio::spawn` requires, so that `H: AsyncFn(Context) -> Result<(), E>` does not compile
//! there. `Fn(Context) -> F` does, where the future is a type that can be named, and the caller's closure clones its state
//! into an `async move` block:
//!
//! ```
//! use kaiwa::chatwork::bot::{Bot, Context, Input, Summary};
//! use kaiwa::chatwork::{self, AccountId};
//! use std::error::Error;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use tokio::task::JoinHandle;
//!
//! fn start<S, H, F, E>(bot: Bot, source: S, handler: H) -> JoinHandle<Result<Summary, kaiwa::Error>>
//! where
//!     S: futures::Stream<Item: Into<Input>> + Send + 'static,
//!     H: Fn(Context) -> F + Send + Sync + 'static,
//!     F: Future<Output = Result<(), E>> + Send + 'static,
//!     E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
//! {
//!     // `handler` alone would be no `AsyncFn`: a closure is one, and a type parameter is not.
//!     tokio::spawn(bot.run(source, move |context: Context| handler(context)))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn Error>> {
//! # let chatwork = chatwork::Client::builder().api_token("x").base_url("http://127.0.0.1:1").build()?;
//! # let messages = futures::stream::empty::<chatwork::webhook::Event>();
//! let count = Arc::new(AtomicU64::new(0));
//! let bot = Bot::new(chatwork).me(AccountId(1));
//! let running = start(bot, messages, move |context: Context| {
//!     let count = Arc::clone(&count);
//!     async move {
//!         let number = count.fetch_add(1, Ordering::Relaxed) + 1;
//!         context.reply(format!("{number} 件目です")).await.map(drop)
//!     }
//! });
//! running.await??;
//! # Ok(())
//! # }
//! ```
//!
//! Or the function keeps `AsyncFn` and does not spawn: it is an `async fn` that awaits [`Bot::run`], and its caller spawns
//! it, where all types are known. On one thread, `tokio::task::spawn_local` takes any handler.
//!
//! # What is handled
//!
//! Messages that are new to the bot, and edits only with [`edits`](Bot::edits). Its own messages are passed over, by
//! their author. So are repeats, by room and id: a message that two webhooks bring, or a webhook and a watch, is
//! handled once, as long as it is remembered (24 hours, and 10,000 messages unless there is [another
//! store](Bot::replay_cache)). It is remembered before it is handled, so that no message is handled twice, and one
//! whose handler failed is not handled again.
//!
//! A bot that obeys commands looks for them in [`own_text`](Context::own_text), which has none that are quoted.
//!
//! # Order
//!
//! Of each room one message is handled at a time, in the order in which they came. Up to
//! [`concurrency`](Bot::concurrency) rooms are handled at once, and of more they take turns. While
//! [`queue`](Bot::queue) messages wait, the source is not read: a watch then looks less often, and an inbox fills up.
//! One busy room can bring this about for all: a larger queue puts it off, and so that none does for ever, a handler is
//! dropped after a [`timeout`](Bot::timeout).
//!
//! # Failures
//!
//! A handler that returns an error, panics or takes too long is reported to [`on_notice`](Bot::on_notice), and the next
//! message is handled. So is a failure of the source, which a watch recovers from by itself. (With `panic = "abort"`
//! a panic ends the program.)
//!
//! # Shutting down
//!
//! When the [`shutdown`](Bot::shutdown) future ends, or the source does, nothing more is taken; what was taken is
//! handled, within [`shutdown_timeout`](Bot::shutdown_timeout) if there is one. An inbox is closed first, and what it had accepted is
//! handled too. The [`Summary`] says how it went.
//!
//! A bot that is to go on where it was keeps its watch, and runs with `&mut watch`: once the bot has ended,
//! [`Watch::checkpoint`](super::watch::Watch::checkpoint) says where to begin, after everything that was taken. A
//! message whose handler [failed](Notice::Failed), and one that was [abandoned](Notice::Abandoned) at the end of the
//! grace, lie before it and do not come again: the notices hand them out, to be kept for later. If the program may also
//! be killed, read the watch without a bot, and save the checkpoint after each event, as `examples/relay.rs` does.

mod contained;
mod context;
mod inbox;
mod input;
mod run;

pub use context::Context;
pub use inbox::{Deliveries, Inbox, PushError};
pub use input::{HandlerFailure, Input, Notice, ReceivedMessage};

use super::{AccountId, Client};
use crate::webhook::{MemoryReplayCache, ReplayCache};
use contained::contain;
use futures::FutureExt;
use futures::future::BoxFuture;
use inbox::InboxGate;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How many messages are remembered unless there is another [`replay_cache`](Bot::replay_cache).
const REMEMBERED: usize = 10_000;

/// How long a handler may take unless [`timeout`](Bot::timeout) says otherwise.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Hands messages to a function; see the [module](self).
#[must_use = "a bot does nothing until it is run"]
pub struct Bot {
    client: Client,
    me: Option<AccountId>,
    concurrency: usize,
    queue: usize,
    edits: bool,
    timeout: Option<Duration>,
    shutdown_timeout: Option<Duration>,
    replay_cache: Arc<dyn ReplayCache>,
    shutdown: BoxFuture<'static, ()>,
    on_notice: Box<dyn Fn(Notice) + Send + Sync>,
    gates: Vec<Arc<InboxGate>>,
}

impl Bot {
    /// A bot that answers with this client, and waits on its clock.
    pub fn new(client: Client) -> Self {
        let settings = client.transport().settings();
        let replay_cache = Arc::new(MemoryReplayCache::with_clock(REMEMBERED, Arc::clone(&settings.clock)));
        // On a clock that jumps, as a client without a timeout often has in tests, handlers would end at once.
        let timeout = settings.timeout.and(Some(TIMEOUT));
        Self {
            client,
            me: None,
            concurrency: 8,
            queue: 256,
            edits: false,
            timeout,
            shutdown_timeout: None,
            replay_cache,
            shutdown: futures::future::pending().boxed(),
            // A handler's error can panic when it is written out, or dropped.
            on_notice: Box::new(|notice| drop(contain(|| trace(notice)))),
            gates: Vec::new(),
        }
    }

    /// The bot's own account. Without it the bot asks `GET /me` when it starts, and cannot run if that fails.
    pub fn me(mut self, account: AccountId) -> Self {
        self.me = Some(account);
        self
    }

    /// How many rooms are handled at once, at least one; 8 by default.
    pub fn concurrency(mut self, rooms: usize) -> Self {
        self.concurrency = rooms.max(1);
        self
    }

    /// How many messages wait, at least one, before the source is no longer read; 256 by default.
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages.max(1);
        self
    }

    /// Whether edits are handled as well, each once. [`update_time`](ReceivedMessage::update_time) tells them apart.
    /// Default: no.
    pub fn edits(mut self, edits: bool) -> Self {
        self.edits = edits;
        self
    }

    /// How long a handler may take before it is dropped, `None` for as long as it likes. 5 minutes by default; no
    /// limit if the client has no timeout.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// How long a shutdown may take. What is not handled by then is abandoned: running handlers are dropped, and their
    /// messages and those that wait are [told](Notice::Abandoned). What an inbox holds and the bot has not taken is lost.
    /// Without it the bot handles all of them.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = Some(timeout);
        self
    }

    /// Remembers messages there: in a store that processes share, so that each message is handled by one of them, or
    /// in a [`MemoryReplayCache`] of another size.
    pub fn replay_cache(mut self, cache: Arc<dyn ReplayCache>) -> Self {
        self.replay_cache = cache;
        self
    }

    /// Shuts the bot down when this ends: Ctrl-C, a channel, a timer.
    pub fn shutdown(mut self, when: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = when.boxed();
        self
    }

    /// Is told of whatever is not for the handler. By default it is logged, as warnings of `tracing`. Those hold no texts
    /// or ids of messages, unless the handler's own error or panic does, which are logged as they are. It must not block,
    /// and a panic in it ends the bot.
    pub fn on_notice(mut self, tell: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Box::new(tell);
        self
    }

    /// An inbox for webhooks that holds so many events, at least one, and the source that takes them out.
    ///
    /// It takes up what comes at once: more than the server gets within the time that the bot needs to take its
    /// messages, which is none until [`queue`](Self::queue) of them wait.
    pub fn inbox(&mut self, capacity: usize) -> (Inbox, Deliveries) {
        let (inbox, deliveries) = inbox::inbox(capacity);
        self.gates.push(deliveries.gate());
        (inbox, deliveries)
    }
}

/// What a bot has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Messages whose handler succeeded.
    pub handled: u64,
    /// Messages whose handler failed, panicked or took too long.
    pub failed: u64,
    /// Its own messages, passed over.
    pub own: u64,
    /// Repeats, passed over.
    pub repeated: u64,
    /// Messages that were taken and not handled by the end of the [`shutdown_timeout`](Bot::shutdown_timeout).
    pub abandoned: u64,
}

fn trace(notice: Notice) {
    match notice {
        Notice::Failed { failure, .. } => tracing::warn!(error = %failure, "a message was not handled"),
        Notice::Abandoned { begun, .. } => tracing::warn!(begun, "a message was abandoned in the shutdown"),
        Notice::Source(error) => tracing::warn!(%error, "the bot's source failed and goes on"),
        Notice::Watch(super::watch::Event::Gap { .. }) => {
            tracing::warn!("messages may be missing before the next one");
        }
        Notice::Watch(super::watch::Event::Limited { hidden, .. }) => {
            tracing::warn!(?hidden, "the service hides messages");
        }
        Notice::Watch(super::watch::Event::Undecodable { item, .. }) => {
            tracing::warn!(path = %item.path, "a message does not decode");
        }
        Notice::Watch(_) => {}
        #[cfg(feature = "webhooks")]
        Notice::Webhook(other) => {
            tracing::warn!(
                event_type = other.event_type,
                "a webhook event is unknown, or its fields do not read"
            );
        }
    }
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot")
            .field("me", &self.me)
            .field("concurrency", &self.concurrency)
            .field("queue", &self.queue)
            .field("edits", &self.edits)
            .field("timeout", &self.timeout)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .field("replay_cache", &self.replay_cache)
            .finish_non_exhaustive()
    }
}
