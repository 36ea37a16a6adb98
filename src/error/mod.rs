//! What went wrong, what it means for the message that was being posted, and what to do.
//!
//! ```
//! # async fn example(room: kaiwa::chatwork::RoomHandle) -> Result<(), kaiwa::Error> {
//! use kaiwa::Outcome;
//!
//! if let Err(error) = room.post("ビルドが通りました").await {
//!     match error.outcome() {
//!         Outcome::NotSent | Outcome::Rejected => println!("not posted, so it can be posted again: {error}"),
//!         Outcome::Applied => println!("posted, only the answer was lost: {error}"),
//!         Outcome::Unknown => println!("perhaps posted, so look before posting again: {error}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod display;

pub(crate) use display::Innermost;

use crate::limits::RateLimit;
use crate::transport::check::InvalidInput;
use crate::transport::operation::{Operation, Safety};
use crate::transport::retry::Retries;
use bytes::Bytes;
use display::{OneLine, Rounded, at, timed_out, to, until};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// What is known of a request's effect after a failure.
///
/// It alone answers whether the same message can be posted again without being there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// No byte of the request reached the service. It can be sent again.
    NotSent,
    /// The service answered that it did not do it. It can be sent again once the cause is gone.
    Rejected,
    /// Nobody knows: it may have been done. Look before sending it again.
    Unknown,
    /// The service answered that it did it, but the rest of the answer was lost or could not be read. Do not send it
    /// again.
    Applied,
}

/// What a 409 was about, as far as the answer allows to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// The idempotency key was used before for another request. Nothing of this request was done.
    IdempotencyKey,
    /// An earlier request under the same idempotency key is still being worked on, and may succeed. Send it again later
    /// under the same key.
    InProgress,
    /// Somebody else has changed what was to be changed. No operation of TAS-CHA reads the present `version`: the list of
    /// tasks shows what is there now, and a change that is sent without `version` is made to that; its answer has the new
    /// version. [`Error::details`] may name the present one too, which is not documented.
    Version,
    /// The answer does not say; [`Error::messages`] may. Under an idempotency key it is treated as
    /// [`InProgress`](Self::InProgress): a request that was killed and sent again meets just that.
    Unknown,
}

impl Conflict {
    /// What the service's code says. TAS-CHA documents the causes and not their codes, so that words are searched for;
    /// a code is taken for the reuse of a key only where it says so.
    pub(crate) fn of(code: Option<&str>) -> Self {
        let code: String = code.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
        let code = code.to_ascii_lowercase().replace("conversion", "");
        let says = |words: &[&str]| words.iter().any(|word| code.contains(word));
        if says(&["inprogress", "inuse", "processing", "pending", "concurrent"]) {
            Self::InProgress
        } else if says(&["version", "stale"]) && !says(&["idempoten"]) {
            Self::Version
        } else if says(&["reuse", "mismatch"]) {
            Self::IdempotencyKey
        } else {
            Self::Unknown
        }
    }
}

/// Whether the same request can be sent again after a failure: [`Error::resend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resend {
    /// Yes, as it is, at once or after [`Error::retry_after`]: it was not done, or doing it twice is doing it once. That it
    /// is harmless does not say that it helps: a host that does not exist stays away.
    Yes,
    /// Yes, but only with [`Error::idempotency_key`] given to `with_idempotency_key`: it may have been done.
    SameKey,
    /// Only after a look whether it was done. For Chatwork, read `room.messages().force(true)` and search for the text. To
    /// have the client look, give the first post `with_reconcile`: after a failure it would post before it looks.
    LookFirst,
    /// No: it was done, or it would end the same way.
    No,
}

