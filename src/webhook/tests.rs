//! The states of an event, in memory and through a store that fails.

use super::claims::{Attempt, ClaimGuard, Claims, wait_for_held};
use super::*;
use crate::{StoreError, VirtualClock};
use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn cache(capacity: usize) -> (MemoryReplayCache, VirtualClock) {
    let clock = VirtualClock::new();
    (MemoryReplayCache::with_clock(capacity, Arc::new(clock.clone())), clock)
}

fn id(number: u128) -> ClaimId {
    ClaimId::from_u128(number)
}

/// A cache whose calls end at once.
trait AtOnce {
    fn claims(&self, key: &str, id: u128, lease: Duration) -> Claim;
    fn marks(&self, key: &str, id: u128, time: Duration) -> bool;
    fn releases(&self, key: &str, id: u128);
    fn forgets(&self, key: &str);

    /// Claims the event and marks it as done.
    fn handles(&self, key: &str, time: Duration) -> bool {
        self.claims(key, u128::MAX, MINUTE) == Claim::New && self.marks(key, u128::MAX, time)
    }
}

impl AtOnce for MemoryReplayCache {
    fn claims(&self, key: &str, number: u128, lease: Duration) -> Claim {
        self.claim(key, id(number), lease).now_or_never().expect("in memory").expect("in memory")
    }

    fn marks(&self, key: &str, number: u128, time: Duration) -> bool {
        self.done(key, id(number), time).now_or_never().expect("in memory").expect("in memory")
    }

    fn releases(&self, key: &str, number: u128) {
        self.release(key, id(number)).now_or_never().expect("in memory").expect("in memory");
    }

    fn forgets(&self, key: &str) {
        self.forget(key).now_or_never().expect("in memory").expect("in memory");
    }
}

#[test]
fn an_event_is_claimed_by_one_until_its_lease_ends() {
    let (cache, clock) = cache(10);
    assert_eq!(cache.claims("a", 1, MINUTE), Claim::New);
    clock.advance(MINUTE - SECOND);
    assert_eq!(cache.claims("a", 2, MINUTE), Claim::Held { left: SECOND });
    clock.advance(SECOND);
    assert_eq!(cache.claims("a", 2, MINUTE), Claim::New);
    assert_eq!(cache.claims("a", 1, MINUTE), Claim::Held { left: MINUTE });
    // A renewed claim holds for another lease.
    clock.advance(MINUTE / 2);
    assert_eq!(cache.claims("a", 2, MINUTE), Claim::New);
    assert_eq!(cache.claims("a", 1, MINUTE), Claim::Held { left: MINUTE });
    assert_eq!(cache.claims("ever", 1, Duration::MAX), Claim::New);
    clock.advance(DAY * 365);
    assert_eq!(cache.claims("ever", 2, MINUTE), Claim::Held { left: Duration::MAX });
}

#[test]
fn a_done_event_is_new_again_after_its_time() {
    let (cache, clock) = cache(10);
    assert!(cache.handles("a", 2 * MINUTE));
    clock.advance(2 * MINUTE - SECOND);
    assert_eq!(cache.claims("a", 2, MINUTE), Claim::Done);
    clock.advance(SECOND);
    assert_eq!(cache.claims("a", 2, MINUTE), Claim::New);
}

#[test]
fn a_claim_that_another_has_taken_over_has_no_effect() {
    let (cache, clock) = cache(10);
    assert_eq!(cache.claims("a", 1, MINUTE), Claim::New);
    clock.advance(MINUTE);
    assert_eq!(cache.claims("a", 2, MINUTE), Claim::New);
    cache.releases("a", 1);
    assert!(!cache.marks("a", 1, DAY));
    assert_eq!(cache.claims("a", 3, MINUTE), Claim::Held { left: MINUTE });
    assert!(cache.marks("a", 2, DAY));
    cache.releases("a", 1);
    cache.releases("a", 2);
    assert_eq!(cache.claims("a", 3, MINUTE), Claim::Done);
}

/// The work is done, and nobody else has begun it.
#[test]
fn a_late_done_counts_if_nobody_has_taken_over() {
    let (cache, clock) = cache(10);
    assert_eq!(cache.claims("a", 1, MINUTE), Claim::New);
    clock.advance(2 * MINUTE);
    assert!(cache.marks("a", 1, DAY));
    assert_eq!(cache.claims("a", 2, MINUTE), Claim::Done);
    // The answer may be lost, and the call repeated.
    assert!(cache.marks("a", 1, DAY));
}

