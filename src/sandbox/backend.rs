//! A service as its server sees it.

use super::answer::Answer;
use super::routes::Route;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;

/// A request that was received whole.
pub(crate) type Request = axum::http::Request<Bytes>;

/// What answers requests.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Handles a request. Without a route the service has no such operation.
    fn answer(self: Arc<Self>, route: Option<Route>, request: Request) -> BoxFuture<'static, Answer>;

    /// The service's own answer of this kind to a request, with everything that depends on the caller and on the seed.
    fn native_error(&self, request: &Request, error: NativeError) -> Answer;

    /// Runs a task that ends with the sandbox.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Ends the tasks.
    fn end(&self);
}

/// An error in the service's own words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NativeError {
    /// With the seconds of `Retry-After`.
    TooManyRequests(Option<u64>),
    ExpiredToken,
}
