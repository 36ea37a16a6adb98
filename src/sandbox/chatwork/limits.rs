//! Rate limits that limit.

use jiff::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// A number of calls in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) calls: u64,
    pub(super) period: Duration,
}

/// The window of an account. It opens with the first call, and ends when its period is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    opened: Timestamp,
    used: u64,
}

/// What the rate headers report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    /// Unix seconds.
    pub(super) reset: i64,
}

impl Window {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { opened: now, used: 0 }
    }

    /// Counts a call, if there is room for it.
    pub(super) fn take(&mut self, limit: Limit, now: Timestamp) -> bool {
        if now >= self.end(limit) {
            *self = Self::new(now);
        }
        let free = self.used < limit.calls;
        self.used += u64::from(free);
        free
    }

    /// Takes back the call that was counted last.
    pub(super) fn refund(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    pub(super) fn quota(&self, limit: Limit) -> Quota {
        // Rounded up: at the second reported, the window is really over.
        let end = self.end(limit);
        let reset = end.as_second() + i64::from(end.subsec_nanosecond() > 0);
        Quota { limit: limit.calls, remaining: limit.calls.saturating_sub(self.used), reset }
    }

    /// What is reported when nothing remains of the current window, or of one that opens now.
    pub(super) fn used_up(window: Option<Self>, limit: Limit, now: Timestamp) -> Quota {
        let under_way = window.filter(|window| now < window.end(limit));
        Quota { remaining: 0, ..under_way.unwrap_or(Self::new(now)).quota(limit) }
    }

    /// What is left of the window of now, and how many seconds of it; of one that has not opened, all and none.
    #[cfg(feature = "sandbox-window")]
    pub(super) fn left(window: Option<Self>, limit: Limit, now: Timestamp) -> (u64, Option<i64>) {
        match window.filter(|window| now < window.end(limit)) {
            Some(window) => {
                let Quota { remaining, reset, .. } = window.quota(limit);
                (remaining, Some(reset - now.as_second()))
            }
            None => (limit.calls, None),
        }
    }

    fn end(&self, limit: Limit) -> Timestamp {
        self.opened.checked_add(limit.period).unwrap_or(Timestamp::MAX)
    }
}

/// Posts of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Rolling(VecDeque<Timestamp>);

impl Rolling {
    /// Counts a post, if there is room for it.
    pub(super) fn take(&mut self, limit: Limit, now: Timestamp) -> bool {
        while let Some(oldest) = self.0.front()
            && now >= oldest.checked_add(limit.period).unwrap_or(Timestamp::MAX)
        {
            self.0.pop_front();
        }
        let free = (self.0.len() as u64) < limit.calls;
        if free {
            self.0.push_back(now);
        }
        free
    }

    /// How many posts count now.
    #[cfg(feature = "sandbox-window")]
    pub(super) fn used(&self, limit: Limit, now: Timestamp) -> usize {
        let counts = |at: &&Timestamp| now < at.checked_add(limit.period).unwrap_or(Timestamp::MAX);
        self.0.iter().filter(counts).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { calls: 2, period: Duration::from_secs(10) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::constant(seconds, 0)
    }

    #[test]
    fn a_window_is_fixed() {
        let mut window = Window::new(at(0));
        assert!(window.take(LIMIT, at(0)) && window.take(LIMIT, at(9)));
        assert!(!window.take(LIMIT, at(9)));
        assert_eq!(window.quota(LIMIT), Quota { limit: 2, remaining: 0, reset: 10 });
        assert!(window.take(LIMIT, at(10)));
        assert_eq!(window.quota(LIMIT), Quota { limit: 2, remaining: 1, reset: 20 });
        window.refund();
        assert_eq!(window.quota(LIMIT).remaining, 2);
    }

    #[test]
    fn posts_are_counted_over_the_last_seconds() {
        let mut posts = Rolling::default();
        assert!(posts.take(LIMIT, at(0)) && posts.take(LIMIT, at(9)));
        assert!(!posts.take(LIMIT, at(9)));
        assert!(posts.take(LIMIT, at(10)));
        assert!(!posts.take(LIMIT, at(18)));
        assert!(posts.take(LIMIT, at(19)));
    }
}
