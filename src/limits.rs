//! The limits that services report, in every format.
//!
//! | header | meaning |
//! |---|---|
//! | `x-ratelimit-limit`, `-remaining`, `-reset` | the account's window; `reset` is in Unix seconds |
//! | `RateLimit-Limit`, `-Remaining`, `-Reset`, `RateLimit-Policy: 300;w=60` | IETF drafts up to 06; `Reset` counts seconds from now |
//! | `RateLimit: limit=300, remaining=299, reset=42` | IETF draft 07 |
//! | `RateLimit: "p";r=299;t=42`, `RateLimit-Policy: "p";q=300;w=60` | IETF drafts from 08; of several the one with the least left |
//! | `…-Api-Units-Limit`, `-Remaining`, `-Used`, `-Cost`, `-Reset` | monthly units, with a service's name in front, such as `Tascha`; `Reset` is RFC 3339 |
//! | `…-RateLimit-Scope` | which bucket was charged |
//! | `Retry-After` | seconds, or an HTTP date in any of its three forms |
//!
//! Times may have a fraction. Every header is optional, and one that does not parse counts as absent. So does a
//! `Retry-After` of more than a day: it is wrong, or of no use to a program.

mod date;
#[cfg(test)]
mod tests;

use date::http_date;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AsHeaderName, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use std::time::Duration;

/// The longest window: a longer time is invalid.
pub(crate) const MAX_WINDOW: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The longest wait that a service may ask for.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits that a response reported.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RateLimit {
    /// How many requests the window allows.
    pub limit: Option<u64>,
    /// How many requests remain in the window.
    pub remaining: Option<u64>,
    /// When the next window begins, by the service's clock.
    pub reset: Option<Timestamp>,
    /// The time from the response to then, based on the service's own `Date`, so a wrong local clock does no harm.
    pub reset_after: Option<Duration>,
    /// How long the window is.
    pub window: Option<Duration>,
    /// The month's units, which TAS-CHA reports.
    pub units: Option<Units>,
    /// The bucket that was charged, such as `user`.
    pub scope: Option<String>,
    /// How long the service asks to wait before the next request.
    pub retry_after: Option<Duration>,
}

/// A month's API units, which TAS-CHA reports.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Units {
    /// The month's allowance.
    pub limit: Option<u64>,
    /// The remaining units.
    pub remaining: Option<u64>,
    /// The used units.
    pub used: Option<u64>,
    /// The cost of this request.
    pub cost: Option<u64>,
    /// When the next month's allowance begins.
    pub reset: Option<Timestamp>,
}

/// What stands before a field of the units.
const UNITS: &str = "-api-units-";

/// The end of the header with the bucket that was charged.
const SCOPE: &str = "-ratelimit-scope";

/// The formats in a response: each costs several lookups, and most responses have one.
#[derive(Default)]
struct Dialects {
    unix: bool,
    ietf: bool,
    units: bool,
    scope: bool,
    retry_after: bool,
}

impl Dialects {
    fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            match name.as_str().as_bytes() {
                [b'x', b'-', b'r', b'a', ..] => found.unix = true,
                [b'r', b'a', ..] => found.ietf = true,
                [b'r', b'e', b't', ..] => found.retry_after = true,
                [.., b's', b'c', b'o', b'p', b'e'] => found.scope |= name.as_str().ends_with(SCOPE),
                bytes if bytes.len() > UNITS.len() + 4 => found.units |= name.as_str().contains(UNITS),
                _ => {}
            }
        }
        found
    }

    fn any(&self) -> bool {
        self.unix || self.ietf || self.units || self.scope || self.retry_after
    }
}

impl RateLimit {
    /// Reads a response's headers. `now` is the local wall-clock time at which they arrived, used if the response has no
    /// `Date`. `None` if they report no limits.
    pub fn from_headers(headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let dialects = Dialects::of(headers);
        if !dialects.any() {
            return None;
        }
        let now = date_near(headers, now).unwrap_or(now);
        let mut limit = Self::default();
        if dialects.unix {
            limit.read_unix(headers, now);
        }
        if dialects.ietf {
            limit.read_ietf(headers, now);
        }
        if dialects.units {
            limit.units = Units::from_headers(headers);
        }
        if dialects.scope {
            let scope = headers.keys().find(|name| name.as_str().ends_with(SCOPE));
            limit.scope = scope.and_then(|name| text(headers, name)).map(str::to_owned);
        }
        if dialects.retry_after {
            // The longest of several: each is a wait that one of the servers asks for.
            let waits = texts(headers, RETRY_AFTER).flat_map(|value| retry_after(value, now));
            limit.retry_after = waits.filter(|wait| *wait <= DAY).max();
        }
        (limit != Self::default()).then_some(limit)
    }

    fn read_unix(&mut self, headers: &HeaderMap, now: Timestamp) {
        static LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
        static REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
        static RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
        self.limit = number(headers, &LIMIT);
        self.remaining = number(headers, &REMAINING);
        let since_epoch = text(headers, &RESET).and_then(seconds);
        self.set_reset(since_epoch.and_then(|since_epoch| after(Timestamp::UNIX_EPOCH, since_epoch)), now);
    }

