//! The answer to a call: the value, and what came with it.

use crate::error::{Answer, Call, Error, ErrorKind, Outcome};
use crate::limits::RateLimit;
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A value that a service answered with. It dereferences to the value, and iterates over a list's items.
pub struct Response<T> {
    value: T,
    received: Received,
}

/// What came with the value.
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) attempts: u32,
    pub(crate) call: Call,
}

impl Received {
    /// An answer that was accepted, before the call adds what it knows of itself.
    pub(crate) fn new(status: StatusCode, answer: Answer) -> Self {
        let Answer { headers, body, rate_limit, .. } = answer;
        Self { status, headers, body, rate_limit, attempts: 0, call: Call::default() }
    }

    /// Adds what the answer said to the error that it led to.
    pub(crate) fn explain(self, error: Error) -> Error {
        let Self { status, headers, body, rate_limit, attempts, call } = self;
        let answer = Answer { status: Some(status), headers, body, rate_limit, ..Answer::default() };
        error.with_answer(answer).with_call(call, attempts)
    }
}

impl<T> Response<T> {
    pub(crate) fn new(value: T, received: Received) -> Self {
        Self { value, received }
    }

    /// Adds what this answer said to an error that it led to.
    #[cfg(feature = "chatwork")]
    pub(crate) fn explain(self, error: Error) -> Error {
        self.received.explain(error)
    }

    #[cfg(feature = "chatwork")]
    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.received.attempts = attempts;
        self
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The status, always a success.
    pub fn status(&self) -> StatusCode {
        self.received.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.received.headers
    }

    /// The id of the request, to be quoted in questions to the service's support: the service's, or else the one that was
    /// sent. Chatwork and Lancers give none.
    pub fn request_id(&self) -> Option<&str> {
        let header = self.received.headers.get("x-request-id").and_then(|value| value.to_str().ok());
        header.or(self.received.call.request_id.as_deref())
    }

    /// What the service said of its limits; `None` if it said nothing.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.received.rate_limit.as_ref()
    }

    /// How many times the request was sent until this answer came.
    pub fn attempts(&self) -> u32 {
        self.received.attempts
    }

    /// The idempotency key that the request carried, if it carries one.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.received.call.idempotency_key.as_deref()
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.received.body
    }

    /// Decodes the body in another shape, such as one with fields that this version does not know.
    ///
    /// # Errors
    ///
    /// With the JSON path of what does not fit. The request itself has succeeded.
    pub fn json<U: DeserializeOwned>(&self) -> Result<U, Error> {
        crate::wire::decode(&self.received.body).map_err(|failure| {
            let Received { status, headers, body, rate_limit, attempts, call } = &self.received;
            let answer = Answer {
                status: Some(*status),
                headers: headers.clone(),
                body: body.clone(),
                rate_limit: rate_limit.clone(),
                ..Answer::default()
            };
            Error::new(ErrorKind::Decode { path: failure.path, problem: failure.problem }, Outcome::Applied)
                .with_answer(answer)
                .with_call(call.clone(), *attempts)
        })
    }

    /// The same answer with another value.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Response<U> {
        Response { value: convert(self.value), received: self.received }
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Response<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: IntoIterator> IntoIterator for Response<T> {
    type Item = T::Item;
    type IntoIter = T::IntoIter;

    fn into_iter(self) -> T::IntoIter {
        self.value.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Response<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        self.value.into_iter()
    }
}

/// The headers are left out: a service may set a cookie with them.
impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("value", &self.value)
            .field("status", &self.received.status)
            .field("rate_limit", &self.received.rate_limit)
            .field("attempts", &self.received.attempts)
            .finish_non_exhaustive()
    }
}
