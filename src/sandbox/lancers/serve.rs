//! The way of a request: credential, parameters, body, operation.

use super::call::{Body, Call, Handler};
use super::data::{Data, State};
use super::error::Failure;
use super::form::Form;
use super::{boards, files, messages, users};
use crate::sandbox::answer::Answer;
use crate::sandbox::backend::{Backend, NativeError, Request};
use crate::sandbox::multipart::{self, media_type};
use crate::sandbox::routes::Route;
use axum::http::{HeaderMap, StatusCode};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;

/// What an operation does.
fn handler(operation: &str) -> Option<Handler> {
    let handler: Handler = match operation {
        "list_boards" => boards::list,
        "create_board" => boards::create,
        "list_unread" => boards::unread,
        "search_boards" => boards::search,
        "get_board" => boards::get,
        "update_board" => boards::update,
        "list_users" => users::list,
        "add_users" => users::add,
        "remove_user" => users::remove,
        "list_messages" => messages::list,
        "post_message" => messages::post,
        "list_files" => files::list,
        "mark_read" => messages::mark_read,
        _ => return None,
    };
    Some(handler)
}

impl Backend for State {
    fn answer(self: Arc<Self>, route: Option<Route>, request: Request) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            match answer(&self, route, request).await {
                Ok(value) => Answer::json(StatusCode::OK, &value),
                Err(failure) => failure.into_answer(),
            }
        })
    }

    fn native_error(&self, _: &Request, error: NativeError) -> Answer {
        match error {
            NativeError::ExpiredToken => Failure::not_signed_in().into_answer(),
            NativeError::TooManyRequests(seconds) => {
                let body = json!({
                    "type": "too_many_requests",
                    "message": "しばらくしてからやり直してください",
                });
                Answer::json(StatusCode::TOO_MANY_REQUESTS, &body).retry_after(seconds)
            }
        }
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        Self::spawn(self, task);
    }

    fn end(&self) {
        Self::end(self);
    }
}

async fn answer(state: &State, route: Option<Route>, request: Request) -> Result<Value, Failure> {
    let route = route.ok_or_else(Failure::bad_request)?;
    let handler = handler(route.operation.id).ok_or_else(Failure::bad_request)?;
    let caller = authenticate(&state.lock(), request.headers())?;
    let query = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let query = query.into_owned().collect();
    let body = read(request).await?;
    let call = Call { caller, route, query, body, now: state.now().wall };
    handler(&mut state.lock(), call)
}

async fn read(request: Request) -> Result<Body, Failure> {
    let media_type = media_type(&request);
    if media_type == "multipart/form-data" {
        return Ok(Body::Form(Form::read(multipart::read(request).await)?));
    }
    if request.body().is_empty() {
        return Ok(Body::None);
    }
    if media_type != "application/json" {
        return Ok(Body::Other);
    }
    serde_json::from_slice(request.body()).map(Body::Json).map_err(|_| Failure::bad_request())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::routes::unhandled;

    #[test]
    fn every_operation_of_the_specification_has_a_handler() {
        let missing = unhandled(crate::lancers::table::ALL, |id| handler(id).is_some());
        assert!(missing.is_empty(), "write a handler for {missing:?}");
    }
}
