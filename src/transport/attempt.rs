//! One attempt: a request, its response, and their evaluation.

use super::answer::{Decode, Incomplete, Success, Unusable, foreign};
use super::auth::BearerToken;
use super::body::{Body, ReadFailure};
use super::evidence;
use super::pace::{Exhausted, Permit};
use super::redact::Redactor;
use super::settings::Settings;
use super::timer::{Bound, Timer};
use super::verdict::{Evidence, Verdict, judge};
use super::withdraw::Withdrawable;
use crate::call::{CallInfo, HttpAnswer, ServiceError};
use crate::error::{Conflict, Connecting, Error, ErrorKind, Outcome};
use crate::limits::{DAY, RateLimit};
use crate::operation::Safety;
use crate::profile::Limit;
use crate::wire;
use reqwest::header::{HeaderName, LOCATION};
use reqwest::{Response, StatusCode};
use std::borrow::Cow;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;

/// The failure of an attempt. It is large, and stands in a box, so that a call's future is not larger for it.
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) verdict: Verdict,
    pub(super) answer: HttpAnswer,
    /// The limit that the service refused the request for.
    exhausted: Option<Exhausted>,
}

impl Failure {
    fn new(kind: ErrorKind, evidence: Evidence, answer: HttpAnswer, safety: Safety) -> Box<Self> {
        Box::new(Self { kind, verdict: judge(evidence, safety), answer, exhausted: None })
    }

    pub(super) fn into_error(self) -> Error {
        Error::new(self.kind, self.verdict.outcome).with_answer(self.answer)
    }

    pub(super) fn status(&self) -> Option<StatusCode> {
        self.answer.status
    }
}

/// The context for sending one request and reading its response.
pub(super) struct Attempt<'a> {
    pub(super) settings: &'a Settings,
    /// Knows the secrets of the client and of the call.
    pub(super) redactor: &'a Redactor,
    pub(super) limits: &'a watch::Sender<Option<RateLimit>>,
    pub(super) info: &'a CallInfo,
    /// The time limits of the attempt and of the call.
    pub(super) bound: Option<Bound>,
    pub(super) deadline: Option<Bound>,
    /// The request's token, if it can be renewed.
    pub(super) token: Option<&'a BearerToken>,
}

