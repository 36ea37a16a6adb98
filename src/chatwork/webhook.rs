//! Webhooks of Chatwork: checking that a request is the service's, and reading it.
//!
//! ```
//! use kaiwa::chatwork::webhook::{Delivery, Event, Verifier, VerifyError, signature};
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
//!     let delivery: Delivery = verifier.verify(body, &signature(header, query)?).await?;
//!     match delivery.event {
//!         Event::MentionToMe(mention) => println!("{}: {}", mention.from_account_id, mention.body),
//!         Event::MessageCreated(message) => println!("{}: {}", message.room_id, message.body),
//!         _ => {}
//!     }
//!     Ok(())
//! }
//! ```
//!
//! With the feature `axum`, a handler takes `Verified<Event>` instead.
//!
//! # How to answer
//!
//! The service sends each event once. It takes every answer but a 200 with at most 2,048 bytes for an error, and after
//! many errors it switches the webhook off, to be switched on by hand. Answer before long work, and answer 200 also
//! when that work will fail. For what could not be verified, [`VerifyError::status`] is the answer.
//!
//! # What is checked
//!
//! The signature is HMAC-SHA256 over the body, with the token decoded from base64 as the key. It does not cover the
//! time of the request, so that whoever saw a request could send it again: an event is therefore refused once its
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
#[cfg(test)]
mod tests;
mod verifier;

#[cfg(feature = "axum")]
pub use self::axum::{Rejection, Verified};
pub use error::{MAX_BODY, VerifyError};
pub use event::{Delivery, Event, MentionEvent, MessageEvent, OtherEvent};
pub use verifier::{DEFAULT_TOLERANCE, InvalidToken, Verifier};

use std::borrow::Cow;

/// The header that holds the signature.
pub const SIGNATURE_HEADER: &str = "x-chatworkwebhooksignature";

/// The query parameter that holds the same signature, percent-encoded.
pub const SIGNATURE_PARAMETER: &str = "chatwork_webhook_signature";

/// The signature of a request: the value of [`SIGNATURE_HEADER`], or else what the query (the part of the address
/// after `?`, as it came) has for [`SIGNATURE_PARAMETER`].
///
/// ```
/// use kaiwa::chatwork::webhook::signature;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(signature(Some("rgvt="), None)?, "rgvt=");
/// assert_eq!(signature(None, Some("room=1&chatwork_webhook_signature=rgvt%3d"))?, "rgvt=");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`VerifyError::MissingSignature`] if there is neither.
pub fn signature<'a>(header: Option<&'a str>, query: Option<&'a str>) -> Result<Cow<'a, str>, VerifyError> {
    if let Some(header) = header {
        return Ok(Cow::Borrowed(header));
    }
    let parameters = query.unwrap_or_default().split('&').filter_map(|parameter| parameter.split_once('='));
    let value = parameters.filter(|(name, _)| *name == SIGNATURE_PARAMETER).map(|(_, value)| value).next();
    // A `+` stays one: base64 has it, and the service encodes this as a URL, not as a form.
    let value = value.ok_or(VerifyError::MissingSignature)?;
    percent_encoding::percent_decode_str(value).decode_utf8().map_err(|_| VerifyError::BadSignature)
}
