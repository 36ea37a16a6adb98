//! TAS-CHA Public API v1.
//!
//! ```no_run
//! # async fn example() -> Result<(), kaiwa::Error> {
//! use futures::TryStreamExt;
//!
//! let tascha = kaiwa::tascha::Client::from_env()?; // TASCHA_API_KEY
//! let mut rooms = tascha.rooms().limit(200).stream();
//! while let Some(room) = rooms.try_next().await? {
//!     println!("{}", room.name);
//! }
//! tascha.room("ckabc").post("決裁しました").with_idempotency_key("order-42").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Writes carry an idempotency key, so they are retried after a failure without being done twice. All paths except `GET /me`
//! are inferred: [`table`] has the reason for each operation. [`client.request(…)`](crate::Client::request) replaces a path
//! that is wrong.

// First, so that its page begins with the builders.
mod client;

mod account;
#[cfg(feature = "outbox")]
pub mod bot;
mod messages;
#[cfg(feature = "oauth")]
pub mod oauth;
mod records;
mod rooms;
mod tasks;
#[cfg(feature = "webhooks")]
pub mod webhook;
mod webhooks;

pub use crate::generated::tascha::*;
pub use client::{BASE_URL, Builder, Client, STAGING_URL, Tascha};
pub use records::RecordHandle;
pub use rooms::RoomHandle;
pub use tasks::TaskHandle;
pub use webhooks::WebhookHandle;
