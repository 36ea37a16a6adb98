//! What becomes of entries, against the sandbox on a virtual clock: lost answers, late effects, refusals, kills.

use futures::{FutureExt, StreamExt};
use kaiwa::chatwork::{self, RoomId};
use kaiwa::outbox::{MemoryOutboxStore, Outbox, OutboxStore, Phase, Status};
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::sandbox::lancers::Seed as Boards;
use kaiwa::sandbox::{Clients, Fault, Provider, Sandbox, Script};
use kaiwa::{Pace, RetryPolicy, Upload, VirtualClock};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

pub const SETTLE: Duration = Duration::from_secs(90);

pub struct World {
    pub sandbox: Sandbox,
    pub clock: VirtualClock,
    pub store: MemoryOutboxStore,
    pub chatwork: chatwork::Client,
}

impl World {
    pub async fn new() -> Self {
        let seed = Seed::new()
            .account(Account::new(1, "Bot").token("token"))
            .account(Account::new(2, "Alice").token("alice"))
            .room(Room::group(10, "Builds").admin(1).member(2))
            .room(Room::group(11, "Other").admin(1).member(2))
            .unlimited();
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.expect("a port");
        let store = MemoryOutboxStore::with_clock(Arc::new(clock.clone()));
        // No timeouts: on a clock that jumps from wait to wait, they would end at once.
        let client = sandbox.chatwork_client("token").timeout(None).attempt_timeout(None).pace(Pace::off());
        let chatwork = client.retry(RetryPolicy::none()).build().expect("a client");
        Self { sandbox, clock, store, chatwork }
    }

    /// An outbox as a start of the program makes it.
    pub fn outbox(&self) -> Outbox {
        self.outbox_on(self.store.clone(), self.chatwork.clone())
    }

    pub fn outbox_on(&self, store: impl OutboxStore, chatwork: chatwork::Client) -> Outbox {
        let Clients { tascha, lancers, .. } = self.sandbox.clients();
        let outbox = Outbox::builder(store).chatwork(chatwork).tascha(tascha).lancers(lancers, Boards::USER);
        outbox.clock(self.clock.clone()).build()
    }

    /// The client of the account with this token.
    pub fn client(&self, token: &str) -> chatwork::Client {
        // No timeouts: on a clock that jumps from wait to wait, they would end at once.
        let client =
            self.sandbox.chatwork_client(token).timeout(None).attempt_timeout(None).pace(Pace::off());
        client.retry(RetryPolicy::none()).build().expect("a client")
    }

    pub async fn enqueue(&self, outbox: &Outbox, key: &str, room: u64, text: &str) {
        outbox.enqueue(key, self.chatwork.room(RoomId(room)).post(text)).await.expect("it is stored");
    }

    pub fn faults(&self, script: Script) {
        self.sandbox.faults().script(Provider::Chatwork, script);
    }

    pub fn lose(&self, fault: Fault) {
        self.faults(Script::on("post_message").then(fault));
    }

    /// Delivers until every entry is closed.
    pub async fn finish(&self, outbox: &Outbox) {
        for _ in 0..200 {
            self.clock.drive(outbox.deliver_due()).await.expect("the store works");
            let entries = outbox.list(None, 1_000).await.expect("the store works");
            if entries.iter().all(|entry| !entry.phase.is_open()) {
                return;
            }
            self.clock.advance(Duration::from_secs(5));
        }
        panic!("it does not end: {:?}", outbox.list(None, 1_000).await);
    }

    pub async fn status(&self, outbox: &Outbox, key: &str) -> Status {
        outbox.status(key).await.expect("the store works").expect("it was added")
    }

    pub fn bodies(&self, room: u64) -> Vec<String> {
        self.sandbox.chatwork().room(room).messages().into_iter().map(|message| message.body).collect()
    }
}

