//! The posts of one room.

use super::gate::{FIRST_ANSWER, Gate};
use super::store::Settlement;
use crate::clock::later;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The posts in flight, and the times at which the finished ones stop counting.
///
/// A post counts from its permit until a whole window after its response: the service counts it at some moment in between.
#[derive(Debug, Default)]
pub(super) struct RoomBudget {
    in_flight: u32,
    free_at: VecDeque<Instant>,
    gate: Gate,
}

impl RoomBudget {
    fn roll(&mut self, now: Instant) {
        while self.free_at.front().is_some_and(|at| *at <= now) {
            self.free_at.pop_front();
        }
    }

    pub(super) fn is_forgettable(&mut self, now: Instant) -> bool {
        self.roll(now);
        self.in_flight == 0 && self.free_at.is_empty() && self.gate.check(now).is_ok()
    }

    pub(super) fn take(&mut self, posts: u32, now: Instant) -> Result<(), Duration> {
        self.roll(now);
        self.gate.check(now)?;
        if self.in_flight as usize + self.free_at.len() < posts as usize {
            self.gate.pass(now);
            self.in_flight += 1;
            return Ok(());
        }
        // If all of them are in flight the time is unknown: a permit may be returned at any moment.
        Err(self.free_at.front().map_or(FIRST_ANSWER, |at| *at - now))
    }

    /// One more post is in flight, whatever the limit is.
    #[cfg(feature = "redis")]
    pub(super) fn begin(&mut self, now: Instant) {
        self.roll(now);
        self.in_flight += 1;
    }

    pub(super) fn settle(&mut self, how: Settlement<'_>, window: Duration, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match how {
            Settlement::Unsent => self.gate.unanswered(),
            Settlement::Sent(_) => {
                self.gate.answered();
                self.free_at.push_back(later(now, window));
            }
            Settlement::Exhausted(wait) => self.gate.close(wait, now),
        }
    }

    pub(super) fn estimate(&self, (posts, window): (u32, Duration), ahead: u32, now: Instant) -> Duration {
        let (rounds, rest) = (ahead / posts.max(1), ahead % posts.max(1));
        let slot = self.free_at.get(rest as usize).map_or(window, |at| at.saturating_duration_since(now));
        let closed = self.gate.until().map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        slot.max(closed).saturating_add(window.saturating_mul(rounds))
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }
}
