//! Lists: pages, streams of pages and of items, and lenient lists, which set undecodable items aside.
//!
#![cfg_attr(feature = "tascha", doc = "```no_run")]
#![cfg_attr(not(feature = "tascha"), doc = "```ignore")]
//! # async fn example(tascha: kaiwa::tascha::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use futures::TryStreamExt;
//!
//! let mut rooms = tascha.rooms().limit(200).stream();
//! while let Some(room) = rooms.try_next().await? {
//!     println!("{}", room.name);
//!     // Names the room just yielded: save it to resume from here later.
//!     std::fs::write("rooms.json", serde_json::to_vec(&rooms.checkpoint())?)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`guide::paging`](crate::guide::paging) says what each service can and cannot promise.

mod backoff;
mod checkpoint;
mod cursors;
mod lenient;
mod lenient_list;
mod list;
mod pager;
mod place;
mod read_ahead;
mod search;
mod stream;

pub use checkpoint::Checkpoint;
pub use lenient::{Lenient, UndecodableItem};
pub use lenient_list::LenientList;
pub use list::{List, Paged, Rows};
pub(crate) use place::{ItemPosition, PageRequest, PageStart, PagingMode};
pub use stream::{Batch, Items, Pages};