/// What kind of failure an [`Error`] is.
///
/// # Troubleshooting
///
/// `Connect` again and again: look at the base URL, at the proxy variables of the environment, and at whether a TLS
/// feature is enabled. `Foreign`: something between the program and the service answered in its place, such as a proxy
/// or a login page. `Decode`: the service has changed or the specification's inference was wrong; the path in the
/// error says where, [`Error::body`] has the whole answer, and [`Response::json`](crate::Response::json) or
/// `client.request(…)` reads it in a shape of your own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client's settings contradict each other or are not usable.
    #[error("{0}")]
    Config(String),
    /// A parameter is out of its bounds.
    #[error("{0}")]
    InvalidInput(InvalidInput),
    /// No connection came up: DNS, refused, TLS, or connecting took too long.
    #[error("no connection{} came up", to(.0))]
    Connect(#[source] reqwest::Error),
    /// The connection failed while the request was being sent or its answer awaited.
    #[error("the connection failed before an answer came")]
    Send(#[source] reqwest::Error),
    /// No complete answer in the time allowed.
    #[error("{}", timed_out(*.0))]
    Timeout(Duration),
    /// The time for the whole call would have ended before the wait that was needed.
    #[error("the call would have had to wait {}, but only {:?} of its time is left", Rounded(*needed), Duration::new(left.as_secs(), left.subsec_millis() * 1_000_000))]
    WaitTooLong {
        /// How long it would have taken.
        needed: Duration,
        /// How much of the call's time was left.
        left: Duration,
    },
    /// The call costs more of TAS-CHA's monthly units than are left.
    #[error("the call costs {cost} API units, and {remaining} are left{}", until(reset))]
    UnitsExhausted {
        /// What the call costs.
        cost: u64,
        /// What is left this month.
        remaining: u64,
        /// When the next month's allowance begins.
        reset: Option<Timestamp>,
    },
    /// There is no token to send, or no other one in place of an expired one.
    #[error("no access token: {0}")]
    Token(String),
    /// The answer ended early, or its connection failed.
    #[error("the answer was cut short")]
    Body(#[source] reqwest::Error),
    /// The answer is larger than the client reads.
    #[error("the answer is larger than {limit} bytes")]
    BodyTooLarge {
        /// The bound, which the builder's `max_body` sets, or which a download was given.
        limit: usize,
    },
    /// The service answered with a status other than success.
    #[error("{0}")]
    Status(StatusCode),
    /// A file of this machine, to upload or to download to, cannot be used.
    #[error("cannot {doing} `{}`", OneLine(&path.to_string_lossy()))]
    File {
        /// What was to be done with it, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// What a file server sends is not the file that the service described.
    #[error("{0}")]
    Download(String),
    /// The service named a page as the next one that it had named before: the list would go round in a circle.
    #[error("the service named a page as the next one that it had named before")]
    RepeatedCursor,
    /// A success came that is not the operation's answer: HTML or other text, an error of the service with the status of
    /// a success, JSON without any field that the answer is known by, or nothing where an answer is required.
    #[error("the answer is {found}")]
    Foreign {
        /// What came in its place.
        found: String,
    },
    /// A stream of a list failed too often in a row, and has ended. Each of the failures was yielded before.
    #[error("given up after {failures} failures in a row")]
    GaveUp {
        /// How many there were.
        failures: u32,
    },
    /// The service went on from page to page without anything new, and the stream has ended.
    #[error("{pages} pages in a row had nothing new")]
    EmptyPages {
        /// How many there were.
        pages: usize,
    },
    /// None of the items that a stream or its checkpoint remembers is in the list any more, and the stream has ended.
    #[error("none of the items yielded last is in the list any more")]
    PlaceLost,
    /// The answer is not of the shape that was expected.
    #[error("the answer does not decode{}: {problem}", at(path))]
    Decode {
        /// The JSON path of the place, such as `[3].account.name`; empty for the whole body.
        path: String,
        /// What is wrong there.
        problem: String,
    },
}

/// The failure of a call.
///
/// Its `Display` says what happened, what became of the request, and what to do; it never holds a header, a token or
/// the body. [`body`](Self::body) has the service's whole answer, up to the client's cap.
///
/// It is one pointer, and clones share what it points to.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

#[derive(Clone)]
struct Repr {
    kind: Arc<ErrorKind>,
    outcome: Outcome,
    call: Call,
    answer: Answer,
    tries: Tries,
}

/// How often something was tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// Requests that may have left.
    attempts: u32,
    /// Tries to connect that failed, and how long they took with the waits in between.
    connections: u32,
    connecting: Duration,
}

impl From<u32> for Tries {
    fn from(attempts: u32) -> Self {
        Self { attempts, ..Self::default() }
    }
}

impl From<Retries> for Tries {
    fn from(retries: Retries) -> Self {
        let Retries { attempts, connections, connecting, .. } = retries;
        Self { attempts, connections, connecting }
    }
}

/// What was being called, as far as an error tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) operation: Option<&'static Operation>,
    pub(crate) safety: Option<Safety>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// What the service said, if it said anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) said: ServiceError,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) wait: Option<Duration>,
}

/// The service's own words in an error body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceError {
    pub(crate) code: Option<String>,
    pub(crate) messages: Vec<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) details: Option<serde_json::Value>,
}

