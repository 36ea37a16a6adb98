//! Bots: each message is passed to a function once, in the order of its room.
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
//! From any stream whose items convert into [`Input`]. A [`watch`](super::watch) needs no public address, resumes from a
//! checkpoint with the messages that were posted while the bot was down, and reports gaps. But it is some seconds late, and
//! makes calls all the time. Webhooks come at once and cost no calls. But each is sent only once: an event that the server
//! misses is lost. Webhooks go through an [`Inbox`], so that the server responds before any work:
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
//! } // always 200: the event is not sent again, and after errors the service switches the webhook off
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
//! The handler is any `AsyncFn(Context)`. An async closure may capture what it needs: by reference if the bot is awaited in
//! place, or with `async move` and an `Arc` if it is spawned.
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
//! A generic function that takes any handler and spawns the bot needs other bounds. `tokio::spawn` requires a `Send` future,
//! and stable Rust cannot express that for `H: AsyncFn(Context) -> Result<(), E>`. Use `Fn(Context) -> F`, which names the
//! future's type. The caller's closure then clones its state into an `async move` block:
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
//!     // The closure is an `AsyncFn`; the type parameter alone is not.
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
//! Alternatively, write an `async fn` with an `AsyncFn` that awaits [`Bot::run`], and let its caller spawn it, where all types
//! are known. On one thread, `tokio::task::spawn_local` takes any handler.
//!
//! # What is handled
//!
//! The bot handles new messages, and edits only with [`edits`](Bot::edits). It skips its own messages, by their author, and
//! duplicates, by room and id: a message from two webhooks, or from a webhook and a watch, is handled once. It remembers
//! messages for 24 hours, and at most 10,000 unless there is [another cache](Bot::replay_cache). A message is done when its
//! handler has ended, also when it failed: a message whose handler failed is not handled again.
//!
//! A bot with commands should read them from [`own_text`](Context::own_text), which contains no quotes and no name of the bot.
//! With the feature `clap` it reads them by `context.command::<Cli>()`, and replies with help and with what is wrong:
//! [`guide::commands`](crate::guide::commands).
//!
//! # Order
//!
//! In each room one message is handled at a time, in the order of arrival. Up to [`concurrency`](Bot::concurrency) rooms are
//! handled at once; further rooms take turns. While [`queue`](Bot::queue) messages wait, the source is not read: a watch then
//! polls less often, and an inbox fills up. One busy room can cause this for all rooms; a larger queue delays it. A handler is
//! dropped after a [`timeout`](Bot::timeout), so it cannot block a room forever.
//!
//! # Failures
//!
//! If a handler returns an error, panics or takes too long, [`on_notice`](Bot::on_notice) gets a report, and the next message
//! is handled. It also gets the failures of the source; a watch recovers from them by itself. (With `panic = "abort"` a panic
//! ends the program.)
//!
//! # Several processes
//!
//! Several processes that receive the same messages, each with a bot of the same account, share the work if they share a
//! [`replay_cache`](Bot::replay_cache). A bot claims a message when its handler begins, for one minute or the
//! [`lease`](Bot::lease), and renews the claim while the handler runs. The others keep the message, ask again after one second,
//! two, four and so on, and drop it once it is done. If the process that claimed it is killed, one of them handles it when the
//! claim ends: work that was begun is then begun again. If a bot is dropped, or abandons a message at the end of its
//! [`shutdown_timeout`](Bot::shutdown_timeout), it releases the claim.
//!
//! The order of a room holds within each process. Messages that others handle count as waiting, for [`queue`](Bot::queue).
//! With webhooks, share the cache of the bots, and leave each verifier its own: an event that a verifier refuses never reaches
//! the bot, which could take it over.
//!
//! A process that is suspended for longer than the lease may end a handler that another process has begun again. A warning
//! says so. What must not happen twice then needs a key of its own, such as an
//! [idempotency key](crate::Request::with_idempotency_key), or a [reconcile](super::Reconcile).
//!
//! # Shutting down
//!
//! When the [`shutdown`](Bot::shutdown) future or the source ends, the bot takes no more messages. It handles the messages that
//! it has taken, within the [`shutdown_timeout`](Bot::shutdown_timeout) if there is one. An inbox is closed first, and its
//! accepted messages are handled too. The [`Summary`] has the result.
//!
//! To resume later, keep the watch and run the bot with `&mut watch`. After the bot has ended,
//! [`Watch::checkpoint`](super::watch::Watch::checkpoint) is the position after all messages that were taken. Messages whose
//! handler [failed](Notice::Failed), and those that were [abandoned](Notice::Abandoned) at the end of the shutdown timeout, lie
//! before it and do not come again; the notices contain them. If the program may also be killed, read the watch without a
//! bot, and save the checkpoint after each event, as `examples/relay.rs` does.

#[cfg(feature = "clap")]
pub mod commands;
mod context;
#[cfg(feature = "outbox")]
pub(crate) mod durable;
mod handling;
mod inbox;
mod input;
mod names;
mod rooms;
mod run;
mod settings;

pub use crate::handler::HandlerFailure;
pub use context::Context;
#[cfg(feature = "outbox")]
pub(crate) use context::ReplyQueue;
pub use inbox::{Deliveries, Inbox, PushError};
pub use input::{Input, Notice, ReceivedMessage};

use super::{AccountId, Client};
use crate::webhook::claims::Claims;
use futures::future::BoxFuture;
use inbox::InboxGate;
use names::Names;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Passes messages to a function; see the [module](self).
///
/// # Names
///
/// [`Context::own_text`] leaves out the names after addresses that the bot knows without a request of its own: its own from
/// the `GET /me` at its start, those of authors whose messages a watch has yielded, and those that [`name`](Self::name) adds.
///
/// # Direct chats
///
/// In a direct chat every message is for the bot. It knows which rooms are direct chats from the list of rooms, which it reads
/// at its start and a watch of several rooms reads again and again. For a message in another room that does not address it
/// otherwise, it asks `GET /rooms/{room_id}` once and remembers the answer; if that fails or takes longer than 10 seconds, the
/// message counts as one of a group chat, and the bot asks again after a minute. A `mention_to_me` of a text without a tag
/// says that the room is a direct chat; [`direct_chat`](Self::direct_chat) names one.
#[must_use = "a bot does nothing until it is run"]
pub struct Bot {
    client: Client,
    me: Option<AccountId>,
    names: Names,
    honorific: Option<Arc<str>>,
    concurrency: usize,
    queue: usize,
    edits: bool,
    timeout: Option<Duration>,
    shutdown_timeout: Option<Duration>,
    claims: Claims,
    /// In a lock, since the bot is shared by what waits and a future cannot be.
    shutdown: Mutex<BoxFuture<'static, ()>>,
    on_notice: Box<dyn Fn(Notice) + Send + Sync>,
    gates: Vec<Arc<InboxGate>>,
    #[cfg(feature = "clap")]
    commands: commands::Settings,
}

/// The result of a bot's run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Messages whose handler succeeded.
    pub handled: u64,
    /// Messages whose handler failed, panicked or took too long.
    pub failed: u64,
    /// The bot's own messages, which were skipped.
    pub own: u64,
    /// Duplicates, which were skipped, and messages that a bot with the same replay cache handled.
    pub repeated: u64,
    /// Messages that were taken and not handled by the end of the [`shutdown_timeout`](Bot::shutdown_timeout), or because the
    /// replay cache failed in the shutdown.
    pub abandoned: u64,
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
            .field("replay_cache", &self.claims)
            .finish_non_exhaustive()
    }
}
