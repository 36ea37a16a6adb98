//! Commands of a durable bot: what it has to say is queued with the rest, on either service.

use crate::world::{Cli, World};
use futures_util::FutureExt;
use kaiwa::bot::{DurableBot, DurableContext, Source};
use kaiwa::chatwork::bot::commands::Guard;
use kaiwa::chatwork::{AccountId, RoomId};
use kaiwa::outbox::MemoryOutboxStore;
use kaiwa::tascha;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

const ROOM: RoomId = RoomId(10);

#[derive(Serialize, Deserialize)]
struct Asked;

/// `deploy` asks a question, and what is written to the bot next is the answer.
async fn talk(context: DurableContext) -> Result<(), kaiwa::Error> {
    let asked = context.state::<Asked>().keep(Duration::from_secs(600));
    match (context.command::<Cli>().prefixed_only().await?, asked.get().await?) {
        (Some(Cli::Deploy { target, .. }), _) => {
            asked.set(&Asked)?;
            context.reply(format!("{target} にリリースしてよいですか。"))?;
        }
        (Some(Cli::Status), _) => drop(context.reply("異常ありません")?),
        (None, Some(_)) if context.is_addressed() => {
            asked.clear()?;
            context.reply(format!("「{}」と承りました", context.text()))?;
        }
        (None, _) => {}
    }
    Ok(())
}

