//! The newest requests of the program under test, as the page shows them.

use crate::sandbox::log::Recorded;
use crate::sandbox::provider::Provider;
use axum::http::{Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many requests are kept.
pub(super) const KEPT: usize = 200;

/// How many characters of a value are shown, and how many fields of a form.
const SHOWN: usize = 300;
const FIELDS: usize = 8;

/// The longest JSON that is read, in bytes.
const READ: usize = 1 << 16;

/// The length of the shortest credential that is looked for in texts.
const SECRET: usize = 6;

/// What stands in place of a credential.
const MASK: &str = "***";

/// The newest requests, oldest first.
#[derive(Debug, Default)]
pub(super) struct Requests(VecDeque<Kept>);

#[derive(Debug)]
struct Kept {
    number: usize,
    same: u64,
    attempt: usize,
    /// Whether the program has reason to send it again.
    failed: bool,
    shown: Value,
}

impl Requests {
    /// Takes a request when it is complete, and again when its answer is decided. Returns what the page shows of it.
    pub(super) fn take(&mut self, recorded: &Recorded, ended: bool, secrets: &[String]) -> Value {
        let known = self.0.iter().rposition(|kept| kept.number == recorded.number);
        let same = identity(recorded);
        let attempt = match known {
            Some(known) => self.0[known].attempt,
            None => {
                let before = self.0.iter().rev().find(|kept| kept.same == same);
                before.filter(|kept| kept.failed).map_or(1, |kept| kept.attempt + 1)
            }
        };
        let shown = shown(recorded, ended, attempt, secrets);
        let number = recorded.number;
        let kept = Kept { number, same, attempt, failed: failed(recorded, ended), shown: shown.clone() };
        match known {
            Some(known) => self.0[known] = kept,
            None => {
                if self.0.len() == KEPT {
                    self.0.pop_front();
                }
                self.0.push_back(kept);
            }
        }
        shown
    }

    pub(super) fn shown(&self) -> Vec<&Value> {
        self.0.iter().map(|kept| &kept.shown).collect()
    }
}

/// What two attempts of one call have in common.
fn identity(recorded: &Recorded) -> u64 {
    let mut hasher = DefaultHasher::new();
    let Recorded { provider, method, path, query, body, .. } = recorded;
    (provider, method, path, query, body, recorded.header("idempotency-key")).hash(&mut hasher);
    hasher.finish()
}

/// A request that is still being answered has failed for a program that sends it again.
fn failed(recorded: &Recorded, ended: bool) -> bool {
    let answered = recorded.status.is_some_and(|status| status < 500 && status != 429 && status != 401);
    let harmless = recorded.fault.as_ref().is_none_or(|fault| {
        ["slow_headers", "trickle", "unknown_values", "duplicate_headers", "wrong_clock"]
            .contains(&fault.name())
    });
    !(ended && answered && harmless)
}

fn shown(recorded: &Recorded, ended: bool, attempt: usize, secrets: &[String]) -> Value {
    let masked = |text: &str| mask(text, secrets);
    // The key in the path of a download is a credential for 30 seconds.
    let path = if recorded.operation == Some("download_file") { "/download/***" } else { &recorded.path };
    json!({
        "number": recorded.number,
        "at": recorded.at.as_millisecond(),
        "service": service(recorded.provider),
        "operation": recorded.operation,
        "method": recorded.method.as_str(),
        "path": short(&masked(path)),
        "query": recorded.query.as_deref().map(|query| short(&masked(query))),
        "attempt": attempt,
        "key": recorded.header("idempotency-key").map(|key| short(&masked(key))),
        "status": recorded.status,
        "fault": recorded.fault.as_ref().map(|fault| fault.name()),
        "applied": recorded.applied,
        "replayed": recorded.replayed,
        "ended": ended,
        "bytes": recorded.body.len(),
        "body": body(recorded, &masked),
    })
}

/// The fields of a form, or the text of JSON. Other bodies are not shown.
fn body(recorded: &Recorded, masked: &dyn Fn(&str) -> String) -> Value {
    if recorded.method == Method::GET || recorded.body.is_empty() {
        return json!([]);
    }
    let content_type =
        recorded.header(header::CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
    if content_type.starts_with("application/x-www-form-urlencoded") {
        let fields = url::form_urlencoded::parse(&recorded.body).take(FIELDS);
        let fields = fields.map(|(name, value)| json!([short(&masked(&name)), short(&masked(&value))]));
        return fields.collect();
    }
    if content_type.starts_with("application/json") && recorded.body.len() <= READ {
        // Written anew: in what was sent, a credential may stand in escapes.
        let json = serde_json::from_slice::<Value>(&recorded.body).map(|json| json.to_string());
        return json!([["", short(&masked(&json.unwrap_or_default()))]]);
    }
    json!([["", content_type.split(';').next()]])
}

/// The text without credentials, however they are encoded for an address. Short ones are parts of other words.
pub(super) fn mask(text: &str, secrets: &[String]) -> String {
    let secrets = || secrets.iter().map(String::as_str).filter(|secret| secret.len() >= SECRET);
    let without = |text: &str| secrets().fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
    let masked = without(text);
    let decoded = percent_decode_str(&masked).decode_utf8_lossy();
    // Once one is found in what is decoded, all of it is shown decoded.
    let hidden = secrets().any(|secret| decoded.contains(secret));
    if hidden { without(&decoded) } else { masked }
}

/// Masks the texts of a JSON value.
pub(super) fn mask_all(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => *text = mask(text, secrets),
        Value::Array(values) => values.iter_mut().for_each(|value| mask_all(value, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|value| mask_all(value, secrets)),
        _ => {}
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The name of a service in addresses and messages of the window.
pub(super) fn service(provider: Provider) -> &'static str {
    match provider {
        Provider::Chatwork => "chatwork",
        Provider::Tascha => "tascha",
        Provider::Lancers => "lancers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_however_they_are_written() {
        let secrets = ["session=sandbox".to_owned(), "token-1".to_owned(), "x".to_owned()];
        for (text, masked) in [
            ("/v2/token-1/x", "/v2/***/x"),
            ("a=%74oken%2d1&b=c", "a=***&b=c"),
            ("session%3Dsandbox token-1", "*** ***"),
            ("token-1 %74oken-1", "*** ***"),
            ("a=token-1&b=session%3Dsandbox", "a=***&b=***"),
            ("a=session%3Dsandbox&b=token-1", "a=***&b=***"),
            ("%E3%81%82", "%E3%81%82"),
            ("%ff token-1", "%ff ***"),
        ] {
            assert_eq!(mask(text, &secrets), masked, "{text}");
        }
    }
}
