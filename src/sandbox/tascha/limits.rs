//! The burst window and the monthly units, and the headers that report them.
//!
//! The reference prints the headers of one success. That a full window is answered with 429 and `Retry-After`, that
//! spent units are too, that refused requests cost no units and that errors carry the headers is inferred.

use super::error::Failure;
use crate::sandbox::state::Now;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::{Timestamp, civil, tz::Offset};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const JAPAN: Offset = Offset::constant(9);

/// Quotas of one actor.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    pub(super) burst: u64,
    pub(super) window: Duration,
    pub(super) units: u64,
    pub(super) units_exhausted: StatusCode,
}

impl Default for Quota {
    /// The numbers of the one answer that the reference prints.
    fn default() -> Self {
        Self {
            burst: 300,
            window: Duration::from_secs(60),
            units: 20_000,
            units_exhausted: StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// The account that a request is charged to: the user for all keys and tokens of a person, else the organization.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Payer {
    /// The value of `Tascha-RateLimit-Scope`; `user` is the only one that is printed.
    pub(super) scope: &'static str,
    pub(super) id: String,
}

#[derive(Debug)]
struct Account {
    window_start: Instant,
    requests: u64,
    month: civil::Date,
    units: u64,
}

impl Account {
    fn at(now: Now) -> Self {
        Self { window_start: now.instant, requests: 0, month: month(now.wall), units: 0 }
    }

    /// Starts a new window or a new month if the old one is over.
    fn refresh(&mut self, now: Now, quota: &Quota) {
        if now.instant.saturating_duration_since(self.window_start) >= quota.window {
            self.window_start = now.instant;
            self.requests = 0;
        }
        let month = month(now.wall);
        if month != self.month {
            self.month = month;
            self.units = 0;
        }
    }

    fn window_left(&self, now: Now, quota: &Quota) -> u64 {
        let left = quota.window.saturating_sub(now.instant.saturating_duration_since(self.window_start));
        // Rounded up, so that the window is over after a wait of this length.
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }
}

/// What is left of a window, and how many seconds of it, if it is open.
#[cfg(feature = "sandbox-window")]
pub(super) struct Left {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) seconds: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Limits {
    quota: Quota,
    accounts: BTreeMap<Payer, Account>,
}

impl Limits {
    pub(super) fn new(quota: Quota) -> Self {
        Self { quota, accounts: BTreeMap::new() }
    }

    /// Counts a request in the burst window, or says why it is refused.
    pub(super) fn admit(&mut self, payer: &Payer, now: Now, cost: u64) -> Result<(), Failure> {
        let (account, quota) = self.account(payer, now);
        if account.requests >= quota.burst {
            let seconds = account.window_left(now, quota);
            return Err(Failure::too_many_requests().retry_after(seconds));
        }
        account.requests += 1;
        if account.units + cost > quota.units {
            let left = month_end(account.month).duration_since(now.wall).as_secs();
            let message = "The units of this month are spent.";
            return Err(Failure::new(quota.units_exhausted, "units_exhausted", message)
                .retry_after(u64::try_from(left).unwrap_or(0) + 1));
        }
        Ok(())
    }

    pub(super) fn charge(&mut self, payer: &Payer, now: Now, cost: u64) {
        self.account(payer, now).0.units += cost;
    }

    /// Units that a payer has used this month.
    pub(super) fn units_used(&mut self, payer: &Payer, now: Now) -> u64 {
        self.account(payer, now).0.units
    }

    /// Writes the state after a request into the headers of its answer.
    pub(super) fn report(&mut self, payer: &Payer, now: Now, cost: u64, headers: &mut HeaderMap) {
        let (account, quota) = self.account(payer, now);
        let mut put = |name: &'static str, value: HeaderValue| {
            headers.insert(HeaderName::from_static(name), value);
        };
        put("ratelimit-limit", quota.burst.into());
        put("ratelimit-remaining", quota.burst.saturating_sub(account.requests).into());
        put("ratelimit-reset", account.window_left(now, quota).into());
        put("ratelimit-policy", text(format!("{};w={}", quota.burst, quota.window.as_secs())));
        put("tascha-api-units-limit", quota.units.into());
        put("tascha-api-units-remaining", quota.units.saturating_sub(account.units).into());
        put("tascha-api-units-used", account.units.into());
        put("tascha-api-units-cost", cost.into());
        put("tascha-api-units-reset", text(format!("{}T00:00:00+09:00", next_month(account.month))));
        put("tascha-ratelimit-scope", HeaderValue::from_static(payer.scope));
    }

    /// What is left of the window of each payer who has called.
    #[cfg(feature = "sandbox-window")]
    pub(super) fn left(&self, now: Now) -> Vec<(String, Left)> {
        let Quota { burst, window, .. } = self.quota;
        let left = |account: &Account| {
            let over = now.instant.saturating_duration_since(account.window_start) >= window;
            let used = if over { 0 } else { account.requests };
            Left {
                limit: burst,
                remaining: burst.saturating_sub(used),
                seconds: (!over).then(|| account.window_left(now, &self.quota)),
            }
        };
        self.accounts.iter().map(|(payer, account)| (payer.id.clone(), left(account))).collect()
    }

    fn account(&mut self, payer: &Payer, now: Now) -> (&mut Account, &Quota) {
        let account = self.accounts.entry(payer.clone()).or_insert_with(|| Account::at(now));
        account.refresh(now, &self.quota);
        (account, &self.quota)
    }
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("digits and punctuation are a header value")
}

fn month(at: Timestamp) -> civil::Date {
    JAPAN.to_datetime(at).date().first_of_month()
}

fn next_month(month: civil::Date) -> civil::Date {
    month.last_of_month().tomorrow().unwrap_or(civil::Date::MAX)
}

fn month_end(month: civil::Date) -> Timestamp {
    JAPAN.to_timestamp(next_month(month).at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
}
