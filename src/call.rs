//! The description of a call and of its response, for a [`Response`](crate::Response) or an [`Error`](crate::Error).

use crate::error::Connecting;
use crate::limits::RateLimit;
use crate::operation::{Operation, Safety};
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::time::Duration;

/// The call.
#[derive(Clone, Debug)]
pub(crate) struct CallInfo {
    pub(crate) operation: &'static Operation,
    pub(crate) safety: Safety,
    /// The room whose limit of posts it counts against.
    pub(crate) room: Option<u64>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl CallInfo {
    pub(crate) fn new(operation: &'static Operation, safety: Safety) -> Self {
        Self { operation, safety, room: None, idempotency_key: None, request_id: None }
    }
}

/// The response, or why none came.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpAnswer {
    /// `None` if no response came.
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) service_error: ServiceError,
    /// What a refusal is that is not in the service's form, such as the page of a firewall.
    pub(crate) foreign: Option<String>,
    /// The host that a redirect leads to.
    pub(crate) redirected_to: Option<String>,
    pub(crate) rate_limit: Option<RateLimit>,
    /// How long the service asks to wait.
    pub(crate) wait: Option<Duration>,
    /// The connection of a request without a response.
    pub(crate) connecting: Option<Box<Connecting>>,
}

impl HttpAnswer {
    pub(crate) fn request_id(&self) -> Option<&str> {
        let header = self.headers.get("x-request-id").and_then(|value| value.to_str().ok());
        header.or(self.service_error.request_id.as_deref())
    }
}

/// The content of a service's error body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ServiceError {
    pub(crate) code: Option<String>,
    pub(crate) messages: Vec<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) details: Option<Value>,
}

/// A text, or a number where a text is documented.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
