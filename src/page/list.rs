//! What an operation has to say of its list.

use super::place::{ItemPosition, PageRequest, PageStart, PagingMode};
use crate::error::Error;
use crate::input::InvalidInput;
use crate::request::{Endpoint, Request, State};
use futures::future::{BoxFuture, ready};

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
    fn mode(&self) -> PagingMode;

    #[doc(hidden)]
    fn position(&self, item: &Self::Item) -> ItemPosition;

    /// Asks for the page at `place`, `doublings` times twice as large as usual.
    #[doc(hidden)]
    fn seek(
        &mut self,
        place: &PageStart,
        doublings: u32,
        state: &State<Self>,
    ) -> Result<PageRequest, InvalidInput>;

    /// Where the page after one with this last row begins, if it follows from its rows.
    #[doc(hidden)]
    fn follow(
        request: &Request<Self>,
        last: &ItemPosition,
    ) -> BoxFuture<'static, Result<Option<PageStart>, Error>> {
        let _ = request;
        Box::pin(ready(Ok(last.after.clone())))
    }
}
