//! Lancers message API v2. **Experimental**: its only source is an engineers' blog post of 2019.
//!
//! The post names no credential, says that the real endpoints differ, and offers nothing to third parties. You can override
//! the base URL, the credential (any header) and the paths ([`client.request(…)`](crate::Client::request)).
//!
//! ```no_run
//! # async fn example() -> Result<(), kaiwa::Error> {
//! use kaiwa::lancers::{self, BoardId};
//!
//! let lancers = lancers::Client::from_env()?; // LANCERS_COOKIE
//! for board in lancers.boards().limit(20).await? {
//!     println!("{} {}", board.title, board.unread_count);
//! }
//! lancers.board(BoardId(4367793)).post("承知しました").await?;
//! # Ok(())
//! # }
//! ```
//!
//! The service sends times without a zone. They are read as Japan time, unless
//! [`Builder::time_zone`](crate::ClientBuilder::time_zone) sets another zone.

// First, so that its page begins with the builders.
mod client;

mod boards;
mod files;
mod messages;
mod paging;
mod reconcile;
mod users;
mod zone;

pub use crate::generated::lancers::*;
pub use boards::{BoardHandle, CreateBoard, PartNames};
pub use client::{BASE_URL, Builder, Client, Lancers};
pub use messages::PostMessage;
pub use reconcile::{Arrival, BeforePost, LookFor, PostOnce, ReconciledMessage, Sought};
