//! The response to a call: the value, and what came with it.

use crate::call::{CallInfo, HttpAnswer};
use crate::error::{Error, ErrorKind, Outcome};
use crate::limits::RateLimit;
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// The response of a service. It dereferences to its value, and iterates over a list's items.
pub struct Response<T> {
    value: T,
    answer: HttpAnswer,
    call: CallInfo,
    attempts: u32,
}

impl<T> Response<T> {
    pub(crate) fn new(value: T, answer: HttpAnswer, call: CallInfo, attempts: u32) -> Self {
        Self { value, answer, call, attempts }
    }

    /// Adds this response to an error that it has caused.
    #[cfg_attr(partial, allow(dead_code))]
    pub(crate) fn explain(self, error: Error) -> Error {
        error.with_answer(self.answer).with_call(self.call, self.attempts)
    }

    #[cfg_attr(partial, allow(dead_code))]
    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The status, always a success.
    pub fn status(&self) -> StatusCode {
        self.answer.status.unwrap_or_default()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.answer.headers
    }

    /// The id of the request, for questions to the service's support: the service's, or else the one that was sent. Chatwork
    /// and Lancers have none.
    pub fn request_id(&self) -> Option<&str> {
        self.answer.request_id().or(self.call.request_id.as_deref())
    }

    /// The limits that the service reported; `None` if it reported none.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.answer.rate_limit.as_ref()
    }

    /// How many times the request was sent until this response came.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The idempotency key of the request, if it had one.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.call.idempotency_key.as_deref()
    }

    /// The raw body.
    pub fn body(&self) -> &Bytes {
        &self.answer.body
    }

    /// Decodes the body as another type, such as one with fields that this version does not know.
    ///
    /// # Errors
    ///
    /// With the JSON path of the value that does not fit. The request itself has succeeded.
    pub fn json<U: DeserializeOwned>(&self) -> Result<U, Error> {
        crate::wire::decode(&self.answer.body).map_err(|failure| {
            let kind = ErrorKind::Decode { path: failure.path, problem: failure.problem };
            Error::new(kind, Outcome::Applied)
                .with_answer(self.answer.clone())
                .with_call(self.call.clone(), self.attempts)
        })
    }

    /// The value, and the response without it.
    #[cfg_attr(partial, allow(dead_code))]
    pub(crate) fn split(self) -> (T, Response<()>) {
        let Self { value, answer, call, attempts } = self;
        (value, Response { value: (), answer, call, attempts })
    }

    /// The same response with another value.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Response<U> {
        let Self { value, answer, call, attempts } = self;
        Response { value: convert(value), answer, call, attempts }
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
            .field("status", &self.status())
            .field("rate_limit", &self.answer.rate_limit)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
