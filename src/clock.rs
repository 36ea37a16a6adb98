//! Clocks: the time that everything in the crate uses.
//!
//! ```
//! use kaiwa::{Clock, VirtualClock};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let before = clock.now();
//! clock.advance(Duration::from_secs(300));
//! assert_eq!(clock.now() - before, Duration::from_secs(300));
//! ```

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The clock that a client reads and waits on.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Monotonic time, for deadlines, waits and windows.
    fn now(&self) -> Instant;

    /// Wall-clock time, for `Retry-After` dates and token expiries.
    fn wall(&self) -> Timestamp;

    /// Ends once `duration` has passed.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// As [`sleep`](Self::sleep), for events outside the driven future: [`VirtualClock::drive`] does not move the clock for
    /// them.
    #[doc(hidden)]
    fn sleep_elsewhere(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep(duration)
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn wall(&self) -> Timestamp {
        (**self).wall()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        (**self).sleep(duration)
    }

    fn sleep_elsewhere(&self, duration: Duration) -> BoxFuture<'static, ()> {
        (**self).sleep_elsewhere(duration)
    }
}

/// The system's time, with tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The longest wait that a clock measures; a longer one never ends.
const AGE: Duration = Duration::from_secs(1000 * 366 * 24 * 60 * 60);

/// The time at which a virtual clock stops, far beyond the years of a wall clock.
const END: Duration = Duration::from_secs(1 << 50);

/// The end of `wait`, or the latest time of the clock: a wait from a service, a store or a user can be of any length.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).or_else(|| now.checked_add(AGE)).unwrap_or(now)
}

/// The same on the wall clock, up to its last time.
#[cfg(feature = "outbox")]
pub(crate) fn later_on_the_wall(now: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

/// A clock that moves only when it is advanced, for tests of a program's waits.
///
/// It can be moved by 1,000 years at a time, and a longer wait never ends.
///
/// Clones share the same time. tokio's own paused clock jumps ahead while the program waits for a socket; this one moves
/// only by [`advance`](Self::advance), or under [`drive`](Self::drive).
#[derive(Clone)]
pub struct VirtualClock {
    state: Arc<Mutex<VirtualTime>>,
    origin: Instant,
    epoch: Timestamp,
}

#[derive(Default)]
struct VirtualTime {
    elapsed: Duration,
    next_id: u64,
    /// The current waits, by when they end.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    /// The waits for which `drive` does not move the clock.
    elsewhere: BTreeMap<(Duration, u64), Waker>,
    driver: Option<Waker>,
}

impl VirtualClock {
    /// A clock at 2026-01-01 00:00:00 in Japan.
    pub fn new() -> Self {
        Self::starting_at(Timestamp::constant(1_767_193_200, 0))
    }

    /// A clock whose wall time starts at `epoch`.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { state: Arc::default(), origin: Instant::now(), epoch }
    }

    /// How far the clock has moved.
    pub fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    /// How many waits have not ended.
    pub fn sleepers(&self) -> usize {
        self.lock().sleepers.len()
    }

    /// How long until the next wait ends.
    pub fn next_wake(&self) -> Option<Duration> {
        let state = self.lock();
        let (deadline, _) = state.sleepers.keys().next()?;
        Some(deadline.saturating_sub(state.elapsed))
    }

    /// Moves the clock, by at most 1,000 years, and ends every wait that is over then.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.lock();
        state.elapsed = state.elapsed.saturating_add(duration.min(AGE)).min(END);
        let elapsed = state.elapsed;
        let VirtualTime { sleepers, elsewhere, .. } = &mut *state;
        let due = [sleepers, elsewhere].map(|waits| {
            let rest = waits.split_off(&(elapsed, u64::MAX));
            std::mem::replace(waits, rest)
        });
        drop(state);
        due.into_iter().flat_map(BTreeMap::into_values).for_each(Waker::wake);
    }

    /// Runs `future`, moving the clock to the end of the next wait whenever the future has to wait.
    ///
    /// It does not know why the future waits: a timeout also ends while the future waits for a socket. Build such clients
    /// without timeouts (`timeout(None)`, `attempt_timeout(None)`), as a sandbox with such a clock does. On a multi-threaded
    /// runtime the clock can pass the next wait before the task of the last one has run.
    pub async fn drive<F: IntoFuture>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future.into_future());
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                self.lock().driver = None;
                return Poll::Ready(output);
            }
            self.lock().driver = Some(context.waker().clone());
            if let Some(wait) = self.next_wake() {
                self.advance(wait);
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    fn wait(&self, duration: Duration, elsewhere: bool) -> BoxFuture<'static, ()> {
        if duration > AGE {
            return Box::pin(std::future::pending());
        }
        let mut state = self.lock();
        let key = (state.elapsed.saturating_add(duration).min(END), state.next_id);
        state.next_id += 1;
        drop(state);
        Box::pin(Sleep { clock: self.clone(), key, elsewhere })
    }

    fn lock(&self) -> MutexGuard<'_, VirtualTime> {
        // Nothing panics while the lock is held, and the state is valid between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        later(self.origin, self.elapsed())
    }

    fn wall(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.elapsed());
        elapsed.ok().and_then(|elapsed| self.epoch.checked_add(elapsed).ok()).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.wait(duration, false)
    }

    fn sleep_elsewhere(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.wait(duration, true)
    }
}

