//! The one way out: the stations that every call passes, in order.

pub(crate) mod answer;
mod attempt;
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod evidence;
pub(crate) mod http_client;
pub(crate) mod operation;
pub(crate) mod pace;
mod payload;
pub(crate) mod redact;
pub(crate) mod retry;
pub(crate) mod timer;
pub(crate) mod trace;
pub(crate) mod verdict;
mod withdraw;

pub use payload::{Capture, Payload};

use crate::error::{Call, Error, ErrorKind, Outcome};
use crate::limits::RateLimit;
use crate::request::Endpoint;
use crate::response::Received;
use crate::upload::Upload;
use answer::{Decode, ErrorBodies};
use attempt::{Attempt, Failure, OutcomeSoFar};
use auth::{BearerToken, Credential};
use check::InvalidInput;
use clock::Clock;
use http_client::HttpClients;
use jiff::tz::TimeZone;
use operation::{AnswerShape, Operation, Safety};
use pace::{Pace, Pacer, Permit};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use retry::{Retries, RetryBudget, RetryPolicy, RetryScope};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use timer::Bound;
use tokio::sync::watch;

/// Everything that the clones of a client share.
pub struct Transport {
    pub(crate) settings: Settings,
    pub(crate) limits: watch::Sender<Option<RateLimit>>,
    /// What the clones of a Chatwork client poll, on one schedule.
    #[cfg(feature = "chatwork")]
    pub(crate) watches: crate::chatwork::watch::Poller,
    pacer: Arc<Pacer>,
    #[cfg(feature = "chatwork")]
    pub(crate) posted: crate::chatwork::Posted,
}

/// What a builder has put together.
pub(crate) struct Settings {
    pub(crate) http: HttpClients,
    pub(crate) base: Url,
    /// The base URL as the generated encoder wants it: without a slash at the end.
    pub(crate) base_text: String,
    pub(crate) credential: Option<Credential>,
    /// Of every request; those of a call go before them.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
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
    pub(crate) forms: bool,
    pub(crate) key_generator: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) errors: ErrorBodies,
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
        &self.settings.http.kept
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
        let leads_away = |part: &str| !part.is_empty() && check::segment("path", part, &[]).is_err();
        // The URL parser drops tabs and line breaks, which could otherwise stand between two dots.
        if path.contains(char::is_control) {
            return refused("contains control characters");
        }
        if path.starts_with("//") || segments.split('/').any(leads_away) {
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
        encode: &Encode<'_>,
        decode: Decode<'_>,
    ) -> Result<Received, Error> {
        let span = trace::call(plan.operation);
        let now = self.settings.clock.now();
        let call = CallUnderWay {
            transport: self,
            plan,
            span: &span,
            deadline: Bound::after(now, options.timeout.or(self.settings.timeout)),
            retries: Retries::begin(now),
            so_far: OutcomeSoFar::default(),
        };
        trace::instrument(call.run(options, encode, decode), span.clone()).await
    }
}

/// Writes the request anew for each attempt.
pub(crate) type Encode<'a> = dyn Fn() -> Result<Payload, InvalidInput> + Send + Sync + 'a;

/// One call under way.
struct CallUnderWay<'a> {
    transport: &'a Transport,
    plan: &'a Plan,
    span: &'a tracing::Span,
    deadline: Option<Bound>,
    retries: Retries,
    so_far: OutcomeSoFar,
}

/// A request that is ready to leave.
struct Prepared {
    request: reqwest::Request,
    files: Vec<Upload>,
    permit: Permit,
    /// The token in it, if it is one that can be renewed.
    token: Option<BearerToken>,
}

/// What comes after a failure.
enum Step {
    /// Once more with another token.
    Renewed,
    Wait(Duration),
    GiveUp,
}

