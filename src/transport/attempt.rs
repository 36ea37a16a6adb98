//! One attempt: a request out, its answer in, and what both say.

use super::answer::{Decode, Incomplete, Success, Unusable};
use super::auth::{BearerToken, Credential};
use super::body::{Body, ReadFailure};
use super::evidence;
use super::pace::{Exhausted, Permit};
use super::redact::{Redactor, may_be_secret};
use super::timer::{Bound, Timer};
use super::verdict::{Evidence, Verdict, judge};
use super::withdraw::Withdrawable;
use super::{Plan, Settings, Transport};
use crate::error::{Answer, Conflict, Error, ErrorKind, Outcome, ServiceError};
use crate::limits::{DAY, RateLimit};
use crate::response::Received;
use crate::transport::operation::Safety;
use crate::wire;
use reqwest::{Response, StatusCode};
use std::time::Duration;

/// How long Chatwork's limit of posts per room makes a room wait; its answer does not say.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// What an attempt came to, if not to a success.
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) verdict: Verdict,
    pub(super) answer: Answer,
}

impl Failure {
    fn new(kind: ErrorKind, evidence: Evidence, safety: Safety) -> Self {
        Self { kind, verdict: judge(evidence, safety), answer: Answer::default() }
    }

    pub(super) fn into_error(self) -> Error {
        Error::new(self.kind, self.verdict.outcome).with_answer(self.answer)
    }

    pub(super) fn is_unauthorized(&self) -> bool {
        self.answer.status == Some(StatusCode::UNAUTHORIZED)
    }

    /// The limit that the service refused the request for.
    fn exhausted(&self) -> Option<Exhausted> {
        let wait = self.answer.wait.filter(|_| self.answer.status == Some(StatusCode::TOO_MANY_REQUESTS))?;
        Some(if is_room_limit(&self.answer.said) { Exhausted::Room(wait) } else { Exhausted::Account(wait) })
    }
}

/// What is needed to send one request and to understand its answer.
pub(super) struct Attempt<'a> {
    pub(super) transport: &'a Transport,
    pub(super) plan: &'a Plan,
    /// When the attempt has to be over, and when the call has to.
    pub(super) bound: Option<Bound>,
    pub(super) deadline: Option<Bound>,
    /// The token in the request, if it is one that changes.
    pub(super) token: Option<&'a BearerToken>,
}

