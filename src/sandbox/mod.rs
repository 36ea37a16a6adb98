//! The three services in memory, on loopback ports, with faults on demand.
//!
//! Nothing leaves the machine, no token is needed, and time stands still on a [`VirtualClock`](crate::VirtualClock). The
//! services keep state: what is posted is listed, counted and can be read by the other accounts. [`chatwork`], [`tascha`] and
//! [`lancers`] describe what they answer, [`Fault`] what can go wrong on the way.
//!
//! A complete test of a small bot, which has to greet each newcomer once:
//!
//! ```
//! use kaiwa::VirtualClock;
//! use kaiwa::chatwork::{Client, Reconcile, RoomId};
//! use kaiwa::sandbox::chatwork::{Account, Room, Seed};
//! use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
//!
//! /// The bot: greets all members of a room but itself.
//! async fn greet(chatwork: &Client, room: RoomId) -> Result<(), kaiwa::Error> {
//!     let me = chatwork.me().await?.account_id;
//!     let room = chatwork.room(room);
//!     for member in room.members().await?.iter().filter(|member| member.account_id != me) {
//!         let greeting = format!("[To:{}] Welcome, {}!", member.account_id, member.name);
//!         room.post(greeting).with_reconcile(Reconcile::new().account(me)).await?;
//!     }
//!     Ok(())
//! }
//!
//! # /*
//! #[tokio::test]
//! # */
//! async fn everyone_is_greeted_once() -> Result<(), Box<dyn std::error::Error>> {
//!     let seed = Seed::new()
//!         .account(Account::new(1, "Bot").token("bot-token"))
//!         .account(Account::new(2, "Alice"))
//!         .account(Account::new(3, "Bob"))
//!         .room(Room::group(10, "Builds").admin(1).member(2).member(3));
//!     let clock = VirtualClock::new();
//!     let sandbox = Sandbox::builder().clock(clock.clone()).seed(42).chatwork(seed).start().await?;
//!     let bot = sandbox.chatwork_client("bot-token").build()?;
//!
//!     // Alice's greeting is posted, and the answer lost; a gateway is in the way of Bob's.
//!     let script = Script::on("post_message").then(Fault::reset().after()).then(Fault::bad_gateway());
//!     sandbox.faults().script(Provider::Chatwork, script);
//!     clock.drive(greet(&bot, RoomId(10))).await?;
//!
//!     let messages = sandbox.chatwork().room(10).messages();
//!     let bodies: Vec<&str> = messages.iter().map(|message| message.body.as_str()).collect();
//!     assert_eq!(bodies, ["[To:2] Welcome, Alice!", "[To:3] Welcome, Bob!"]);
//!     let posts = sandbox.requests().iter().filter(|request| request.operation == Some("post_message")).count();
//!     assert_eq!(posts, 3, "Bob's was sent again, Alice's was not");
//!     Ok(())
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> { everyone_is_greeted_once().await }
//! ```
//!
//! The guide on [testing](crate::guide::testing) goes through all of it. For programs in other languages
//! `cargo run --example sandbox` serves it on fixed ports, which can be chosen.

mod answer;
mod backend;
pub mod chatwork;
mod clients;
mod disposition;
mod fault;
#[cfg(feature = "sandbox-window")]
mod glance;
mod ids;
pub mod lancers;
mod log;
mod multipart;
mod port;
mod poster;
mod provider;
mod recording;
mod routes;
mod server;
mod start;
mod state;
pub mod tascha;
#[cfg(feature = "sandbox-window")]
mod window;

pub use clients::Clients;
pub use fault::{Chaos, Fault, Faults, Script};
pub use log::Recorded;
pub use provider::Provider;
pub use recording::RecordingError;
pub use start::{Builder, Sandbox};
