//! Bots in several processes that share a replay cache, and what becomes of the messages of one that dies.

use crate::world::{Desk, bot_on, created, id, notices};
use futures::channel::mpsc;
use futures::future::BoxFuture;
use futures::stream;
use kaiwa::chatwork::bot::{Context, Summary};
use kaiwa::webhook::{
    Claim, ClaimId, DEFAULT_LEASE, MemoryReplayCache, ReplayCache, STORE_TIME, StoreFailure,
};
use kaiwa::{StoreError, VirtualClock};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::yield_now;

const EVENTS: u64 = 1_000;
const ROOMS: u64 = 50;
const SECOND: Duration = Duration::from_secs(1);

/// One process's connection to the store.
#[derive(Debug)]
struct Link {
    store: Arc<MemoryReplayCache>,
    state: AtomicU8,
    /// The most steps that a way takes.
    delay: u8,
    delays: Mutex<fastrand::Rng>,
}

const UP: u8 = 0;
const REFUSED: u8 = 1;
/// The process has died, or the store does not answer.
const DEAD: u8 = 2;

impl Link {
    fn new(store: &Arc<MemoryReplayCache>, seed: u64, delay: u8) -> Arc<Self> {
        let delays = Mutex::new(fastrand::Rng::with_seed(seed));
        Arc::new(Self { store: Arc::clone(store), state: AtomicU8::new(UP), delay, delays })
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
    }

    /// The way to the store, or back.
    async fn pass(&self) -> Result<(), StoreError> {
        let steps = self.delays.lock().expect("no panic").u8(0..=self.delay);
        for _ in 0..steps {
            yield_now().await;
        }
        match self.state.load(Ordering::Relaxed) {
            UP => Ok(()),
            REFUSED => Err("connection refused".into()),
            _ => pending().await,
        }
    }
}

impl ReplayCache for Link {
    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Claim, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            let claim = self.store.claim(key, id, lease).await;
            self.pass().await.and(claim)
        })
    }

    fn done<'a>(
        &'a self,
        key: &'a str,
        id: ClaimId,
        time: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            let done = self.store.done(key, id, time).await;
            self.pass().await.and(done)
        })
    }

    fn release<'a>(&'a self, key: &'a str, id: ClaimId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            self.store.release(key, id).await
        })
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.pass().await?;
            self.store.forget(key).await
        })
    }
}

fn store(clock: &VirtualClock) -> Arc<MemoryReplayCache> {
    Arc::new(MemoryReplayCache::with_clock(10_000, Arc::new(clock.clone())))
}

/// Lets all tasks run until they wait for the clock.
async fn settle() {
    for _ in 0..1_000 {
        yield_now().await;
    }
}

/// What the handlers of all processes have begun and ended, by message.
#[derive(Default)]
struct Ledger {
    begun: Mutex<BTreeMap<u64, u32>>,
    ended: Mutex<BTreeMap<u64, u32>>,
    stuck: AtomicUsize,
}

impl Ledger {
    /// A handler; from its 30th message on, one that is `doomed` does not end.
    async fn handle(&self, context: Context, doomed: Option<&AtomicUsize>) -> Result<(), kaiwa::Error> {
        let id = id(&context);
        *self.begun.lock().expect("no panic").entry(id).or_default() += 1;
        for _ in 0..id % 5 {
            yield_now().await;
        }
        if doomed.is_some_and(|handled| handled.fetch_add(1, Ordering::Relaxed) >= 30) {
            self.stuck.fetch_add(1, Ordering::Relaxed);
            pending::<()>().await;
        }
        *self.ended.lock().expect("no panic").entry(id).or_default() += 1;
        Ok(())
    }

    /// Each message was handled to its end once, and only those of the killed bot were begun twice.
    fn check(&self, stuck: usize) {
        let (begun, ended) = (self.begun.lock().expect("no panic"), self.ended.lock().expect("no panic"));
        assert_eq!(ended.len() as u64, EVENTS, "none is lost");
        assert!(ended.values().all(|times| *times == 1), "none is handled to its end twice");
        let again = begun.values().filter(|times| **times > 1).count();
        assert!((stuck..=8).contains(&again), "only what was being handled: {again}");
        assert!(begun.values().all(|times| *times <= 2));
    }
}

