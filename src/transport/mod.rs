//! The transport: the steps that every call passes, in order.
//!
//! The futures of the larger steps are pinned before they are awaited: one that is awaited by value is moved once more, and a
//! call's is some kilobytes.

pub(crate) mod answer;
mod attempt;
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod evidence;
pub(crate) mod http_client;
pub(crate) mod pace;
mod payload;
pub(crate) mod proxy;
pub(crate) mod redact;
pub(crate) mod retry;
pub(crate) mod settings;
pub(crate) mod timer;
pub(crate) mod trace;
pub(crate) mod verdict;
mod withdraw;

pub(crate) use payload::Parts;
pub use payload::{Encoder, Payload};

use crate::call::{CallInfo, HttpAnswer};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Outcome};
use crate::input::InvalidInput;
use crate::limits::RateLimit;
use crate::operation::{AnswerShape, Safety};
use crate::profile::Profile;
use crate::response::Response;
use crate::upload::Upload;
use answer::Decode;
use attempt::{Attempt, Failure, OutcomeSoFar};
use auth::{BearerToken, Credential};
use pace::{Pacer, Permit};
use redact::{Redactor, may_be_secret};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use retry::{Retries, RetryScope};
use settings::{Options, Settings};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use timer::Bound;
use tokio::sync::watch;
use trace::Report;
use tracing::Instrument;

/// The state that calls share.
pub struct Transport {
    settings: Settings,
    limits: watch::Sender<Option<RateLimit>>,
    pacer: Arc<Pacer>,
}

/// Encodes the request for each attempt.
pub(crate) type Encode<'a> = dyn Fn(&Encoder<'_>) -> Result<Payload, InvalidInput> + Send + Sync + 'a;

impl Transport {
    pub(crate) fn new(settings: Settings) -> Self {
        let pacer = Arc::new(Pacer::new(settings.pace.clone(), &settings.clock));
        Self { settings, limits: watch::Sender::new(None), pacer }
    }

    #[cfg_attr(partial, allow(dead_code))]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.settings.clock
    }

    /// The limits that the service last reported.
    pub(crate) fn limits(&self) -> &watch::Sender<Option<RateLimit>> {
        &self.limits
    }

    pub(crate) fn encoder(&self) -> Encoder<'_> {
        let Settings { http, base, base_text, .. } = &self.settings;
        Encoder { http: &http.kept, base, base_text }
    }

    /// Sends a request until it succeeds, or until it cannot or must not be sent again.
    pub(crate) async fn call(
        &self,
        info: CallInfo,
        options: &Options,
        encode: &Encode<'_>,
        decode: Decode<'_>,
    ) -> Result<Response<()>, Error> {
        let report = Report::of_call(&self.settings, info.operation);
        let now = self.settings.clock.now();
        let mut call = Call {
            transport: self,
            info,
            report,
            deadline: Bound::after(now, options.timeout.or(self.settings.timeout)),
            retries: Retries::begin(now),
            so_far: OutcomeSoFar::default(),
        };
        let span = call.report.span();
        let result = pin!(call.run(options, encode, decode)).instrument(span).await;
        match result {
            Ok(answer) => {
                call.report.succeeded();
                Ok(Response::new((), answer, call.info, call.retries.attempts + 1))
            }
            Err(error) => Err(call.error(error)),
        }
    }
}

/// A call in progress.
struct Call<'a> {
    transport: &'a Transport,
    info: CallInfo,
    report: Report,
    deadline: Option<Bound>,
    retries: Retries,
    so_far: OutcomeSoFar,
}

/// A request that is ready to be sent.
struct Prepared {
    request: reqwest::Request,
    files: Vec<Upload>,
    permit: Permit,
    /// Its token, if that can be renewed.
    token: Option<BearerToken>,
}

/// The step after a failure.
enum Step {
    /// Another attempt with another token.
    Renewed,
    Wait(Duration),
    GiveUp,
}