#[test]
fn a_released_or_forgotten_event_is_new_and_takes_no_space() {
    let (cache, _) = cache(2);
    assert!(cache.handles("a", MINUTE));
    for round in 0..10 {
        assert_eq!(cache.claims("b", round, MINUTE), Claim::New);
        cache.releases("b", round);
        assert!(cache.handles("b", MINUTE));
        cache.forgets("b");
    }
    assert_eq!((cache.claims("a", 1, MINUTE), cache.len()), (Claim::Done, 1));
    cache.forgets("a");
    assert!(cache.is_empty());
}

/// A day for the events of one service, minutes for those of another.
#[test]
fn expired_events_are_evicted_first_and_claims_last() {
    let (cache, clock) = cache(3);
    assert!(cache.handles("tascha:1", DAY));
    assert!(cache.handles("chatwork:1", MINUTE) && cache.handles("chatwork:2", MINUTE));
    clock.advance(MINUTE);
    assert!(cache.handles("chatwork:3", MINUTE) && cache.handles("chatwork:4", 2 * MINUTE));
    assert_eq!(cache.claims("tascha:1", 1, MINUTE), Claim::Done);
    // The cache is full of events that are remembered; the newest is remembered nevertheless.
    assert!(cache.handles("chatwork:5", MINUTE));
    assert_eq!(cache.claims("chatwork:4", 1, MINUTE), Claim::Done);
    // A claim needs little time, and is kept nevertheless.
    assert_eq!(cache.claims("claimed", 1, SECOND), Claim::New);
    assert!(cache.handles("chatwork:6", MINUTE) && cache.handles("chatwork:7", MINUTE));
    assert_eq!(cache.claims("claimed", 2, MINUTE), Claim::Held { left: SECOND });
    // There are only claims left.
    assert_eq!(cache.claims("b", 1, MINUTE), Claim::New);
    assert_eq!(cache.claims("c", 1, MINUTE), Claim::New);
    assert_eq!(cache.claims("d", 1, MINUTE), Claim::New);
    assert_eq!((cache.len(), cache.claims("c", 1, MINUTE)), (3, Claim::New));
}

/// What an event is, by the plainest rules.
#[derive(Clone, Copy, Debug)]
struct Plain {
    by: Option<u128>,
    until: Duration,
}

proptest! {
    #[test]
    fn a_large_cache_agrees_with_a_plain_map(
        steps in proptest::collection::vec((0..5u8, 0..4u32, 1..4u128, 1..100u64), 0..200),
    ) {
        let (cache, clock) = cache(10);
        let mut plain: BTreeMap<u32, Plain> = BTreeMap::new();
        for (step, key, by, seconds) in steps {
            let (text, now, time) = (key.to_string(), clock.elapsed(), Duration::from_secs(seconds));
            plain.retain(|_, event| event.until > now);
            let known = plain.get(&key).copied();
            match step {
                0 => {
                    let expected = match known {
                        Some(Plain { by: None, .. }) => Claim::Done,
                        Some(Plain { by: Some(other), until }) if other != by => Claim::Held { left: until - now },
                        _ => {
                            plain.insert(key, Plain { by: Some(by), until: now + time });
                            Claim::New
                        }
                    };
                    prop_assert_eq!(cache.claims(&text, by, time), expected);
                }
                1 => {
                    let held_by_another = matches!(known, Some(Plain { by: Some(other), .. }) if other != by);
                    if !held_by_another && !matches!(known, Some(Plain { by: None, .. })) {
                        plain.insert(key, Plain { by: None, until: now + time });
                    }
                    prop_assert_eq!(cache.marks(&text, by, time), !held_by_another);
                }
                2 => {
                    if known.is_some_and(|event| event.by == Some(by)) {
                        plain.remove(&key);
                    }
                    cache.releases(&text, by);
                }
                3 => {
                    plain.remove(&key);
                    cache.forgets(&text);
                }
                _ => clock.advance(time),
            }
            prop_assert!(cache.is_consistent());
        }
    }

    /// Whatever is evicted: nobody handles what another has marked or holds, unless it was evicted.
    #[test]
    fn a_small_cache_stays_bounded_and_remembers_the_newest(
        capacity in 1..5usize,
        steps in proptest::collection::vec((0..5u8, 0..20u32, 1..4u128, 1..100u64), 0..200),
    ) {
        let (cache, clock) = cache(capacity);
        for (step, key, by, seconds) in steps {
            let (text, time) = (key.to_string(), Duration::from_secs(seconds));
            match step {
                0 if cache.claims(&text, by, time) == Claim::New => {
                    prop_assert_eq!(cache.claims(&text, by + 9, time), Claim::Held { left: time });
                }
                1 if cache.marks(&text, by, time) => prop_assert_eq!(cache.claims(&text, by, time), Claim::Done),
                2 => cache.releases(&text, by),
                3 => cache.forgets(&text),
                _ => clock.advance(time),
            }
            prop_assert!(cache.len() <= capacity && cache.is_consistent());
        }
    }
}

