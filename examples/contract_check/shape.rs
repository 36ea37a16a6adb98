//! Shapes of values: what is kept of a value that may be private.

use kaiwa::jiff::Timestamp;
use kaiwa::jiff::civil::{Date, DateTime};
use serde_json::Value;

/// The greatest number that passes: the greatest of which JSON keeps every digit.
const GREATEST: u64 = 1 << 53;

/// A text of the same format or of the same length, without any character of it.
pub fn of_text(text: &str) -> String {
    of_format(text).unwrap_or_else(|| of_length(text))
}

/// A text of the same length.
pub fn of_length(text: &str) -> String {
    "x".repeat(text.chars().count())
}

fn of_format(text: &str) -> Option<String> {
    let shape = match () {
        () if text.parse::<Timestamp>().is_ok() => "2000-01-01T00:00:00Z",
        () if text.parse::<Date>().is_ok() && !text.contains(':') => "2000-01-01",
        () if text.parse::<DateTime>().is_ok() => "2000-01-01 00:00:00",
        () if is_url(text) => "https://example.com/",
        () if is_mail(text) => "x@example.com",
        () if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Some("0".repeat(text.len()));
        }
        () => return None,
    };
    Some(shape.to_owned())
}

fn is_url(text: &str) -> bool {
    let url = url::Url::parse(text).ok();
    url.is_some_and(|url| ["http", "https"].contains(&url.scheme()))
}

fn is_mail(text: &str) -> bool {
    let is_plain =
        |part: &str| !part.is_empty() && !part.contains(|char: char| char.is_whitespace() || char == '@');
    let parts = text.split_once('@');
    parts.is_some_and(|(local, host)| is_plain(local) && is_plain(host) && host.contains('.'))
}

/// The text if it is a time and nothing else. A parser of times also reads annotations, which may be any text, and eight digits,
/// which may be any number.
pub fn time(text: &str) -> Option<String> {
    let is_plain = text.len() <= 35
        && text.contains(':')
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"-+:.TZ ".contains(&byte));
    let is_time = || text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok();
    (is_plain && is_time()).then(|| text.to_owned())
}

/// Whether a number that the specification has may be kept.
pub fn is_plain_number(value: &Value) -> bool {
    value.as_i64().map_or_else(|| value.is_f64(), |number| number.unsigned_abs() <= GREATEST)
}

/// Values of the same type, of which the first that fits the specification as the original does is kept.
pub fn candidates(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(_) => vec![false.into(), true.into()],
        Value::Number(number) if number.is_f64() => vec![0.5.into(), (-0.5).into()],
        Value::Number(_) => [0, 1, -1, i64::MAX, i64::MIN].map(Value::from).to_vec(),
        Value::String(text) => {
            of_format(text).into_iter().chain([of_length(text)]).map(Value::from).collect()
        }
        Value::Null | Value::Array(_) | Value::Object(_) => vec![value.clone()],
    }
}
