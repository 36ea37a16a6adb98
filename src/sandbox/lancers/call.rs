//! One call, as an operation sees it.

use super::data::Data;
use super::error::Failure;
use super::form::Form;
use super::model::parse_time;
use crate::sandbox::routes::Route;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// What an operation does. It answers with JSON and 200.
pub(super) type Handler = fn(&mut Data, Call) -> Result<Value, Failure>;

/// What came with a request.
pub(super) enum Body {
    None,
    /// Something in a format that no operation reads.
    Other,
    Json(Value),
    Form(Form),
}

/// A call whose sender is known.
pub(super) struct Call {
    /// The login name of the account.
    pub(super) caller: String,
    pub(super) route: Route,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Body,
    pub(super) now: Timestamp,
}

impl Call {
    pub(super) fn board_id(&self) -> Result<i64, Failure> {
        self.route.param("board_id").parse().map_err(|_| Failure::bad_request())
    }

    /// A parameter of the query; empty is as good as missing.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A whole number of the query that is not below `min`.
    pub(super) fn number(&self, name: &str, min: i64) -> Result<Option<i64>, Failure> {
        let Some(text) = self.query(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number >= min);
        number.map(Some).ok_or_else(|| Failure::invalid(name))
    }

    /// The `limit` of the query, or its default.
    pub(super) fn limit(&self, default: usize) -> Result<usize, Failure> {
        let limit = self.number("limit", 1)?;
        Ok(limit.map_or(default, |limit| usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    /// A time of the query.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = self.query(name) else { return Ok(None) };
        parse_time(text).map(Some).ok_or_else(|| Failure::invalid(name))
    }

    pub(super) fn json(&self) -> Result<&Value, Failure> {
        match &self.body {
            Body::Json(value @ Value::Object(_)) => Ok(value),
            _ => Err(Failure::bad_request()),
        }
    }

    pub(super) fn form(&mut self) -> Result<Form, Failure> {
        match std::mem::replace(&mut self.body, Body::None) {
            Body::Form(form) => Ok(form),
            _ => Err(Failure::bad_request()),
        }
    }
}
