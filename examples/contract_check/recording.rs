//! Recordings: what a service answered, as JSON Lines without anything that people wrote.
//!
//! The first line about a service has its name and the parameters that were given; each line after it is a call:
//!
//! ```text
//! {"recording":1,"service":"tascha","kaiwa":"0.1.0","answered_by":"the service itself","given":{}}
//! {"service":"tascha","operation":"list_rooms","method":"GET","path":"/rooms","parameters":{},"query":{"limit":"20"},
//!  "status":200,"headers":{"content-type":"application/json"},"body":{"data":[{"id":"id000001"}]}}
//! ```
//!
//! A body that is not JSON is `media_type` and `length`. A 404 says with `like_nowhere` whether a path that does not exist is
//! answered in the same way. A call without an answer has the reason in `unanswered`.

use super::headers;
use super::ids::Binding;
use super::mask::Mask;
use super::operation::Operation;
use super::pseudonyms::{Pseudonyms, original};
use super::schema::Spec;
use super::source::{Answer, Call, Exchange, REASONS};
use kaiwa::sandbox::Provider;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The version of the format.
const VERSION: u64 = 1;

/// The most bytes that a body without JSON is read as.
const LONGEST: usize = 1 << 20;

/// Creates the file, which only its owner can read.
///
/// # Errors
///
/// If there is anything at the path, or the file cannot be created.
pub fn create(path: &Path) -> Result<File, String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} exists already, and is not overwritten: name another file", path.display())
        }
        _ => format!("{} cannot be created: {error}", path.display()),
    })
}

/// Writes what one service answered.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write(file: &mut File, lines: &str) -> io::Result<()> {
    file.write_all(lines.as_bytes())?;
    file.sync_all()
}

/// Who has answered. Differences of the sandbox say nothing of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    Service,
    Sandbox,
    Another,
}

impl fmt::Display for AnsweredBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "the service itself",
            Self::Sandbox => "the sandbox",
            Self::Another => "another address",
        })
    }
}

/// The lines of one service. They are made at its end: a made-up id follows from all ids of the service.
pub fn lines(service: Provider, by: AnsweredBy, given: &Binding, exchanges: &[Exchange]) -> String {
    let mut found = BTreeSet::new();
    let mut collect = Mask::new(service, |id: &Value| {
        found.extend(original(id));
        Value::Null
    });
    masked(&mut collect, service, by, given, exchanges);
    let pseudonyms = Pseudonyms::new(found);
    masked(&mut Mask::new(service, |id: &Value| pseudonyms.of(id)), service, by, given, exchanges)
}

/// The first line about a service.
#[derive(Serialize)]
struct First {
    recording: u64,
    service: &'static str,
    kaiwa: &'static str,
    answered_by: String,
    given: Binding,
}

/// A line about a call.
#[derive(Serialize)]
struct Line<'a> {
    service: &'static str,
    operation: Option<&'a str>,
    method: &'static str,
    path: &'a str,
    parameters: Binding,
    query: Binding,
    #[serde(skip_serializing_if = "Option::is_none")]
    unanswered: Option<&'static str>,
    #[serde(flatten)]
    answer: Option<AnswerLine>,
}

/// The part of it about the answer.
#[derive(Serialize)]
struct AnswerLine {
    status: u16,
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    like_nowhere: Option<bool>,
    #[serde(flatten)]
    body: Body,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Json { body: Value },
    Other { media_type: Option<&'static str>, length: usize },
}

fn masked<F: FnMut(&Value) -> Value>(
    mask: &mut Mask<F>,
    service: Provider,
    by: AnsweredBy,
    given: &Binding,
    exchanges: &[Exchange],
) -> String {
    let spec = Spec::of(service);
    let operations = Operation::all(spec);
    let known = given.iter().filter_map(|(name, value)| {
        let operation = operations.iter().find(|operation| operation.parameter(spec, name).is_some())?;
        Some((name.clone(), mask.parameter(operation, name, value)))
    });
    let given = known.collect();
    let (service_name, kaiwa, answered_by) = (name(service), env!("CARGO_PKG_VERSION"), by.to_string());
    let first = First { recording: VERSION, service: service_name, kaiwa, answered_by, given };
    let mut lines = json(&first);
    for exchange in exchanges {
        lines += &json(&line(mask, service, spec, exchange));
    }
    lines
}

fn json(line: &impl Serialize) -> String {
    let line = serde_json::to_string(line).expect("its keys are texts");
    line + "\n"
}

fn line<'a, F: FnMut(&Value) -> Value>(
    mask: &mut Mask<F>,
    service: Provider,
    spec: &'static Spec,
    Exchange { call, outcome }: &'a Exchange,
) -> Line<'a> {
    let operation = Operation::of(spec, &call.template);
    let mut parameters = |named: &mut dyn Iterator<Item = (&String, &String)>| -> Binding {
        let Some(operation) = &operation else { return Binding::new() };
        named.map(|(name, value)| (name.clone(), mask.parameter(operation, name, value))).collect()
    };
    Line {
        service: name(service),
        operation: operation.as_ref().map(Operation::id),
        method: "GET",
        path: &call.template,
        parameters: parameters(&mut call.parameters.iter()),
        query: parameters(&mut call.query.iter().map(|(name, value)| (name, value))),
        unanswered: outcome.as_ref().err().copied(),
        answer: outcome.as_ref().ok().map(|answer| {
            let schema = || spec.response(operation.as_ref()?.specified, answer.status)?.schema;
            AnswerLine {
                status: answer.status,
                headers: headers::masked(&answer.headers, spec),
                like_nowhere: answer.like_nowhere,
                body: match answer.json() {
                    Some(body) => Body::Json { body: mask.body(schema(), &body) },
                    None => Body::Other {
                        media_type: answer.media_type().map(headers::media_type),
                        length: answer.body.len(),
                    },
                },
            }
        }),
    }
}

