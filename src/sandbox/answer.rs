//! A whole answer, as a handler or a fault gives it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Status, headers and body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// If it does not follow from the status.
    effect: Option<Effect>,
}

/// What the API prints, as the client's type.
pub(crate) fn decoded<T: DeserializeOwned>(printed: Value) -> T {
    serde_json::from_value(printed).expect("the sandbox prints what the types of the specification read")
}

pub(crate) fn decoded_all<T: DeserializeOwned>(printed: Vec<Value>) -> Vec<T> {
    printed.into_iter().map(decoded).collect()
}

/// What a request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Applied,
    /// It was answered as an earlier request under the same key.
    Replayed,
    None,
}

impl Answer {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self::bare(status, HeaderMap::new(), Bytes::new())
    }

    pub(crate) fn bare(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body, effect: None }
    }

    pub(crate) fn new(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::bare(status, HeaderMap::new(), body.into()).header(header::CONTENT_TYPE, content_type)
    }

    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// Sets a header. A value that cannot stand in one is left out.
    pub(crate) fn header<V>(mut self, name: HeaderName, value: V) -> Self
    where
        HeaderValue: TryFrom<V>,
    {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// `Retry-After`, in seconds.
    pub(crate) fn retry_after(self, seconds: Option<u64>) -> Self {
        match seconds {
            Some(seconds) => self.header(header::RETRY_AFTER, seconds.to_string()),
            None => self,
        }
    }

    pub(crate) fn with_effect(self, effect: Effect) -> Self {
        Self { effect: Some(effect), ..self }
    }

    pub(crate) fn effect(&self) -> Effect {
        let usual = if self.status.is_success() { Effect::Applied } else { Effect::None };
        self.effect.unwrap_or(usual)
    }
}
