//! What a handler can do, and when it becomes true.

use crate::world::{ALICE, BOB, World, created};
use kaiwa::bot::{DurableContext, Queued, Source};
use kaiwa::chatwork::RoomId;
use kaiwa::chatwork::notation::MessageBuilder;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Duration;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Step {
    Name,
    Age { name: String },
}

/// A conversation of two questions.
async fn introduce(context: DurableContext) -> Result<(), kaiwa::Error> {
    let state = context.state::<Step>().keep(Duration::from_secs(600));
    match state.get().await? {
        None if context.text() == "登録" => {
            state.set(&Step::Name)?;
            context.reply("お名前は？")?;
        }
        None => {}
        Some(Step::Name) => {
            state.set(&Step::Age { name: context.text() })?;
            context.reply("年齢は？")?;
        }
        Some(Step::Age { name }) => {
            state.clear()?;
            context.reply(format!("{name} さん、{} 歳ですね。", context.text()))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_conversation_goes_on_after_each_kill() {
    let world = World::new().await;
    world.begin().await;
    for (says, answers) in [("登録", 1), ("[toall] 田中", 2), ("30", 3)] {
        world.say(10, ALICE, says);
        world.say(10, BOB, "関係のない話");
        world.run(world.bot(), world.watch(), introduce, || world.answers(10).len() == answers).await;
    }
    assert_eq!(world.answers(10), ["お名前は？", "年齢は？", "田中 さん、30 歳ですね。"]);
}

#[tokio::test]
async fn people_and_rooms_have_states_of_their_own_and_share_the_rooms() {
    let world = World::new().await;
    let handler = async |context: DurableContext| {
        let (mine, rooms) = (context.state::<u32>(), context.room_state::<u32>());
        let other = context.state::<u32>().named("other");
        assert_eq!(other.get().await?, None);
        // Alice's is known whoever writes.
        let hers = context.state_of::<u32>(&ALICE.to_string()).get().await?;
        assert_eq!(
            hers.is_some(),
            context.author_id() == ALICE.to_string() && mine.get().await?.is_some()
                || context.author_id() == BOB.to_string()
        );
        let counts = [mine.get().await?.unwrap_or(0) + 1, rooms.get().await?.unwrap_or(0) + 1];
        mine.set(&counts[0])?;
        rooms.set(&counts[1])?;
        // Within a handler it is read back at once.
        assert_eq!(mine.get().await?, Some(counts[0]));
        context.reply(counts.map(|count| count.to_string()).join("/")).map(drop)
    };
    let inbox = world.bot().inbox();
    for ((room, account), id) in [(10, ALICE), (10, BOB), (10, ALICE), (11, ALICE)].into_iter().zip(1..) {
        inbox.push(created(room, id, account, "x")).await.expect("it is stored");
    }
    world
        .run(world.bot(), Source::webhooks(), handler, || {
            world.answers(10).len() + world.answers(11).len() == 4
        })
        .await;
    assert_eq!(world.answers(10), ["1/1", "1/2", "2/3"]);
    assert_eq!(world.answers(11), ["1/1"]);
}

#[tokio::test]
async fn a_state_is_forgotten_after_its_time() {
    let world = World::new().await;
    let handler = async |context: DurableContext| {
        let state = context.state::<String>().keep(Duration::from_secs(60));
        let before = state.get().await?.unwrap_or_default();
        state.set(&context.text())?;
        context.reply(format!("前は「{before}」")).map(drop)
    };
    let inbox = world.bot().inbox();
    for ((text, wait), id) in [("一", 0), ("二", 59), ("三", 61)].into_iter().zip(1_usize..) {
        world.clock.advance(Duration::from_secs(wait));
        inbox.push(created(10, id as u64, ALICE, text)).await.expect("it is stored");
        world.run(world.bot(), Source::webhooks(), handler, || world.answers(10).len() == id).await;
    }
    assert_eq!(world.answers(10), ["前は「」", "前は「一」", "前は「」"]);
}

/// JSON has no such number, so each later message of the person would fail.
#[tokio::test]
async fn a_state_that_could_not_be_read_again_is_not_set() {
    let world = World::new().await;
    let handler = async |context: DurableContext| {
        let state = context.state::<f64>();
        let hours = state.get().await?.unwrap_or(0.0) + context.text().parse().unwrap_or(f64::NAN);
        let said = match state.set(&hours) {
            Ok(()) => hours.to_string(),
            Err(error) => error.to_string(),
        };
        context.reply(said).map(drop)
    };
    let inbox = world.bot().inbox();
    for (text, id) in ["2.5", "NaN", "inf", "1"].into_iter().zip(1_u64..) {
        inbox.push(created(10, id, ALICE, text)).await.expect("it is stored");
    }
    world.run(world.bot(), Source::webhooks(), handler, || world.answers(10).len() == 4).await;
    let answers = world.answers(10);
    assert_eq!((&*answers[0], &*answers[3]), ("2.5", "3.5"));
    assert!(answers[1].contains("the state f64 cannot be read from its JSON again"), "{}", answers[1]);
    assert!(answers[2].contains("is not set"), "{}", answers[2]);
}

#[tokio::test]
async fn nothing_of_a_run_that_fails_is_stored() {
    let world = World::new().await;
    let runs = Mutex::new(Vec::new());
    let handler = async |context: DurableContext| {
        let before = context.state::<u32>().get().await?;
        runs.lock().expect("no panic").push((context.attempt(), before));
        context.state::<u32>().set(&context.attempt())?;
        context.reply(format!("{} 回目", context.attempt()))?;
        if context.attempt() == 1 {
            return Err(Box::<dyn std::error::Error + Send + Sync>::from("the database is away"));
        }
        Ok(())
    };
    world.bot().inbox().push(created(10, 1, ALICE, "x")).await.expect("it is stored");
    world.run(world.bot(), Source::webhooks(), handler, || world.answers(10).len() == 1).await;
    assert_eq!(world.answers(10), ["2 回目"]);
    assert_eq!(*runs.lock().expect("no panic"), [(1, None), (2, None)]);
}

#[tokio::test]
async fn a_message_can_be_queued_into_any_room() {
    let world = World::new().await;
    let keys = Mutex::new(Vec::new());
    let handler = async |context: DurableContext| {
        let chatwork = context.chatwork().expect("it is of Chatwork");
        let Queued { key, .. } = context.queue(chatwork.client().room(RoomId(11)).post("別の部屋"))?;
        keys.lock().expect("no panic").push(key);
        context.queue(chatwork.mention("呼びました"))?;
        context.reply(MessageBuilder::new().code("[toall]"))?;
        Ok::<_, kaiwa::Error>(())
    };
    let bot = world.bot();
    let outbox = bot.outbox().clone();
    bot.inbox().push(created(10, 7, ALICE, "[info]x[/info]")).await.expect("it is stored");
    world.run(bot, Source::webhooks(), handler, || world.answers(10).len() == 2).await;
    assert_eq!(world.bodies(10), ["[To:2]\n呼びました", "[rp aid=2 to=10-7]\n[code][toall][/code]"]);
    assert_eq!(world.bodies(11), ["別の部屋"]);
    let key = keys.lock().expect("no panic")[0].clone();
    assert!(outbox.status(&key).await.expect("it is there").is_some(), "{key}");
}

#[tokio::test]
async fn a_reply_that_the_service_would_refuse_is_refused_at_once() {
    let world = World::new().await;
    let (refusals, contexts) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let handler = async |context: DurableContext| {
        let refused = context.reply("あ".repeat(100_000)).expect_err("it cannot be posted");
        refusals.lock().expect("no panic").push(refused.to_string());
        let kept = context.clone();
        context.reply("短い返事")?;
        contexts.lock().expect("no panic").push(kept);
        Ok::<_, kaiwa::Error>(())
    };
    world.bot().inbox().push(created(10, 1, ALICE, "x")).await.expect("it is stored");
    world.run(world.bot(), Source::webhooks(), handler, || world.answers(10).len() == 1).await;
    // After the handler has returned nothing is taken.
    let late = contexts.lock().expect("no panic")[0].reply("遅い返事").expect_err("it is too late");
    assert!(late.to_string().contains("the handler of this message has returned"), "{late}");
    assert_eq!(world.answers(10), ["短い返事"]);
    let refusals = refusals.lock().expect("no panic");
    assert!(refusals[0].contains("body"), "{refusals:?}");
}
