//! Errors: what happened, what it means for the message, and what to do.
//!
//! ```
//! # async fn example(room: kaiwa::chatwork::RoomHandle) -> Result<(), kaiwa::Error> {
//! use kaiwa::Outcome;
//!
//! if let Err(error) = room.post("ビルドが通りました").await {
//!     match error.outcome() {
//!         Outcome::NotSent | Outcome::Rejected => println!("not posted, so it can be posted again: {error}"),
//!         Outcome::Applied => println!("posted, only the response was lost: {error}"),
//!         Outcome::Unknown => println!("perhaps posted, so check before posting again: {error}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod connecting;
mod display;
mod kind;
mod outcome;
mod text;
mod unsure;

pub(crate) use connecting::Connecting;
pub use kind::ErrorKind;
pub use outcome::{Conflict, Outcome, Resend};
pub(crate) use text::{Innermost, causes};
pub use unsure::Unsure;

use crate::call::{CallInfo, HttpAnswer};
use crate::input::InvalidInput;
use crate::limits::RateLimit;
use crate::operation::{Operation, Safety};
#[cfg(any(feature = "redis", feature = "outbox"))]
use crate::store_error::StoreError;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The failure of a call.
///
/// Its `Display` says what happened, what became of the request, and what to do. It never holds a header, a token or the
/// body. [`body`](Self::body) has the service's whole response, up to the client's limit.
///
/// `{:?}` is the same text, because a `main` that returns the error prints it with that; `{:#?}` has the fields.
///
/// It is one pointer, and clones share its content.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

#[derive(Clone)]
struct Repr {
    kind: Arc<ErrorKind>,
    outcome: Outcome,
    call: Option<CallInfo>,
    answer: HttpAnswer,
    tries: Tries,
}

/// How many attempts were made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// Requests that may have been sent.
    pub(crate) attempts: u32,
    /// Failed attempts to connect, and how long they took with the waits in between.
    pub(crate) connections: u32,
    pub(crate) connecting: Duration,
}

impl From<u32> for Tries {
    fn from(attempts: u32) -> Self {
        Self { attempts, ..Self::default() }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, outcome: Outcome) -> Self {
        let (call, answer) = Default::default();
        Self(Arc::new(Repr { kind: Arc::new(kind), outcome, call, answer, tries: Tries::default() }))
    }

    fn repr(&mut self) -> &mut Repr {
        // A token source may keep a clone of its error; the data of this call must not change that clone.
        Arc::make_mut(&mut self.0)
    }

