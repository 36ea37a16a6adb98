//! Headers: which of them matter, and what of them is kept in a recording.

use super::schema::{Spec, is_field_name};
use super::shape;
use kaiwa::jiff::fmt::rfc2822;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

/// Headers that the library reads whether they are specified or not; see `kaiwa::RateLimit`.
const READ: [&str; 8] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit",
    "ratelimit-limit",
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
    is_telling && !READ.contains(&name) && !spec.has_header(name)
}

fn shown(name: &str) -> String {
    if is_field_name(&name.replace('-', "_")) { name.to_owned() } else { UNNAMED.to_owned() }
}

/// What a recording keeps: the media type, the date, headers on limits, and those of the specification. Values are kept if
/// they are numbers, times or known words.
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
        let is_known = READ.contains(&name) || spec.has_header(name);
        is_known.then(|| (name.to_owned(), known(value)))
    });
    kept.map(|(name, value)| (name, Value::String(value))).collect()
}

/// The media type without its parameters, or `other`.
pub fn media_type(value: &str) -> &'static str {
    let value = value.split(';').next().unwrap_or_default().trim();
    MEDIA_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(value)).unwrap_or("other")
}

fn known(value: &str) -> String {
    let is_number = |text: &str| text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = value.split(|char: char| ",;=\" .".contains(char));
    if value.len() <= 64 && parts.all(|part| is_number(part) || WORDS.contains(&part)) {
        return value.to_owned();
    }
    date(value).or_else(|| shape::time(value)).unwrap_or_else(|| shape::of_text(value))
}

/// The date of a header, printed anew: a date may have comments.
fn date(value: &str) -> Option<String> {
    let time = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}
