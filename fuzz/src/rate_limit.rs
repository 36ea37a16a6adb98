use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use kaiwa::RateLimit;
use std::time::Duration;

/// Lines `name: value`, as they come after a status line.
pub fn rate_limit(data: &[u8]) {
    const FAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    for now in [Timestamp::constant(1_790_000_000, 0), Timestamp::MIN, Timestamp::MAX] {
        let Some(limit) = RateLimit::from_headers(&headers, now) else { continue };
        assert_ne!(limit, RateLimit::default());
        assert_eq!(limit.reset.is_some(), limit.reset_after.is_some());
        // No wait is longer than a year.
        assert!(limit.reset_after.is_none_or(|wait| wait <= FAR), "{limit:?}");
        assert!(limit.retry_after.is_none_or(|wait| wait <= FAR), "{limit:?}");
        if let (Some(reset), Some(after)) = (limit.reset, limit.reset_after)
            && !headers.contains_key("date")
        {
            let distance = Duration::try_from(reset.duration_since(now)).unwrap_or_default();
            assert_eq!(distance, after, "{limit:?}");
        }
    }

    // Without a known header there is no limit.
    let known = ["x-ratelimit-", "ratelimit", "retry-after", "-api-units-", "-ratelimit-scope"];
    headers = headers
        .iter()
        .filter(|(name, _)| !known.iter().any(|known| name.as_str().contains(known)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    assert_eq!(RateLimit::from_headers(&headers, Timestamp::UNIX_EPOCH), None);
}
