//! How often a watch polls, and how many calls it makes.

use crate::world::{ROOM, World, events, secs, seed, short};
use jiff::SignedDuration;
use kaiwa::chatwork::RoomId;
use kaiwa::sandbox::{Fault, Provider, Script};
use std::time::Duration;

fn gaps(times: &[Duration]) -> Vec<f64> {
    times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
}

#[tokio::test]
async fn it_polls_less_often_while_nothing_happens_and_more_often_at_once_after_a_change() {
    let world = World::new(seed(1)).await;
    let mut watch = world.client.room(ROOM).watch().stream();
    world.read(&mut watch, secs(600)).await;
    let idle = gaps(&world.times());
    assert_eq!(&idle[..4], [2.0, 3.0, 4.5, 6.75]);
    assert_eq!(idle.last(), Some(&60.0));
    world.sandbox.clear_requests();
    let mut read = 0;
    for number in 0..30 {
        world.post(&number.to_string());
        read += world.read(&mut watch, secs(4)).await.len();
    }
    read += world.read(&mut watch, secs(60)).await.len();
    assert_eq!(read, 30);
    let busy = gaps(&world.times());
    assert!(busy[1..10].iter().all(|gap| *gap <= 3.0), "{busy:?}");

    let world = World::new(seed(1)).await;
    let watch = world.client.room(ROOM).watch().min_interval(secs(5)).max_interval(secs(10));
    world.read(&mut watch.stream(), secs(300)).await;
    assert_eq!(gaps(&world.times())[..4], [5.0, 7.5, 10.0, 10.0]);
}

/// The most requests in any period as long as the account's window.
fn most_in_a_window(times: &[Duration]) -> usize {
    let within = |from: Duration| times.iter().filter(|at| (from..from + secs(300)).contains(*at)).count();
    times.iter().map(|from| within(*from)).max().unwrap_or_default()
}

#[tokio::test]
async fn it_keeps_to_its_share_of_the_budget() {
    for (share, limit, rooms) in
        [(0.5, 300, 1), (0.5, 300, 30), (0.1, 300, 30), (0.5, 100, 5), (1.0, 300, 30)]
    {
        let world = World::new(seed(rooms).rate_limit(limit, secs(300))).await;
        let second = Duration::from_secs(1);
        let builder = world.client.watch((0..rooms).map(|number| RoomId(10 + number))).budget_share(share);
        let mut watch = builder.min_interval(second).max_interval(second).recheck_interval(secs(10)).stream();
        let mut read = world.read(&mut watch, secs(60)).await.len();
        for number in 0..450 {
            world.room(RoomId(10 + number % rooms)).post_as(2, "x");
            let items = world.read(&mut watch, secs(2)).await;
            read += events(items).len();
        }
        read += world.read(&mut watch, secs(600)).await.len();
        assert_eq!(read, 450, "it takes longer, but nothing is lost");
        let (most, allowed) = (most_in_a_window(&world.times()), (share * limit as f64) as usize);
        assert!(most <= allowed && most * 10 >= allowed * 8, "{most} of {allowed}");
        println!("share {share} of {limit}, {rooms} rooms: at most {most} of {allowed} calls in 5 minutes");
    }
}

#[tokio::test]
async fn the_calls_left_by_others_are_not_all_used() {
    let world = World::new(seed(1)).await;
    for _ in 0..280 {
        world.client.me().await.expect("it is within the limit");
    }
    world.sandbox.clear_requests();
    let second = Duration::from_secs(1);
    let mut watch = world.client.room(ROOM).watch().min_interval(second).max_interval(second).stream();
    let read = world.read(&mut watch, secs(290)).await;
    assert!(read.is_empty(), "{:?}", short(&read));
    let taken = world.calls("list_messages");
    assert!((5..=18).contains(&taken), "{taken} of 20");
    println!("{taken} of the 20 calls that were left");
    // Now there is a new window.
    world.read(&mut watch, secs(60)).await;
    assert!(world.calls("list_messages") > taken + 10);
}

