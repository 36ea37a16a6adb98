//! Handlers that fail: they run again, and a message that fails too often is set aside and reported.

use crate::world::{ALICE, World, created, notices};
use kaiwa::bot::{DurableBot, DurableContext, Notice, SetAside, Source};
use kaiwa::outbox::{Filter, OUTBOX, OutboxStore, Phase};
use kaiwa::sandbox::{Fault, Provider, Script};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Fails with "bad", and answers all else.
async fn picky(context: DurableContext) -> Result<(), Failure> {
    match &*context.text() {
        "bad" => Err("it is bad".into()),
        "panic" => panic!("it is worse"),
        "slow" => std::future::pending().await,
        text => Ok(context.reply(text).map(drop)?),
    }
}

async fn set_aside(bot: &DurableBot) -> Vec<SetAside> {
    bot.inbox().set_aside(10).await.expect("it is in memory")
}

#[tokio::test]
async fn a_message_that_fails_too_often_is_set_aside_and_reported_and_the_next_is_handled() {
    let world = World::new().await;
    let (bot, notices) = notices(world.bot().attempts(2).timeout(Duration::from_secs(5)));
    let inbox = bot.inbox();
    for (text, id) in ["bad", "panic", "slow", "good"].into_iter().zip(1..) {
        inbox.push(created(10, id, ALICE, text)).await.expect("it is stored");
    }
    world.run(bot, Source::webhooks(), picky, || world.answers(10) == ["good"]).await;
    let texts: Vec<_> = notices
        .lock()
        .expect("no panic")
        .iter()
        .map(|notice| match notice {
            Notice::Failed { failure, failures, again, .. } => format!("{failures}: {failure}, {again:?}"),
            Notice::SetAside(SetAside { key, reason, .. }) => format!("{key}: {reason}"),
            _ => panic!("another notice"),
        })
        .collect();
    assert_eq!(
        texts,
        [
            "1: the handler failed: it is bad, 1s",
            "bot-chatwork:10:1: the handler failed: it is bad",
            "1: the handler panicked: it is worse, 1s",
            "bot-chatwork:10:2: the handler panicked: it is worse",
            "1: the handler took longer than 5s, 1s",
            "bot-chatwork:10:3: the handler took longer than 5s",
        ]
    );
    // It is there for a person to decide, also after a restart and after what is done was removed.
    let bot = world.bot();
    world.store.blank("bot-chatwork", Duration::ZERO).await.expect("it is in memory");
    let aside = set_aside(&bot).await;
    assert_eq!((&*aside[0].text, aside[0].failures), ("bad", 2));
    let keys: Vec<_> = aside.into_iter().map(|message| message.key).collect();
    assert_eq!(keys, ["bot-chatwork:10:1", "bot-chatwork:10:2", "bot-chatwork:10:3"]);
    assert!(bot.inbox().discard(&keys[1]).await.expect("it is in memory"));
    assert!(!bot.inbox().discard(&keys[1]).await.expect("it is in memory"), "it is decided");
    assert!(bot.inbox().retry(&keys[0]).await.expect("it is in memory"));
    let mended = async |context: DurableContext| context.reply(context.text()).map(drop);
    world.run(bot, Source::webhooks(), mended, || world.answers(10) == ["good", "bad"]).await;
    assert_eq!(set_aside(&world.bot()).await.len(), 1);
}

#[tokio::test]
async fn the_person_is_told_once() {
    let world = World::new().await;
    let bot = world.bot().attempts(1).apology("処理できませんでした。担当者に知らせます。");
    // What was not said to the bot gets no answer.
    bot.inbox().push(created(10, 3, ALICE, "bad")).await.expect("it is stored");
    bot.inbox().push(created(10, 1, ALICE, "[To:1]\nbad")).await.expect("it is stored");
    world.run(bot, Source::webhooks(), picky, || world.answers(10).len() == 1).await;
    world.clock.advance(Duration::from_secs(60));
    world.bot().inbox().push(created(10, 2, ALICE, "good")).await.expect("it is stored");
    world.run(world.bot(), Source::webhooks(), picky, || world.answers(10).len() == 2).await;
    assert_eq!(world.answers(10), ["処理できませんでした。担当者に知らせます。", "good"]);
}

/// Runs the bot and drops it in the middle of the handler, as if the process ended. Returns how long it has waited before.
async fn die(world: &World, run: u32) -> Duration {
    let began = world.clock.elapsed();
    let has_begun = AtomicBool::new(false);
    let deadly = async |context: DurableContext| {
        assert_eq!(context.attempt(), run);
        has_begun.store(true, Ordering::Relaxed);
        std::future::pending::<Result<(), Failure>>().await
    };
    let seen = || {
        world.clock.advance(Duration::from_secs(1));
        has_begun.load(Ordering::Relaxed)
    };
    world.run(world.bot(), Source::webhooks(), deadly, seen).await;
    let waited = world.clock.elapsed() - began;
    // The claim ends with its lease.
    world.clock.advance(Duration::from_secs(31));
    waited
}