fn name(service: Provider) -> &'static str {
    match service {
        Provider::Chatwork => "chatwork",
        Provider::Tascha => "tascha",
        Provider::Lancers => "lancers",
    }
}

/// The answers of one service, as they were recorded.
pub struct Recording {
    pub service: Provider,
    /// The version of this crate that recorded it.
    pub by: String,
    pub answered_by: AnsweredBy,
    pub given: Binding,
    answers: BTreeMap<(String, Binding), Result<Answer, &'static str>>,
}

impl Recording {
    /// The recordings in a text, one for each service.
    ///
    /// # Errors
    ///
    /// The number of a line that is not part of a recording, and what to do.
    pub fn all(text: &str) -> Result<Vec<Self>, String> {
        let mut all: Vec<Self> = Vec::new();
        // Some editors put a mark before the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let read = serde_json::from_str::<Value>(line).ok();
            if read.as_ref().and_then(|line| line.get("recording")).is_some_and(|version| *version != VERSION)
            {
                return Err(format!(
                    "line {number} starts a recording of another version: record again with this version of kaiwa"
                ));
            }
            let is_before_all = all.is_empty();
            read.and_then(|line| Self::add(&mut all, &line)).ok_or_else(|| {
                if is_before_all {
                    format!("line {number} has no start of a recording before it: take the whole file")
                } else {
                    format!("line {number} is not one of a recording: record again, or remove the line")
                }
            })?;
        }
        Ok(all)
    }

    fn add(all: &mut Vec<Self>, line: &Value) -> Option<()> {
        let service = line["service"].as_str()?;
        let all_services = [Provider::Chatwork, Provider::Tascha, Provider::Lancers];
        let service = all_services.into_iter().find(|known| name(*known) == service)?;
        if line["recording"] == VERSION {
            // Only this program's own words are shown.
            let is_version =
                |by: &&str| by.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte));
            let by = line["kaiwa"].as_str().filter(is_version)?.to_owned();
            let known = [AnsweredBy::Service, AnsweredBy::Sandbox, AnsweredBy::Another];
            let answered_by = known.into_iter().find(|known| line["answered_by"] == known.to_string())?;
            let given = binding(&line["given"])?;
            all.push(Self { service, by, answered_by, given, answers: BTreeMap::new() });
            return Some(());
        }
        let recording = all.iter_mut().rev().find(|recording| recording.service == service)?;
        let call = (line["path"].as_str()?.to_owned(), binding(&line["parameters"])?);
        let outcome = match line["unanswered"].as_str() {
            Some(why) => Err(REASONS.into_iter().find(|known| *known == why)?),
            None => Ok(answer(line)?),
        };
        recording.answers.insert(call, outcome);
        Some(())
    }

    pub fn get(&self, call: &Call) -> Result<Answer, &'static str> {
        let key = (call.template.clone(), call.parameters.clone());
        self.answers.get(&key).cloned().unwrap_or(Err(REASONS[3]))
    }
}

fn binding(parameters: &Value) -> Option<Binding> {
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    parameters.as_object()?.iter().map(text).collect()
}

fn answer(line: &Value) -> Option<Answer> {
    let mut headers = HeaderMap::new();
    for (name, value) in line["headers"].as_object()? {
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.as_str()?).ok()?);
    }
    let body = match line.get("body") {
        Some(body) => body.to_string().into_bytes(),
        // Anything of this length that is not JSON either.
        None => vec![b'?'; usize::try_from(line["length"].as_u64()?).ok()?.min(LONGEST)],
    };
    let status = line["status"].as_u64()?.try_into().ok()?;
    Some(Answer { status, headers, body, like_nowhere: line["like_nowhere"].as_bool() })
}
