//! One call, as an operation sees it.

use super::auth::Key;
use super::data::Data;
use super::error::Failure;
use super::events::Outgoing;
use super::page::PageQuery;
use crate::sandbox::routes::Route;
use crate::sandbox::state::Now;
use axum::http::StatusCode;
use serde_json::Value;

/// What an operation does with a call. It checks everything before it changes anything.
pub(super) type Handler = fn(&mut Data, &Call) -> Result<Reply, Failure>;

/// A call whose sender is known.
pub(super) struct Call {
    pub(super) key: Key,
    pub(super) route: Route,
    pub(super) page: PageQuery,
    pub(super) body: Value,
    pub(super) now: Now,
}

impl Call {
    /// A parameter of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        self.route.param(name)
    }
}

pub(super) enum Reply {
    Json(StatusCode, Value),
    /// The answer to an earlier request under the same key.
    Replay(StatusCode, Value),
    /// Post this, and answer with the log entry that comes of it.
    Redelivery(Outgoing),
}

impl Reply {
    pub(super) fn ok(body: Value) -> Result<Self, Failure> {
        Ok(Self::Json(StatusCode::OK, body))
    }

    pub(super) fn created(body: Value) -> Result<Self, Failure> {
        Ok(Self::Json(StatusCode::CREATED, body))
    }
}
