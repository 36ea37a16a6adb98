//! Bots that survive: whatever they have read is handled, and answered once, however often the program is killed.
//!
//! A [`DurableBot`] keeps messages in the store of an [`Outbox`](crate::outbox::Outbox) before it handles them. When the handler returns, the end of the
//! message, the [state](DurableContext::state) of the conversation and the [replies](DurableContext::reply) are stored at once, or
//! none of them; then the replies are posted exactly once. The guide is [`guide::durable_bots`](crate::guide::durable_bots).
//!
//! ```no_run
//! # #[cfg(feature = "chatwork")]
//! # async fn example(store: impl kaiwa::outbox::OutboxStore) -> Result<(), kaiwa::Error> {
//! use kaiwa::bot::DurableContext;
//! use kaiwa::chatwork::{self, bot::Bot};
//! use std::time::Duration;
//!
//! let chatwork = chatwork::Client::from_env()?;
//! let watch = chatwork.watch_all();
//! let bot = Bot::new(chatwork).durable(store).shutdown(async { drop(tokio::signal::ctrl_c().await) });
//! bot.run(watch, async |context: DurableContext| {
//!     if !context.is_addressed() {
//!         return Ok(());
//!     }
//!     // What the person said before: the bot has asked for a name, and this is the answer.
//!     let asked = context.state::<bool>().keep(Duration::from_secs(600));
//!     if asked.get().await?.is_some() {
//!         asked.clear()?;
//!         context.reply(format!("{} さん、こんにちは。", context.text()))?;
//!     } else {
//!         asked.set(&true)?;
//!         context.reply("お名前を教えてください。")?;
//!     }
//!     Ok::<_, kaiwa::Error>(())
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! ```text
//!            stored, with the place in the source          the handler has returned: stored at once
//!  MESSAGE ─────────────────────────────────────► WAITING ─────────────────────────────────────────► HANDLED, replies queued,
//!                                                  ▲  │ │                                            state written
//!                     after a wait, or a new start │  │ └─ failed too often ─► SET ASIDE, and reported
//!                                                  └──┘ failed, or killed
//! ```
//!
//! - **No message is missed** that the source has yielded, or for which [`Inbox::push`] has returned.
//! - **No message is answered twice.** Each is stored once, by its ids, which are [remembered](DurableBot::remember) for 7 days, and the
//!   replies of one run of its handler are posted. What the [outbox](crate::outbox) cannot know it reports: a request that the service
//!   carries out later than `settle`.
//! - **The handler itself may run again** (at least once): if it was killed, or failed, or what it did could not be stored. What
//!   it does otherwise than by its context, such as a request of its own, it then does again.
//! - **In order**: in each room one message is handled at a time, in the order in which they were stored.
//! - **Several processes** may work on one store: each message is handled by one of them. They are copies of one bot: bots of
//!   different accounts of a service need stores of their own, since a message is handled once in a store.

#[cfg(feature = "clap")]
mod command;
mod context;
mod handle;
mod inbox;
mod incoming;
mod listener;
mod notice;
#[cfg(feature = "tascha")]
mod poll;
mod progress;
mod received;
mod reply;
mod run;
mod settings;
mod source;
mod staged;
mod state;

pub use crate::handler::HandlerFailure;
#[cfg(feature = "clap")]
pub use command::DurableCommand;
pub use context::DurableContext;
pub use inbox::Inbox;
pub use incoming::Incoming;
pub use notice::{Notice, SetAside, Summary};
pub use reply::Reply;
pub use settings::DurableBot;
pub use source::Source;
pub use staged::Queued;
pub use state::State;