/// A text, or a number that stands where text is documented.
pub(crate) fn text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, outcome: Outcome) -> Self {
        let (call, answer) = Default::default();
        Self(Arc::new(Repr { kind: Arc::new(kind), outcome, call, answer, tries: Tries::default() }))
    }

    fn repr(&mut self) -> &mut Repr {
        // A source of tokens may keep a clone of what it fails with; what this call adds is not for that one.
        Arc::make_mut(&mut self.0)
    }

    /// What a [`TokenSource`](crate::TokenSource) of your own fails with when it has no token. The text is shown, so keep
    /// secrets out of it.
    pub fn token(problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Token(problem.into()), Outcome::NotSent)
    }

    pub(crate) fn config(problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config(problem.into()), Outcome::NotSent)
    }

    pub(crate) fn with_answer(mut self, answer: Answer) -> Self {
        self.repr().answer = answer;
        self
    }

    pub(crate) fn with_call(mut self, call: Call, tries: impl Into<Tries>) -> Self {
        let repr = self.repr();
        repr.call = call;
        repr.tries = tries.into();
        self
    }

    #[cfg(feature = "chatwork")]
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

    /// The status of the answer, if one came. It is kept also when the answer's body could not be read or decoded.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.answer.status
    }

    /// The service's machine-readable code: TAS-CHA's `code`, Lancers' `type`, OAuth's `error`. Chatwork has none.
    pub fn code(&self) -> Option<&str> {
        self.0.answer.said.code.as_deref()
    }

    /// The service's texts, for people; empty where the body was of no known shape.
    pub fn messages(&self) -> &[String] {
        &self.0.answer.said.messages
    }

    /// TAS-CHA's `details`, as they came.
    pub fn details(&self) -> Option<&serde_json::Value> {
        self.0.answer.said.details.as_ref()
    }

    /// The request id: from the answer's header or body, or else the one that was sent.
    pub fn request_id(&self) -> Option<&str> {
        let Repr { answer, call, .. } = &*self.0;
        let header = answer.headers.get("x-request-id").and_then(|value| value.to_str().ok());
        header.or(answer.said.request_id.as_deref()).or(call.request_id.as_deref())
    }

    /// What the service said of its limits with this answer.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.0.answer.rate_limit.as_ref()
    }

    /// How long the service asks to wait before it is tried again: from `Retry-After`, or with a 429 from the reset of
    /// the window that is exhausted.
    ///
    /// A wait for a permit that would have been too long counts as well, and so do the 10 seconds of Chatwork's limit
    /// of posts in a room, whose 429 names no time.
    pub fn retry_after(&self) -> Option<Duration> {
        match *self.0.kind {
            ErrorKind::WaitTooLong { needed, .. } => Some(needed),
            _ => self.0.answer.wait,
        }
    }

    /// How many times the request was sent, or may have been. Tries that found no connection do not count:
    /// [`connections`](Self::connections) has those.
    pub fn attempts(&self) -> u32 {
        self.0.tries.attempts
    }

    /// How many tries to connect failed.
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
        let call = &self.0.call;
        match self.0.outcome {
            Outcome::NotSent if is_input => Resend::No,
            Outcome::NotSent => Resend::Yes,
            Outcome::Rejected => match self.status() {
                Some(StatusCode::TOO_MANY_REQUESTS) => Resend::Yes,
                Some(StatusCode::SERVICE_UNAVAILABLE) if self.0.answer.wait.is_some() => Resend::Yes,
                _ => Resend::No,
            },
            Outcome::Applied => Resend::No,
            Outcome::Unknown if call.idempotency_key.is_some() => Resend::SameKey,
            Outcome::Unknown => match call.safety {
                Some(Safety::Safe | Safety::Idempotent) => Resend::Yes,
                _ => Resend::LookFirst,
            },
        }
    }

    /// The idempotency key of the call. To try again later without doing it twice, send the same request
    /// `with_idempotency_key` of this.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.0.call.idempotency_key.as_deref()
    }

    /// The operation that was called; `None` where the failure came before there was one.
    pub fn operation(&self) -> Option<&'static Operation> {
        self.0.call.operation
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.answer.headers
    }

    /// The body of the answer, up to the client's cap. It may hold what people wrote, so it is not in `Display`.
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

    /// Whether no connection came up.
    pub fn is_connect(&self) -> bool {
        matches!(*self.0.kind, ErrorKind::Connect(_))
    }

    /// Whether a limit was the cause: a 429, or a wait for a budget that was too long.
    pub fn is_rate_limited(&self) -> bool {
        self.status() == Some(StatusCode::TOO_MANY_REQUESTS)
            || matches!(*self.0.kind, ErrorKind::WaitTooLong { .. } | ErrorKind::UnitsExhausted { .. })
    }

    /// What a 409 was about; `None` for any other failure.
    ///
    /// TAS-CHA documents a reused idempotency key and a stale task `version` as causes, but not their codes: the words
    /// that the code is searched for are inferred.
    pub fn conflict(&self) -> Option<Conflict> {
        (self.status() == Some(StatusCode::CONFLICT)).then(|| Conflict::of(self.code()))
    }

    /// Whether a parameter was refused before anything was sent.
    pub fn is_invalid_input(&self) -> bool {
        matches!(*self.0.kind, ErrorKind::InvalidInput(_))
    }

    /// Whether a success came whose answer was not of the expected shape, or not the operation's at all.
    pub fn is_decode(&self) -> bool {
        matches!(*self.0.kind, ErrorKind::Decode { .. } | ErrorKind::Foreign { .. })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

impl Call {
    pub(crate) fn new(operation: &'static Operation, safety: Safety) -> Self {
        Self { operation: Some(operation), safety: Some(safety), idempotency_key: None, request_id: None }
    }

    pub(crate) fn reads_only(&self) -> bool {
        self.safety == Some(Safety::Safe)
    }
}
