//! The extractor for axum.

use super::PendingDelivery;
use super::delivery::RawDelivery;
use super::error::{MAX_BODY, VerifyError};
use super::verifier::Verifier;
use crate::webhook::axum::Refusal;
use crate::webhook::{self, Verified};
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
        let headers = request.headers().clone();
        let body = webhook::axum::body(request, MAX_BODY, VerifyError::TooLarge).await?;
        let verifier = Verifier::from_ref(state);
        verifier.verify(RawDelivery::new(&headers, body)).await.map(Self).map_err(Rejection::Verify)
    }
}

impl Refusal for VerifyError {
    fn status(&self) -> u16 {
        self.status()
    }
}