/// A store that works, fails, or does not answer.
#[derive(Debug)]
struct Shaky {
    cache: MemoryReplayCache,
    mode: AtomicU8,
    /// The calls that arrived.
    calls: Mutex<Vec<&'static str>>,
}

const WORKS: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;

impl Shaky {
    async fn pass(&self, call: &'static str) -> Result<(), StoreError> {
        self.calls.lock().expect("no panic").push(call);
        match self.mode.load(Ordering::Relaxed) {
            WORKS => Ok(()),
            FAILS => Err("the store is down".into()),
            _ => std::future::pending().await,
        }
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::Relaxed);
    }
}

/// As a store behind a network does.
async fn answer_later() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

impl ReplayCache for Shaky {
    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Claim, StoreError>> {
        Box::pin(async move {
            self.pass("claim").await?;
            self.cache.claim(key, id, lease).await
        })
    }

    fn done<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        time: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            self.pass("done").await?;
            answer_later().await;
            self.cache.done(key, id, time).await
        })
    }

    fn release<'a>(&'a self, key: &'a str, id: ClaimId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.pass("release").await?;
            answer_later().await;
            self.cache.release(key, id).await
        })
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.pass("forget").await?;
            self.cache.forget(key).await
        })
    }
}

fn shaky(policy: StoreFailure) -> (Claims, Arc<Shaky>, VirtualClock) {
    let (cache, clock) = cache(10);
    let store = Arc::new(Shaky { cache, mode: AtomicU8::new(WORKS), calls: Mutex::default() });
    let mut claims = Claims::new(Arc::new(Arc::clone(&store)), Arc::new(clock.clone()));
    claims.on_failure = policy;
    (claims, store, clock)
}

