//! The extractor for axum.

use super::{Delivery, Event, MAX_BODY, SIGNATURE_HEADER, Verifier, VerifyError, signature};
use axum_core::body::Body;
use axum_core::extract::{DefaultBodyLimit, FromRef, FromRequest, Request};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use std::ops::Deref;

/// An event that was verified, as an argument of an axum handler.
///
/// The [`Verifier`] is taken from the router's state: the state itself may be one, or be something of which
/// [`FromRef`] makes one. `Verified<Event>` is the event, `Verified<Delivery>` the event with what came around it.
/// Like every extractor that reads the body it has to be the last argument.
///
/// The handler runs once for each event. What is refused it does not see; the answer then has the status of
/// [`VerifyError::status`] and a short text. Bodies are read up to [`MAX_BODY`], whatever limit the router sets.
///
/// ```
/// use axum_core::extract::FromRef;
/// use kaiwa::chatwork::webhook::{Event, Verified, Verifier};
///
/// #[derive(Clone)]
/// struct App {
///     verifier: Verifier,
/// }
///
/// impl FromRef<App> for Verifier {
///     fn from_ref(app: &App) -> Self {
///         app.verifier.clone()
///     }
/// }
///
/// // Router::new().route("/hook", post(hook)).with_state(app)
/// async fn hook(Verified(event): Verified<Event>) {
///     if let Event::MentionToMe(mention) = event {
///         println!("{}", mention.body);
///     }
/// } // 200, without a body
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<T>(pub T);

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<S> FromRequest<S> for Verified<Delivery>
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Rejection> {
        let header = request.headers().get(SIGNATURE_HEADER);
        // A header that is not text is there, and wrong.
        let header = header.map(|value| value.to_str().unwrap_or_default());
        let signature = signature(header, request.uri().query()).map_err(Rejection::Verify)?.into_owned();
        let verifier = Verifier::from_ref(state);
        DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
        let body = Bytes::from_request(request, &()).await.map_err(|rejection| {
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => Rejection::Verify(VerifyError::TooLarge),
                _ => Rejection::Unreadable,
            }
        })?;
        verifier.verify(&body, &signature).await.map(Self).map_err(Rejection::Verify)
    }
}

impl<S> FromRequest<S> for Verified<Event>
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let Verified(delivery) = Verified::<Delivery>::from_request(request, state).await?;
        Ok(Self(delivery.event))
    }
}

/// Why [`Verified`] did not let a request through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// It was refused.
    #[error(transparent)]
    Verify(VerifyError),
    /// Its body ended too early.
    #[error("the body could not be read")]
    Unreadable,
}

impl Rejection {
    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Verify(error) => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Unreadable => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_string()));
        *response.status_mut() = self.status();
        response
    }
}
