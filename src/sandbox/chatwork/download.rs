//! The addresses that files are fetched from: for 30 seconds, without a token, whole or in part.

use super::State;
use super::model::File;
use axum::body::Body;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

const LIFETIME: Duration = Duration::from_secs(30);

/// A file that may be fetched.
#[derive(Debug)]
pub(super) struct Download {
    file: File,
    made: Timestamp,
}

impl Download {
    pub(super) fn new(file: File, made: Timestamp) -> Self {
        Self { file, made }
    }

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.made.checked_add(LIFETIME).is_ok_and(|end| now < end)
    }
}

pub(super) async fn download(
    Shared(state): Shared<Arc<State>>,
    Path((key, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let now = state.context.clock.wall();
    let data = state.lock();
    let Some(download) = data.downloads.get(&key).filter(|download| download.is_valid(now)) else {
        return status(StatusCode::FORBIDDEN);
    };
    let file = &download.file;
    let etag = format!("\"{}\"", file.file_id);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let unchanged = text(header::IF_RANGE).is_none_or(|value| value == etag);
    let range =
        text(header::RANGE).filter(|_| unchanged).and_then(|range| parse_range(range, file.content.len()));
    let mut response = match range {
        None => Response::new(Body::from(file.content.clone())),
        Some(Some(range)) => {
            let mut response = Response::new(Body::from(file.content.slice(range.clone())));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, file.content.len());
            set(&mut response, "content-range", content_range);
            response
        }
        Some(None) => {
            let mut response = status(StatusCode::RANGE_NOT_SATISFIABLE);
            set(&mut response, "content-range", format!("bytes */{}", file.content.len()));
            return response;
        }
    };
    let filename = utf8_percent_encode(&file.filename, NON_ALPHANUMERIC);
    set(&mut response, "content-disposition", format!("attachment; filename*=UTF-8''{filename}"));
    set(&mut response, "content-type", file.content_type.clone());
    set(&mut response, "accept-ranges", "bytes".to_owned());
    set(&mut response, "etag", etag);
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn set(response: &mut Response<Body>, name: &'static str, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// One range of bytes (RFC 9110, 14.1.2). `None`: not understood, so the whole is answered, as the RFC has it.
/// `Some(None)`: there are no such bytes.
fn parse_range(range: &str, length: usize) -> Option<Option<Range<usize>>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => (length.saturating_sub(last.parse().ok()?), length),
        (false, true) => (first.parse().ok()?, length),
        (false, false) => {
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Some((start < end).then_some(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_has_them() {
        assert_eq!(parse_range("bytes=0-3", 10), Some(Some(0..4)));
        assert_eq!(parse_range("bytes=4-", 10), Some(Some(4..10)));
        assert_eq!(parse_range("bytes=-3", 10), Some(Some(7..10)));
        assert_eq!(parse_range("bytes=-30", 10), Some(Some(0..10)));
        assert_eq!(parse_range("bytes=8-99", 10), Some(Some(8..10)));
        assert_eq!(parse_range("bytes=10-", 10), Some(None));
        assert_eq!(parse_range("bytes=-0", 10), Some(None));
        assert_eq!(parse_range("bytes=3-1", 10), None);
        assert_eq!(parse_range("lines=1-2", 10), None);
        assert_eq!(parse_range("bytes=0-1,3-4", 10), None);
    }
}
