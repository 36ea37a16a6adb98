//! The account's window, as responses report it.
//!
//! | known | a call |
//! |---|---|
//! | nothing: there was no response yet | is sent, if none was sent within the last second |
//! | calls remain, less those in flight | is sent |
//! | no calls remain | waits for the end of the window, but at most 5 minutes; then one is sent and the others wait for its response |
//! | a call was refused | waits as long as the service asks for, within the same bound |

use super::gate::{CLOSED, FIRST_ANSWER, Gate};
use super::length::{AccountWindow, Length};
use super::store::Settlement;
use crate::clock::later;
use crate::limits::{MAX_WINDOW, RateLimit};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Account {
    limit: Option<u64>,
    remaining: Option<u64>,
    /// The reported window, by the service's clock.
    window: Option<AccountWindow>,
    /// Its end by the local clock, until it has ended.
    reset: Option<Instant>,
    length: Length,
    gate: Gate,
    /// Since when no calls remain, by the last response that said so.
    empty_since: Option<Instant>,
    /// Permits without a response yet. The service may have counted them or not. The remainder is the lowest reported one
    /// less all of these: never too high, and exact once all responses are there.
    in_flight: u64,
    answered: bool,
    /// When the last call was sent before the first response.
    probed: Option<Instant>,
}

impl Account {
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.roll(now);
        self.gate.check(now)?;
        match (self.left(), self.reset) {
            _ if self.gate.is_due() => {}
            (Some(0), reset) => {
                let bound = self.bound(now);
                match reset {
                    Some(reset) if reset <= bound => return Err(reset - now),
                    _ if bound <= now => self.gate.set_due(),
                    Some(_) => return Err(bound - now),
                    // A response will report the end of the window.
                    None if self.in_flight > 0 => return Err(FIRST_ANSWER),
                    None => {}
                }
            }
            (None, _) if !self.answered => {
                let next = self.probed.map(|at| later(at, FIRST_ANSWER)).filter(|_| self.in_flight > 0);
                if let Some(next) = next.filter(|next| *next > now) {
                    return Err(next - now);
                }
                self.probed = Some(now);
            }
            _ => {}
        }
        if self.gate.pass(now) && !self.ended_early() {
            // The known window was wrong or is over: the response to this call counts, whichever window it reports.
            self.window = None;
            self.reset = None;
        }
        self.begin();
        self.watch_the_rest(now);
        Ok(())
    }

    /// One more permit is in flight.
    pub(super) fn begin(&mut self) {
        self.in_flight += 1;
    }

    pub(super) fn settle(&mut self, how: Settlement<'_>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.answered |= matches!(how, Settlement::Sent(Some(_)) | Settlement::Exhausted(_));
        match how {
            Settlement::Unsent => self.gate.unanswered(),
            Settlement::Sent(limit) => match limit.filter(|limit| limit.remaining.is_some()) {
                Some(limit) => {
                    self.gate.answered();
                    self.learn(limit, now);
                }
                // The service has counted the request, but no response reports the remainder.
                None => {
                    self.gate.unanswered();
                    self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(1));
                }
            },
            Settlement::Exhausted(wait) => {
                if self.ended_early() {
                    self.length.refused(now);
                }
                self.gate.close(wait, now);
            }
        }
        self.watch_the_rest(now);
    }

    pub(super) fn estimate(&self, now: Instant) -> Duration {
        let empty = self.reset.filter(|_| self.left() == Some(0)).map(|reset| reset.min(self.bound(now)));
        let end = self.gate.until().max(empty);
        end.map_or(Duration::ZERO, |end| end.saturating_duration_since(now))
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    fn left(&self) -> Option<u64> {
        self.remaining.map(|remaining| remaining.saturating_sub(self.in_flight))
    }

    /// Until when calls wait for a window's end.
    fn bound(&self, now: Instant) -> Instant {
        later(self.empty_since.map_or(now, |since| since.min(now)), CLOSED)
    }

    fn watch_the_rest(&mut self, now: Instant) {
        self.empty_since = (self.left() == Some(0)).then(|| self.empty_since.unwrap_or(now));
    }

    /// Whether the window has ended before the reported time, and the next one was not reported yet.
    fn ended_early(&self) -> bool {
        self.reset.is_none() && self.length.is_early()
    }

    fn roll(&mut self, now: Instant) {
        if self.reset.is_some_and(|reset| reset <= now) {
            self.remaining = self.limit;
            self.reset = None;
            // Without a limit, only a response can report the size of the next window.
            self.answered &= self.limit.is_some();
            self.watch_the_rest(now);
            if self.length.is_early() {
                self.gate.try_out();
            }
        }
    }

    /// Learns from a response that arrived at `at`.
    fn learn(&mut self, limit: &RateLimit, at: Instant) {
        self.limit = limit.limit.or(self.limit);
        self.length.policy = limit.window.or(self.length.policy);
        let Some(remaining) = limit.remaining else { return };
        match (AccountWindow::of(limit), &self.window) {
            (Some(reported), Some(known)) if self.length.same(&reported, known) => {
                // After the end of the window, its late responses say nothing about the next.
                if self.reset.is_some() {
                    self.lower(remaining, at);
                }
            }
            (Some(reported), Some(known)) if reported.is_before(known) => {}
            (Some(reported), known) => {
                if let Some(known) = known {
                    self.length.learn(known, &reported);
                }
                let after = self.length.end(reported.after, at);
                self.reset = Some(later(at, after.min(MAX_WINDOW)));
                self.window = Some(reported);
                // Calls in flight count as unsettled, whichever window they were sent in.
                self.set(remaining, at);
            }
            // The end is unknown, so only the newest response counts.
            (None, None) => self.set(remaining, at),
            (None, Some(_)) => self.lower(remaining, at),
        }
    }

    fn lower(&mut self, remaining: u64, at: Instant) {
        self.set(self.remaining.map_or(remaining, |known| known.min(remaining)), at);
    }

    fn set(&mut self, remaining: u64, at: Instant) {
        self.remaining = Some(remaining);
        self.empty_since = (remaining == 0).then_some(at);
    }
}
