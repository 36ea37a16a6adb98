//! The one way out: the stations that every call passes, in order.

pub(crate) mod auth;
mod begun;
pub(crate) mod body;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod operation;
pub(crate) mod pace;
mod payload;
pub(crate) mod retry;
pub(crate) mod trace;

pub use payload::{Capture, Payload};

use crate::error::{Answer, Call, Error, ErrorKind, Outcome, ServiceError};
use crate::limits::RateLimit;
use crate::request::Endpoint;
use crate::response::Received;
use crate::upload::Upload;
use auth::{BearerToken, Credential};
use begun::Begun;
use body::BodyFailure;
use bytes::Bytes;
use check::InvalidInput;
use clock::Clock;
use futures::future::{BoxFuture, Either, select};
use jiff::tz::TimeZone;
use operation::{Operation, Safety};
use pace::{Exhausted, Pace, Pacer, Permit};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use retry::{RetryBudget, RetryPolicy};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long Chatwork's limit of posts per room makes a room wait; its answer does not say.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// Everything that the clones of a client share.
pub struct Transport {
    pub(crate) settings: Settings,
    pub(crate) limits: watch::Sender<Option<RateLimit>>,
    /// What the clones of a Chatwork client poll, on one schedule.
    #[cfg(feature = "chatwork")]
    pub(crate) watches: crate::chatwork::watch::Hub,
    pacer: Arc<Pacer>,
    #[cfg(feature = "chatwork")]
    pub(crate) posted: crate::chatwork::Posted,
}

/// What a builder has put together.
pub(crate) struct Settings {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    /// The base URL as the generated encoder wants it: without a slash at the end.
    pub(crate) base_text: String,
    pub(crate) credential: Option<Credential>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retry: RetryPolicy,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) pace: Pace,
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_body: usize,
    pub(crate) zone: Option<TimeZone>,
    pub(crate) request_ids: bool,
    pub(crate) key_generator: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) error_body: fn(&serde_json::Value) -> ServiceError,
}

/// The options of one call.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) invalid: Option<InvalidInput>,
    /// How many pages a stream of the request fetches before they are asked for.
    pub(crate) read_ahead: Option<usize>,
}

/// What the stations need to know of a request.
pub(crate) struct Plan {
    pub(crate) operation: &'static Operation,
    pub(crate) safety: Safety,
    pub(crate) room: Option<u64>,
}

impl Plan {
    pub(crate) fn of(endpoint: &impl Endpoint) -> Self {
        Self { operation: endpoint.operation(), safety: endpoint.safety(), room: endpoint.room() }
    }

    pub(crate) fn refused(&self, invalid: InvalidInput) -> Error {
        Error::from(invalid).with_call(Call::new(self.operation, self.safety), 0)
    }
}

/// What an attempt came to, if not to a success.
struct Failure {
    kind: ErrorKind,
    outcome: Outcome,
    answer: Answer,
    again: Again,
}

/// Whether a failure allows another attempt.
#[derive(Clone, Copy, PartialEq)]
enum Again {
    /// Whatever the operation is: this attempt had no effect.
    Any,
    /// If repeating does no harm.
    IfRepeatable,
    /// It would end the same way.
    No,
}

impl Transport {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let pacer = Arc::new(Pacer::new(settings.pace.clone()));
        Arc::new(Self {
            settings,
            limits: watch::Sender::new(None),
            pacer,
            #[cfg(feature = "chatwork")]
            posted: Default::default(),
            #[cfg(feature = "chatwork")]
            watches: Default::default(),
        })
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.settings.http
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.settings.base_text
    }

    #[cfg(feature = "lancers")]
    pub(crate) fn zone(&self) -> &TimeZone {
        static JAPAN: std::sync::LazyLock<TimeZone> = std::sync::LazyLock::new(crate::wire::japan);
        self.settings.zone.as_ref().unwrap_or(&JAPAN)
    }

    /// The body of an answer with its wall-clock times read in the client's zone, if it has one of its own.
    pub(crate) fn absolute_times<'a>(&self, endpoint: &impl Endpoint, body: &'a [u8]) -> Cow<'a, [u8]> {
        match (&self.settings.zone, endpoint.local_times()) {
            (Some(zone), names @ [_, ..]) => crate::wire::absolute_times(body, names, zone),
            _ => Cow::Borrowed(body),
        }
    }

    /// A path of the caller's own, under the base URL and nowhere else.
    pub(crate) fn url(&self, path: &str) -> Result<Url, InvalidInput> {
        let refused = |problem| Err(InvalidInput::new("path", problem));
        if !path.starts_with('/') {
            return refused("does not begin with `/`; give the path below the base URL");
        }
        let segments = path.split(['?', '#']).next().unwrap_or_default();
        let dots = |part: &str| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
        // The URL parser drops tabs and line breaks, which could otherwise stand between two dots.
        if path.contains(char::is_control) {
            return refused("contains control characters");
        }
        if path.starts_with("//") || segments.contains('\\') || segments.split('/').any(dots) {
            return refused("leads away from the base URL");
        }
        match Url::parse(&format!("{}{path}", self.settings.base_text)) {
            Ok(url) if url.origin() == self.settings.base.origin() => Ok(url),
            _ => refused("is not a path"),
        }
    }

    /// Sends a request until it succeeds, or until it must not or cannot be sent again.
    pub(crate) async fn call(
        &self,
        plan: &Plan,
        options: Options,
        encode: &(dyn Fn() -> Result<Payload, InvalidInput> + Send + Sync),
    ) -> Result<Received, Error> {
        let span = trace::call(plan.operation);
        let call = Attempts { transport: self, plan, span: &span, sent: 0, worst: None };
        trace::instrument(call.run(options, encode), span.clone()).await
    }
}