impl Call<'_> {
    async fn run(
        &mut self,
        options: &Options,
        encode: &Encode<'_>,
        decode: Decode<'_>,
    ) -> Result<HttpAnswer, Error> {
        let transport = self.transport;
        let Settings { clock, retry, retry_budget, attempt_timeout, .. } = &transport.settings;
        let redactor = redactor(&transport.settings.redactor, options);
        let headers = self.headers(options)?;
        let policy = options.retry.as_ref().unwrap_or(retry);
        let attempt_timeout = options.attempt_timeout.or(*attempt_timeout);
        let mut last: Option<Box<Failure>> = None;
        let mut renewed = false;
        loop {
            let prepared = pin!(self.prepare(&headers, encode)).await;
            let Prepared { request, files, permit, token } = match prepared {
                Ok(prepared) => prepared,
                // The service's response to an earlier attempt says more than why there is no further one.
                Err(error) => return Err(last.map_or(error, |last| last.into_error())),
            };
            let start = clock.now();
            let attempt = Attempt {
                settings: &transport.settings,
                redactor: &redactor,
                limits: &transport.limits,
                info: &self.info,
                bound: Bound::sooner(self.deadline, Bound::after(start, attempt_timeout)),
                deadline: self.deadline,
                token: token.as_ref(),
            };
            self.report.sending();
            let result = pin!(attempt.run(request, permit, &mut *decode)).await;
            let number = self.retries.attempts + 1;
            let mut failure = match result {
                Ok(answer) => {
                    self.report.attempt_succeeded(number, start, answer.status);
                    retry_budget.succeeded();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            self.report.attempt_failed(number, start, failure.status(), &failure.kind);
            self.retries.count(failure.verdict, start, clock.now());
            self.so_far.record(failure.verdict.outcome);
            self.report.count(self.retries.attempts, self.so_far.or(failure.verdict.outcome));
            // Checked after the attempt: a stream of which nothing was read can still be sent.
            let replayable = files.iter().all(Upload::is_replayable);
            let token = token.filter(|_| replayable && !renewed);
            let scope = RetryScope { policy, budget: retry_budget, clock: &**clock, deadline: self.deadline };
            match self.step(&mut failure, token, replayable, scope).await {
                Step::Renewed => {
                    self.report.retry(self.retries.attempts, Duration::ZERO, &failure.kind);
                    renewed = true;
                }
                Step::Wait(wait) => {
                    self.report.retry(self.retries.attempts, wait, &failure.kind);
                    clock.sleep(wait).await;
                }
                Step::GiveUp => return Err(failure.into_error()),
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
        if failure.status() == Some(StatusCode::UNAUTHORIZED)
            && let (Some(token), Some(credential)) = (token, &self.transport.settings.credential)
        {
            match self.within(credential.renew(&token)).await.and_then(|renewal| renewal) {
                Ok(true) => return Step::Renewed,
                Ok(false) => {}
                // The status stays the service's 401; the cause says why there is no new token.
                Err(reason) => {
                    failure.kind = ErrorKind::Token(match reason.kind() {
                        ErrorKind::Token(problem) => problem.clone(),
                        ErrorKind::Timeout(_) => "another one did not come in time".to_owned(),
                        other => other.to_string(),
                    });
                }
            }
        }
        if !replayable || !failure.verdict.allows(self.info.safety) {
            return Step::GiveUp;
        }
        let wait = self.retries.next(scope, failure.verdict.repeat, failure.answer.wait);
        wait.map_or(Step::GiveUp, Step::Wait)
    }

    /// The headers that are the same on every attempt.
    fn headers(&mut self, options: &Options) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidInput> {
        if let Some(invalid) = &options.invalid {
            return Err(invalid.clone());
        }
        let settings = &self.transport.settings;
        let own = &options.headers;
        let credential = settings.credential.as_ref().map(Credential::header_name);
        if own.iter().any(|(name, _)| Some(name) == credential) {
            let problem = "names the credential's header, which is set when the client is built";
            return Err(InvalidInput::new("with_header", problem));
        }
        let defaults = settings.headers.iter().filter(|(name, _)| own.iter().all(|(other, _)| other != name));
        let mut headers: Vec<_> = defaults.chain(own).cloned().collect();
        if let Some((key, header)) = idempotency_key(settings, self.info.safety, options)? {
            headers.push((HeaderName::from_static("idempotency-key"), header));
            self.info.idempotency_key = Some(key);
        }
        let id = options.request_id.clone();
        if let Some(id) =
            id.or_else(|| settings.profile.request_ids.then(|| format!("req_{}", uuid::Uuid::new_v4())))
        {
            headers.push((HeaderName::from_static("x-request-id"), visible("request_id", &id)?));
            self.info.request_id = Some(id);
        }
        Ok(headers)
    }

    /// Encodes the request, and waits for its permit and token.
    async fn prepare(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        encode: &Encode<'_>,
    ) -> Result<Prepared, Error> {
        let Settings { clock, credential, .. } = &self.transport.settings;
        let payload = encode(&self.transport.encoder())?;
        let (mut request, files) = (payload.request, payload.files);
        if is_empty(&request) && [Method::POST, Method::PUT, Method::PATCH].contains(request.method()) {
            // RFC 9110, 8.6: some proxies refuse a request without the length of its empty body.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            // A raw request is sent as the caller made it.
            if self.transport.settings.profile.forms && self.info.operation.answer != AnswerShape::Any {
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                request.headers_mut().entry(CONTENT_TYPE).or_insert(form);
            }
        }
        if is_multipart(&request) && headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            let problem = "names `Content-Type`, which a multipart body sets itself, with its boundary";
            return Err(InvalidInput::new("with_header", problem).into());
        }
        // A compressed response could not be read.
        request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        let CallInfo { operation, room, .. } = self.info;
        let end = self.deadline.map(|deadline| deadline.end);
        let permit = pin!(self.transport.pacer.permit(operation, room, &**clock, end)).await?;
        for (budget, time) in permit.waits() {
            self.report.waited(*budget, *time);
        }
        for file in &files {
            self.within(Box::pin(file.verify_unchanged())).await??;
        }
        // The token is fetched after the wait, in which an older one could have expired.
        let token = match credential {
            Some(credential) if credential.is_fixed() => credential.apply(&mut request).await?,
            Some(credential) => self.within(credential.apply(&mut request)).await??,
            None => None,
        };
        for (name, value) in headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        // A connection that the server has closed is noticed once its task has run: on a single-threaded runtime it cannot
        // run between two calls otherwise.
        tokio::task::yield_now().await;
        Ok(Prepared { request, files, permit, token })
    }

    /// A step before sending, within the call's time.
    async fn within<T>(&self, step: impl Future<Output = T>) -> Result<T, Error> {
        let done = timer::within(&*self.transport.settings.clock, self.deadline, step).await;
        done.map_err(|whole| Error::new(ErrorKind::Timeout(whole), Outcome::NotSent))
    }

    fn error(mut self, error: Error) -> Error {
        let reads_only = self.info.safety == Safety::Safe;
        let outcome = if reads_only { error.outcome() } else { self.so_far.or(error.outcome()) };
        let error = error.with_outcome(outcome).with_call(self.info, self.retries);
        self.report.failed(&error, error.attempts());
        error
    }
}

/// The client's redactor, or one that knows the secrets of this call, too.
fn redactor<'a>(known: &'a Redactor, options: &Options) -> Cow<'a, Redactor> {
    let mut secrets = options.headers.iter().filter(|(name, _)| may_be_secret(name)).peekable();
    match secrets.peek() {
        None => Cow::Borrowed(known),
        Some(_) => Cow::Owned(known.with_headers(secrets.map(|(_, value)| value))),
    }
}

