//! Webhooks of Chatwork: verifying that a request comes from the service, and reading it.
//!
//! ```
//! use kaiwa::chatwork::webhook::{Event, Verifier, VerifyError, signature};
//!
//! // `token` is the one that the webhook's settings page shows.
//! fn verifier(token: &str) -> Result<Verifier, Box<dyn std::error::Error>> {
//!     Ok(Verifier::new(token)?)
//! }
//!
//! // In any HTTP server: the body as it came, byte for byte, and the signature from the header or the query.
//! async fn receive(
//!     verifier: &Verifier,
//!     body: &[u8],
//!     header: Option<&str>,
//!     query: Option<&str>,
//! ) -> Result<(), VerifyError> {
//!     let delivery = verifier.verify(body, &signature(header, query)?).await?;
//!     match &delivery.event {
//!         Event::MentionToMe(mention) => println!("{}: {}", mention.from_account_id, mention.body),
//!         Event::MessageCreated(message) => println!("{}: {}", message.room_id, message.body),
//!         _ => {}
//!     }
//!     delivery.done().await;
//!     Ok(())
//! }
//! ```
//!
//! # With axum
//!
//! With the feature `axum`, a handler takes a `Verified<Event>`, or a `Verified<Delivery>` for what came around the event. It
//! runs once for each event, and not for what is refused. The event is done when the handler begins. A handler that takes a
//! `Verified<PendingDelivery>` or a `Verified<Pending<Event>>` says when it is [done](PendingDelivery::done).
#![cfg_attr(
    feature = "axum",
    doc = r#"
```
use axum_core::extract::FromRef;
use kaiwa::chatwork::webhook::{Event, Verified, Verifier};

#[derive(Clone)]
struct App {
    verifier: Verifier,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

// Router::new().route("/hook", post(hook)).with_state(app)
async fn hook(Verified(event): Verified<Event>) {
    if let Event::MentionToMe(mention) = event {
        println!("{}", mention.body);
    }
} // 200, without a body
```"#
)]
//!
//! # How to answer
//!
//! The service sends each event once. Every response other than a 200 with at most 2,048 bytes counts as an error, and after
//! many errors the service switches the webhook off, until a person switches it on again. Respond before long work, and
//! respond with 200 even if that work may fail. If a request could not be verified, respond with [`VerifyError::status`].
//!
//! # Several processes
//!
//! The service sends each event once, to one address. If what stands there passes it to one of several processes, and that
//! one dies, the event is lost. Only where each process receives every event can another take over; they then need one
//! [replay cache](Verifier::replay_cache). The first [`verify`](Verifier::verify) claims the event, for one minute or the
//! [`lease`](Verifier::lease). The others get [`VerifyError::InProgress`]. Those that use
//! [`verify_waiting`](Verifier::verify_waiting) instead, in a task after the response, take the event over if the first dies.
//!
//! A [bot](crate::chatwork::bot) does that by itself: give the shared cache to the bot, and leave the verifier its own.
//!
//! # What is checked
//!
//! The signature is HMAC-SHA256 over the body, with the token decoded from base64 as the key. It does not cover the
//! time of the request, so that a request that was seen could be sent again: an event is therefore refused once its
//! `webhook_event_time` is further from now than a tolerance, and within it when it has been received before. It is
//! remembered for an hour longer, so that setting the clock back does not let it pass again.
//!
//! What is signed is then read as far as it can be, however odd it is: an event whose fields are not those that are known
//! is an [`Event::Other`].
//!
//! # Troubleshooting
//!
//! Every request ends in [`VerifyError::BadSignature`]: the token belongs to another webhook (each has its own; see
//! [`Verifier::add_token`]), or the body was decoded and written again, or decompressed, before it got here.
//! In [`VerifyError::Stale`]: the machine's clock is wrong. Both times are in it, and not in its message.

#[cfg(feature = "axum")]
mod axum;
mod error;
mod event;
mod signature;
#[cfg(test)]
mod tests;
mod verifier;

#[cfg(feature = "axum")]
pub use self::axum::Rejection;
#[cfg(feature = "axum")]
pub use crate::webhook::Verified;
pub use error::{MAX_BODY, VerifyError};
pub use event::{Delivery, Event, MentionEvent, MessageEvent, OtherEvent};
pub use signature::{SIGNATURE_HEADER, SIGNATURE_PARAMETER, signature};
pub use verifier::{DEFAULT_TOLERANCE, InvalidToken, Verifier};

/// A [`Delivery`] that is being handled, until it is [done](crate::webhook::Pending::done) or this is dropped; from
/// [`Verifier::verify`].
pub type PendingDelivery = crate::webhook::Pending<Delivery>;
