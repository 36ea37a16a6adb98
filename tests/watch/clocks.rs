//! Clocks that disagree: the service's own, that of `Date`, and the local one.

use crate::world::{ROOM, World, client, room, secs, seed, short};
use jiff::SignedDuration;
use kaiwa::chatwork::{AccountId, RoomId};
use kaiwa::sandbox::chatwork::Room;
use kaiwa::sandbox::{Fault, Provider, Script};
use std::time::Duration;

const OFFSETS: [i64; 7] = [10, 3600, 86_400, 0, -10, -3600, -86_400];

/// Every answer has a `Date` that is wrong by this many seconds.
fn wrong_date(world: &World, offset: i64) {
    let wrong = Fault::wrong_clock(SignedDuration::from_secs(offset));
    world.sandbox.faults().script(Provider::Chatwork, Script::any().then(wrong).forever());
}

#[tokio::test]
async fn messages_after_the_start_are_yielded_whatever_the_date_header() {
    for offset in OFFSETS {
        let world = World::new(seed(3).room(room(20).messages(5))).await;
        world.clock.advance(secs(60));
        world.post("old");
        wrong_date(&world, offset);
        let mut all = world.client.watch_all().stream();
        let mut named = world.client.watch([ROOM, RoomId(11), RoomId(20)]).stream();
        let mut one = world.client.room(ROOM).watch().stream();
        assert!(world.read(&mut all, secs(1)).await.is_empty());
        assert!(world.read(&mut one, secs(1)).await.is_empty());
        assert!(world.read(&mut named, secs(1)).await.is_empty());
        world.post("3 seconds after the start");
        world.room(RoomId(11)).post_as(2, "there too");
        for watch in [&mut all, &mut named] {
            let mut seen = short(&world.read(watch, secs(60)).await);
            seen.sort();
            assert_eq!(seen, ["+3 seconds after the start", "+there too"], "{offset}");
        }
        let seen = short(&world.read(&mut one, secs(60)).await);
        assert_eq!(seen, ["+3 seconds after the start"], "{offset}");
    }
}

#[tokio::test]
async fn a_burst_after_the_start_is_yielded_or_a_gap_whatever_the_date_header() {
    for offset in OFFSETS {
        let world = World::new(seed(3)).await;
        world.clock.advance(secs(60));
        wrong_date(&world, offset);
        let mut watch = world.client.watch_all().stream();
        assert!(world.read(&mut watch, secs(1)).await.is_empty());
        (0..257).for_each(|number| drop(world.post(&number.to_string())));
        let seen = short(&world.read(&mut watch, secs(60)).await);
        assert_eq!((seen.len(), seen[0].as_str(), seen[1].as_str()), (101, "gap", "+157"), "{offset}");
    }
}

#[tokio::test]
async fn a_room_joined_later_is_yielded_from_then_on_whatever_the_date_header() {
    for offset in OFFSETS {
        let later = Room::group(20, "Room 20").admin(2).member(1);
        let world = World::new(seed(2).room(later).contact(1, 2)).await;
        let alice = client(&world.sandbox, "alice");
        let without = alice.room(RoomId(20)).replace_members([AccountId(2)]);
        world.clock.drive(without).await.expect("the bot is out of it");
        wrong_date(&world, offset);
        world.clock.advance(secs(60));
        world.post("old");
        let mut all = world.client.watch_all().stream();
        let mut named = world.client.watch([ROOM, RoomId(20)]).stream();
        for watch in [&mut all, &mut named] {
            let seen = short(&world.read(watch, secs(30)).await);
            assert!(seen.iter().all(|item| item == "error 403"), "{seen:?}");
        }
        world.room(RoomId(20)).post_as(2, "not for us");
        for watch in [&mut all, &mut named] {
            let seen = short(&world.read(watch, secs(120)).await);
            assert!(seen.iter().all(|item| item == "error 403"), "{seen:?}");
        }
        let back = alice.room(RoomId(20)).replace_members([AccountId(2)]).members_member_ids([AccountId(1)]);
        world.clock.drive(back).await.expect("the bot is in it");
        world.room(RoomId(20)).post_as(2, "welcome");
        for watch in [&mut all, &mut named] {
            let seen = short(&world.read(watch, secs(400)).await);
            let added = "+[info][dtext:chatroom_member_is][piconname:1][dtext:chatroom_added][/info]";
            assert_eq!(seen, [added, "+welcome"], "{offset}");
        }
    }
}

/// The most requests in any five minutes.
fn most(times: &[Duration]) -> usize {
    let within = |from: Duration| times.iter().filter(|at| (from..from + secs(300)).contains(*at)).count();
    times.iter().map(|from| within(*from)).max().unwrap_or_default()
}

#[tokio::test]
async fn repeated_restarts_keep_to_the_budget_share() {
    for (cycle, rooms) in [(20, 1), (20, 10), (5, 10)] {
        let world = World::new(seed(rooms)).await;
        world.clock.advance(secs(60));
        let watch = |client: &kaiwa::chatwork::Client| {
            client.watch_all().min_interval(secs(1)).max_interval(secs(1)).recheck_interval(secs(10))
        };
        let mut kept = watch(&world.client).stream().checkpoint();
        let (mut seen, mut posted) = (0, 0);
        for round in 0..480 / cycle {
            // Another process, which has only the checkpoint.
            let client = client(&world.sandbox, "bot");
            let mut stream = watch(&client).from_checkpoint(kept.clone()).stream();
            for second in 0..cycle {
                if round > 0 {
                    world.room(RoomId(10 + (round + second) % rooms)).post_as(2, "x");
                    posted += 1;
                }
                seen += world.read(&mut stream, secs(1)).await.len();
                let json = serde_json::to_string(&stream.checkpoint()).expect("it serialises");
                kept = serde_json::from_str(&json).expect("and back");
            }
        }
        let mut last = watch(&world.client).from_checkpoint(kept).stream();
        seen += world.read(&mut last, secs(120)).await.len();
        assert_eq!(seen, usize::try_from(posted).expect("it fits"));
        let most = most(&world.times());
        println!("{rooms} rooms, restarted every {cycle} s: at most {most} calls in 5 minutes");
        assert!(most <= 150, "{most} of 150, restarted every {cycle} s");
    }
}