#[tokio::test]
async fn a_message_is_posted_once_and_its_key_is_known() {
    let world = World::new().await;
    let outbox = world.outbox();
    for _ in 0..2 {
        world.enqueue(&outbox, "a", 10, "x").await;
        world.finish(&outbox).await;
    }
    assert_eq!(world.bodies(10), ["x"]);
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, status.attempts, status.reposted), (Phase::Sent, 1, false));
    let there = world.sandbox.chatwork().room(10).messages()[0].message_id.to_string();
    assert_eq!(status.message_id(), Some(there));
    let room = world.chatwork.room(RoomId(10));
    let error = outbox.enqueue("a", room.post("y")).await.expect_err("it is another message");
    assert!(error.is_invalid_input() && error.to_string().contains("belongs to another request"), "{error}");
    let error = outbox.enqueue("b", room.messages()).await.expect_err("it changes nothing");
    assert!(error.is_invalid_input() && error.to_string().contains("only reads"), "{error}");
    for (key, text) in [("", "x"), ("b", "")] {
        outbox.enqueue(key, room.post(text)).await.expect_err("it could never be posted");
    }
    let error =
        outbox.enqueue("c", room.post("x").with_header("X-A", "b")).await.expect_err("it may be secret");
    assert!(error.is_invalid_input(), "{error}");
    let tascha = world.sandbox.clients().tascha;
    let error =
        outbox.enqueue("c", room.post("x").with_idempotency_key("one")).await.expect_err("it takes no key");
    assert!(error.is_invalid_input() && error.to_string().contains("not taken by this operation"), "{error}");
    let written = tascha.room("room_1").post("x").with_idempotency_key("改行");
    outbox.enqueue("c", written).await.expect_err("it could never be sent");
    let file = world.chatwork.room(RoomId(10)).upload(Upload::bytes("a.txt", "x"));
    let error = outbox.enqueue("c", file).await.expect_err("files are not kept");
    assert!(error.is_invalid_input() && error.to_string().contains("has a file"), "{error}");
    assert_eq!(outbox.list(None, 10).await.expect("the store works").len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_found_and_a_lost_request_is_sent_again() {
    for (fault, reposted, attempts) in
        [(Fault::reset().after(), false, 1), (Fault::short_body(), false, 1), (Fault::reset(), true, 2)]
    {
        let world = World::new().await;
        let outbox = world.outbox();
        // An equal text of an earlier entry is not taken for it.
        world.enqueue(&outbox, "before", 10, "x").await;
        world.finish(&outbox).await;
        world.lose(fault);
        world.enqueue(&outbox, "a", 10, "x").await;
        world.enqueue(&outbox, "after", 10, "x").await;
        world.finish(&outbox).await;
        assert_eq!(world.bodies(10), ["x", "x", "x"]);
        let status = world.status(&outbox, "a").await;
        assert_eq!((status.phase, status.reposted, status.attempts), (Phase::Sent, reposted, attempts));
        let mut ids = Vec::new();
        for key in ["before", "a", "after"] {
            ids.push(world.status(&outbox, key).await.message_id().expect("it is known"));
        }
        let there = world.sandbox.chatwork().room(10).messages();
        let there: Vec<_> = there.iter().map(|message| message.message_id.to_string()).collect();
        assert_eq!(ids, there, "each has its own message");
    }
}

#[tokio::test]
async fn a_late_effect_is_waited_for() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.lose(Fault::late(SETTLE.mul_f64(0.9)));
    world.enqueue(&outbox, "a", 10, "x").await;
    world.finish(&outbox).await;
    world.clock.advance(SETTLE);
    assert_eq!(world.bodies(10), ["x"]);
    assert!(!world.status(&outbox, "a").await.reposted);
}

#[tokio::test]
async fn rooms_do_not_hold_each_other_up_and_keep_their_order() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.lose(Fault::reset().after());
    for key in ["a1", "a2"] {
        world.enqueue(&outbox, key, 10, key).await;
    }
    assert_eq!(world.clock.drive(outbox.deliver_due()).await.expect("the store works"), 0);
    for key in ["b1", "b2"] {
        world.enqueue(&outbox, key, 11, key).await;
    }
    let closed = world.clock.drive(outbox.deliver_due()).await.expect("the store works");
    assert_eq!((closed, world.clock.elapsed() < SETTLE), (2, true));
    assert_eq!(world.bodies(11), ["b1", "b2"]);
    assert_eq!(world.bodies(10), ["a1"], "the next one waits until it is known what became of the first");
    world.finish(&outbox).await;
    assert_eq!(world.bodies(10), ["a1", "a2"]);
}

