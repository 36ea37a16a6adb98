//! It outlives failures.

use crate::world::{ROOM, World, secs, seed, short};
use kaiwa::chatwork::RoomId;
use kaiwa::sandbox::{Fault, Script, Service};

const STRANGE: RoomId = RoomId(404);

#[tokio::test]
async fn a_failure_is_told_once_and_followed_by_growing_waits() {
    let world = World::new(seed(1)).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    world.read(&mut watch, secs(1)).await;
    world.sandbox.clear_requests();
    world.sandbox.faults().script(Service::Chatwork, Script::any().then(Fault::bad_gateway()).times(8));
    world.post("meanwhile");
    let mut told = short(&world.read(&mut watch, secs(400)).await);
    assert_eq!(told.pop().as_deref(), Some("+meanwhile"));
    assert_eq!(told, ["error 502"; 8]);
    let times = world.times();
    let waits: Vec<u64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).take(8).collect();
    for (wait, bound) in waits.iter().zip([2, 4, 8, 16, 32, 60, 60, 60]) {
        assert!((bound * 3 / 4..=bound).contains(wait), "{waits:?}");
    }
}

#[tokio::test]
async fn the_service_can_go_away_and_come_back() {
    let world = World::new(seed(3)).await;
    let mut watch = world.client.watch_all().stream();
    world.read(&mut watch, secs(30)).await;
    world.sandbox.faults().refuse(Service::Chatwork, true).await.expect("it goes down");
    world.post("while it is down");
    let told = short(&world.read(&mut watch, secs(300)).await);
    assert!((4..15).contains(&told.len()) && told.iter().all(|item| item == "error"), "{told:?}");
    world.sandbox.faults().refuse(Service::Chatwork, false).await.expect("it comes up");
    assert_eq!(short(&world.read(&mut watch, secs(120)).await), ["+while it is down"]);
}

#[tokio::test]
async fn a_room_that_is_refused_is_tried_slowly_and_holds_no_other_up() {
    let world = World::new(seed(2)).await;
    let mut watch = world.client.watch([ROOM, STRANGE]).stream();
    let mut refused = 0;
    for _ in 0..100 {
        world.post("x");
        let told = short(&world.read(&mut watch, secs(10)).await);
        refused += told.iter().filter(|item| *item == "error 403").count();
    }
    assert!((3..=4).contains(&refused), "{refused} times in 1000 seconds");
    assert_eq!(watch.failed_room(), Some(STRANGE));

    // The same when it is the only one.
    let world = World::new(seed(2)).await;
    let mut watch = world.client.room(STRANGE).watch().stream();
    let told = short(&world.read(&mut watch, secs(1000)).await);
    assert_eq!(told, ["error 403"; 4]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_tried_slowly() {
    let world = World::new(seed(3)).await;
    let mut watch = world.client.watch_all().stream();
    world.read(&mut watch, secs(30)).await;
    world.sandbox.chatwork().revoke("bot");
    let told = short(&world.read(&mut watch, secs(600)).await);
    assert!((9..=11).contains(&told.len()) && told.iter().all(|item| item == "error 401"), "{told:?}");
}

#[tokio::test]
async fn without_the_right_to_the_list_each_room_is_looked_at() {
    let world = World::new(seed(3)).await;
    let token = world.sandbox.chatwork().access_token(1, "rooms.messages:read", secs(100_000));
    let builder = world.sandbox.chatwork_as("unused").bearer(token);
    let limited = builder.timeout(None).attempt_timeout(None).build().expect("a client");
    let mut watch = limited.watch([ROOM, RoomId(11), RoomId(12)]).stream();
    assert_eq!(short(&world.read(&mut watch, secs(60)).await), ["error 403"]);
    world.post("one");
    world.room(RoomId(12)).post_as(2, "two");
    let mut told = short(&world.read(&mut watch, secs(120)).await);
    told.sort();
    assert_eq!(told, ["+one", "+two"]);
    assert_eq!(world.calls("list_rooms"), 1);
}

#[tokio::test]
async fn while_the_list_fails_each_room_is_looked_at() {
    let world = World::new(seed(3)).await;
    let list = Script::on("list_rooms").then(Fault::bad_gateway()).forever();
    world.sandbox.faults().script(Service::Chatwork, list);
    let mut watch = world.client.watch([ROOM, RoomId(11), RoomId(12)]).stream();
    assert_eq!(short(&world.read(&mut watch, secs(20)).await)[..3], ["error 502"; 3]);
    world.post("one");
    world.room(RoomId(12)).post_as(2, "two");
    let mut told = short(&world.read(&mut watch, secs(120)).await);
    told.retain(|item| item != "error 502");
    told.sort();
    assert_eq!(told, ["+one", "+two"]);

    world.sandbox.faults().clear(Service::Chatwork);
    world.read(&mut watch, secs(120)).await;
    world.sandbox.clear_requests();
    world.post("three");
    assert_eq!(short(&world.read(&mut watch, secs(100)).await), ["+three"]);
    assert!(world.calls("list_rooms") > 1 && world.calls("list_messages") <= 3);
}

#[tokio::test]
async fn what_the_service_asks_to_wait_is_waited() {
    let world = World::new(seed(1)).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    world.read(&mut watch, secs(1)).await;
    world.sandbox.clear_requests();
    let fault = Fault::too_many_requests(Some(secs(100)));
    world.sandbox.faults().script(Service::Chatwork, Script::any().then(fault));
    assert_eq!(short(&world.read(&mut watch, secs(200)).await), ["error 429"]);
    let times = world.times();
    assert!(times[1] - times[0] >= secs(100), "{times:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_decode_holds_no_other_room_up() {
    let world = World::new(seed(2)).await;
    let mut watch = world.client.watch([ROOM, RoomId(11)]).from_window().stream();
    world.sandbox.faults().script(Service::Chatwork, Script::on("list_messages").then(Fault::wrong_types()));
    world.post("one");
    world.room(RoomId(11)).post_as(2, "two");
    let told = world.read(&mut watch, secs(20)).await;
    assert_eq!(short(&told), ["error 200", "+two"]);
    assert_eq!(watch.failed_room(), Some(ROOM));
    assert_eq!(short(&world.read(&mut watch, secs(60)).await), ["+one"]);
    assert!(world.read(&mut watch, secs(300)).await.is_empty());
}
