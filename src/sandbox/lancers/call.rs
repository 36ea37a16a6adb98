//! The way of a request: credential, parameters, body, operation.

use super::State;
use super::data::Data;
use super::error::Failure;
use super::form::Form;
use axum::extract::{FromRequest, Multipart, Path, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Params = BTreeMap<String, String>;

/// What an operation does. It answers with JSON and 200.
pub(super) type Operation = fn(&mut Data, Call) -> Result<Value, Failure>;

/// What came with a request.
pub(super) enum Body {
    None,
    /// Something in a format that no operation reads.
    Other,
    Json(Value),
    Form(Form),
}

/// One request, as an operation sees it.
pub(super) struct Call {
    /// The login name of the account.
    pub(super) caller: String,
    params: Params,
    query: Params,
    pub(super) body: Body,
    pub(super) now: Timestamp,
}

impl Call {
    pub(super) fn board_id(&self) -> Result<i64, Failure> {
        self.params.get("board_id").and_then(|id| id.parse().ok()).ok_or_else(Failure::bad_request)
    }

    /// A parameter of the path. The routes name them all, so an absent one cannot be.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
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
        super::model::parse_time(text).map(Some).ok_or_else(|| Failure::invalid(name))
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

/// Runs one operation and makes its answer.
pub(super) async fn serve(
    state: Arc<State>,
    operation: Operation,
    params: Path<Params>,
    request: Request,
) -> Response {
    match answer(&state, operation, params, request).await {
        Ok(value) => axum::Json(value).into_response(),
        Err(failure) => failure.into_response(),
    }
}

/// For paths and methods that the API does not have.
pub(super) async fn unknown() -> Response {
    Failure::bad_request().into_response()
}

async fn answer(
    state: &State,
    operation: Operation,
    Path(params): Path<Params>,
    request: Request,
) -> Result<Value, Failure> {
    let caller = authenticate(&state.lock(), request.headers())?;
    let query = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let body = read(request).await?;
    let call = Call { caller, params, query, body, now: state.now() };
    operation(&mut state.lock(), call)
}

async fn read(request: Request) -> Result<Body, Failure> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type =
        content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_lowercase();
    if media_type == "multipart/form-data" {
        let parts = Multipart::from_request(request, &()).await.map_err(|_| Failure::bad_request())?;
        return Ok(Body::Form(Form::read(parts).await?));
    }
    let bytes = Bytes::from_request(request, &()).await.map_err(|_| Failure::bad_request())?;
    if bytes.is_empty() {
        return Ok(Body::None);
    }
    if media_type != "application/json" {
        return Ok(Body::Other);
    }
    serde_json::from_slice(&bytes).map(Body::Json).map_err(|_| Failure::bad_request())
}

/// Whose the credential is. Of a `Cookie`, one of its pairs is enough, because a browser sends others along.
fn authenticate(data: &Data, headers: &HeaderMap) -> Result<String, Failure> {
    let value = headers.get(data.credential_header.as_str()).and_then(|value| value.to_str().ok());
    let value = value.unwrap_or_default();
    let known = data.credentials.get(value).or_else(|| {
        let is_cookie = data.credential_header.eq_ignore_ascii_case("cookie");
        let mut pairs = value.split(';').filter(|_| is_cookie);
        pairs.find_map(|pair| data.credentials.get(pair.trim()))
    });
    known.cloned().ok_or_else(Failure::not_signed_in)
}
