//! Services that answer oddly: long answers, pages of gateways, clocks that differ, limits, names that are not the account's.

use crate::deliver::{SETTLE, World};
use futures::FutureExt;
use kaiwa::jiff::{SignedDuration, Timestamp};
use kaiwa::outbox::{MemoryOutboxStore, Outbox, Phase, Status};
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::sandbox::lancers::Seed as Boards;
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use kaiwa::{Pace, chatwork};
use std::pin::pin;
use std::time::Duration;

#[tokio::test]
async fn the_id_of_a_long_message_is_kept() {
    let world = World::new().await;
    let outbox = world.outbox();
    let lancers = world.sandbox.clients().lancers;
    let board = lancers.boards().await.expect("the sandbox has boards")[0].id;
    let long = "長い報告です。".repeat(1_000);
    outbox.enqueue("a", lancers.board(board).post(&*long)).await.expect("it is stored");
    world.finish(&outbox).await;
    let first = world.status(&outbox, "a").await.message_id();
    assert!(first.is_some(), "it is known");
    // So it is not taken for the message of an equal text, whose request is lost.
    world.sandbox.faults().script(Provider::Lancers, Script::on("post_message").then(Fault::reset()));
    outbox.enqueue("b", lancers.board(board).post(&*long)).await.expect("it is stored");
    world.finish(&outbox).await;
    let second = world.status(&outbox, "b").await.message_id();
    assert!(second.is_some() && second != first, "{second:?}");
}

#[tokio::test]
async fn a_name_that_no_user_of_the_board_has_is_told_before_anything_is_sent() {
    let world = World::new().await;
    let lancers = world.sandbox.clients().lancers;
    let board = lancers.boards().await.expect("the sandbox has boards")[0].id;
    let outbox = |name: &str| {
        let outbox = Outbox::builder(world.store.clone()).lancers(world.sandbox.clients().lancers, name);
        outbox.clock(world.clock.clone()).build()
    };
    let wrong = outbox("Alice");
    wrong.enqueue("a", lancers.board(board).post("x")).await.expect("it is stored");
    world.clock.drive(wrong.deliver_due()).await.expect("the store works");
    let status = world.status(&wrong, "a").await;
    assert_eq!((status.phase, status.attempts), (Phase::Waiting, 0));
    assert!(status.reason.expect("it is told").contains("has no user `Alice`"));
    let right = outbox(Boards::USER);
    world.clock.advance(Duration::from_secs(600));
    world.finish(&right).await;
    assert_eq!(world.status(&right, "a").await.phase, Phase::Sent);
}

#[tokio::test]
async fn the_name_of_another_user_makes_no_double() {
    let world = World::new().await;
    let lancers = world.sandbox.clients().lancers;
    let board = lancers.boards().await.expect("the sandbox has boards")[0].id;
    let outbox =
        Outbox::builder(world.store.clone()).lancers(world.sandbox.clients().lancers, Boards::COLLEAGUE);
    let outbox = outbox.clock(world.clock.clone()).build();
    let bodies = || {
        let messages = world.sandbox.lancers().board(board).messages();
        messages.iter().filter(|message| message.description == "x").count()
    };
    // The first answer is lost, so that nothing has said who posts.
    world.sandbox.faults().script(Provider::Lancers, Script::on("post_message").then(Fault::reset().after()));
    outbox.enqueue("a", lancers.board(board).post("x")).await.expect("it is stored");
    world.finish(&outbox).await;
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, bodies()), (Phase::Uncertain, 1));
    assert!(status.reason.expect("it is told").contains("of `alice` has this text"));
    // The answer to another post says it.
    outbox.enqueue("b", lancers.board(board).post("y")).await.expect("it is stored");
    world.finish(&outbox).await;
    world.sandbox.faults().script(Provider::Lancers, Script::on("post_message").then(Fault::reset().after()));
    outbox.enqueue("c", lancers.board(board).post("z")).await.expect("it is stored");
    world.finish(&outbox).await;
    assert_eq!(world.status(&outbox, "c").await.phase, Phase::Sent);
}

#[tokio::test]
async fn an_entry_is_not_sent_to_another_base_url() {
    let (world, other) = (World::new().await, World::new().await);
    world.enqueue(&world.outbox(), "a", 10, "x").await;
    let elsewhere = world.outbox_on(world.store.clone(), other.chatwork.clone());
    world.clock.drive(elsewhere.deliver_due()).await.expect("the store works");
    let status = world.status(&elsewhere, "a").await;
    assert_eq!((status.phase, status.attempts, other.bodies(10)), (Phase::Waiting, 0, Vec::new()));
    assert!(status.reason.expect("it is told").contains("was stored for the base URL http://"));
    let error = elsewhere.enqueue("a", other.chatwork.room(chatwork::RoomId(10)).post("x")).await;
    assert!(error.expect_err("it is elsewhere").to_string().contains("belongs to another request"));
    world.clock.advance(Duration::from_secs(600));
    world.finish(&world.outbox()).await;
    assert_eq!(world.bodies(10), ["x"]);
}

