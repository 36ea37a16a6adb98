//! Resuming at the position of another stream.

use crate::lossless::Yielded;
use crate::world::{Item, ROOM, World, client, room, secs, seed, short};
use kaiwa::chatwork::watch::{Watch, WatchCheckpoint};
use kaiwa::chatwork::{AccountId, RoomId};
use kaiwa::sandbox::chatwork::Room;
use kaiwa::sandbox::{Fault, Provider, Script};

/// Through JSON, as in a restart.
fn kept(watch: &Watch) -> WatchCheckpoint {
    let json = serde_json::to_string(&watch.checkpoint()).expect("it serialises");
    let kept: WatchCheckpoint = serde_json::from_str(&json).expect("it deserialises");
    assert_eq!(kept, watch.checkpoint());
    assert!(json.len() < 6200 * 3, "{} bytes", json.len());
    kept
}

#[tokio::test]
async fn a_watch_killed_after_every_event_yields_each_once() {
    let rooms = [ROOM, RoomId(11), RoomId(12)];
    let world =
        World::new(seed(0).room(room(10).messages(70)).room(room(11).messages(3)).room(room(12))).await;
    let (mut seen, mut kills) = (Yielded::default(), 0);
    let mut watch = world.client.watch(rooms).budget_share(1.0).from_window().stream();
    for number in 0.. {
        if number < 120 && number % 3 == 0 {
            let room = world.room(rooms[number / 3 % 3]);
            room.post_as(2, &format!("new {number}"));
            let messages = room.messages();
            room.edit(&messages[messages.len() / 2].message_id, &format!("edited {number}"));
        }
        let Some(item) = world.next_within(&mut watch, secs(700)).await else { break };
        seen.take([Ok(item.expect("no failure"))]);
        let checkpoint = kept(&watch);
        drop(watch);
        watch = world.client.watch(rooms).budget_share(1.0).from_checkpoint(checkpoint).stream();
        kills += 1;
    }
    println!("{kills} kills");
    assert!(kills >= 100, "{kills}");
    seen.check(&world, &rooms, 0);
}

#[tokio::test]
async fn more_than_the_window_while_it_was_away_is_a_gap() {
    let world = World::new(seed(0).room(room(10).messages(20))).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    world.read(&mut watch, secs(5)).await;
    let checkpoint = kept(&watch);
    drop(watch);
    for arriving in [99, 30] {
        // 99 of them, and then 129: first the window reaches back to the known messages, then it does not.
        (0..arriving).for_each(|number| drop(world.post(&number.to_string())));
        let mut watch = world.client.room(ROOM).watch().from_checkpoint(checkpoint.clone()).stream();
        let seen = short(&world.read(&mut watch, secs(5)).await);
        assert_eq!((seen.len(), seen[0] == "gap"), if arriving == 99 { (99, false) } else { (101, true) });
    }
    // Between the gap and its first message, and after that message.
    let mut watch = world.client.room(ROOM).watch().from_checkpoint(checkpoint).stream();
    assert_eq!(short(&[world.next(&mut watch).await]), ["gap"]);
    for left in [100, 99] {
        let resumed = world.client.room(ROOM).watch().from_checkpoint(kept(&watch));
        let seen = short(&world.read(&mut resumed.stream(), secs(5)).await);
        assert_eq!((seen.len(), seen.contains(&"gap".to_owned())), (left, false));
        world.next(&mut watch).await.expect("a message");
    }
}

#[tokio::test]
async fn messages_hidden_while_it_was_away_are_a_gap() {
    let world = World::new(seed(0).room(room(10).messages(20)).hide_messages_after(secs(86_400))).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    world.read(&mut watch, secs(5)).await;
    let checkpoint = kept(&watch);
    drop(watch);
    world.post("never seen");
    world.clock.advance(secs(100_000));
    world.post("new");
    let mut watch = world.client.room(ROOM).watch().from_checkpoint(checkpoint).stream();
    assert_eq!(short(&world.read(&mut watch, secs(5)).await), ["hidden Some", "gap", "+new"]);
}

