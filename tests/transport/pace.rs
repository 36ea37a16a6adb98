//! Limits kept by a client, on real sockets.

use crate::server::{Server, Step, clients};
use futures::future::BoxFuture;
use futures::future::join_all;
use kaiwa::chatwork::RoomId;
use kaiwa::{
    Budget, BudgetStore, Clock, Denied, ErrorKind, Lease, MemoryBudgetStore, Outcome, Pace, RetryPolicy,
    Settlement, VirtualClock,
};
use std::sync::Arc;
use std::time::Duration;

const SENT: &str = r#"{"message_id":"1"}"#;

#[tokio::test]
async fn a_room_has_ten_posts_in_ten_seconds_and_other_rooms_do_not_wait() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::ok("[]"), Step::ok(SENT)]).await;
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    client.rooms().await.expect("the first answer");
    let room = client.room(RoomId(1));
    join_all((0..10).map(|_| room.post("x").into_future())).await;
    assert_eq!(clock.elapsed(), Duration::ZERO);

    let eleventh = tokio::spawn(room.post("x").into_future());
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    client.room(RoomId(2)).post("x").await.expect("another room is free");
    let read = room.members().with_retry(kaiwa::RetryPolicy::none());
    read.await.expect_err("a read is not counted; this answer is that of a post");
    assert!(!eleventh.is_finished());
    clock.advance(Duration::from_secs(10));
    eleventh.await.expect("no panic").expect("its time has come");
}

#[tokio::test]
async fn without_pacing_everything_is_sent_at_once() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::ok(SENT)]).await;
    let client = clients::chatwork(&server, &clock).pace(Pace::off()).build().expect("a client");
    let room = client.room(RoomId(1));
    let posts = join_all((0..30).map(|_| room.post("x").into_future())).await;
    assert!(posts.iter().all(Result::is_ok));
    assert_eq!(clock.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_cancelled_wait_returns_its_place() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::ok(SENT)]).await;
    let pace = Pace::new().room_limit(1, Duration::from_secs(10));
    let client = clients::chatwork(&server, &clock).pace(pace).build().expect("a client");
    let room = client.room(RoomId(1));
    room.post("x").await.expect("the first");
    let waiting = tokio::spawn(room.post("cancelled").into_future());
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert!(waiting.await.expect_err("it was aborted").is_cancelled());
    clock.advance(Duration::from_secs(10));
    room.post("x").await.expect("no other call is in front");
    assert!(server.seen().iter().all(|seen| !seen.body.contains("cancelled")));
}

#[tokio::test]
async fn a_window_of_a_month_pauses_the_client_for_minutes_and_one_call_checks_it() {
    let clock = VirtualClock::new();
    let month = clock.wall().as_second() + 30 * 24 * 60 * 60;
    let limit = |remaining, reset| {
        let step = Step::ok("[]").header("X-RateLimit-Limit", 300).header("X-RateLimit-Remaining", remaining);
        step.header("X-RateLimit-Reset", reset)
    };
    let server = Server::play([limit(0, month), limit(299, clock.wall().as_second() + 600)]).await;
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    client.rooms().await.expect("the first answer says that nothing is left for a month");
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(client.rooms().into_future())).collect();
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(299));
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.seen().len(), 1);
    clock.advance(Duration::from_secs(1));
    for call in calls {
        call.await.expect("no panic").expect("it is a new window by now");
    }
    assert_eq!((server.seen().len(), clock.elapsed()), (6, Duration::from_secs(300)));
}

/// A store behind a connection that no longer answers.
#[derive(Debug)]
struct Hung;

impl BudgetStore for Hung {
    fn take(&self, _: Budget) -> BoxFuture<'_, Result<Lease, Denied>> {
        Box::pin(std::future::pending())
    }

    fn settle(&self, lease: Lease, how: Settlement<'_>) {
        panic!("no permit was taken: {lease:?}, {how:?}");
    }
}

#[tokio::test]
async fn a_hanging_store_does_not_block_the_call() {
    let clock = VirtualClock::new();
    let server = Server::play([Step::ok(SENT)]).await;
    let pace = Pace::new().store(Hung);
    let client = clients::chatwork(&server, &clock).pace(pace).retry(RetryPolicy::none());
    let client = client.timeout(Duration::from_secs(30)).build().expect("a client");
    let room = client.room(RoomId(1));
    let (post, read) =
        clock.drive(futures::future::join(room.post("x").into_future(), client.rooms().into_future())).await;
    for error in [post.err(), read.err()] {
        let error = error.expect("no permit is available");
        assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0), "{error}");
        assert!(matches!(error.kind(), ErrorKind::WaitTooLong { .. }), "{error}");
    }
    assert_eq!((clock.elapsed(), clock.sleepers()), (Duration::from_secs(30), 0));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn timeouts_may_be_of_any_length() {
    for time in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let clock = VirtualClock::new();
        let server = Server::play([Step::ok(SENT)]).await;
        let client = clients::chatwork(&server, &clock).timeout(time).attempt_timeout(time);
        let connect = if time == Duration::MAX { time } else { Duration::from_secs(10) };
        let client = client.connect_timeout(connect).retry(RetryPolicy::none()).build().expect("a client");
        let sent = client.room(RoomId(1)).post("x").with_timeout(time).with_attempt_timeout(time).await;
        match sent {
            // On a clock that stands still, a nanosecond is enough.
            Ok(_) => assert_ne!(time, Duration::ZERO),
            Err(error) => assert_eq!((time, error.outcome()), (Duration::ZERO, Outcome::NotSent), "{error}"),
        }
    }
}

#[tokio::test]
async fn the_store_in_memory_follows_the_rules_of_all_stores() {
    crate::budgets::all(|clock| MemoryBudgetStore::with_clock(Arc::new(clock.clone()))).await;
}
