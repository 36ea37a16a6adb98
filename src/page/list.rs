//! What an operation has to say of its list.

use super::place::{Asked, Mark, Place, Walk};
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
    fn walk(&self) -> Walk;

    #[doc(hidden)]
    fn mark(&self, item: &Self::Item) -> Mark;

    /// Asks for the page at `place`, `grown` times twice as large as usual.
    #[doc(hidden)]
    fn seek(&mut self, place: &Place, grown: u32, state: &State<Self>) -> Result<Asked, InvalidInput>;

    /// Where the page after one with this last row begins, if it follows from its rows.
    #[doc(hidden)]
    fn follow(request: &Request<Self>, last: &Mark) -> BoxFuture<'static, Result<Option<Place>, Error>> {
        let _ = request;
        Box::pin(ready(Ok(last.after.clone())))
    }
}
