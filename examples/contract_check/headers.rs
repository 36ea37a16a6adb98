//! Headers: which of them matter, and what of them is kept in a recording.

use super::schema::{Spec, is_field_name};
use super::shape;
use kaiwa::jiff::fmt::rfc2822;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

/// Headers that the library reads whether they are specified or not; see `kaiwa::RateLimit`.
const READ: [&str; 9] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
];

/// Prefixes of the names of headers that the services define, or that report limits.
const FAMILIES: [&str; 8] = [
    "x-ratelimit",
    "ratelimit",
    "tascha-",
    "x-tascha-",
    "chatwork-",
    "x-chatwork-",
    "lancers-",
    "x-lancers-",
];

/// Parts of the names of headers that matter to a client.
const TELLING: [&str; 6] = ["limit", "quota", "units", "deprecat", "sunset", "retry"];

/// Stands for the name of a header that may be more than a name.
const UNNAMED: &str = "x-limit-unnamed";

const MEDIA_TYPES: [&str; 7] = [
    "application/json",
    "application/octet-stream",
    "application/problem+json",
    "application/xml",
    "text/html",
    "text/plain",
    "text/xml",
];

/// Words in the values of headers on limits.
const WORDS: [&str; 15] = [
    "burst",
    "default",
    "false",
    "limit",
    "organization",
    "policy",
    "q",
    "r",
    "remaining",
    "reset",
    "t",
    "true",
    "user",
    "w",
    "window",
];

/// The headers that look like limits or notices, are not specified, and are not read by the library.
pub fn unknown(headers: &HeaderMap, spec: &Spec) -> impl Iterator<Item = String> {
    headers.keys().map(|name| name.as_str()).filter(|name| is_unknown(name, spec)).map(shown)
}

fn is_unknown(name: &str, spec: &Spec) -> bool {
    let is_telling = TELLING.iter().any(|part| name.contains(part))
        || FAMILIES.iter().any(|family| name.starts_with(family));
    is_telling && !READ.contains(&name) && spec.header(name).is_none()
}

fn shown(name: &str) -> String {
    if is_field_name(&name.replace('-', "_")) { name.to_owned() } else { UNNAMED.to_owned() }
}

/// What a recording keeps: the media type, the date, headers on limits, and those of the specification. Values are kept if
/// they are known words, or numbers and times where the header is one.
pub fn masked(headers: &HeaderMap, spec: &Spec) -> Map<String, Value> {
    let kept = headers.iter().filter_map(|(name, value)| {
        let (name, value) = (name.as_str(), value.to_str().unwrap_or_default());
        if name == "content-type" {
            return Some((name.to_owned(), media_type(value).to_owned()));
        }
        if name == "date" {
            return Some((name.to_owned(), date(value)?));
        }
        if is_unknown(name, spec) {
            return Some((shown(name), shape::of_text(value)));
        }
        let schema = spec.header(name);
        let is_read = READ.contains(&name);
        (is_read || schema.is_some()).then(|| {
            let has_numbers = is_read || schema.is_some_and(is_number_or_time);
            (name.to_owned(), known(value, has_numbers))
        })
    });
    kept.map(|(name, value)| (name, Value::String(value))).collect()
}

/// The media type without its parameters, or `other`.
pub fn media_type(value: &str) -> &'static str {
    let value = value.split(';').next().unwrap_or_default().trim();
    MEDIA_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(value)).unwrap_or("other")
}

fn is_number_or_time(schema: &Value) -> bool {
    schema["type"] == "integer" || schema["format"] == "date-time"
}

/// The value, if it has nothing but known words, and numbers or a time where the header has such: the id of a request can be a
/// number too.
fn known(value: &str, has_numbers: bool) -> String {
    let is_number = |text: &str| text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_kept = |part: &str| part.is_empty() || WORDS.contains(&part) || (has_numbers && is_number(part));
    if value.len() <= 64 && value.split(|char: char| ",;=\" .".contains(char)).all(is_kept) {
        return value.to_owned();
    }
    let time = || date(value).or_else(|| shape::time(value)).filter(|_| has_numbers);
    time().unwrap_or_else(|| shape::of_text(value))
}

/// The date of a header, printed anew: a date may have comments.
fn date(value: &str) -> Option<String> {
    let time = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}
