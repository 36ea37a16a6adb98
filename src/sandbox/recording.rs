//! Recordings of `examples/contract_check`: what a service answered, one answer a line, without what people wrote.

use super::provider::Provider;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;

/// The version of the format that is read.
const VERSION: u64 = 1;

/// A recording that no seed can be made from.
///
/// ```
/// use kaiwa::sandbox::chatwork::Seed;
///
/// let error = Seed::from_recording("no recording").unwrap_err();
/// assert!(error.to_string().starts_with("line 1 of the recording "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingError {
    line: usize,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    NoStart,
    Unreadable,
    Version,
}

impl RecordingError {
    /// The number of the line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

/// Without anything from the line.
impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::NoStart => {
                "has no start of a recording before it: make one with \
                 `cargo run --example contract_check -- --record FILE`"
            }
            Problem::Unreadable => "is not an answer in JSON: record again, or remove the line",
            Problem::Version => {
                "starts a recording of another version: record again with this version of kaiwa"
            }
        };
        write!(f, "line {} of the recording {problem}", self.line)
    }
}

impl std::error::Error for RecordingError {}

/// The successful answers of one service.
pub(crate) struct Recording(Vec<Recorded>);

/// The answer to a call.
struct Recorded {
    operation: String,
    parameters: Value,
    body: Value,
}

impl Recording {
    /// The answers of the service; `None` if the text has none.
    pub(crate) fn of(service: Provider, text: &str) -> Result<Option<Self>, RecordingError> {
        let name = format!("{service:?}").to_lowercase();
        let (mut started, mut answers) = (Vec::new(), Vec::new());
        // Some editors put a mark before the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let problem = |problem| RecordingError { line: number, problem };
            let read = serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
            let Some(mut read) = read else {
                let none_started = started.is_empty();
                return Err(problem(if none_started { Problem::NoStart } else { Problem::Unreadable }));
            };
            let about = read["service"].as_str().unwrap_or_default().to_owned();
            if let Some(version) = read.get("recording") {
                if *version != VERSION {
                    return Err(problem(Problem::Version));
                }
                started.push(about);
                continue;
            }
            if !started.contains(&about) {
                return Err(problem(Problem::NoStart));
            }
            let is_success = read["status"].as_u64().is_some_and(|status| (200..300).contains(&status));
            if about == name && is_success && !read["body"].is_null() {
                let operation = read["operation"].as_str().unwrap_or_default().to_owned();
                let (parameters, body) = (read["parameters"].take(), read["body"].take());
                answers.push(Recorded { operation, parameters, body });
            }
        }
        Ok((!answers.is_empty()).then_some(Self(answers)))
    }

    /// The answers to an operation, with the parameters in its path.
    pub(crate) fn answers(&self, operation: &str) -> impl Iterator<Item = (&Value, &Value)> {
        let answers = self.0.iter().filter(move |answer| answer.operation == operation);
        answers.map(|answer| (&answer.parameters, &answer.body))
    }

    /// The items of the lists that an operation answered with, with the parameters in its path.
    pub(crate) fn items(&self, operation: &str) -> impl Iterator<Item = (&Value, &Value)> {
        self.answers(operation).flat_map(|(parameters, body)| {
            let items = body.as_array().or_else(|| body["data"].as_array());
            items.into_iter().flatten().map(move |item| (parameters, item))
        })
    }
}

/// A number, or a text of one, as ids can be.
pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A text; empty if there is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A Unix time, or a text of a time with its zone.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    match value.as_i64() {
        Some(seconds) => Timestamp::from_second(seconds).ok(),
        None => value.as_str()?.parse().ok(),
    }
}
