//! A watch survives failures.

use crate::world::{ROOM, World, secs, seed, short};
use kaiwa::chatwork::RoomId;
use kaiwa::chatwork::watch::Event;
use kaiwa::sandbox::{Fault, Provider, Script};
use serde_json::{Value, json};

const STRANGE: RoomId = RoomId(404);

#[tokio::test]
async fn a_failure_is_reported_once_and_followed_by_growing_waits() {
    let world = World::new(seed(1)).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    world.read(&mut watch, secs(1)).await;
    world.sandbox.clear_requests();
    world.sandbox.faults().script(Provider::Chatwork, Script::any().then(Fault::bad_gateway()).times(8));
    world.post("meanwhile");
    let mut seen = short(&world.read(&mut watch, secs(400)).await);
    assert_eq!(seen.pop().as_deref(), Some("+meanwhile"));
    assert_eq!(seen, ["error 502"; 8]);
    let times = world.times();
    let waits: Vec<u64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).take(8).collect();
    for (wait, bound) in waits.iter().zip([2, 4, 8, 16, 32, 60, 60, 60]) {
        assert!((bound * 3 / 4..=bound).contains(wait), "{waits:?}");
    }
}

#[tokio::test]
async fn the_service_can_go_down_and_come_back() {
    let world = World::new(seed(3)).await;
    let mut watch = world.client.watch_all().stream();
    world.read(&mut watch, secs(30)).await;
    world.sandbox.faults().refuse(Provider::Chatwork, true).await.expect("it goes down");
    world.post("while it is down");
    let seen = short(&world.read(&mut watch, secs(300)).await);
    assert!((4..15).contains(&seen.len()) && seen.iter().all(|item| item == "error"), "{seen:?}");
    world.sandbox.faults().refuse(Provider::Chatwork, false).await.expect("it comes up");
    assert_eq!(short(&world.read(&mut watch, secs(120)).await), ["+while it is down"]);
}

#[tokio::test]
async fn a_refused_room_is_retried_slowly_and_does_not_delay_others() {
    let world = World::new(seed(2)).await;
    let mut watch = world.client.watch([ROOM, STRANGE]).stream();
    let mut refused = 0;
    for _ in 0..100 {
        world.post("x");
        let seen = short(&world.read(&mut watch, secs(10)).await);
        refused += seen.iter().filter(|item| *item == "error 403").count();
    }
    assert!((3..=4).contains(&refused), "{refused} times in 1000 seconds");
    assert_eq!(watch.failed_room(), Some(STRANGE));

    // The same if it is the only room.
    let world = World::new(seed(2)).await;
    let mut watch = world.client.room(STRANGE).watch().stream();
    let seen = short(&world.read(&mut watch, secs(1000)).await);
    assert_eq!(seen, ["error 403"; 4]);
}

#[tokio::test]
async fn a_refused_token_is_retried_slowly() {
    let world = World::new(seed(3)).await;
    let mut watch = world.client.watch_all().stream();
    world.read(&mut watch, secs(30)).await;
    world.sandbox.chatwork().revoke("bot");
    let seen = short(&world.read(&mut watch, secs(600)).await);
    assert!((9..=11).contains(&seen.len()) && seen.iter().all(|item| item == "error 401"), "{seen:?}");
}

#[tokio::test]
async fn without_permission_for_the_list_each_room_is_polled() {
    let world = World::new(seed(3)).await;
    let token = world.sandbox.chatwork().access_token(1, "rooms.messages:read", secs(100_000));
    let builder = world.sandbox.chatwork_client("unused").bearer(token);
    let limited = builder.timeout(None).attempt_timeout(None).build().expect("a client");
    let mut watch = limited.watch([ROOM, RoomId(11), RoomId(12)]).stream();
    assert_eq!(short(&world.read(&mut watch, secs(60)).await), ["error 403"]);
    world.post("one");
    world.room(RoomId(12)).post_as(2, "two");
    let mut seen = short(&world.read(&mut watch, secs(120)).await);
    seen.sort();
    assert_eq!(seen, ["+one", "+two"]);
    assert_eq!(world.calls("list_rooms"), 1);
}

#[tokio::test]
async fn while_the_list_fails_each_room_is_polled() {
    let world = World::new(seed(3)).await;
    let list = Script::on("list_rooms").then(Fault::bad_gateway()).forever();
    world.sandbox.faults().script(Provider::Chatwork, list);
    let mut watch = world.client.watch([ROOM, RoomId(11), RoomId(12)]).stream();
    assert_eq!(short(&world.read(&mut watch, secs(20)).await)[..3], ["error 502"; 3]);
    world.post("one");
    world.room(RoomId(12)).post_as(2, "two");
    let mut seen = short(&world.read(&mut watch, secs(120)).await);
    seen.retain(|item| item != "error 502");
    seen.sort();
    assert_eq!(seen, ["+one", "+two"]);

    world.sandbox.faults().clear(Provider::Chatwork);
    world.read(&mut watch, secs(120)).await;
    world.sandbox.clear_requests();
    world.post("three");
    assert_eq!(short(&world.read(&mut watch, secs(100)).await), ["+three"]);
    assert!(world.calls("list_rooms") > 1 && world.calls("list_messages") <= 3);
}