#[tokio::test]
async fn many_rooms_that_did_not_change_cost_one_call() {
    let world = World::new(seed(50)).await;
    world.clock.advance(secs(60));
    let mut watch = world.client.watch_all().stream();
    world.read(&mut watch, secs(10)).await;
    let checkpoint = kept_any(&watch);
    drop(watch);
    world.clock.advance(secs(3600));
    let message = world.room(RoomId(33)).post_as(2, "while away");
    world.sandbox.clear_requests();
    let mut watch = world.client.watch_all().from_checkpoint(checkpoint).stream();
    let Item::Ok(event) = world.next(&mut watch).await else { panic!("a failure") };
    assert_eq!(event.message().map(|message| &message.message_id), Some(&message));
    assert_eq!((world.calls("list_rooms"), world.calls("list_messages")), (1, 1));
}

fn kept_any(watch: &Watch) -> WatchCheckpoint {
    serde_json::from_value(serde_json::to_value(watch.checkpoint()).expect("it serialises"))
        .expect("and back")
}

#[tokio::test]
async fn a_room_joined_while_it_was_away_is_yielded_from_its_beginning() {
    let world = World::new(seed(2)).await;
    world.clock.advance(secs(60));
    let mut watch = world.client.watch_all().stream();
    world.read(&mut watch, secs(10)).await;
    let checkpoint = kept_any(&watch);
    drop(watch);
    world.clock.advance(secs(600));
    let made = world.client.create_room("New", [kaiwa::chatwork::AccountId(1)]);
    let made = world.clock.drive(made).await.expect("a room").room_id;
    world.room(made).post_as(1, "first");
    let mut watch = world.client.watch_all().from_checkpoint(checkpoint).stream();
    assert_eq!(short(&world.read(&mut watch, secs(10)).await), ["+first"]);
}

#[test]
fn a_checkpoint_of_another_format_is_refused() {
    let error = serde_json::from_str::<WatchCheckpoint>(r#"{"version":2,"absent":"now","rooms":{}}"#);
    assert!(error.expect_err("version 2").to_string().contains("version 2"));
    serde_json::from_str::<WatchCheckpoint>(r#"{"version":1,"absent":"now","rooms":{}}"#).expect("version 1");
}

#[tokio::test]
async fn nothing_is_kept_of_a_room_that_was_left() {
    let left = Room::group(99, "Left").admin(2).member(1).messages(3);
    let world = World::new(seed(2).room(left).contact(1, 2)).await;
    world.clock.advance(secs(60));
    let mut watch = world.client.watch_all().from_window().stream();
    assert_eq!(world.read(&mut watch, secs(10)).await.len(), 3);
    let kept = |watch: &Watch| {
        let json = serde_json::to_value(watch.checkpoint()).expect("it serialises");
        json["rooms"].as_object().map(|rooms| rooms.contains_key("99"))
    };
    assert_eq!(kept(&watch), Some(true));
    world.clock.drive(world.client.room(RoomId(99)).leave()).await.expect("it is left");
    assert!(world.read(&mut watch, secs(300)).await.is_empty());
    assert_eq!(kept(&watch), Some(false));
    world.room(RoomId(99)).post_as(2, "not for us");
    world.clock.advance(secs(600));
    world.read(&mut watch, secs(60)).await;

    let alice = client(&world.sandbox, "alice").room(RoomId(99));
    let back = alice.replace_members([AccountId(2)]).members_member_ids([AccountId(1)]);
    world.clock.drive(back).await.expect("the bot is back");
    world.room(RoomId(99)).post_as(2, "again");
    world.post("here");
    let mut seen = short(&world.read(&mut watch, secs(60)).await);
    seen.sort();
    let added = "+[info][dtext:chatroom_member_is][piconname:1][dtext:chatroom_added][/info]";
    assert_eq!(seen, [added, "+again", "+here"]);
    assert_eq!(kept(&watch), Some(true));
}

#[tokio::test]
async fn an_empty_list_of_rooms_is_not_trusted_at_once() {
    let world = World::new(seed(2)).await;
    let mut watch = world.client.watch_all().from_window().stream();
    world.read(&mut watch, secs(60)).await;
    let empty = Fault::status(200).body("application/json", "[]").before();
    world.sandbox.faults().script(Provider::Chatwork, Script::on("list_rooms").then(empty).times(10));
    world.post("meanwhile");
    assert!(world.read(&mut watch, secs(120)).await.is_empty());
    assert_eq!(short(&world.read(&mut watch, secs(600)).await), ["+meanwhile"]);
}
