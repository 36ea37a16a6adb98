//! Chatwork API v2.
//!
//! ```no_run
//! # async fn example() -> Result<(), kaiwa::Error> {
//! use kaiwa::chatwork::{self, RoomId};
//!
//! let chatwork = chatwork::Client::from_env()?; // CHATWORK_API_TOKEN
//! let me = chatwork.me().await?;
//! let sent = chatwork.room(RoomId(123)).post(format!("{}です", me.name)).self_unread(true).await?;
//! println!("{} {:?}", sent.message_id, sent.rate_limit());
//! # Ok(())
//! # }
//! ```
//!
//! Limits of the service: 300 calls in 5 minutes for the account, and 10 messages and tasks in 10 seconds for each room.
//! Lists have no pages and end at 100 items. There are no idempotency keys, so a post is never retried once it may have
//! arrived. A [`watch`] reports the events in rooms.

// First, so that its page begins with the builders.
mod client;

mod account;
pub mod bot;
mod contacts;
mod direct;
mod download;
mod files;
mod link;
mod members;
mod messages;
pub mod notation;
#[cfg(feature = "oauth")]
pub mod oauth;
mod reconcile;
mod rooms;
mod tasks;
pub mod watch;
#[cfg(feature = "webhooks")]
pub mod webhook;

pub use crate::generated::chatwork::*;
pub use client::{BASE_URL, Builder, Chatwork, Client};
pub use contacts::IncomingRequestHandle;
pub use download::{Download, FileStream};
pub use files::{FileHandle, UploadFile};
pub use messages::MessageHandle;
pub use reconcile::{
    Arrival, BeforePost, LookFor, PostOnce, Reconcile, ReconciledMessage, ReconciledPost, Sought,
};
pub use rooms::RoomHandle;
pub use tasks::TaskHandle;
