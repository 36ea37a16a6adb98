//! One call: who it is from, whether it may be made, and its answer.

use super::State;
use super::data::Data;
use super::input::{Fields, Format, Reader};
use super::limits::Quota;
use super::limits::Window;
use super::reply::{Refusal, Reply};
use super::{oauth, scopes, token};
use crate::sandbox::fault::{OwnRefusal, Refuses};
use axum::RequestExt;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use std::sync::Arc;

/// What an operation does with a call. It checks everything before it changes anything.
pub(super) type Handler = fn(&mut Call<'_>) -> Result<Reply, Refusal>;

/// A call whose sender is known.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) data: &'a mut Data,
    pub(super) now: Timestamp,
    /// The account of the token.
    pub(super) caller: u64,
    /// What the mark of `force=0` is kept for.
    pub(super) session: &'a str,
    /// Scheme, host and port under which the sandbox was called.
    pub(super) origin: &'a str,
    query: &'a Fields,
    body: &'a Fields,
    path: &'a [(String, String)],
}

impl<'a> Call<'a> {
    pub(super) fn query(&self) -> Reader<'a> {
        self.query.reader()
    }

    pub(super) fn form(&self) -> Reader<'a> {
        self.body.reader()
    }

    /// Where a parameter that may stand in the body or in the query is to be read. The body goes first.
    pub(super) fn form_or_query(&self, name: &str) -> Reader<'a> {
        if self.body.has(name) { self.form() } else { self.query() }
    }

    /// A number in the path. What is none is no endpoint.
    pub(super) fn id(&self, name: &str) -> Result<u64, Refusal> {
        let value = self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        value.and_then(|value| value.parse().ok()).ok_or_else(Refusal::unknown_endpoint)
    }

    pub(super) fn room_id(&self) -> Result<u64, Refusal> {
        self.id("room_id")
    }
}

/// The account and session that a credential stands for, and the scopes it is bound to.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) account: u64,
    pub(super) name: String,
    /// An API token has every right of its account.
    pub(super) scopes: Option<Vec<String>>,
}

pub(super) async fn serve(
    state: Arc<State>,
    operation: &'static str,
    handler: Handler,
    mut request: Request,
) -> Response {
    let query = Fields::urlencoded(request.uri().query().unwrap_or_default().as_bytes());
    let path: Vec<(String, String)> = match request.extract_parts::<RawPathParams>().await {
        Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        Err(_) => return Refusal::unknown_endpoint().into_response(),
    };
    let headers = request.headers().clone();
    let format = Format::of(operation, request.method());
    let body = Fields::body(request, format).await;
    let now = state.context.clock.wall();

    let mut data = state.lock();
    let data = &mut *data;
    let session = match authenticate(data, &headers, now) {
        Ok(session) => session,
        // Without rate headers: nobody's window is known.
        Err(refusal) => return refusal.into_response(),
    };
    let limit = data.settings.rate_limit;
    let window = data.windows.entry(session.account).or_insert_with(|| Window::new(now));
    if !window.take(limit, now) {
        let quota = window.quota(limit);
        return with_quota(Refusal::too_many_requests("Rate limit exceeded").into_response(), quota);
    }
    let response = if scopes::allow(session.scopes.as_deref(), operation) {
        let origin = origin(&headers);
        let mut call = Call {
            data,
            now,
            caller: session.account,
            session: &session.name,
            origin: &origin,
            query: &query,
            body: &body,
            path: &path,
        };
        handler(&mut call).into_response()
    } else {
        Refusal::forbidden("The access token lacks the scope for this operation.").into_response()
    };
    let Some(window) = data.windows.get_mut(&session.account) else { return response };
    if response.status() == StatusCode::BAD_REQUEST {
        window.refund();
    }
    with_quota(response, window.quota(limit))
}

impl Refuses for State {
    fn refuse(&self, head: &Parts, refusal: OwnRefusal) -> Response {
        if head.uri.path() == "/token" {
            return token::refuse(refusal);
        }
        let now = self.context.clock.wall();
        let data = self.lock();
        let seconds = match refusal {
            OwnRefusal::ExpiredToken => return oauth::expired().into_response(),
            OwnRefusal::TooManyRequests(seconds) => seconds,
        };
        let mut refusal = Refusal::too_many_requests("Rate limit exceeded");
        if let Some(seconds) = seconds {
            refusal = refusal.header("retry-after", seconds.to_string());
        }
        let response = refusal.into_response();
        match authenticate(&data, &head.headers, now) {
            Ok(session) => {
                let window = data.windows.get(&session.account).copied();
                let mut quota = Window::used_up(window, data.settings.rate_limit, now);
                if let Some(seconds) = seconds {
                    // Both headers say when to come back, and a service would not contradict itself.
                    let part = i64::from(now.subsec_nanosecond() > 0);
                    quota.reset = now.as_second().saturating_add_unsigned(seconds).saturating_add(part);
                }
                with_quota(response, quota)
            }
            Err(_) => response,
        }
    }
}

fn authenticate(data: &Data, headers: &HeaderMap, now: Timestamp) -> Result<Session, Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(token) = text("x-chatworktoken") {
        let account = data.tokens.get(token).copied().ok_or_else(Refusal::unauthorized)?;
        return Ok(Session { account, name: token.to_owned(), scopes: None });
    }
    let bearer = text("authorization").and_then(|value| value.split_once(' '));
    match bearer {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            data.oauth.session(token.trim(), now)
        }
        _ => Err(Refusal::unauthorized()),
    }
}

fn with_quota(mut response: Response, quota: Quota) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from(quota.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(quota.remaining));
    headers.insert("x-ratelimit-reset", HeaderValue::from(quota.reset));
    response
}

/// Where the client reached the sandbox, so that it can reach a download the same way.
fn origin(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    format!("http://{}", host.unwrap_or("127.0.0.1"))
}