struct Sleep {
    clock: VirtualClock,
    key: (Duration, u64),
    elsewhere: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.elapsed >= self.key.0 {
            return Poll::Ready(());
        }
        if self.elsewhere {
            state.elsewhere.insert(self.key, context.waker().clone());
            return Poll::Pending;
        }
        state.sleepers.insert(self.key, context.waker().clone());
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut state = self.clock.lock();
        let waits = if self.elsewhere { &mut state.elsewhere } else { &mut state.sleepers };
        waits.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_when_the_clock_passes_it_and_not_before() {
        let clock = VirtualClock::new();
        let waiting = tokio::spawn(clock.sleep(Duration::from_secs(10)));
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.next_wake(), Some(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Duration::from_secs(1));
        waiting.await.expect("the wait ends");
        assert_eq!(clock.sleepers(), 0);
    }

    #[tokio::test]
    async fn a_dropped_wait_is_forgotten() {
        let clock = VirtualClock::new();
        let mut wait = clock.sleep(Duration::from_secs(1));
        assert!(futures::poll!(&mut wait).is_pending());
        assert_eq!(clock.sleepers(), 1);
        drop(wait);
        assert_eq!(clock.sleepers(), 0);
    }

    #[tokio::test]
    async fn a_wait_that_is_no_longer_polled_does_not_delay_others() {
        let clock = VirtualClock::new();
        let mut kept = clock.sleep(Duration::from_secs(1));
        assert!(futures::poll!(&mut kept).is_pending());
        clock.drive(clock.sleep(Duration::from_secs(2))).await;
        assert_eq!((clock.elapsed(), clock.sleepers()), (Duration::from_secs(2), 0));
        kept.await;
    }

    #[tokio::test]
    async fn a_wait_in_another_task_ends_when_the_clock_passes_it_and_does_not_move_it() {
        let clock = VirtualClock::new();
        let elsewhere = tokio::spawn(clock.sleep_elsewhere(Duration::from_secs(10)));
        tokio::task::yield_now().await;
        clock.drive(clock.sleep(Duration::from_secs(9))).await;
        clock.drive(tokio::task::yield_now()).await;
        assert_eq!((clock.elapsed(), clock.sleepers(), clock.next_wake()), (Duration::from_secs(9), 0, None));
        assert!(!elsewhere.is_finished());
        clock.drive(clock.sleep(Duration::from_secs(2))).await;
        assert_eq!(clock.elapsed(), Duration::from_secs(11));
        elsewhere.await.expect("it ends");
        let mut dropped = clock.sleep_elsewhere(Duration::from_secs(1));
        assert!(futures::poll!(&mut dropped).is_pending());
        drop(dropped);
        assert!(clock.lock().elsewhere.is_empty());
    }

    #[tokio::test]
    async fn extreme_waits_move_the_clock_at_most_to_its_end() {
        let clock = VirtualClock::new();
        let endless = tokio::spawn(clock.sleep(Duration::MAX));
        let long = tokio::spawn(clock.sleep(Duration::from_secs(366 * 24 * 60 * 60)));
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::MAX);
        long.await.expect("the wait ends");
        assert!(!endless.is_finished());
        let before = clock.now();
        clock.drive(clock.sleep(Duration::from_secs(5))).await;
        assert_eq!(clock.now() - before, Duration::from_secs(5), "it still goes on");
        for _ in 0..100_000 {
            clock.advance(Duration::MAX);
        }
        assert_eq!((clock.wall(), clock.elapsed()), (Timestamp::MAX, END));
        assert!(clock.now() > before);
        let earliest = VirtualClock::starting_at(Timestamp::MIN);
        earliest.advance(Duration::MAX);
        assert!(earliest.wall() > Timestamp::MIN);
        assert!(later(clock.now(), Duration::MAX) > clock.now());
    }

    #[tokio::test]
    async fn driving_jumps_from_wait_to_wait() {
        let clock = VirtualClock::new();
        clock
            .drive(async {
                clock.sleep(Duration::from_secs(60)).await;
                let inner = clock.clone();
                tokio::spawn(async move { inner.sleep(Duration::from_secs(5)).await })
                    .await
                    .expect("it ends");
            })
            .await;
        assert_eq!(clock.elapsed(), Duration::from_secs(65));
    }
}
