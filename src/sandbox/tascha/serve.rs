//! The way of a request: request id, credential, limits, scope, idempotency key, operation, headers.

use super::auth::{self, Key};
use super::call::{Call, Handler, Reply};
use super::data::{Data, State};
use super::error::Failure;
use super::idempotency::{KeyedRequest, Payload};
use super::page::PageQuery;
use super::{account, deliver, messages, records, rooms, tasks, webhooks};
use crate::operation::Safety;
use crate::sandbox::answer::{Answer, Effect};
use crate::sandbox::backend::{Backend, NativeError, Request};
use crate::sandbox::multipart::media_type;
use crate::sandbox::routes::Route;
use crate::sandbox::state::Now;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;

/// A record of 200,000 characters, each escaped as a surrogate pair, and some room.
const MAX_BODY: usize = 4 * 1024 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What an operation does.
fn handler(operation: &str) -> Option<Handler> {
    let handler: Handler = match operation {
        "get_me" => account::me,
        "list_organizations" => account::organizations,
        "list_rooms" => rooms::list,
        "list_members" => rooms::members,
        "create_message" => messages::create,
        "list_messages" => messages::list,
        "create_task" => tasks::create,
        "list_tasks" => tasks::list,
        "update_task" => tasks::update,
        "create_record" => records::create,
        "list_records" => records::list,
        "list_files" => rooms::files,
        "update_record" => records::update,
        "list_webhook_deliveries" => webhooks::list_deliveries,
        "redeliver_webhook" => webhooks::redeliver,
        "list_events" => webhooks::list_events,
        _ => return None,
    };
    Some(handler)
}

impl Backend for State {
    fn answer(self: Arc<Self>, route: Option<Route>, request: Request) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            let route = route.and_then(|route| Some((handler(route.operation.id)?, route)));
            match route {
                Some((handler, route)) => serve(&self, handler, route, &request).await,
                None => refused(&self, request.headers(), Failure::not_found("path")),
            }
        })
    }

    fn native_error(&self, request: &Request, error: NativeError) -> Answer {
        let mut meters = HeaderMap::new();
        let failure = match error {
            NativeError::ExpiredToken => Failure::unauthorized("The access token has expired."),
            NativeError::TooManyRequests(seconds) => {
                let data = &mut *self.lock();
                if let Ok(key) = auth::authenticate(&data.keys, request.headers()) {
                    data.limits.report(&key.payer(), self.now(), 0, &mut meters);
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
        with_meters(refused(self, request.headers(), failure), meters)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        Self::spawn(self, task);
    }

    fn end(&self) {
        Self::end(self);
    }
}

async fn serve(state: &Arc<State>, handler: Handler, route: Route, request: &Request) -> Answer {
    if request.body().len() > MAX_BODY {
        let failure =
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is too large.");
        return refused(state, request.headers(), failure);
    }
    let attempt = Attempt { handler, route, request, now: state.now() };
    let mut meters = HeaderMap::new();
    let (outcome, outbox) = {
        let mut data = state.lock();
        let outcome = attempt.run(&mut data, &mut meters);
        (outcome, std::mem::take(&mut data.outbox))
    };
    deliver::deliver_all(state, outbox);
    let answer = match outcome {
        Ok(Reply::Json(status, body)) => Answer::json(status, &body),
        Ok(Reply::Replay(status, body)) => Answer::json(status, &body).with_effect(Effect::Replayed),
        Ok(Reply::Redelivery(outgoing)) => match deliver::start(state, outgoing).await {
            Ok(delivery) => Answer::json(StatusCode::OK, &json!({ "delivery": delivery })),
            Err(_) => Answer::empty(StatusCode::INTERNAL_SERVER_ERROR),
        },
        Err(failure) => return with_meters(refused(state, request.headers(), failure), meters),
    };
    with_meters(answer.header(REQUEST_ID, request_id(state, request.headers())), meters)
}

/// A request to an operation.
struct Attempt<'a> {
    handler: Handler,
    route: Route,
    request: &'a Request,
    now: Now,
}

impl Attempt<'_> {
    /// Carries it out, and writes the state of the limits into the headers.
    fn run(self, data: &mut Data, meters: &mut HeaderMap) -> Result<Reply, Failure> {
        let key = auth::authenticate(&data.keys, self.request.headers())?;
        let (payer, now, units) = (key.payer(), self.now, u64::from(self.route.operation.units));
        let outcome = data.limits.admit(&payer, now, units).and_then(|()| self.admitted(data, key));
        let cost = if outcome.is_ok() { units } else { 0 };
        data.limits.charge(&payer, now, cost);
        data.limits.report(&payer, now, cost, meters);
        outcome
    }

    fn admitted(self, data: &mut Data, key: Key) -> Result<Reply, Failure> {
        let Self { handler, route, request, now } = self;
        let operation = route.operation;
        key.require_scope_of(operation)?;
        let page = PageQuery::parse(request.uri().query().unwrap_or_default(), data.settings.paging.clone());
        if operation.safety != Safety::Keyed {
            return handler(data, &Call { key, route, page, body: Value::Null, now });
        }
        let body = json_body(request)?;
        let keyed = idempotency_key(request.headers())?.map(|name| KeyedRequest {
            name: (key.token.clone(), name),
            payload: Payload {
                target: format!("{} {}", request.method(), request.uri().path()),
                body: body.clone(),
            },
        });
        if let Some(keyed) = &keyed
            && let Some((status, answer)) = data.answers.find(keyed, now.instant)?
        {
            return Ok(Reply::Replay(status, answer));
        }
        let reply = handler(data, &Call { key, route, page, body, now })?;
        if let (Some(keyed), Reply::Json(status, answer)) = (keyed, &reply) {
            data.answers.remember(keyed, (*status, answer.clone()), now.instant);
        }
        Ok(reply)
    }
}

fn json_body(request: &Request) -> Result<Value, Failure> {
    if media_type(request) != "application/json" {
        return Err(Failure::invalid("body", "must be sent as application/json"));
    }
    serde_json::from_slice(request.body()).map_err(|_| Failure::invalid("body", "must be JSON"))
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
    match headers.get(REQUEST_ID) {
        Some(id) if !id.is_empty() => id.clone(),
        _ => HeaderValue::try_from(format!("req_{}", state.lock().ids.cuid()))
            .expect("letters and digits are a header value"),
    }
}

fn refused(state: &State, headers: &HeaderMap, failure: Failure) -> Answer {
    let id = request_id(state, headers);
    let shape = state.lock().settings.error_shape;
    failure.into_answer(shape, &String::from_utf8_lossy(id.as_bytes())).header(REQUEST_ID, id)
}

fn with_meters(mut answer: Answer, meters: HeaderMap) -> Answer {
    answer.headers.extend(meters);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::routes::unhandled;

    #[test]
    fn every_operation_of_the_specification_has_a_handler() {
        let missing = unhandled(crate::tascha::table::ALL, |id| handler(id).is_some());
        assert!(missing.is_empty(), "write a handler for {missing:?}");
    }
}