#[tokio::test]
async fn the_requested_wait_is_kept() {
    let world = World::new(seed(1)).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    world.read(&mut watch, secs(1)).await;
    world.sandbox.clear_requests();
    let fault = Fault::too_many_requests(Some(secs(100)));
    world.sandbox.faults().script(Provider::Chatwork, Script::any().then(fault));
    assert_eq!(short(&world.read(&mut watch, secs(200)).await), ["error 429"]);
    let times = world.times();
    assert!(times[1] - times[0] >= secs(100), "{times:?}");
}

#[tokio::test]
async fn an_undecodable_answer_does_not_delay_other_rooms() {
    let world = World::new(seed(2)).await;
    let mut watch = world.client.watch([ROOM, RoomId(11)]).from_window().stream();
    world.sandbox.faults().script(Provider::Chatwork, Script::on("list_messages").then(Fault::wrong_types()));
    world.post("one");
    world.room(RoomId(11)).post_as(2, "two");
    let seen = world.read(&mut watch, secs(20)).await;
    assert_eq!(short(&seen), ["error 200", "+two"]);
    assert_eq!(watch.failed_room(), Some(ROOM));
    assert_eq!(short(&world.read(&mut watch, secs(60)).await), ["+one"]);
    assert!(world.read(&mut watch, secs(300)).await.is_empty());
}

/// A message from a minute before the start of the clock, with this `send_time`.
fn message(id: u64, sent: impl Into<Value>) -> Value {
    let account = json!({ "account_id": 2, "name": "Alice", "avatar_image_url": "" });
    let sent: Value = sent.into();
    json!({ "message_id": id.to_string(), "account": account, "body": format!("{id}"), "send_time": sent, "update_time": 0 })
}

/// The answers of an operation to this many calls.
fn answers(world: &World, operation: &str, times: u64, body: &Value) {
    let answer = Fault::status(200).body("application/json", body.to_string()).before();
    world.sandbox.faults().script(Provider::Chatwork, Script::on(operation).then(answer).times(times));
}

#[tokio::test]
async fn an_undecodable_message_is_reported_once_and_hides_no_other() {
    const SENT: u64 = 1_767_193_140;
    let old = json!([message(1, SENT), message(2, "yesterday")]);
    let new = json!([
        message(1, SENT),
        message(2, "yesterday"),
        message(3, "soon"),
        null,
        null,
        message(4, SENT + 9)
    ]);
    let world = World::new(seed(1)).await;
    let builder = || world.client.room(ROOM).watch();

    let mut watch = builder().stream();
    answers(&world, "list_messages", 1, &old);
    assert!(world.read(&mut watch, secs(1)).await.is_empty());
    answers(&world, "list_messages", u64::MAX, &new);
    assert_eq!(short(&world.read(&mut watch, secs(100)).await), ["+4", "?[2].send_time", "?[3]"]);
    // The checkpoint passes it: neither a restart nor another poll yields it again.
    let checkpoint =
        serde_json::from_str(&serde_json::to_string(&watch.checkpoint()).expect("it serialises"));
    drop(watch);
    let mut watch = builder().from_checkpoint(checkpoint.expect("and back")).stream();
    assert!(world.read(&mut watch, secs(100)).await.is_empty());
    drop(watch);

    let mut watch = builder().from_window().stream();
    let seen = world.read(&mut watch, secs(100)).await;
    assert_eq!(short(&seen), ["+1", "+4", "?[1].send_time", "?[2].send_time", "?[3]"]);
    let Some(Ok(Event::Undecodable { room: ROOM, item, .. })) = seen.get(2) else { panic!("{seen:?}") };
    assert_eq!(item.value["body"], "2");
    // Once it decodes, it is a message.
    world.sandbox.faults().clear(Provider::Chatwork);
    answers(
        &world,
        "list_messages",
        u64::MAX,
        &json!([message(1, SENT), message(3, SENT + 5), message(4, SENT + 9)]),
    );
    assert_eq!(short(&world.read(&mut watch, secs(100)).await), ["+3"]);
}

