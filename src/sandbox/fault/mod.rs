//! Faults on demand: what networks, proxies and services really do to a call.
//!
//! A fault is played below the handlers, on the socket, so that a client meets it as it would meet the real thing.
//! It comes before the operation takes effect or after; [`Recorded::applied`](super::Recorded::applied) shows which it was.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use kaiwa::sandbox::{Fault, Sandbox, Script, Provider};
//!
//! let sandbox = Sandbox::start().await?;
//! // Twice a gateway's page, then a post that is applied and whose answer is lost; after that all is well.
//! sandbox.faults().script(
//!     Provider::Chatwork,
//!     Script::on("post_message").then(Fault::bad_gateway()).times(2).then(Fault::reset().after()),
//! );
//! # Ok(())
//! # }
//! ```

mod content;
mod play;
mod script;

pub(crate) use play::{FaultAction, Plan, action};
pub(crate) use script::FaultPicker;
pub use script::{Chaos, Faults, Script};

use super::backend::NativeError;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use jiff::SignedDuration;
use std::time::Duration;

/// One way for a call to go wrong.
///
/// [`before`](Self::before) and [`after`](Self::after) say whether the operation has taken effect when the fault
/// strikes. Without either, refusals and losses of the connection strike before it, cut answers after it.
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until a script or a chaos holds it"]
pub struct Fault {
    pub(crate) kind: Kind,
    when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Status { status: StatusCode, headers: HeaderMap, body: Bytes },
    TooManyRequests { retry_after: Option<Duration> },
    ExpiredToken,
    Refuse(Duration),
    Reset,
    Close,
    Silence,
    Late(Duration),
    ResetMidBody,
    ShortBody,
    Stall,
    Endless,
    SlowHeaders(Duration),
    Trickle(Duration),
    InvalidUtf8,
    InvalidJson,
    WrongTypes,
    UnknownValues,
    DuplicateHeaders,
    WrongClock(SignedDuration),
}

