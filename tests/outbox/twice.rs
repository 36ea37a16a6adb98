//! Requests that are carried out after the outbox has looked, and messages that are not its own.

use crate::deliver::{SETTLE, World};
use futures::FutureExt;
use kaiwa::outbox::{Outbox, Phase, Status};
use kaiwa::sandbox::{Fault, Provider, Script};
use std::pin::pin;
use std::time::Duration;

impl World {
    /// Delivers until every entry is closed, and is not looked for again.
    async fn finish_all_looks(&self, outbox: &Outbox) {
        self.finish(outbox).await;
        self.clock.advance(SETTLE * 20);
        for _ in 0..10 {
            self.clock.drive(outbox.deliver_due()).await.expect("the store works");
            self.clock.advance(SETTLE * 20);
        }
        let entries = outbox.list(None, 1_000).await.expect("the store works");
        assert!(entries.iter().all(|entry| entry.not_before.is_none()), "{entries:?}");
    }

    /// How many times a room was looked through.
    fn looks(&self) -> usize {
        self.sandbox.requests().iter().filter(|request| request.operation == Some("list_messages")).count()
    }
}

fn told(outcomes: &mut (impl futures::Stream<Item = Status> + Unpin)) -> Vec<(String, Phase)> {
    let mut told = Vec::new();
    while let Some(Some(status)) = futures::StreamExt::next(outcomes).now_or_never() {
        told.push((status.key, status.phase));
    }
    told
}

#[tokio::test]
async fn a_request_that_is_carried_out_after_the_looks_is_told() {
    // Between the second look and the first one after the post, and between later ones.
    for lateness in [1.3, 3.0, 12.0] {
        let world = World::new().await;
        let outbox = world.outbox();
        let mut outcomes = pin!(outbox.outcomes());
        world.lose(Fault::late(SETTLE.mul_f64(lateness)));
        world.enqueue(&outbox, "a", 10, "x").await;
        world.finish(&outbox).await;
        let sent = world.status(&outbox, "a").await;
        assert_eq!((sent.phase, sent.reposted), (Phase::Sent, true));
        for _ in 0..40 {
            world.clock.advance(SETTLE / 2);
            world.clock.drive(outbox.deliver_due()).await.expect("the store works");
        }
        assert_eq!(world.bodies(10), ["x", "x"]);
        let there = world.sandbox.chatwork().room(10).messages();
        let other = there.iter().map(|message| message.message_id.to_string());
        let other = other.filter(|id| Some(id) != sent.message_id().as_ref()).collect::<Vec<_>>();
        let status = world.status(&outbox, "a").await;
        assert_eq!((status.phase, status.message_id()), (Phase::Doubled, sent.message_id()));
        assert!(status.reason.expect("it is told").contains(&other[0]), "the other one is named");
        let closed =
            told(&mut outcomes).into_iter().filter(|(_, phase)| !phase.is_open()).collect::<Vec<_>>();
        assert_eq!(closed, [("a".into(), Phase::Sent), ("a".into(), Phase::Doubled)]);
        assert_eq!(status.other_message_id.as_ref(), Some(&other[0]));
        assert_eq!(outbox.list(Some(Phase::Doubled), 10).await.expect("the store works").len(), 1);
        // It is kept until a person has deleted one of them.
        assert_eq!(outbox.forget(Duration::ZERO).await.expect("the store works"), 0);
        assert!(outbox.discard("a").await.expect("the store works"));
        assert_eq!(world.status(&outbox, "a").await.phase, Phase::Sent);
    }
}

