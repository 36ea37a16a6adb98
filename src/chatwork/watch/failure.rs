//! Failures, shortened for streams that are not polled.

use crate::Error;
use crate::call::{HttpAnswer, ServiceError};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};

/// The most bytes of the response's body, of its headers and of each text in it, and the most texts.
const BODY: usize = 16 * 1024;
const HEADERS: usize = 8 * 1024;
const TEXT: usize = 1024;
const TEXTS: usize = 4;

/// The same failure with at most this much of the response, copied: a stream that is not polled keeps it, and a slice of a
/// response would keep the whole response in memory.
pub(super) fn bounded(error: &Error) -> Error {
    let Some(status) = error.status() else { return error.clone() };
    let mut headers = HeaderMap::new();
    let mut left = HEADERS;
    for (name, value) in error.headers() {
        let size = name.as_str().len() + value.len();
        if let (Some(rest), Ok(value)) = (left.checked_sub(size), HeaderValue::from_bytes(value.as_bytes())) {
            left = rest;
            headers.append(name.clone(), value);
        }
    }
    let body = error.body();
    let service_error = ServiceError {
        code: error.code().map(beginning),
        messages: error.messages().iter().take(TEXTS).map(|text| beginning(text)).collect(),
        request_id: error.request_id().map(beginning),
        details: None,
    };
    error.clone().with_answer(HttpAnswer {
        status: Some(status),
        headers,
        body: Bytes::copy_from_slice(&body[..body.len().min(BODY)]),
        service_error,
        rate_limit: error.rate_limit().cloned(),
        wait: error.retry_after(),
        ..HttpAnswer::default()
    })
}

fn beginning(text: &str) -> String {
    let end = (0..=text.len().min(TEXT)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or_default()].to_owned()
}

/// The size of the response that a failure keeps.
pub(super) fn answer_bytes(error: &Error) -> usize {
    let headers = error.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    let texts = error.messages().iter().map(String::len);
    headers.chain(texts).sum::<usize>() + error.body().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Outcome};
    use reqwest::StatusCode;
    use std::time::Duration;

    #[test]
    fn a_stored_failure_keeps_its_meaning_and_a_short_body() {
        let text = "話".repeat(1_000_000);
        let mut headers = HeaderMap::new();
        headers.insert("x-first", HeaderValue::from_static("1"));
        for number in 0..100 {
            headers
                .append("x-long", HeaderValue::from_str(&format!("{number}").repeat(1000)).expect("a value"));
        }
        let answer = HttpAnswer {
            status: Some(StatusCode::TOO_MANY_REQUESTS),
            headers,
            body: Bytes::from(text.clone()),
            service_error: ServiceError { messages: vec![text; 100], ..ServiceError::default() },
            rate_limit: None,
            wait: Some(Duration::from_secs(7)),
            ..HttpAnswer::default()
        };
        let kind = ErrorKind::Status(StatusCode::TOO_MANY_REQUESTS);
        let whole = Error::new(kind, Outcome::Rejected).with_answer(answer).with_attempts(1);
        let kept = bounded(&whole);
        assert!(answer_bytes(&kept) <= BODY + HEADERS + TEXTS * TEXT, "{}", answer_bytes(&kept));
        assert_eq!((kept.status(), kept.outcome(), kept.attempts()), (whole.status(), whole.outcome(), 1));
        assert_eq!(kept.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(kept.headers()["x-first"], "1");
        assert!(kept.body().starts_with("話".as_bytes()) && kept.messages()[0].starts_with('話'));
        // A failure without an answer has no body to truncate.
        let silent = Error::new(ErrorKind::Timeout(Duration::from_secs(1)), Outcome::Unknown);
        assert_eq!(bounded(&silent).to_string(), silent.to_string());
    }
}