#[tokio::test]
async fn a_refusal_is_told_and_nobody_else_waits() {
    let world = World::new().await;
    let outbox = world.outbox();
    let mut outcomes = pin!(outbox.outcomes());
    world.enqueue(&outbox, "gone", 99, "x").await;
    world.enqueue(&outbox, "good", 10, "x").await;
    world.finish(&outbox).await;
    let refused = world.status(&outbox, "gone").await;
    assert_eq!(refused.phase, Phase::Rejected);
    assert!(refused.reason.expect("the service said why").contains("40"), "the status is named");
    assert_eq!(world.status(&outbox, "good").await.phase, Phase::Sent);
    let mut told = Vec::new();
    while let Some(Some(status)) = futures::StreamExt::next(&mut outcomes).now_or_never() {
        told.push((status.key, status.phase));
    }
    told.sort();
    assert_eq!(told, [("gone".to_owned(), Phase::Rejected), ("good".to_owned(), Phase::Sent)]);
    assert!(outbox.discard("gone").await.expect("the store works"));
    assert!(!outbox.discard("good").await.expect("the store works"), "it is sent");
    assert!(outbox.retry("gone").await.expect("the store works"));
    assert_eq!(world.status(&outbox, "gone").await.phase, Phase::Waiting);
}

#[tokio::test]
async fn what_is_certainly_not_done_is_tried_until_it_is() {
    let world = World::new().await;
    let outbox = world.outbox();
    let limited = Fault::too_many_requests(Some(Duration::from_secs(7)));
    world.faults(Script::on("post_message").then(limited).then(Fault::status(401)));
    world.enqueue(&outbox, "a", 10, "x").await;
    world.finish(&outbox).await;
    assert_eq!(world.bodies(10), ["x"]);
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, status.reposted, status.reason), (Phase::Sent, false, None));
}

#[tokio::test]
async fn a_keyed_request_is_repeated_under_its_key() {
    let world = World::new().await;
    let outbox = world.outbox();
    let tascha = world.sandbox.clients().tascha;
    let room = tascha.rooms().await.expect("the sandbox has rooms").data[0].id.clone();
    let before = tascha.room(room.clone()).messages().await.expect("they can be read").data.len();
    world.sandbox.faults().script(
        Provider::Tascha,
        Script::on("create_message").then(Fault::reset().after()).then(Fault::bad_gateway()),
    );
    outbox.enqueue("a", tascha.room(room.clone()).post("決裁しました")).await.expect("it is stored");
    world.finish(&outbox).await;
    assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sent);
    let after = tascha.room(room).messages().await.expect("they can be read").data.len();
    assert_eq!(after - before, 1);
}

#[tokio::test]
async fn a_message_of_lancers_is_looked_for_too() {
    for (fault, attempts) in [(Fault::reset().after(), 1), (Fault::reset(), 2), (Fault::late(SETTLE / 2), 1)]
    {
        let world = World::new().await;
        let outbox = world.outbox();
        let lancers = world.sandbox.clients().lancers;
        let board = lancers.boards().await.expect("the sandbox has boards")[0].id;
        let texts = || {
            let messages = world.sandbox.lancers().board(board).messages();
            messages.into_iter().map(|message| message.description).collect::<Vec<_>>()
        };
        let before = texts();
        world.sandbox.faults().script(Provider::Lancers, Script::on("post_message").then(fault));
        for (key, text) in [("a", "納品しました\n<b>&"), ("b", "納品しました\n<b>&")] {
            outbox.enqueue(key, lancers.board(board).post(text)).await.expect("it is stored");
        }
        let known = outbox.enqueue("a", lancers.board(board).post("納品しました")).await;
        known.expect_err("it is another message");
        world.finish(&outbox).await;
        assert_eq!(texts()[before.len()..], ["納品しました\n<b>&", "納品しました\n<b>&"]);
        let status = world.status(&outbox, "a").await;
        assert_eq!((status.phase, status.attempts), (Phase::Sent, attempts));
        assert_ne!(status.message_id(), world.status(&outbox, "b").await.message_id());
    }
}

