//! Why a webhook was refused.

/// The longest body that is read, in bytes. The service documents none.
pub const MAX_BODY: usize = 1024 * 1024;

/// The request is not the service's. It holds no reason, so that it can be the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request could not be verified")]
pub struct Unverified;

/// Why a delivery was refused. No message holds anything of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The body is longer than [`MAX_BODY`].
    #[error("the body is too long")]
    TooLarge,
    /// [`Verify`](super::Verify) refused it.
    #[error(transparent)]
    Unverified(Unverified),
    /// There is no [`ID_HEADER`](super::ID_HEADER), or what it holds is no id: up to 256 printable ASCII characters.
    #[error("the request has no Tascha-Webhook-Id")]
    MissingId,
    /// The body is not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    Malformed {
        /// The line on which reading ended, from 1.
        line: usize,
        /// The column on that line, in bytes.
        column: usize,
    },
    /// The event is being handled: what an earlier [`Verifier::verify`](super::Verifier::verify) returned is still held, or
    /// another process with the same replay cache has claimed it.
    #[error("the event is being handled")]
    InProgress,
    /// The event is done.
    #[error("the event has been handled before")]
    Repeat,
    /// The replay cache failed, and the policy is to [refuse](crate::webhook::StoreFailure::Refuse).
    #[error("it is not known whether the event has been handled before")]
    Store,
}

impl VerifyError {
    /// The HTTP status to answer with. A repeat is answered with 200, so that the service stops sending it; an event
    /// that is being handled with 503, since that may still fail, and the service must then send it again; so is one of which
    /// the replay cache says nothing.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Unverified(_) => 401,
            Self::MissingId | Self::Malformed { .. } => 400,
            Self::InProgress | Self::Store => 503,
            Self::Repeat => 200,
        }
    }
}
