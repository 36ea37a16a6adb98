//! A span for each call, with OpenTelemetry's names; an event for each attempt and each wait, for `tracing` and for the client's
//! own function.
//!
//! Only the path template is named: no id, no header, no body.

use super::settings::Settings;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Outcome};
use crate::event::{BudgetKind, CallEvent, CallEventKind, EventHook};
use crate::operation::Operation;
use reqwest::StatusCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Span;
use tracing::field::Empty;

/// What a call reports.
pub(crate) struct Report {
    span: Span,
    /// In a box, so that a call's future is not larger for it.
    events: Option<Box<Events>>,
}

/// The events of a call, if the client has a function for them.
struct Events {
    hook: EventHook,
    service: &'static str,
    operation: &'static Operation,
    call: u64,
    clock: Arc<dyn Clock>,
    began: Instant,
    attempts: u32,
    is_sending: bool,
    /// That of the attempts that have ended.
    outcome: Outcome,
    has_ended: bool,
}

impl Report {
    /// The report of a call, with a span.
    pub(super) fn of_call(settings: &Settings, operation: &'static Operation) -> Self {
        let span = tracing::info_span!(
            "kaiwa.call",
            otel.name = %operation,
            otel.kind = "client",
            url.template = operation.path,
            http.request.method = operation.method.as_str(),
            http.response.status_code = Empty,
            http.request.resend_count = Empty,
            error.type = Empty,
        );
        Self { span, ..Self::without_span(settings, operation) }
    }

    /// The report of what has no span, such as the transfer of a file: that is as long as the program reads it.
    pub(crate) fn without_span(settings: &Settings, operation: &'static Operation) -> Self {
        let events = settings.events.as_ref().map(|hook| Box::new(Events::begin(hook, settings, operation)));
        Self { span: Span::none(), events }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn waited(&self, budget: BudgetKind, time: Duration) {
        if let Some(events) = &self.events {
            events.report(CallEventKind::Waited { budget, time });
        }
    }

    /// From here on the request may reach the service.
    pub(crate) fn sending(&mut self) {
        if let Some(events) = &mut self.events {
            events.is_sending = true;
        }
    }

    /// The attempt that began at `start` has succeeded.
    pub(crate) fn attempt_succeeded(&mut self, number: u32, start: Instant, status: Option<StatusCode>) {
        self.record(number, status);
        tracing::debug!(number, status = status.map(|status| status.as_u16()), "attempt succeeded");
        if let Some(events) = &mut self.events {
            events.attempt(number, start, status, None);
            events.attempts = number;
        }
    }

    pub(crate) fn attempt_failed(
        &mut self,
        number: u32,
        start: Instant,
        status: Option<StatusCode>,
        kind: &ErrorKind,
    ) {
        self.record(number, status);
        tracing::debug!(number, error.type = %error_type(kind), "attempt failed");
        if let Some(events) = &mut self.events {
            events.attempt(number, start, status, Some(name(kind)));
        }
    }

    fn record(&self, number: u32, status: Option<StatusCode>) {
        if number > 1 {
            self.span.record("http.request.resend_count", number - 1);
        }
        if let Some(status) = status {
            self.span.record("http.response.status_code", status.as_u16());
        }
    }

    /// So many attempts have ended, and this is what became of the request up to now.
    pub(crate) fn count(&mut self, attempts: u32, outcome: Outcome) {
        if let Some(events) = &mut self.events {
            (events.attempts, events.outcome) = (attempts, outcome);
        }
    }

    /// `attempts` have ended, and another one follows.
    pub(crate) fn retry(&self, attempts: u32, wait: Duration, kind: &ErrorKind) {
        if !wait.is_zero() {
            tracing::debug!(number = attempts, ?wait, error.type = %error_type(kind), "waiting before the next attempt");
        }
        if let Some(events) = &self.events {
            events.report(CallEventKind::Retry { wait, error: name(kind) });
        }
    }

    pub(crate) fn succeeded(&mut self) {
        if let Some(events) = &mut self.events {
            events.end(|attempts, time| CallEventKind::Succeeded { attempts, time });
        }
    }

    /// The call fails after so many attempts of its own: the error may be that of another call.
    pub(crate) fn failed(&mut self, error: &Error, attempts: u32) {
        self.span.record("error.type", tracing::field::display(error_type(error.kind())));
        if let Some(events) = &mut self.events {
            let status = error.status().map(|status| status.as_u16());
            let (outcome, name) = (error.outcome(), name(error.kind()));
            events.attempts = attempts;
            events.end(|attempts, time| CallEventKind::Failed {
                outcome,
                error: name,
                status,
                attempts,
                time,
            });
        }
    }
}

impl Events {
    fn begin(hook: &EventHook, settings: &Settings, operation: &'static Operation) -> Self {
        let clock = Arc::clone(&settings.clock);
        Self {
            hook: hook.clone(),
            service: settings.profile.name,
            operation,
            call: hook.next_call(),
            began: clock.now(),
            clock,
            attempts: 0,
            is_sending: false,
            outcome: Outcome::NotSent,
            has_ended: false,
        }
    }

    fn report(&self, kind: CallEventKind) {
        let Self { service, operation, call, .. } = *self;
        self.hook.report(&CallEvent { service, operation, call, kind });
    }

    fn since(&self, start: Instant) -> Duration {
        self.clock.now().saturating_duration_since(start)
    }

    fn attempt(
        &mut self,
        number: u32,
        start: Instant,
        status: Option<StatusCode>,
        error: Option<&'static str>,
    ) {
        self.is_sending = false;
        let (status, time) = (status.map(|status| status.as_u16()), self.since(start));
        self.report(CallEventKind::Attempt { number, status, error, time });
    }

    /// Reports the last event, unless one was reported.
    fn end(&mut self, kind: impl FnOnce(u32, Duration) -> CallEventKind) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.report(kind(self.attempts, self.since(self.began)));
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let outcome = match self.outcome {
            Outcome::NotSent | Outcome::Rejected if self.is_sending => Outcome::Unknown,
            outcome => outcome,
        };
        self.end(|attempts, time| CallEventKind::Dropped { outcome, attempts, time });
    }
}

/// The type of an error: a status, or one of a fixed list, for metrics.
fn error_type(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::Status(status) => status.as_u16().to_string(),
        kind => name(kind).to_owned(),
    }
}

fn name(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Status(_) => "status",
        ErrorKind::Config(_) => "config",
        ErrorKind::InvalidInput(_) => "invalid_input",
        ErrorKind::Connect(_) => "connect",
        ErrorKind::Send(_) => "send",
        ErrorKind::Timeout(_) => "timeout",
        ErrorKind::WaitTooLong { .. } => "wait_too_long",
        ErrorKind::UnitsExhausted { .. } => "units_exhausted",
        ErrorKind::Store(_) => "store",
        ErrorKind::Token(_) => "token",
        ErrorKind::Body(_) => "body",
        ErrorKind::BodyTooLarge { .. } => "body_too_large",
        ErrorKind::File { .. } => "file",
        ErrorKind::Download(_) => "download",
        ErrorKind::RepeatedCursor => "repeated_cursor",
        ErrorKind::GaveUp { .. } => "gave_up",
        ErrorKind::EmptyPages { .. } => "empty_pages",
        ErrorKind::PlaceLost => "place_lost",
        ErrorKind::Unsure(_) => "unsure",
        ErrorKind::Decode { .. } => "decode",
        ErrorKind::Foreign { .. } => "foreign",
    }
}