impl Attempt<'_> {
    pub(super) async fn run(
        &self,
        mut request: reqwest::Request,
        mut permit: Permit,
        decode: Decode<'_>,
    ) -> Result<Received, Failure> {
        let settings = self.settings();
        if let Some(bound) = self.bound
            && bound.left(&*settings.clock).is_zero()
        {
            return Err(self.failed(ErrorKind::Timeout(bound.named), Evidence::OutOfTime));
        }
        permit.sending();
        // With less time than connecting is given, the time can end before there is a connection.
        let hasty = self.bound.is_some_and(|bound| bound.left(&*settings.clock) < settings.connect_timeout);
        let writes = self.plan.safety != Safety::Safe;
        let withdrawable = if hasty && writes { Withdrawable::watch(&mut request) } else { None };
        let result = self.exchange(request, withdrawable, &mut permit, decode).await;
        match &result {
            Err(failure) if failure.verdict.is_unconnected => permit.never_left(),
            Err(failure) => match failure.exhausted() {
                Some(exhausted) => permit.exhausted(exhausted, failure.answer.rate_limit.as_ref()),
                None => drop(permit),
            },
            Ok(_) => drop(permit),
        }
        result
    }

    async fn exchange(
        &self,
        request: reqwest::Request,
        withdrawable: Option<Withdrawable>,
        permit: &mut Permit,
        decode: Decode<'_>,
    ) -> Result<Received, Failure> {
        let settings = self.settings();
        let mut timer = Timer::start(&*settings.clock, self.bound);
        let http = settings.http.for_safety(self.plan.safety);
        let mut response = match timer.race(http.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unanswered(error)),
            Err(named) => {
                let withdrawn = withdrawable.is_some_and(|body| body.withdraw());
                let over = self.deadline.is_some_and(|deadline| deadline.left(&*settings.clock).is_zero());
                let evidence = match withdrawn {
                    true if over => Evidence::OutOfTime,
                    // Only the attempt's time was shorter than it takes to connect.
                    true => Evidence::NoConnection,
                    false => Evidence::Unanswered,
                };
                return Err(self.failed(ErrorKind::Timeout(named), evidence));
            }
        };
        let status = response.status();
        let answer = self.head(&mut response, permit);
        let mut body = Body::default();
        let incomplete = match timer.race(body.read(&mut response, settings.max_body)).await {
            Ok(Ok(())) => None,
            Ok(Err(ReadFailure::Cut(error))) => Some(Incomplete::Cut(error)),
            Ok(Err(ReadFailure::TooLarge)) => Some(Incomplete::TooLarge(settings.max_body)),
            Err(named) => Some(Incomplete::Late(named)),
        };
        let answer = Answer { body: body.into_bytes(), ..answer };
        if !status.is_success() {
            return Err(self.refused(status, answer));
        }
        let Plan { operation, .. } = self.plan;
        let success = Success { operation, headers: &answer.headers, errors: settings.errors };
        let accepted = match incomplete {
            None => success.accept(&answer.body, decode),
            Some(why) => Err(success.give_up(&answer.body, why)),
        };
        match accepted {
            Ok(()) => Ok(Received::new(status, answer)),
            Err(unusable) => {
                let Unusable { kind, evidence, mut said } = *unusable;
                self.redactor().error(&mut said);
                Err(Failure { answer: Answer { said, ..answer }, ..self.failed(kind, evidence) })
            }
        }
    }

    /// Takes over what the head of an answer says, of limits above all.
    fn head(&self, response: &mut Response, permit: &mut Permit) -> Answer {
        let status = response.status();
        let mut headers = std::mem::take(response.headers_mut());
        if headers.contains_key("x-request-id") {
            self.redactor().headers(&mut headers);
        }
        let rate_limit = RateLimit::from_headers(&headers, self.settings().clock.wall());
        if let Some(limit) = &rate_limit {
            let update = |known: &mut Option<RateLimit>| known.get_or_insert_default().update(limit);
            self.transport.limits.send_modify(update);
        }
        // Which limit a 429 is about, only its body says.
        if status != StatusCode::TOO_MANY_REQUESTS {
            permit.heard(rate_limit.as_ref());
        }
        Answer { status: Some(status), headers, rate_limit, ..Answer::default() }
    }

    /// No answer came at all.
    fn unanswered(&self, mut error: reqwest::Error) -> Failure {
        let evidence = evidence::unanswered(&error);
        // Where it was going helps; path and query can hold what people wrote.
        if let Some(url) = error.url_mut() {
            url.set_path("");
            url.set_query(None);
        }
        let kind = if error.is_connect() { ErrorKind::Connect(error) } else { ErrorKind::Send(error) };
        self.failed(kind, evidence)
    }

    /// The service answered that it did not do it, or that it does not know.
    fn refused(&self, status: StatusCode, mut answer: Answer) -> Failure {
        let errors = self.settings().errors;
        answer.said = (errors.read)(&wire::error_outline(&answer.body));
        if answer.said == ServiceError::default() && !answer.body.is_empty() {
            let coded = wire::unread_coding(&answer.headers, &answer.body);
            answer.said.messages.extend(coded.map(|coded| format!("the body is {coded}")));
        }
        self.redactor().error(&mut answer.said);
        answer.wait = answer.rate_limit.as_ref().and_then(|limit| limit.retry_after);
        if status == StatusCode::TOO_MANY_REQUESTS {
            answer.wait = answer.wait.or_else(|| unsaid_wait(&answer));
        }
        let evidence = if status == StatusCode::CONFLICT && self.plan.safety == Safety::Keyed {
            Evidence::Conflict(Conflict::of(answer.said.code.as_deref()))
        } else {
            Evidence::Status(status, answer.wait)
        };
        Failure { answer, ..self.failed(ErrorKind::Status(status), evidence) }
    }

    fn failed(&self, kind: ErrorKind, evidence: Evidence) -> Failure {
        Failure::new(kind, evidence, self.plan.safety)
    }

    fn redactor(&self) -> Redactor {
        let Settings { credential, headers, .. } = self.settings();
        let fixed = || credential.as_ref().and_then(Credential::header_value);
        let defaults = headers.iter().filter(|(name, _)| may_be_secret(name)).map(|(_, value)| value);
        Redactor::of_headers(
            self.token.map(BearerToken::header_value).or_else(fixed).into_iter().chain(defaults),
        )
    }

    fn settings(&self) -> &Settings {
        &self.transport.settings
    }
}

/// How long a 429 makes the client wait that names no time.
fn unsaid_wait(answer: &Answer) -> Option<Duration> {
    if is_room_limit(&answer.said) {
        return Some(ROOM_WAIT);
    }
    let limit = answer.rate_limit.as_ref().filter(|limit| limit.remaining.is_none_or(|left| left == 0))?;
    // The reset comes in whole seconds, so that the window can be a little longer than it says.
    let reset = limit.reset_after.filter(|after| *after <= DAY);
    reset.map(|after| after.max(Duration::from_secs(1)))
}

/// Chatwork's second limit is told apart by its text alone.
fn is_room_limit(said: &ServiceError) -> bool {
    said.messages.iter().any(|text| text.contains("per room"))
}

/// The most that any attempt of a call may have done: a later, harmless failure does not take it back.
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