#[tokio::test]
async fn only_changed_rooms_of_many_are_polled() {
    let world = World::new(seed(50)).await;
    world.clock.advance(secs(60));
    let mut watch = world.client.watch_all().stream();
    assert!(world.read(&mut watch, secs(60)).await.is_empty());
    assert_eq!(world.calls("list_messages"), 0);
    let lists = world.calls("list_rooms");
    assert!(lists < 12, "{lists}");
    world.room(RoomId(33)).post_as(2, "hello");
    assert_eq!(short(&world.read(&mut watch, secs(60)).await), ["+hello"]);
    assert_eq!(world.calls("list_messages"), 1);
    println!("50 rooms, one message in 2 minutes: {} calls", world.sandbox.requests().len());
}

#[tokio::test]
async fn a_change_missing_from_the_list_is_found_by_the_recheck() {
    let world = World::new(seed(3)).await;
    let fast = Duration::from_millis(100);
    let builder = world.client.watch([ROOM, RoomId(11), RoomId(12)]).budget_share(1.0);
    let mut watch = builder.min_interval(fast).max_interval(secs(20)).from_window().stream();
    let id = world.post("one");
    assert_eq!(short(&world.read(&mut watch, Duration::from_millis(300)).await), ["+one"]);
    // In the same second, so neither `last_update_time` nor `message_num` changes.
    world.room(ROOM).edit(&id, "uno");
    assert!(world.read(&mut watch, secs(200)).await.is_empty());
    assert_eq!(short(&world.read(&mut watch, secs(120)).await), ["~uno"]);
}

#[tokio::test]
async fn a_room_joined_later_is_yielded_from_its_beginning() {
    let world = World::new(seed(2)).await;
    world.clock.advance(secs(60));
    let mut watch = world.client.watch_all().stream();
    world.read(&mut watch, secs(30)).await;
    let made = world.client.create_room("New", [kaiwa::chatwork::AccountId(1)]);
    let made = world.clock.drive(made).await.expect("a room").room_id;
    world.room(made).post_as(1, "first");
    assert_eq!(short(&world.read(&mut watch, secs(60)).await), ["+first"]);
    world.clock.drive(world.client.room(made).leave()).await.expect("it is left");
    assert!(world.read(&mut watch, secs(600)).await.is_empty(), "this is not a failure");
}

#[tokio::test]
async fn rooms_with_messages_of_the_first_second_are_polled_to_separate_old_from_new() {
    let world = World::new(seed(3)).await;
    world.post("old, but of this second");
    let mut watch = world.client.watch_all().stream();
    assert!(world.read(&mut watch, Duration::from_millis(500)).await.is_empty());
    world.post("new, and of the same second");
    assert_eq!(short(&world.read(&mut watch, secs(60)).await), ["+new, and of the same second"]);
}

#[tokio::test]
async fn messages_before_the_first_poll_are_yielded_even_if_the_date_is_wrong() {
    for offset in [4, 0, -4] {
        let world = World::new(seed(3)).await;
        world.post("old");
        let wrong = Fault::wrong_clock(SignedDuration::from_secs(offset));
        let faults = world.sandbox.faults();
        faults.script(Provider::Chatwork, Script::on("list_rooms").then(wrong));
        faults.script(Provider::Chatwork, Script::on("list_messages").then(Fault::bad_gateway()));
        let mut watch = world.client.watch_all().stream();
        assert_eq!(short(&world.read(&mut watch, secs(1)).await), ["error 502"]);
        world.post("new");
        assert_eq!(short(&world.read(&mut watch, secs(60)).await), ["+new"], "{offset}");
    }
}

#[tokio::test]
async fn the_longest_intervals_mean_never() {
    let never = Duration::MAX;
    let world = World::new(seed(2)).await;
    world.clock.advance(secs(60));
    let mut watch = world.client.watch_all().max_interval(never).recheck_interval(never).stream();
    assert!(world.read(&mut watch, secs(100_000)).await.is_empty());
    assert_eq!(world.calls("list_messages"), 0);

    let mut watch =
        world.client.room(RoomId(404)).watch().min_interval(never).recheck_interval(never).stream();
    assert_eq!(short(&world.read(&mut watch, secs(100_000)).await), ["error 403"]);
}
