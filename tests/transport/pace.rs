//! Limits kept by a whole client, on real sockets.

use crate::server::{Server, Step, clients};
use futures::future::join_all;
use kaiwa::chatwork::RoomId;
use kaiwa::{Pace, VirtualClock};
use std::time::Duration;

const SENT: &str = r#"{"message_id":"1"}"#;

#[tokio::test]
async fn a_room_takes_ten_posts_in_ten_seconds_and_other_rooms_do_not_wait_for_it() {
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
async fn a_cancelled_wait_gives_its_place_back() {
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
    room.post("x").await.expect("nobody is in front");
    assert!(server.seen().iter().all(|seen| !seen.body.contains("cancelled")));
}
