//! The extractor for axum.

use super::PendingDelivery;
use super::error::{MAX_BODY, VerifyError};
use super::event::{Delivery, Event};
use super::signature::{SIGNATURE_HEADER, signature};
use super::verifier::Verifier;
use crate::webhook::axum::Refusal;
use crate::webhook::{self, Pending, Verified};
use axum_core::extract::{FromRef, FromRequest, Request};

/// Why [`Verified`] did not let a request through.
pub type Rejection = webhook::Rejection<VerifyError>;

impl<S> FromRequest<S> for Verified<PendingDelivery>
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let header = request.headers().get(SIGNATURE_HEADER);
        // A header that is not text is there, and wrong.
        let header = header.map(|value| value.to_str().unwrap_or_default());
        let signature = signature(header, request.uri().query()).map_err(Rejection::Verify)?.into_owned();
        let verifier = Verifier::from_ref(state);
        let body = webhook::axum::body(request, MAX_BODY, VerifyError::TooLarge).await?;
        verifier.verify(&body, &signature).await.map(Self).map_err(Rejection::Verify)
    }
}

impl<S> FromRequest<S> for Verified<Pending<Event>>
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let Verified(pending) = Verified::<PendingDelivery>::from_request(request, state).await?;
        Ok(Self(pending.map(|delivery| delivery.event)))
    }
}

/// The event is done when the handler begins.
impl<S> FromRequest<S> for Verified<Delivery>
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let Verified(pending) = Verified::<PendingDelivery>::from_request(request, state).await?;
        Ok(Self(pending.done().await))
    }
}

/// The event is done when the handler begins.
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

impl Refusal for VerifyError {
    fn status(&self) -> u16 {
        self.status()
    }
}
