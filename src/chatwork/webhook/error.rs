//! Why a webhook was refused.

use jiff::Timestamp;

/// The longest body that is read, in bytes. The longest message, 65,535 characters that JSON escapes with twelve bytes
/// each, fits.
pub const MAX_BODY: usize = 1024 * 1024;

/// Why a request was refused. No message holds anything of the body, a signature, a token or the clock, so that it can
/// be the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The request has a signature neither in the header nor in the query.
    #[error("the request has no signature")]
    MissingSignature,
    /// The body is longer than [`MAX_BODY`].
    #[error("the body is too long")]
    TooLarge,
    /// The signature is not one, or not that of the body by any of the tokens.
    #[error("the signature does not match")]
    BadSignature,
    /// The signature matches, but the body is not an event.
    #[error("the body is not an event (line {line}, column {column})")]
    Malformed {
        /// The line on which reading ended, from 1; 0 if it was after the end.
        line: usize,
        /// The column on that line, in bytes, from 1.
        column: usize,
    },
    /// The event is too old, or too far ahead.
    #[error("the event is too old, or too far ahead")]
    Stale {
        /// When the event says that it happened.
        time: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// The event is being handled: by this process, or by another one with the same replay cache.
    #[error("the event is being handled")]
    InProgress,
    /// The event is done.
    #[error("the event has been received before")]
    Repeat,
    /// The replay cache failed, and the policy is to [refuse](crate::webhook::StoreFailure::Refuse).
    #[error("it is not known whether the event has been received before")]
    Store,
}

impl VerifyError {
    /// The HTTP status to answer with.
    ///
    /// A repeat is answered with 200, as the first was: the service asks for no more, and another sender learns
    /// nothing. So is what was not handled because it is in progress or the replay cache failed: the service would not send it
    /// again after an error either, and would switch the webhook off after many. A stale event is answered with 401, although the service may then switch the webhook off: if it is the
    /// service's, the machine's clock is wrong, and nothing else would show it.
    pub fn status(&self) -> u16 {
        match self {
            Self::MissingSignature | Self::BadSignature | Self::Stale { .. } => 401,
            Self::TooLarge => 413,
            Self::Malformed { .. } => 400,
            Self::InProgress | Self::Repeat | Self::Store => 200,
        }
    }
}
