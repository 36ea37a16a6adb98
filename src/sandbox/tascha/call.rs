//! The way of a request: request id, credential, limits, scope, idempotency key, operation, headers.

use super::State;
use super::auth::{self, Key};
use super::data::Data;
use super::error::Failure;
use super::idempotency::Payload;
use super::limits::Now;
use super::page::PageQuery;
use super::webhooks::{self, Outgoing};
use crate::sandbox::fault::{OwnRefusal, Refuses};
use crate::sandbox::log::Effect;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record of 200,000 characters, each escaped as a surrogate pair, and some room.
const MAX_BODY: usize = 4 * 1024 * 1024;

pub(super) type Params = BTreeMap<String, String>;

/// What an operation is, apart from what it does.
pub(super) struct Operation {
    pub(super) scope: &'static str,
    pub(super) units: u64,
    /// Refused to a key that acts for nobody.
    pub(super) user_only: bool,
    /// Takes an `Idempotency-Key`.
    pub(super) keyed: bool,
    pub(super) run: Run,
}

type Run = fn(&mut Data, &Call) -> Result<Reply, Failure>;

impl Operation {
    pub(super) const fn read(scope: &'static str, run: Run) -> Self {
        Self { scope, units: 1, user_only: false, keyed: false, run }
    }

    pub(super) const fn create(scope: &'static str, run: Run) -> Self {
        Self { scope, units: 3, user_only: true, keyed: true, run }
    }

    pub(super) const fn update(scope: &'static str, run: Run) -> Self {
        Self { scope, units: 3, user_only: false, keyed: true, run }
    }
}

/// One request, as an operation sees it.
pub(super) struct Call {
    pub(super) key: Key,
    pub(super) params: Params,
    pub(super) page: PageQuery,
    pub(super) body: Value,
    pub(super) now: Now,
}

impl Call {
    /// A parameter of the path. The routes name them all, so an absent one cannot be.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
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

/// Runs one operation and makes its answer.
pub(super) async fn serve(
    state: Arc<State>,
    operation: &'static Operation,
    Path(params): Path<Params>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        let failure =
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is too large.");
        return refuse(&state, &parts.headers, failure);
    };
    let mut meters = HeaderMap::new();
    let (outcome, outbox) = {
        let mut data = state.lock();
        let outcome = run(&mut data, &state, operation, params, &parts, &body, &mut meters);
        (outcome, std::mem::take(&mut data.outbox))
    };
    webhooks::deliver_all(&state, outbox);
    let mut response = match outcome {
        Ok(Reply::Json(status, body)) => (status, axum::Json(body)).into_response(),
        Ok(Reply::Replay(status, body)) => {
            (status, Extension(Effect::Replayed), axum::Json(body)).into_response()
        }
        Ok(Reply::Redelivery(outgoing)) => {
            let delivery = webhooks::start(&state, outgoing);
            match delivery.await {
                Ok(delivery) => axum::Json(serde_json::json!({ "delivery": delivery })).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        Err(failure) => return finish(refuse(&state, &parts.headers, failure), meters),
    };
    set_request_id(&mut response, &request_id(&state, &parts.headers));
    finish(response, meters)
}

impl Refuses for State {
    fn refuse(&self, head: &Parts, refusal: OwnRefusal) -> Response {
        let mut meters = HeaderMap::new();
        let failure = match refusal {
            OwnRefusal::ExpiredToken => Failure::unauthorized("The access token has expired."),
            OwnRefusal::TooManyRequests(seconds) => {
                let mut data = self.lock();
                if let Ok(key) = auth::authenticate(&data, &head.headers) {
                    let quota = data.settings.quota.clone();
                    data.limits.report(&key.payer(), self.now(), &quota, 0, &mut meters);
                    meters.insert("ratelimit-remaining", HeaderValue::from(0));
                    if let Some(seconds) = seconds {
                        meters.insert("ratelimit-reset", HeaderValue::from(seconds));
                    }
                }
                let failure = Failure::too_many_requests();
                match seconds {
                    Some(seconds) => failure.retry_after(seconds),
                    None => failure,
                }
            }
        };
        finish(refuse(self, &head.headers, failure), meters)
    }
}

/// For paths and methods that the API does not have.
pub(super) async fn unknown(state: Arc<State>, headers: HeaderMap) -> Response {
    refuse(&state, &headers, Failure::not_found("path"))
}

fn run(
    data: &mut Data,
    state: &State,
    operation: &Operation,
    params: Params,
    parts: &Parts,
    body: &Bytes,
    meters: &mut HeaderMap,
) -> Result<Reply, Failure> {
    let key = auth::authenticate(data, &parts.headers)?;
    let payer = key.payer();
    let quota = data.settings.quota.clone();
    let now = state.now();
    let outcome = data
        .limits
        .admit(&payer, now, &quota, operation.units)
        .and_then(|()| permitted(data, operation, key, now, params, parts, body));
    let cost = if outcome.is_ok() { operation.units } else { 0 };
    data.limits.charge(&payer, now, &quota, cost);
    data.limits.report(&payer, now, &quota, cost, meters);
    outcome
}

fn permitted(
    data: &mut Data,
    operation: &Operation,
    key: Key,
    now: Now,
    params: Params,
    parts: &Parts,
    body: &Bytes,
) -> Result<Reply, Failure> {
    key.require_scope(operation.scope)?;
    if operation.user_only {
        key.require_user()?;
    }
    let page = PageQuery::parse(parts.uri.query().unwrap_or_default());
    if !operation.keyed {
        return (operation.run)(data, &Call { key, params, page, body: Value::Null, now });
    }
    let body = json_body(&parts.headers, body)?;
    let token = key.token.clone();
    let idempotency_key = idempotency_key(&parts.headers)?;
    let payload = Payload { target: format!("{} {}", parts.method, parts.uri.path()), body: body.clone() };
    if let Some(name) = &idempotency_key
        && let Some((status, answer)) = data.answers.find(&token, name, &payload, now.instant)?
    {
        return Ok(Reply::Replay(status, answer));
    }
    let reply = (operation.run)(data, &Call { key, params, page, body, now })?;
    if let (Some(name), Reply::Json(status, answer)) = (&idempotency_key, &reply) {
        data.answers.remember(&token, name, payload, (*status, answer.clone()), now.instant);
    }
    Ok(reply)
}

fn json_body(headers: &HeaderMap, body: &Bytes) -> Result<Value, Failure> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Failure::invalid("body", "must be sent as application/json"));
    }
    serde_json::from_slice(body).map_err(|_| Failure::invalid("body", "must be JSON"))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Failure::invalid("Idempotency-Key", "must have 1 to 255 characters")),
    }
}

/// The caller's request id, or a new one.
fn request_id(state: &State, headers: &HeaderMap) -> HeaderValue {
    match headers.get("x-request-id") {
        Some(id) if !id.is_empty() => id.clone(),
        _ => HeaderValue::try_from(state.lock().ids.request_id())
            .expect("letters and digits are a header value"),
    }
}

fn set_request_id(response: &mut Response, id: &HeaderValue) {
    response.headers_mut().insert("x-request-id", id.clone());
}

fn refuse(state: &State, headers: &HeaderMap, failure: Failure) -> Response {
    let id = request_id(state, headers);
    let shape = state.lock().settings.error_shape;
    let mut response = failure.into_response(shape, &String::from_utf8_lossy(id.as_bytes()));
    set_request_id(&mut response, &id);
    response
}

fn finish(mut response: Response<Body>, meters: HeaderMap) -> Response {
    response.headers_mut().extend(meters);
    response
}