#[tokio::test]
async fn an_undecodable_room_of_the_list_is_watched_and_hides_no_other() {
    let world = World::new(seed(2)).await;
    world.clock.advance(secs(60));
    let mut list: Value = world.client.rooms().await.expect("a list").json().expect("it is JSON");
    let place = |list: &Value, room: RoomId| {
        let place = list.as_array().into_iter().flatten().position(|row| row["room_id"] == room.0);
        place.expect("it is listed")
    };
    let strange = place(&list, ROOM);
    list[strange]["role"] = json!(["admin"]);
    list.as_array_mut().expect("it is a list").push(json!({ "name": "Nowhere", "room_id": "Nowhere" }));
    let nowhere = list.as_array().map_or(0, Vec::len) - 1;
    answers(&world, "list_rooms", 5, &list);
    let mut watch = world.client.watch_all().stream();
    let seen = world.read(&mut watch, secs(5)).await;
    let [Err(error)] = &seen[..] else { panic!("{seen:?}") };
    assert!(error.to_string().contains(&format!("`[{nowhere}]`")), "{error}");
    assert_eq!(error.operation().map(|operation| operation.id), Some("list_rooms"));
    assert_eq!((error.status().map(|status| status.as_u16()), error.attempts()), (Some(200), 1));
    // It is a decode error, and quotes nothing of the answer.
    let text = format!("{error} {error:?} {:?}", error.kind());
    assert!(!text.contains("do not send it again") && !text.contains("Nowhere"), "{text}");
    assert_eq!(watch.failed_room(), None);

    world.post("one");
    world.room(RoomId(11)).post_as(2, "two");
    for room in [ROOM, RoomId(11)] {
        let at = place(&list, room);
        list[at]["message_num"] = json!(1);
    }
    world.sandbox.faults().clear(Provider::Chatwork);
    answers(&world, "list_rooms", u64::MAX, &list);
    let mut seen = short(&world.read(&mut watch, secs(100)).await);
    seen.sort();
    assert_eq!(seen, ["+one", "+two"]);
}

#[tokio::test]
async fn an_answer_without_any_id_is_not_quoted() {
    let world = World::new(seed(1)).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    answers(
        &world,
        "list_messages",
        1,
        &json!([{ "message_id": { "secret": 1 }, "body": "secret" }, "secret"]),
    );
    let seen = world.read(&mut watch, secs(1)).await;
    let [Err(error)] = &seen[..] else { panic!("{seen:?}") };
    let text = format!("{error} {error:?} {:?}", error.kind());
    assert!(text.contains("message_id") && text.contains("[0]") && !text.contains("secret"), "{text}");
    assert!(!text.contains("do not send it again"), "{text}");
    assert_eq!(error.operation().map(|operation| operation.id), Some("list_messages"));
    assert!(watch.failed_room() == Some(ROOM) && error.body().starts_with(b"[{"));
}

#[tokio::test]
async fn a_stream_that_is_not_polled_keeps_little_of_its_failures() {
    for (size, kept) in [(0, 32), (1000, 32), (1_000_000, 4)] {
        let world = World::new(seed(1)).await;
        let second = secs(1);
        let stream = || world.client.room(ROOM).watch().min_interval(second).max_interval(second).stream();
        let (mut polled, mut unpolled) = (stream(), stream());
        assert!(world.read(&mut unpolled, secs(0)).await.is_empty());
        let body = json!({ "errors": ["x".repeat(size)] }).to_string();
        let large = Fault::status(502).body("application/json", body).before();
        world.sandbox.faults().script(Provider::Chatwork, Script::any().then(large).forever());
        let seen = world.read(&mut polled, secs(120)).await;
        assert!(seen.len() > 40 && seen.iter().all(Result::is_err), "{}", seen.len());
        world.sandbox.faults().clear(Provider::Chatwork);
        let errors: Vec<_> =
            world.read(&mut unpolled, secs(0)).await.into_iter().filter_map(Result::err).collect();
        let bytes: usize = errors.iter().map(|error| error.body().len()).sum();
        let texts: usize = errors.iter().flat_map(|error| error.messages()).map(String::len).sum();
        assert!(bytes + texts <= 64 * 1024 && (1..=kept).contains(&errors.len()), "{bytes} {texts}");
        assert!(errors.iter().all(|error| error.status().is_some_and(|status| status.as_u16() == 502)));
        // The watch continues.
        world.post("after");
        assert_eq!(short(&world.read(&mut unpolled, secs(60)).await), ["+after"]);
    }
}

#[tokio::test]
async fn a_stream_polled_after_each_failure_waits_before_the_next_call() {
    // For every kind of failure, even if none counts as an attempt.
    let millisecond = std::time::Duration::from_millis(1);
    for fault in [None, Some(Fault::bad_gateway()), Some(Fault::invalid_json()), Some(Fault::wrong_types())] {
        let world = World::new(seed(3)).await;
        // An empty room has no items to spoil.
        world.post("one");
        match fault {
            Some(fault) => {
                world.sandbox.faults().script(Provider::Chatwork, Script::any().then(fault).forever())
            }
            None => world.sandbox.faults().refuse(Provider::Chatwork, true).await.expect("it goes down"),
        }
        for rooms in [vec![ROOM], vec![ROOM, RoomId(11), RoomId(12)]] {
            let builder = world.client.watch(rooms).min_interval(millisecond).max_interval(millisecond);
            let mut watch = builder.recheck_interval(millisecond).stream();
            let seen = world.read(&mut watch, secs(300)).await;
            let count = seen.len();
            assert!(
                (10..=155).contains(&count) && seen.iter().all(Result::is_err),
                "{count}: {:?}",
                seen.first()
            );
            drop(watch);
            world.clock.advance(secs(300));
        }
    }
}