/// One event reaches four processes at once, a thousand times, and one of them is killed in the middle.
#[tokio::test]
async fn each_message_is_handled_once_although_a_bot_is_killed() {
    for seed in 0..2 {
        let clock = VirtualClock::new();
        let store = store(&clock);
        let ledger = Arc::new(Ledger::default());
        let links: Vec<_> = (0..4).map(|process| Link::new(&store, seed * 4 + process, 3)).collect();
        let mut running: Vec<_> = (0..4)
            .map(|process| {
                let source = stream::iter((0..EVENTS).map(|id| created(10 + id % ROOMS, id)));
                let bot = bot_on(&clock).replay_cache(links[process].clone());
                let (ledger, handled) = (Arc::clone(&ledger), AtomicUsize::new(0));
                tokio::spawn(bot.run(source, async move |context: Context| {
                    ledger.handle(context, (process == 0).then_some(&handled)).await
                }))
            })
            .collect();
        while ledger.stuck.load(Ordering::Relaxed) < 4 {
            yield_now().await;
        }
        // What the bot has ended is marked as done by then. A kill before the mark would repeat it.
        for _ in 0..30 {
            yield_now().await;
        }
        links[0].set(DEAD);
        let killed = running.remove(0);
        killed.abort();
        assert!(killed.await.expect_err("it was killed").is_cancelled());
        let dead_since = clock.elapsed();
        let (stuck, ended) =
            (ledger.stuck.load(Ordering::Relaxed), ledger.ended.lock().expect("no panic").len());
        assert!(ended < EVENTS as usize - 100, "{ended} were handled before");
        while !running.iter().all(tokio::task::JoinHandle::is_finished) {
            settle().await;
            clock.advance(SECOND);
        }
        let took = clock.elapsed() - dead_since;
        assert!(took <= DEFAULT_LEASE + 3 * SECOND, "{took:?}");

        ledger.check(stuck);
        let mut total = Summary::default();
        for bot in running {
            let summary = bot.await.expect("no panic").expect("it runs");
            assert_eq!(
                (summary.failed, summary.abandoned, summary.handled + summary.repeated),
                (0, 0, EVENTS)
            );
            total.handled += summary.handled;
        }
        assert_eq!(total.handled, EVENTS - 30, "the killed bot had ended the others");
    }
}

/// Two bots with one store; the source of each has one message.
struct Pair {
    clock: VirtualClock,
    links: [Arc<Link>; 2],
}

impl Pair {
    fn new() -> Self {
        let clock = VirtualClock::new();
        let store = store(&clock);
        let links = [0, 1].map(|seed| Link::new(&store, seed, 0));
        Self { clock, links }
    }

    fn bot(&self, number: usize) -> kaiwa::chatwork::bot::Bot {
        bot_on(&self.clock).replay_cache(self.links[number].clone())
    }

    async fn advance(&self, seconds: u64) {
        for _ in 0..seconds {
            settle().await;
            self.clock.advance(SECOND);
        }
        settle().await;
    }
}

fn one_message() -> impl futures::Stream<Item = kaiwa::chatwork::webhook::Event> {
    stream::iter([created(10, 1)])
}

#[tokio::test]
async fn a_handler_may_take_longer_than_the_lease() {
    let (pair, desk) = (Pair::new(), Desk::new());
    let script = async {
        let first = desk.begun().await;
        pair.advance(600).await;
        assert!(desk.nothing_begun());
        first.end();
        pair.advance(60).await;
        assert!(desk.nothing_begun());
    };
    let handler = |context| desk.handle(context);
    let (one, two) = (pair.bot(0).run(one_message(), &handler), pair.bot(1).run(one_message(), &handler));
    let (one, two, ()) = tokio::join!(one, two, script);
    let (one, two) = (one.expect("it runs"), two.expect("it runs"));
    assert_eq!((one.handled + two.handled, one.repeated + two.repeated), (1, 1));
}

/// The process sleeps beyond its lease, and then goes on.
#[tokio::test]
async fn a_late_end_does_not_touch_the_claim_of_another_bot() {
    let (pair, desk) = (Pair::new(), Desk::new());
    let handler = |context| desk.handle(context);
    let mut asleep = std::pin::pin!(pair.bot(0).run(one_message(), &handler));
    let first = tokio::select! {
        _ = &mut asleep => unreachable!("its handler waits"),
        first = desk.begun() => first,
    };
    let script = async {
        pair.advance(61).await;
        let second = desk.begun().await;
        first.end();
        let late = asleep.await.expect("it runs");
        assert_eq!(late.handled, 1, "it was begun twice, which no store can prevent");
        // The second claim still holds, so that a third process does not begin.
        let third = pair.bot(0).run(one_message(), &handler);
        let mut third = std::pin::pin!(third);
        tokio::select! {
            _ = &mut third => unreachable!("the message is held"),
            () = pair.advance(30) => {}
        }
        assert!(desk.nothing_begun());
        second.end();
        let (third, ()) = tokio::join!(third, pair.advance(60));
        assert_eq!(third.expect("it runs").repeated, 1);
    };
    let (second, ()) = tokio::join!(pair.bot(1).run(one_message(), &handler), script);
    assert_eq!(second.expect("it runs").handled, 1);
}