    /// The error of your own [`TokenSource`](crate::TokenSource) when it has no token. The text is shown, so keep secrets
    /// out of it.
    pub fn token(problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Token(problem.into()), Outcome::NotSent)
    }

    pub(crate) fn config(problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config(problem.into()), Outcome::NotSent)
    }

    #[cfg(any(feature = "redis", feature = "outbox"))]
    pub(crate) fn store(error: StoreError) -> Self {
        Self::new(ErrorKind::Store(error), Outcome::NotSent)
    }

    pub(crate) fn with_answer(mut self, answer: HttpAnswer) -> Self {
        self.repr().answer = answer;
        self
    }

    pub(crate) fn with_call(mut self, call: CallInfo, tries: impl Into<Tries>) -> Self {
        let repr = self.repr();
        repr.call = Some(call);
        repr.tries = tries.into();
        self
    }

    #[cfg_attr(partial, allow(dead_code))]
    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.repr().tries.attempts = attempts;
        self
    }

    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.repr().outcome = outcome;
        self
    }

    /// What became of the request.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The status of the response, if one came, even if its body could not be read or decoded.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.answer.status
    }

    /// The service's machine-readable code: TAS-CHA's `code`, Lancers' `type`, OAuth's `error`. Chatwork has no codes.
    pub fn code(&self) -> Option<&str> {
        self.0.answer.service_error.code.as_deref()
    }

    /// The service's texts, for people; empty if the body has an unknown shape.
    pub fn messages(&self) -> &[String] {
        &self.0.answer.service_error.messages
    }

    /// TAS-CHA's `details`, as they came.
    pub fn details(&self) -> Option<&serde_json::Value> {
        self.0.answer.service_error.details.as_ref()
    }

    /// The request id: from the response's header or body, or else the one that was sent.
    pub fn request_id(&self) -> Option<&str> {
        let Repr { answer, call, .. } = &*self.0;
        answer.request_id().or(call.as_ref()?.request_id.as_deref())
    }

    /// The limits that the service reported with this response.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.0.answer.rate_limit.as_ref()
    }

    /// How long to wait before trying again: from `Retry-After`, or with a 429 from the reset of the exhausted window.
    ///
    /// It is also the wait for a permit that would have been too long, and 10 seconds for Chatwork's limit of posts in a
    /// room, whose 429 names no time.
    pub fn retry_after(&self) -> Option<Duration> {
        match *self.0.kind {
            ErrorKind::WaitTooLong { needed, .. } => Some(needed),
            _ => self.0.answer.wait,
        }
    }

    /// How many times the request was sent, or may have been. Failed attempts to connect do not count:
    /// [`connections`](Self::connections) has those.
    pub fn attempts(&self) -> u32 {
        self.0.tries.attempts
    }

    /// How many attempts to connect failed.
    pub fn connections(&self) -> u32 {
        self.0.tries.connections
    }

    /// Whether the same request can be sent again.
    ///
    /// ```
    /// # async fn example(room: kaiwa::tascha::RoomHandle) -> Result<(), kaiwa::Error> {
    /// use kaiwa::Resend;
    ///
    /// if let Err(error) = room.post("決裁しました").await {
    ///     match error.resend() {
    ///         Resend::Yes => println!("put it back into the queue, for {:?}", error.retry_after()),
    ///         Resend::SameKey => println!("send it again, but under {:?}", error.idempotency_key()),
    ///         Resend::LookFirst => println!("look into the room first: {error}"),
    ///         _ => println!("do not send it again: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn resend(&self) -> Resend {
        let is_input = matches!(
            *self.0.kind,
            ErrorKind::Config(_) | ErrorKind::InvalidInput(_) | ErrorKind::File { .. }
        );
        match self.0.outcome {
            Outcome::NotSent if is_input => Resend::No,
            Outcome::NotSent => Resend::Yes,
            Outcome::Rejected => match self.status() {
                Some(StatusCode::TOO_MANY_REQUESTS) => Resend::Yes,
                Some(StatusCode::SERVICE_UNAVAILABLE) if self.0.answer.wait.is_some() => Resend::Yes,
                _ => Resend::No,
            },
            Outcome::Applied => Resend::No,
            Outcome::Unknown if self.idempotency_key().is_some() => Resend::SameKey,
            Outcome::Unknown => match self.0.call.as_ref().map(|call| call.safety) {
                Some(Safety::Safe | Safety::Idempotent) => Resend::Yes,
                _ => Resend::LookFirst,
            },
        }
    }

    /// The idempotency key of the call. To try again later without doing it twice, send the same request with
    /// `with_idempotency_key` and this key.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.0.call.as_ref()?.idempotency_key.as_deref()
    }

    /// The operation that was called; `None` if the failure came before there was one.
    pub fn operation(&self) -> Option<&'static Operation> {
        self.0.call.as_ref().map(|call| call.operation)
    }

    pub(crate) fn reads_only(&self) -> bool {
        self.0.call.as_ref().is_some_and(|call| call.safety == Safety::Safe)
    }

    /// The headers of the response.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.answer.headers
    }

    /// The body of the response, up to the client's limit. It may hold what people wrote, so it is not in `Display`.
    pub fn body(&self) -> &[u8] {
        &self.0.answer.body
    }

    /// Whether the time ran out: of the attempt, of the call, or of connecting.
    pub fn is_timeout(&self) -> bool {
        match &*self.0.kind {
            ErrorKind::Timeout(_) | ErrorKind::WaitTooLong { .. } => true,
            ErrorKind::Connect(source) | ErrorKind::Send(source) | ErrorKind::Body(source) => {
                source.is_timeout()
            }
            _ => false,
        }
    }

    /// Whether no connection could be opened.
    pub fn is_connect(&self) -> bool {
        matches!(*self.0.kind, ErrorKind::Connect(_))
    }

    /// Whether a limit was the cause: a 429, or a wait for a budget that was too long.
    pub fn is_rate_limited(&self) -> bool {
        self.status() == Some(StatusCode::TOO_MANY_REQUESTS)
            || matches!(*self.0.kind, ErrorKind::WaitTooLong { .. } | ErrorKind::UnitsExhausted { .. })
    }

    /// The cause of a 409; `None` for any other failure.
    ///
    /// TAS-CHA documents a reused idempotency key and a stale task `version` as causes, but not their codes. The words that
    /// are searched for in the code are inferred.
    pub fn conflict(&self) -> Option<Conflict> {
        (self.status() == Some(StatusCode::CONFLICT)).then(|| Conflict::of(self.code()))
    }

    /// Whether a parameter was refused before anything was sent.
    pub fn is_invalid_input(&self) -> bool {
        matches!(*self.0.kind, ErrorKind::InvalidInput(_))
    }

    /// Whether the answer came from something between, and not from the service.
    #[cfg(feature = "outbox")]
    pub(crate) fn is_foreign(&self) -> bool {
        self.0.answer.foreign.is_some()
    }

    /// Whether a success did not have the expected shape, or was not the operation's response.
    pub fn is_decode(&self) -> bool {
        matches!(*self.0.kind, ErrorKind::Decode { .. } | ErrorKind::Foreign { .. })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_struct("Error")
            .field("message", &self.to_string())
            .field("outcome", &self.0.outcome)
            .field("status", &self.status())
            .field("attempts", &self.0.tries.attempts)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0.kind)
    }
}

impl From<InvalidInput> for Error {
    fn from(input: InvalidInput) -> Self {
        Self::new(ErrorKind::InvalidInput(input), Outcome::NotSent)
    }
}