impl Attempt<'_> {
    pub(super) async fn run(
        &self,
        mut request: reqwest::Request,
        mut permit: Permit,
        decode: Decode<'_>,
    ) -> Result<HttpAnswer, Box<Failure>> {
        let settings = self.settings;
        if let Some(bound) = self.bound
            && bound.left(&*settings.clock).is_zero()
        {
            return Err(self.unanswered(ErrorKind::Timeout(bound.named), Evidence::OutOfTime, None));
        }
        permit.mark_sent();
        // If the limit is shorter than that for connecting, it can end before there is a connection.
        let hasty = self.bound.is_some_and(|bound| bound.left(&*settings.clock) < settings.connect_timeout);
        let writes = self.info.safety != Safety::Safe;
        let withdrawable = if hasty && writes { Withdrawable::watch(&mut request) } else { None };
        let sending = settings.http.for_safety(self.info.safety).execute(request);
        let result = pin!(self.exchange(sending, withdrawable, &mut permit, decode)).await;
        match &result {
            Err(failure) if failure.verdict.is_unconnected => permit.mark_unsent(),
            Err(failure) => match failure.exhausted {
                Some(exhausted) => permit.exhausted(exhausted, failure.answer.rate_limit.as_ref()),
                None => drop(permit),
            },
            Ok(_) => drop(permit),
        }
        result
    }

    async fn exchange(
        &self,
        sending: impl Future<Output = Result<Response, reqwest::Error>>,
        withdrawable: Option<Withdrawable>,
        permit: &mut Permit,
        decode: Decode<'_>,
    ) -> Result<HttpAnswer, Box<Failure>> {
        let settings = self.settings;
        let mut timer = Timer::start(&*settings.clock, self.bound);
        let mut response = match timer.race(sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.not_received(error)),
            Err(named) => {
                let withdrawn = withdrawable.is_some_and(|body| body.withdraw());
                let over = self.deadline.is_some_and(|deadline| deadline.left(&*settings.clock).is_zero());
                let evidence = match withdrawn {
                    true if over => Evidence::OutOfTime,
                    // Only the attempt's time was too short to connect.
                    true => Evidence::NoConnection,
                    false => Evidence::Unanswered,
                };
                let connecting = settings.http.timed_out(&settings.base);
                return Err(self.unanswered(ErrorKind::Timeout(named), evidence, connecting));
            }
        };
        let status = response.status();
        let mut answer = self.head(&mut response, permit);
        let mut body = Body::default();
        let incomplete = match timer.race(body.read(&mut response, settings.max_body)).await {
            Ok(Ok(())) => None,
            Ok(Err(ReadFailure::Cut(error))) => Some(Incomplete::Cut(error)),
            Ok(Err(ReadFailure::TooLarge)) => Some(Incomplete::TooLarge(settings.max_body)),
            Err(named) => Some(Incomplete::Late(named)),
        };
        answer.body = body.into_bytes();
        if !status.is_success() {
            return Err(self.refused(status, answer));
        }
        let success =
            Success { operation: self.info.operation, headers: &answer.headers, profile: settings.profile };
        let accepted = match incomplete {
            None => success.accept(&answer.body, decode),
            Some(why) => Err(success.give_up(&answer.body, why)),
        };
        match accepted {
            Ok(()) => Ok(answer),
            Err(unusable) => {
                let Unusable { mut kind, evidence, mut service_error } = *unusable;
                self.redactor().error(&mut service_error);
                if let ErrorKind::Foreign { found } = &mut kind {
                    *found = self.redactor().text(found).chars().take(LONGEST_TEXT).collect();
                }
                answer.service_error = service_error;
                Err(self.failed(kind, evidence, answer))
            }
        }
    }

    /// Reads the headers of a response, above all the limits.
    fn head(&self, response: &mut Response, permit: &mut Permit) -> HttpAnswer {
        let status = response.status();
        let mut headers = std::mem::take(response.headers_mut());
        static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
        if headers.contains_key(&REQUEST_ID) {
            self.redactor().headers(&mut headers);
        }
        let rate_limit = RateLimit::from_headers(&headers, self.settings.clock.wall());
        if let Some(limit) = &rate_limit {
            let update = |known: &mut Option<RateLimit>| known.get_or_insert_default().update(limit);
            self.limits.send_modify(update);
        }
        // Only the body of a 429 says which limit it is about.
        if status != StatusCode::TOO_MANY_REQUESTS {
            permit.on_headers(rate_limit.as_ref());
        }
        HttpAnswer { status: Some(status), headers, rate_limit, ..HttpAnswer::default() }
    }

    /// There was no response.
    fn unanswered(
        &self,
        kind: ErrorKind,
        evidence: Evidence,
        connecting: Option<Box<Connecting>>,
    ) -> Box<Failure> {
        self.failed(kind, evidence, HttpAnswer { connecting, ..HttpAnswer::default() })
    }

    /// There was no response, since sending or receiving failed.
    fn not_received(&self, mut error: reqwest::Error) -> Box<Failure> {
        let evidence = evidence::unanswered(&error);
        let settings = self.settings;
        let connecting = settings.http.connecting(&error, error.url().unwrap_or(&settings.base));
        // The host helps; path and query can hold what people wrote.
        if let Some(url) = error.url_mut() {
            url.set_path("");
            url.set_query(None);
        }
        let kind = if error.is_connect() { ErrorKind::Connect(error) } else { ErrorKind::Send(error) };
        self.unanswered(kind, evidence, Some(connecting))
    }

    /// The service responded that it did not do it, or that it does not know.
    fn refused(&self, status: StatusCode, mut answer: HttpAnswer) -> Box<Failure> {
        let profile = self.settings.profile;
        answer.service_error = (profile.error_body)(&wire::error_outline(&answer.body));
        if answer.service_error == ServiceError::default() && !answer.body.is_empty() {
            let coded = wire::unread_coding(&answer.headers, &answer.body);
            answer.foreign = if coded.is_none() { foreign(&answer.headers, &answer.body) } else { None };
            answer.service_error.messages.extend(coded.map(|coded| format!("the body is {coded}")));
        }
        if status.is_redirection() {
            let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            let target = location.and_then(|location| self.settings.base.join(location).ok());
            answer.redirected_to = target.and_then(|target| Some(target.host_str()?.to_owned()));
        }
        let limit = (profile.limit_of)(&answer.service_error);
        let conflict = Conflict::of(answer.service_error.code.as_deref());
        let redactor = self.redactor();
        redactor.error(&mut answer.service_error);
        for shown in answer.foreign.iter_mut().chain(&mut answer.redirected_to) {
            *shown = redactor.text(shown).chars().take(LONGEST_NAME).collect();
        }
        answer.wait = answer.rate_limit.as_ref().and_then(|limit| limit.retry_after);
        let mut exhausted = None;
        if status == StatusCode::TOO_MANY_REQUESTS {
            answer.wait = answer.wait.or_else(|| unsaid_wait(limit, answer.rate_limit.as_ref()));
            exhausted = answer.wait.map(|wait| match limit {
                Limit::Room(_) => Exhausted::Room(wait),
                Limit::Account => Exhausted::Account(wait),
            });
        }
        let evidence = if status == StatusCode::CONFLICT && self.info.safety == Safety::Keyed {
            Evidence::Conflict(conflict)
        } else {
            Evidence::Status(status, answer.wait)
        };
        let mut failure = self.failed(ErrorKind::Status(status), evidence, answer);
        failure.exhausted = exhausted;
        failure
    }

    fn failed(&self, kind: ErrorKind, evidence: Evidence, answer: HttpAnswer) -> Box<Failure> {
        Failure::new(kind, evidence, answer, self.info.safety)
    }

    /// The call's, which knows a token that changes as well.
    fn redactor(&self) -> Cow<'_, Redactor> {
        match self.token {
            None => Cow::Borrowed(self.redactor),
            Some(token) => Cow::Owned(self.redactor.with_headers([token.header_value()])),
        }
    }
}