#[tokio::test]
async fn a_message_that_is_there_once_is_not_told_and_the_looks_end() {
    let world = World::new().await;
    let outbox = world.outbox();
    let mut outcomes = pin!(outbox.outcomes());
    world.lose(Fault::reset());
    world.enqueue(&outbox, "a", 10, "x").await;
    world.finish(&outbox).await;
    let before = world.looks();
    // An equal text of another entry, also one that is just on its way, is no double.
    world.enqueue(&outbox, "b", 10, "x").await;
    world.clock.advance(SETTLE * 2);
    world.lose(Fault::short_body());
    world.enqueue(&outbox, "c", 10, "x").await;
    world.finish_all_looks(&outbox).await;
    for key in ["a", "b", "c"] {
        assert_eq!(world.status(&outbox, key).await.phase, Phase::Sent, "{key}");
    }
    assert_eq!(world.bodies(10), ["x", "x", "x"]);
    assert!(world.looks() > before);
    let closed = told(&mut outcomes).into_iter().filter(|(_, phase)| !phase.is_open()).count();
    assert_eq!(closed, 3, "a look that finds nothing new is not told");
    let looks = world.looks();
    world.clock.advance(SETTLE * 100);
    world.clock.drive(outbox.deliver_due()).await.expect("the store works");
    assert_eq!(world.looks(), looks);
}

#[tokio::test]
async fn a_post_that_was_refused_the_second_time_is_found_if_the_first_one_comes_late() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.faults(Script::on("post_message").then(Fault::late(SETTLE * 2)).then(Fault::status(403)));
    world.enqueue(&outbox, "a", 10, "x").await;
    world.finish(&outbox).await;
    assert_eq!(world.status(&outbox, "a").await.phase, Phase::Rejected);
    world.clock.advance(SETTLE);
    world.finish_all_looks(&outbox).await;
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, status.reason), (Phase::Sent, None));
    assert_eq!(world.bodies(10), ["x"]);
}

#[tokio::test]
async fn a_message_of_another_program_is_not_taken() {
    let world = World::new().await;
    world.sandbox.chatwork().room(10).post_as(1, "x");
    world.clock.advance(Duration::from_secs(60));
    let outbox = world.outbox();
    world.lose(Fault::reset());
    world.enqueue(&outbox, "a", 10, "x").await;
    world.finish(&outbox).await;
    assert_eq!(world.bodies(10), ["x", "x"], "the first one was there before");
}

#[tokio::test]
async fn a_message_is_looked_for_by_the_account_that_sent_it() {
    let world = World::new().await;
    let outbox = world.outbox();
    world.lose(Fault::reset().after());
    world.enqueue(&outbox, "a", 10, "x").await;
    world.clock.drive(outbox.deliver_due()).await.expect("the store works");
    // The program is started again with another token.
    let other = world.outbox_on(world.store.clone(), world.client("alice"));
    world.finish(&other).await;
    assert_eq!(world.bodies(10), ["x"]);
    assert!(!world.status(&other, "a").await.reposted);
}

#[tokio::test]
async fn after_a_kill_the_time_to_settle_counts_from_the_restart() {
    let world = World::new().await;
    world.enqueue(&world.outbox(), "a", 10, "x").await;
    {
        let outbox = world.outbox();
        let mut delivering = pin!(outbox.deliver_due());
        while world.bodies(10).is_empty() {
            assert!(futures::poll!(&mut delivering).is_pending());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    world.clock.advance(SETTLE * 10);
    let outbox = world.outbox();
    world.clock.drive(outbox.deliver_due()).await.expect("the store works");
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, world.looks()), (Phase::Sending, 0), "the old request may have left just now");
    world.clock.advance(SETTLE);
    world.clock.drive(outbox.deliver_due()).await.expect("the store works");
    assert_eq!((world.status(&outbox, "a").await.phase, world.looks()), (Phase::Sent, 1));
}

#[tokio::test]
async fn a_refusal_after_an_attempt_that_may_have_been_done_is_uncertain() {
    let world = World::new().await;
    let outbox = world.outbox();
    let tascha = world.sandbox.clients().tascha;
    let room = tascha.rooms().await.expect("the sandbox has rooms").data[0].id.clone();
    let faults = Script::on("create_message").then(Fault::reset()).then(Fault::status(403));
    world.sandbox.faults().script(Provider::Tascha, faults);
    outbox.enqueue("a", tascha.room(room).post("決裁しました")).await.expect("it is stored");
    world.finish(&outbox).await;
    let status = world.status(&outbox, "a").await;
    assert_eq!((status.phase, status.attempts), (Phase::Uncertain, 2));
    assert!(status.reason.expect("it is told").contains("an earlier attempt may have been done"));
}