#[tokio::test]
async fn a_message_whose_handler_failed_is_not_handled_elsewhere() {
    for panics in [true, false] {
        let pair = Pair::new();
        let (bot, seen) = notices(pair.bot(0));
        let failing = bot.run(one_message(), async move |_: Context| {
            assert!(!panics, "no");
            Err("no")
        });
        assert_eq!(failing.await.expect("it runs").failed, 1);
        assert_eq!(seen.lock().expect("no panic").len(), 1);
        let second = pair.bot(1).run(one_message(), async |_: Context| Ok::<_, kaiwa::Error>(()));
        assert_eq!(second.await.expect("it runs").repeated, 1);
    }
}

/// A bot that has to end before its handlers gives their messages to another.
#[tokio::test]
async fn a_message_that_a_shutdown_abandons_is_released() {
    let (pair, desk) = (Pair::new(), Desk::new());
    let handler = |context| desk.handle(context);
    let (stop, stopped) = oneshot::channel::<()>();
    let (bot, seen) = notices(pair.bot(0));
    let bot = bot.shutdown(async { stopped.await.unwrap_or_default() }).shutdown_timeout(5 * SECOND);
    let script = async {
        let begun = desk.begun().await;
        stop.send(()).expect("it runs");
        pair.advance(5).await;
        drop(begun);
    };
    let (summary, ()) = tokio::join!(bot.run(one_message(), &handler), script);
    assert_eq!(summary.expect("it runs").abandoned, 1);
    assert_eq!(*seen.lock().expect("no panic"), ["abandoned: 1 true"]);
    settle().await;
    let before = pair.clock.elapsed();
    let script = async { desk.begun().await.end() };
    let (second, ()) = tokio::join!(pair.bot(1).run(one_message(), &handler), script);
    assert_eq!((second.expect("it runs").handled, pair.clock.elapsed() - before), (1, Duration::ZERO));
}

/// A dropped bot, as by `select!`, releases what it was handling.
#[tokio::test]
async fn a_dropped_bot_releases_its_messages() {
    let (pair, desk) = (Pair::new(), Desk::new());
    let handler = |context| desk.handle(context);
    tokio::select! {
        _ = pair.bot(0).run(one_message(), &handler) => unreachable!("its handler waits"),
        _ = desk.begun() => {}
    }
    settle().await;
    let script = async { desk.begun().await.end() };
    let (second, ()) = tokio::join!(pair.bot(1).run(one_message(), &handler), script);
    assert_eq!(second.expect("it runs").handled, 1);
}

#[tokio::test]
async fn an_outage_of_the_store_stops_no_bot_by_default() {
    for (state, time) in [(REFUSED, Duration::ZERO), (DEAD, 2 * STORE_TIME)] {
        let pair = Pair::new();
        for number in 0..2 {
            pair.links[number].set(state);
            let before = pair.clock.elapsed();
            let run = pair.bot(number).run(one_message(), async |_: Context| Ok::<_, kaiwa::Error>(()));
            assert_eq!(pair.clock.drive(run).await.expect("it runs").handled, 1, "each bot handles it");
            assert_eq!(pair.clock.elapsed() - before, time, "the claim, and the mark");
        }
    }
}

#[tokio::test]
async fn a_bot_may_wait_for_the_store() {
    let (pair, desk) = (Pair::new(), Desk::new());
    pair.links[0].set(REFUSED);
    let script = async {
        pair.advance(100).await;
        assert!(desk.nothing_begun());
        pair.links[0].set(DEAD);
        pair.advance(100).await;
        assert!(desk.nothing_begun());
        pair.links[0].set(UP);
        pair.advance(61).await;
        desk.begun().await.end();
    };
    let bot = pair.bot(0).on_store_failure(StoreFailure::Refuse);
    let (summary, ()) = tokio::join!(bot.run(one_message(), |context| desk.handle(context)), script);
    assert_eq!(summary.expect("it runs").handled, 1);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_store_that_fails() {
    let pair = Pair::new();
    pair.links[0].set(REFUSED);
    let (bot, seen) = notices(pair.bot(0).on_store_failure(StoreFailure::Refuse));
    let (messages, source) = mpsc::unbounded();
    messages.unbounded_send(created(10, 1)).expect("it is open");
    let (stop, stopped) = oneshot::channel::<()>();
    let bot = bot.shutdown(async { stopped.await.unwrap_or_default() });
    let script = async {
        pair.advance(10).await;
        stop.send(()).expect("it runs");
        pair.advance(60).await;
    };
    let run = bot.run(source, async |_: Context| Ok::<_, kaiwa::Error>(()));
    let (summary, ()) = tokio::join!(run, script);
    assert_eq!(summary.expect("it runs").abandoned, 1);
    assert_eq!(*seen.lock().expect("no panic"), ["abandoned: 1 false"]);
}