/// When a call has to be over, and how long it was given.
type Deadline = Option<(Instant, Duration)>;

/// The time for one attempt, by the name of the bound that it comes from.
pub(crate) struct Timer {
    sleep: BoxFuture<'static, ()>,
    named: Duration,
}

impl Timer {
    pub(crate) fn new(sleep: BoxFuture<'static, ()>, named: Duration) -> Self {
        Self { sleep, named }
    }

    /// What the future comes to, or the bound that it was too slow for.
    pub(crate) async fn race<F: Future>(timer: &mut Option<Self>, future: F) -> Result<F::Output, Duration> {
        let Some(Self { sleep, named }) = timer else { return Ok(future.await) };
        match select(pin!(future), sleep).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(_) => Err(*named),
        }
    }
}

/// One call under way.
struct Attempts<'a> {
    transport: &'a Transport,
    plan: &'a Plan,
    span: &'a tracing::Span,
    /// How many attempts have been made.
    sent: u32,
    /// The most that any attempt may have done: a later, harmless failure does not take it back.
    worst: Option<Outcome>,
}

impl Attempts<'_> {
    async fn run(
        mut self,
        mut options: Options,
        encode: &(dyn Fn() -> Result<Payload, InvalidInput> + Send + Sync),
    ) -> Result<Received, Error> {
        let Settings { clock, retry, retry_budget, .. } = &self.transport.settings;
        let mut call = Call::new(self.plan.operation, self.plan.safety);
        let headers = match self.headers(&mut options, &mut call) {
            Ok(headers) => headers,
            Err(invalid) => return Err(self.error(Error::from(invalid), call)),
        };
        let began = clock.now();
        // A time beyond what the clock can count to is no bound.
        let timeout = options.timeout.or(self.transport.settings.timeout);
        let deadline = timeout.and_then(|timeout| Some((began.checked_add(timeout)?, timeout)));
        let policy = options.retry.as_ref().unwrap_or(retry);
        let mut last: Option<Failure> = None;
        let mut renewed = false;
        loop {
            let Payload { mut request, files } = match encode() {
                Ok(payload) => payload,
                // A body that is spent cannot be sent again; the failure that made it necessary is the one to tell.
                Err(invalid) => {
                    return Err(self.error(last.map_or_else(|| invalid.into(), Failure::into_error), call));
                }
            };
            if is_empty(&request) && [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) {
                // RFC 9110, 8.6: some proxies refuse a request that does not say how long its empty body is.
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
            let end = deadline.map(|(end, _)| end);
            let permit = self.transport.pacer.permit(self.plan.operation, self.plan.room, clock, end).await;
            // The token is asked for after the wait, in which an older one could have expired.
            let prepared = match permit {
                Ok(permit) => self.prepare(&mut request, &files, deadline).await.map(|token| (permit, token)),
                Err(error) => Err(error),
            };
            let (permit, token) = match prepared {
                Ok(prepared) => prepared,
                // What the service said to an earlier attempt tells more than that there was no time for another.
                Err(error) => return Err(self.error(last.map_or(error, Failure::into_error), call)),
            };
            for (name, value) in &headers {
                if !request.headers().get(name).is_some_and(HeaderValue::is_sensitive) {
                    request.headers_mut().insert(name.clone(), value.clone());
                }
            }
            let mut failure = match self.attempt(request, &options, deadline, permit).await {
                Ok(received) => {
                    retry_budget.succeeded();
                    return Ok(Received { call, ..received });
                }
                Err(failure) => failure,
            };
            self.note(failure.outcome);
            // Asked after the attempt: a stream of which nothing was read is as good as new.
            let replayable = files.iter().all(Upload::is_replayable);
            if !renewed
                && replayable
                && failure.is_unauthorized()
                && let (Some(token), Some(credential)) = (&token, &self.transport.settings.credential)
            {
                match self.within(deadline, credential.renew(token)).await.and_then(|renewal| renewal) {
                    Ok(true) => {
                        renewed = true;
                        last = Some(failure);
                        continue;
                    }
                    Ok(false) => {}
                    // The status stays that of the service; only a new token would help, and this is why there is none.
                    Err(reason) => {
                        failure.kind = ErrorKind::Token(match reason.kind() {
                            ErrorKind::Token(problem) => problem.clone(),
                            ErrorKind::Timeout(_) => "another one did not come in time".to_owned(),
                            other => other.to_string(),
                        });
                    }
                }
            }
            let may_repeat = match failure.again {
                Again::Any => true,
                Again::IfRepeatable => self.plan.safety.is_repeatable(),
                Again::No => false,
            };
            let now = clock.now();
            let elapsed = now.saturating_duration_since(began);
            let wait = (may_repeat && replayable)
                .then(|| policy.wait(self.sent, failure.answer.wait))
                .flatten()
                .filter(|wait| policy.allows(self.sent, elapsed.saturating_add(*wait)))
                .filter(|wait| deadline.is_none_or(|(end, _)| *wait < end.saturating_duration_since(now)))
                .filter(|_| failure.answer.wait.is_some() || retry_budget.take(&**clock));
            let Some(wait) = wait else { return Err(self.error(failure.into_error(), call)) };
            trace::wait(self.sent, wait, &failure.kind);
            clock.sleep(wait).await;
            last = Some(failure);
        }
    }

    /// The headers that are the same on every attempt.
    fn headers(
        &self,
        options: &mut Options,
        call: &mut Call,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidInput> {
        if let Some(invalid) = options.invalid.take() {
            return Err(invalid);
        }
        let settings = &self.transport.settings;
        let mut headers = std::mem::take(&mut options.headers);
        if self.plan.safety == Safety::Keyed {
            let key = options.idempotency_key.take().unwrap_or_else(|| (settings.key_generator)());
            headers.push((HeaderName::from_static("idempotency-key"), visible("idempotency_key", &key)?));
            call.idempotency_key = Some(key);
        } else if options.idempotency_key.is_some() {
            let problem = "is not taken by this operation: the service would do it again (for posts to Chatwork there is `with_reconcile`)";
            return Err(InvalidInput::new("idempotency_key", problem));
        }
        let id = options.request_id.take();
        if let Some(id) = id.or_else(|| settings.request_ids.then(|| format!("req_{}", uuid::Uuid::new_v4())))
        {
            headers.push((HeaderName::from_static("x-request-id"), visible("request_id", &id)?));
            call.request_id = Some(id);
        }
        Ok(headers)
    }

    /// A step before sending, within the call's time.
    async fn within<T>(&self, deadline: Deadline, step: impl Future<Output = T>) -> Result<T, Error> {
        let clock = &self.transport.settings.clock;
        let left = |end: Instant| end.saturating_duration_since(clock.now());
        let mut timer = deadline.map(|(end, named)| Timer::new(clock.sleep(left(end)), named));
        let done = Timer::race(&mut timer, step).await;
        done.map_err(|whole| Error::new(ErrorKind::Timeout(whole), Outcome::NotSent))
    }

    async fn prepare(
        &self,
        request: &mut reqwest::Request,
        files: &[Upload],
        deadline: Deadline,
    ) -> Result<Option<BearerToken>, Error> {
        for file in files {
            self.within(deadline, file.look()).await??;
        }
        self.authorize(request, deadline).await
    }

    async fn authorize(
        &self,
        request: &mut reqwest::Request,
        deadline: Deadline,
    ) -> Result<Option<BearerToken>, Error> {
        match &self.transport.settings.credential {
            Some(credential) if credential.is_fixed() => credential.apply(request).await,
            Some(credential) => self.within(deadline, credential.apply(request)).await?,
            None => Ok(None),
        }
    }

    async fn attempt(
        &mut self,
        mut request: reqwest::Request,
        options: &Options,
        deadline: Deadline,
        mut permit: Permit,
    ) -> Result<Received, Failure> {
        let settings = &self.transport.settings;
        let left = deadline.map(|(end, whole)| (end.saturating_duration_since(settings.clock.now()), whole));
        let own = options.attempt_timeout.or(settings.attempt_timeout).map(|timeout| (timeout, timeout));
        let limit = match (left, own) {
            (Some(left), Some(own)) => Some(if left.0 <= own.0 { left } else { own }),
            (left, own) => left.or(own),
        };
        if let Some((Duration::ZERO, whole)) = limit {
            return Err(Failure::timeout(whole, Outcome::NotSent));
        }
        self.sent += 1;
        permit.sending();
        // With less time than connecting is given, the time can end before there is a connection.
        let hasty = limit.is_some_and(|(timeout, _)| timeout < settings.connect_timeout);
        let begun = if hasty && self.plan.safety != Safety::Safe { Begun::watch(&mut request) } else { None };
        let timer = limit.map(|(timeout, named)| Timer::new(settings.clock.sleep(timeout), named));
        let result = self.exchange(request, timer, begun, &mut permit).await;
        match &result {
            Err(failure) if failure.answer.status.is_none() && failure.outcome == Outcome::NotSent => {
                permit.never_left();
            }
            Err(failure) => match failure.exhausted() {
                Some(exhausted) => permit.exhausted(exhausted, failure.answer.rate_limit.as_ref()),
                None => drop(permit),
            },
            Ok(_) => drop(permit),
        }
        trace::attempt(
            self.span,
            self.sent,
            result.as_ref().map(|received| received.status).map_err(|f| (&f.kind, f.answer.status)),
        );
        result
    }

    async fn exchange(
        &self,
        request: reqwest::Request,
        mut timer: Option<Timer>,
        begun: Option<Begun>,
        permit: &mut Permit,
    ) -> Result<Received, Failure> {
        let settings = &self.transport.settings;
        let mut response = match Timer::race(&mut timer, settings.http.execute(request)).await {
            Ok(answered) => answered.map_err(Failure::unanswered)?,
            Err(named) if begun.is_some_and(|begun| begun.withdraw()) => {
                return Err(Failure::timeout(named, Outcome::NotSent));
            }
            // Whether the request had left by then, nobody can say.
            Err(named) => return Err(Failure::timeout(named, Outcome::Unknown)),
        };
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let rate_limit = RateLimit::from_headers(&headers, settings.clock.wall());
        if let Some(limit) = &rate_limit {
            let update = |known: &mut Option<RateLimit>| known.get_or_insert_default().update(limit);
            self.transport.limits.send_modify(update);
        }
        // Which limit a 429 is about, only its body says.
        if status != StatusCode::TOO_MANY_REQUESTS {
            permit.heard(rate_limit.as_ref());
        }
        let (body, problem) =
            match Timer::race(&mut timer, body::read(&mut response, settings.max_body)).await {
                Ok(Ok(body)) => (body, None),
                Ok(Err(BodyFailure::Cut(error, part))) => (part, Some(ErrorKind::Body(error))),
                Ok(Err(BodyFailure::TooLarge(part))) => {
                    (part, Some(ErrorKind::BodyTooLarge { limit: settings.max_body }))
                }
                Err(named) => (Bytes::new(), Some(ErrorKind::Timeout(named))),
            };
        if status.is_success() && problem.is_none() {
            let (attempts, call) = (self.sent, Call::default());
            return Ok(Received { status, headers, body, rate_limit, attempts, call });
        }
        let answer = Answer { status: Some(status), headers, body, rate_limit, ..Answer::default() };
        Err(match problem {
            Some(kind) if status.is_success() => {
                let larger = matches!(kind, ErrorKind::BodyTooLarge { .. });
                let again = if larger { Again::No } else { Again::IfRepeatable };
                Failure { kind, outcome: Outcome::Applied, answer, again }
            }
            _ => Failure::refused(status, answer, settings.error_body, self.plan.safety),
        })
    }

    fn note(&mut self, outcome: Outcome) {
        let rank = |outcome| match outcome {
            Outcome::NotSent | Outcome::Rejected => 0,
            Outcome::Unknown => 1,
            Outcome::Applied => 2,
        };
        if rank(outcome) > self.worst.map_or(0, rank) {
            self.worst = Some(outcome);
        }
    }

    fn error(&self, error: Error, call: Call) -> Error {
        let outcome = self.worst.filter(|_| !call.reads_only).unwrap_or(error.outcome());
        let error = error.with_outcome(outcome).with_call(call, self.sent);
        trace::failed(self.span, &error);
        error
    }
}

impl Failure {
    fn into_error(self) -> Error {
        Error::new(self.kind, self.outcome).with_answer(self.answer)
    }

    fn timeout(named: Duration, outcome: Outcome) -> Self {
        let again = if outcome == Outcome::NotSent { Again::No } else { Again::IfRepeatable };
        Self { kind: ErrorKind::Timeout(named), outcome, answer: Answer::default(), again }
    }

    fn is_unauthorized(&self) -> bool {
        self.answer.status == Some(StatusCode::UNAUTHORIZED)
    }

    /// The limit that the service refused the request for.
    fn exhausted(&self) -> Option<Exhausted> {
        let wait = self.answer.wait.filter(|_| self.answer.status == Some(StatusCode::TOO_MANY_REQUESTS))?;
        Some(if is_room_limit(&self.answer.said) { Exhausted::Room(wait) } else { Exhausted::Account(wait) })
    }

    /// No answer came at all.
    fn unanswered(mut error: reqwest::Error) -> Self {
        let never_left = error.is_builder() || error.is_connect() || was_canceled(&error);
        let outcome = if never_left { Outcome::NotSent } else { Outcome::Unknown };
        let again = match never_left {
            _ if error.is_builder() => Again::No,
            true => Again::Any,
            false => Again::IfRepeatable,
        };
        // Where it was going helps; what stood in the path and the query is nobody's business.
        if let Some(url) = error.url_mut() {
            url.set_path("");
            url.set_query(None);
        }
        let kind = if error.is_connect() { ErrorKind::Connect(error) } else { ErrorKind::Send(error) };
        Self { kind, outcome, answer: Answer::default(), again }
    }

    /// The service answered that it did not do it, or that it does not know.
    fn refused(
        status: StatusCode,
        mut answer: Answer,
        error_body: fn(&serde_json::Value) -> ServiceError,
        safety: Safety,
    ) -> Self {
        answer.said = error_body(&crate::wire::error_outline(&answer.body));
        if answer.said == ServiceError::default() && !answer.body.is_empty() {
            answer.said.messages.extend(crate::wire::unread_coding(&answer.headers, &answer.body));
        }
        answer.wait = answer.rate_limit.as_ref().and_then(|limit| limit.retry_after);
        let (outcome, again) = match status {
            StatusCode::TOO_MANY_REQUESTS => {
                let exhausted = |limit: &&RateLimit| limit.remaining.is_none_or(|remaining| remaining == 0);
                let reset = || answer.rate_limit.as_ref().filter(exhausted)?.reset_after;
                // The reset is told in whole seconds, so that the window can be a little longer than it says.
                let window = || reset().map(|after| after.max(Duration::from_secs(1)));
                let room = || is_room_limit(&answer.said).then_some(ROOM_WAIT);
                answer.wait = answer.wait.or_else(room).or_else(window);
                (Outcome::Rejected, Again::Any)
            }
            StatusCode::SERVICE_UNAVAILABLE if answer.wait.is_some() => (Outcome::Rejected, Again::Any),
            StatusCode::REQUEST_TIMEOUT => (Outcome::Rejected, Again::IfRepeatable),
            StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => (Outcome::Unknown, Again::IfRepeatable),
            _ if status.is_server_error() => (Outcome::Unknown, Again::No),
            // To a browser's POST, "look over there" is what a web site answers when it is done.
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER
                if safety != Safety::Safe =>
            {
                (Outcome::Unknown, Again::No)
            }
            _ => (Outcome::Rejected, Again::No),
        };
        Self { kind: ErrorKind::Status(status), outcome, answer, again }
    }
}

/// hyper's word for a request that was dropped before a byte of it was written.
fn was_canceled(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Chatwork's second limit is told apart by its text alone.
fn is_room_limit(said: &ServiceError) -> bool {
    said.messages.iter().any(|text| text.contains("per room"))
}

fn is_empty(request: &reqwest::Request) -> bool {
    request.body().is_none_or(|body| body.as_bytes().is_some_and(<[u8]>::is_empty))
}

fn visible(parameter: &'static str, text: &str) -> Result<HeaderValue, InvalidInput> {
    let visible = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    match HeaderValue::from_str(text) {
        Ok(value) if visible && (1..=255).contains(&text.len()) => Ok(value),
        _ => Err(InvalidInput::new(parameter, "is not 1 to 255 visible ASCII characters")),
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("base_url", &self.settings.base_text)
            .field("credential", &self.settings.credential)
            .finish_non_exhaustive()
    }
}