/// How much of a host or of a media type is shown, in characters, and how much of a sentence with one.
const LONGEST_NAME: usize = 100;
const LONGEST_TEXT: usize = 500;

/// The wait after a 429 that names no time.
fn unsaid_wait(limit: Limit, reported: Option<&RateLimit>) -> Option<Duration> {
    if let Limit::Room(wait) = limit {
        return Some(wait);
    }
    let reported = reported.filter(|reported| reported.remaining.is_none_or(|left| left == 0))?;
    // The reset is in whole seconds, so the window can be a little longer.
    let reset = reported.reset_after.filter(|after| *after <= DAY);
    reset.map(|after| after.max(Duration::from_secs(1)))
}

/// The worst outcome of a call's attempts: a later, harmless failure does not change it.
#[derive(Clone, Copy, Default)]
pub(super) struct OutcomeSoFar(Option<Outcome>);

impl OutcomeSoFar {
    pub(super) fn record(&mut self, outcome: Outcome) {
        let rank = |outcome| match outcome {
            Outcome::NotSent | Outcome::Rejected => 0,
            Outcome::Unknown => 1,
            Outcome::Applied => 2,
        };
        if rank(outcome) > self.0.map_or(0, rank) {
            self.0 = Some(outcome);
        }
    }

    pub(super) fn or(self, outcome: Outcome) -> Outcome {
        self.0.unwrap_or(outcome)
    }
}
