//! Several streams of one client.

use crate::world::{ROOM, World, secs, seed, short};
use kaiwa::chatwork::RoomId;
use kaiwa::chatwork::watch::Watch;

/// The calls in ten quiet minutes and ten with a message every 5 seconds.
async fn cost(rooms: u64, streams: impl FnOnce(&World) -> Vec<Watch>) -> (usize, usize) {
    let world = World::new(seed(rooms)).await;
    world.clock.advance(secs(60));
    let mut streams = streams(&world);
    world.read_all(&mut streams, secs(600)).await;
    let quiet = world.sandbox.requests().len();
    let mut posted = 0;
    let mut read = vec![0; streams.len()];
    let mut count = |items: Vec<Vec<_>>| {
        read.iter_mut()
            .zip(items)
            .for_each(|(read, items): (&mut usize, Vec<crate::world::Item>)| *read += items.len());
    };
    for number in 0..120 {
        world.room(RoomId(10 + number % rooms)).post_as(2, "x");
        posted += 1;
        count(world.read_all(&mut streams, secs(5)).await);
    }
    count(world.read_all(&mut streams, secs(60)).await);
    let seen: usize = read.iter().sum();
    assert!(seen == posted || seen == posted * streams.len(), "{seen} events of {posted} messages");
    (quiet, world.sandbox.requests().len() - quiet)
}

#[tokio::test]
async fn many_streams_cost_no_more_than_one() {
    let one_room = cost(1, |world| vec![world.client.room(ROOM).watch().stream()]).await;
    let five_times =
        cost(1, |world| (0..5).map(|_| world.client.clone().room(ROOM).watch().stream()).collect()).await;
    assert_eq!(one_room, five_times);
    let rooms = || (0..8).map(|number| RoomId(10 + number));
    let one_stream = cost(8, |world| vec![world.client.watch(rooms()).stream()]).await;
    let one_each =
        cost(8, |world| rooms().map(|room| world.client.room(room).watch().stream()).collect()).await;
    let everything = cost(8, |world| vec![world.client.watch_all().stream()]).await;
    println!("quiet and busy: one room {one_room:?}; eight {one_stream:?}, {one_each:?}, all {everything:?}");
    for (quiet, busy) in [one_stream, one_each, everything] {
        assert!(quiet <= 50, "{quiet}");
        assert!(busy <= 320, "{busy}");
    }
    assert_eq!(one_stream, one_each);
}

#[tokio::test]
async fn a_stream_that_is_not_read_does_not_delay_others() {
    let world = World::new(seed(2)).await;
    let mut read = world.client.room(ROOM).watch().stream();
    let mut unread = world.client.room(ROOM).watch().stream();
    // It has begun a wait, and is not polled any more.
    world.read_all(std::slice::from_mut(&mut unread), secs(1)).await;
    for number in 0..20 {
        world.post(&number.to_string());
        assert_eq!(short(&world.read(&mut read, secs(30)).await), [format!("+{number}")]);
    }
    let late = short(&world.read(&mut unread, secs(1)).await);
    assert_eq!(late, (0..20).map(|number| format!("+{number}")).collect::<Vec<_>>());
    // A stream that joins late or is dropped does not disturb it either.
    drop(unread);
    let mut other = world.client.room(RoomId(11)).watch().from_window().stream();
    world.post("a");
    world.room(RoomId(11)).post_as(2, "b");
    assert_eq!(short(&world.read(&mut other, secs(30)).await), ["+b"]);
    assert_eq!(short(&world.read(&mut read, secs(30)).await), ["+a"]);
}

#[tokio::test]
async fn a_call_continues_without_the_stream_that_started_it() {
    let world = World::new(seed(1)).await;
    let room = world.client.room(ROOM);
    let (mut first, mut second) = (room.watch().stream(), room.watch().from_window().stream());
    world.post("hello");
    // The first one starts the call, and is dropped while the call is in flight.
    assert!(futures::poll!(futures::StreamExt::next(&mut first)).is_pending());
    assert_eq!(world.clock.sleepers(), 0);
    assert!(futures::poll!(futures::StreamExt::next(&mut second)).is_pending());
    drop(first);
    assert_eq!(short(&world.read(&mut second, secs(1)).await), ["+hello"]);
    assert_eq!(world.sandbox.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_in_a_separate_task_wakes_up() {
    use futures::StreamExt;
    let world = World::new(seed(1)).await;
    let (mut one, mut two) =
        (world.client.room(ROOM).watch().stream(), world.client.room(ROOM).watch().stream());
    let tasks =
        [tokio::spawn(async move { one.next().await }), tokio::spawn(async move { two.next().await })];
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        world.clock.advance(secs(1));
    }
    world.post("hello");
    for task in tasks {
        let (clock, task) = (world.clock.clone(), task);
        let item = clock.drive(task).await.expect("no panic").expect("it never ends");
        assert_eq!(short(&[item]), ["+hello"]);
    }
}
