//! Every kind of event.

use crate::world::{ROOM, World, client, events, room, secs, seed, short};
use kaiwa::chatwork::MessageId;
use kaiwa::chatwork::watch::{Event, Hidden, Watch};
use kaiwa::sandbox::chatwork::Seed;
use std::time::Duration;

assert_impl_all!(Watch: futures::Stream<Item = Result<Event, kaiwa::Error>>, Send, Sync, Unpin, std::fmt::Debug);

#[tokio::test]
async fn messages_edits_and_deletions_are_yielded_once() {
    let world = World::new(seed(1).room(room(99).messages(3))).await;
    world.post("before");
    let mut watch = world.client.room(ROOM).watch().stream();
    assert!(world.read(&mut watch, secs(5)).await.is_empty());

    let first = world.post("one");
    world.post("two");
    assert_eq!(short(&world.read(&mut watch, secs(10)).await), ["+one", "+two"]);
    world.room(ROOM).edit(&first, "uno");
    assert_eq!(short(&world.read(&mut watch, secs(10)).await), ["~uno"]);
    world
        .clock
        .drive(client(&world.sandbox, "alice").room(ROOM).message(&first).delete())
        .await
        .expect("deleted");
    let deleted = events(world.read(&mut watch, secs(10)).await);
    assert!(
        matches!(&deleted[..], [Event::Deleted { room: ROOM, message, .. }] if message.message_id == first)
    );
    assert!(world.read(&mut watch, secs(600)).await.is_empty());
    assert_eq!(
        (deleted[0].room(), deleted[0].message().map(|message| message.body.as_str())),
        (ROOM, Some("[deleted]"))
    );
}

#[tokio::test]
async fn a_message_posted_and_edited_between_two_polls_is_one_event() {
    let world = World::new(seed(1)).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    assert!(world.read(&mut watch, secs(1)).await.is_empty());
    let edited = world.post("draft");
    world.room(ROOM).edit(&edited, "final");
    let deleted = world.post("oops");
    world.room(ROOM).edit(&deleted, "[deleted]");
    assert_eq!(short(&world.read(&mut watch, secs(10)).await), ["+final", "-"]);
}

#[tokio::test]
async fn two_edits_within_one_second_are_two_events() {
    let world = World::new(seed(1)).await;
    let fast = Duration::from_millis(100);
    let mut watch = world.client.room(ROOM).watch().min_interval(fast).max_interval(fast).stream();
    let id = world.post("0");
    assert!(world.read(&mut watch, Duration::from_millis(50)).await.is_empty());
    for number in 1..5 {
        world.room(ROOM).edit(&id, &number.to_string());
        assert_eq!(short(&world.read(&mut watch, fast).await), [format!("~{number}")]);
    }
    assert!(world.clock.elapsed() < secs(1));
}

#[tokio::test]
async fn it_begins_now_or_with_the_window() {
    let world = World::new(seed(0).room(room(10).messages(130))).await;
    let mut now = world.client.room(ROOM).watch().stream();
    let mut window = world.client.room(ROOM).watch().from_window().stream();
    assert!(world.read(&mut now, secs(5)).await.is_empty());
    let newest: Vec<String> = (31..=130).map(|number| format!("+Message {number}")).collect();
    // The older messages are not missing, because they were not requested.
    assert_eq!(short(&world.read(&mut window, secs(5)).await), newest);
    world.post("new");
    for watch in [&mut now, &mut window] {
        assert_eq!(short(&world.read(watch, secs(30)).await), ["+new"]);
    }
}

#[tokio::test]
async fn more_than_the_window_is_a_gap() {
    // In an empty room, in one with messages, and in one with exactly as many as the service shows.
    for (before, arriving, lost) in [(0, 101, 1), (3, 150, 50), (150, 100, 0), (150, 99, -1)] {
        let world = World::new(seed(0).room(room(10).messages(before))).await;
        let mut watch = world.client.room(ROOM).watch().stream();
        assert!(world.read(&mut watch, secs(5)).await.is_empty());
        let ids: Vec<MessageId> = (0..arriving).map(|number| world.post(&number.to_string())).collect();
        let mut read = events(world.read(&mut watch, secs(10)).await);
        if let Ok(lost) = usize::try_from(lost) {
            let Event::Gap { after, before: next, .. } = read.remove(0) else { panic!("no gap") };
            let last = world.room(ROOM).messages()[..before].last().map(|message| message.message_id.clone());
            assert_eq!((after, &next), (last, &ids[lost]));
        }
        let seen: Vec<MessageId> =
            read.iter().filter_map(|event| Some(event.message()?.message_id.clone())).collect();
        assert_eq!(seen, ids[usize::try_from(lost).unwrap_or_default()..], "{before}, {arriving}");
        world.post("after");
        assert_eq!(short(&world.read(&mut watch, secs(30)).await), ["+after"]);
    }
}

#[tokio::test]
async fn messages_hidden_by_the_free_plan_are_reported_once_per_change() {
    let hiding = |seed: Seed| seed.hide_messages_after(secs(600));
    let world = World::new(hiding(seed(1))).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    world.post("old");
    assert!(world.read(&mut watch, secs(300)).await.is_empty());
    world.post("newer");
    assert_eq!(short(&world.read(&mut watch, secs(250)).await), ["+newer"]);
    // First one of them is hidden, then both: the answer is a 204, but the room is not empty.
    let read = world.read(&mut watch, secs(250)).await;
    assert_eq!(short(&read), ["hidden Some"]);
    assert!(matches!(
        &read[0],
        Ok(Event::Limited { room: ROOM, hidden: Hidden::Some, summary: Some(_), .. })
    ));
    assert_eq!(short(&world.read(&mut watch, secs(1000)).await), ["hidden All"]);
    // The known messages are hidden, so nothing overlaps. Nevertheless none is missing.
    world.post("newest");
    assert_eq!(short(&world.read(&mut watch, secs(120)).await), ["hidden Some", "+newest"]);
}

#[tokio::test]
async fn a_fully_hidden_room_is_reported_and_its_next_message_too() {
    let hiding = seed(0).room(room(10).messages(5)).hide_messages_after(secs(600));
    let world = World::new(hiding).await;
    world.clock.advance(secs(1000));
    for from_window in [true, false] {
        let builder = world.client.room(ROOM).watch();
        let mut watch = if from_window { builder.from_window() } else { builder }.stream();
        assert_eq!(short(&world.read(&mut watch, secs(5)).await), ["hidden All"]);
        world.post("new");
        assert_eq!(short(&world.read(&mut watch, secs(20)).await), ["hidden Some", "+new"]);
        world.clock.advance(secs(1000));
    }
}

#[tokio::test]
async fn dropping_the_stream_ends_the_calls() {
    let world = World::new(seed(3)).await;
    let mut watch = world.client.watch_all().stream();
    world.read(&mut watch, secs(60)).await;
    assert_eq!(world.clock.sleepers(), 1);
    drop(watch);
    assert_eq!(world.clock.sleepers(), 0);
}