impl CallUnderWay<'_> {
    async fn run(
        mut self,
        mut options: Options,
        encode: &Encode<'_>,
        decode: Decode<'_>,
    ) -> Result<Received, Error> {
        let Settings { clock, retry, retry_budget, attempt_timeout, .. } = &self.transport.settings;
        let mut call = Call::new(self.plan.operation, self.plan.safety);
        let headers = match self.headers(&mut options, &mut call) {
            Ok(headers) => headers,
            Err(invalid) => return Err(self.error(invalid.into(), call)),
        };
        let policy = options.retry.as_ref().unwrap_or(retry);
        let attempt_timeout = options.attempt_timeout.or(*attempt_timeout);
        let mut last: Option<Failure> = None;
        let mut renewed = false;
        loop {
            let Prepared { request, files, permit, token } = match self.prepare(&headers, encode).await {
                Ok(prepared) => prepared,
                // What the service said to an earlier attempt tells more than why there is no further one.
                Err(error) => return Err(self.error(last.map_or(error, Failure::into_error), call)),
            };
            let start = clock.now();
            let bound = Bound::sooner(self.deadline, Bound::after(start, attempt_timeout));
            let attempt = Attempt {
                transport: self.transport,
                plan: self.plan,
                bound,
                deadline: self.deadline,
                token: token.as_ref(),
            };
            let result = attempt.run(request, permit, &mut *decode).await;
            trace::attempt(self.span, self.retries.attempts + 1, &result);
            let mut failure = match result {
                Ok(received) => {
                    retry_budget.succeeded();
                    let attempts = self.retries.attempts + 1;
                    return Ok(Received { call, attempts, ..received });
                }
                Err(failure) => failure,
            };
            self.retries.count(failure.verdict, start, clock.now());
            self.so_far.record(failure.verdict.outcome);
            // Asked after the attempt: a stream of which nothing was read is as good as new.
            let replayable = files.iter().all(Upload::is_replayable);
            let token = token.filter(|_| replayable && !renewed);
            let scope = RetryScope { policy, budget: retry_budget, clock: &**clock, deadline: self.deadline };
            match self.step(&mut failure, token, replayable, scope).await {
                Step::Renewed => renewed = true,
                Step::Wait(wait) => {
                    trace::wait(self.retries.attempts, wait, &failure.kind);
                    clock.sleep(wait).await;
                }
                Step::GiveUp => return Err(self.error(failure.into_error(), call)),
            }
            last = Some(failure);
        }
    }

    async fn step(
        &self,
        failure: &mut Failure,
        token: Option<BearerToken>,
        replayable: bool,
        scope: RetryScope<'_>,
    ) -> Step {
        if failure.is_unauthorized()
            && let (Some(token), Some(credential)) = (token, &self.transport.settings.credential)
        {
            match self.within(credential.renew(&token)).await.and_then(|renewal| renewal) {
                Ok(true) => return Step::Renewed,
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
        if !replayable || !failure.verdict.allows(self.plan.safety) {
            return Step::GiveUp;
        }
        let wait = self.retries.next(scope, failure.verdict.repeat, failure.answer.wait);
        wait.map_or(Step::GiveUp, Step::Wait)
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
        let own = std::mem::take(&mut options.headers);
        let defaults = settings.headers.iter().filter(|(name, _)| own.iter().all(|(other, _)| other != name));
        let mut headers: Vec<_> = defaults.cloned().chain(own.iter().cloned()).collect();
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

    /// Encodes the request, and waits for what it needs to leave.
    async fn prepare(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        encode: &Encode<'_>,
    ) -> Result<Prepared, Error> {
        let Settings { clock, credential, .. } = &self.transport.settings;
        let Payload { mut request, files } = encode()?;
        if is_empty(&request) && [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) {
            // RFC 9110, 8.6: some proxies refuse a request that does not say how long its empty body is.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            // A request of the caller's own is sent as it was made.
            if self.transport.settings.forms && self.plan.operation.answer != AnswerShape::Any {
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                request.headers_mut().entry(CONTENT_TYPE).or_insert(form);
            }
        }
        // A coding that is not asked for could not be read.
        request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        let Plan { operation, room, .. } = *self.plan;
        let end = self.deadline.map(|deadline| deadline.end);
        let permit = self.transport.pacer.permit(operation, room, clock, end).await?;
        for file in &files {
            self.within(file.look()).await??;
        }
        // The token is asked for after the wait, in which an older one could have expired.
        let token = match credential {
            Some(credential) if credential.is_fixed() => credential.apply(&mut request).await?,
            Some(credential) => self.within(credential.apply(&mut request)).await??,
            None => None,
        };
        for (name, value) in headers {
            if credential.as_ref().is_none_or(|credential| credential.header_name() != name) {
                request.headers_mut().insert(name.clone(), value.clone());
            }
        }
        // A connection that the server has closed meanwhile is seen once its task has run: on a runtime of one thread
        // it gets no other chance between two calls.
        tokio::task::yield_now().await;
        Ok(Prepared { request, files, permit, token })
    }

    /// A step before sending, within the call's time.
    async fn within<T>(&self, step: impl Future<Output = T>) -> Result<T, Error> {
        let done = timer::within(&*self.transport.settings.clock, self.deadline, step).await;
        done.map_err(|whole| Error::new(ErrorKind::Timeout(whole), Outcome::NotSent))
    }

    fn error(&self, error: Error, call: Call) -> Error {
        let outcome = if call.reads_only() { error.outcome() } else { self.so_far.or(error.outcome()) };
        let error = error.with_outcome(outcome).with_call(call, self.retries);
        trace::failed(self.span, &error);
        error
    }
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
