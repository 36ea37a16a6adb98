//! What is delivered.

use super::error::VerifyError;
use crate::tascha::EventId;
use crate::wire::{self, Budget};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::fmt;

/// The header with the event's id. Header names are compared without regard to case.
pub const ID_HEADER: &str = "Tascha-Webhook-Id";

/// The longest id that is taken for one, in bytes, so that a hostile header does not fill the cache.
const MAX_ID: usize = 256;

/// An event, as it was delivered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The event's id: the same however often it is delivered. Good as an idempotency key of what it causes.
    pub event_id: EventId,
    /// The body as JSON, as far as it can be read.
    pub json: Value,
    /// The body as it came.
    pub body: Bytes,
}

impl Delivery {
    pub(super) fn read(request: RawDelivery<'_>) -> Result<Self, VerifyError> {
        let id = request.header(ID_HEADER).ok_or(VerifyError::MissingId)?;
        let is_id = (1..=MAX_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
        let id = std::str::from_utf8(id).ok().filter(|_| is_id).ok_or(VerifyError::MissingId)?;
        Ok(Self { event_id: EventId::from(id), json: json(&request.body)?, body: request.body })
    }
}

/// A request as it came.
#[derive(Clone)]
pub struct RawDelivery<'a> {
    headers: Vec<(&'a str, &'a [u8])>,
    pub(super) body: Bytes,
}

impl<'a> RawDelivery<'a> {
    /// A request with these headers and this body, byte for byte as it came.
    ///
    /// Headers are pairs of references to a name and a value: a `&http::HeaderMap` is taken as it is, and so is an
    /// array of pairs of texts.
    pub fn new<N, V>(headers: impl IntoIterator<Item = (&'a N, &'a V)>, body: impl Into<Bytes>) -> Self
    where
        N: AsRef<str> + ?Sized + 'a,
        V: AsRef<[u8]> + ?Sized + 'a,
    {
        let headers = headers.into_iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        Self { headers, body: body.into() }
    }

    /// The first value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut named = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| *value)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Header values are left out, since they may be secrets.
impl fmt::Debug for RawDelivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("RawDelivery").field("headers", &names).field("body_bytes", &self.body.len()).finish()
    }
}

/// The body as JSON, as far as it can be read; it must begin and end as JSON does.
fn json(body: &[u8]) -> Result<Value, VerifyError> {
    let Err(error) = serde_json::from_slice::<IgnoredAny>(body) else {
        // Sound, but perhaps with half an emoji, or nested deeper than can be read.
        return Ok(wire::read(body).unwrap_or_else(|_| wire::outline(body, &mut Budget::EVENT.clone())));
    };
    wire::read(wire::without_mark(body))
        .map_err(|_| VerifyError::Malformed { line: error.line(), column: error.column() })
}
