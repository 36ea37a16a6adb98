//! Streams of pages and of items.

use super::checkpoint::{Checkpoint, PageAt, Progress};
use super::list::Paged;
use super::pager::Pager;
use super::place::ItemPosition;
use super::read_ahead::Source;
use crate::error::Error;
use crate::request::Request;
use crate::response::Response;
use futures::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::iter::Zip;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

/// How many pages a stream fetches before they are asked for, if it is not set.
const READ_AHEAD: usize = 1;

/// How many pages a stream fetches ahead at most.
const MOST_READ_AHEAD: usize = 256;

impl<E: Paged> Request<E> {
    /// Every page that the request begins. Nothing is sent until the stream is polled.
    pub fn pages(self) -> Pages<E> {
        let ahead = self.options.read_ahead.unwrap_or(READ_AHEAD);
        Pages::new(Pager::new(self), ahead)
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
        Ok(Pages::new(Pager::resume(self, checkpoint)?, ahead))
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

/// The pages of a list: [`Request::pages`](crate::Request::pages).
///
/// An error is yielded once. Polled again, the stream waits for a while, twice as long after each failure, and asks again
/// for the page that failed. After 8 failures in a row it yields one last error, [`GaveUp`](crate::ErrorKind::GaveUp),
/// and ends; [`guide::paging`](crate::guide::paging#when-something-fails) has the other errors that are the last.
/// Dropping the stream stops what it has in flight.
#[must_use = "nothing is sent until the stream is polled"]
pub struct Pages<E: Paged> {
    source: Source<E>,
    progress: Progress,
}

/// The items of a list: [`Request::stream`](crate::Request::stream).
///
/// An error is yielded once. Polled again, the stream waits for a while, twice as long after each failure, and asks again
/// for the page that failed. After 8 failures in a row it yields one last error, [`GaveUp`](crate::ErrorKind::GaveUp),
/// and ends; [`guide::paging`](crate::guide::paging#when-something-fails) has the other errors that are the last.
/// Dropping the stream stops what it has in flight.
#[must_use = "nothing is sent until the stream is polled"]
pub struct Items<E: Paged> {
    source: Source<E>,
    progress: Progress,
    /// What has been fetched and not yielded: the page being worked on, and those after it that were being collected.
    pages: VecDeque<Rest<E::Item>>,
    /// How many items that is.
    held: usize,
    /// What went wrong while it was only being asked whether there is more.
    failed: Option<Error>,
}

/// What is left of a page.
struct Rest<T> {
    at: PageAt,
    rows: Zip<vec::IntoIter<T>, vec::IntoIter<ItemPosition>>,
    /// Whether it had none from the start.
    empty: bool,
}

/// Some items of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Batch<T> {
    /// The items, at most as many as were asked for.
    pub items: Vec<T>,
    /// Whether the list goes on. If that could not be found out, it is taken to, and the stream yields the error next.
    pub more: bool,
}

impl<E: Paged> Pages<E> {
    pub(super) fn new(mut pager: Box<Pager<E>>, ahead: usize) -> Self {
        let progress = Progress::new(pager.identity.clone(), pager.from.take().as_deref());
        Self { source: Source::new(pager, ahead), progress }
    }

    /// Names the last item of the page yielded last. See [`Items::checkpoint`].
    pub fn checkpoint(&self) -> Checkpoint {
        self.progress.checkpoint()
    }
}

impl<E: Paged> Stream for Pages<E> {
    type Item = Result<Response<Vec<E::Item>>, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { source, progress } = self.get_mut();
        let fetched = ready!(source.poll_page(context));
        Poll::Ready(fetched.transpose().map(|page| {
            let page = page?;
            if page.positions.is_empty() {
                progress.empty_page(&page.at);
            }
            for position in page.positions {
                progress.item(&page.at, position.key, position.after);
            }
            Ok(page.response)
        }))
    }
}

impl<E: Paged> Items<E> {
    pub(super) fn new(pages: Pages<E>) -> Self {
        let Pages { source, progress } = pages;
        Self { source, progress, pages: VecDeque::new(), held: 0, failed: None }
    }

    /// Names the item yielded last, for [`stream_from`](crate::Request::stream_from) to go on with the next one.
    ///
    /// Items that were fetched ahead and not yielded are not in it. Before the first item it names the beginning, or
    /// the checkpoint that the stream itself was begun from. After the end it still names the last item, and a stream
    /// from there brings what has been added after it.
    pub fn checkpoint(&self) -> Checkpoint {
        self.progress.checkpoint()
    }

    /// The next `most` items, or as many as there are, and whether there are more.
    ///
    /// The stream can continue afterwards. Nothing is lost if it fails or is dropped half-way, as a timeout
    /// does: the items until there come first whatever is done next, and until then no
    /// [`checkpoint`](Self::checkpoint) has them.
    ///
    /// # Errors
    ///
    /// At the first failure before there are enough.
    pub async fn next_batch(&mut self, most: usize) -> Result<Batch<E::Item>, Error> {
        let one_more = most.saturating_add(1);
        let more = match std::future::poll_fn(|context| self.poll_hold(one_more, context)).await {
            Ok(more) => more,
            Err(error) if self.held == most => {
                self.failed = Some(error);
                true
            }
            Err(error) => return Err(error),
        };
        Ok(Batch { items: std::iter::from_fn(|| self.hand_out()).take(most).collect(), more })
    }

    /// Fetches pages until `count` items can be yielded. `false` if the list ends before.
    fn poll_hold(&mut self, count: usize, context: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        while self.held < count {
            if let Some(error) = self.failed.take() {
                return Poll::Ready(Err(error));
            }
            let Some(page) = ready!(self.source.poll_page(context))? else { return Poll::Ready(Ok(false)) };
            let rows = page.response.into_inner().into_iter().zip(page.positions);
            self.held += rows.len();
            self.pages.push_back(Rest { at: page.at, empty: rows.len() == 0, rows });
            // Pages without anything new are not kept for longer than those before them.
            self.drop_spent();
        }
        Poll::Ready(Ok(true))
    }

    fn hand_out(&mut self) -> Option<E::Item> {
        self.drop_spent();
        let Rest { at, rows, .. } = self.pages.front_mut()?;
        let (item, position) = rows.next()?;
        self.progress.item(at, position.key, position.after);
        self.held -= 1;
        Some(item)
    }

    /// Drops the pages at the front that have nothing left.
    fn drop_spent(&mut self) {
        while let Some(page) = self.pages.front().filter(|page| page.rows.len() == 0) {
            if page.empty {
                self.progress.empty_page(&page.at);
            }
            self.pages.pop_front();
        }
    }
}

impl<E: Paged> Stream for Items<E> {
    type Item = Result<E::Item, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        Poll::Ready(match ready!(this.poll_hold(1, context)) {
            Ok(_) => this.hand_out().map(Ok),
            Err(error) => Some(Err(error)),
        })
    }
}

// No field is ever pinned: what has to stay in place is in a box.
impl<E: Paged> Unpin for Pages<E> {}
impl<E: Paged> Unpin for Items<E> {}

impl<E: Paged> fmt::Debug for Pages<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl<E: Paged> fmt::Debug for Items<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("progress", &self.progress).finish_non_exhaustive()
    }
}
