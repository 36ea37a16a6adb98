//! Takes a credential out of what a service wrote: debug pages, firewalls and gateways repeat the request.

use crate::call::ServiceError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Anything shorter is not a secret, and would occur in ordinary words.
const SHORTEST_SECRET: usize = 8;

/// What different encoders leave as it is in a URL: letters and digits, RFC 3986's unreserved characters, or those of JavaScript.
const ENCODINGS: [&AsciiSet; 3] = [NON_ALPHANUMERIC, UNRESERVED, SCRIPT];
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const SCRIPT: &AsciiSet = &UNRESERVED.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');

const REDACTED: &str = "[redacted]";

pub(crate) fn is_unseen(character: char) -> bool {
    // The soft hyphen, zero-width characters, and those that set the direction of writing.
    const UNSEEN: [RangeInclusive<char>; 5] = [
        '\u{ad}'..='\u{ad}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
    ];
    character.is_control() || UNSEEN.iter().any(|range| range.contains(&character))
}

/// Whether the value of a caller's header can be a secret. The others hold ordinary words, and taking those out would spoil
/// what the service says.
pub(crate) fn may_be_secret(name: &HeaderName) -> bool {
    const ORDINARY: [&str; 11] = [
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-language",
        "content-type",
        "pragma",
        "traceparent",
        "tracestate",
        "user-agent",
    ];
    !ORDINARY.contains(&name.as_str())
}

fn forms(value: &HeaderValue) -> impl Iterator<Item = &str> {
    let value = std::str::from_utf8(value.as_bytes()).unwrap_or_default();
    let bare = value.split_once(' ').map_or(value, |(_, bare)| bare);
    let cookies = value.split(';').map(str::trim);
    let contents = cookies.clone().filter_map(|cookie| Some(cookie.split_once('=')?.1));
    [value, bare].into_iter().chain(cookies).chain(contents)
}

/// The forms in which a secret can come back.
#[derive(Clone)]
pub(crate) struct Redactor {
    /// In lower case, the longest first.
    secrets: Vec<String>,
}

impl Redactor {
    /// For secrets as they stand in headers: with a prefix, without it, and each cookie of several.
    pub(crate) fn of_headers<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        Self::new(values.into_iter().flat_map(forms))
    }

    /// The same with more secrets.
    pub(crate) fn with_headers<'a>(&self, values: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let more = Self::of_headers(values);
        Self::sorted(self.secrets.iter().cloned().chain(more.secrets).collect())
    }

    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
            let encoded = ENCODINGS.map(|kept| utf8_percent_encode(secret, kept).to_string());
            all.extend(encoded.iter().map(|encoded| encoded.to_ascii_lowercase()));
            all.push(secret.to_ascii_lowercase());
        }
        Self::sorted(all)
    }

    fn sorted(mut secrets: Vec<String>) -> Self {
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        secrets.dedup();
        Self { secrets }
    }

    /// The text without the secret. Unseen characters could stand between its parts, and go before it is looked for.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = if text.contains(is_unseen) {
            Cow::Owned(text.replace(is_unseen, ""))
        } else {
            Cow::Borrowed(text)
        };
        let mut found = false;
        for secret in &self.secrets {
            let mut from = 0;
            while let Some(at) = clean[from..].to_ascii_lowercase().find(secret.as_str()) {
                let at = from + at;
                clean.to_mut().replace_range(at..at + secret.len(), REDACTED);
                from = at + REDACTED.len();
                found = true;
            }
        }
        // What holds no secret stays as it came.
        if found { clean } else { Cow::Borrowed(text) }
    }

    pub(crate) fn error(&self, said: &mut ServiceError) {
        let texts = said.code.iter_mut().chain(&mut said.messages).chain(&mut said.request_id);
        texts.for_each(|text| self.replace(text));
        if let Some(details) = &mut said.details {
            self.value(details);
        }
    }

    /// Takes the secret out of the headers that errors show.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        if let Some(value) = headers.get_mut("x-request-id") {
            let shown = value.to_str().map(|text| self.text(text)).unwrap_or_default();
            if value.as_bytes() != shown.as_bytes() {
                *value = HeaderValue::from_str(&shown).unwrap_or_else(|_| HeaderValue::from_static(REDACTED));
            }
        }
    }

    fn replace(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.replace(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                let names: Vec<String> =
                    fields.keys().filter(|name| self.text(name) != **name).cloned().collect();
                for name in names {
                    let value = fields.remove(&name).unwrap_or_default();
                    fields.insert(self.text(&name).into_owned(), value);
                }
                fields.values_mut().for_each(|field| self.value(field));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redactor(header: &'static str) -> Redactor {
        Redactor::of_headers([&HeaderValue::from_static(header)])
    }

    #[test]
    fn a_credential_is_redacted_in_every_form() {
        for (header, text, clean) in [
            ("Bearer canary-1234", "you sent Bearer canary-1234.", "you sent [redacted]."),
            ("Bearer canary-1234", "you sent canary-1234", "you sent [redacted]"),
            ("canary-1234", "CANARY-1234 and canary-1234", "[redacted] and [redacted]"),
            ("canary-1234", "cana\u{0}ry-\n1234", "[redacted]"),
            ("canary-1234", "cana\u{200b}ry-1234", "[redacted]"),
            ("can+ary/1234", "token=can%2Bary%2F1234&x", "token=[redacted]&x"),
            ("can-ary_1234=", "token=can-ary_1234%3D&x", "token=[redacted]&x"),
            ("can-ary(1234=", "token=can-ary(1234%3d&x", "token=[redacted]&x"),
            ("a=canary-1234; b=x", "cookie canary-1234", "cookie [redacted]"),
            ("a=canary-1234; b=x", "a=canary-1234", "[redacted]"),
        ] {
            assert_eq!(redactor(header).text(text), clean, "{header}: {text}");
        }
        assert_eq!(redactor("short").text("a short\ntext"), "a short\ntext");
        assert_eq!(Redactor::of_headers([]).text("日本"), "日本");
        assert_eq!(redactor("canary-1234").text("İ canary-1234 日本"), "İ [redacted] 日本");
    }

    #[test]
    fn every_part_of_an_error_is_searched() {
        let mut said = ServiceError {
            code: Some("canary-1234".to_owned()),
            messages: vec!["m canary-1234".to_owned()],
            request_id: Some("canary-1234".to_owned()),
            details: Some(json!({ "canary-1234": [{ "a": "canary-1234" }], "b": 1 })),
        };
        redactor("canary-1234").error(&mut said);
        assert!(!format!("{said:?}").contains("canary"), "{said:?}");
        assert_eq!(said.details, Some(json!({ "[redacted]": [{ "a": "[redacted]" }], "b": 1 })));
    }
}
