//! Time that runs faster.

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use kaiwa::Clock;
use std::time::{Duration, Instant};

/// How many seconds pass in a real one.
const PACE: u32 = 50;

/// The clock that client and sandbox share. It is real, so sockets and waits stay in order, and fifty times as fast, so
/// timeouts, backoffs and requested waits can have realistic lengths.
#[derive(Clone, Debug)]
pub struct FastClock {
    origin: Instant,
    epoch: Timestamp,
}

impl FastClock {
    pub fn new() -> Self {
        Self { origin: Instant::now(), epoch: Timestamp::now() }
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed() * PACE
    }
}

impl Clock for FastClock {
    fn now(&self) -> Instant {
        self.origin + self.elapsed()
    }

    fn wall(&self) -> Timestamp {
        self.epoch + SignedDuration::try_from(self.elapsed()).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration / PACE))
    }
}