#[tokio::test]
async fn a_busy_room_hides_whether_a_message_is_there_twice_and_that_is_told() {
    let world = World::new().await;
    let outbox = world.outbox();
    let mut outcomes = pin!(outbox.outcomes());
    world.lose(Fault::late(SETTLE * 2));
    world.enqueue(&outbox, "a", 10, "x").await;
    world.finish(&outbox).await;
    world.clock.advance(SETTLE);
    while world.bodies(10).len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for number in 0..100 {
        world.sandbox.chatwork().room(10).post_as(2, &number.to_string());
    }
    for _ in 0..5 {
        world.clock.advance(SETTLE * 20);
        world.clock.drive(outbox.deliver_due()).await.expect("the store works");
    }
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, status.not_before), (Phase::Sent, None));
    let reason = status.reason.expect("it is told");
    assert!(reason.contains("cannot be said whether it is there twice"), "{reason}");
    let mut last: Option<Status> = None;
    while let Some(Some(status)) = futures::StreamExt::next(&mut outcomes).now_or_never() {
        last = Some(status);
    }
    assert_eq!(last.and_then(|status| status.reason), Some(reason));
}

#[tokio::test]
async fn a_request_of_another_client_is_refused() {
    let world = World::new().await;
    let outbox = world.outbox();
    let elsewhere = chatwork::Client::builder().api_token("token").base_url("http://127.0.0.1:9/v2");
    let elsewhere = elsewhere.build().expect("a client");
    for (client, problem) in [(world.client("alice"), "another credential"), (elsewhere, "another base URL")]
    {
        let error = outbox.enqueue("a", client.room(chatwork::RoomId(10)).post("x")).await;
        let error = error.expect_err("it would be sent by another account, or elsewhere");
        assert!(error.is_invalid_input() && error.to_string().contains(problem), "{error}");
    }
    let again = world.client("token").room(chatwork::RoomId(10)).post("x");
    outbox.enqueue("a", again).await.expect("it is the same account at the same place");
    let room = world.chatwork.room(chatwork::RoomId(10));
    let sought = world
        .clock
        .drive(room.before_post("x", chatwork::AccountId(1)))
        .await
        .expect("the room can be read")
        .into_inner();
    let error = outbox.enqueue("b", room.post_once(&sought)).await.expect_err("it would not look");
    assert!(error.is_invalid_input() && error.to_string().contains("an outbox does by itself"), "{error}");
    let post = room.post("x").with_reconcile(chatwork::Reconcile::new());
    outbox.enqueue("b", post).await.expect_err("it would not look");
}

#[tokio::test]
async fn the_page_of_a_gateway_rejects_nothing() {
    for fault in
        [Fault::page(), Fault::status(403).body("text/html", "<h1>Deploying</h1>"), Fault::status(408)]
    {
        let world = World::new().await;
        let outbox = world.outbox();
        world.faults(Script::on("post_message").then(fault.before()).times(3));
        world.enqueue(&outbox, "a", 10, "x").await;
        for _ in 0..20 {
            world.clock.drive(outbox.deliver_due()).await.expect("the store works");
            world.clock.advance(SETTLE);
        }
        assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sent);
        assert_eq!(world.bodies(10), ["x"]);
    }
}

#[tokio::test]
async fn an_outage_does_not_make_the_next_look_the_last_one() {
    let world = World::new().await;
    let outbox = world.outbox();
    // An hour in which the request is certainly not done, then a lost answer, and a broken list.
    world.faults(Script::on("post_message").then(Fault::status(429)).times(30).then(Fault::reset().after()));
    world.faults(Script::on("list_messages").then(Fault::bad_gateway()).times(3));
    world.enqueue(&outbox, "a", 10, "x").await;
    for _ in 0..60 {
        world.clock.drive(outbox.deliver_due()).await.expect("the store works");
        world.clock.advance(Duration::from_secs(300));
    }
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, status.reason), (Phase::Sent, None));
    assert_eq!(world.bodies(10), ["x"]);
}