impl Fault {
    /// Whether they are alike in every part.
    #[cfg(feature = "sandbox-window")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.when == other.when
    }

    /// An answer of this status with an empty body, for example the bare 401 that has been seen at token endpoints.
    ///
    /// Give it a body with [`body`](Self::body), headers with [`header`](Self::header). Strikes before the operation.
    ///
    /// # Panics
    ///
    /// If `status` is not within 200 to 999.
    pub fn status(status: u16) -> Self {
        assert!(status >= 200, "the status of an answer is from 200 to 999, not {status}");
        let status = StatusCode::from_u16(status).expect("a status has three digits");
        Self::new(Kind::Status { status, headers: HeaderMap::new(), body: Bytes::new() }, When::Before)
    }

    /// The HTML page that a gateway answers with status 502.
    pub fn bad_gateway() -> Self {
        Self::status(502)
            .body("text/html", "<html><head><title>502 Bad Gateway</title></head><body>502</body></html>")
    }

    /// An HTML page with status 200 in place of the answer, as a proxy's login page or a captive portal is one.
    pub fn page() -> Self {
        Self::status(200).body(
            "text/html",
            "<!DOCTYPE html><html><body><form action=\"/login\">Sign in</form></body></html>",
        )
    }

    /// A redirect (status 307, which keeps method and body) to `location`, typically of another origin.
    ///
    /// # Panics
    ///
    /// If `location` cannot stand in a header.
    pub fn redirect(location: &str) -> Self {
        Self::status(307).header("location", location)
    }

    /// The service's own 429, with `Retry-After` in seconds or without. Its rate headers say that nothing remains until
    /// then; without a `Retry-After`, until the window ends, which a client may wait for: five minutes by Chatwork's
    /// default. Lancers, of which no limit is known, answers as a server in front of it might.
    pub fn too_many_requests(retry_after: Option<Duration>) -> Self {
        Self::new(Kind::TooManyRequests { retry_after }, When::Before)
    }

    /// The service's own answer to a token that has expired; at Chatwork's token endpoint, to a refresh token that has.
    /// Lancers answers this with 400, as everything.
    pub fn expired_token() -> Self {
        Self::new(Kind::ExpiredToken, When::Before)
    }

    /// The service goes down: the connection of this request and all others are lost, and new ones are refused for
    /// `duration`, by the sandbox's clock. See [`Faults::refuse`] for doing so by hand.
    pub fn refuse(duration: Duration) -> Self {
        Self::new(Kind::Refuse(duration), When::Before)
    }

    /// The connection is reset (RST) in place of an answer.
    pub fn reset() -> Self {
        Self::new(Kind::Reset, When::Before)
    }

    /// The connection is closed in an orderly way (FIN) in place of an answer.
    pub fn close() -> Self {
        Self::new(Kind::Close, When::Before)
    }

    /// No answer at all: the connection stays open until the client gives up.
    pub fn silence() -> Self {
        Self::new(Kind::Silence, When::Before)
    }

    /// The connection is reset (RST) at once, and the operation takes effect later by `duration`, by the sandbox's clock:
    /// the request has been received, and waits somewhere behind the front. It comes also if the client, all its connections or
    /// the port have gone meanwhile, but not once the sandbox is dropped.
    ///
    /// [`VirtualClock::drive`](crate::VirtualClock::drive) does not move the clock for it: it comes when the waits of what is
    /// driven, or [`advance`](crate::VirtualClock::advance), have passed it.
    ///
    /// A look that comes too early finds nothing, and a repeat is done first: under an idempotency key the late one is
    /// [replayed](super::Recorded::replayed), without one it is done once more. The service handles it as it handles any
    /// request of that later time, which can also be to refuse it. [`before`](Self::before) and [`after`](Self::after) change
    /// nothing here.
    pub fn late(duration: Duration) -> Self {
        Self::new(Kind::Late(duration), When::After)
    }

    /// The connection is reset (RST) after half of the body.
    pub fn reset_mid_body() -> Self {
        Self::new(Kind::ResetMidBody, When::After)
    }

    /// The connection is closed (FIN) after half of what `Content-Length` promised.
    pub fn short_body() -> Self {
        Self::new(Kind::ShortBody, When::After)
    }

    /// An answer that never ends: half of the body, then nothing, on a connection that stays open.
    pub fn stall() -> Self {
        Self::new(Kind::Stall, When::After)
    }

    /// An answer that never ends: a body without a length, sent for as long as the client reads.
    pub fn endless() -> Self {
        Self::new(Kind::Endless, When::After)
    }

    /// The head of the answer comes late by `duration`, by the sandbox's clock.
    ///
    /// Before the operation: it is carried out after the wait, and not at all if the client has gone by then.
    pub fn slow_headers(duration: Duration) -> Self {
        Self::new(Kind::SlowHeaders(duration), When::After)
    }

    /// The body comes in sixteen pieces, with a wait of `pause`, by the sandbox's clock, before each.
    pub fn trickle(pause: Duration) -> Self {
        Self::new(Kind::Trickle(pause), When::After)
    }

    /// The real answer with bytes that are not UTF-8.
    pub fn invalid_utf8() -> Self {
        Self::new(Kind::InvalidUtf8, When::After)
    }

    /// The first half of the real answer, as if it were all of it.
    pub fn invalid_json() -> Self {
        Self::new(Kind::InvalidJson, When::After)
    }

    /// The real answer with an object in place of each string, number and boolean.
    pub fn wrong_types() -> Self {
        Self::new(Kind::WrongTypes, When::After)
    }

    /// The real answer as a later version of the service might give it: with fields and enum values that are
    /// not known yet. A client is expected to cope.
    pub fn unknown_values() -> Self {
        Self::new(Kind::UnknownValues, When::After)
    }

    /// The real answer with each header twice, the second time with another value. A client is expected to cope.
    pub fn duplicate_headers() -> Self {
        Self::new(Kind::DuplicateHeaders, When::After)
    }

    /// The real answer from a server whose clock is wrong by `offset`: in `Date` and in the times of rate limits. Times
    /// in the body stay as they are.
    pub fn wrong_clock(offset: SignedDuration) -> Self {
        Self::new(Kind::WrongClock(offset), When::After)
    }

    /// Sets the body of a [`status`](Self::status) fault; of others it changes nothing.
    ///
    /// # Panics
    ///
    /// If `content_type` cannot stand in a header.
    pub fn body(self, content_type: &str, content: impl Into<Bytes>) -> Self {
        let mut fault = self.header("content-type", content_type);
        if let Kind::Status { body, .. } = &mut fault.kind {
            *body = content.into();
        }
        fault
    }

    /// Adds a header to a [`status`](Self::status) fault; to others it changes nothing.
    ///
    /// # Panics
    ///
    /// If name or value cannot stand in a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Kind::Status { headers, .. } = &mut self.kind {
            let name = HeaderName::try_from(name).expect("it is a header name");
            headers.append(name, HeaderValue::try_from(value).expect("it is a header value"));
        }
        self
    }

    /// Strikes before the operation takes effect.
    ///
    /// The faults that change or delay the real answer strike after the operation in any case, since there is no answer
    /// before. [`slow_headers`](Self::slow_headers) has its own rule.
    pub fn before(mut self) -> Self {
        self.when = When::Before;
        self
    }

    /// Strikes after the operation has taken effect.
    ///
    /// A refusal (4xx) after the effect is false, and no client can detect that.
    pub fn after(mut self) -> Self {
        self.when = When::After;
        self
    }

    /// Whether the operation is left undone.
    pub(crate) fn prevents(&self) -> bool {
        let replaces = matches!(
            self.kind,
            Kind::Status { .. }
                | Kind::TooManyRequests { .. }
                | Kind::ExpiredToken
                | Kind::Refuse(_)
                | Kind::Reset
                | Kind::Close
                | Kind::Silence
                | Kind::ResetMidBody
                | Kind::ShortBody
                | Kind::Stall
                | Kind::Endless
        );
        replaces && self.when == When::Before
    }

    /// The error that the service itself has to write.
    pub(crate) fn native_error(&self) -> Option<NativeError> {
        match self.kind {
            Kind::TooManyRequests { retry_after } => {
                let seconds = retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
                Some(NativeError::TooManyRequests(seconds))
            }
            Kind::ExpiredToken => Some(NativeError::ExpiredToken),
            _ => None,
        }
    }

    /// How long to wait before the operation is carried out.
    pub(crate) fn delay(&self) -> Option<Duration> {
        match self.kind {
            Kind::SlowHeaders(duration) if self.when == When::Before => Some(duration),
            _ => None,
        }
    }

    /// How much later than the loss of the connection the operation takes effect.
    pub(crate) fn lateness(&self) -> Option<Duration> {
        match self.kind {
            Kind::Late(duration) => Some(duration),
            _ => None,
        }
    }

    /// A word for what happens, for logs.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Status { .. } => "status",
            Kind::TooManyRequests { .. } => "too_many_requests",
            Kind::ExpiredToken => "expired_token",
            Kind::Refuse(_) => "refuse",
            Kind::Reset => "reset",
            Kind::Close => "close",
            Kind::Silence => "silence",
            Kind::Late(_) => "late",
            Kind::ResetMidBody => "reset_mid_body",
            Kind::ShortBody => "short_body",
            Kind::Stall => "stall",
            Kind::Endless => "endless",
            Kind::SlowHeaders(_) => "slow_headers",
            Kind::Trickle(_) => "trickle",
            Kind::InvalidUtf8 => "invalid_utf8",
            Kind::InvalidJson => "invalid_json",
            Kind::WrongTypes => "wrong_types",
            Kind::UnknownValues => "unknown_values",
            Kind::DuplicateHeaders => "duplicate_headers",
            Kind::WrongClock(_) => "wrong_clock",
        }
    }

    fn new(kind: Kind, when: When) -> Self {
        Self { kind, when }
    }
}
