//! Paged operations as streams of pages and of items.

use crate::error::{Error, ErrorKind, Outcome};
use crate::request::{Endpoint, Request};
use crate::response::Response;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

/// An operation whose list comes in pages.
pub trait Paged: Endpoint + Clone {
    /// What the list is of.
    type Item: Send + 'static;

    #[doc(hidden)]
    fn items(page: Self::Output) -> Vec<Self::Item>;

    /// Where the next page begins; `None` at the end of the list.
    #[doc(hidden)]
    fn next(page: &Self::Output) -> Option<&str>;

    #[doc(hidden)]
    fn start_at(&mut self, cursor: String);
}

impl<E: Paged> Request<E> {
    /// Every page. The stream ends with the list, or after an error.
    pub fn pages(self) -> BoxStream<'static, Result<Response<Vec<E::Item>>, Error>> {
        let pages = stream::try_unfold((Some(self), None::<String>), |(request, cursor)| async move {
            let Some(request) = request else { return Ok(None) };
            let mut following = request.clone();
            let page = request.send().await?;
            let next = E::next(&page).filter(|next| !next.is_empty()).map(str::to_owned);
            let following = match next.clone() {
                None => None,
                Some(next) if Some(&next) == cursor.as_ref() => {
                    let problem = "the service names the page itself as the next one".to_owned();
                    let kind = ErrorKind::Decode { path: "nextCursor".to_owned(), problem };
                    return Err(Error::new(kind, Outcome::Applied));
                }
                Some(next) => {
                    following.endpoint.start_at(next);
                    Some(following)
                }
            };
            Ok(Some((page.map(E::items), (following, next))))
        });
        pages.boxed()
    }

    /// Every item of every page.
    pub fn stream(self) -> BoxStream<'static, Result<E::Item, Error>> {
        self.pages().map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten().boxed()
    }
}
