//! Stores that fail, claims that end, and entries that nobody can read.

use crate::deliver::World;
use futures::FutureExt;
use futures::future::BoxFuture;
use kaiwa::StoreError;
use kaiwa::outbox::{
    Change, Claim, Commit, Enqueued, Filter, MemoryOutboxStore, NewEntry, Next, OUTBOX, OutboxStore, Phase,
    StoredEntry,
};
use kaiwa::sandbox::{Fault, Script};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

/// A store that fails as it is told.
#[derive(Clone, Debug)]
struct Failing {
    store: MemoryOutboxStore,
    /// How many changes fail from now on.
    changes: Arc<AtomicU32>,
    /// Whether renewals say that another worker has the entry.
    is_lost: Arc<AtomicBool>,
    /// Whether renewals and claims get no answer.
    hangs: Arc<AtomicBool>,
}

impl Failing {
    fn new(store: MemoryOutboxStore) -> Self {
        Self { store, changes: Arc::default(), is_lost: Arc::default(), hangs: Arc::default() }
    }
}

impl OutboxStore for Failing {
    fn enqueue(&self, entry: NewEntry) -> BoxFuture<'_, Result<Enqueued, StoreError>> {
        self.store.enqueue(entry)
    }

    fn claim<'a>(&'a self, queue: &'a str, lease: Duration) -> BoxFuture<'a, Result<Next, StoreError>> {
        if self.hangs.load(Ordering::SeqCst) {
            return futures::future::pending().boxed();
        }
        self.store.claim(queue, lease)
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> BoxFuture<'a, Result<bool, StoreError>> {
        if self.hangs.load(Ordering::SeqCst) {
            return futures::future::pending().boxed();
        }
        if self.is_lost.load(Ordering::SeqCst) {
            return async { Ok(false) }.boxed();
        }
        self.store.renew(claim, lease)
    }

    fn change<'a>(
        &'a self,
        claim: &'a Claim,
        change: Change,
        keep: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let fails = !keep
            && self
                .changes
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok();
        if fails {
            return async { Err("the disk is full".into()) }.boxed();
        }
        self.store.change(claim, change, keep)
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.commit(commit)
    }

    fn note<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        self.store.note(key)
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoredEntry>, StoreError>> {
        self.store.get(key)
    }

    fn list<'a>(&'a self, filter: Filter<'a>) -> BoxFuture<'a, Result<Vec<StoredEntry>, StoreError>> {
        self.store.list(filter)
    }

    fn decide<'a>(
        &'a self,
        key: &'a str,
        from: &'a [Phase],
        to: Phase,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.store.decide(key, from, to)
    }

    fn blank<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.store.blank(queue, age)
    }

    fn forget<'a>(&'a self, queue: &'a str, age: Duration) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.store.forget(queue, age)
    }
}

#[tokio::test]
async fn an_answer_is_kept_although_the_store_fails_for_a_while() {
    let world = World::new().await;
    let store = Failing::new(world.store.clone());
    let outbox = world.outbox_on(store.clone(), world.chatwork.clone());
    store.changes.store(3, Ordering::SeqCst);
    world.enqueue(&outbox, "a", 10, "x").await;
    world.clock.drive(outbox.deliver_due()).await.expect("it works in the end");
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, status.attempts), (Phase::Sent, 1));
    assert!(status.message_id().is_some(), "the answer was not lost");
}

#[tokio::test]
async fn a_store_that_fails_for_longer_is_told_and_the_message_is_found_later() {
    let world = World::new().await;
    let store = Failing::new(world.store.clone());
    let outbox = world.outbox_on(store.clone(), world.chatwork.clone());
    store.changes.store(100, Ordering::SeqCst);
    world.enqueue(&outbox, "a", 10, "x").await;
    let error = world.clock.drive(outbox.deliver_due()).await.expect_err("it cannot be stored");
    assert!(matches!(error.kind(), kaiwa::ErrorKind::Store { .. }), "{error:?}");
    store.changes.store(0, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(60));
    world.finish(&outbox).await;
    assert_eq!(world.bodies(10), ["x"]);
    assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sent);
}

#[tokio::test]
async fn a_worker_whose_claim_has_ended_stops() {
    let world = World::new().await;
    let store = Failing::new(world.store.clone());
    let outbox = world.outbox_on(store.clone(), world.chatwork.clone());
    // The answer takes longer than a renewal.
    world.lose(Fault::slow_headers(Duration::from_secs(25)));
    world.enqueue(&outbox, "a", 10, "x").await;
    store.is_lost.store(true, Ordering::SeqCst);
    {
        let mut delivering = pin!(outbox.deliver_due());
        let mut closed = None;
        for _ in 0..200 {
            if let Poll::Ready(ended) = futures::poll!(&mut delivering) {
                closed = Some(ended);
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            world.clock.advance(Duration::from_millis(100));
        }
        assert!(matches!(closed, Some(Ok(0))), "{closed:?}");
    }
    assert!(world.clock.elapsed() < Duration::from_secs(20), "it did not wait for the answer");
    assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sending, "the other worker goes on from here");
}