/// Runs the bot until it has said so much.
async fn run(
    world: &World,
    bot: DurableBot,
    handler: impl AsyncFn(DurableContext) -> Result<(), kaiwa::Error>,
    said: impl Fn() -> Vec<String>,
    count: usize,
) -> Vec<String> {
    let mut running = pin!(bot.run(Source::webhooks(), handler));
    for _ in 0..20_000 {
        assert!((&mut running).now_or_never().is_none());
        if said().len() >= count {
            break;
        }
        world.clock.advance(Duration::from_millis(20));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    said()
}

fn said(world: &World) -> Vec<String> {
    let messages = world.sandbox.chatwork().room(ROOM).messages().into_iter();
    let own = messages.filter(|message| message.account.account_id == AccountId(1));
    own.map(|message| message.body.split_once('\n').expect("a reply").1.to_owned()).collect()
}

#[tokio::test]
async fn commands_and_answers_go_on_after_each_kill() {
    let world = World::new().await;
    let store = MemoryOutboxStore::with_clock(Arc::new(world.clock.clone()));
    let written = [
        ("おはよう", 0),
        ("/deploy prod", 1),
        ("[To:1]Botさん\nはい", 2),
        ("[To:1]Botさん\nはい", 2),
        ("/status", 3),
        ("/deploi prod", 3),
        ("[To:1]Botさん\n/deploi prod", 4),
    ];
    for (text, count) in written {
        let bot = world.bot().durable(store.clone());
        bot.inbox().push(world.wrote(2, ROOM, text)).await.expect("it is stored");
        run(&world, bot, talk, || said(&world), count).await;
        world.clock.advance(Duration::from_secs(31));
    }
    assert_eq!(
        said(&world),
        [
            "prod にリリースしてよいですか。",
            "「はい」と承りました",
            "異常ありません",
            "「deploi」というコマンドはありません。\nもしかして: deploy\n使い方を見るには、このボット宛てに /help と送ってください。",
        ]
    );
}

#[tokio::test]
async fn a_refusal_and_a_help_are_queued_and_lost_with_a_run_that_fails() {
    let world = World::new().await;
    let store = MemoryOutboxStore::with_clock(Arc::new(world.clock.clone()));
    let bot = world.bot().durable(store);
    for text in ["[To:1]Botさん\nstatus", "[To:1]Botさん\nhelp"] {
        bot.inbox().push(world.wrote(3, ROOM, text)).await.expect("it is stored");
    }
    let guard = Guard::new().accounts([AccountId(2)]);
    let attempts = RefCell::new(Vec::new());
    let handler = async |context: DurableContext| {
        attempts.borrow_mut().push(context.attempt());
        assert!(context.command::<Cli>().guard(&guard).await?.is_none());
        match context.attempt() {
            1 => Err(kaiwa::Error::token("the first run of each fails")),
            _ => Ok(()),
        }
    };
    let said = run(&world, bot, handler, || said(&world), 2).await;
    let refusal = "この操作をする権限がありません。";
    assert_eq!(said, [refusal, refusal]);
    assert_eq!(*attempts.borrow(), [1, 2, 1, 2]);
}

#[tokio::test]
async fn a_limit_counts_a_message_once_although_its_first_run_fails() {
    let world = World::new().await;
    let bot = world.bot().durable(MemoryOutboxStore::with_clock(Arc::new(world.clock.clone())));
    for _ in 0..3 {
        bot.inbox().push(world.wrote(2, ROOM, "[To:1]Botさん\nstatus")).await.expect("it is stored");
    }
    let guard = Guard::new().limit(2, Duration::from_secs(3600));
    let handler = async |context: DurableContext| {
        if context.command::<Cli>().guard(&guard).await?.is_some() {
            context.reply("異常ありません")?;
        }
        match context.attempt() {
            1 => Err(kaiwa::Error::token("the first run of each fails")),
            _ => Ok(()),
        }
    };
    let said = run(&world, bot, handler, || said(&world), 3).await;
    assert_eq!(said[..2], ["異常ありません", "異常ありません"]);
    assert!(said[2].starts_with("使えるのは 60 分に 2 回までです。"), "{said:?}");
}

#[tokio::test]
async fn a_guard_in_tascha_fails_commands_only_and_says_what_to_do() {
    let world = World::new().await;
    let room = tascha::RoomId::from(kaiwa::sandbox::tascha::Seed::ROOM);
    let store = MemoryOutboxStore::with_clock(Arc::new(world.clock.clone()));
    let bot = tascha::bot::Bot::new(world.sandbox.clients().tascha).durable(store);
    for (id, text) in ["おはよう", "/status", "お疲れさまです"].into_iter().enumerate() {
        let message = json!({ "id": format!("m{id}"), "roomId": room, "authorId": "u9", "body": text });
        let message: tascha::Message = serde_json::from_value(message).expect("a message");
        bot.inbox().push(message).await.expect("it is stored");
    }
    let read = RefCell::new(Vec::new());
    let handler = async |context: DurableContext| {
        let command = context.command::<Cli>().guard(Guard::new()).await;
        let command = command.map_err(|error| error.to_string());
        read.borrow_mut().push((context.text(), command.map(|command| command.is_some())));
        Ok(())
    };
    let seen = || read.borrow().iter().map(|(text, _)| text.clone()).collect();
    run(&world, bot, handler, seen, 3).await;
    let read = read.into_inner();
    assert_eq!([&read[0].1, &read[2].1], [&Ok(false), &Ok(false)]);
    let refused = read[1].1.clone().expect_err("a guard does not know who wrote it");
    assert!(refused.contains("compare the `author_id()` of the context"), "{refused}");
}

#[tokio::test]
async fn the_same_handler_reads_commands_in_tascha() {
    let world = World::new().await;
    let store = MemoryOutboxStore::with_clock(Arc::new(world.clock.clone()));
    let room = tascha::RoomId::from(kaiwa::sandbox::tascha::Seed::ROOM);
    let bot = || tascha::bot::Bot::new(world.sandbox.clients().tascha).durable(store.clone());
    let colleague = kaiwa::sandbox::tascha::Seed::COLLEAGUE;
    let said = || {
        let messages = world.sandbox.tascha().room(room.to_string()).messages().into_iter();
        let own = messages.filter(|message| {
            message.author_id.as_ref().is_some_and(|id| id.as_ref() == kaiwa::sandbox::tascha::Seed::USER)
        });
        own.map(|message| message.body).collect::<Vec<_>>()
    };
    let before = said().len();
    for (text, count) in [("/deploy prod", 1), ("@Alice はい", 2), ("/deploi", 2), ("@Alice /deploi prod", 3)]
    {
        let id = world.sandbox.tascha().room(room.to_string()).post(colleague, text).expect("a room");
        let message = json!({ "id": id, "roomId": room, "authorId": colleague, "body": text });
        let message: tascha::Message = serde_json::from_value(message).expect("a message");
        bot().inbox().push(message).await.expect("it is stored");
        run(&world, bot(), talk, said, before + count).await;
        world.clock.advance(Duration::from_secs(31));
    }
    assert_eq!(
        said()[before..],
        [
            "prod にリリースしてよいですか。",
            "「はい」と承りました",
            "「deploi」というコマンドはありません。\nもしかして: deploy\n使い方を見るには、このボット宛てに /help と送ってください。",
        ]
    );
}
