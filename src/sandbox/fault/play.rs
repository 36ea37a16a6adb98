//! From a fault to what goes over the wire.

use super::{Fault, Kind, content};
use crate::Clock;
use crate::sandbox::answer::Answer;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimePrinter, tz::Offset};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to do on the bare socket, in place of speaking HTTP.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The status of the answer that is begun, if one is.
    pub(crate) status: Option<StatusCode>,
    steps: Vec<Step>,
    ending: Ending,
}

#[derive(Debug)]
enum Step {
    Write(Bytes),
    Pause(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Reset,
    Close,
    /// Nothing more is sent, until the client goes.
    Wait,
    /// More and more is sent, until the client goes.
    Flood,
}

/// What becomes of an answer.
#[derive(Debug)]
pub(crate) enum FaultAction {
    Send(Answer),
    SendLate(Duration, Answer),
    Play(Plan),
    ShutDown(Duration),
}

/// Turns the answer of the service, if it was asked at all, into what the fault makes of it.
pub(crate) fn action(fault: &Fault, answer: Option<Answer>) -> FaultAction {
    let cut = |ending| {
        let answer = cuttable(answer.clone());
        let half = answer.body.slice(..answer.body.len() / 2);
        let steps = vec![Step::Write(head(&answer, Length::Known(answer.body.len()))), Step::Write(half)];
        FaultAction::Play(Plan { status: Some(answer.status), steps, ending })
    };
    let bare = |ending| FaultAction::Play(Plan { status: None, steps: Vec::new(), ending });
    let change = |change: &dyn Fn(&Bytes) -> Bytes| {
        let mut answer = answer.clone().unwrap_or_else(placeholder);
        answer.body = change(&answer.body);
        if answer.status == StatusCode::NO_CONTENT && !answer.body.is_empty() {
            answer.status = StatusCode::OK;
        }
        FaultAction::Send(answer)
    };
    match &fault.kind {
        Kind::Status { status, headers, body } => {
            FaultAction::Send(Answer::bare(*status, headers.clone(), body.clone()))
        }
        // The answer is the service's own already.
        Kind::TooManyRequests { .. } | Kind::ExpiredToken => {
            FaultAction::Send(answer.unwrap_or_else(placeholder))
        }
        Kind::Refuse(duration) => FaultAction::ShutDown(*duration),
        // The effect has been put off already.
        Kind::Reset | Kind::Late(_) => bare(Ending::Reset),
        Kind::Close => bare(Ending::Close),
        Kind::Silence => bare(Ending::Wait),
        Kind::ResetMidBody => cut(Ending::Reset),
        Kind::ShortBody => cut(Ending::Close),
        Kind::Stall => cut(Ending::Wait),
        Kind::Endless => {
            let answer = cuttable(answer);
            let steps = vec![Step::Write(head(&answer, Length::Chunked))];
            FaultAction::Play(Plan { status: Some(answer.status), steps, ending: Ending::Flood })
        }
        Kind::SlowHeaders(duration) => {
            let late = if fault.delay().is_some() { Duration::ZERO } else { *duration };
            FaultAction::SendLate(late, answer.unwrap_or_else(placeholder))
        }
        Kind::Trickle(pause) => trickle(answer.unwrap_or_else(placeholder), *pause),
        Kind::InvalidUtf8 => change(&|body| content::invalid_utf8(body)),
        Kind::InvalidJson => change(&content::invalid_json),
        Kind::WrongTypes => change(&content::wrong_types),
        Kind::UnknownValues => change(&content::unknown_values),
        Kind::DuplicateHeaders => FaultAction::Send(duplicated(answer.unwrap_or_else(placeholder))),
        Kind::WrongClock(offset) => FaultAction::Send(shifted(answer.unwrap_or_else(placeholder), *offset)),
    }
}

/// An answer with a body that can be cut: an operation that was not asked, or that answers nothing, has none.
fn cuttable(answer: Option<Answer>) -> Answer {
    answer.filter(|answer| answer.body.len() > 1).unwrap_or_else(placeholder)
}

fn placeholder() -> Answer {
    Answer::new(StatusCode::OK, "application/json", "{\"cut\": \"off\"}")
}

fn trickle(answer: Answer, pause: Duration) -> FaultAction {
    let mut steps = vec![Step::Write(head(&answer, Length::Known(answer.body.len())))];
    let size = answer.body.len().div_ceil(16).max(1);
    for start in (0..answer.body.len()).step_by(size) {
        steps.push(Step::Pause(pause));
        steps.push(Step::Write(answer.body.slice(start..answer.body.len().min(start + size))));
    }
    FaultAction::Play(Plan { status: Some(answer.status), steps, ending: Ending::Close })
}

/// Second values that contradict the first ones. `Content-Length` is left alone: two that differ are no HTTP message.
fn duplicated(mut answer: Answer) -> Answer {
    let names: Vec<HeaderName> = answer.headers.keys().cloned().collect();
    for name in names.into_iter().filter(|name| name != header::CONTENT_LENGTH) {
        answer.headers.append(name, HeaderValue::from_static("00"));
    }
    answer
}

/// `Date` and the like, and limits that state their end as a time. Those that state a duration stay.
fn shifted(mut answer: Answer, offset: SignedDuration) -> Answer {
    let printer = DateTimePrinter::new();
    for (name, value) in &mut answer.headers {
        let Ok(text) = value.to_str() else { continue };
        let moved = if name == "x-ratelimit-reset" {
            text.parse().ok().map(|seconds: i64| seconds.saturating_add(offset.as_secs()).to_string())
        } else if name == "tascha-api-units-reset" {
            let time = text.parse().ok().and_then(|time: Timestamp| time.checked_add(offset).ok());
            time.map(|time| {
                Offset::constant(9).to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S+09:00").to_string()
            })
        } else if name == header::DATE || name == header::RETRY_AFTER {
            jiff::fmt::rfc2822::parse(text)
                .ok()
                .and_then(|date| date.timestamp().checked_add(offset).ok())
                .and_then(|date: Timestamp| printer.timestamp_to_rfc9110_string(&date).ok())
        } else {
            None
        };
        if let Some(moved) = moved.and_then(|moved| HeaderValue::try_from(moved).ok()) {
            *value = moved;
        }
    }
    answer
}

enum Length {
    Known(usize),
    Chunked,
}

/// Status line and headers.
fn head(answer: &Answer, length: Length) -> Bytes {
    let reason = answer.status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", answer.status.as_u16()).into_bytes();
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    for (name, value) in answer.headers.iter().filter(|(name, _)| !framing.contains(name)) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let framing = match length {
        // A 204 has no length.
        Length::Known(_) if answer.status == StatusCode::NO_CONTENT => String::new(),
        Length::Known(length) => format!("content-length: {length}\r\n"),
        Length::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
    };
    head.extend_from_slice(framing.as_bytes());
    head.extend_from_slice(b"connection: close\r\n\r\n");
    head.into()
}

impl Plan {
    /// The end of the connection, and nothing before it.
    pub(crate) fn reset() -> Self {
        Self { status: None, steps: Vec::new(), ending: Ending::Reset }
    }

    /// Plays it to the end. A client that has gone ends it too.
    pub(crate) async fn play(self, mut stream: TcpStream, clock: &dyn Clock) {
        for step in self.steps {
            match step {
                Step::Write(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Pause(duration) => clock.sleep(duration).await,
            }
        }
        match self.ending {
            Ending::Reset => {
                // With a linger of zero, closing sends RST; if that cannot be set, closing sends FIN.
                let _ = stream.set_zero_linger();
            }
            Ending::Close => {
                let _ = stream.shutdown().await;
            }
            Ending::Wait => wait_for_end(&mut stream).await,
            Ending::Flood => flood(&mut stream).await,
        }
    }
}

async fn wait_for_end(stream: &mut TcpStream) {
    let mut ignored = [0; 1024];
    while let Ok(1..) = stream.read(&mut ignored).await {}
}

async fn flood(stream: &mut TcpStream) {
    let mut chunk = format!("{:x}\r\n", 0x2000).into_bytes();
    chunk.resize(chunk.len() + 0x2000, b' ');
    chunk.extend_from_slice(b"\r\n");
    while stream.write_all(&chunk).await.is_ok() {}
}
