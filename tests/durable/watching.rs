//! A watch as the source: where it goes on, and what it yields meanwhile.

use crate::world::{ALICE, World, created};
use kaiwa::bot::{DurableContext, Source};
use kaiwa::chatwork::RoomId;
use std::time::Duration;

async fn echo(context: DurableContext) -> Result<(), kaiwa::Error> {
    context.reply(context.text()).map(drop)
}

#[tokio::test]
async fn messages_that_were_posted_while_it_was_down_are_answered_and_earlier_ones_are_not() {
    let world = World::new().await;
    world.say(10, ALICE, "前から");
    world.begin().await;
    for text in ["一", "二", "三"] {
        world.say(10, ALICE, text);
    }
    world.run(world.bot(), world.watch(), echo, || world.answers(10).len() == 3).await;
    assert_eq!(world.answers(10), ["一", "二", "三"]);
}

#[tokio::test]
async fn the_place_is_kept_even_if_nothing_was_posted_yet() {
    let world = World::new().await;
    world.say(10, ALICE, "前から");
    world.begin().await;
    world.say(10, ALICE, "留守の間");
    world.clock.advance(Duration::from_secs(3_600));
    world.run(world.bot(), world.watch(), echo, || !world.answers(10).is_empty()).await;
    assert_eq!(world.answers(10), ["留守の間"]);
}

#[tokio::test]
async fn a_watch_and_a_webhook_of_one_message_are_one() {
    let world = World::new().await;
    world.begin().await;
    let id = world.sandbox.chatwork().room(10).post_as(ALICE, "一");
    let bot = world.bot();
    let number = id.to_string().parse().expect("a number");
    bot.inbox().push(created(10, number, ALICE, "一")).await.expect("it is stored");
    world.say(11, ALICE, "終わり");
    world.run(bot, world.watch(), echo, || world.answers(11).len() == 1).await;
    let later = world.clock.elapsed() + Duration::from_secs(10);
    world.run(world.bot(), world.watch(), echo, || world.clock.elapsed() > later).await;
    assert_eq!(world.answers(10), ["一"]);
}

#[tokio::test]
async fn watches_of_different_rooms_have_places_of_their_own() {
    let world = World::new().await;
    let watch = |room: u64, name: &str| {
        let watch = world.client.watch([RoomId(room)]).min_interval(Duration::from_secs(2));
        Source::from(watch).named(name)
    };
    for (room, name) in [(10, "a"), (11, "b")] {
        let end = world.clock.elapsed() + Duration::from_secs(5);
        world.run(world.bot(), watch(room, name), echo, || world.clock.elapsed() > end).await;
    }
    world.say(10, ALICE, "一");
    world.say(11, ALICE, "二");
    world.run(world.bot(), watch(11, "b"), echo, || world.answers(11) == ["二"]).await;
    world.run(world.bot(), watch(10, "a"), echo, || world.answers(10) == ["一"]).await;
}

#[tokio::test]
async fn the_bot_answers_neither_itself_nor_in_another_service() {
    let world = World::new().await;
    world.begin().await;
    world.say(10, 1, "わたし");
    world.say(10, ALICE, "あなた");
    world.run(world.bot(), world.watch(), echo, || world.answers(10).len() == 2).await;
    assert_eq!(world.answers(10), ["わたし", "あなた"]);

    let tascha = world.sandbox.clients().tascha;
    let bot = kaiwa::tascha::bot::Bot::new(tascha).durable(world.store.clone());
    let refused = bot.inbox().push(created(10, 1, ALICE, "x")).await.expect_err("it is of Chatwork");
    assert!(refused.to_string().contains("an event of Chatwork was given to a bot of TAS-CHA"), "{refused}");
    let refused = bot.run(world.watch(), echo).await.expect_err("it is of Chatwork");
    assert!(
        refused.to_string().contains("a watch of Chatwork is no source of a bot of TAS-CHA"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_store_of_another_bot_is_refused() {
    let world = World::new().await;
    world.begin().await;
    let client = world.sandbox.chatwork_client("alice").build().expect("a client");
    let other = kaiwa::chatwork::bot::Bot::new(client).durable(world.store.clone());
    let refused = other.run(Source::webhooks(), echo).await.expect_err("it is the bot's");
    let text = refused.to_string();
    assert!(text.contains("the store belongs to the bot of account 1 at http://127.0.0.1:"), "{text}");
    assert!(
        text.contains("this one is of account 2") && text.contains("give it a store of its own"),
        "{text}"
    );
}
