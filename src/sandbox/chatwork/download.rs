//! The addresses that files are fetched from: for 30 seconds, without a token, whole or in part.

use super::data::State;
use crate::sandbox::answer::Answer;
use axum::http::{HeaderMap, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;

pub(super) fn download(state: &State, key: &str, headers: &HeaderMap) -> Answer {
    let now = state.now().wall;
    let data = state.lock();
    let Some(download) = data.downloads.get(key).filter(|download| download.is_valid(now)) else {
        return Answer::empty(StatusCode::FORBIDDEN);
    };
    let file = &download.file;
    let whole = file.content.len();
    let etag = format!("\"{}\"", file.file_id);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let unchanged = text(header::IF_RANGE).is_none_or(|value| value == etag);
    let range = text(header::RANGE).filter(|_| unchanged).and_then(|range| parse_range(range, whole));
    let answer = match range {
        None => Answer::new(StatusCode::OK, &file.content_type, file.content.clone()),
        Some(Some(range)) => {
            let content_range = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
            let part = file.content.slice(range);
            Answer::new(StatusCode::PARTIAL_CONTENT, &file.content_type, part)
                .header(header::CONTENT_RANGE, content_range)
        }
        Some(None) => {
            return Answer::empty(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{whole}"));
        }
    };
    let filename = utf8_percent_encode(&file.filename, NON_ALPHANUMERIC);
    answer
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{filename}"))
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, etag)
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
    fn ranges_are_read_as_in_the_rfc() {
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