#[tokio::test]
async fn what_cannot_be_known_is_uncertain_and_not_sent_again_by_itself() {
    // A task leaves nothing that could be looked for, and a busy room no evidence.
    for busy in [false, true] {
        let world = World::new().await;
        let outbox = world.outbox();
        if busy {
            world.lose(Fault::reset());
            world.enqueue(&outbox, "a", 10, "x").await;
        } else {
            world.faults(Script::on("create_tasks").then(Fault::reset().after()));
            let tasks = world.chatwork.room(RoomId(10)).create_tasks("x", [chatwork::AccountId(2)]);
            outbox.enqueue("a", tasks).await.expect("it is stored");
        }
        world.clock.drive(outbox.deliver_due()).await.expect("the store works");
        for number in 0..if busy { 100 } else { 0 } {
            world.sandbox.chatwork().room(10).post_as(2, &number.to_string());
        }
        world.finish(&outbox).await;
        let status = world.status(&outbox, "a").await;
        assert_eq!((status.phase, status.attempts), (Phase::Uncertain, 1), "{status:?}");
        assert!(status.reason.is_some());
        assert!(outbox.retry("a").await.expect("the store works"), "a person has looked");
        world.finish(&outbox).await;
        assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sent);
    }
}

#[tokio::test]
async fn an_entry_waits_for_its_time() {
    let world = World::new().await;
    let outbox = world.outbox();
    let later = kaiwa::Clock::wall(&world.clock) + Duration::from_secs(600);
    outbox.enqueue_at("a", world.chatwork.room(RoomId(10)).post("x"), later).await.expect("it is stored");
    assert_eq!(world.clock.drive(outbox.deliver_due()).await.expect("the store works"), 0);
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(world.clock.drive(outbox.deliver_due()).await.expect("the store works"), 1);
}

/// A program that is killed at any moment, and started again: the future is dropped at its n-th poll.
#[tokio::test]
async fn a_program_that_is_killed_anywhere_posts_each_message_once() {
    let mut killed = 0;
    for polls in 0..24 {
        let world = World::new().await;
        for (key, room) in [("a1", 10), ("a2", 10), ("b1", 11)] {
            world.enqueue(&world.outbox(), key, room, key).await;
        }
        {
            let outbox = world.outbox();
            let mut delivering = pin!(outbox.deliver_due());
            let mut ended = false;
            for _ in 0..polls {
                if futures::poll!(&mut delivering).is_ready() {
                    ended = true;
                    break;
                }
                // The sandbox answers in between.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            killed += u32::from(!ended);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        world.finish(&world.outbox()).await;
        assert_eq!(
            (world.bodies(10), world.bodies(11)),
            (vec!["a1".into(), "a2".into()], vec!["b1".into()]),
            "{polls}"
        );
    }
    assert!(killed > 3, "{killed}");
}

#[tokio::test]
async fn a_room_with_many_entries_does_not_wait_between_them() {
    let sandbox = Sandbox::start().await.expect("a port");
    let lancers = sandbox.clients().lancers;
    let board = lancers.boards().await.expect("the sandbox has boards")[0].id;
    let outbox = Outbox::builder(MemoryOutboxStore::new()).lancers(lancers.clone(), Boards::USER).build();
    for number in 0..20 {
        outbox.enqueue(format!("{number}"), lancers.board(board).post("x")).await.expect("it is stored");
    }
    let mut sent = pin!(outbox.outcomes().take(20).count());
    // The store is asked once a second; 20 of these would take longer than this time.
    let running = pin!(outbox.run(tokio::time::sleep(Duration::from_secs(10))));
    let ended = futures::future::select(running, &mut sent).await;
    assert!(matches!(ended, futures::future::Either::Right((20, _))), "they wait for each other");
}

#[tokio::test]
async fn it_runs_until_the_shutdown_and_lets_a_request_end() {
    let world = World::new().await;
    let outbox = world.outbox();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.run(async { drop(stopped.await) }).await }
    });
    world.enqueue(&outbox, "a", 10, "x").await;
    while world.status(&outbox, "a").await.phase != Phase::Sent {
        tokio::task::yield_now().await;
        world.clock.advance(Duration::from_millis(100));
    }
    stop.send(()).expect("it runs");
    running.await.expect("it ends");
    assert_eq!(world.bodies(10), ["x"]);
}