    fn read_ietf(&mut self, headers: &HeaderMap, now: Timestamp) {
        // The first drafts have the policy after the limit.
        let quota = text(headers, "ratelimit-limit").and_then(|value| value.split([',', ';']).next());
        self.limit = self.limit.or_else(|| quota?.trim().parse().ok());
        self.remaining = self.remaining.or_else(|| number(headers, "ratelimit-remaining"));
        self.set_reset_after(text(headers, "ratelimit-reset").and_then(seconds), now);

        let list = list(headers, "ratelimit");
        let binding = if list.contains("remaining=") {
            self.limit = self.limit.or_else(|| member(&list, "limit")?.parse().ok());
            self.remaining = self.remaining.or_else(|| member(&list, "remaining")?.parse().ok());
            self.set_reset_after(member(&list, "reset").and_then(seconds), now);
            None
        } else {
            let left = |item: &&str| count(item, "r").unwrap_or(u64::MAX);
            let binding = list.split(',').min_by_key(left).unwrap_or_default();
            self.remaining = self.remaining.or_else(|| count(binding, "r"));
            self.set_reset_after(parameter(binding, "t").and_then(seconds), now);
            Some(name(binding)).filter(|name| !name.is_empty())
        };

        // Of several policies, the one of the item that was read above.
        let policies = self::list(headers, "ratelimit-policy");
        let named = policies.split(',').find(|policy| binding.is_some_and(|binding| name(policy) == binding));
        let quota = |policy: &&str| name(policy).parse().ok().or_else(|| count(policy, "q"));
        let sized = || policies.split(',').find(|policy| self.limit.is_some() && quota(policy) == self.limit);
        let policy = named.or_else(sized).or_else(|| policies.split(',').next()).unwrap_or_default();
        self.window = parameter(policy, "w").and_then(seconds).filter(|window| !window.is_zero());
        self.limit = self.limit.or_else(|| count(policy, "q"));
    }

    fn set_reset(&mut self, reset: Option<Timestamp>, now: Timestamp) {
        let Some(reset) = reset else { return };
        let after = Duration::try_from(reset.duration_since(now)).unwrap_or_default();
        if after <= MAX_WINDOW {
            self.reset = Some(reset);
            self.reset_after = Some(after);
        }
    }

    /// The first header with the end of the window counts.
    fn set_reset_after(&mut self, wait: Option<Duration>, now: Timestamp) {
        if self.reset.is_none() {
            self.set_reset(wait.and_then(|wait| after(now, wait)), now);
        }
    }
}

impl RateLimit {
    /// Adopts the fields of a newer response, and keeps those that it does not have.
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
        let mut units = Self::default();
        for name in headers.keys() {
            let Some((_, field)) = name.as_str().split_once(UNITS) else { continue };
            match field {
                "limit" => units.limit = number(headers, name),
                "remaining" => units.remaining = number(headers, name),
                "used" => units.used = number(headers, name),
                "cost" => units.cost = number(headers, name),
                "reset" => units.reset = text(headers, name).and_then(|value| value.parse().ok()),
                _ => {}
            }
        }
        (units != Self::default()).then_some(units)
    }
}

/// The values of a header, from the first line of it to the last.
fn texts(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| Some(value.to_str().ok()?.trim()))
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    texts(headers, name).next()
}

/// A list, whose items may be in several lines.
fn list(headers: &HeaderMap, name: &str) -> String {
    texts(headers, name).collect::<Vec<_>>().join(",")
}

fn number(headers: &HeaderMap, name: impl AsHeaderName) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// The name of an item such as `"burst";q=300;w=60`, or the number instead of it.
fn name(item: &str) -> &str {
    item.split(';').next().unwrap_or_default().trim()
}

/// A parameter of such an item.
fn parameter<'a>(item: &'a str, name: &str) -> Option<&'a str> {
    item.split(';').skip(1).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
}

fn count(item: &str, name: &str) -> Option<u64> {
    parameter(item, name)?.parse().ok()
}

/// The value of a member of a list such as `limit=300, remaining=299`.
fn member<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    list.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The service's time of the response.
#[cfg_attr(partial, allow(dead_code))]
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    date_near(headers, Timestamp::now())
}

fn date_near(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    text(headers, DATE).and_then(|value| http_date(value, now))
}

/// `Retry-After`: seconds, or a date. A joined line has several.
fn retry_after(value: &str, now: Timestamp) -> Vec<Duration> {
    if let Some(date) = http_date(value, now) {
        return vec![Duration::try_from(date.duration_since(now)).unwrap_or_default()];
    }
    value.split(',').filter_map(|part| seconds(part.trim())).collect()
}

/// Seconds, whole or with a fraction of any length: digits, and if there is a dot, digits after it. They are rounded up to the
/// clock's precision, so that no wait is too short.
fn seconds(value: &str) -> Option<Duration> {
    let Some((whole, fraction)) = value.split_once('.') else {
        return value
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| value.parse().ok())?
            .map(Duration::from_secs);
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let (read, rest) = fraction.split_at(fraction.len().min(9));
    let nanos: u64 = format!("{read:0<9}").parse().ok()?;
    let finer = u64::from(rest.bytes().any(|digit| digit != b'0'));
    Duration::from_secs(whole.parse().ok()?).checked_add(Duration::from_nanos(nanos + finer))
}

fn after(time: Timestamp, wait: Duration) -> Option<Timestamp> {
    time.checked_add(SignedDuration::try_from(wait).ok()?).ok()
}