#[tokio::test]
async fn a_gateway_with_a_clock_of_its_own_hides_no_message() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.enqueue(&outbox, "before", 10, "before").await;
    world.finish(&outbox).await;
    let page = |fault: Fault| fault.header("date", "Thu, 01 Jan 2099 00:00:00 GMT");
    world.faults(
        Script::on("post_message")
            .then(page(Fault::bad_gateway()).after())
            .then(page(Fault::bad_gateway()).after()),
    );
    for key in ["a", "b"] {
        world.enqueue(&outbox, key, 10, key).await;
    }
    world.finish(&outbox).await;
    assert_eq!(world.bodies(10), ["before", "a", "b"]);
    // A service whose servers do not agree on the second.
    world.faults(Script::any().then(Fault::wrong_clock(SignedDuration::from_secs(4))).times(1));
    world.enqueue(&outbox, "c", 10, "c").await;
    world.lose(Fault::reset().after());
    world.enqueue(&outbox, "d", 10, "d").await;
    world.finish(&outbox).await;
    assert_eq!(world.bodies(10), ["before", "a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_key_that_a_person_sends_again_counts_from_then() {
    let world = World::new().await;
    let outbox = world.outbox();
    let tascha = world.sandbox.clients().tascha;
    let room = tascha.rooms().await.expect("the sandbox has rooms").data[0].id.clone();
    world.sandbox.faults().script(Provider::Tascha, Script::on("create_message").then(Fault::status(403)));
    outbox.enqueue("a", tascha.room(room).post("x")).await.expect("it is stored");
    world.finish(&outbox).await;
    world.clock.advance(Duration::from_secs(30 * 60 * 60));
    world
        .sandbox
        .faults()
        .script(Provider::Tascha, Script::on("create_message").then(Fault::reset().after()));
    assert!(outbox.retry("a").await.expect("the store works"));
    world.finish(&outbox).await;
    assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sent);
}

#[tokio::test]
async fn what_is_never_answered_is_given_up_and_holds_up_its_room_no_longer() {
    let world = World::new().await;
    let chatwork = world.chatwork.clone();
    let outbox = Outbox::builder(world.store.clone()).chatwork(chatwork).clock(world.clock.clone());
    let outbox = outbox.repeat_for(Duration::from_secs(3600)).build();
    world.faults(Script::on("update_room").then(Fault::status(500)).forever());
    let room = world.chatwork.room(chatwork::RoomId(10));
    outbox.enqueue("name", room.update().name("改名")).await.expect("it is stored");
    world.enqueue(&outbox, "after", 10, "x").await;
    for _ in 0..60 {
        world.clock.drive(outbox.deliver_due()).await.expect("the store works");
        world.clock.advance(Duration::from_secs(90));
    }
    assert_eq!(world.status(&outbox, "name").await.phase, Phase::Uncertain);
    assert_eq!(world.status(&outbox, "after").await.phase, Phase::Sent);
}

#[tokio::test]
async fn a_late_change_does_not_undo_the_next_one() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.faults(Script::on("update_room").then(Fault::late(SETTLE.mul_f64(0.9))));
    let room = world.chatwork.room(chatwork::RoomId(10));
    for name in ["一", "二"] {
        outbox.enqueue(name, room.update().name(name)).await.expect("it is stored");
    }
    world.finish(&outbox).await;
    world.clock.advance(SETTLE);
    world.clock.drive(async { tokio::task::yield_now().await }).await;
    assert_eq!(world.sandbox.chatwork().room(10).name(), "二");
}

#[tokio::test]
async fn a_full_window_of_one_service_does_not_hold_up_another() {
    let seed = Seed::new().account(Account::new(1, "Bot").token("token")).unlimited();
    let seed = seed.room(Room::group(10, "Builds").admin(1)).room(Room::group(11, "Other").admin(1));
    let sandbox = Sandbox::builder().chatwork(seed).start().await.expect("a port");
    let client = sandbox.chatwork_client("token").pace(Pace::new().room_limit(1, Duration::from_secs(3600)));
    let (chatwork, tascha) = (client.build().expect("a client"), sandbox.clients().tascha);
    let outbox = Outbox::builder(MemoryOutboxStore::new()).chatwork(chatwork.clone()).tascha(tascha.clone());
    let outbox = outbox.concurrency(2).build();
    for (number, room) in [10, 11, 10, 11].into_iter().enumerate() {
        let post = chatwork.room(chatwork::RoomId(room)).post("x");
        outbox.enqueue(format!("{number}"), post).await.expect("it is stored");
    }
    let room = tascha.rooms().await.expect("the sandbox has rooms").data[0].id.clone();
    outbox.enqueue("other", tascha.room(room).post("x")).await.expect("it is stored");
    // It ends, although two rooms have to wait for an hour.
    assert_eq!(outbox.deliver_due().await.expect("the store works"), 3);
    for key in ["2", "3"] {
        let status = outbox.status(key).await.expect("the store works").expect("it was added");
        assert_eq!((status.phase, status.attempts), (Phase::Waiting, 0), "no byte has left: {status:?}");
        let wait = status.not_before.expect("it waits").duration_since(Timestamp::now());
        assert!(wait > SignedDuration::from_mins(50), "{wait:#}");
    }
}
