//! Webhooks of TAS-CHA: checking a delivery, and reading it, once.
//!
//! What is documented is the header [`ID_HEADER`], the id of the event. It stays the same when a delivery is tried
//! again, or redelivered on request, so that a repeat can be recognized by it. How deliveries are signed and what they hold
//! is documented nowhere: the check is therefore [yours](Verify), and the content is handed out as JSON.
//!
//! ```
//! use bytes::Bytes;
//! use kaiwa::tascha::webhook::{RawDelivery, Unverified, Verifier, VerifyError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), VerifyError> {
//! // Whatever check your setup allows: here a proxy in front adds a secret to what it lets through.
//! let secret = "32 random characters, from the environment";
//! let verifier = Verifier::new(move |request: &RawDelivery<'_>| {
//!     let given = request.header("x-example-secret").unwrap_or_default();
//!     // In earnest, compare in constant time.
//!     if given == secret.as_bytes() { Ok(()) } else { Err(Unverified) }
//! });
//!
//! let headers = [("Tascha-Webhook-Id", "evt_1"), ("X-Example-Secret", secret)];
//! let body = Bytes::from_static(br#"{"type":"message"}"#);
//! let delivery = verifier.verify(RawDelivery::new(headers, body.clone())).await?;
//! assert_eq!((delivery.event_id.as_str(), &delivery.json["type"]), ("evt_1", &"message".into()));
//! // A retry before the event is handled is refused, and the service sends it again.
//! let retry = verifier.verify(RawDelivery::new(headers, body.clone())).await;
//! assert_eq!(retry.err(), Some(VerifyError::InProgress));
//!
//! // Once it is handled, and before the answer:
//! delivery.done().await;
//! let again = verifier.verify(RawDelivery::new(headers, body)).await;
//! assert_eq!(again.err(), Some(VerifyError::Repeat));
//! # Ok(())
//! # }
//! ```
//!
//! # With axum
//!
//! With the feature `axum`, a handler takes a `Verified<PendingDelivery>`. It does not run for what is refused, repeats
//! included.
#![cfg_attr(
    feature = "axum",
    doc = r#"
```
use kaiwa::tascha::webhook::{PendingDelivery, Verified};

// Router::new().route("/hook", post(hook)).with_state(verifier)
async fn hook(Verified(delivery): Verified<PendingDelivery>) {
    println!("{}", delivery.json);
    delivery.done().await;
} // 200, without a body
```"#
)]
//!
//! # When handling fails
//!
//! The service sends an event again until it is answered with success. [`Verifier::verify`] therefore returns a
//! [`PendingDelivery`], and the event counts as handled when [`PendingDelivery::done`] is called: do so before the answer. If
//! handling fails, answer with an error, such as 503. An event whose `PendingDelivery` is dropped before, by an error, a
//! panic, or because the service hung up and the server dropped the handler, is new when it comes again. While it is
//! held, a retry is [refused](VerifyError::InProgress) with a status that makes the service come back.
//!
//! So no event is lost, but work that broke off halfway is begun again. Let [`Delivery::event_id`] be the
//! [idempotency key](crate::Request::with_idempotency_key) of what it posts. To go on when the service hangs up, do the
//! work in a task of its own (`tokio::spawn`), move the `PendingDelivery` into it, and await the task.
//!
//! # Several processes
//!
//! Several processes behind one address share a [`ReplayCache`](crate::webhook::ReplayCache). [`Verifier::verify`] claims an
//! event there, so that a retry that reaches another process is refused with 503 while the first works, and with 200 once the
//! event is done. A process that dies loses its claim after a minute, or the [`lease`](Verifier::lease), and the next retry is
//! handled. Work that takes longer [renews](PendingDelivery::renew) the claim.

#[cfg(feature = "axum")]
mod axum;
mod delivery;
mod error;
#[cfg(test)]
mod tests;
mod verifier;

#[cfg(feature = "axum")]
pub use self::axum::Rejection;
#[cfg(feature = "axum")]
pub use crate::webhook::Verified;
pub use delivery::{Delivery, ID_HEADER, RawDelivery};
pub use error::{MAX_BODY, Unverified, VerifyError};
pub use verifier::{DEFAULT_REMEMBER, Verifier, Verify};

/// A [`Delivery`] that is being handled, until it is [done](crate::webhook::Pending::done) or this is dropped; from
/// [`Verifier::verify`].
pub type PendingDelivery = crate::webhook::Pending<Delivery>;
