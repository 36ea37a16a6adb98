//! Lists: in pages, as streams of pages and of items, and with the items that do not decode set aside.
//!
#![cfg_attr(feature = "tascha", doc = "```no_run")]
#![cfg_attr(not(feature = "tascha"), doc = "```ignore")]
//! # async fn example(tascha: kaiwa::tascha::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use futures::TryStreamExt;
//!
//! let mut rooms = tascha.rooms().limit(200).stream();
//! while let Some(room) = rooms.try_next().await? {
//!     println!("{}", room.name);
//!     // Names the room just yielded: to go on from here another day, keep it.
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
mod place;
mod read_ahead;
mod search;
mod stream;
mod walk;

pub use checkpoint::Checkpoint;
pub use lenient::{Lenient, LenientList, Rejected};
pub(crate) use place::{Asked, Mark, Place, Walk};
pub use stream::{Items, Pages, UpTo};

use crate::error::Error;
use crate::request::{Endpoint, Request};
use crate::transport::Transport;
use crate::transport::check::InvalidInput;
use futures::future::{BoxFuture, ready};
use walk::Walker;

/// How many pages a stream fetches before they are asked for, if it is not set.
const READ_AHEAD: usize = 1;

/// How many pages a stream fetches ahead at most.
const MOST_READ_AHEAD: usize = 256;

/// The rows of one answer, and the cursor that the service handed out with them.
pub type Rows<T> = (Vec<T>, Option<String>);

/// An operation that answers with a list, whether in pages or whole.
pub trait List: Endpoint {
    /// What the list is of.
    type Item: Send + 'static;

    #[doc(hidden)]
    fn rows(output: Self::Output) -> Rows<Self::Item>;
}

/// An operation whose list comes in pages.
pub trait Paged: List + Clone {
    #[doc(hidden)]
    fn walk(&self) -> Walk;

    #[doc(hidden)]
    fn mark(&self, item: &Self::Item) -> Mark;

    /// Asks for the page at `place`, `grown` times twice as large as usual.
    #[doc(hidden)]
    fn seek(&mut self, place: &Place, grown: u32, transport: &Transport) -> Result<Asked, InvalidInput>;

    /// Where the page after one with this last row begins, if it follows from its rows.
    #[doc(hidden)]
    fn follow(request: &Request<Self>, last: &Mark) -> BoxFuture<'static, Result<Option<Place>, Error>> {
        let _ = request;
        Box::pin(ready(Ok(last.after.clone())))
    }
}

impl<E: Paged> Request<E> {
    /// Every page that the request begins. Nothing is sent until the stream is polled.
    pub fn pages(self) -> Pages<E> {
        let ahead = self.options.read_ahead.unwrap_or(READ_AHEAD);
        Pages::new(Walker::new(self), ahead)
    }

    /// Every item of every page. Nothing is sent until the stream is polled.
    pub fn stream(self) -> Items<E> {
        Items::new(self.pages())
    }

    /// The pages after the item that a checkpoint names, the rest of its own page first.
    ///
    /// # Errors
    ///
    /// If the checkpoint is of another list: another operation, another room, another search.
    pub fn pages_from(self, checkpoint: &Checkpoint) -> Result<Pages<E>, Error> {
        let ahead = self.options.read_ahead.unwrap_or(READ_AHEAD);
        Ok(Pages::new(Walker::resume(self, checkpoint)?, ahead))
    }

    /// The items after the one that a checkpoint names.
    ///
    /// # Errors
    ///
    /// If the checkpoint is of another list: another operation, another room, another search.
    pub fn stream_from(self, checkpoint: &Checkpoint) -> Result<Items<E>, Error> {
        Ok(Items::new(self.pages_from(checkpoint)?))
    }

    /// How many pages the streams of this request fetch before they are asked for, 1 if it is not set, at most 256.
    ///
    /// With 0 a page is fetched when the stream is polled for it, on the caller's task. With more, a task of its own
    /// fetches them, so that the next page comes while the caller works on this one; it is stopped when the stream is
    /// dropped. Outside a tokio runtime nothing is fetched ahead.
    pub fn with_read_ahead(mut self, pages: usize) -> Self {
        self.options.read_ahead = Some(pages.min(MOST_READ_AHEAD));
        self
    }
}

impl<E: List> Request<E>
where
    E::Item: serde::de::DeserializeOwned,
{
    /// The same list with the items set aside that do not decode, instead of an error for the first of them.
    ///
    /// Awaited, it answers with a [`Lenient`] list; as a stream, with a `Result` for each item.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chatwork")]
    /// # async fn example(chatwork: kaiwa::chatwork::Client) -> Result<(), kaiwa::Error> {
    /// let rooms = chatwork.rooms().lenient().await?;
    /// for rejected in &rooms.rejected {
    ///     eprintln!("left out: {rejected}");
    /// }
    /// for room in &rooms.items {
    ///     println!("{}", room.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn lenient(self) -> Request<LenientList<E>> {
        let Self { endpoint, transport, options } = self;
        Request { endpoint: LenientList(endpoint), transport, options }
    }
}
