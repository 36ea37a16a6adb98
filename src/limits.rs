//! What a service says of its limits, in every dialect that the three of them speak.
//!
//! | header | meaning |
//! |---|---|
//! | `x-ratelimit-limit`, `-remaining`, `-reset` | Chatwork: the account's window; `reset` is in Unix seconds |
//! | `RateLimit-Limit`, `-Remaining`, `-Reset`, `RateLimit-Policy: 300;w=60` | IETF drafts up to 06; `Reset` counts seconds from now |
//! | `RateLimit: limit=300, remaining=299, reset=42` | IETF draft 07 |
//! | `RateLimit: "p";r=299;t=42`, `RateLimit-Policy: "p";q=300;w=60` | IETF drafts from 08; of several the one with the least left |
//! | `Tascha-Api-Units-Limit`, `-Remaining`, `-Used`, `-Cost`, `-Reset` | TAS-CHA's monthly units; `Reset` is RFC 3339 |
//! | `Tascha-RateLimit-Scope` | which bucket was charged |
//! | `Retry-After` | seconds, or an HTTP date |
//!
//! Every header is optional, and one that does not parse counts as absent.

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// No window is longer: a time beyond it is garbage.
pub(crate) const FAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The limits that an answer told of.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RateLimit {
    /// How many requests the window allows.
    pub limit: Option<u64>,
    /// How many are left in it.
    pub remaining: Option<u64>,
    /// When it begins anew, by the service's clock.
    pub reset: Option<Timestamp>,
    /// How long it was until then when the answer came, with the service's own `Date` as the base, so that a wrong
    /// local clock does no harm.
    pub reset_after: Option<Duration>,
    /// How long the window is.
    pub window: Option<Duration>,
    /// TAS-CHA's monthly units.
    pub units: Option<Units>,
    /// Which bucket was charged, such as `user`.
    pub scope: Option<String>,
    /// How long the service asks to wait before the next request.
    pub retry_after: Option<Duration>,
}

/// TAS-CHA's monthly API units.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Units {
    /// The month's allowance.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// What has been used of it.
    pub used: Option<u64>,
    /// What this request cost.
    pub cost: Option<u64>,
    /// When the next month's allowance begins.
    pub reset: Option<Timestamp>,
}

impl RateLimit {
    /// Reads an answer's headers. `now` is the local wall-clock time at which they arrived, used where the answer has
    /// no `Date`. `None` if they say nothing of limits.
    pub fn from_headers(headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let now = date(headers).unwrap_or(now);
        let mut limit = Self::default();
        limit.read_chatwork(headers, now);
        limit.read_ietf(headers, now);
        limit.read_structured(headers, now);
        limit.units = Units::from_headers(headers);
        limit.scope = text(headers, "tascha-ratelimit-scope").map(str::to_owned);
        limit.retry_after = text(headers, RETRY_AFTER.as_str()).and_then(|value| retry_after(value, now));
        (limit != Self::default()).then_some(limit)
    }