#[tokio::test]
async fn a_message_that_ends_the_process_waits_longer_and_longer_and_is_set_aside_after_thirty_times() {
    let world = World::new().await;
    world.bot().inbox().push(created(10, 1, ALICE, "deadly")).await.expect("it is stored");
    let mut waits = Vec::new();
    for run in 1..=30 {
        waits.push(die(&world, run).await);
    }
    assert!(waits[..3].iter().all(|wait| *wait < Duration::from_secs(10)), "{waits:?}");
    assert!(waits[15..].iter().all(|wait| *wait > Duration::from_secs(140)), "{waits:?}");
    let (bot, notices) = notices(world.bot());
    let never = async |_: DurableContext| -> Result<(), Failure> { panic!("it is not handled again") };
    world.run(bot, Source::webhooks(), never, || !notices.lock().expect("no panic").is_empty()).await;
    let aside = set_aside(&world.bot()).await;
    let reason = "its handler was begun 30 times and did not end, perhaps because it ended the process";
    assert_eq!(aside[0].reason, reason);
    // Once it is mended, it counts anew.
    let bot = world.bot();
    assert!(bot.inbox().retry(&aside[0].key).await.expect("it is in memory"));
    world.run(bot, Source::webhooks(), picky, || world.answers(10) == ["deadly"]).await;
}

#[tokio::test]
async fn a_message_that_is_handled_whenever_the_program_is_killed_is_answered_in_the_end_and_others_meanwhile()
 {
    let world = World::new().await;
    world.bot().inbox().push(created(10, 1, ALICE, "unlucky")).await.expect("it is stored");
    for run in 1..=12 {
        die(&world, run).await;
    }
    world.bot().inbox().push(created(11, 2, ALICE, "other")).await.expect("it is stored");
    world.run(world.bot(), Source::webhooks(), picky, || world.answers(11) == ["other"]).await;
    assert!(world.answers(10).is_empty(), "it waits");
    world.clock.advance(Duration::from_secs(300));
    world.run(world.bot(), Source::webhooks(), picky, || world.answers(10) == ["unlucky"]).await;
}

#[tokio::test]
async fn a_store_that_fails_when_the_handler_returns_is_asked_again() {
    let world = World::new().await;
    let store = crate::world::Failing::new(world.store.clone());
    let bot = kaiwa::chatwork::bot::Bot::new(world.client.clone()).durable(store.clone());
    bot.inbox().push(created(10, 1, ALICE, "x")).await.expect("it is stored");
    let runs = Mutex::new(0);
    let handler = async |context: DurableContext| {
        *runs.lock().expect("no panic") += 1;
        store.fail(3);
        context.reply("はい").map(drop)
    };
    world.run(bot, Source::webhooks(), handler, || world.answers(10) == ["はい"]).await;
    assert_eq!(*runs.lock().expect("no panic"), 1);
}

#[tokio::test]
async fn a_shutdown_lets_handlers_end_and_loses_nothing() {
    let world = World::new().await;
    let (begun, stop) = (AtomicBool::new(false), tokio::sync::Notify::new());
    let stopped = std::sync::Arc::new(stop);
    let ended = std::sync::Arc::clone(&stopped);
    let bot = world.bot().shutdown(async move { ended.notified().await });
    for id in 1..=3 {
        bot.inbox().push(created(10, id, ALICE, "x")).await.expect("it is stored");
    }
    let clock = world.clock.clone();
    let handler = async |context: DurableContext| {
        begun.store(true, Ordering::Relaxed);
        stopped.notify_one();
        kaiwa::Clock::sleep(&clock, Duration::from_secs(3)).await;
        context.reply("はい").map(drop)
    };
    let summary = world.clock.drive(bot.run(Source::webhooks(), handler)).await.expect("it has run");
    assert_eq!(summary.handled, 1);
    let entries = world.store.list(Filter::new(OUTBOX, 10)).await.expect("it is in memory");
    assert_eq!(entries.len(), 1, "its reply is stored");
    let quick = async |context: DurableContext| context.reply("はい").map(drop);
    world.run(world.bot(), Source::webhooks(), quick, || world.answers(10).len() == 3).await;
}