#[tokio::test]
async fn a_store_that_hangs_keeps_no_request_going_whose_claim_has_ended() {
    let world = World::new().await;
    let store = Failing::new(world.store.clone());
    let outbox = world.outbox_on(store.clone(), world.chatwork.clone());
    world.lose(Fault::silence());
    world.enqueue(&outbox, "a", 10, "x").await;
    let mut delivering = pin!(outbox.run(futures::future::pending()));
    while world.status(&outbox, "a").await.phase == Phase::Waiting {
        assert!(futures::poll!(&mut delivering).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.hangs.store(true, Ordering::SeqCst);
    // The worker stops at the end of its claim, although the renewal has no answer, and a claim hangs beside it.
    for _ in 0..40 {
        assert!(futures::poll!(&mut delivering).is_pending());
        world.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    store.hangs.store(false, Ordering::SeqCst);
    world.finish(&world.outbox()).await;
    assert_eq!(
        (world.status(&outbox, "a").await.phase, world.bodies(10)),
        (Phase::Sent, vec!["x".to_owned()])
    );
}

#[tokio::test]
async fn a_request_goes_on_while_the_store_does_not_answer() {
    let world = World::new().await;
    let store = Failing::new(world.store.clone());
    let outbox = world.outbox_on(store.clone(), world.chatwork.clone());
    world.enqueue(&outbox, "a", 10, "x").await;
    let mut delivering = pin!(outbox.run(futures::future::pending()));
    while world.status(&outbox, "a").await.phase == Phase::Waiting {
        assert!(futures::poll!(&mut delivering).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.hangs.store(true, Ordering::SeqCst);
    for _ in 0..200 {
        assert!(futures::poll!(&mut delivering).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sent, "its answer was taken");
}

#[tokio::test]
async fn notes_of_a_newer_version_are_left_as_they_are() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.faults(Script::on("post_message").then(Fault::too_many_requests(Some(Duration::from_secs(1)))));
    world.enqueue(&outbox, "a", 10, "x").await;
    let notes = [r#"{"attempts":"three, in words"}"#, r#"{"attempts":0,"since_when_it_is_loud":[1]}"#];
    for (note, is_kept) in notes.into_iter().zip(["three, in words", "since_when_it_is_loud"]) {
        let Next::Entry(_, claim) =
            world.store.claim(OUTBOX, Duration::from_secs(9)).await.expect("it works")
        else {
            panic!("it is due");
        };
        let change = Change::new(Phase::Waiting, note);
        assert!(world.store.change(&claim, change, false).await.expect("it works"));
        world.clock.drive(outbox.deliver_due()).await.expect("the store works");
        let entry = world.store.get("a").await.expect("it works").expect("it is there");
        assert!(entry.progress.contains(is_kept), "{}", entry.progress);
        world.clock.advance(Duration::from_secs(600));
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_waits_and_other_rooms_do_not() {
    let world = World::new().await;
    let outbox = world.outbox();
    let lane = "chatwork/rooms/11".to_owned();
    let newer = r#"{"service":"chatwork","operation":"post_message","shape":"of a later version"}"#;
    world.store.enqueue(NewEntry::new("newer", lane, newer)).await.expect("it is stored");
    world.enqueue(&outbox, "behind", 11, "x").await;
    world.enqueue(&outbox, "a", 10, "x").await;
    world.clock.drive(outbox.deliver_due()).await.expect("the store works");
    assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sent);
    let waiting = world.status(&outbox, "newer").await;
    assert_eq!(
        (waiting.phase, waiting.reason.as_deref()),
        (Phase::Waiting, Some("what is stored of it cannot be read"))
    );
    assert!(outbox.discard("newer").await.expect("the store works"), "a person can give it up");
    world.finish(&outbox).await;
    assert_eq!(world.status(&outbox, "behind").await.phase, Phase::Sent);
}

#[tokio::test]
async fn a_look_with_a_broken_answer_is_repeated_and_ends_some_day() {
    // While the service is down, a look goes on; an answer that is broken again and again will not be another one.
    let broken = [
        (Fault::short_body(), Phase::Uncertain),
        (Fault::reset_mid_body(), Phase::Uncertain),
        (Fault::invalid_json(), Phase::Uncertain),
        (Fault::bad_gateway(), Phase::Sending),
        (Fault::page(), Phase::Uncertain),
    ];
    for (fault, end) in broken {
        for (times, phase) in [(3, Phase::Sent), (1_000, end)] {
            let world = World::new().await;
            let outbox = world.outbox();
            world.faults(Script::on("post_message").then(Fault::reset().after()));
            world.faults(Script::on("list_messages").then(fault.clone()).times(times));
            world.enqueue(&outbox, "a", 10, "x").await;
            world.clock.drive(outbox.deliver_due()).await.expect("the store works");
            for _ in 0..40 {
                world.clock.advance(Duration::from_secs(5 * 60));
                world.clock.drive(outbox.deliver_due()).await.expect("the store works");
            }
            let status = world.status(&outbox, "a").await;
            assert_eq!((status.phase, status.attempts), (phase, 1), "{} {times}: {status:?}", fault.name());
        }
    }
}

#[tokio::test]
async fn a_list_that_is_not_whole_is_asked_for_again() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.sandbox.chatwork().room(10).post_as(2, "before");
    world.faults(Script::on("post_message").then(Fault::reset().after()));
    let empty = Fault::status(200).body("application/json", "[]");
    world.faults(Script::on("list_messages").then(empty).times(3));
    world.enqueue(&outbox, "a", 10, "x").await;
    world.finish(&outbox).await;
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, status.attempts, status.reposted), (Phase::Sent, 1, false), "{status:?}");
}

#[tokio::test]
async fn a_look_that_is_refused_ends() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.faults(Script::on("post_message").then(Fault::reset().after()));
    world.faults(Script::on("list_messages").then(Fault::status(403)));
    world.enqueue(&outbox, "a", 10, "x").await;
    world.finish(&outbox).await;
    let status = world.status(&outbox, "a").await;
    assert_eq!(status.phase, Phase::Uncertain);
    assert!(status.reason.expect("it is told").contains("cannot be looked for"));
}