async fn new(claims: &Claims) -> ClaimGuard {
    match claims.claim("a".into(), DAY).await {
        Ok(Attempt::New(guard)) => guard,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_that_fails_or_hangs_lets_events_through_if_that_is_the_policy() {
    let (claims, store, clock) = shaky(StoreFailure::Take);
    for mode in [FAILS, HANGS] {
        store.set(mode);
        let before = clock.elapsed();
        let guard = clock.drive(new(&claims)).await;
        assert_eq!(clock.elapsed() - before, if mode == HANGS { STORE_TIME } else { Duration::ZERO });
        // The store answers again before the event is done, so that the next delivery is a repeat.
        store.set(WORKS);
        guard.done().await;
        assert!(matches!(claims.claim("a".into(), DAY).await, Ok(Attempt::Done)), "{mode}");
        claims.forget("a").await.expect("it works");
    }
    store.set(FAILS);
    let guard = new(&claims).await;
    guard.done().await;
    drop(new(&claims).await);
    assert!(claims.forget("a").await.is_err());
}

#[tokio::test]
async fn a_store_that_fails_or_hangs_lets_nothing_through_if_that_is_the_policy() {
    let (claims, store, clock) = shaky(StoreFailure::Refuse);
    for (mode, text) in [(FAILS, "the store is down"), (HANGS, "the store did not answer within 3s")] {
        store.set(mode);
        let refused = clock.drive(claims.claim("a".into(), DAY)).await.expect_err("it is refused");
        assert_eq!(refused.to_string(), text);
    }
    store.set(WORKS);
    let guard = new(&claims).await;
    // A claim that cannot be renewed is not given up.
    store.set(FAILS);
    assert!(guard.renew().await);
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_is_one_warning() {
    let (claims, store, _) = shaky(StoreFailure::Take);
    let (log, level) = (Log::default(), tracing::Level::INFO);
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for _ in 0..2 {
        store.set(FAILS);
        for _ in 0..3 {
            drop(new(&claims).await);
        }
        store.set(WORKS);
        new(&claims).await.done().await;
        claims.forget("a").await.expect("it works");
    }
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!((count("WARN"), count("the store is down"), count("answers again")), (2, 2, 2), "{log}");
}

#[tokio::test]
async fn a_dropped_claim_is_released_also_by_a_slow_store() {
    let (claims, store, _) = shaky(StoreFailure::Take);
    drop(new(&claims).await);
    while !store.cache.is_empty() {
        tokio::task::yield_now().await;
    }
    // Dropped while the store is being asked: it may have carried out the call.
    store.set(HANGS);
    assert!(claims.claim("a".into(), DAY).now_or_never().is_none());
    assert_eq!(*store.calls.lock().expect("no panic"), ["claim", "release", "claim", "release"]);
}

#[tokio::test]
async fn a_done_that_nobody_waits_for_is_carried_out() {
    let (claims, store, _) = shaky(StoreFailure::Take);
    let guard = new(&claims).await;
    assert!(guard.done().now_or_never().is_none(), "the store is slow");
    while store.cache.claims("a", 1, MINUTE) != Claim::Done {
        tokio::task::yield_now().await;
    }
    assert!(!store.calls.lock().expect("no panic").contains(&"release"));
}

/// Without a runtime the lease ends by itself.
#[test]
fn a_claim_may_be_dropped_anywhere() {
    let (claims, store, clock) = shaky(StoreFailure::Take);
    drop(new(&claims).now_or_never().expect("the store claims at once"));
    assert_eq!(store.cache.claims("a", 1, MINUTE), Claim::Held { left: DEFAULT_LEASE });
    clock.advance(DEFAULT_LEASE);
    assert_eq!(store.cache.claims("a", 1, MINUTE), Claim::New);
}

#[tokio::test]
async fn a_kept_claim_outlives_its_lease() {
    let (claims, store, clock) = shaky(StoreFailure::Take);
    let guard = new(&claims).await;
    {
        let mut keeping = std::pin::pin!(guard.keep());
        for _ in 0..60 {
            assert!(futures::poll!(&mut keeping).is_pending());
            clock.advance(5 * SECOND);
            assert!(matches!(store.cache.claims("a", 1, MINUTE), Claim::Held { .. }));
        }
        // The process sleeps, and another one takes over.
        clock.advance(DEFAULT_LEASE);
        assert_eq!(store.cache.claims("a", 1, MINUTE), Claim::New);
        assert!(futures::poll!(&mut keeping).is_pending());
    }
    assert!(!guard.renew().await);
    guard.done().await;
    assert_eq!(store.cache.claims("a", 2, MINUTE), Claim::Held { left: MINUTE });
}

#[test]
fn a_held_event_is_asked_for_soon_and_at_the_end_of_its_claim() {
    // A claim that is never renewed is waited for until it ends.
    let (mut left, mut asked, mut waits) = (MINUTE, 0, Vec::new());
    while !left.is_zero() {
        let wait = wait_for_held(left, &mut asked);
        waits.push(wait.as_millis());
        left = left.saturating_sub(wait);
    }
    assert_eq!((waits, asked), (vec![1_000, 2_000, 4_000, 8_000, 16_000, 29_001], 0));
    // One that never ends.
    let waits: Vec<_> = (0..20).map(|_| wait_for_held(Duration::MAX, &mut asked).as_secs()).collect();
    assert_eq!((waits[..3].to_vec(), waits[10], waits[19]), (vec![1, 2, 4], 1024, 1024));
    assert_eq!(wait_for_held(Duration::ZERO, &mut asked), Duration::from_millis(1));
}

#[test]
fn claim_ids_are_unique_and_print_as_hexadecimal_digits() {
    let ids: std::collections::HashSet<ClaimId> = (0..1000).map(|_| ClaimId::unique()).collect();
    assert_eq!(ids.len(), 1000);
    assert_eq!(id(0xab).to_string(), format!("{:032x}", 0xab));
    assert_eq!(id(7).as_u128(), 7);
}