#[tokio::test]
async fn the_texts_of_handled_messages_are_removed() {
    let world = World::new().await;
    let bot = world.bot();
    bot.inbox().push(created(10, 1, ALICE, "内密の話")).await.expect("it is stored");
    let quick = async |context: DurableContext| context.reply("はい").map(drop);
    world.run(bot, Source::webhooks(), quick, || world.answers(10).len() == 1).await;
    world.clock.advance(Duration::from_secs(600));
    let stored =
        || async { world.store.list(Filter::new("bot-chatwork", 10)).await.expect("it is in memory") };
    let before = world.sandbox.requests().len();
    assert_eq!(stored().await.len(), 1);
    world.run(world.bot(), Source::webhooks(), quick, || world.sandbox.requests().len() > before + 1).await;
    assert!(stored().await.iter().all(|entry| entry.request.is_empty()));
    // A copy that comes later is known all the same.
    world.bot().inbox().push(created(10, 1, ALICE, "内密の話")).await.expect("it is stored");
    assert_eq!(stored().await.len(), 1);
}

#[tokio::test]
async fn a_message_that_ends_the_process_takes_no_other_with_it() {
    let world = World::new().await;
    let inbox = world.bot().inbox();
    inbox.push(created(10, 1, ALICE, "deadly")).await.expect("it is stored");
    inbox.push(created(11, 2, ALICE, "slow")).await.expect("it is stored");
    let (runs, slow) = (AtomicU32::new(0), AtomicU32::new(0));
    let handler = async |context: DurableContext| -> Result<(), Failure> {
        if context.text() == "slow" {
            slow.fetch_add(1, Ordering::Relaxed);
            kaiwa::Clock::sleep(&world.clock, Duration::from_secs(5)).await;
            return Ok(context.reply("はい").map(drop)?);
        }
        runs.fetch_add(1, Ordering::Relaxed);
        // The process ends after a second, with all that is under way.
        kaiwa::Clock::sleep(&world.clock, Duration::from_secs(1)).await;
        runs.fetch_add(1_000, Ordering::Relaxed);
        std::future::pending().await
    };
    while world.answers(11).is_empty() {
        runs.store(0, Ordering::Relaxed);
        let ended = || runs.load(Ordering::Relaxed) > 1_000 || !world.answers(11).is_empty();
        world.run(world.bot(), Source::webhooks(), handler, ended).await;
        world.clock.advance(Duration::from_secs(31));
    }
    assert!(slow.load(Ordering::Relaxed) < 20, "it was begun {slow:?} times");
    assert!(set_aside(&world.bot()).await.is_empty());
}

#[tokio::test]
async fn what_is_not_stored_because_the_claim_has_ended_is_reported() {
    let world = World::new().await;
    let (bot, notices) = notices(world.bot());
    bot.inbox().push(created(10, 1, ALICE, "x")).await.expect("it is stored");
    // The thread is held up for longer than the claim.
    let handler = async |context: DurableContext| {
        if context.attempt() == 1 {
            world.clock.advance(Duration::from_secs(31));
        }
        context.reply(format!("{} 回目", context.attempt())).map(drop)
    };
    world.run(bot, Source::webhooks(), handler, || world.answers(10).len() == 1).await;
    assert_eq!(world.answers(10), ["2 回目"]);
    let notices = notices.lock().expect("no panic");
    assert!(matches!(&notices[..], [Notice::Lost { key, .. }] if key == "bot-chatwork:10:1"), "{notices:?}");
}

#[tokio::test]
async fn a_reply_that_is_refused_is_reported() {
    let world = World::new().await;
    let (bot, notices) = notices(world.bot());
    bot.inbox().push(created(10, 1, ALICE, "x")).await.expect("it is stored");
    let refused = Script::on("post_message").then(Fault::status(403));
    world.sandbox.faults().script(Provider::Chatwork, refused);
    let handler = async |context: DurableContext| context.reply("はい").map(drop);
    world.run(bot, Source::webhooks(), handler, || !notices.lock().expect("no panic").is_empty()).await;
    let notices = notices.lock().expect("no panic");
    assert!(
        matches!(&notices[..], [Notice::Reply(status)] if status.phase == Phase::Rejected
            && status.key == "bot-chatwork:10:1/1"),
        "{notices:?}"
    );
}

#[tokio::test]
async fn what_would_fail_again_is_set_aside_at_once() {
    let world = World::new().await;
    let (bot, notices) = notices(world.bot());
    bot.inbox().push(created(10, 1, ALICE, "x")).await.expect("it is stored");
    let handler = async |context: DurableContext| context.reply("あ".repeat(70_000)).map(drop);
    world.run(bot, Source::webhooks(), handler, || !notices.lock().expect("no panic").is_empty()).await;
    let notice = notices.lock().expect("no panic")[0].to_string();
    assert!(notice.starts_with("bot-chatwork:10:1 is set aside: the handler failed: "), "{notice}");
    assert!(notice.contains("at most 65535"), "{notice}");
}
