//! What the axum extractors of all services share.

use axum_core::body::Body;
use axum_core::extract::{DefaultBodyLimit, FromRequest, Request};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use std::error::Error;
use std::ops::Deref;

/// What was verified, as an argument of an axum handler: see [`chatwork::webhook`](crate::chatwork::webhook) and
/// [`tascha::webhook`](crate::tascha::webhook) for what it may hold.
///
/// The service's `Verifier` is taken from the router's state: the state itself may be one, or be something of which
/// [`FromRef`](axum_core::extract::FromRef) makes one. Like every extractor that reads the body it must be the last
/// argument.
///
/// The handler does not run for a request that is refused; the answer then has the status of the `VerifyError` and a short
/// text. Bodies are read up to the service's `MAX_BODY`, whatever limit the router sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<T>(pub T);

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Why [`Verified`] did not let a request through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection<E> {
    /// The request was refused.
    #[error(transparent)]
    Verify(E),
    /// Its body ended too early.
    #[error("the body could not be read")]
    Unreadable,
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn body<E>(mut request: Request, max: usize, too_large: E) -> Result<Bytes, Rejection<E>> {
    DefaultBodyLimit::max(max).apply(&mut request);
    let body = Bytes::from_request(request, &()).await;
    body.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Rejection::Verify(too_large),
        _ => Rejection::Unreadable,
    })
}

/// Why a service's webhook was refused. Each service has its own.
pub trait Refusal: Error {
    /// The status to respond with.
    fn status(&self) -> u16;
}

impl<E: Refusal> Rejection<E> {
    /// The status that the request is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Verify(error) => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Unreadable => StatusCode::BAD_REQUEST,
        }
    }
}

impl<E: Refusal> IntoResponse for Rejection<E> {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_string()));
        *response.status_mut() = self.status();
        response
    }
}