fn is_empty(request: &reqwest::Request) -> bool {
    request.body().is_none_or(|body| body.as_bytes().is_some_and(<[u8]>::is_empty))
}

fn is_multipart(request: &reqwest::Request) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"multipart/"))
}

/// The idempotency key of a call, if its operation takes one.
///
/// # Errors
/// The operation takes none, or the key cannot be sent.
pub(crate) fn idempotency_key(
    settings: &Settings,
    safety: Safety,
    options: &Options,
) -> Result<Option<(String, HeaderValue)>, InvalidInput> {
    let Profile { name: service, instead_of_keys, .. } = settings.profile;
    if safety == Safety::Keyed {
        if let Some(instead) = instead_of_keys {
            let problem = format!(
                "is `Keyed`, but {service} ignores idempotency keys, and would do a repeated request twice; {instead}"
            );
            return Err(InvalidInput::new("safety", problem));
        }
        let key = options.idempotency_key.clone().unwrap_or_else(|| (settings.key_generator)());
        let header = visible("idempotency_key", &key)?;
        return Ok(Some((key, header)));
    }
    if options.idempotency_key.is_some() {
        let mut problem = "is not taken by this operation: the service would do it again".to_owned();
        if let Some(instead) = instead_of_keys {
            problem = format!("{problem}; {instead}");
        }
        return Err(InvalidInput::new("idempotency_key", problem));
    }
    Ok(None)
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