    fn read_chatwork(&mut self, headers: &HeaderMap, now: Timestamp) {
        self.limit = number(headers, "x-ratelimit-limit");
        self.remaining = number(headers, "x-ratelimit-remaining");
        let seconds = number(headers, "x-ratelimit-reset").and_then(|seconds| i64::try_from(seconds).ok());
        self.set_reset(seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()), now);
    }

    fn read_ietf(&mut self, headers: &HeaderMap, now: Timestamp) {
        self.limit = self.limit.or_else(|| number(headers, "ratelimit-limit"));
        self.remaining = self.remaining.or_else(|| number(headers, "ratelimit-remaining"));
        if let Some(delta) = number(headers, "ratelimit-reset").filter(|_| self.reset.is_none()) {
            self.set_reset_after(delta, now);
        }
        let policy = text(headers, "ratelimit-policy").unwrap_or_default();
        self.window = parameter(policy, "w").map(Duration::from_secs);
        self.limit = self.limit.or_else(|| parameter(policy, "q"));
    }

    fn read_structured(&mut self, headers: &HeaderMap, now: Timestamp) {
        let Some(list) = text(headers, "ratelimit") else { return };
        if let Some(remaining) = member(list, "remaining") {
            self.limit = self.limit.or_else(|| member(list, "limit"));
            self.remaining = self.remaining.or(Some(remaining));
            if let Some(delta) = member(list, "reset").filter(|_| self.reset.is_none()) {
                self.set_reset_after(delta, now);
            }
            return;
        }
        let binding = list.split(',').min_by_key(|item| parameter(item, "r").unwrap_or(u64::MAX));
        let item = binding.unwrap_or(list);
        self.remaining = self.remaining.or_else(|| parameter(item, "r"));
        if let Some(delta) = parameter(item, "t").filter(|_| self.reset.is_none()) {
            self.set_reset_after(delta, now);
        }
    }

    fn set_reset(&mut self, reset: Option<Timestamp>, now: Timestamp) {
        let Some(reset) = reset else { return };
        let after = Duration::try_from(reset.duration_since(now)).unwrap_or_default();
        if after <= FAR {
            (self.reset, self.reset_after) = (Some(reset), Some(after));
        }
    }

    fn set_reset_after(&mut self, seconds: u64, now: Timestamp) {
        let after = Duration::from_secs(seconds);
        let reset = SignedDuration::try_from(after).ok().and_then(|after| now.checked_add(after).ok());
        self.set_reset(reset, now);
    }
}

impl RateLimit {
    /// Takes over what a newer answer says, and keeps what it does not speak of.
    pub(crate) fn update(&mut self, newer: &Self) {
        fn take<T: Clone>(known: &mut Option<T>, newer: &Option<T>) {
            if newer.is_some() {
                known.clone_from(newer);
            }
        }
        take(&mut self.limit, &newer.limit);
        take(&mut self.remaining, &newer.remaining);
        take(&mut self.reset, &newer.reset);
        take(&mut self.reset_after, &newer.reset_after);
        take(&mut self.window, &newer.window);
        take(&mut self.units, &newer.units);
        take(&mut self.scope, &newer.scope);
        self.retry_after = newer.retry_after;
    }
}

