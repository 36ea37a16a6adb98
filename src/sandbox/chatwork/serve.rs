//! The way of a request: credential, limits, scope, operation, headers.

use super::call::{Call, Handler};
use super::data::{Data, State};
use super::input::{Fields, Format};
use super::limits::{Quota, Window};
use super::model::Session;
use super::reply::Refusal;
use super::{
    account, consent, contacts, download, files, link, members, messages, oauth, reading, rooms, tasks, token,
};
use crate::sandbox::answer::Answer;
use crate::sandbox::backend::{Backend, NativeError, Request};
use crate::sandbox::routes::Route;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;

/// What an operation of the specification does.
fn handler(operation: &str) -> Option<Handler> {
    let handler: Handler = match operation {
        "get_me" => account::me,
        "get_my_status" => account::status,
        "list_my_tasks" => tasks::list_mine,
        "list_contacts" => contacts::list,
        "list_rooms" => rooms::list,
        "create_room" => rooms::create,
        "get_room" => rooms::read,
        "update_room" => rooms::update,
        "delete_room" => rooms::delete,
        "list_members" => members::list,
        "replace_members" => members::replace,
        "list_messages" => messages::list,
        "post_message" => messages::post,
        "mark_read" => reading::mark_read,
        "mark_unread" => reading::mark_unread,
        "get_message" => messages::read,
        "update_message" => messages::update,
        "delete_message" => messages::delete,
        "list_tasks" => tasks::list,
        "create_tasks" => tasks::create,
        "get_task" => tasks::read,
        "set_task_status" => tasks::set_status,
        "list_files" => files::list,
        "upload_file" => files::upload,
        "get_file" => files::read,
        "get_link" => link::read,
        "create_link" => link::create,
        "update_link" => link::update,
        "delete_link" => link::delete,
        "list_incoming_requests" => contacts::list_requests,
        "accept_incoming_request" => contacts::accept,
        "decline_incoming_request" => contacts::decline,
        _ => return None,
    };
    Some(handler)
}

impl Backend for State {
    fn answer(self: Arc<Self>, route: Option<Route>, request: Request) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            let Some(route) = route else { return Refusal::unknown_endpoint().into_answer() };
            match (route.operation.id, handler(route.operation.id)) {
                ("oauth_token", _) => token::token(&self, request).await,
                ("oauth_consent", _) => consent::consent(&self, &request),
                ("download_file", _) => download::download(&self, route.param("key"), request.headers()),
                (_, Some(handler)) => serve(&self, &route, handler, request).await,
                (_, None) => Refusal::unknown_endpoint().into_answer(),
            }
        })
    }

    fn native_error(&self, request: &Request, error: NativeError) -> Answer {
        if request.uri().path() == "/token" {
            return token::native_error(error);
        }
        let seconds = match error {
            NativeError::ExpiredToken => return oauth::expired().into_answer(),
            NativeError::TooManyRequests(seconds) => seconds,
        };
        let now = self.now().wall;
        let data = self.lock();
        let answer = Refusal::too_many_requests("Rate limit exceeded").into_answer().retry_after(seconds);
        let Ok(session) = authenticate(&data, request.headers(), now) else { return answer };
        let window = data.windows.get(&session.account).copied();
        let mut quota = Window::used_up(window, data.settings.rate_limit, now);
        if let Some(seconds) = seconds {
            // Both headers say when to come back, and a service would not contradict itself.
            let part = i64::from(now.subsec_nanosecond() > 0);
            quota.reset = now.as_second().saturating_add_unsigned(seconds).saturating_add(part);
        }
        with_quota(answer, quota)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        Self::spawn(self, task);
    }

    fn end(&self) {
        Self::end(self);
    }
}

async fn serve(state: &State, route: &Route, handler: Handler, request: Request) -> Answer {
    let parameters = Fields::urlencoded(request.uri().query().unwrap_or_default().as_bytes());
    let headers = request.headers().clone();
    let body = Fields::body(request, Format::of(route.operation)).await;
    let now = state.now().wall;

    let mut data = state.lock();
    let data = &mut *data;
    let session = match authenticate(data, &headers, now) {
        Ok(session) => session,
        // Without rate headers, as it is not known whose window it is.
        Err(refusal) => return refusal.into_answer(),
    };
    let limit = data.settings.rate_limit;
    let window = data.windows.entry(session.account).or_insert_with(|| Window::new(now));
    if !window.take(limit, now) {
        return with_quota(
            Refusal::too_many_requests("Rate limit exceeded").into_answer(),
            window.quota(limit),
        );
    }
    let answer = if session.may_call(route.operation) {
        let (caller, base) = (session.account, base(&headers));
        let (session, base, parameters, body) = (&session.name, &base, &parameters, &body);
        let mut call = Call { data, now, caller, session, base, route, parameters, body };
        handler(&mut call).unwrap_or_else(Refusal::into_answer)
    } else {
        Refusal::forbidden("The access token lacks the scope for this operation.").into_answer()
    };
    let Some(window) = data.windows.get_mut(&session.account) else { return answer };
    if answer.status == StatusCode::BAD_REQUEST {
        window.refund();
    }
    with_quota(answer, window.quota(limit))
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

fn with_quota(answer: Answer, quota: Quota) -> Answer {
    answer
        .header(HeaderName::from_static("x-ratelimit-limit"), quota.limit)
        .header(HeaderName::from_static("x-ratelimit-remaining"), quota.remaining)
        .header(HeaderName::from_static("x-ratelimit-reset"), quota.reset)
}

/// The address at which the client reached the sandbox, so that it can reach a download in the same way.
fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    format!("http://{}", host.unwrap_or("127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::routes::unhandled;

    #[test]
    fn every_operation_of_the_specification_has_a_handler() {
        let missing = unhandled(crate::chatwork::table::ALL, |id| handler(id).is_some());
        assert!(missing.is_empty(), "write a handler for {missing:?}");
    }
}