impl Units {
    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let units = Self {
            limit: number(headers, "tascha-api-units-limit"),
            remaining: number(headers, "tascha-api-units-remaining"),
            used: number(headers, "tascha-api-units-used"),
            cost: number(headers, "tascha-api-units-cost"),
            reset: text(headers, "tascha-api-units-reset").and_then(|value| value.parse().ok()),
        };
        (units != Self::default()).then_some(units)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// The value of a parameter in the first item of a list such as `"burst";q=300;w=60, "day";q=1000`.
fn parameter(list: &str, name: &str) -> Option<u64> {
    let item = list.split(',').next()?;
    let value = item.split(';').skip(1).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

/// What time it was for the service when it answered.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    text(headers, DATE.as_str()).and_then(http_date)
}

/// The value of a member of a list such as `limit=300, remaining=299`.
fn member(list: &str, name: &str) -> Option<u64> {
    list.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// `Retry-After`: seconds, or a date.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::try_from(http_date(value)?.duration_since(now)).unwrap_or_default(),
    };
    Some(wait.min(FAR))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`; jiff reads it as the RFC 2822 date that it also is.
fn http_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    const NOW: Timestamp = Timestamp::constant(1_390_941_600, 0);

    fn read(pairs: &[(&str, &str)]) -> Option<RateLimit> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        }
        RateLimit::from_headers(&headers, NOW)
    }

    #[test]
    fn chatwork_reset_is_an_absolute_time() {
        let limit = read(&[
            ("X-RateLimit-Limit", "300"),
            ("X-RateLimit-Remaining", "00"),
            ("X-RateLimit-Reset", "1390941626"),
        ])
        .expect("there are limits");
        assert_eq!((limit.limit, limit.remaining), (Some(300), Some(0)));
        assert_eq!(limit.reset_after, Some(Duration::from_secs(26)));
        assert_eq!(limit.reset, Some(Timestamp::constant(1_390_941_626, 0)));
    }

    #[test]
    fn the_servers_date_is_the_base_of_an_absolute_reset() {
        // The server's clock is an hour ahead of ours: the window still ends in 26 seconds.
        let limit = read(&[("x-ratelimit-reset", "1390945226"), ("date", "Tue, 28 Jan 2014 21:40:00 GMT")]);
        assert_eq!(limit.and_then(|limit| limit.reset_after), Some(Duration::from_secs(26)));
    }

    #[test]
    fn ietf_reset_counts_from_now_and_the_policy_has_the_window() {
        let limit = read(&[
            ("RateLimit-Limit", "300"),
            ("RateLimit-Remaining", "299"),
            ("RateLimit-Reset", "42"),
            ("RateLimit-Policy", "300;w=60"),
        ])
        .expect("there are limits");
        assert_eq!((limit.limit, limit.remaining), (Some(300), Some(299)));
        assert_eq!(
            (limit.reset_after, limit.window),
            (Some(Duration::from_secs(42)), Some(Duration::from_secs(60)))
        );
        assert_eq!(limit.reset, Some(Timestamp::constant(1_390_941_642, 0)));
    }

    #[test]
    fn structured_fields_say_the_same() {
        let limit = read(&[
            ("ratelimit", r#""burst";r=7;t=12, "month";r=100;t=9999"#),
            ("ratelimit-policy", r#""burst";q=300;w=60"#),
        ])
        .expect("there are limits");
        assert_eq!((limit.limit, limit.remaining), (Some(300), Some(7)));
        assert_eq!(
            (limit.reset_after, limit.window),
            (Some(Duration::from_secs(12)), Some(Duration::from_secs(60)))
        );
    }

    #[test]
    fn the_draft_with_members_and_the_binding_one_of_several() {
        let limit = read(&[("ratelimit", "limit=100, remaining=50, reset=5")]).expect("there are limits");
        assert_eq!((limit.limit, limit.remaining), (Some(100), Some(50)));
        assert_eq!(limit.reset_after, Some(Duration::from_secs(5)));
        let limit =
            read(&[("ratelimit", r#""burst";r=7;t=12, "month";r=0;t=9999"#)]).expect("there are limits");
        assert_eq!((limit.remaining, limit.reset_after), (Some(0), Some(Duration::from_secs(9999))));
    }

    #[test]
    fn monthly_units_reset_at_a_date_with_an_offset() {
        let limit = read(&[
            ("Tascha-Api-Units-Limit", "20000"),
            ("Tascha-Api-Units-Remaining", "19997"),
            ("Tascha-Api-Units-Used", "3"),
            ("Tascha-Api-Units-Cost", "3"),
            ("Tascha-Api-Units-Reset", "2026-07-01T00:00:00+09:00"),
            ("Tascha-RateLimit-Scope", "user"),
        ])
        .expect("there are limits");
        assert_eq!(limit.scope.as_deref(), Some("user"));
        let units = limit.units.expect("there are units");
        assert_eq!(
            (units.limit, units.remaining, units.used, units.cost),
            (Some(20000), Some(19997), Some(3), Some(3))
        );
        assert_eq!(units.reset, "2026-06-30T15:00:00Z".parse().ok());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |value| read(&[("retry-after", value)]).and_then(|limit| limit.retry_after);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Tue, 28 Jan 2014 20:40:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Tue, 28 Jan 2014 20:39:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-5"), None);
    }

    #[test]
    fn garbage_is_absence() {
        assert_eq!(read(&[]), None);
        assert_eq!(
            read(&[
                ("x-ratelimit-limit", "many"),
                ("x-ratelimit-remaining", "-1"),
                ("x-ratelimit-reset", "99999999999999999999"),
                ("ratelimit", ";;;=,"),
                ("ratelimit-policy", "w="),
                ("tascha-api-units-reset", "tomorrow"),
            ]),
            None
        );
        assert_eq!(read(&[("x-ratelimit-limit", "\u{ff}")]), None);
        let far = read(&[("ratelimit-reset", "18446744073709551615")]);
        assert_eq!(far, None);
        let far = read(&[("ratelimit-reset", "9223372036854775807"), ("ratelimit-remaining", "1")]);
        assert_eq!(far.map(|limit| (limit.reset, limit.reset_after)), Some((None, None)));
        let long = read(&[("retry-after", "18446744073709551615")]).and_then(|limit| limit.retry_after);
        assert_eq!(long, Some(FAR));
    }
}
